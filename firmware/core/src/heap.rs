//! There is no heap. Host-side types of `kvcpu-mmio` allocate, so a binary that links it must name an allocator; nothing here calls it.
// `GlobalAlloc` is an unsafe trait.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};

/// Refuses.
struct None;

// SAFETY: it never gives out memory, so none of it can overlap or be used after it was given back.
unsafe impl GlobalAlloc for None {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: None = None;
