//! The seam: what a block tier on the host offers the driver's service queue.
//!
//! Leaves out which slot a block goes to: the device decides that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kvcpu_mmio::DmaMemory;

use crate::StoreError;

/// The name of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Tenant that owns the block.
    pub tenant: u8,
    /// Request id; 0 is the shared-prefix space.
    pub request: u16,
    /// Layer, head and token block, or the content hash of a shared block.
    pub tag: u64,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:#018x}", self.tenant, self.request, self.tag)
    }
}

/// The three things a store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Write a block into a slot.
    Store,
    /// Read a block back.
    Fetch,
    /// Make a slot empty.
    Drop,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Store => "STORE",
            Op::Fetch => "FETCH",
            Op::Drop => "DROP",
        })
    }
}

/// An operation that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The caller's number for it.
    pub id: u64,
    /// CRC-32C of the block that was written or read; 0 for a drop.
    pub result: Result<u32, StoreError>,
}

/// A tier of block-sized slots.
///
/// Operations on one slot happen in the order they were submitted; operations on different slots
/// in any order. A submission that returns `Err` has done nothing and yields no [`Done`]; one
/// that returns `Ok` yields exactly one. Nothing is started before the next [`poll`] or [`wait`],
/// so that a batch costs one system call.
///
/// [`poll`]: BlockStore::poll
/// [`wait`]: BlockStore::wait
pub trait BlockStore: Send {
    /// Size of every block.
    fn block_bytes(&self) -> usize;
    /// Number of slots.
    fn slots(&self) -> u32;
    /// Operations submitted and not yet reported.
    fn outstanding(&self) -> usize;

    /// Writes `block_bytes()` bytes of `memory` from byte `offset` into `slot`, replacing what was
    /// there. `crc32c` is the CRC the device computed; bytes that do not match it are refused. The
    /// store keeps `memory` alive; the bytes must stay unchanged until the [`Done`].
    fn submit_store(
        &mut self,
        id: u64,
        slot: u32,
        key: Key,
        memory: &Arc<dyn DmaMemory>,
        offset: usize,
        crc32c: u32,
    ) -> Result<(), StoreError>;

    /// Reads the block of `slot`, which must be whole and named `key`, into `memory` at byte
    /// `offset`. After a failed fetch that range holds zeroes or what it held before: never
    /// another key's bytes.
    fn submit_fetch(
        &mut self,
        id: u64,
        slot: u32,
        key: Key,
        memory: &Arc<dyn DmaMemory>,
        offset: usize,
    ) -> Result<(), StoreError>;

    /// Makes `slot` empty, whatever it holds.
    fn drop_slot(&mut self, id: u64, slot: u32) -> Result<(), StoreError>;

    /// Starts what was submitted, appends what has ended, and never blocks. Returns the number of
    /// entries appended.
    fn poll(&mut self, done: &mut Vec<Done>) -> Result<usize, StoreError>;

    /// As [`poll`](BlockStore::poll), but blocks until at least one operation has ended or
    /// `timeout` has passed. Returns 0 on a timeout and when nothing is outstanding.
    fn wait(&mut self, timeout: Duration, done: &mut Vec<Done>) -> Result<usize, StoreError>;

    /// Makes everything reported as done so far survive a power loss.
    fn sync(&mut self) -> Result<(), StoreError>;
}

impl<S: BlockStore + ?Sized> BlockStore for Box<S> {
    fn block_bytes(&self) -> usize {
        (**self).block_bytes()
    }
    fn slots(&self) -> u32 {
        (**self).slots()
    }
    fn outstanding(&self) -> usize {
        (**self).outstanding()
    }
    fn submit_store(
        &mut self,
        id: u64,
        slot: u32,
        key: Key,
        memory: &Arc<dyn DmaMemory>,
        offset: usize,
        crc32c: u32,
    ) -> Result<(), StoreError> {
        (**self).submit_store(id, slot, key, memory, offset, crc32c)
    }
    fn submit_fetch(
        &mut self,
        id: u64,
        slot: u32,
        key: Key,
        memory: &Arc<dyn DmaMemory>,
        offset: usize,
    ) -> Result<(), StoreError> {
        (**self).submit_fetch(id, slot, key, memory, offset)
    }
    fn drop_slot(&mut self, id: u64, slot: u32) -> Result<(), StoreError> {
        (**self).drop_slot(id, slot)
    }
    fn poll(&mut self, done: &mut Vec<Done>) -> Result<usize, StoreError> {
        (**self).poll(done)
    }
    fn wait(&mut self, timeout: Duration, done: &mut Vec<Done>) -> Result<usize, StoreError> {
        (**self).wait(timeout, done)
    }
    fn sync(&mut self) -> Result<(), StoreError> {
        (**self).sync()
    }
}
