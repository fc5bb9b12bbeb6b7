//! Moves: room, decision, transfer, acknowledgement, undo. `docs/moves.md`.

use crate::core::{Core, Wait};
use crate::dma::{DmaFault, Location};
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::queue::{Cqe, Key, Opcode, Sqe};
use kvcpu_mmio::regs::counter::{CNT_DROPS, CNT_EVICTIONS, CNT_MOVE_BYTES, CNT_MOVES_FAILED};
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};
use std::time::Instant;

/// The tier whose bytes the host moves.
const T3: usize = 3;

/// Why a step of a command did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Not yet: try again when something changed.
    Wait(Wait),
    /// No block of the tier may be a victim.
    TierFull,
    /// A move it depends on failed and was undone.
    MoveFailed,
}

/// Whether a command waits for what a move leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The move makes room, or is one of several: if it fails, so does what needs the room, and the others are not
    /// made.
    Room,
    /// The move is an end in itself.
    Itself,
}

/// What a walk down the tiers came to. After anything but `Own` the lists may have other heads, so the walk begins
/// again at its top. A command that has to wait is tried again from there in any case; one that has not must
/// choose the same blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The block it began with was decided.
    Own,
    /// One in a lower tier was.
    Below,
    /// A list ran dry, and all were renewed.
    Swept,
}

/// A move that was decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    key: Key,
    from: (usize, u32),
    to: (usize, u32),
    /// The need for room that it was begun for.
    need: Option<u64>,
}

/// A staging slot.
#[derive(Clone, Copy, Default)]
struct Staged {
    mv: Option<Move>,
    /// Counts the slot's uses: half of the cid of its requests. Never cleared, so that an answer to a request from
    /// before a disable is known.
    uses: u8,
}

#[derive(Default)]
pub(crate) struct Moves {
    /// Moves that wait for the host, by staging slot.
    staged: Vec<Staged>,
    /// Slots that are configured; `staged` remembers those that were.
    slots: usize,
    /// When the decision being made began.
    deciding: Option<Instant>,
    /// Counts needs for room, so that what was begun for one is known from what was begun for others.
    need: u64,
    /// A move begun for the present need failed.
    room_failed: bool,
    /// A dry sweep was made, and nothing decided since: another would find the same.
    swept: bool,
    /// Moves failed since the last FENCE.
    failed_since_fence: u32,
    /// The last move that a scoped command made for its own sake, and how it went; nobody knows yet.
    own: Option<(Move, Result<(), DmaFault>)>,
}

impl Moves {
    pub(crate) fn begin(&mut self, staging_slots: u32) {
        let mut staged = std::mem::take(&mut self.staged);
        staged.iter_mut().for_each(|slot| slot.mv = None);
        staged.resize(staged.len().max(staging_slots as usize), Staged::default());
        *self = Moves { staged, slots: staging_slots as usize, ..Moves::default() };
    }

    /// A new need for room begins: moves begun for earlier ones do not matter any more.
    pub(crate) fn begin_need(&mut self) {
        self.need += 1;
        (self.room_failed, self.swept) = (false, false);
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.staged.iter().filter(|slot| slot.mv.is_some()).count() as u32
    }

    /// Whether a move begun to make room failed, since last asked.
    pub(crate) fn take_room_failed(&mut self) -> bool {
        std::mem::take(&mut self.room_failed)
    }

    pub(crate) fn take_failed_since_fence(&mut self) -> u32 {
        std::mem::take(&mut self.failed_since_fence)
    }
}

impl Core {
    /// The next lower tier in use.
    fn lower_tier(&self, tier: usize) -> Option<usize> {
        (tier + 1..TIERS).find(|&t| self.tiers[t].in_use())
    }

    /// Makes room for one block in `tier`.
    pub(crate) fn make_room(&mut self, tier: usize) -> Result<(), Stop> {
        loop {
            if self.moves.take_room_failed() {
                return Err(Stop::MoveFailed);
            }
            if self.tiers[tier].used < self.tiers[tier].limit {
                return self.ensure_free(tier);
            }
            let victim = self.victim_for_room(tier).ok_or(Stop::TierFull)?;
            self.step_down(victim, None, Purpose::Room)?;
        }
    }

    /// The next victim of a tier that must have room.
    pub(crate) fn victim_for_room(&mut self, tier: usize) -> Option<usize> {
        let listed = self.next_victim(tier, false);
        if listed.is_some() || self.moves.swept {
            return listed;
        }
        self.moves.swept = true;
        self.next_victim(tier, true)
    }

    fn ensure_free(&mut self, tier: usize) -> Result<(), Stop> {
        if self.tiers[tier].free.is_empty() {
            self.flush_quarantine();
        }
        if self.tiers[tier].free.is_empty() { Err(Stop::TierFull) } else { Ok(()) }
    }

    /// The frame at the head of the free list, which must be quiet.
    pub(crate) fn quiet_frame(&self, tier: usize) -> Result<u32, Stop> {
        let t = &self.tiers[tier];
        let frame = *t.free.front().ok_or(Stop::TierFull)?;
        if t.moving[frame as usize] {
            Err(Stop::Wait(Wait::Move))
        } else if t.await_epoch[frame as usize].is_some_and(|epoch| !self.luf.acknowledged(epoch)) {
            Err(Stop::Wait(Wait::Invalidation))
        } else {
            Ok(frame)
        }
    }

    /// Takes the quiet frame at the head of the free list for a block.
    pub(crate) fn take_frame(&mut self, tier: usize) {
        if let Some(frame) = self.tiers[tier].free.pop_front() {
            self.tiers[tier].await_epoch[frame as usize] = None;
            self.tiers[tier].used += 1;
            self.check_reuse(tier, frame);
        }
    }

    /// A move of a block that is in flight waits for the one before.
    pub(crate) fn await_settled(&self, i: usize) -> Result<(), Stop> {
        if self.rtbd.state(i) == EntryState::InFlight { Err(Stop::Wait(Wait::Move)) } else { Ok(()) }
    }

    /// Moves a block down, to the next tier in use or to `dest`, or drops it.
    pub(crate) fn demote(&mut self, i: usize, dest: Option<usize>, purpose: Purpose) -> Result<(), Stop> {
        loop {
            if self.moves.take_room_failed() {
                return Err(Stop::MoveFailed);
            }
            if self.step_down(i, dest, purpose)? == Step::Own {
                return Ok(());
            }
        }
    }

    /// Walks down from a block that is to be demoted to the first that can go, and decides that one.
    pub(crate) fn step_down(&mut self, i: usize, dest: Option<usize>, purpose: Purpose) -> Result<Step, Stop> {
        self.begin_decision();
        self.await_settled(i)?;
        let from = self.rtbd.tier(i);
        let dead = self.scorer().dead(&self.rtbd, i);
        let mut to = if dead && dest.is_none() { None } else { dest.or_else(|| self.lower_tier(from)) };
        if let Some(full) = to.filter(|&to| self.tiers[to].used >= self.tiers[to].limit) {
            let swept = self.moves.swept;
            let victim = self.victim_for_room(full);
            if self.moves.swept != swept {
                return Ok(Step::Swept);
            }
            if let Some(victim) = victim {
                let step = self.step_down(victim, None, Purpose::Room)?;
                return Ok(if step == Step::Own { Step::Below } else { step });
            }
            to = None;
        }
        match to {
            None => self.drop_block(i),
            Some(to) => {
                let staging = self.prepare_move(from, to)?;
                self.pop_victim(from, i);
                self.counters.add_to(&CNT_EVICTIONS, from, 1);
                self.start_move(i, to, staging, purpose);
            }
        }
        self.moves.swept = false;
        Ok(Step::Own)
    }

    /// A decision begins, or begins again after it had to wait.
    pub(crate) fn begin_decision(&mut self) {
        self.moves.deciding = Some(Instant::now());
    }

    /// The decision is a descriptor now.
    fn count_decision(&mut self) {
        if let Some(begin) = self.moves.deciding.take() {
            self.counters.decision(begin.elapsed().as_nanos() as u64);
        }
    }

    /// The block is gone; its entry becomes a ghost.
    fn drop_block(&mut self, i: usize) {
        let tier = self.rtbd.tier(i);
        self.pop_victim(tier, i);
        self.counters.add_to(&CNT_EVICTIONS, tier, 1);
        self.counters.add_to(&CNT_DROPS, tier, 1);
        self.leave_frame(i);
        let gone = EntryFlags::HOT | EntryFlags::RETAINED | EntryFlags::DIRTY | EntryFlags::READ_ONLY;
        self.rtbd.set_flags(i, self.rtbd.flags(i) - gone);
        self.rtbd.set_state(i, EntryState::Ghost);
        self.rtbd.set_tier(i, 0);
        (self.rtbd.frame[i], self.rtbd.score[i], self.rtbd.retain[i]) = (0, 0, 0);
        self.count_decision();
    }

    /// Takes a block out of the frame it is in.
    pub(crate) fn leave_frame(&mut self, i: usize) {
        let tier = self.rtbd.tier(i);
        self.tiers[tier].used -= 1;
        let read_only = self.rtbd.flags(i).contains(EntryFlags::READ_ONLY);
        self.retire_frame(tier, self.rtbd.frame[i].into(), read_only);
    }

    /// Checks all that a move has to wait for; changes nothing. Returns the staging slot, if it
    /// needs one.
    pub(crate) fn prepare_move(&mut self, from: usize, to: usize) -> Result<Option<u16>, Stop> {
        self.ensure_free(to)?;
        self.quiet_frame(to)?;
        if self.dma.metadata_only || (from != T3 && to != T3) {
            return Ok(None);
        }
        let slot = self
            .moves
            .staged
            .iter()
            .take(self.moves.slots)
            .position(|slot| slot.mv.is_none())
            .ok_or(Stop::Wait(Wait::Staging))?;
        if self.service.has_space() { Ok(Some(slot as u16)) } else { Err(Stop::Wait(Wait::ServiceSpace)) }
    }

    /// Decides a move that was prepared, and begins its transfer.
    pub(crate) fn start_move(&mut self, i: usize, to: usize, staging: Option<u16>, purpose: Purpose) {
        let Ok(frame) = self.quiet_frame(to) else { return };
        let from = (self.rtbd.tier(i), u32::from(self.rtbd.frame[i]));
        self.take_frame(to);
        let need = (purpose == Purpose::Room).then_some(self.moves.need);
        let mv = Move { key: self.rtbd.key(i), from, to: (to, frame), need };
        self.tiers[from.0].moving[from.1 as usize] = true;
        self.leave_frame(i);
        self.rtbd.set_state(i, EntryState::InFlight);
        self.rtbd.set_tier(i, to);
        self.rtbd.frame[i] = frame as u16;
        self.count_decision();
        let begun = match staging {
            Some(slot) => self.stage(slot, mv),
            None if self.dma.metadata_only => Ok(()),
            None => {
                let (source, dest) = (self.location(from.0, from.1), self.location(to, frame));
                self.transfer(source, dest, None).map(|_| ())
            }
        };
        if staging.is_some() && begun.is_ok() {
            return;
        }
        self.moves.own = Some((mv, begun));
        if purpose == Purpose::Room || self.dma.metadata_only {
            self.settle_own();
        }
    }

    /// The end of a scoped command's own move is known: before its next one, or when its changes have been offered.
    pub(crate) fn settle_own(&mut self) {
        match self.moves.own.take() {
            Some((mv, Ok(()))) => self.acknowledge_move(mv),
            Some((mv, Err(fault))) => {
                // What waits for a broken service queue was begun before.
                if self.service.check().is_err() {
                    self.fail_staged_moves();
                }
                self.fail_move(mv, &fault);
            }
            None => {}
        }
    }

    /// Hands a T3 move to the host.
    fn stage(&mut self, slot: u16, mv: Move) -> Result<(), DmaFault> {
        self.service.check()?;
        let iova = self.service.stage_address(slot, self.dma.shift);
        let down = mv.to.0 == T3;
        let crc32c =
            if down { self.transfer(self.location(mv.from.0, mv.from.1), Location::Bus(iova), None)? } else { 0 };
        let staged = &mut self.moves.staged[usize::from(slot)];
        staged.uses = staged.uses.wrapping_add(1);
        let cid = u16::from(staged.uses) << 8 | slot;
        self.post_request(&Sqe {
            opcode: if down { Opcode::SvcStore } else { Opcode::SvcFetch }.code(),
            cid,
            key: mv.key,
            iova,
            length: self.dma.block_bytes() as u32,
            crc32c,
            slot: if down { mv.to.1 } else { mv.from.1 },
            ..Sqe::default()
        })?;
        self.moves.staged[usize::from(slot)].mv = Some(mv);
        Ok(())
    }

    /// The host answered a T3 request; says whether there was such a request.
    pub(crate) fn answer_staged_move(&mut self, answer: &Cqe) -> bool {
        let [slot, uses] = answer.cid.to_le_bytes();
        let staged = self.moves.staged.get_mut(usize::from(slot)).filter(|staged| staged.uses == uses);
        let Some(mv) = staged.and_then(|staged| staged.mv.take()) else { return false };
        let result = if answer.status != 0 {
            Err(DmaFault::T3)
        } else if mv.from.0 == T3 {
            let staged = Location::Bus(self.service.stage_address(slot.into(), self.dma.shift));
            let dest = self.location(mv.to.0, mv.to.1);
            self.transfer(staged, dest, Some(answer.value)).map(|_| ())
        } else {
            Ok(())
        };
        match result {
            Ok(()) => self.acknowledge_move(mv),
            Err(fault) => self.fail_move(mv, &fault),
        }
        true
    }

    /// The host is out of reach: every move that waits for it has failed.
    pub(crate) fn fail_staged_moves(&mut self) {
        for slot in 0..self.moves.staged.len() {
            if let Some(mv) = self.moves.staged[slot].mv.take() {
                self.fail_move(mv, &DmaFault::T3);
            }
        }
    }

    fn acknowledge_move(&mut self, mv: Move) {
        self.tiers[mv.from.0].moving[mv.from.1 as usize] = false;
        if let Some(i) = self.rtbd.find(mv.key) {
            self.rtbd.set_state(i, EntryState::Resident);
        }
        let pair = TIERS * mv.from.0 + mv.to.0;
        self.counters.add_to(&CNT_MOVE_BYTES, pair, self.dma.block_bytes());
    }

    /// Undoes a move.
    fn fail_move(&mut self, mv: Move, fault: &DmaFault) {
        self.note_block_fault(fault, mv.key);
        self.counters.add(&CNT_MOVES_FAILED, 1);
        self.moves.failed_since_fence += 1;
        self.moves.room_failed |= mv.need == Some(self.moves.need);
        let ((from, source), (to, dest)) = (mv.from, mv.to);
        self.tiers[from].moving[source as usize] = false;
        self.unretire_frame(from, source);
        self.tiers[from].used += 1;
        self.tiers[to].used -= 1;
        self.tiers[to].free.push_back(dest);
        if let Some(i) = self.rtbd.find(mv.key) {
            self.rtbd.set_state(i, EntryState::Resident);
            self.rtbd.set_tier(i, from);
            self.rtbd.frame[i] = source as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::bus::HostMemory;
    use crate::core::Core;
    use kvcpu_mmio::Geometry;

    /// Requests after a disable must not repeat the cids of those before it.
    #[test]
    fn request_numbers_survive_disable_and_reset() {
        let mut core = Core::new(Geometry::TEST, Box::new(HostMemory::default()));
        core.moves.begin(4);
        core.moves.staged[2].uses = 7;
        core.disable();
        core.reset();
        core.moves.begin(4);
        assert_eq!(core.moves.staged[2].uses, 7);
    }
}
