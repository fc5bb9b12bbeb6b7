//! Everything that can go wrong, each with the slot, the file, what was expected, what was found
//! and what to do about it.

use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use thiserror::Error;

use crate::{Key, MAX_BLOCK_BYTES, Op};

/// Why an operation or a file was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The queue is full.
    #[error("T3 queue is full ({outstanding} of {limit} operations outstanding): poll before submitting more")]
    Busy {
        /// Operations outstanding.
        outstanding: usize,
        /// Depth and backlog together.
        limit: usize,
    },
    /// No such slot.
    #[error("slot {slot} does not exist: the store has {slots} slots")]
    BadSlot {
        /// The slot asked for.
        slot: u32,
        /// Slots there are.
        slots: u32,
    },
    /// The range of memory cannot hold a block.
    #[error(
        "memory range at offset {offset:#x} of {need} bytes: must start at a multiple of 8 and lie within {len} bytes"
    )]
    BadMemory {
        /// Byte offset into the memory.
        offset: usize,
        /// Bytes of a block.
        need: usize,
        /// Bytes of the memory.
        len: usize,
    },
    /// The bytes given do not have the CRC given with them; nothing was written.
    #[error(
        "slot {slot}: block for {key} was to have CRC-32C {expected:#010x}, its bytes have {found:#010x}: not written"
    )]
    CrcMismatch {
        /// Slot that was to be written.
        slot: u32,
        /// Name of the block.
        key: Key,
        /// The CRC the caller gave.
        expected: u32,
        /// The CRC of the bytes.
        found: u32,
    },
    /// The slot holds no block.
    #[error("{}: slot {slot} is empty, expected block {expected}", file.display())]
    Empty {
        /// The store's file.
        file: Arc<Path>,
        /// Slot read.
        slot: u32,
        /// The block asked for.
        expected: Key,
    },
    /// The slot holds another block.
    #[error("{}: slot {slot} holds block {found}, expected {expected}", file.display())]
    WrongKey {
        /// The store's file.
        file: Arc<Path>,
        /// Slot read.
        slot: u32,
        /// The block asked for.
        expected: Key,
        /// The block there.
        found: Key,
    },
    /// The slot's contents are not what was written to it.
    #[error("{}: slot {slot} is torn: {reason}; expected block {expected}", file.display())]
    Torn {
        /// The store's file.
        file: Arc<Path>,
        /// Slot read.
        slot: u32,
        /// The block asked for.
        expected: Key,
        /// What does not agree.
        reason: TornReason,
    },
    /// The file system is full.
    #[error(
        "{}: no space: {needed} bytes needed, {} available; free space there, ask for fewer T3 blocks, or put the file elsewhere",
        file.display(),
        available.map_or("unknown".to_owned(), |bytes| bytes.to_string())
    )]
    NoSpace {
        /// The store's file.
        file: Arc<Path>,
        /// Bytes that were to be written or reserved.
        needed: u64,
        /// Bytes the file system has left for this user.
        available: Option<u64>,
    },
    /// The file's header is not one this version can use.
    #[error("{}: not a usable T3 file: {fault}; its blocks cannot be read, create it anew (T3Options::replace) or give another path", file.display())]
    BadHeader {
        /// The store's file.
        file: Arc<Path>,
        /// What is wrong with it.
        fault: HeaderFault,
    },
    /// The geometry asked for is not possible.
    #[error(
        "a T3 file of {slots} slots of {block_bytes} bytes is not possible: blocks are a multiple of 8 from 8 to {MAX_BLOCK_BYTES} bytes, and there is at least one slot"
    )]
    BadGeometry {
        /// Block size asked for.
        block_bytes: usize,
        /// Slots asked for.
        slots: u32,
    },
    /// The queue depth or backlog is out of range.
    #[error("T3 queue depth {depth} is not possible: choose 1 to 4096")]
    BadDepth {
        /// Depth asked for.
        depth: u32,
    },
    /// There is a file already.
    #[error("{}: exists ({bytes} bytes): open it, remove it, or create with T3Options::replace", file.display())]
    Exists {
        /// The store's file.
        file: Arc<Path>,
        /// Its size.
        bytes: u64,
    },
    /// Another process, or another handle in this one, has the file open.
    #[error("{}: in use by another process (flock held after {waited_ms} ms): stop that one or give another path", file.display())]
    Locked {
        /// The store's file.
        file: Arc<Path>,
        /// How long the lock was tried for.
        waited_ms: u64,
    },
    /// The kernel refuses io_uring.
    #[error("io_uring is not available ({source}): {refusal}")]
    NoUring {
        /// What the kernel said.
        source: Errno,
        /// What that means and what to do.
        refusal: Refusal,
    },
    /// A system call failed.
    #[error("{}: {what}: {source}", file.display())]
    Io {
        /// The store's file.
        file: Arc<Path>,
        /// What was being done.
        what: String,
        /// What the kernel said.
        source: Errno,
    },
    /// Operations did not end in time.
    #[error("{}: {outstanding} operations still outstanding after {waited_ms} ms: the storage does not answer", file.display())]
    Timeout {
        /// The store's file.
        file: Arc<Path>,
        /// Operations that did not end.
        outstanding: usize,
        /// How long they were waited for.
        waited_ms: u64,
    },
    /// A fault that a [`Faulty`](crate::Faulty) decorator was told to inject.
    #[error("injected fault: {op} of slot {slot}")]
    Injected {
        /// The operation that was hit.
        op: Op,
        /// Its slot.
        slot: u32,
    },
}

/// What in a slot does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TornReason {
    /// The slot header does not start with its magic.
    #[error("slot header magic {found:#018x}")]
    Magic {
        /// The first 8 bytes.
        found: u64,
    },
    /// The slot header's own checksum fails.
    #[error("slot header CRC-32C {found:#010x}, recorded {expected:#010x}")]
    HeaderCrc {
        /// The CRC recorded.
        expected: u32,
        /// The CRC of the bytes.
        found: u32,
    },
    /// The slot header belongs to another slot.
    #[error("slot header is of slot {found}")]
    Misplaced {
        /// The slot it names.
        found: u32,
    },
    /// The slot header has a state that no version writes.
    #[error("slot header state {found}")]
    State {
        /// The state it has.
        found: u32,
    },
    /// The slot header records another block size.
    #[error("block length {found} recorded, the file has blocks of {expected}")]
    Length {
        /// The file's block size.
        expected: u32,
        /// The length recorded.
        found: u32,
    },
    /// The block does not match the header.
    #[error("block CRC-32C {found:#010x}, recorded {expected:#010x}")]
    BlockCrc {
        /// The CRC recorded.
        expected: u32,
        /// The CRC of the bytes.
        found: u32,
    },
    /// The file ends inside the slot.
    #[error("the file ends {found} bytes into the slot's {expected}")]
    Cut {
        /// Bytes of a slot.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The storage reports an error for the slot.
    #[error("unreadable: {0}")]
    Unreadable(Errno),
}

/// What is wrong with a file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderFault {
    /// The file is shorter than a header.
    #[error("the file has {found} bytes, a header has 4096")]
    Short {
        /// Bytes of the file.
        found: u64,
    },
    /// The file does not start with the magic.
    #[error("magic {found:#018x}")]
    Magic {
        /// The first 8 bytes.
        found: u64,
    },
    /// The header's checksum fails.
    #[error("file header CRC-32C {found:#010x}, recorded {expected:#010x}")]
    Crc {
        /// The CRC recorded.
        expected: u32,
        /// The CRC of the bytes.
        found: u32,
    },
    /// The layout is of another version.
    #[error("layout version {found}, this build reads 1")]
    Version {
        /// The version recorded.
        found: u32,
    },
    /// The geometry is not possible.
    #[error("geometry of {slots} slots of {block_bytes} bytes")]
    Geometry {
        /// Block size recorded.
        block_bytes: u64,
        /// Slots recorded.
        slots: u32,
    },
}

/// Why io_uring is refused, from the error of `io_uring_setup(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// EPERM or EACCES.
    #[error(
        "forbidden by seccomp or sysctl kernel.io_uring_disabled; run the container with a profile that allows io_uring_setup (docker: --security-opt seccomp=unconfined), set the sysctl to 0, or keep T3 in memory"
    )]
    Forbidden,
    /// ENOSYS, or a feature is missing.
    #[error("the kernel has none or one older than 5.11; boot a newer kernel, or keep T3 in memory")]
    Missing,
    /// ENOMEM.
    #[error("not enough locked memory; raise `ulimit -l` or ask for a smaller queue depth")]
    Memory,
    /// Anything else.
    #[error("keep T3 in memory, or see io_uring_setup(2) for this error")]
    Other,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        match errno {
            Errno::PERM | Errno::ACCESS => Refusal::Forbidden,
            Errno::NOSYS | Errno::OPNOTSUPP => Refusal::Missing,
            Errno::NOMEM => Refusal::Memory,
            _ => Refusal::Other,
        }
    }
}

/// The errno inside a `std::io::Error`; EIO if it has none.
pub(crate) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_ring_says_what_to_do() {
        let text = |source| StoreError::NoUring { source, refusal: source.into() }.to_string();
        assert!(text(Errno::PERM).contains("seccomp"));
        assert!(text(Errno::NOSYS).contains("kernel"));
        assert!(text(Errno::NOMEM).contains("ulimit -l"));
    }
}
