//! A sparse memory of 64-bit words, with places that answer with an error or do not keep what they are given.

use std::collections::HashMap;
use std::ops::Range;

/// Words never written are 0. Addresses are in bytes.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    words: HashMap<u64, u64>,
    /// Where reads are answered with an error.
    pub unreadable: Vec<Range<u64>>,
    /// Where writes are, and change nothing.
    pub unwritable: Vec<Range<u64>>,
    /// Bits of a word, by its address, that are written inverted.
    pub flipped: HashMap<u64, u64>,
}

impl Memory {
    /// Neither reads nor writes reach this range.
    pub fn unmap(&mut self, range: Range<u64>) {
        self.unreadable.push(range.clone());
        self.unwritable.push(range);
    }

    /// The word, whatever a bus would answer.
    pub fn word(&self, address: u64) -> u64 {
        self.words.get(&(address & !7)).copied().unwrap_or(0)
    }

    /// Puts a word there, past all faults.
    pub fn put(&mut self, address: u64, word: u64) {
        self.words.insert(address & !7, word);
    }

    /// What a bus reads; `None` is an error.
    pub fn read(&self, address: u64) -> Option<u64> {
        let is_fault = self.unreadable.iter().any(|range| range.contains(&address));
        (!is_fault).then(|| self.word(address))
    }

    /// A bus writes the bytes whose strobes are set; false is an error.
    pub fn write(&mut self, address: u64, word: u64, strobes: u64) -> bool {
        if self.unwritable.iter().any(|range| range.contains(&address)) {
            return false;
        }
        let mask = (0..8)
            .filter(|byte| strobes >> byte & 1 == 1)
            .fold(0, |mask, byte| mask | 0xFF << (8 * byte));
        let flipped = word ^ self.flipped.get(&(address & !7)).copied().unwrap_or(0);
        self.put(address, (self.word(address) & !mask) | (flipped & mask));
        true
    }
}
