//! Completion ring with a phase bit: the consumer sees from the entry itself that it is new, so
//! no tail travels. The head goes back to the producer by doorbell, as a value.
//!
//! The phase of the first pass over zeroed memory is 1 and it changes with each wrap, so an entry
//! left from the pass before always has the wrong phase (NVMe base specification 2.0, section 4.2).

use crate::error::RingError;
use crate::memory::{Memory, load, require, slot, store};
use crate::size::Size;
use crate::sync::{Ordering, after_doorbell, before_doorbell, cqe_observe, cqe_publish};

/// Words of a completion queue entry: 16 bytes.
pub const CQE_WORDS: usize = 2;

/// The phase bit in word 1 of a CQE: bit 16 of dword 3.
pub const PHASE: u64 = 1 << 48;

/// Zeroes a completion ring, so that no entry has the phase of the first pass.
///
/// [`Completions::new`] does it. A host that produces completions calls it before a device starts
/// to look.
pub fn clear_completions<M: Memory + ?Sized>(memory: &M, entries: u32) -> Result<(), RingError> {
    let words = Size::new(entries)?.entries() as usize * CQE_WORDS;
    require(memory, words)?;
    for word in &memory.words()[..words] {
        store(word, 0, Ordering::Relaxed);
    }
    before_doorbell();
    Ok(())
}

/// The producer of a completion ring, usually the device.
#[derive(Debug)]
pub struct CompletionProducer<M> {
    memory: M,
    size: Size,
    head: u32,
    tail: u32,
    phase: u64,
}

impl<M: Memory> CompletionProducer<M> {
    /// A producer on an empty, zeroed ring in the first `entries * 2` words; all indexes are 0.
    pub fn new(memory: M, entries: u32) -> Result<Self, RingError> {
        let size = Size::new(entries)?;
        require(&memory, entries as usize * CQE_WORDS)?;
        Ok(Self { memory, size, head: 0, tail: 0, phase: PHASE })
    }

    /// Writes an entry; the consumer can see it at once. Bit [`PHASE`] of word 1 is set here,
    /// whatever `cqe` has.
    ///
    /// Word 0 is stored first. Word 1 holds the phase and is stored with release, so a consumer that
    /// sees the new phase sees this word 0 and not the one of the pass before.
    #[inline]
    pub fn push(&mut self, cqe: [u64; CQE_WORDS]) -> Result<(), RingError> {
        let next = self.size.next(self.tail);
        if next == self.head {
            return Err(RingError::Full { entries: self.size.entries() });
        }
        let slot = slot::<CQE_WORDS>(self.memory.words(), 0, self.tail);
        store(&slot[0], cqe[0], Ordering::Relaxed);
        store(&slot[1], cqe[1] & !PHASE | self.phase, cqe_publish());
        self.tail = next;
        if next == 0 {
            self.phase ^= PHASE;
        }
        Ok(())
    }

    /// Takes a doorbell: the index after the last entry consumed. A refused doorbell changes
    /// nothing.
    #[inline]
    pub fn set_head(&mut self, head: u32) -> Result<(), RingError> {
        self.head = self.size.check_move("CQ head", self.head, self.tail, head.into())?;
        after_doorbell();
        Ok(())
    }

    /// Index of the next entry to be written, for a device that wants a tail doorbell.
    #[inline]
    pub fn tail(&self) -> u32 {
        self.tail
    }

    /// Entries that can be pushed now.
    #[inline]
    pub fn free(&self) -> u32 {
        self.size.capacity() - self.size.distance(self.head, self.tail)
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.size
    }
}

/// The consumer of a completion ring, usually the driver.
#[derive(Debug)]
pub struct Completions<M> {
    memory: M,
    size: Size,
    head: u32,
    phase: u64,
}

impl<M: Memory> Completions<M> {
    /// A consumer of the ring in the first `entries * 2` words, which it zeroes: make it before
    /// the producer is started.
    pub fn new(memory: M, entries: u32) -> Result<Self, RingError> {
        clear_completions(&memory, entries)?;
        Ok(Self { memory, size: Size::new(entries)?, head: 0, phase: PHASE })
    }

    /// Copies the next entry out, if it is there. Word 1 has its phase bit still in it.
    ///
    /// The producer may reuse the slot only after [`release`](Self::release).
    #[inline]
    pub fn pop(&mut self) -> Option<[u64; CQE_WORDS]> {
        let slot = slot::<CQE_WORDS>(self.memory.words(), 0, self.head);
        let word1 = load(&slot[1], cqe_observe());
        if word1 & PHASE != self.phase {
            return None;
        }
        let word0 = load(&slot[0], Ordering::Relaxed);
        self.head = self.size.next(self.head);
        if self.head == 0 {
            self.phase ^= PHASE;
        }
        Some([word0, word1])
    }

    /// Gives all slots popped back; returns the head to write to the doorbell.
    #[inline]
    pub fn release(&mut self) -> u32 {
        before_doorbell();
        self.head
    }

    /// Whether [`pop`](Self::pop) would return an entry.
    #[inline]
    pub fn ready(&self) -> bool {
        let slot = slot::<CQE_WORDS>(self.memory.words(), 0, self.head);
        load(&slot[1], Ordering::Relaxed) & PHASE == self.phase
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.size
    }
}
