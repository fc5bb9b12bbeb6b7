//! Anonymous pages of the kernel's own, whose faults are what `kvctl mem bench` compares with.
#![allow(unsafe_code, reason = "the pages are mapped, and touched by their address")]

use std::ffi::c_void;
use std::io;
use std::ptr::null_mut;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// Bytes of a page.
pub(super) const PAGE_BYTES: usize = 4096;

/// Pages of the kernel's own, none of which is there yet.
pub(super) struct Pages {
    start: *mut c_void,
    count: usize,
}

impl Pages {
    pub(super) fn new(count: usize) -> io::Result<Pages> {
        let bytes = count * PAGE_BYTES;
        // SAFETY: a new mapping; the advice, to have single pages and no huge ones, is for it alone.
        unsafe {
            let start = mmap_anonymous(null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?;
            let pages = Pages { start, count };
            // A kernel without huge pages knows no such advice, and needs none.
            let _ = madvise(start, bytes, Advice::LinuxNoHugepage);
            Ok(pages)
        }
    }

    /// Writes to a page.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub(super) fn touch(&mut self, page: usize) {
        assert!(page < self.count, "page {page} of {}", self.count);
        // SAFETY: it is within the mapping, which is this value's alone.
        unsafe { self.start.cast::<u8>().add(page * PAGE_BYTES).write_volatile(1) };
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: nobody else has the mapping. If it cannot go, it stays.
        let _ = unsafe { munmap(self.start, self.count * PAGE_BYTES) };
    }
}
