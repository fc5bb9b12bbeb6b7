//! Memory shared with the server: a memfd, sealed so that it cannot shrink under who maps it.
#![allow(unsafe_code, reason = "memory shared with another process is mapped")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use kvcpu_mmio::DmaMemory;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// An allocation.
#[derive(Debug)]
pub(super) struct Memory {
    iova: u64,
    fd: OwnedFd,
    start: NonNull<AtomicU64>,
    bytes: usize,
}

// SAFETY: the mapping belongs to this value until it is dropped, and is only used through atomics.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// `bytes` bytes, whole pages, of zeros, for `iova`.
    pub(super) fn new(iova: u64, bytes: usize) -> Result<Memory, Errno> {
        let fd = memfd_create("kvcpu-dma", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, bytes as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping of a file of this size, which cannot shrink, wherever there is room.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, protection, MapFlags::SHARED, &fd, 0)? };
        let start = NonNull::new(start.cast::<AtomicU64>()).ok_or(Errno::NOMEM)?;
        Ok(Memory { iova, fd, start, bytes })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl DmaMemory for Memory {
    fn iova(&self) -> u64 {
        self.iova
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: so many bytes are mapped from there, page-aligned, until `self` is dropped; others write them at any time, so
        // they are atomics.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes / 8) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; nobody borrows it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
