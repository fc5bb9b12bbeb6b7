//! Memory shared with the server: a memfd, sealed so that it cannot shrink under who maps it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use kvcpu_mmio::DmaMemory;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;

use crate::mapped::Mapped;

/// An allocation.
#[derive(Debug)]
pub(super) struct Memory {
    iova: u64,
    fd: OwnedFd,
    mapped: Mapped,
}

impl Memory {
    /// `bytes` bytes, whole pages, of zeros, for `iova`.
    pub(super) fn new(iova: u64, bytes: usize) -> Result<Memory, Errno> {
        let fd = memfd_create("kvcpu-dma", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, bytes as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mapped = Mapped::shared(fd.as_fd(), bytes)?;
        Ok(Memory { iova, fd, mapped })
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
        self.mapped.words()
    }
}
