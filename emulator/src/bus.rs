//! The bus as the device sees it: host memory behind an IOMMU.
//!
//! [`HostBus`] is the seam for fault injection: a decorator over [`HostMemory`] can unmap, corrupt
//! or delay nothing but what it is told to.

use kvcpu_mmio::DmaMemory;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Alignment of DMA memory, in 8-byte words: a 4 KiB page.
const PAGE_WORDS: usize = 512;

/// A device access to an address that is not mapped for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bus address {iova:#x} is not mapped for the device")]
pub struct BusFault {
    /// The first address that faulted.
    pub iova: u64,
}

/// Device-initiated accesses. Addresses are multiples of 8.
pub trait HostBus: Send {
    /// Reads words.
    fn read(&self, iova: u64, out: &mut [u64]) -> Result<(), BusFault>;
    /// Writes words; the last one with release ordering, so that a reader who sees it sees all.
    fn write(&self, iova: u64, data: &[u64]) -> Result<(), BusFault>;
}

/// One allocation of host memory, mapped at an IOVA.
#[derive(Debug)]
pub(crate) struct Region {
    iova: u64,
    start: usize,
    words: usize,
    memory: Vec<AtomicU64>,
}

impl Region {
    pub(crate) fn new(iova: u64, words: usize) -> Region {
        let mut memory = Vec::new();
        memory.resize_with(words + PAGE_WORDS - 1, AtomicU64::default);
        let start = (memory.as_ptr() as usize).next_multiple_of(PAGE_WORDS * 8) - memory.as_ptr() as usize;
        Region { iova, start: start / 8, words, memory }
    }
}

impl DmaMemory for Region {
    fn iova(&self) -> u64 {
        self.iova
    }

    fn words(&self) -> &[AtomicU64] {
        &self.memory[self.start..self.start + self.words]
    }
}

/// The mapped regions, in address order.
#[derive(Clone, Debug, Default)]
pub struct HostMemory {
    regions: Arc<RwLock<Vec<Arc<Region>>>>,
}

impl HostMemory {
    pub(crate) fn map(&self, region: Arc<Region>) {
        let mut regions = self.regions.write().unwrap_or_else(PoisonError::into_inner);
        let at = regions.partition_point(|r| r.iova < region.iova);
        regions.insert(at, region);
    }

    /// Unmaps the region that starts at `iova`; says whether there was one.
    pub(crate) fn unmap(&self, iova: u64) -> bool {
        let mut regions = self.regions.write().unwrap_or_else(PoisonError::into_inner);
        let before = regions.len();
        regions.retain(|r| r.iova != iova);
        regions.len() < before
    }

    /// Calls `f` with the `words` words at `iova`, which must lie in one region.
    fn with<R>(&self, iova: u64, words: usize, f: impl FnOnce(&[AtomicU64]) -> R) -> Result<R, BusFault> {
        let fault = BusFault { iova };
        let regions = self.regions.read().unwrap_or_else(PoisonError::into_inner);
        let at = regions.partition_point(|r| r.iova <= iova);
        let region = regions[..at].last().ok_or(fault)?;
        let first = ((iova - region.iova) / 8) as usize;
        let end = first.checked_add(words).filter(|&end| end <= region.words).ok_or(fault)?;
        Ok(f(&region.words()[first..end]))
    }
}

impl HostBus for HostMemory {
    fn read(&self, iova: u64, out: &mut [u64]) -> Result<(), BusFault> {
        self.with(iova, out.len(), |words| {
            for (to, from) in out.iter_mut().zip(words) {
                *to = from.load(Ordering::Relaxed);
            }
            std::sync::atomic::fence(Ordering::Acquire);
        })
    }

    fn write(&self, iova: u64, data: &[u64]) -> Result<(), BusFault> {
        self.with(iova, data.len(), |words| {
            let Some((last, rest)) = data.split_last() else { return };
            for (to, from) in words.iter().zip(rest) {
                to.store(*from, Ordering::Relaxed);
            }
            words[rest.len()].store(*last, Ordering::Release);
        })
    }
}
