//! The consuming side of a [`SharedRing`].

use core::fmt;

use crate::error::RingError;
use crate::memory::{Memory, load, load_entry, store};
use crate::shared::{SharedRing, Wait, Wakeup, layout};
use crate::size::Size;
use crate::sync::{Ordering, index_observe, index_publish, spin_loop};

/// Pops entries of `W` words.
///
/// The producer's tail is read only when the ring looks empty.
pub struct Consumer<M, const W: usize> {
    ring: SharedRing<M, W>,
    released: u32,
    head: u32,
    /// The producer's tail when last read.
    tail: u32,
}

impl<M, const W: usize> fmt::Debug for Consumer<M, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("ring", &self.ring)
            .field("released", &self.released)
            .field("head", &self.head)
            .field("tail", &self.tail)
            .finish()
    }
}

impl<M: Memory, const W: usize> Consumer<M, W> {
    pub(crate) fn new(ring: SharedRing<M, W>) -> Result<Self, RingError> {
        let head = load(ring.word(layout::HEAD_WORD), Ordering::Relaxed);
        let head = ring.size.check("head", head)?;
        Ok(Self { ring, released: head, head, tail: head })
    }

    /// Copies the next entry out, if there is one. The producer may reuse its slot only after
    /// [`release`](Self::release). An error means that the producer published nonsense.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<[u64; W]>, RingError> {
        if self.head == self.tail {
            self.refresh()?;
            if self.head == self.tail {
                return Ok(None);
            }
        }
        let entry = load_entry(self.ring.memory.words(), layout::ENTRIES_START_WORD, self.head);
        self.head = self.ring.size.next(self.head);
        Ok(Some(entry))
    }

    /// Gives all slots popped back to the producer and tells whether it has to be woken.
    ///
    /// It costs a full fence: pop a batch, then release once.
    #[inline]
    pub fn release(&mut self) -> Wakeup {
        if self.released == self.head {
            return Wakeup::NotNeeded;
        }
        store(self.ring.word(layout::HEAD_WORD), self.head.into(), index_publish());
        self.released = self.head;
        self.ring.take_flag(layout::PRODUCER_WAITS_WORD)
    }

    /// Waits for an entry: looks up to `spins` times, then raises the flag and looks once more.
    ///
    /// After [`Wait::Sleep`] the producer's next [`publish`](crate::Producer::publish) returns
    /// [`Wakeup::Needed`].
    pub fn wait(&mut self, spins: u32) -> Result<Wait, RingError> {
        match self.ring.size.distance(self.released, self.head) {
            0 => {}
            entries => return Err(RingError::Uncommitted { entries }),
        }
        for _ in 0..spins {
            if self.pending()? > 0 {
                return Ok(Wait::Ready);
            }
            spin_loop();
        }
        self.ring.raise_flag(layout::CONSUMER_WAITS_WORD);
        // An error leaves the flag up: it costs the peer one needless wakeup.
        if self.pending()? > 0 {
            self.ring.lower_flag(layout::CONSUMER_WAITS_WORD);
            return Ok(Wait::Ready);
        }
        Ok(Wait::Sleep)
    }

    /// Entries that can be popped now.
    pub fn pending(&mut self) -> Result<u32, RingError> {
        self.refresh()?;
        Ok(self.ring.size.distance(self.head, self.tail))
    }

    /// The size of the ring.
    pub fn size(&self) -> Size {
        self.ring.size
    }

    #[inline]
    fn refresh(&mut self) -> Result<(), RingError> {
        let tail = load(self.ring.word(layout::TAIL_WORD), index_observe());
        let limit = self.ring.size.last_tail(self.released);
        self.tail = self.ring.size.check_move("tail", self.tail, limit, tail)?;
        Ok(())
    }
}
