//! The seam to whoever keeps T3's blocks: requests go in, results come out later.
//!
//! The driver does not know the store, and the store need not know the driver: an adapter of a
//! few lines in between forwards each call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kvcpu_mmio::DmaMemory;
use kvcpu_mmio::queue::Key;

/// Why a T3 operation failed, in the backend's own words.
pub type T3Error = Box<dyn std::error::Error + Send + Sync>;

/// What the device asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum T3Op {
    /// Write the block from memory to its slot.
    Store,
    /// Read the slot into memory.
    Fetch,
}

impl fmt::Display for T3Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            T3Op::Store => "store",
            T3Op::Fetch => "fetch",
        })
    }
}

/// One block to be stored or fetched.
#[derive(Clone, Debug)]
pub struct T3Request {
    /// Names the request in its [`T3Done`].
    pub id: u64,
    /// T3 frame.
    pub slot: u32,
    /// The block. A fetch must fail unless the slot holds it.
    pub key: Key,
    /// Memory that holds the block, or is to hold it. It stays mapped until the answer.
    pub memory: Arc<dyn DmaMemory>,
    /// Byte offset of the block in the memory, a multiple of 8.
    pub offset: usize,
    /// Bytes of the block.
    pub bytes: usize,
    /// Store: the CRC-32C the device computed. Fetch: 0.
    pub crc32c: u32,
}

/// An operation that has ended.
#[derive(Debug)]
pub struct T3Done {
    /// The request's id.
    pub id: u64,
    /// The block's CRC-32C (a store may give anything), or why it failed.
    pub result: Result<u32, T3Error>,
}

/// Keeper of T3's blocks.
///
/// Each request gets exactly one [`T3Done`] from a later `poll` or `wait`, a refused one too.
/// Requests on one slot happen in the order they were given. `store` and `fetch` do not block.
pub trait T3Backend: Send {
    /// Takes a block to be written.
    fn store(&mut self, request: T3Request);

    /// Takes a block to be read.
    fn fetch(&mut self, request: T3Request);

    /// Starts what was given and appends what has ended, without blocking. An error means that no
    /// operation under way will end any more: the driver fails them all.
    fn poll(&mut self, out: &mut Vec<T3Done>) -> Result<(), T3Error>;

    /// As `poll`, but blocks until at least one operation has ended or `timeout` has passed.
    fn wait(&mut self, timeout: Duration, out: &mut Vec<T3Done>) -> Result<(), T3Error>;
}
