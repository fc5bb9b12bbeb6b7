//! Commands as queue entries: one function for each, and a reusable list of them.
//!
//! `cid` stays 0: the queue pair numbers its commands itself.

use kvcpu_mmio::queue::{CommandFlags, Key, Opcode, Scope, Sqe};

use crate::commands::{Insert, Target};

/// One function for each command of `docs/commands.md`.
pub mod sqe {
    use super::{CommandFlags, Insert, Key, Opcode, Scope, Sqe, Target};

    fn keyed(opcode: Opcode, key: Key) -> Sqe {
        Sqe { opcode: opcode.code(), key, ..Sqe::default() }
    }

    /// A scoped command: HOT, UNHOT, EVICT, DEMOTE, PREFETCH, SHARE, UNSHARE, RETAIN, DEAD, RELEASE.
    pub fn scoped(opcode: Opcode, target: Target) -> Sqe {
        let (scope, key, count) = match target {
            Target::Single(key) => (Scope::Single, key, 0),
            Target::Range(key, count) => (Scope::Range, key, count),
            Target::Request(tenant, request) => (Scope::Request, Key { tenant, request, tag: 0 }, 0),
        };
        Sqe { scope: scope.code(), count, ..keyed(opcode, key) }
    }

    /// NOP.
    pub fn nop() -> Sqe {
        keyed(Opcode::Nop, Key::default())
    }

    /// FENCE.
    pub fn fence() -> Sqe {
        keyed(Opcode::Fence, Key::default())
    }

    /// STEP_ADVANCE.
    pub fn step_advance(step: u32) -> Sqe {
        Sqe { argument: step, ..keyed(Opcode::StepAdvance, Key::default()) }
    }

    fn parent(sqe: Sqe, parent: Option<u64>) -> Sqe {
        match parent {
            Some(parent) => Sqe { flags: CommandFlags::PARENT.bits(), parent, ..sqe },
            None => sqe,
        }
    }

    /// INSERT.
    pub fn insert(insert: &Insert) -> Sqe {
        let sqe = Sqe {
            tier: insert.tier,
            depth: insert.depth,
            block_flags: insert.flags.bits(),
            ..keyed(Opcode::Insert, insert.key)
        };
        parent(sqe, insert.parent)
    }

    /// LOOKUP.
    pub fn lookup(key: Key) -> Sqe {
        keyed(Opcode::Lookup, key)
    }

    /// TOUCH, naming the block before it in its chain if known.
    pub fn touch(key: Key, parent_tag: Option<u64>) -> Sqe {
        parent(keyed(Opcode::Touch, key), parent_tag)
    }

    /// DEMOTE to a named tier.
    pub fn demote(target: Target, tier: u8) -> Sqe {
        Sqe { tier, ..scoped(Opcode::Demote, target) }
    }

    /// PREFETCH: will be needed at `step`.
    pub fn prefetch(target: Target, step: u32) -> Sqe {
        Sqe { argument: step, ..scoped(Opcode::Prefetch, target) }
    }

    /// RETAIN for at least `steps`.
    pub fn retain(target: Target, steps: u32) -> Sqe {
        Sqe { argument: steps, ..scoped(Opcode::Retain, target) }
    }

    /// COPY from the buffer at `iova` into the block.
    pub fn copy_in(key: Key, iova: u64, block_bytes: u32) -> Sqe {
        Sqe { iova, length: block_bytes, ..keyed(Opcode::Copy, key) }
    }

    /// COPY from the block to the buffer at `iova`.
    pub fn copy_out(key: Key, iova: u64, block_bytes: u32) -> Sqe {
        Sqe { flags: CommandFlags::OUT.bits(), ..copy_in(key, iova, block_bytes) }
    }
}

/// A list of commands for [`QueuePair::run`](crate::QueuePair::run); clear and reuse it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    sqes: Vec<Sqe>,
}

impl Batch {
    /// An empty list.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// An empty list with room for `commands`.
    pub fn with_capacity(commands: usize) -> Batch {
        Batch { sqes: Vec::with_capacity(commands) }
    }

    /// Adds any entry.
    pub fn push(&mut self, sqe: Sqe) -> &mut Batch {
        self.sqes.push(sqe);
        self
    }

    /// Adds STEP_ADVANCE.
    pub fn step_advance(&mut self, step: u32) -> &mut Batch {
        self.push(sqe::step_advance(step))
    }

    /// Adds INSERT.
    pub fn insert(&mut self, insert: &Insert) -> &mut Batch {
        self.push(sqe::insert(insert))
    }

    /// Adds LOOKUP.
    pub fn lookup(&mut self, key: Key) -> &mut Batch {
        self.push(sqe::lookup(key))
    }

    /// Adds TOUCH.
    pub fn touch(&mut self, key: Key, parent: Option<u64>) -> &mut Batch {
        self.push(sqe::touch(key, parent))
    }

    /// Adds FENCE.
    pub fn fence(&mut self) -> &mut Batch {
        self.push(sqe::fence())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.sqes.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.sqes.is_empty()
    }

    /// Forgets the entries, keeps the memory.
    pub fn clear(&mut self) {
        self.sqes.clear();
    }
}

impl std::ops::Deref for Batch {
    type Target = [Sqe];

    fn deref(&self) -> &[Sqe] {
        &self.sqes
    }
}
