//! The card's memory, T1 and above it the device's tables: pages that exist once they are written. What was never written reads 0 in T1,
//! and noise in the tables, on which nothing may depend.

use crate::bus::{Bus, BusFault, merge};
use kvcpu_mmio::Geometry;
use std::collections::HashMap;

/// Words of a page.
const PAGE: u64 = 512;

/// Memory at address 0.
#[derive(Debug)]
pub(crate) struct Card {
    words: u64,
    fresh: Fresh,
    pages: HashMap<u64, Box<[u64]>>,
}

/// What words hold before they are written.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    /// Word where the tables begin.
    tables: u64,
    seed: u64,
}

impl Fresh {
    fn word(self, word: u64) -> u64 {
        if word < self.tables { 0 } else { (word ^ self.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) }
    }
}

impl Card {
    /// What this geometry needs, or so many bytes. The seed is that of the noise.
    pub(crate) fn new(geometry: &Geometry, bytes: Option<u64>, seed: u64) -> Card {
        let bytes = bytes.unwrap_or(geometry.tables_base() + geometry.tables_bytes());
        let fresh = Fresh { tables: geometry.tables_base() / 8, seed };
        Card { words: bytes / 8, fresh, pages: HashMap::new() }
    }

    /// The word numbers of an access, if all of them exist.
    fn words(&self, address: u64, words: usize) -> Result<std::ops::Range<u64>, BusFault> {
        let (first, words) = (address / 8, words as u64);
        if first >= self.words || words > self.words - first {
            return Err(BusFault { address });
        }
        Ok(first..first + words)
    }
}

impl Bus for Card {
    fn read(&mut self, address: u64, out: &mut [u64]) -> Result<(), BusFault> {
        for (word, to) in self.words(address, out.len())?.zip(out) {
            let page = self.pages.get(&(word / PAGE));
            *to = page.map_or(self.fresh.word(word), |page| page[(word % PAGE) as usize]);
        }
        Ok(())
    }

    fn write(&mut self, address: u64, data: &[u64], strobes: &[u8]) -> Result<(), BusFault> {
        for (word, (&new, &strobe)) in self.words(address, data.len())?.zip(data.iter().zip(strobes)) {
            let first = word - word % PAGE;
            let fresh = || (first..first + PAGE).map(|word| self.fresh.word(word)).collect();
            let page = self.pages.entry(word / PAGE).or_insert_with(fresh);
            let old = &mut page[(word - first) as usize];
            *old = merge(*old, new, strobe);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_written_and_ends_where_it_ends() {
        let geometry = Geometry { t1_kib: 2 << 10, ..Geometry::SMALL };
        let mut card = Card::new(&geometry, Some(2 << 20), 1);
        assert_eq!(card.write(0xFF8, &[1, 2], &[0xFF, 0xF0]), Ok(()));
        let mut out = [9; 3];
        assert_eq!(card.read(0xFF0, &mut out), Ok(()));
        assert_eq!(out, [0, 1, 0]);
        let end = 2 << 20;
        assert_eq!(card.write(end - 8, &[5], &[0xFF]), Ok(()));
        for (address, words) in [(end - 8, 2), (end, 1), (u64::MAX - 7, 1), (u64::MAX - 7, 2)] {
            assert_eq!(card.read(address, &mut vec![0; words]), Err(BusFault { address }), "{address:#x}");
        }
        assert_eq!(card.pages.len(), 3);
    }

    #[test]
    fn above_t1_it_holds_noise_and_the_tables() {
        let geometry = Geometry { t1_kib: 2 << 10, ..Geometry::SMALL };
        let mut card = Card::new(&geometry, None, 1);
        let (base, end) = (geometry.tables_base(), geometry.tables_base() + geometry.tables_bytes());
        let mut out = [0; 2];
        assert_eq!(card.read(base - 8, &mut out), Ok(()));
        assert!(out[0] == 0 && out[1] != 0, "{out:x?}");
        let fresh = out[1];
        assert_eq!(card.write(base + 8, &[7], &[0xFF]), Ok(()));
        assert_eq!(card.read(base, &mut out), Ok(()));
        assert_eq!(out, [fresh, 7]);
        assert_eq!(card.write(end - 8, &[7], &[0xFF]), Ok(()));
        assert_eq!(card.read(end, &mut out), Err(BusFault { address: end }));
    }
}
