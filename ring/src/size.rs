//! The size of a ring, and all arithmetic on its indexes.
//!
//! Indexes run from 0 to `entries - 1` and wrap; they are never free-running counters, because that
//! is what doorbell registers and CQEs carry.

use crate::error::RingError;

/// Entries of a ring: a power of two from 2 to 32768.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    mask: u32,
}

impl Size {
    /// The fewest entries: one slot is usable.
    pub const MIN: u32 = 2;
    /// The most entries: every index fits the 16-bit fields of doorbells and CQEs.
    pub const MAX: u32 = 32768;

    /// Checks a number of entries.
    pub const fn new(entries: u32) -> Result<Size, RingError> {
        if entries.is_power_of_two() && entries >= Self::MIN && entries <= Self::MAX {
            Ok(Size { mask: entries - 1 })
        } else {
            Err(RingError::BadSize { entries: entries as u64 })
        }
    }

    /// Checks a number of entries found in shared memory.
    pub(crate) fn from_untrusted(entries: u64) -> Result<Size, RingError> {
        u32::try_from(entries).map_or(Err(RingError::BadSize { entries }), Size::new)
    }

    /// Slots, of which one stays empty.
    #[inline]
    pub const fn entries(self) -> u32 {
        self.mask + 1
    }

    /// Entries the ring can hold at a time.
    #[inline]
    pub const fn capacity(self) -> u32 {
        self.mask
    }

    /// The index after `index`.
    #[inline]
    pub(crate) const fn next(self, index: u32) -> u32 {
        (index + 1) & self.mask
    }

    /// Steps forward from `from` to `to`.
    #[inline]
    pub(crate) const fn distance(self, from: u32, to: u32) -> u32 {
        to.wrapping_sub(from) & self.mask
    }

    /// The furthest tail a producer may publish that knows of `head`.
    #[inline]
    pub(crate) const fn last_tail(self, head: u32) -> u32 {
        head.wrapping_sub(1) & self.mask
    }

    /// Checks that an index exists in this ring.
    #[inline]
    pub(crate) fn check(self, name: &'static str, index: u64) -> Result<u32, RingError> {
        if index > u64::from(self.mask) {
            return Err(RingError::IndexOutOfRange { name, index, entries: self.entries() });
        }
        Ok(index as u32)
    }

    /// Checks an index the peer published: it exists, and lies on the way from its last value
    /// `from` to `limit`, the furthest it can have come.
    #[inline]
    pub(crate) fn check_move(self, name: &'static str, from: u32, limit: u32, index: u64) -> Result<u32, RingError> {
        let index = self.check(name, index)?;
        if self.distance(from, index) > self.distance(from, limit) {
            return Err(RingError::IndexOvertakes { name, index, from, limit });
        }
        Ok(index)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_powers_of_two_from_2_to_32768_are_sizes() {
        for entries in 0..=70_000_u32 {
            let good = entries.is_power_of_two() && (2..=32768).contains(&entries);
            assert_eq!(Size::new(entries).is_ok(), good, "{entries}");
        }
        assert_eq!(Size::from_untrusted(1 << 32 | 4), Err(RingError::BadSize { entries: 1 << 32 | 4 }));
    }

    #[test]
    fn a_move_is_accepted_exactly_up_to_its_limit() {
        let size = Size::new(8).expect("8 is a size");
        for from in 0..8 {
            for limit in 0..8 {
                let mut index = from;
                let reachable: [bool; 8] = core::array::from_fn(|wanted| {
                    index = from;
                    while index != limit && index != wanted as u32 {
                        index = size.next(index);
                    }
                    index == wanted as u32
                });
                for (wanted, reachable) in reachable.into_iter().enumerate() {
                    let got = size.check_move("tail", from, limit, wanted as u64);
                    assert_eq!(got.is_ok(), reachable, "{from} -> {wanted}, limit {limit}");
                }
            }
        }
        assert!(size.check_move("tail", 0, 7, 8).is_err());
        assert!(size.check_move("tail", 0, 7, u64::MAX).is_err());
    }
}
