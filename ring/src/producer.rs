//! The producing side of a [`SharedRing`].

use core::fmt;

use crate::error::RingError;
use crate::memory::{Memory, load, store, store_entry};
use crate::shared::{SharedRing, Wait, Wakeup, layout};
use crate::size::Size;
use crate::sync::{Ordering, index_observe, index_publish, spin_loop};

/// Pushes entries of `W` words.
///
/// The consumer's head is read only when the ring looks full, so a producer that keeps ahead
/// seldom touches the consumer's cache line.
pub struct Producer<M, const W: usize> {
    ring: SharedRing<M, W>,
    /// The consumer's head when last read.
    head: u32,
    published: u32,
    tail: u32,
}

impl<M, const W: usize> fmt::Debug for Producer<M, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("ring", &self.ring)
            .field("head", &self.head)
            .field("published", &self.published)
            .field("tail", &self.tail)
            .finish()
    }
}

impl<M: Memory, const W: usize> Producer<M, W> {
    pub(crate) fn new(ring: SharedRing<M, W>) -> Result<Self, RingError> {
        // The head first: a consumer at work only brings it nearer to the tail.
        let head = load(ring.word(layout::HEAD_WORD), index_observe());
        let tail = load(ring.word(layout::TAIL_WORD), Ordering::Relaxed);
        let head = ring.size.check("head", head)?;
        let tail = ring.size.check("tail", tail)?;
        Ok(Self { ring, head, published: tail, tail })
    }

    /// Writes an entry. The consumer is not told before [`publish`](Self::publish).
    ///
    /// [`RingError::Full`] is the ordinary answer to a slow consumer; other errors mean that the
    /// consumer published nonsense.
    #[inline]
    pub fn push(&mut self, entry: &[u64; W]) -> Result<(), RingError> {
        let next = self.ring.size.next(self.tail);
        if next == self.head {
            self.refresh()?;
            if next == self.head {
                return Err(RingError::Full { entries: self.ring.size.entries() });
            }
        }
        store_entry(self.ring.memory.words(), layout::ENTRIES_START_WORD, self.tail, entry);
        self.tail = next;
        Ok(())
    }

    /// Hands all entries pushed to the consumer and tells whether it has to be woken.
    ///
    /// It costs a full fence: push a batch, then publish once.
    #[inline]
    pub fn publish(&mut self) -> Wakeup {
        if self.published == self.tail {
            return Wakeup::NotNeeded;
        }
        store(self.ring.word(layout::TAIL_WORD), self.tail.into(), index_publish());
        self.published = self.tail;
        self.ring.take_flag(layout::CONSUMER_WAITS_WORD)
    }

    /// Waits for room: looks up to `spins` times, then raises the flag and looks once more.
    ///
    /// After [`Wait::Sleep`] the consumer's next [`release`](crate::Consumer::release) returns
    /// [`Wakeup::Needed`].
    pub fn wait(&mut self, spins: u32) -> Result<Wait, RingError> {
        match self.ring.size.distance(self.published, self.tail) {
            0 => {}
            entries => return Err(RingError::Uncommitted { entries }),
        }
        for _ in 0..spins {
            if self.free()? > 0 {
                return Ok(Wait::Ready);
            }
            spin_loop();
        }
        self.ring.raise_flag(layout::PRODUCER_WAITS_WORD);
        // An error leaves the flag up: it costs the peer one needless wakeup.
        if self.free()? > 0 {
            self.ring.lower_flag(layout::PRODUCER_WAITS_WORD);
            return Ok(Wait::Ready);
        }
        Ok(Wait::Sleep)
    }

    /// Entries that can be pushed now.
    pub fn free(&mut self) -> Result<u32, RingError> {
        self.refresh()?;
        Ok(self.ring.size.capacity() - self.ring.size.distance(self.head, self.tail))
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.ring.size
    }

    #[inline]
    fn refresh(&mut self) -> Result<(), RingError> {
        let head = load(self.ring.word(layout::HEAD_WORD), index_observe());
        self.head = self.ring.size.check_move("head", self.head, self.published, head)?;
        Ok(())
    }
}
