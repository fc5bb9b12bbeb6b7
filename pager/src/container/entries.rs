//! Entries that a fill reads while an update writes them.
//!
//! A sequence lock: the writer makes the count odd, stores the entry, makes it even; a reader that saw it odd or changed reads again. The
//! writer touches no block between the two, so it cannot fault there and be its own reader in a signal handler, waiting for itself. (A
//! handler of the program's own that touches blocks is to be blocked on the thread that updates them.)

use super::index::{ENTRY_BYTES, Entry};
use std::sync::atomic::{AtomicU64, Ordering, fence};

const WORDS: usize = ENTRY_BYTES / 8;

/// The entries of all blocks.
pub(super) struct Entries {
    words: Box<[[AtomicU64; WORDS]]>,
    count: AtomicU64,
}

impl Entries {
    /// From their bytes; `None` if there is no memory for them.
    pub(super) fn new(entries: &[[u8; ENTRY_BYTES]]) -> Option<Entries> {
        let mut words = Vec::new();
        words.try_reserve_exact(entries.len()).ok()?;
        words.extend(entries.iter().map(|bytes| words_of(bytes).map(AtomicU64::new)));
        Some(Entries { words: words.into(), count: AtomicU64::new(0) })
    }

    /// Blocks there are.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// The entry of a block; `None` if there is no such block.
    pub(super) fn get(&self, block: u64) -> Option<Entry> {
        let words = self.words.get(usize::try_from(block).ok()?)?;
        loop {
            let before = self.count.load(Ordering::Acquire);
            let copy = words.each_ref().map(|word| word.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.count.load(Ordering::Relaxed) == before {
                return Entry::from_bytes(&bytes_of(&copy));
            }
            std::hint::spin_loop();
        }
    }

    /// Replaces the entry of a block that there is. One thread at a time.
    pub(super) fn set(&self, block: u64, entry: &Entry) {
        let Some(words) = usize::try_from(block).ok().and_then(|block| self.words.get(block)) else { return };
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, value) in words.iter().zip(words_of(&entry.to_bytes())) {
            word.store(value, Ordering::Relaxed);
        }
        self.count.store(before.wrapping_add(2), Ordering::Release);
    }

    /// Appends all of them.
    pub(super) fn put(&self, to: &mut Vec<u8>) {
        for words in &self.words {
            to.extend_from_slice(&bytes_of(&words.each_ref().map(|word| word.load(Ordering::Relaxed))));
        }
    }
}

fn words_of(bytes: &[u8; ENTRY_BYTES]) -> [u64; WORDS] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|at| u64::from_le_bytes(words[at]))
}

fn bytes_of(words: &[u64; WORDS]) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
