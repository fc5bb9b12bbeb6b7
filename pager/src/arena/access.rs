//! What callers tell an arena, and how they get its bytes without a fault.

use super::Arena;
use super::core::{Cause, Event};
use super::options::Access;
use crate::error::PagerError;
use crate::state::State;
use std::ops::Range;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

/// What is known of a range: numbers of the published RFC's `MADV_KV_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Advice {
    /// It is used all the time: never a victim, until it is advised otherwise.
    Hot = 104,
    /// It is not needed now: it goes, and is not hot any more.
    Evict = 105,
    /// It will be needed soon: it is filled in the background, but not while a touch waits for room.
    Prefetch = 106,
}

impl Advice {
    /// The advice with this number.
    pub fn from_number(number: i32) -> Option<Advice> {
        [Advice::Hot, Advice::Evict, Advice::Prefetch]
            .into_iter()
            .find(|advice| *advice as i32 == number)
    }
}

/// Steps from now at which what is advised as soon needed is expected.
const SOON: u32 = 1;

/// Blocks that stay where they are, until dropped.
pub struct Pin<'a> {
    arena: &'a Arena,
    blocks: Range<u32>,
}

impl Arena {
    /// The blocks of a range of bytes.
    fn blocks_of(&self, range: Range<u64>) -> Result<Range<u32>, PagerError> {
        let (offset, end, bytes) = (range.start, range.end, self.core.mapping.bytes() as u64);
        if offset > end || end > bytes {
            return Err(PagerError::Range { offset, end, bytes });
        }
        let block = self.core.block_bytes as u64;
        Ok((offset / block) as u32..end.div_ceil(block) as u32)
    }

    /// Fills the blocks of a range of bytes. As many as the budget holds stay; what cannot be filled is the error.
    pub fn prefault(&self, range: Range<u64>) -> Result<(), PagerError> {
        self.blocks_of(range)?.try_for_each(|block| {
            self.core.serve(block, Cause::Ahead).map_err(|refused| self.core.error(block, refused))
        })
    }

    /// Fills the blocks of a range of bytes, and keeps them while the pin lives: memory that the kernel may touch.
    pub fn pin(&self, range: Range<u64>) -> Result<Pin<'_>, PagerError> {
        let blocks = self.blocks_of(range)?;
        let mut pin = Pin { arena: self, blocks: blocks.start..blocks.start };
        for block in blocks {
            // First the pin, then the look: whoever unmaps does it the other way round.
            if self.core.pins[block as usize].fetch_add(1, Ordering::SeqCst) == 0 {
                self.core.tell(Event::Hot(block, true));
            }
            fence(Ordering::SeqCst);
            pin.blocks.end = block + 1;
            self.core.serve(block, Cause::Ahead).map_err(|refused| self.core.error(block, refused))?;
        }
        Ok(pin)
    }

    /// Copies bytes from `offset` on, without a fault: what cannot be filled is an error.
    pub fn read(&self, offset: u64, to: &mut [u8]) -> Result<(), PagerError> {
        let end = offset.saturating_add(to.len() as u64);
        let step = self.core.block_bytes as u64;
        // Block by block, as a range may be longer than the budget.
        let mut at = offset;
        self.blocks_of(offset..end)?;
        while at < end {
            let next = (at / step * step + step).min(end);
            let _pinned = self.pin(at..next)?;
            self.core
                .mapping
                .read(at as usize, &mut to[(at - offset) as usize..(next - offset) as usize]);
            at = next;
        }
        Ok(())
    }

    /// The byte at an offset, by a touch as of the pointer: a fault fills its block. What cannot be filled ends as [`Options::on_fault`](super::Options) says.
    pub fn peek(&self, offset: u64) -> Result<u8, PagerError> {
        self.blocks_of(offset..offset.saturating_add(1))?;
        let mut byte = [0];
        self.core.mapping.read(offset as usize, &mut byte);
        Ok(byte[0])
    }

    /// Whether the block of a byte is there: a touch of it makes no fault.
    pub fn is_resident(&self, offset: u64) -> Result<bool, PagerError> {
        let block = self.blocks_of(offset..offset.saturating_add(1))?.start;
        let state = self.core.states.get(block).state();
        Ok(matches!(state, State::Resident | State::Dirty | State::Quarantined | State::Zeros))
    }

    /// Says that a range of bytes is used. The processor does not tell of touches of what is mapped, so policies know of those only that they are told.
    pub fn touch(&self, range: Range<u64>) -> Result<(), PagerError> {
        self.blocks_of(range)?.for_each(|block| self.core.tell(Event::Touched(block)));
        Ok(())
    }

    /// Says that a new step of the workload begins.
    pub fn step(&self) {
        self.core.tell(Event::Step);
    }

    /// Says what is known of a range of bytes.
    pub fn advise(&self, range: Range<u64>, advice: Advice) -> Result<(), PagerError> {
        for block in self.blocks_of(range)? {
            match advice {
                Advice::Hot => {
                    self.core.hot[block as usize].store(true, Ordering::Relaxed);
                    self.core.tell(Event::Hot(block, true));
                }
                Advice::Evict => {
                    self.core.hot[block as usize].store(false, Ordering::Relaxed);
                    self.core.tell(Event::Hot(block, false));
                    self.core.tell(Event::Evict(block));
                }
                Advice::Prefetch => {
                    self.core.tell(Event::Expected(block, SOON));
                    // One that is not taken is filled when it is touched.
                    self.core.ahead.ask(block);
                }
            }
        }
        Ok(())
    }

    /// Forgets blocks that are zeros or poisoned, so that their next touch asks the source again: after a claim was presented, or a file repaired.
    pub fn forget_failures(&self, range: Range<u64>) -> Result<(), PagerError> {
        self.discard(range, |state| matches!(state, State::Zeros | State::Poisoned))
    }

    /// Unmaps what is there of a range at once, so that its next touch asks the source again: after a claim was revoked. What is pinned is unmapped too;
    /// what was written and not yet given back stays.
    pub fn invalidate(&self, range: Range<u64>) -> Result<(), PagerError> {
        self.discard(range, |state| {
            matches!(state, State::Zeros | State::Poisoned | State::Resident | State::Quarantined)
        })
    }

    fn discard(&self, range: Range<u64>, which: impl Fn(State) -> bool) -> Result<(), PagerError> {
        for block in self.blocks_of(range)? {
            let until = Instant::now() + self.core.deadline;
            if self
                .core
                .discard(block, &which, until)
                .map_err(|refused| self.core.error(block, refused))?
            {
                self.core.tell(Event::Evict(block));
            }
        }
        Ok(())
    }
}

impl Pin<'_> {
    /// The bytes that are pinned, from the first pinned block's first byte on.
    pub fn bytes(&self) -> Range<u64> {
        let block = self.arena.core.block_bytes as u64;
        u64::from(self.blocks.start) * block..u64::from(self.blocks.end) * block
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        for block in self.blocks.clone() {
            let core = &self.arena.core;
            if core.pins[block as usize].fetch_sub(1, Ordering::SeqCst) == 1 {
                let written = core.access == Access::Private && core.states.get(block).state() == State::Dirty;
                core.tell(Event::Hot(block, written || core.hot[block as usize].load(Ordering::Relaxed)));
            }
        }
    }
}
