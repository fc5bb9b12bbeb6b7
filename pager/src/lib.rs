//! The pager: memory larger than RAM, filled by page faults, evicted by HEPC, unmapped lazily. `docs/pager.md`.
//!
//! ```text
//!   touch ─► SIGBUS ─► Arena ─► Source ─► codec ─► UFFDIO_COPY ─► the thread goes on
//!                        │        └─ memory, .tza file, anything
//!                        └─► housekeeper ─► KV-CPU device (HEPC), clock or LRU ─► victims ─► quarantine ─► unmapped in batches
//! ```

pub mod arena;
pub mod codec;
mod error;
mod futex;
mod map;
pub mod policy;
mod pool;
mod room;
mod shootdowns;
mod sigbus;
pub mod source;
mod state;
mod uffd;

pub use arena::{Access, Action, Advice, Arena, BlockFault, Counters, Faults, Options, Pin};
pub use error::PagerError;
pub use policy::{Hepc, Policy};
pub use shootdowns::shootdowns;
pub use source::{Source, SourceError, Static, Zero};
