//! Memory that a device or another process writes too: mapped, shown as atomics, and unmapped when dropped.
#![allow(unsafe_code, reason = "memory is mapped")]

use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
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

    /// New memory, zeros, and the descriptor with which another process can map it too. It is sealed: whoever has the
    /// descriptor cannot make it shorter.
    pub(crate) fn shared(name: &str, bytes: usize) -> Result<(Mapped, OwnedFd), Errno> {
        let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, bytes as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        // SAFETY: a new mapping, wherever there is room, of a file that has so many bytes and keeps them.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, READ_WRITE, MapFlags::SHARED, &fd, 0)? };
        Ok((Mapped::at(start, bytes)?, fd))
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

    /// Advice that changes nothing of what the memory holds: how large its pages are, and whether a child has it too. Other advice
    /// is `EINVAL`.
    pub(crate) fn advise(&self, advice: Advice) -> Result<(), Errno> {
        if !matches!(advice, Advice::LinuxHugepage | Advice::LinuxDontFork) {
            return Err(Errno::INVAL);
        }
        // SAFETY: our own mapping, and neither advice takes its bytes away from this process.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn shared_memory_cannot_shrink_and_advice_cannot_empty_memory() {
        let (mapped, fd) = Mapped::shared("test", 8192).unwrap();
        assert_eq!((ftruncate(&fd, 0), ftruncate(&fd, 16384)), (Err(Errno::PERM), Err(Errno::PERM)));
        mapped.words()[1023].store(7, Ordering::Relaxed);
        assert_eq!(mapped.advise(Advice::LinuxDontNeed), Err(Errno::INVAL));
        assert_eq!(mapped.advise(Advice::LinuxRemove), Err(Errno::INVAL));
        mapped.advise(Advice::LinuxDontFork).unwrap();
        assert_eq!(mapped.words()[1023].load(Ordering::Relaxed), 7);
    }
}
