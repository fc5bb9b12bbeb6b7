//! Plain host memory in the shape of DMA memory, for a store that is used without a device.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kvcpu_mmio::DmaMemory;

use crate::PAGE_BYTES;

/// Zeroed memory whose first word lies at a multiple of 4096. It has no bus address.
#[derive(Debug)]
pub struct HeapMemory {
    words: Vec<AtomicU64>,
    first: usize,
    len: usize,
}

impl HeapMemory {
    /// `bytes` bytes, rounded up to 8.
    pub fn new(bytes: usize) -> Arc<HeapMemory> {
        let len = bytes.div_ceil(8);
        let words: Vec<AtomicU64> = (0..len + PAGE_BYTES / 8).map(|_| AtomicU64::new(0)).collect();
        let first = words.as_ptr().align_offset(PAGE_BYTES);
        Arc::new(HeapMemory { words, first, len })
    }

    /// Copies `bytes`, a multiple of 8 of them, to byte `offset`, a multiple of 8.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset.is_multiple_of(8) && bytes.len().is_multiple_of(8), "whole words only");
        let words = &self.words()[offset / 8..(offset + bytes.len()) / 8];
        for (word, bytes) in words.iter().zip(bytes.as_chunks::<8>().0) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
    }

    /// The `len` bytes, a multiple of 8, from byte `offset`, a multiple of 8.
    pub fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset.is_multiple_of(8) && len.is_multiple_of(8), "whole words only");
        let words = &self.words()[offset / 8..(offset + len) / 8];
        words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect()
    }
}

impl DmaMemory for HeapMemory {
    fn iova(&self) -> u64 {
        0
    }
    fn words(&self) -> &[AtomicU64] {
        &self.words[self.first..self.first + self.len]
    }
}
