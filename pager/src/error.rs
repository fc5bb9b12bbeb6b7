//! What can go wrong, each with what to do about it.

use crate::source::SourceError;
use std::time::Duration;

/// Why the pager did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagerError {
    /// There is no userfaultfd.
    #[error(
        "userfaultfd: {}; it needs Linux 5.11 or later and, in a container, a seccomp profile that allows the call", std::io::Error::from_raw_os_error(*.errno)
    )]
    Userfaultfd {
        /// What the kernel said.
        errno: i32,
    },
    /// Faults of the kernel need a privilege.
    #[error(
        "a handler thread for faults of the kernel needs CAP_SYS_PTRACE, or sysctl vm.unprivileged_userfaultfd=1, or read permission on /dev/userfaultfd; Faults::InThread needs none of them"
    )]
    KernelFaults,
    /// The kernel has too old a userfaultfd.
    #[error(
        "this kernel's userfaultfd has neither SIGBUS delivery nor write protection of anonymous memory; use Linux 5.11 or later"
    )]
    Features,
    /// No memory for it.
    #[error("{what}: {}; free memory, or ask for less", std::io::Error::from_raw_os_error(*.errno))]
    Memory {
        /// What was asked for.
        what: &'static str,
        /// What the kernel said.
        errno: i32,
    },
    /// A block size that there is not.
    #[error("a block of {bytes} bytes; a power of two from 4096 to 2097152 is")]
    BlockBytes {
        /// What was asked for.
        bytes: usize,
    },
    /// An arena without bytes, or with more blocks than can be counted.
    #[error("an arena of {bytes} bytes in blocks of {block_bytes}; there are 1 to 2^32 - 1 blocks")]
    Size {
        /// Bytes.
        bytes: u64,
        /// Bytes of a block.
        block_bytes: usize,
    },
    /// The budget holds no block, or more than the device has frames for.
    #[error(
        "a budget of {bytes} bytes holds {blocks} blocks of {block_bytes}; it is 1 to {most} blocks: change it, or the block size"
    )]
    Budget {
        /// Bytes.
        bytes: u64,
        /// Bytes of a block.
        block_bytes: usize,
        /// Blocks in it.
        blocks: u64,
        /// Blocks at the most.
        most: u64,
    },
    /// Too many arenas at once.
    #[error("{most} arenas are there already; drop one first")]
    Arenas {
        /// How many there can be.
        most: usize,
    },
    /// Outside of the arena.
    #[error("bytes {offset} to {end} of an arena of {bytes}")]
    Range {
        /// First byte.
        offset: u64,
        /// The byte after the last.
        end: u64,
        /// Bytes of the arena.
        bytes: u64,
    },
    /// A block could not be filled.
    #[error("block {block} of {source_name}: {error}")]
    Block {
        /// Its number.
        block: u64,
        /// The source.
        source_name: String,
        /// Why.
        error: SourceError,
    },
    /// More is pinned than the budget holds.
    #[error(
        "no room within {waited:?}: {pinned} blocks of a budget of {budget} are pinned, hot or dirty; unpin some, or raise the budget"
    )]
    NoRoom {
        /// How long it was waited for.
        waited: Duration,
        /// Blocks that cannot go.
        pinned: u64,
        /// Blocks of the budget.
        budget: u64,
    },
    /// The KV-CPU device failed.
    #[error("the KV-CPU device that chooses victims: {0}")]
    Device(#[from] kvcpu_driver::DriverError),
    /// A thread could not be started.
    #[error("no thread for {what}: {error}")]
    Thread {
        /// What it was for.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// Writes to an arena that is read-only, or whose source takes none back.
    #[error("{0} is read-only; use Access::Private to change a copy of it in memory")]
    ReadOnly(String),
}
