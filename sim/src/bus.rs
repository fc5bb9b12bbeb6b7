//! Host memory behind an IOMMU, and the seam through which the device reaches any memory.
//!
//! [`Bus`] is where faults are injected: a decorator over [`HostMemory`] can fault, corrupt or tear what it is told to. Its
//! unit is an AXI burst; latency and order are not its affair ([`RtlOptions`](crate::RtlOptions)).

use kvcpu_mmio::{BackingError, DmaMemory, dma_bytes};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Alignment of DMA memory, in 8-byte words: a 4 KiB page.
const PAGE_WORDS: usize = 512;
/// First IOVA handed out: not 0, so that a forgotten address faults.
const FIRST_IOVA: u64 = 0x1_0000_0000;
/// Unmapped space after each allocation, so that running past the end faults.
const GUARD_BYTES: u64 = 0x1000;

/// A device access to an address that nothing answers at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing answers the device at {address:#x}")]
pub struct BusFault {
    /// Where the burst began.
    pub address: u64,
}

/// What the device's bursts reach. Addresses are multiples of 8.
pub trait Bus: Send {
    /// Reads words.
    fn read(&mut self, address: u64, out: &mut [u64]) -> Result<(), BusFault>;
    /// Writes the bytes whose bits are 1 in `strobes` (a byte of them a word); the last word with release ordering, so that
    /// a reader who sees it sees all.
    fn write(&mut self, address: u64, data: &[u64], strobes: &[u8]) -> Result<(), BusFault>;
}

/// One allocation of host memory, mapped at an IOVA.
#[derive(Debug)]
struct Region {
    iova: u64,
    start: usize,
    words: usize,
    memory: Vec<AtomicU64>,
}

impl Region {
    fn new(iova: u64, words: usize) -> Region {
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

#[derive(Debug)]
struct Mappings {
    /// In address order.
    regions: Vec<Arc<Region>>,
    next_iova: u64,
}

/// The memory that is mapped for the device.
#[derive(Clone, Debug)]
pub struct HostMemory(Arc<Mutex<Mappings>>);

impl Default for HostMemory {
    fn default() -> HostMemory {
        HostMemory(Arc::new(Mutex::new(Mappings { regions: Vec::new(), next_iova: FIRST_IOVA })))
    }
}

impl HostMemory {
    fn mappings(&self) -> MutexGuard<'_, Mappings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Backing::dma_alloc`](kvcpu_mmio::Backing::dma_alloc). The IOVAs are the emulator's for the same requests.
    pub(crate) fn alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        let bytes = dma_bytes(bytes)?;
        let mut mappings = self.mappings();
        let region = Arc::new(Region::new(mappings.next_iova, bytes / 8));
        mappings.next_iova += bytes as u64 + GUARD_BYTES;
        // IOVAs only grow.
        mappings.regions.push(region.clone());
        Ok(region)
    }

    /// As [`Backing::dma_free`](kvcpu_mmio::Backing::dma_free).
    pub(crate) fn free(&self, iova: u64) -> Result<(), BackingError> {
        let mut mappings = self.mappings();
        let before = mappings.regions.len();
        mappings.regions.retain(|region| region.iova != iova);
        if mappings.regions.len() < before {
            return Ok(());
        }
        Err(BackingError::not_mapped(iova))
    }

    /// Calls `f` with the `words` words at `address`, which must lie in one region.
    fn with<R>(&self, address: u64, words: usize, f: impl FnOnce(&[AtomicU64]) -> R) -> Result<R, BusFault> {
        let fault = BusFault { address };
        let mappings = self.mappings();
        let at = mappings.regions.partition_point(|region| region.iova <= address);
        let region = mappings.regions[..at].last().ok_or(fault)?;
        let first = ((address - region.iova) / 8) as usize;
        let end = first.checked_add(words).filter(|&end| end <= region.words).ok_or(fault)?;
        Ok(f(&region.words()[first..end]))
    }
}

impl Bus for HostMemory {
    fn read(&mut self, address: u64, out: &mut [u64]) -> Result<(), BusFault> {
        self.with(address, out.len(), |words| {
            for (to, from) in out.iter_mut().zip(words) {
                *to = from.load(Ordering::Relaxed);
            }
            fence(Ordering::Acquire);
        })
    }

    fn write(&mut self, address: u64, data: &[u64], strobes: &[u8]) -> Result<(), BusFault> {
        self.with(address, data.len(), |words| {
            let last = data.len() - 1;
            for (number, (word, (&new, &strobe))) in words.iter().zip(data.iter().zip(strobes)).enumerate() {
                let order = if number == last { Ordering::Release } else { Ordering::Relaxed };
                if strobe == 0xFF {
                    word.store(new, order);
                } else {
                    let _ = word.fetch_update(order, Ordering::Relaxed, |old| Some(merge(old, new, strobe)));
                }
            }
        })
    }
}

/// `old` with the bytes of `new` whose bits are 1 in `strobe`.
pub fn merge(old: u64, new: u64, strobe: u8) -> u64 {
    let mask = (0..8)
        .filter(|byte| strobe >> byte & 1 == 1)
        .fold(0, |mask, byte| mask | 0xFF << (8 * byte));
    old & !mask | new & mask
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    #[test]
    fn allocations_are_a_page_apart_and_what_is_between_faults() {
        let mut memory = HostMemory::default();
        let (first, second) = (memory.alloc(1).unwrap(), memory.alloc(4097).unwrap());
        assert_eq!((first.iova(), second.iova()), (0x1_0000_0000, 0x1_0000_2000));
        assert_eq!((first.words().len(), second.words().len()), (512, 1024));
        assert_eq!(memory.alloc(8).unwrap().iova(), 0x1_0000_5000);
        assert!(first.words().as_ptr().addr().is_multiple_of(4096));
        for (address, words) in [(0, 1), (0xFFFF_FFF8, 2), (0x1_0000_0FF8, 2), (0x1_0000_1000, 1), (u64::MAX - 7, 1)] {
            assert_eq!(memory.read(address, &mut vec![0; words]), Err(BusFault { address }), "{address:#x}");
        }
        assert_eq!(memory.read(0x1_0000_0FF8, &mut [0]), Ok(()));
    }

    #[test]
    fn freed_memory_faults_and_is_the_hosts_alone() {
        let mut memory = HostMemory::default();
        let mine = memory.alloc(4096).unwrap();
        memory.write(mine.iova(), &[7], &[0xFF]).unwrap();
        memory.free(mine.iova()).unwrap();
        assert!(memory.write(mine.iova(), &[8], &[0xFF]).is_err());
        assert_eq!(mine.words()[0].load(Ordering::Relaxed), 7);
        assert!(matches!(memory.free(mine.iova()), Err(BackingError::Dma(_))));
        assert_ne!(memory.alloc(4096).unwrap().iova(), mine.iova());
    }

    #[test]
    fn bytes_without_strobe_stay() {
        let mut memory = HostMemory::default();
        let mine = memory.alloc(4096).unwrap();
        mine.words()[1].store(u64::MAX, Ordering::Relaxed);
        memory.write(mine.iova(), &[1, 0x1122_3344_5566_7788, 3], &[0xFF, 0x0A, 0]).unwrap();
        let words: Vec<u64> = mine.words()[..3].iter().map(|word| word.load(Ordering::Relaxed)).collect();
        assert_eq!(words, [1, 0xFFFF_FFFF_55FF_77FF, 0]);
    }
}
