//! How an arena is set up.

use crate::policy::Policy;
use crate::source::SourceError;
use std::time::Duration;

/// What may be done to an arena's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Reading. What is evicted goes through the quarantine.
    #[default]
    ReadOnly,
    /// Writing too, to a copy in memory: blocks that were written stay there.
    Private,
    /// Writing too; blocks that were written are given back to the source when they are evicted, at [`Arena::flush`](super::Arena::flush), and at the end.
    Writable,
}

/// Who serves faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Faults {
    /// The thread that touched the block, in a handler of SIGBUS. The kernel's own touches, as by read(2) into the arena, fail with EFAULT unless the
    /// blocks are there: [`Arena::pin`](super::Arena::pin) sees to that.
    #[default]
    InThread,
    /// A thread of the arena's, the kernel's faults too. It needs a privilege, and a fault takes many times as long.
    HandlerThread,
}

/// What to do about a block that could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The touch is an error: SIGBUS goes to whoever handled it before the pager, which by default ends the process.
    Poison,
    /// The block is zeros from now on.
    Zeros,
    /// Try again, until the deadline; then the block is poisoned.
    Retry,
}

/// A block that could not be filled.
#[derive(Clone, Copy, Debug)]
pub struct BlockFault<'a> {
    /// Its number.
    pub block: u64,
    /// The source: a file's path, or a word.
    pub source: &'a str,
    /// Why.
    pub error: SourceError,
}

/// What is told of blocks that could not be filled or were denied. It may be called in a signal handler, on the thread that touched the
/// block: what may be done there is what signal-safety(7) allows. For a denied block, which is zeros, the answer is not looked at.
pub type OnFault = dyn Fn(&BlockFault<'_>) -> Action + Send + Sync;

/// How an arena is set up.
pub struct Options {
    /// Bytes of a block, a power of two from 4 KiB to 2 MiB.
    pub block_bytes: usize,
    /// What may be done to the bytes.
    pub access: Access,
    /// Who serves faults.
    pub faults: Faults,
    /// Bytes that may be in memory at once, whole blocks; none: all.
    pub budget_bytes: Option<u64>,
    /// Which blocks go when the budget is used up.
    pub policy: Policy,
    /// Blocks that are unmapped by one call, 1 to 1,024. With 1 there is no quarantine.
    pub batch: u32,
    /// Blocks that are filled ahead at the most when faults come in sequence.
    pub fault_around: u32,
    /// How long a touch may wait for a block that another thread fills, or for room.
    pub deadline: Duration,
    /// What is told of blocks that could not be filled or were denied; none: such blocks are poisoned, and all is logged.
    pub on_fault: Option<Box<OnFault>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            block_bytes: 64 << 10,
            access: Access::default(),
            faults: Faults::default(),
            budget_bytes: None,
            policy: Policy::default(),
            // 64 to 128 are best end to end; 512 fault again for what was unmapped too late.
            batch: 64,
            fault_around: 4,
            deadline: Duration::from_secs(10),
            on_fault: None,
        }
    }
}
