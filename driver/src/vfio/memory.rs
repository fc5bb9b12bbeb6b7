//! Memory for DMA: huge pages if the host has some free, for which the IOMMU needs fewer and larger entries; else ordinary ones,
//! with the hint to make them huge.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use kvcpu_mmio::DmaMemory;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags};

use crate::mapped::Mapped;

/// Pages of x86 and of the device.
pub(super) const PAGE_BYTES: usize = 0x1000;
/// Huge pages, by default, of x86.
pub(super) const HUGE_PAGE_BYTES: usize = 0x20_0000;

/// Pages of this process.
#[derive(Debug)]
pub(super) struct Pages {
    /// Whole huge pages, if it is of those.
    mapped: Mapped,
    /// What was asked for, in whole pages.
    bytes: usize,
    is_huge: bool,
}

impl Pages {
    /// At least `bytes` bytes of zeros.
    pub(super) fn new(bytes: usize) -> Result<Pages, Errno> {
        let bytes = bytes.max(1).checked_next_multiple_of(PAGE_BYTES).ok_or(Errno::NOMEM)?;
        let huge = bytes.checked_next_multiple_of(HUGE_PAGE_BYTES).ok_or(Errno::NOMEM)?;
        let private = MapFlags::PRIVATE;
        // Not for what is smaller: the rest of the page would be lost.
        let pages = match bytes >= HUGE_PAGE_BYTES {
            true => Mapped::anonymous(huge, private | MapFlags::HUGETLB | MapFlags::HUGE_2MB).ok(),
            false => None,
        };
        let is_huge = pages.is_some();
        let mapped = pages.map_or_else(|| Mapped::anonymous(bytes, private), Ok)?;
        if !is_huge {
            // A kernel without transparent huge pages refuses; ordinary ones do.
            let _ = mapped.advise(Advice::LinuxHugepage);
        }
        // After a fork the device goes on writing the parent's pages, so a child has no use for its copies.
        mapped.advise(Advice::LinuxDontFork)?;
        Ok(Pages { mapped, bytes, is_huge })
    }

    pub(super) fn start(&self) -> NonNull<AtomicU64> {
        self.mapped.start()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What its bus address should be a multiple of, so that the IOMMU can map a page by an entry.
    pub(super) fn alignment(&self) -> usize {
        if self.bytes >= HUGE_PAGE_BYTES { HUGE_PAGE_BYTES } else { PAGE_BYTES }
    }

    /// Of huge pages.
    pub(super) fn is_huge(&self) -> bool {
        self.is_huge
    }
}

/// Pages with a bus address.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) iova: u64,
    pub(super) pages: Pages,
}

impl DmaMemory for Memory {
    fn iova(&self) -> u64 {
        self.iova
    }

    fn words(&self) -> &[AtomicU64] {
        &self.pages.mapped.words()[..self.pages.bytes / 8]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn pages_are_whole_zeroed_and_aligned() {
        for (bytes, whole, alignment) in [
            (0, 0x1000, 0x1000),
            (1, 0x1000, 0x1000),
            (0x1001, 0x2000, 0x1000),
            (HUGE_PAGE_BYTES, HUGE_PAGE_BYTES, HUGE_PAGE_BYTES),
            (HUGE_PAGE_BYTES + 1, HUGE_PAGE_BYTES + 0x1000, HUGE_PAGE_BYTES),
        ] {
            let pages = Pages::new(bytes).unwrap();
            assert_eq!((pages.bytes(), pages.alignment()), (whole, alignment), "{bytes}");
            let memory = Memory { iova: 0x1000, pages };
            let words = memory.words();
            assert_eq!(words.len() * 8, whole);
            assert_eq!(words.as_ptr() as usize % PAGE_BYTES, 0);
            assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            words[words.len() - 1].store(7, Ordering::Relaxed);
        }
        assert!(Pages::new(usize::MAX).is_err());
    }
}
