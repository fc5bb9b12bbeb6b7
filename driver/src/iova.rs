//! Bus addresses: handed out upwards, so that an address that was freed stays unmapped for as long as there are others.
//!
//! ```text
//!  FIRST ─► │ allocation │ guard │ allocation │ guard │ ... ─► LIMIT, then from FIRST again, in the gaps
//! ```

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// First address handed out: above 4 GiB, where x86 keeps its interrupt window and firmware its own.
const FIRST: u64 = 0x1_0000_0000;
/// End of what every IOMMU translates: 39 bits, the least of VT-d (Intel VT-d 4.1, 10.4.2, SAGAW: 3-level tables).
const LIMIT: u64 = 1 << 39;
/// Unmapped space after each allocation, so that running past the end faults.
const GUARD_BYTES: u64 = 0x1000;

/// The addresses of one device.
#[derive(Debug)]
pub(crate) struct IovaSpace {
    next: u64,
    /// Start and end of what is taken; no two overlap.
    taken: BTreeMap<u64, u64>,
}

impl IovaSpace {
    /// All addresses but those reserved.
    pub(crate) fn new(reserved: &[RangeInclusive<u64>]) -> IovaSpace {
        let mut sorted = reserved.to_vec();
        sorted.sort_by_key(|range| *range.start());
        let mut taken = BTreeMap::<u64, u64>::new();
        for range in sorted {
            let end = range.end().saturating_add(1);
            match taken.last_entry() {
                Some(mut last) if *last.get() >= *range.start() => {
                    let joined = end.max(*last.get());
                    last.insert(joined);
                }
                _ => drop(taken.insert(*range.start(), end)),
            }
        }
        IovaSpace { next: FIRST, taken }
    }

    /// Takes `bytes` bytes at a multiple of `alignment`, a power of two.
    pub(crate) fn allocate(&mut self, bytes: u64, alignment: u64) -> Option<u64> {
        let bytes = bytes.checked_add(GUARD_BYTES)?;
        let start = self.gap(self.next, bytes, alignment).or_else(|| self.gap(FIRST, bytes, alignment))?;
        self.taken.insert(start, start + bytes);
        self.next = start + bytes;
        Some(start)
    }

    /// How many bytes were taken from there on, if any were.
    pub(crate) fn size(&self, start: u64) -> Option<u64> {
        self.taken.get(&start).map(|end| end - start - GUARD_BYTES)
    }

    /// Gives back what starts there: how many bytes were taken, if any were.
    pub(crate) fn free(&mut self, start: u64) -> Option<u64> {
        let size = self.size(start);
        self.taken.remove(&start);
        size
    }

    /// The first gap of this size from `from` on.
    fn gap(&self, from: u64, bytes: u64, alignment: u64) -> Option<u64> {
        let mut start = from.checked_next_multiple_of(alignment)?;
        loop {
            let end = start.checked_add(bytes).filter(|end| *end <= LIMIT)?;
            // They do not overlap: of those that begin before the end, the last also ends last.
            match self.taken.range(..end).next_back() {
                Some((_, taken)) if *taken > start => start = taken.checked_next_multiple_of(alignment)?,
                _ => return Some(start),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    #[test]
    fn allocations_have_guards_and_are_aligned() {
        let mut space = IovaSpace::new(&[]);
        let first = space.allocate(0x3000, 0x1000).unwrap();
        let second = space.allocate(0x1000, 0x1000).unwrap();
        assert_eq!((first, second), (FIRST, FIRST + 0x4000));
        assert_eq!(space.allocate(0x20_0000, 0x20_0000), Some(FIRST + 0x20_0000));
    }

    #[test]
    fn reserved_addresses_are_left_out() {
        let reserved = [FIRST + 0x5000..=FIRST + 0x5FFF, 0..=0xFFF, FIRST + 0x1000..=FIRST + 0x5FFF];
        let mut space = IovaSpace::new(&reserved);
        // A guard does not lie in them either.
        assert_eq!(space.allocate(0x1000, 0x1000), Some(FIRST + 0x6000));
        assert_eq!(IovaSpace::new(&[0..=u64::MAX]).allocate(0x1000, 0x1000), None);
    }

    #[test]
    fn what_was_freed_comes_again_only_when_the_end_is_reached() {
        let mut space = IovaSpace::new(&[]);
        let old = space.allocate(0x1000, 0x1000).unwrap();
        space.free(old);
        let large = LIMIT / 4;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(space.allocate(large, 0x1000).unwrap());
            assert_ne!(held.last(), Some(&old));
        }
        assert_eq!(space.allocate(large, 0x1000), None, "no room for a fourth");
        let rest = space.allocate(large - FIRST - 0x2000 - 4 * GUARD_BYTES, 0x1000).unwrap();
        assert!(rest > held[2]);
        assert_eq!(space.allocate(0x1000, 0x1000), Some(old));
        assert_eq!(space.allocate(u64::MAX, 0x1000), None);
        // Through the whole space many times.
        held.iter().for_each(|start| assert_eq!(space.free(*start), Some(large)));
        for _ in 0..100 {
            let start = space.allocate(large, 0x20_0000).unwrap();
            space.free(start);
        }
    }
}
