//! Scratch memory for fills, made before it is needed: a fill may run in a signal handler, which allocates nothing.
#![allow(unsafe_code, reason = "what a lock of one bit guards is given out for writing")]

use crate::codec::Scratch;
use crate::futex;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Slots: fills at the same time. The next one waits.
const SLOTS: usize = 16;
/// How long a wait for a slot lasts before it looks again.
const LOOK: Duration = Duration::from_millis(1);

/// What one fill needs.
pub(crate) struct Slot {
    /// The block, before it is mapped.
    pub(crate) block: Box<[u8]>,
    pub(crate) scratch: Scratch,
}

struct Place {
    taken: AtomicU32,
    slot: UnsafeCell<Slot>,
}

// SAFETY: the slot is reached by who has set `taken` alone.
unsafe impl Sync for Place {}

/// The slots of an arena.
pub(crate) struct Pool {
    places: Box<[Place]>,
    /// Grows with each slot given back, for those who wait.
    returned: AtomicU32,
    /// How many wait.
    waiting: AtomicU32,
}

impl Pool {
    pub(crate) fn new(block_bytes: usize) -> Pool {
        let slot = || Slot { block: vec![0; block_bytes].into(), scratch: Scratch::new(block_bytes) };
        let place = |_| Place { taken: AtomicU32::new(0), slot: UnsafeCell::new(slot()) };
        Pool { places: (0..SLOTS).map(place).collect(), returned: AtomicU32::new(0), waiting: AtomicU32::new(0) }
    }

    /// A slot; `None` if all are taken. A fill that touches another arena's block takes a second one in the same thread: so this is not a lock.
    pub(crate) fn try_take(&self) -> Option<Taken<'_>> {
        let free = |place: &&Place| place.taken.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        self.places.iter().find(free).map(|place| Taken { place, pool: self })
    }

    /// A slot, once there is one; `None` if that took until then, which is asked for if there is something to wait for.
    pub(crate) fn take(&self, until: impl FnOnce() -> Instant) -> Option<Taken<'_>> {
        if let Some(taken) = self.try_take() {
            return Some(taken);
        }
        let until = until();
        loop {
            let returned = self.returned.load(Ordering::Acquire);
            if let Some(taken) = self.try_take() {
                return Some(taken);
            }
            futex::left(until)?;
            self.waiting.fetch_add(1, Ordering::AcqRel);
            futex::wait(&self.returned, returned, LOOK);
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// A slot that is taken, until dropped.
pub(crate) struct Taken<'p> {
    place: &'p Place,
    pool: &'p Pool,
}

impl Deref for Taken<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        // SAFETY: `taken` is this value's, so nobody else reaches the slot.
        unsafe { &*self.place.slot.get() }
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Slot {
        // SAFETY: as above, and this value is borrowed for writing.
        unsafe { &mut *self.place.slot.get() }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.place.taken.store(0, Ordering::Release);
        self.pool.returned.fetch_add(1, Ordering::Release);
        if self.pool.waiting.load(Ordering::Acquire) > 0 {
            futex::wake_all(&self.pool.returned);
        }
    }
}
