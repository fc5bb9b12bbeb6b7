//! The card's memory (T1): pages that exist once they are written; what was never written reads 0.

use crate::bus::{Bus, BusFault, merge};
use std::collections::HashMap;

/// Words of a page.
const PAGE: u64 = 512;

/// Memory of a given size, at address 0.
#[derive(Debug)]
pub(crate) struct Card {
    words: u64,
    pages: HashMap<u64, Box<[u64]>>,
}

impl Card {
    pub(crate) fn new(mib: u32) -> Card {
        Card { words: u64::from(mib) << 17, pages: HashMap::new() }
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
            *to = self.pages.get(&(word / PAGE)).map_or(0, |page| page[(word % PAGE) as usize]);
        }
        Ok(())
    }

    fn write(&mut self, address: u64, data: &[u64], strobes: &[u8]) -> Result<(), BusFault> {
        for (word, (&new, &strobe)) in self.words(address, data.len())?.zip(data.iter().zip(strobes)) {
            let page = self.pages.entry(word / PAGE).or_insert_with(|| vec![0; PAGE as usize].into());
            let old = &mut page[(word % PAGE) as usize];
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
        let mut card = Card::new(2);
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
}
