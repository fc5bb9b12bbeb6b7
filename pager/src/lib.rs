//! The pager: memory larger than RAM, filled by page faults, evicted by HEPC, unmapped lazily. `docs/pager.md`.
//!
//! ```text
//!   touch ─► SIGBUS ─► Arena ─► Source ─► codec ─► UFFDIO_COPY ─► the thread goes on
//!                        │        └─ memory, .tza file, anything
//!                        └─► housekeeper ─► KV-CPU device (HEPC), clock or LRU ─► victims ─► quarantine ─► unmapped in batches
//! ```

pub mod arena;
pub mod claim;
pub mod codec;
pub mod container;
mod error;
mod futex;
mod hex;
pub mod keys;
mod map;
pub mod memory_source;
pub mod policy;
mod pool;
mod reader;
mod room;
pub mod seal;
mod shootdowns;
mod sigbus;
pub mod source;
mod state;
mod uffd;

pub use arena::{Access, Action, Advice, Arena, BlockFault, Counters, Faults, Options, Pin};
pub use claim::{Claim, Claims, Requirement, SignedClaim};
pub use codec::{BlockSize, Encoder, Place, Scratch};
pub use container::{Container, Writer};
pub use error::PagerError;
pub use keys::{ArenaId, OwnerSecret};
pub use memory_source::{Sealed, Sealing};
pub use policy::{Hepc, Policy};
pub use seal::{SealOptions, SealReport, seal_file};
pub use shootdowns::shootdowns;
pub use source::{Source, SourceError, Static, Zero};

/// The example of the page is a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/pager.md")]
struct Page;
