//! A block's worth of DMA memory.
//!
//! The device may write the memory while the host reads it; every access here is a relaxed load
//! or store of a word, so such a race gives wrong bytes (which a CRC shows), never undefined
//! behaviour.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kvcpu_mmio::DmaMemory;

use crate::page::Page;
use crate::{PAGE_BYTES, StoreError};

/// Words copied at a time on the way to the CRC: a page was fastest of 1 to 24 KiB when measured.
const CHUNK_WORDS: usize = 512;

/// `bytes` bytes of a DMA memory, which it keeps alive.
#[derive(Clone)]
pub(crate) struct Span {
    memory: Arc<dyn DmaMemory>,
    first_word: usize,
    words: usize,
}

impl Span {
    pub(crate) fn new(memory: &Arc<dyn DmaMemory>, offset: usize, bytes: usize) -> Result<Span, StoreError> {
        let len = memory.words().len() * 8;
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= len);
        if !fits || !offset.is_multiple_of(8) {
            return Err(StoreError::BadMemory { offset, need: bytes, len });
        }
        Ok(Span { memory: Arc::clone(memory), first_word: offset / 8, words: bytes / 8 })
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.memory.words()[self.first_word..self.first_word + self.words]
    }

    /// Whether O_DIRECT can move the bytes without a copy.
    pub(crate) fn is_page_aligned(&self) -> bool {
        self.words().as_ptr().addr().is_multiple_of(PAGE_BYTES) && (self.words * 8).is_multiple_of(PAGE_BYTES)
    }

    pub(crate) fn crc32c(&self) -> u32 {
        let mut bytes = [0; CHUNK_WORDS * 8];
        self.words().chunks(CHUNK_WORDS).fold(0, |crc, words| {
            let bytes = &mut bytes[..words.len() * 8];
            load(words, bytes);
            crc32c::crc32c_append(crc, bytes)
        })
    }

    pub(crate) fn copy_to(&self, pages: &mut [Page]) {
        for (words, page) in self.words().chunks(PAGE_BYTES / 8).zip(pages) {
            let (block, padding) = page.0.split_at_mut(words.len() * 8);
            load(words, block);
            padding.fill(0);
        }
    }

    pub(crate) fn copy_from(&self, pages: &[Page]) {
        for (words, page) in self.words().chunks(PAGE_BYTES / 8).zip(pages) {
            for (word, bytes) in words.iter().zip(page.0.as_chunks::<8>().0) {
                word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn zero(&self) {
        for word in self.words() {
            word.store(0, Ordering::Relaxed);
        }
    }
}

fn load(words: &[AtomicU64], bytes: &mut [u8]) {
    for (word, bytes) in words.iter().zip(bytes.as_chunks_mut::<8>().0) {
        *bytes = word.load(Ordering::Relaxed).to_le_bytes();
    }
}
