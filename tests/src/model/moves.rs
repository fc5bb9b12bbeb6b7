//! Making room, demotion, promotion, acknowledgement, failure: docs/moves.md.

use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};

use super::{Block, Model, Move};

/// What became of a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promotion {
    Moved,
    NoRoom,
    GivenUp,
}

/// What a walk down came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The block it began with was decided.
    Own,
    /// One below it was.
    Below,
    /// A list ran dry and all were renewed.
    Swept,
}

/// A move that was to make room failed and was undone.
#[derive(Debug)]
pub(crate) struct Failed;

impl Model {
    /// The lowest-numbered tier below `tier` that is in use.
    fn below(&self, tier: usize) -> Option<usize> {
        (tier + 1..TIERS).find(|lower| self.tiers[*lower].limit > 0)
    }

    fn full(&self, tier: usize) -> bool {
        self.tiers[tier].used >= self.tiers[tier].limit
    }

    /// Makes room in a tier: `TierFull` or `MoveFailed` if there is none to be had.
    pub(crate) fn make_room(&mut self, tier: usize) -> Result<(), Status> {
        let (before, mut swept) = (self.failures, false);
        while self.full(tier) {
            let victim = self.victim(tier, &mut swept).ok_or(Status::TierFull)?;
            self.step_down(victim, None, &mut swept).map_err(|Failed| Status::MoveFailed)?;
            if self.failures > before {
                return Err(Status::MoveFailed);
            }
        }
        self.await_frame(tier);
        if self.failures > before { Err(Status::MoveFailed) } else { Ok(()) }
    }

    /// Moves a block down to `named`, or to the next tier, or drops it.
    pub(crate) fn demote(&mut self, key: Key, named: Option<usize>) -> Result<(), Failed> {
        let mut swept = false;
        while self.step_down(key, named, &mut swept)? != Step::Own {}
        Ok(())
    }

    /// The next victim. A sweep that follows upon a sweep without a decision in between finds nothing new.
    fn victim(&mut self, tier: usize, swept: &mut bool) -> Option<Key> {
        let before = self.counters.dry_sweeps;
        let victim = self.next_victim(tier, !*swept);
        *swept |= self.counters.dry_sweeps > before;
        victim
    }

    /// Walks down from a block that is to be demoted to the first that can go, and decides that one. A dry sweep on
    /// the way ends the walk: it may have put others at the head of the lists above.
    pub(crate) fn step_down(&mut self, key: Key, named: Option<usize>, swept: &mut bool) -> Result<Step, Failed> {
        self.await_block(key);
        let block = self.blocks[&key];
        let dest = match named {
            Some(tier) => Some(tier),
            None if block.is(EntryFlags::DEAD) => None,
            None => self.below(block.tier),
        };
        let mut room = dest;
        if let Some(tier) = dest.filter(|tier| self.full(*tier)) {
            let before = *swept;
            let victim = self.victim(tier, swept);
            if *swept != before {
                return Ok(Step::Swept);
            }
            if let Some(victim) = victim {
                let failures = self.failures;
                let step = self.step_down(victim, None, swept)?;
                if self.failures > failures {
                    return Err(Failed);
                }
                return Ok(if step == Step::Own { Step::Below } else { step });
            }
            room = None;
        }
        match room {
            None => self.drop_block(key),
            Some(tier) => {
                self.await_frame(tier);
                self.await_staging(block.tier, tier);
                self.pop_victim(block.tier, key);
                self.counters.evictions[block.tier] += 1;
                self.start_move(key, tier);
            }
        }
        *swept = false;
        Ok(Step::Own)
    }

    /// The block becomes a ghost.
    fn drop_block(&mut self, key: Key) {
        let block = self.blocks[&key];
        self.pop_victim(block.tier, key);
        self.counters.evictions[block.tier] += 1;
        self.counters.drops[block.tier] += 1;
        self.tiers[block.tier].used -= 1;
        self.retire(&block);
        let gone =
            EntryFlags::HOT | EntryFlags::DEAD | EntryFlags::RETAINED | EntryFlags::DIRTY | EntryFlags::READ_ONLY;
        *self.block(key) =
            Block { state: EntryState::Ghost, tier: 0, frame: 0, score: 0, flags: block.flags - gone, ..block };
    }

    /// Moves a block up to PREFETCH_TIER if there is room or something worse there.
    pub(crate) fn promote(&mut self, key: Key, dry_sweep: bool) -> Promotion {
        self.await_block(key);
        let (block, dest) = (self.blocks[&key], self.prefetch_tier);
        let mut swept = false;
        while self.full(dest) {
            let victim = if dry_sweep { self.victim(dest, &mut swept) } else { self.next_victim(dest, false) };
            let Some(victim) = victim else { return Promotion::NoRoom };
            let worse = self.blocks[&victim];
            if !worse.is(EntryFlags::DEAD) && self.score(&worse) >= self.score(&block) {
                return Promotion::NoRoom;
            }
            let failures = self.failures;
            if self.step_down(victim, None, &mut swept).is_err() || self.failures > failures {
                return Promotion::GivenUp;
            }
            let after = self.blocks[&key];
            if !after.placed() || after.tier != block.tier {
                return Promotion::GivenUp;
            }
        }
        self.await_frame(dest);
        self.await_staging(block.tier, dest);
        self.pop_candidate(key);
        self.counters.promotions[block.tier] += 1;
        self.start_move(key, dest);
        Promotion::Moved
    }

    /// Waits for a staging slot, if the move needs one.
    fn await_staging(&mut self, from: usize, to: usize) {
        if (from == 3 || to == 3) && self.moves.len() >= self.staging {
            self.acknowledge();
        }
    }

    /// The decision.
    fn start_move(&mut self, key: Key, dest: usize) {
        let old = self.blocks[&key];
        let frame = self.take_frame(dest);
        self.tiers[old.tier].used -= 1;
        *self.block(key) = Block { state: EntryState::InFlight, tier: dest, frame, ..old };
        self.retire(&old);
        let started = Move { key, from: old.tier, from_frame: old.frame, to: dest };
        if self.metadata_only {
            self.finish(started);
        } else if self.broken[old.tier] || self.broken[dest] {
            self.undo(started);
        } else if old.tier == 3 || dest == 3 {
            self.moves.push(started);
        } else {
            self.finish(started);
        }
    }

    fn finish(&mut self, done: Move) {
        self.block(done.key).state = EntryState::Resident;
        self.counters.move_bytes[4 * done.from + done.to] += self.block_bytes;
    }

    fn undo(&mut self, failed: Move) {
        let block = self.blocks[&failed.key];
        let Move { key, from, from_frame, to } = failed;
        *self.block(key) = Block { state: EntryState::Resident, tier: from, frame: from_frame, ..block };
        self.tiers[to].used -= 1;
        self.tiers[from].used += 1;
        self.tiers[from].free.retain(|frame| *frame != from_frame);
        self.quarantine.retain(|frame| *frame != (from, from_frame));
        self.tiers[to].free.push_back(block.frame);
        self.counters.moves_failed += 1;
        self.failures += 1;
        self.failed_since_fence += 1;
    }

    /// The host answers everything that is in flight.
    pub fn acknowledge(&mut self) {
        for done in std::mem::take(&mut self.moves) {
            if self.t3_fails {
                self.undo(done);
            } else {
                self.finish(done);
            }
        }
    }

    /// Waits until the block of `key` is not in flight.
    pub(crate) fn await_block(&mut self, key: Key) {
        if self.blocks[&key].state == EntryState::InFlight {
            self.acknowledge();
        }
    }
}
