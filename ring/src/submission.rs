//! Submission ring of a device: the tail travels by doorbell register, the head comes back in
//! each CQE. Both are values here; the caller moves them.
//!
//! [`Submitter::publish`] fences before it returns the tail, and [`SubmissionConsumer::set_tail`]
//! after it received it, so that a doorbell needs no ordering of its own between CPUs. Towards a
//! real device the MMIO write must not pass earlier stores to memory: x86 gives that by itself,
//! elsewhere the backing adds its barrier, as Linux `writel` does.

use crate::error::RingError;
use crate::memory::{Memory, load_entry, require, store_entry};
use crate::size::Size;
use crate::sync::{after_doorbell, before_doorbell};

/// Words of a submission queue entry: 64 bytes.
pub const SQE_WORDS: usize = 8;

/// The producer of a submission ring, usually the driver.
///
/// ```text
///   head ≤ published ≤ tail   (modulo the size)
///     └ not consumed ┴ not rung ┘
/// ```
#[derive(Debug)]
pub struct Submitter<M> {
    memory: M,
    size: Size,
    head: u32,
    published: u32,
    tail: u32,
}

impl<M: Memory> Submitter<M> {
    /// A submitter on an empty ring in the first `entries * 8` words; all indexes are 0.
    pub fn new(memory: M, entries: u32) -> Result<Self, RingError> {
        let size = Size::new(entries)?;
        require(&memory, entries as usize * SQE_WORDS)?;
        Ok(Self { memory, size, head: 0, published: 0, tail: 0 })
    }

    /// Writes an entry. The consumer is not told before [`publish`](Self::publish).
    #[inline]
    pub fn push(&mut self, sqe: &[u64; SQE_WORDS]) -> Result<(), RingError> {
        let next = self.size.next(self.tail);
        if next == self.head {
            return Err(RingError::Full { entries: self.size.entries() });
        }
        store_entry(self.memory.words(), 0, self.tail, sqe);
        self.tail = next;
        Ok(())
    }

    /// Hands over all entries pushed; returns the tail to write to the doorbell.
    #[inline]
    pub fn publish(&mut self) -> u32 {
        before_doorbell();
        self.published = self.tail;
        self.tail
    }

    /// Takes the head of the ring from a CQE (`sq_head`): entries before it are free again.
    #[inline]
    pub fn set_head(&mut self, head: u32) -> Result<(), RingError> {
        self.head = self.size.check_move("sq_head", self.head, self.published, head.into())?;
        after_doorbell();
        Ok(())
    }

    /// Entries that can be pushed now.
    #[inline]
    pub fn free(&self) -> u32 {
        self.size.capacity() - self.size.distance(self.head, self.tail)
    }

    /// Entries pushed and not yet published.
    #[inline]
    pub fn unpublished(&self) -> u32 {
        self.size.distance(self.published, self.tail)
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.size
    }
}

/// The consumer of a submission ring: a device model, firmware, or the host on the service queue.
///
/// ```text
///   released ≤ head ≤ tail   (modulo the size)
///      └ copied out ┴ to do ┘
/// ```
#[derive(Debug)]
pub struct SubmissionConsumer<M> {
    memory: M,
    size: Size,
    released: u32,
    head: u32,
    tail: u32,
}

impl<M: Memory> SubmissionConsumer<M> {
    /// A consumer of an empty ring in the first `entries * 8` words; all indexes are 0.
    pub fn new(memory: M, entries: u32) -> Result<Self, RingError> {
        let size = Size::new(entries)?;
        require(&memory, entries as usize * SQE_WORDS)?;
        Ok(Self { memory, size, released: 0, head: 0, tail: 0 })
    }

    /// Takes a doorbell: the index after the last entry written. A refused doorbell changes
    /// nothing.
    #[inline]
    pub fn set_tail(&mut self, tail: u32) -> Result<(), RingError> {
        let limit = self.size.last_tail(self.released);
        self.tail = self.size.check_move("SQ tail", self.tail, limit, tail.into())?;
        after_doorbell();
        Ok(())
    }

    /// Copies the next entry out, if there is one. The producer may reuse its slot only after
    /// [`release`](Self::release).
    #[inline]
    pub fn pop(&mut self) -> Option<[u64; SQE_WORDS]> {
        if self.head == self.tail {
            return None;
        }
        let sqe = load_entry(self.memory.words(), 0, self.head);
        self.head = self.size.next(self.head);
        Some(sqe)
    }

    /// Gives all slots popped back; returns the head, to be sent in the next CQE (`sq_head`) or
    /// written to a head register.
    #[inline]
    pub fn release(&mut self) -> u32 {
        before_doorbell();
        self.released = self.head;
        self.head
    }

    /// Entries that can be popped now.
    #[inline]
    pub fn pending(&self) -> u32 {
        self.size.distance(self.head, self.tail)
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.size
    }
}
