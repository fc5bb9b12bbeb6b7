//! The budget: blocks that may be mapped at once.

use crate::futex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a thread waits for room until it asks for it again.
const ASK: Duration = Duration::from_millis(50);

/// Blocks that are mapped, and how many may be.
pub(crate) struct Room {
    used: AtomicU32,
    limit: u32,
    /// Grows with each block given back, for those who wait.
    given: AtomicU32,
    waiting: AtomicU32,
}

impl Room {
    pub(crate) fn new(limit: u32) -> Room {
        Room { used: AtomicU32::new(0), limit, given: AtomicU32::new(0), waiting: AtomicU32::new(0) }
    }

    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Whether a thread waits for room.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Whether a thread waits for room and there is none: one that was given some has only to wake.
    pub(crate) fn is_short(&self) -> bool {
        self.is_wanted() && self.used() >= self.limit
    }

    /// Takes room for a block, if there is some.
    pub(crate) fn try_take(&self) -> bool {
        let more = |used| (used < self.limit).then_some(used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).is_ok()
    }

    /// Takes room for a block, once there is some; `ask` is called each time before it waits. `false` if that took too long.
    pub(crate) fn take(&self, until: Instant, ask: impl Fn()) -> bool {
        if self.try_take() {
            return true;
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let taken = loop {
            let given = self.given.load(Ordering::Acquire);
            if self.try_take() {
                break true;
            }
            ask();
            let Some(left) = futex::left(until) else { break false };
            // What makes room need not be a block that goes: a pin that is dropped only lets the next one be asked for.
            futex::wait(&self.given, given, left.min(ASK));
        };
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        taken
    }

    /// Gives room for so many blocks back.
    pub(crate) fn give(&self, blocks: u32) {
        if blocks > 0 {
            self.used.fetch_sub(blocks, Ordering::AcqRel);
            self.given.fetch_add(1, Ordering::AcqRel);
            if self.is_wanted() {
                futex::wake_all(&self.given);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Room;
    use std::time::{Duration, Instant};

    #[test]
    fn no_more_than_the_limit_is_taken_and_who_waits_gets_what_is_given() {
        let room = Room::new(2);
        assert!(room.try_take() && room.try_take() && !room.try_take());
        assert!(!room.take(Instant::now() + Duration::from_millis(20), || ()));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| room.take(Instant::now() + Duration::from_secs(20), || ()));
            while !room.is_wanted() {
                std::thread::yield_now();
            }
            room.give(1);
            assert!(waits.join().unwrap());
        });
        assert_eq!((room.used(), room.limit()), (2, 2));
    }
}
