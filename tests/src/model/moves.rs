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
    /// None, but things have changed: a list ran dry and all were renewed, or a move failed while it waited.
    Again,
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

    /// A new need for room: what was begun for earlier ones does not matter to it.
    pub(crate) fn begin_need(&mut self) {
        self.need += 1;
        self.room_failed = false;
    }

    fn check_room(&self) -> Result<(), Failed> {
        if self.room_failed { Err(Failed) } else { Ok(()) }
    }

    /// Makes room in a tier: `TierFull` or `MoveFailed` if there is none to be had.
    pub(crate) fn make_room(&mut self, tier: usize) -> Result<(), Status> {
        self.begin_need();
        let mut swept = false;
        loop {
            self.check_room().map_err(|Failed| Status::MoveFailed)?;
            if self.full(tier) {
                let victim = self.victim(tier, &mut swept).ok_or(Status::TierFull)?;
                self.step_down(victim, None, true, &mut swept).map_err(|Failed| Status::MoveFailed)?;
            } else if !self.fails_meanwhile(|model| model.await_frame(tier)) {
                return Ok(());
            }
        }
    }

    /// Moves a block down to `named`, or to the next tier, or drops it.
    pub(crate) fn demote(&mut self, key: Key, named: Option<usize>) -> Result<(), Failed> {
        self.begin_need();
        let mut swept = false;
        while self.step_down(key, named, false, &mut swept)? != Step::Own {}
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
    pub(crate) fn step_down(
        &mut self,
        key: Key,
        named: Option<usize>,
        for_room: bool,
        swept: &mut bool,
    ) -> Result<Step, Failed> {
        if self.fails_meanwhile(|model| model.await_block(key)) {
            self.check_room()?;
            return Ok(Step::Again);
        }
        let block = self.blocks[&key];
        let dest = match named {
            Some(tier) => Some(tier),
            None if self.dead(&block) => None,
            None => self.below(block.tier),
        };
        let mut room = dest;
        if let Some(tier) = dest.filter(|tier| self.full(*tier)) {
            let before = *swept;
            let victim = self.victim(tier, swept);
            if *swept != before {
                return Ok(Step::Again);
            }
            if let Some(victim) = victim {
                let step = self.step_down(victim, None, true, swept)?;
                self.check_room()?;
                return Ok(if step == Step::Own { Step::Below } else { step });
            }
            room = None;
        }
        match room {
            None => self.drop_block(key),
            Some(tier) => {
                let prepare = |model: &mut Model| {
                    model.await_frame(tier);
                    model.await_staging(block.tier, tier);
                };
                if self.fails_meanwhile(prepare) {
                    self.check_room()?;
                    return Ok(Step::Again);
                }
                self.pop_victim(block.tier, key);
                self.counters.evictions[block.tier] += 1;
                self.start_move(key, tier, for_room);
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
        let gone = EntryFlags::HOT | EntryFlags::RETAINED | EntryFlags::DIRTY | EntryFlags::READ_ONLY;
        *self.block(key) =
            Block { state: EntryState::Ghost, tier: 0, frame: 0, score: 0, flags: block.flags - gone, ..block };
    }

    /// Moves a block up to PREFETCH_TIER if there is room or something worse there.
    pub(crate) fn promote(&mut self, key: Key, automatic: bool) -> Promotion {
        self.await_block(key);
        let (block, dest) = (self.blocks[&key], self.prefetch_tier);
        let mut swept = false;
        loop {
            let after = self.blocks[&key];
            if self.room_failed || !after.placed() || after.tier != block.tier {
                return Promotion::GivenUp;
            }
            if !self.full(dest) {
                let prepare = |model: &mut Model| {
                    model.await_frame(dest);
                    model.await_staging(block.tier, dest);
                };
                if self.fails_meanwhile(prepare) {
                    continue;
                }
                break;
            }
            if self.tiers[dest].limit == 0 {
                return Promotion::NoRoom;
            }
            let victim = if automatic { self.next_victim(dest, false) } else { self.victim(dest, &mut swept) };
            let Some(victim) = victim else { return Promotion::NoRoom };
            let (worse, terms) = (self.blocks[&victim], self.active_terms());
            if !self.dead(&worse) && self.score(&terms, &worse) >= self.score(&terms, &block) {
                return Promotion::NoRoom;
            }
            if self.step_down(victim, None, true, &mut swept).is_err() {
                return Promotion::GivenUp;
            }
        }
        self.pop_candidate(key);
        self.counters.promotions[block.tier] += 1;
        self.start_move(key, dest, automatic);
        Promotion::Moved
    }

    /// Whether a move fails while `wait` waits: then the command is looked at anew.
    fn fails_meanwhile(&mut self, wait: impl FnOnce(&mut Model)) -> bool {
        let before = self.counters.moves_failed;
        wait(self);
        self.counters.moves_failed > before
    }

    /// Waits for a staging slot, if the move needs one.
    fn await_staging(&mut self, from: usize, to: usize) {
        if (from == 3 || to == 3) && self.moves.len() >= self.staging {
            self.acknowledge();
        }
    }

    /// The decision. Where both ends are within reach at once, the end of the move too.
    fn start_move(&mut self, key: Key, dest: usize, for_room: bool) {
        let old = self.blocks[&key];
        let frame = self.take_frame(dest);
        self.tiers[old.tier].used -= 1;
        *self.block(key) = Block { state: EntryState::InFlight, tier: dest, frame, ..old };
        self.retire(&old);
        let need = for_room.then_some(self.need);
        let started = Move { need, key, from: old.tier, from_frame: old.frame, to: dest };
        let by_host = old.tier == 3 || dest == 3;
        let out_of_reach = self.bus_off && (old.tier != 1 || dest != 1);
        // A fetch begins with a request to the host: if that cannot be written, T3 is lost for good (SVC_ERR.FAULT).
        self.service_lost |= self.bus_off && old.tier == 3 && !self.metadata_only;
        let out_of_reach = out_of_reach || by_host && self.service_lost;
        // What comes from T3 is written when the host has answered.
        let to = if dest == 3 { self.staging_memory } else { self.memory[dest] };
        let fails = old.tier != 3 && (self.memory[old.tier].torn || to.refuses());
        let fails = !self.metadata_only && (out_of_reach || fails);
        if by_host && !fails && !self.metadata_only {
            self.moves.push(started);
            return;
        }
        self.own = Some((started, fails));
        if for_room || self.metadata_only {
            self.settle_own();
        }
    }

    /// What became of a scoped command's own move is known: before its next, or when the command's changes have been offered.
    pub(crate) fn settle_own(&mut self) {
        match self.own.take() {
            Some((done, false)) => self.finish(done),
            Some((failed, true)) => self.undo(failed),
            None => {}
        }
    }

    fn finish(&mut self, done: Move) {
        self.block(done.key).state = EntryState::Resident;
        self.counters.move_bytes[4 * done.from + done.to] += self.block_bytes;
    }

    fn undo(&mut self, failed: Move) {
        let block = self.blocks[&failed.key];
        let Move { need, key, from, from_frame, to } = failed;
        *self.block(key) = Block { state: EntryState::Resident, tier: from, frame: from_frame, ..block };
        self.tiers[to].used -= 1;
        self.tiers[from].used += 1;
        self.tiers[from].free.retain(|frame| *frame != from_frame);
        self.quarantine.retain(|frame| *frame != (from, from_frame));
        self.tiers[to].free.push_back(block.frame);
        self.counters.moves_failed += 1;
        self.room_failed |= need == Some(self.need);
        self.failed_since_fence += 1;
    }

    /// The host answers everything that is in flight.
    pub fn acknowledge(&mut self) {
        for done in std::mem::take(&mut self.moves) {
            let (lies, staging) = (self.t3_lies, self.staging_memory.torn);
            if self.t3_fails || done.from == 3 && (lies || staging || self.memory[done.to].refuses()) {
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
