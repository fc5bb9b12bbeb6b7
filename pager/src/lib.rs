//! The pager: memory larger than RAM, filled by page faults, evicted by HEPC, unmapped lazily. `docs/pager.md`.
//!
//! ```text
//!   touch ─► SIGBUS ─► Arena ─► Source ─► codec ─► UFFDIO_COPY ─► the thread goes on
//!                        │        └─ memory, .tza file, anything
//!                        └─► residency thread ─► KV-CPU device (HEPC), clock or LRU ─► victims ─► quarantine ─► unmapped in batches
//! ```

pub mod codec;
pub mod source;

pub use source::{Source, SourceError, Static, Zero};
