//! Commands on a block, a range or a request. `docs/commands.md`, Scoped commands.

use super::{Current, Outcome};
use crate::core::{Core, Wait};
use crate::moves::{Purpose, Stop};
use kvcpu_mmio::queue::{Key, Opcode, Scope, Sqe, Status};
use kvcpu_mmio::regs::rtbd_entry::{ENTRY_STATE, EntryFlags, EntryState};

/// Largest `retain`.
const RETAIN_MAX: u64 = (1 << ENTRY_STATE::RETAIN.width) - 1;

/// What a command did to one block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Affected,
    /// Passed over because it is pinned, shared or retained.
    InUse,
    /// Passed over because a move that was to make room for it failed.
    NoRoom,
    /// Passed over otherwise.
    Nothing,
    /// Only history was there, and it was freed.
    GhostFreed,
    /// The command does not apply; only for a single block.
    Refused(Status),
}

impl Core {
    /// The entry that position `cursor` of a scope names, and the position after it.
    fn next_in_scope(&self, sqe: &Sqe, cursor: u32) -> Option<(u32, Option<usize>)> {
        match Scope::from_code(sqe.scope) {
            Some(Scope::Request) => {
                let id = u32::from(sqe.key.request) | u32::from(sqe.key.tenant) << 16;
                let first = cursor as usize;
                let ids = self.rtbd.id.get(first..)?;
                let mut matches = ids.iter().enumerate().filter(|(_, other)| **other == id).map(|(n, _)| first + n);
                let i = matches.find(|&i| self.rtbd.state(i) != EntryState::Free)?;
                Some((i as u32, Some(i)))
            }
            _ if cursor >= sqe.count.max(1) => None,
            _ => {
                let key = Key { tag: sqe.key.tag + u64::from(cursor), ..sqe.key };
                Some((cursor, self.rtbd.find(key)))
            }
        }
    }

    /// SHARE and UNSHARE change all or nothing.
    fn refcount_error(&self, opcode: Opcode, sqe: &Sqe) -> Option<Status> {
        let (limit, status) = match opcode {
            Opcode::Share => (u8::MAX, Status::RefcountOverflow),
            Opcode::Unshare => (0, Status::RefcountUnderflow),
            _ => return None,
        };
        let mut cursor = 0;
        while let Some((at, entry)) = self.next_in_scope(sqe, cursor) {
            if entry.is_some_and(|i| self.rtbd.placed(i) && self.rtbd.refcount(i) == limit) {
                return Some(status);
            }
            cursor = at + 1;
        }
        None
    }

    pub(super) fn scoped(&mut self, opcode: Opcode, current: &mut Current) -> Result<Outcome, Wait> {
        let sqe = current.sqe;
        if opcode == Opcode::Demote && (sqe.tier > 3 || !self.tiers[usize::from(sqe.tier)].in_use()) {
            return Ok(Outcome::status(Status::InvalidTier));
        }
        if !current.begun {
            if let Some(status) = self.refcount_error(opcode, &sqe) {
                return Ok(Outcome::status(status));
            }
            current.begun = true;
        }
        while let Some((at, entry)) = self.next_in_scope(&sqe, current.cursor) {
            current.cursor = at;
            let effect = match entry {
                Some(i) => self.apply(opcode, &sqe, i)?,
                None => Effect::Nothing,
            };
            self.moves.begin_need();
            match effect {
                Effect::Affected => current.affected += 1,
                Effect::InUse => current.passed_over = true,
                Effect::NoRoom => current.room_failed = true,
                Effect::GhostFreed => current.only_ghosts = true,
                Effect::Nothing => {}
                Effect::Refused(status) if sqe.scope == Scope::Single.code() => {
                    return Ok(Outcome::status(status));
                }
                Effect::Refused(_) => {}
            }
            // An entry of the stash may have moved into a slot that was freed: look at it again.
            let freed = opcode == Opcode::Release && matches!(effect, Effect::Affected | Effect::GhostFreed);
            if !(freed && sqe.scope == Scope::Request.code()) {
                current.cursor = at + 1;
            }
        }
        Ok(self.scoped_outcome(opcode, current))
    }

    fn scoped_outcome(&self, opcode: Opcode, current: &Current) -> Outcome {
        let entry = self.rtbd.find(current.sqe.key).filter(|_| current.sqe.scope == Scope::Single.code());
        let mut outcome = entry.map_or(Outcome::status(Status::NotFound), |i| self.describe(i));
        outcome.value = current.affected;
        let released_ghosts = opcode == Opcode::Release && current.only_ghosts;
        outcome.status = if current.affected > 0 || released_ghosts {
            Status::Ok
        } else if current.passed_over {
            Status::InUse
        } else if current.room_failed {
            Status::MoveFailed
        } else {
            Status::NotFound
        };
        outcome
    }

    /// Does to entry `i` what the command says.
    fn apply(&mut self, opcode: Opcode, sqe: &Sqe, i: usize) -> Result<Effect, Wait> {
        let flags = self.rtbd.flags(i);
        if opcode == Opcode::Prefetch {
            return self.prefetch(sqe, i);
        }
        if !self.rtbd.placed(i) {
            if opcode != Opcode::Release {
                return Ok(Effect::Nothing);
            }
            self.rtbd.free(i);
            return Ok(Effect::GhostFreed);
        }
        match opcode {
            Opcode::Hot => self.rtbd.set_flags(i, flags | EntryFlags::HOT),
            Opcode::Unhot => self.rtbd.set_flags(i, flags - EntryFlags::HOT),
            Opcode::Share => self.rtbd.set_refcount(i, self.rtbd.refcount(i).saturating_add(1)),
            Opcode::Unshare => self.rtbd.set_refcount(i, self.rtbd.refcount(i).saturating_sub(1)),
            Opcode::Dead => {
                let cleared = EntryFlags::HOT | EntryFlags::RETAINED | EntryFlags::TARGET_VALID;
                self.rtbd.retain[i] = 0;
                self.rtbd.set_flags(i, (flags | EntryFlags::DEAD) - cleared);
            }
            Opcode::Retain => {
                let until = (u64::from(self.step) + u64::from(sqe.argument)).div_ceil(16).min(RETAIN_MAX) as u32;
                self.rtbd.retain[i] = self.rtbd.retain[i].max(until);
                self.rtbd.set_flags(i, flags | EntryFlags::RETAINED);
            }
            Opcode::Evict => return self.send_down(i, None),
            Opcode::Demote => return self.send_down(i, Some(usize::from(sqe.tier))),
            Opcode::Release => return self.release(i),
            _ => return Ok(Effect::Nothing),
        }
        Ok(Effect::Affected)
    }

    /// EVICT and DEMOTE.
    fn send_down(&mut self, i: usize, dest: Option<usize>) -> Result<Effect, Wait> {
        self.settle_own();
        if dest.is_some_and(|dest| dest <= self.rtbd.tier(i)) {
            return Ok(Effect::Refused(Status::InvalidTier));
        }
        if self.rtbd.protected(i) {
            return Ok(Effect::InUse);
        }
        match self.demote(i, dest, Purpose::Itself) {
            Ok(()) => Ok(Effect::Affected),
            Err(Stop::Wait(wait)) => Err(wait),
            Err(Stop::MoveFailed | Stop::TierFull) => Ok(Effect::NoRoom),
        }
    }

    fn release(&mut self, i: usize) -> Result<Effect, Wait> {
        if self.rtbd.state(i) == EntryState::InFlight {
            return Err(Wait::Move);
        }
        if self.rtbd.refcount(i) > 0 {
            return Ok(Effect::InUse);
        }
        self.leave_frame(i);
        self.rtbd.free(i);
        Ok(Effect::Affected)
    }

    fn prefetch(&mut self, sqe: &Sqe, i: usize) -> Result<Effect, Wait> {
        self.rtbd.set_target(i, sqe.argument);
        self.rtbd.set_flags(i, self.rtbd.flags(i) | EntryFlags::TARGET_VALID);
        if !self.rtbd.placed(i) {
            return Ok(Effect::Nothing);
        }
        let candidate = self
            .scorer()
            .prefetch_rank(&self.rtbd, i, self.tuning.prefetch_tier, &self.tuning.lookahead);
        if candidate.is_some() {
            self.settle_own();
            if let Err(Stop::Wait(wait)) = self.promote(i, true) {
                return Err(wait);
            }
        }
        Ok(Effect::Affected)
    }
}
