//! The commands: docs/commands.md. Those that take a scope are in `scoped.rs`.

use kvcpu_mmio::queue::{CommandFlags, Cqe, Key, Opcode, ResultFlags, Scope, Sqe, Status};
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};

use super::directory::hash;
use super::guard::Access;
use super::{Block, Model};

/// Most blocks of a range.
const MAX_COUNT: u32 = 65_536;

/// A completion without place.
pub(crate) fn plain(status: Status) -> Cqe {
    Cqe { status: status.code(), ..Cqe::default() }
}

/// Whether a command takes a scope.
fn is_scoped(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(opcode, Hot | Unhot | Evict | Demote | Prefetch | Share | Unshare | Retain | Dead | Release)
}

/// The first two checks, which look at the entry alone.
fn check(sqe: &Sqe) -> Result<Opcode, Status> {
    use Opcode::*;
    let opcode = Opcode::from_code(sqe.opcode)
        .filter(|opcode| !matches!(opcode, SvcStore | SvcFetch))
        .ok_or(Status::InvalidOpcode)?;
    let flags = CommandFlags::from_bits(sqe.flags).ok_or(Status::InvalidField)?;
    let block_flags = EntryFlags::PREFIX | EntryFlags::DIRTY | EntryFlags::READ_ONLY;
    let bad = [
        sqe.reserved5 != 0 || sqe.crc32c != 0 || sqe.slot != 0 || sqe.reserved7 != 0,
        flags.contains(CommandFlags::OUT) && opcode != Copy,
        flags.contains(CommandFlags::PARENT) && !matches!(opcode, Insert | Touch),
        sqe.block_flags & !block_flags.bits() != 0 || sqe.block_flags != 0 && opcode != Insert,
        sqe.tier != 0 && !matches!(opcode, Insert | Demote),
        sqe.scope > Scope::Request.code() || sqe.scope != 0 && !is_scoped(opcode),
        sqe.scope == Scope::Range.code() && !(1..=MAX_COUNT).contains(&sqe.count),
        sqe.scope != Scope::Range.code() && sqe.count != 0,
        sqe.scope == Scope::Range.code()
            && sqe.count > 0
            && sqe.key.tag.checked_add(u64::from(sqe.count) - 1).is_none(),
        sqe.scope == Scope::Request.code() && sqe.key.request == 0,
        opcode == Copy && !sqe.iova.is_multiple_of(8),
    ];
    if bad.contains(&true) { Err(Status::InvalidField) } else { Ok(opcode) }
}

impl Model {
    /// Carries out a command of the queue of `tenant`, or of a queue open to all. `cid`, `qid` and ring
    /// fields of the completion stay 0, and so does the CRC-32C of COPY.
    pub fn execute(&mut self, sqe: &Sqe, tenant: Option<u8>) -> Cqe {
        self.take_units();
        let cqe = match check(sqe) {
            Ok(opcode) if self.denied(opcode, sqe.key, tenant) => {
                self.counters.denials += 1;
                match opcode {
                    Opcode::Lookup | Opcode::Touch => plain(Status::NotFound),
                    _ => plain(Status::WrongTenant),
                }
            }
            Ok(opcode) => self.carry_out(opcode, sqe),
            Err(status) => plain(status),
        };
        self.offer();
        self.settle_own();
        self.counters.commands += 1;
        self.counters.refused += u64::from(cqe.status != Status::Ok.code());
        cqe
    }

    fn denied(&self, opcode: Opcode, key: Key, tenant: Option<u8>) -> bool {
        !matches!(opcode, Opcode::Nop | Opcode::Fence | Opcode::StepAdvance)
            && tenant.is_some_and(|tenant| tenant != key.tenant)
    }

    fn carry_out(&mut self, opcode: Opcode, sqe: &Sqe) -> Cqe {
        match opcode {
            Opcode::Nop => plain(Status::Ok),
            Opcode::Fence => self.fence(),
            Opcode::StepAdvance => self.step_advance(sqe.argument),
            Opcode::Insert => self.insert(sqe),
            Opcode::Lookup => self.look(sqe),
            Opcode::Touch => {
                let cqe = self.look(sqe);
                self.touch(sqe, None);
                cqe
            }
            Opcode::Copy => self.copy(sqe),
            _ => self.scoped(opcode, sqe),
        }
    }

    /// Where the block is.
    pub(crate) fn located(&self, status: Status, key: Key) -> Cqe {
        let Some(block) = self.blocks.get(&key) else { return plain(status) };
        let flags = match block.state {
            EntryState::Ghost => return Cqe { flags: ResultFlags::GHOST.bits(), ..plain(status) },
            EntryState::InFlight => ResultFlags::PLACED | ResultFlags::IN_FLIGHT,
            _ => ResultFlags::PLACED,
        };
        Cqe { frame: block.frame as u16, tier: block.tier as u8, flags: flags.bits(), ..plain(status) }
    }

    fn fence(&mut self) -> Cqe {
        self.acknowledge();
        match std::mem::take(&mut self.failed_since_fence) {
            0 => plain(Status::Ok),
            value => Cqe { value, ..plain(Status::MoveFailed) },
        }
    }

    fn step_advance(&mut self, step: u32) -> Cqe {
        if step < self.now {
            return plain(Status::StepBackward);
        }
        self.now = step;
        self.time.pending = true;
        self.time.epoch = self.time.clock;
        self.sweep();
        self.automatic_moves();
        plain(Status::Ok)
    }

    fn look(&mut self, sqe: &Sqe) -> Cqe {
        self.counters.lookups += 1;
        match self.blocks.get(&sqe.key) {
            Some(block) if block.placed() => {
                self.counters.hits[block.tier] += 1;
                self.located(Status::Ok, sqe.key)
            }
            Some(_) => {
                self.counters.ghost_hits += 1;
                self.located(Status::NotFound, sqe.key)
            }
            None => {
                self.counters.misses += 1;
                plain(Status::NotFound)
            }
        }
    }

    /// A use of an entry that stays as it is otherwise; INSERT brings its own depth.
    fn touch(&mut self, sqe: &Sqe, inserted: Option<u32>) {
        let Some(&block) = self.blocks.get(&sqe.key) else { return };
        let depth = inserted.unwrap_or(block.depth);
        let (frequency, access, out) = self.access(&Access { known: Some(block), depth, inserts: inserted.is_some() });
        let flags = block.flags - (EntryFlags::DEAD | EntryFlags::TARGET_VALID);
        *self.block(sqe.key) = Block { frequency, access, out, flags, ..block };
        self.branch(sqe);
    }

    fn branch(&mut self, sqe: &Sqe) {
        if sqe.flags & CommandFlags::PARENT.bits() == 0 {
            return;
        }
        let signature = match hash(sqe.key) >> 24 {
            0 => 1,
            signature => signature,
        };
        let parent = Key { tag: sqe.parent, ..sqe.key };
        if let Some(parent) = self.blocks.get_mut(&parent) {
            if parent.child == 0 {
                parent.child = signature;
            } else if parent.child != signature {
                parent.flags |= EntryFlags::BRANCH;
            }
        }
    }

    fn insert(&mut self, sqe: &Sqe) -> Cqe {
        let (key, tier, depth) = (sqe.key, usize::from(sqe.tier), u32::from(sqe.depth).min(4095));
        if tier > 2 || self.tiers[tier].limit == 0 {
            return plain(Status::InvalidTier);
        }
        let old = self.blocks.get(&key).copied();
        if old.is_some_and(|block| block.placed()) {
            let mut cqe = self.located(Status::Ok, key);
            cqe.flags |= ResultFlags::EXISTED.bits();
            self.touch(sqe, Some(depth));
            return cqe;
        }
        if old.is_none() && self.find_slot(key).is_none() {
            self.counters.directory_full += 1;
            return plain(Status::DirectoryFull);
        }
        if let Err(status) = self.make_room(tier) {
            return plain(status);
        }
        // A sweep that made room may have counted the ghost as evicted.
        let old = self.blocks.get(&key).copied();
        let frame = self.take_frame(tier);
        let (frequency, access, out) = self.access(&Access { known: old, depth, inserts: true });
        let given = EntryFlags::from_bits_retain(sqe.block_flags);
        let fresh = Block {
            state: EntryState::Resident,
            tier,
            frame,
            access,
            out,
            depth,
            frequency,
            flags: given,
            ..Block::default()
        };
        match old {
            None => {
                let plan = self.find_slot(key).expect("making room takes no slot");
                self.place(&plan, key, fresh);
            }
            Some(ghost) => {
                let gone = EntryFlags::DEAD | EntryFlags::PREFIX | EntryFlags::DIRTY | EntryFlags::READ_ONLY;
                *self.block(key) =
                    Block { flags: (ghost.flags - gone) | given, target: ghost.target, child: ghost.child, ..fresh };
            }
        }
        self.branch(sqe);
        self.counters.inserts[tier] += 1;
        self.located(Status::Ok, key)
    }

    fn copy(&mut self, sqe: &Sqe) -> Cqe {
        if self.metadata_only {
            return plain(Status::MetadataOnly);
        }
        if u64::from(sqe.length) != self.block_bytes {
            return plain(Status::BadLength);
        }
        if !self.blocks.get(&sqe.key).is_some_and(Block::placed) {
            return plain(Status::NotFound);
        }
        self.await_block(sqe.key);
        let tier = self.blocks[&sqe.key].tier;
        if tier == 3 {
            return plain(Status::NotAddressable);
        }
        let is_out = sqe.flags & CommandFlags::OUT.bits() != 0;
        let (memory, buffer) = (self.memory[tier], self.buffer);
        if memory.torn || buffer.torn || self.bus_off {
            return plain(Status::DmaFault);
        }
        if if is_out { buffer.corrupt } else { memory.corrupt } {
            return plain(Status::CrcError);
        }
        let bytes = if is_out { &mut self.counters.copy_out_bytes } else { &mut self.counters.copy_in_bytes };
        let counter = &mut bytes[tier];
        *counter += self.block_bytes;
        self.located(Status::Ok, sqe.key)
    }
}
