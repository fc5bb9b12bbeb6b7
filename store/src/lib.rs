//! T3, the lowest tier: blocks in a file, through io_uring with O_DIRECT.
//!
//! The device owns the directory and chooses the slot ("frame") of every block. This crate only
//! moves bytes when the device asks: STORE, FETCH and DROP of one slot. It keeps no index; after
//! a restart [`T3File::open`] reads every slot and says what is whole, what is torn and how much
//! is empty.
//!
//! ```text
//!   submit_store --> ready --> ring (depth) --> kernel --> file
//!   submit_fetch       ^                           |
//!   drop_slot          '-- waiting for their slot  '--> poll / wait --> Done
//! ```
//!
//! [`BlockStore`] is the seam: [`T3File`] is the tier itself, [`MemStore`] keeps the blocks in
//! memory, [`Faulty`] wraps either and fails or delays chosen operations. Layout on disk and
//! promises about power loss: `docs/store.md`.

mod block_store;
mod error;
mod faulty;
mod heap;
mod layout;
mod mem_store;
mod open;
mod options;
mod outcome;
mod page;
mod recovery;
mod span;
mod t3;
mod uring;

pub use block_store::{BlockStore, Done, Key, Op};
pub use error::{HeaderFault, Refusal, StoreError, TornReason};
pub use faulty::{Fault, FaultPlan, Faulty};
pub use heap::HeapMemory;
pub use layout::{FileHeader, Layout, MAX_BLOCK_BYTES, PAGE_BYTES, SlotHeader};
pub use mem_store::MemStore;
pub use options::T3Options;
pub use recovery::{Recovery, WholeBlock};
pub use t3::T3File;
