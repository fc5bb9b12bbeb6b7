//! Commands: the checks that refuse, and dispatch. `docs/commands.md`.

mod copy;
mod insert;
mod scoped;

use crate::core::{Core, Wait};
use crate::hepc::{AutoMoves, Use};
use crate::moves::Stop;
use crate::queue::Origin;
use crate::rtbd::Rtbd;
use kvcpu_mmio::queue::{CommandFlags, Cqe, Key, Opcode, ResultFlags, Scope, Sqe, Status};
use kvcpu_mmio::regs::counter::{CNT_DENIALS, CNT_GHOST_HITS, CNT_HITS, CNT_LOOKUPS, CNT_MISSES};
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};

/// Most blocks of a range.
const MAX_COUNT: u32 = 65_536;

/// A command under way. It is kept while it waits.
pub(crate) struct Current {
    pub(crate) sqe: Sqe,
    pub(crate) origin: Origin,
    /// The checks were passed.
    checked: bool,
    /// STEP_ADVANCE has set the step and swept; a scoped command has checked its blocks.
    begun: bool,
    auto: AutoMoves,
    /// Scoped commands: the next block, those affected, and whether one was passed over.
    cursor: u32,
    affected: u32,
    passed_over: bool,
    room_failed: bool,
    only_ghosts: bool,
}

impl Current {
    pub(crate) fn new(sqe: Sqe, origin: Origin) -> Current {
        Current {
            sqe,
            origin,
            checked: false,
            begun: false,
            auto: AutoMoves::default(),
            cursor: 0,
            affected: 0,
            passed_over: false,
            room_failed: false,
            only_ghosts: false,
        }
    }
}

/// What a completion says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    pub(crate) place: Option<(usize, u16)>,
    pub(crate) flags: ResultFlags,
    pub(crate) value: u32,
}

impl Outcome {
    pub(crate) fn status(status: Status) -> Outcome {
        Outcome { status, place: None, flags: ResultFlags::empty(), value: 0 }
    }

    pub(crate) fn cqe(&self, cid: u16, qid: u16, sq_head: u16, phase: bool) -> Cqe {
        let (tier, frame) = self.place.unwrap_or_default();
        let placed = if self.place.is_some() { ResultFlags::PLACED } else { ResultFlags::empty() };
        Cqe {
            frame,
            tier: tier as u8,
            flags: (self.flags | placed).bits(),
            value: self.value,
            sq_head,
            qid,
            cid,
            phase,
            status: self.status.code(),
        }
    }
}

/// What a command needs of its fields; the table of `docs/commands.md`, Checks, 2.
fn fields_valid(opcode: Opcode, sqe: &Sqe) -> bool {
    use Opcode::*;
    let scoped = matches!(opcode, Hot | Unhot | Evict | Demote | Prefetch | Share | Unshare | Retain | Dead | Release);
    let mut flags = CommandFlags::empty();
    flags.set(CommandFlags::PARENT, matches!(opcode, Insert | Touch));
    flags.set(CommandFlags::OUT, opcode == Copy);
    let block_flags = if opcode == Insert {
        EntryFlags::PREFIX | EntryFlags::DIRTY | EntryFlags::READ_ONLY
    } else {
        EntryFlags::empty()
    };
    let scope_valid = match Scope::from_code(sqe.scope) {
        Some(Scope::Single) => sqe.count == 0,
        Some(Scope::Range) => {
            (1..=MAX_COUNT).contains(&sqe.count) && sqe.key.tag.checked_add(u64::from(sqe.count) - 1).is_some()
        }
        Some(Scope::Request) => sqe.count == 0 && sqe.key.request != 0,
        None => false,
    };
    sqe.reserved5 == 0
        && sqe.reserved7 == 0
        && sqe.crc32c == 0
        && sqe.slot == 0
        && sqe.flags & !flags.bits() == 0
        && sqe.block_flags & !block_flags.bits() == 0
        && (sqe.tier == 0 || matches!(opcode, Insert | Demote))
        && (scoped || sqe.scope == 0)
        && scope_valid
        && (opcode != Copy || sqe.iova.is_multiple_of(8))
}

impl Core {
    /// Carries out a command, or says what it waits for. A command that waited is tried again from
    /// the top with the same [`Current`].
    pub(crate) fn execute(&mut self, current: &mut Current) -> Result<Outcome, Wait> {
        let sqe = current.sqe;
        let refuse = |status| Ok(Outcome::status(status));
        let opcode = match Opcode::from_code(sqe.opcode) {
            Some(opcode) if !matches!(opcode, Opcode::SvcStore | Opcode::SvcFetch) => opcode,
            _ => return refuse(Status::InvalidOpcode),
        };
        if !fields_valid(opcode, &sqe) {
            return refuse(Status::InvalidField);
        }
        if opcode == Opcode::Nop {
            return refuse(Status::Ok);
        }
        if !self.enabled {
            return refuse(Status::NotEnabled);
        }
        let names_key = !matches!(opcode, Opcode::Fence | Opcode::StepAdvance);
        if names_key
            && !current.checked
            && self.queues.tenant(current.origin).is_some_and(|tenant| tenant != sqe.key.tenant)
        {
            self.counters.add(&CNT_DENIALS, 1);
            return refuse(match opcode {
                Opcode::Lookup | Opcode::Touch => Status::NotFound,
                _ => Status::WrongTenant,
            });
        }
        current.checked = true;
        match opcode {
            Opcode::Fence => self.fence(),
            Opcode::StepAdvance => self.step_advance(current),
            Opcode::Insert => self.insert(&sqe),
            Opcode::Lookup => Ok(self.lookup(sqe.key)),
            Opcode::Touch => Ok(self.touch(&sqe)),
            Opcode::Copy => self.copy(&sqe),
            _ => self.scoped(opcode, current),
        }
    }

    fn fence(&mut self) -> Result<Outcome, Wait> {
        if self.moves.in_flight() > 0 {
            return Err(Wait::Move);
        }
        let value = self.moves.take_failed_since_fence();
        let status = if value == 0 { Status::Ok } else { Status::MoveFailed };
        Ok(Outcome { value, ..Outcome::status(status) })
    }

    fn step_advance(&mut self, current: &mut Current) -> Result<Outcome, Wait> {
        if !current.begun {
            if current.sqe.argument < self.step {
                return Ok(Outcome::status(Status::StepBackward));
            }
            self.step = current.sqe.argument;
            (self.history.epoch, self.history.pending) = (self.history.clock, true);
            self.sweep();
            current.begun = true;
        }
        match self.automatic_moves(&mut current.auto) {
            Err(Stop::Wait(wait)) => Err(wait),
            _ => Ok(Outcome::status(Status::Ok)),
        }
    }

    /// Where entry `i` is, as a completion says it.
    fn describe(&self, i: usize) -> Outcome {
        let mut outcome = Outcome::status(Status::Ok);
        match self.rtbd.state(i) {
            EntryState::Ghost | EntryState::Free => {
                outcome.status = Status::NotFound;
                outcome.flags = ResultFlags::GHOST;
            }
            state => {
                outcome.place = Some((self.rtbd.tier(i), self.rtbd.frame[i]));
                outcome.flags.set(ResultFlags::IN_FLIGHT, state == EntryState::InFlight);
            }
        }
        outcome
    }

    fn lookup(&mut self, key: Key) -> Outcome {
        let found = self.rtbd.find(key);
        self.answer_lookup(found)
    }

    fn touch(&mut self, sqe: &Sqe) -> Outcome {
        let hash = self.rtbd.hash(sqe.key);
        let found = self.rtbd.find_hashed(sqe.key, hash);
        let outcome = self.answer_lookup(found);
        if let Some(i) = found {
            let depth = self.rtbd.depth(i);
            self.access(i, sqe, hash, &Use { entry: found, depth, by_insert: false });
        }
        outcome
    }

    fn answer_lookup(&mut self, found: Option<usize>) -> Outcome {
        self.counters.add(&CNT_LOOKUPS, 1);
        let Some(i) = found else {
            self.counters.add(&CNT_MISSES, 1);
            return Outcome::status(Status::NotFound);
        };
        if self.rtbd.placed(i) {
            self.counters.add_to(&CNT_HITS, self.rtbd.tier(i), 1);
        } else {
            self.counters.add(&CNT_GHOST_HITS, 1);
        }
        self.describe(i)
    }

    /// An access to entry `i`.
    fn access(&mut self, i: usize, sqe: &Sqe, hash: u32, used: &Use) {
        if self.count_use(used) {
            self.rtbd.set_frequency(i, self.rtbd.frequency(i) + 1);
            self.rtbd.serve(i, self.history.stamp);
        }
        self.rtbd.set_flags(i, self.rtbd.flags(i) - (EntryFlags::DEAD | EntryFlags::TARGET_VALID));
        self.note_child(sqe, hash);
    }

    /// The branch rule: tells the parent of a child it has.
    fn note_child(&mut self, sqe: &Sqe, hash: u32) {
        if sqe.flags & CommandFlags::PARENT.bits() == 0 {
            return;
        }
        let Some(parent) = self.rtbd.find(Key { tag: sqe.parent, ..sqe.key }) else { return };
        let signature = Rtbd::signature(hash);
        match self.rtbd.child(parent) {
            0 => self.rtbd.set_child(parent, signature),
            seen if seen != signature => {
                self.rtbd.set_flags(parent, self.rtbd.flags(parent) | EntryFlags::BRANCH);
            }
            _ => {}
        }
    }
}
