//! The pager for programs in C: a sealed `.tza` file as memory. `include/kvcpu_pager.h`, made from here by `cargo xtask capi`.
//!
//! ```text
//!  kvp_open ─► Container ─► Arena ─► kvp_address: memory that fills itself     kvp_close
//!                 │           └───── kvp_read, kvp_pin, kvp_prefault, kvp_advise
//!                 └─ claims ──────── kvp_present_claim, kvp_revoke_claim
//! ```
//!
//! Each function gives a status and catches what panics; the text of an error is the thread's, for `kvp_last_error`. Null and misaligned
//! pointers, text that is no UTF-8, and numbers without a meaning are errors. What C alone can know is the caller's to keep, and why the
//! functions are unsafe: pointers that are not null reach as many bytes as their description says, and handles came from here and are open.
#![allow(
    clippy::missing_safety_doc,
    reason = "the same for all functions, so it is said once: above, and in the header"
)]

mod access;
mod arena;
mod claims;
mod fault;
mod options;
mod pointers;
mod status;

pub use access::{KvpAdvice, KvpPin, kvp_advise, kvp_pin, kvp_prefault, kvp_read, kvp_step, kvp_touch, kvp_unpin};
pub use arena::{
    KvpArena, KvpCounters, kvp_address, kvp_block_bytes, kvp_close, kvp_length, kvp_open, kvp_read_counters, kvp_region,
};
pub use claims::{kvp_present_claim, kvp_revoke_claim};
pub use fault::{KvpAction, KvpCause, KvpFault, KvpOnFault};
pub use options::{KvpOptions, KvpPolicy};
pub use status::{KvpStatus, kvp_last_error};
