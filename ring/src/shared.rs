//! A ring between two processes: entries, indexes and `need_wakeup` flags all in shared memory.
//!
//! ```text
//!   word  0   magic, version, entries, words of an entry     written once
//!   word  8   tail                                           written by the producer
//!   word 16   head                                           written by the consumer
//!   word 24   consumer waits: set by the consumer, cleared by the producer
//!   word 32   producer waits: set by the producer, cleared by the consumer
//!   word 40   entries
//! ```
//!
//! Each index and flag has a cache line of 64 bytes to itself. A tail replaces the phase bit of
//! device rings, so completions carry bit 48 of word 1 unchanged.
//!
//! # Sleeping
//!
//! A side with nothing to do spins for a while, then raises its flag, looks once more, and only then
//! sleeps. The other side publishes, then looks at the flag. A full fence stands between the two steps on
//! both sides, so at least one sees the other: either the sleeper finds the work, or the publisher finds
//! the flag. Whoever finds the flag clears it and wakes the peer by the caller's means:
//!
//! - eventfd: write 1; the sleeper reads it. A wakeup may come late, after the sleeper found work by
//!   itself; then the next sleep ends at once, and [`Wait::Ready`] or another sleep follows.
//! - futex: the low 32 bits of the flag's word. The sleeper waits while they are 1; since the publisher
//!   clears them first, a wake between the last look and the wait is not lost.

use core::fmt;

use crate::consumer::Consumer;
use crate::error::RingError;
use crate::memory::{Memory, load, require, store};
use crate::producer::Producer;
use crate::size::Size;
use crate::sync::{AtomicU64, Ordering, index_observe, index_publish, store_then_load};

/// Where things lie in a shared ring, in words of 8 bytes.
pub mod layout {
    /// Word 0: `"KVCPRING"` in ASCII, first letter in the low byte.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"KVCPRING");
    /// The version of this layout.
    pub const VERSION: u64 = 1;
    /// The magic, which is written last.
    pub const MAGIC_WORD: usize = 0;
    /// The layout version.
    pub const VERSION_WORD: usize = 1;
    /// Entries of the ring.
    pub const ENTRIES_WORD: usize = 2;
    /// Words of an entry.
    pub const ENTRY_WORDS_WORD: usize = 3;
    /// Index of the next entry to be written.
    pub const TAIL_WORD: usize = 8;
    /// Index of the next entry to be read.
    pub const HEAD_WORD: usize = 16;
    /// Not 0 while the consumer sleeps or is about to.
    pub const CONSUMER_WAITS_WORD: usize = 24;
    /// Not 0 while the producer sleeps or is about to.
    pub const PRODUCER_WAITS_WORD: usize = 32;
    /// Word 0 of entry 0.
    pub const ENTRIES_START_WORD: usize = 40;
}

/// Whether the peer has to be woken after a publish or a release.
#[must_use = "a peer that sleeps and is not woken sleeps for ever"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// The peer is awake.
    NotNeeded,
    /// The peer sleeps, or is about to: wake it.
    Needed,
}

impl Wakeup {
    /// True for [`Wakeup::Needed`].
    pub fn needed(self) -> bool {
        self == Wakeup::Needed
    }
}

/// What a side that waits has to do.
#[must_use = "the caller does the sleeping"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// There is work (or room): go on.
    Ready,
    /// The flag is up and there is nothing to do: sleep until woken, then try again.
    Sleep,
}

/// A ring laid out in shared memory, with entries of `W` words; becomes its producer or its
/// consumer.
pub struct SharedRing<M, const W: usize> {
    pub(crate) memory: M,
    pub(crate) size: Size,
}

impl<M, const W: usize> fmt::Debug for SharedRing<M, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRing").field("size", &self.size).field("entry_words", &W).finish()
    }
}

impl<M: Memory, const W: usize> SharedRing<M, W> {
    /// Words of memory that a ring of `entries` entries takes, a whole number of cache lines.
    pub fn words(entries: u32) -> Result<usize, RingError> {
        Ok(Self::words_of(Size::new(entries)?))
    }

    fn words_of(size: Size) -> usize {
        layout::ENTRIES_START_WORD + (size.entries() as usize * W).next_multiple_of(8)
    }

    /// Lays an empty ring out at the beginning of `memory`. Only one side does this.
    pub fn format(memory: M, entries: u32) -> Result<Self, RingError> {
        let size = Size::new(entries)?;
        require(&memory, Self::words_of(size))?;
        let words = memory.words();
        // In fresh memory a peer that attaches meanwhile sees no magic, or all of the header. Over an
        // old ring it may see a mixture: detach from that first.
        store(&words[layout::MAGIC_WORD], 0, Ordering::Relaxed);
        for (word, value) in [
            (layout::VERSION_WORD, layout::VERSION),
            (layout::ENTRIES_WORD, size.entries().into()),
            (layout::ENTRY_WORDS_WORD, W as u64),
            (layout::TAIL_WORD, 0),
            (layout::HEAD_WORD, 0),
            (layout::CONSUMER_WAITS_WORD, 0),
            (layout::PRODUCER_WAITS_WORD, 0),
        ] {
            store(&words[word], value, Ordering::Relaxed);
        }
        store(&words[layout::MAGIC_WORD], layout::MAGIC, index_publish());
        Ok(Self { memory, size })
    }

    /// Attaches to a ring that the peer has formatted. The header is read once and checked; later
    /// changes to it have no effect.
    pub fn attach(memory: M) -> Result<Self, RingError> {
        require(&memory, layout::ENTRIES_START_WORD)?;
        let words = memory.words();
        let magic = load(&words[layout::MAGIC_WORD], index_observe());
        if magic != layout::MAGIC {
            return Err(RingError::BadMagic { found: magic });
        }
        let version = load(&words[layout::VERSION_WORD], Ordering::Relaxed);
        if version != layout::VERSION {
            return Err(RingError::BadVersion { found: version });
        }
        let entry_words = load(&words[layout::ENTRY_WORDS_WORD], Ordering::Relaxed);
        if entry_words != W as u64 {
            return Err(RingError::BadEntryWords { found: entry_words, expected: W });
        }
        let size = Size::from_untrusted(load(&words[layout::ENTRIES_WORD], Ordering::Relaxed))?;
        require(&memory, Self::words_of(size))?;
        Ok(Self { memory, size })
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Becomes the producer, where the last one stopped. There may be only one at a time.
    pub fn producer(self) -> Result<Producer<M, W>, RingError> {
        Producer::new(self)
    }

    /// Becomes the consumer, where the last one stopped. There may be only one at a time.
    pub fn consumer(self) -> Result<Consumer<M, W>, RingError> {
        Consumer::new(self)
    }

    #[inline]
    pub(crate) fn word(&self, word: usize) -> &AtomicU64 {
        &self.memory.words()[word]
    }

    // Every write to a flag is a swap, so that its history is one chain. Plain stores would do
    // on hardware too, but loom leaves a store and a concurrent swap unordered and then
    // reports lost wakeups that cannot happen.

    /// Tells the peer that this side is about to sleep.
    pub(crate) fn raise_flag(&self, word: usize) {
        self.word(word).swap(1_u64.to_le(), Ordering::Relaxed);
        store_then_load();
    }

    /// Tells the peer that this side does not sleep after all.
    pub(crate) fn lower_flag(&self, word: usize) {
        self.word(word).swap(0, Ordering::Relaxed);
    }

    /// Right after an index was published: takes the peer's flag down, if it is up.
    #[inline]
    pub(crate) fn take_flag(&self, word: usize) -> Wakeup {
        store_then_load();
        let flag = self.word(word);
        if flag.load(Ordering::Relaxed) == 0 || flag.swap(0, Ordering::Relaxed) == 0 {
            return Wakeup::NotNeeded;
        }
        Wakeup::Needed
    }
}
