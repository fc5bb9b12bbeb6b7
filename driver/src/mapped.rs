//! Memory that a device or another process writes too: mapped, shown as atomics, and unmapped when dropped.
#![allow(unsafe_code, reason = "memory is mapped")]

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Whole pages.
#[derive(Debug)]
pub(crate) struct Mapped {
    start: NonNull<AtomicU64>,
    bytes: usize,
}

// SAFETY: the mapping belongs to this value until it is dropped, and is only used through atomics.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// New memory of this process, zeros.
    pub(crate) fn anonymous(bytes: usize, flags: MapFlags) -> Result<Mapped, Errno> {
        // SAFETY: a new mapping of new memory, wherever there is room.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, READ_WRITE, flags)? };
        Mapped::at(start, bytes)
    }

    /// The first bytes of a file, which has them and cannot shrink, shared with whoever has it too.
    pub(crate) fn shared(file: BorrowedFd<'_>, bytes: usize) -> Result<Mapped, Errno> {
        // SAFETY: a new mapping, wherever there is room, of what the file has and keeps.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, READ_WRITE, MapFlags::SHARED, file, 0)? };
        Mapped::at(start, bytes)
    }

    fn at(start: *mut core::ffi::c_void, bytes: usize) -> Result<Mapped, Errno> {
        Ok(Mapped { start: NonNull::new(start.cast()).ok_or(Errno::NOMEM)?, bytes })
    }

    pub(crate) fn start(&self) -> NonNull<AtomicU64> {
        self.start
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: so many bytes are mapped from there, page-aligned, until `self` is dropped; others write them at any time, so they
        // are atomics.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes / 8) }
    }

    /// Advice that changes nothing of what the memory holds.
    pub(crate) fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY: our own mapping, and harmless advice: those who give it see to that.
        unsafe { madvise(self.start.as_ptr().cast(), self.bytes, advice) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped with this length; nobody borrows it any more. What is still mapped for a device the kernel holds on to by
        // itself.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
