//! The memory under a ring: words of atomics, little-endian whatever the host is.
//!
//! Words of an entry are loaded and stored relaxed; the index or phase that covers them carries the
//! ordering.

use crate::error::RingError;
use crate::sync::{AtomicU64, Ordering};

/// Memory shared with a peer.
///
/// An implementation is trusted: `words` returns the same slice each time. Should it shrink after
/// a ring was made over it, the ring panics like any slice index; it never reads elsewhere.
pub trait Memory {
    /// The memory, 8 bytes a word; byte 0 is the low byte of word 0.
    fn words(&self) -> &[AtomicU64];
}

impl Memory for [AtomicU64] {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        self
    }
}

impl<const N: usize> Memory for [AtomicU64; N] {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        self
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        (**self).words()
    }
}

#[cfg(feature = "alloc")]
impl<M: Memory + ?Sized> Memory for alloc::sync::Arc<M> {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        (**self).words()
    }
}

#[cfg(feature = "alloc")]
impl<M: Memory + ?Sized> Memory for alloc::boxed::Box<M> {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        (**self).words()
    }
}

#[cfg(feature = "alloc")]
impl Memory for alloc::vec::Vec<AtomicU64> {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        self
    }
}

/// A part of a memory, so that several rings can lie in one.
#[derive(Clone, Copy, Debug)]
pub struct Window<M> {
    memory: M,
    first_word: usize,
    len_words: usize,
}

impl<M: Memory> Window<M> {
    /// `len_words` words from word `first_word`.
    pub fn new(memory: M, first_word: usize, len_words: usize) -> Result<Window<M>, RingError> {
        require(&memory, first_word.saturating_add(len_words))?;
        Ok(Window { memory, first_word, len_words })
    }
}

impl<M: Memory> Memory for Window<M> {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        &self.memory.words()[self.first_word..self.first_word + self.len_words]
    }
}

/// Refuses a memory shorter than `need_words`.
pub(crate) fn require<M: Memory + ?Sized>(memory: &M, need_words: usize) -> Result<(), RingError> {
    let have_words = memory.words().len();
    if have_words < need_words {
        return Err(RingError::TooShort { need_words, have_words });
    }
    Ok(())
}

/// Loads one word.
#[inline]
pub(crate) fn load(word: &AtomicU64, order: Ordering) -> u64 {
    u64::from_le(word.load(order))
}

/// Stores one word.
#[inline]
pub(crate) fn store(word: &AtomicU64, value: u64, order: Ordering) {
    word.store(value.to_le(), order);
}

/// The words of entry `index` of the entries that begin at word `first_word`.
#[inline]
pub(crate) fn slot<const W: usize>(words: &[AtomicU64], first_word: usize, index: u32) -> &[AtomicU64] {
    let start = first_word + index as usize * W;
    &words[start..start + W]
}

/// Copies an entry out, each word exactly once.
#[inline]
pub(crate) fn load_entry<const W: usize>(words: &[AtomicU64], first_word: usize, index: u32) -> [u64; W] {
    let slot = slot::<W>(words, first_word, index);
    core::array::from_fn(|i| load(&slot[i], Ordering::Relaxed))
}

/// Copies an entry in.
#[inline]
pub(crate) fn store_entry<const W: usize>(words: &[AtomicU64], first_word: usize, index: u32, entry: &[u64; W]) {
    for (word, &value) in slot::<W>(words, first_word, index).iter().zip(entry) {
        store(word, value, Ordering::Relaxed);
    }
}
