//! What becomes of a block, from one thread's touch to another's eviction.
//!
//! ```text
//!             ┌───────────────────────────── Unmapping ◄─┐
//!             ▼                                 ▲        │ batch
//!          Absent ──► Filling ──► Resident ──► Quarantined
//!             ▲          │  │        │ ▲ write    │ rescued by a pin
//!             │          │  └► Zeros │ └──────────┘
//!             │          ▼           ▼
//!             │       Poisoned     Dirty ──► Saving ──► (Unmapping, or Resident again)
//! ```
//!
//! A block is one word: its state and a bit that somebody waits in the low half, which is what threads wait for, and above them the thread that fills, saves or unmaps it, as that thread's own touch of it
//! would wait for ever. Whoever moves it out of Absent, or into Unmapping or Saving, owns it until the next state.

use crate::futex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// State of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Not mapped: a touch faults.
    Absent = 0,
    /// A thread fills it.
    Filling = 1,
    /// Mapped, as the source has it.
    Resident = 2,
    /// Mapped, and written since.
    Dirty = 3,
    /// Evicted, but still mapped, until a batch of them is unmapped.
    Quarantined = 4,
    /// It is being unmapped.
    Unmapping = 5,
    /// It is being given back to its source; protected from writes.
    Saving = 6,
    /// Zeros are mapped, as no claim allows more, or a callback chose so.
    Zeros = 7,
    /// It could not be filled: a touch is an error.
    Poisoned = 8,
}

const STATES: [State; 9] = [
    State::Absent,
    State::Filling,
    State::Resident,
    State::Dirty,
    State::Quarantined,
    State::Unmapping,
    State::Saving,
    State::Zeros,
    State::Poisoned,
];
const STATE: u64 = 0xF;
const WAITED: u64 = 1 << 4;
const THREAD: u32 = 8;

/// A block's word, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u64);

impl Word {
    pub(crate) fn state(self) -> State {
        // Nothing but States writes words, and it writes states.
        STATES.get((self.0 & STATE) as usize).copied().unwrap_or(State::Poisoned)
    }

    /// The thread that owns it, in Filling, Unmapping and Saving.
    pub(crate) fn thread(self) -> u64 {
        self.0 >> THREAD
    }
}

/// The states of an arena's blocks.
pub(crate) struct States {
    words: Box<[AtomicU64]>,
}

impl States {
    pub(crate) fn new(blocks: u32) -> States {
        States { words: (0..blocks).map(|_| AtomicU64::new(0)).collect() }
    }

    fn word(&self, block: u32) -> &AtomicU64 {
        &self.words[block as usize]
    }

    pub(crate) fn get(&self, block: u32) -> Word {
        Word(self.word(block).load(Ordering::Acquire))
    }

    /// Takes a block from one state to another, if it still is in the first as `word` has it; `true` if so. States that have an owner are this
    /// thread's then. Those who wait are woken.
    pub(crate) fn change(&self, block: u32, word: Word, to: State) -> bool {
        let owned = matches!(to, State::Filling | State::Unmapping | State::Saving);
        let new = to as u64 | if owned { futex::thread_number() << THREAD } else { 0 };
        let changed = self
            .word(block)
            .compare_exchange(word.0, new, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if changed && word.0 & WAITED != 0 {
            futex::wake_all(futex::low_half(self.word(block)));
        }
        changed
    }

    /// The owner's next state, for which it competes with nobody.
    pub(crate) fn set(&self, block: u32, to: State) {
        let owned = matches!(to, State::Filling | State::Unmapping | State::Saving);
        let new = to as u64 | if owned { futex::thread_number() << THREAD } else { 0 };
        if self.word(block).swap(new, Ordering::AcqRel) & WAITED != 0 {
            futex::wake_all(futex::low_half(self.word(block)));
        }
    }

    /// Waits until the block is no longer as `word` has it; `false` if that took too long.
    pub(crate) fn wait(&self, block: u32, word: Word, until: Instant) -> bool {
        let place = self.word(block);
        let waited = word.0 | WAITED;
        if word.0 != waited && place.compare_exchange(word.0, waited, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return true;
        }
        loop {
            let Some(left) = futex::left(until) else { return false };
            futex::wait(futex::low_half(place), waited as u32, left);
            if place.load(Ordering::Acquire) != waited {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32 as Count;
    use std::time::Duration;

    #[test]
    fn one_of_many_threads_owns_a_block_and_the_others_are_woken() {
        let states = States::new(1);
        let owners = Count::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let until = Instant::now() + Duration::from_secs(20);
                    loop {
                        let word = states.get(0);
                        match word.state() {
                            State::Absent if states.change(0, word, State::Filling) => {
                                owners.fetch_add(1, Ordering::Relaxed);
                                std::thread::sleep(Duration::from_millis(20));
                                assert_eq!(states.get(0).thread(), futex::thread_number());
                                states.set(0, State::Resident);
                            }
                            State::Resident => break,
                            _ => assert!(states.wait(0, word, until)),
                        }
                    }
                });
            }
        });
        assert_eq!(owners.into_inner(), 1);
    }

    #[test]
    fn a_wait_ends() {
        let states = States::new(3);
        assert!(states.change(1, states.get(1), State::Filling));
        let (word, begin) = (states.get(1), Instant::now());
        assert!(!states.wait(1, word, begin + Duration::from_millis(30)));
        assert!(begin.elapsed() >= Duration::from_millis(30));
        assert_eq!(states.get(1).state(), State::Filling);
        assert!(!states.change(1, word, State::Resident), "the bit that somebody waits is part of it");
        assert!(states.change(1, states.get(1), State::Resident));
        assert_eq!((states.get(0).state(), states.get(2).state()), (State::Absent, State::Absent));
    }
}
