//! The pager: memory larger than RAM, filled by page faults, evicted by HEPC, unmapped lazily. `docs/pager.md`.
//!
//! ```text
//!   touch ─► SIGBUS ─► Arena ─► Source ─► codec ─► UFFDIO_COPY ─► the thread goes on
//!                        │        └─ memory, .tza file, anything
//!                        └─► residency thread ─► KV-CPU device (HEPC), clock or LRU ─► victims ─► quarantine ─► unmapped in batches
//! ```

pub mod claim;
pub mod codec;
pub mod container;
mod hex;
pub mod keys;
pub mod memory_source;
mod reader;
pub mod seal;
pub mod source;

pub use claim::{Claim, Claims, Requirement, SignedClaim};
pub use codec::{BlockSize, Encoder, Place, Scratch};
pub use container::{Container, Writer};
pub use keys::{ArenaId, OwnerSecret};
pub use memory_source::{Sealed, Sealing};
pub use seal::{SealOptions, SealReport, seal_file};
pub use source::{Source, SourceError, Static, Zero};
