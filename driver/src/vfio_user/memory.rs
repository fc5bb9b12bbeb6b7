//! Memory shared with the server: a memfd, sealed so that it cannot shrink under who maps it.

use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;

use kvcpu_mmio::DmaMemory;
use rustix::io::Errno;

use crate::mapped::Mapped;

/// An allocation.
#[derive(Debug)]
pub(super) struct Memory {
    iova: u64,
    mapped: Mapped,
}

impl Memory {
    /// `bytes` bytes, whole pages, of zeros, for `iova`; and the descriptor, which nobody needs any more once the server has it.
    pub(super) fn new(iova: u64, bytes: usize) -> Result<(Memory, OwnedFd), Errno> {
        let (mapped, fd) = Mapped::shared("kvcpu-dma", bytes)?;
        Ok((Memory { iova, mapped }, fd))
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
