//! What other policies would have done with the same references: the yardstick beside the device.
//!
//! All policies answer to one definition (`docs/baselines.md`): a request's *hits* are the leading run of its chain
//! that is resident when it arrives; then the whole request is inserted, deepest block first, and the cache is trimmed
//! to its capacity. Leading run, because a block whose prefix is gone cannot be used; deepest first, because recency
//! then falls along a chain and a leaf goes before its parent, as in vLLM and in radix-tree caches.
//!
//! | policy | from |
//! |---|---|
//! | FIFO, LRU | folklore; the order within a request as above |
//! | ARC | Megiddo and Modha, FAST 2003 |
//! | S3-FIFO | Yang et al., SOSP 2023 |
//! | SIEVE | Zhang et al., NSDI 2024 |
//! | Belady | Belady 1966; exact here, see `belady.rs` |

mod arc;
mod belady;
mod fifo;
mod list;
mod lru;
mod run;
mod s3fifo;
mod sieve;

pub use arc::Arc;
pub use belady::{Belady, NextUse};
pub use fifo::Fifo;
pub use lru::Lru;
pub use run::{Kind, Outcome, UnknownPolicy, curve, gap_closed, percent, run, run_warm};
pub use s3fifo::S3Fifo;
pub use sieve::Sieve;

/// A replacement policy over blocks 0..unique of a [`Dense`](crate::trace::Dense) trace.
pub trait Policy {
    /// The policy's name as reports show it.
    fn name(&self) -> &'static str;

    /// The most blocks it holds between requests.
    fn capacity(&self) -> usize;

    /// Plays one request and returns how many leading blocks of `chain` were resident when it came.
    fn request(&mut self, chain: &[u32]) -> usize;

    /// How many blocks are resident now.
    fn resident(&self) -> usize;

    /// Whether `block` is resident now.
    fn holds(&self, block: u32) -> bool;
}

/// The leading run of `chain` that is resident: a request's hits.
fn leading_run(chain: &[u32], holds: impl Fn(u32) -> bool) -> usize {
    chain.iter().take_while(|&&block| holds(block)).count()
}
