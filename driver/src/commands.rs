//! Every command as a method with a typed result, over one `execute`, so that rings and registers
//! share them. `docs/commands.md` says what each command does.

use kvcpu_mmio::queue::{Cqe, Key, Opcode, ResultFlags, Sqe, Status};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

use crate::batch::sqe;
use crate::{DmaBuffer, DriverError, StatusError};

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Tier.
    pub tier: u8,
    /// Frame in the tier.
    pub frame: u16,
    /// Its move there is not acknowledged yet (depends on the speed of memory).
    pub in_flight: bool,
    /// INSERT: it was there already.
    pub existed: bool,
}

impl Placement {
    /// What a completion says, if it says a place.
    pub fn of(cqe: &Cqe) -> Option<Placement> {
        let flags = ResultFlags::from_bits_retain(cqe.flags);
        flags.contains(ResultFlags::PLACED).then_some(Placement {
            tier: cqe.tier,
            frame: cqe.frame,
            in_flight: flags.contains(ResultFlags::IN_FLIGHT),
            existed: flags.contains(ResultFlags::EXISTED),
        })
    }
}

/// What LOOKUP and TOUCH found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The block.
    Placed(Placement),
    /// Its history only.
    Ghost,
    /// Nothing.
    Miss,
}

impl Lookup {
    /// The place, if the block is somewhere.
    pub fn placed(self) -> Option<Placement> {
        match self {
            Lookup::Placed(placement) => Some(placement),
            Lookup::Ghost | Lookup::Miss => None,
        }
    }

    /// What the completion of a LOOKUP or TOUCH says; `None` if it was refused for another reason
    /// than that there is no such block.
    pub fn of(cqe: &Cqe) -> Option<Lookup> {
        match Status::from_code(cqe.status)? {
            Status::Ok => Placement::of(cqe).map(Lookup::Placed),
            Status::NotFound if is_ghost(cqe) => Some(Lookup::Ghost),
            Status::NotFound => Some(Lookup::Miss),
            _ => None,
        }
    }
}

/// What a scoped command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affected {
    /// Blocks affected; for RELEASE and PREFETCH 0 if only ghosts were.
    pub blocks: u32,
    /// Where a single block is afterwards.
    pub placement: Option<Placement>,
    /// The entry is a ghost now.
    pub ghost: bool,
}

/// Which blocks a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One block.
    Single(Key),
    /// So many blocks, 1 to 65,536: tag, tag + 1, ...
    Range(Key, u32),
    /// All blocks of {tenant, request}; the request must not be 0.
    Request(u8, u16),
}

impl From<Key> for Target {
    fn from(key: Key) -> Target {
        Target::Single(key)
    }
}

/// A block that now exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insert {
    /// Its name.
    pub key: Key,
    /// Tier to put it in: 0, 1 or 2.
    pub tier: u8,
    /// Position in its chain.
    pub depth: u16,
    /// PREFIX, DIRTY, READ_ONLY.
    pub flags: EntryFlags,
    /// Tag of the block before it in its chain.
    pub parent: Option<u64>,
}

impl Insert {
    /// A block without parent or flags.
    pub const fn new(key: Key, tier: u8) -> Insert {
        Insert { key, tier, depth: 0, flags: EntryFlags::empty(), parent: None }
    }
}

fn is_ghost(cqe: &Cqe) -> bool {
    cqe.flags & ResultFlags::GHOST.bits() != 0
}

fn refused(sqe: &Sqe, cqe: &Cqe) -> DriverError {
    let status = StatusError { code: cqe.status, qid: cqe.qid, value: cqe.value };
    let opcode = Opcode::from_code(sqe.opcode).unwrap_or(Opcode::Nop);
    DriverError::Command { opcode, key: sqe.key, status }
}

/// The device's commands, whichever way they reach it: [`QueuePair`](crate::QueuePair) or
/// [`SingleShot`](crate::SingleShot).
pub trait Commands {
    /// Carries out one entry and returns its completion, whatever its status. `cid` is set by the
    /// path.
    fn execute(&mut self, sqe: Sqe) -> Result<Cqe, DriverError>;

    /// Size of a block as configured.
    fn block_bytes(&self) -> u32;

    /// [`execute`](Commands::execute), but a status other than `Ok` is an error.
    fn perform(&mut self, sqe: Sqe) -> Result<Cqe, DriverError> {
        let cqe = self.execute(sqe)?;
        match cqe.status {
            0 => Ok(cqe),
            _ => Err(refused(&sqe, &cqe)),
        }
    }

    /// NOP: only comes back.
    fn nop(&mut self) -> Result<(), DriverError> {
        self.perform(sqe::nop()).map(drop)
    }

    /// FENCE: all earlier commands and moves are done. Moves that failed since the last one are a
    /// `MoveFailed` error whose `value` counts them.
    fn fence(&mut self) -> Result<(), DriverError> {
        self.perform(sqe::fence()).map(drop)
    }

    /// STEP_ADVANCE: a new decode step.
    fn step_advance(&mut self, step: u32) -> Result<(), DriverError> {
        self.perform(sqe::step_advance(step)).map(drop)
    }

    /// INSERT: the block now exists; gives it a frame.
    fn insert(&mut self, insert: &Insert) -> Result<Placement, DriverError> {
        let sqe = sqe::insert(insert);
        let cqe = self.perform(sqe)?;
        Placement::of(&cqe).ok_or(DriverError::Protocol {
            what: "flags of an INSERT that succeeded",
            expected: ResultFlags::PLACED.bits().into(),
            found: cqe.flags.into(),
        })
    }

    /// LOOKUP: where is it?
    fn lookup(&mut self, key: Key) -> Result<Lookup, DriverError> {
        self.look(sqe::lookup(key))
    }

    /// TOUCH: where is it, and count an access.
    fn touch(&mut self, key: Key, parent: Option<u64>) -> Result<Lookup, DriverError> {
        self.look(sqe::touch(key, parent))
    }

    /// LOOKUP or TOUCH as an entry.
    #[doc(hidden)]
    fn look(&mut self, sqe: Sqe) -> Result<Lookup, DriverError> {
        let cqe = self.execute(sqe)?;
        Lookup::of(&cqe).ok_or_else(|| refused(&sqe, &cqe))
    }

    /// A scoped command as an entry.
    #[doc(hidden)]
    fn affect(&mut self, sqe: Sqe) -> Result<Affected, DriverError> {
        let cqe = self.perform(sqe)?;
        Ok(Affected { blocks: cqe.value, placement: Placement::of(&cqe), ghost: is_ghost(&cqe) })
    }

    /// HOT: never a victim.
    fn hot(&mut self, target: Target) -> Result<Affected, DriverError> {
        self.affect(sqe::scoped(Opcode::Hot, target))
    }

    /// UNHOT.
    fn unhot(&mut self, target: Target) -> Result<Affected, DriverError> {
        self.affect(sqe::scoped(Opcode::Unhot, target))
    }

    /// SHARE: one more reference.
    fn share(&mut self, target: Target) -> Result<Affected, DriverError> {
        self.affect(sqe::scoped(Opcode::Share, target))
    }

    /// UNSHARE: one reference less.
    fn unshare(&mut self, target: Target) -> Result<Affected, DriverError> {
        self.affect(sqe::scoped(Opcode::Unshare, target))
    }

    /// RETAIN: keep for at least `steps`.
    fn retain(&mut self, target: Target, steps: u32) -> Result<Affected, DriverError> {
        self.affect(sqe::retain(target, steps))
    }

    /// DEAD: never needed again, first victim.
    fn dead(&mut self, target: Target) -> Result<Affected, DriverError> {
        self.affect(sqe::scoped(Opcode::Dead, target))
    }

    /// RELEASE: frees frames and entries.
    fn release(&mut self, target: Target) -> Result<Affected, DriverError> {
        self.affect(sqe::scoped(Opcode::Release, target))
    }

    /// EVICT: down one tier in use, or out.
    fn evict(&mut self, target: Target) -> Result<Affected, DriverError> {
        self.affect(sqe::scoped(Opcode::Evict, target))
    }

    /// DEMOTE: down to a named tier.
    fn demote(&mut self, target: Target, tier: u8) -> Result<Affected, DriverError> {
        self.affect(sqe::demote(target, tier))
    }

    /// PREFETCH: will be needed at `step`. Ghosts remember it too: where there were only ghosts the
    /// result is 0 blocks, not an error.
    fn prefetch(&mut self, target: Target, step: u32) -> Result<Affected, DriverError> {
        let sqe = sqe::prefetch(target, step);
        let cqe = self.execute(sqe)?;
        if cqe.status == Status::Ok.code() || cqe.status == Status::NotFound.code() && is_ghost(&cqe) {
            return Ok(Affected { blocks: cqe.value, placement: Placement::of(&cqe), ghost: is_ghost(&cqe) });
        }
        Err(refused(&sqe, &cqe))
    }

    /// COPY from `buffer` at byte `offset`, a multiple of 8, into the block; returns its CRC-32C.
    fn copy_in(&mut self, key: Key, buffer: &DmaBuffer, offset: usize) -> Result<u32, DriverError> {
        let bytes = self.block_bytes();
        buffer.check(offset, bytes as usize)?;
        Ok(self.perform(sqe::copy_in(key, buffer.iova() + offset as u64, bytes))?.value)
    }

    /// COPY from the block to `buffer` at byte `offset`, a multiple of 8; returns its CRC-32C.
    fn copy_out(&mut self, key: Key, buffer: &DmaBuffer, offset: usize) -> Result<u32, DriverError> {
        let bytes = self.block_bytes();
        buffer.check(offset, bytes as usize)?;
        Ok(self.perform(sqe::copy_out(key, buffer.iova() + offset as u64, bytes))?.value)
    }
}
