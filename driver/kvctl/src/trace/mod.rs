//! Serving traces in the Mooncake format: one JSON object a line, one request an object.
//!
//! ```text
//!   path / Read ──► open ──► read ──► check ──► Trace ──► dense ──► baselines
//!                   magic    lines,   chains,     │
//!                   bytes    numbers  order       └─────► stat, write
//!                                      generate ──►
//! ```
//!
//! A request's `hash_ids` are its prompt's blocks by content, each standing for itself *and everything before it*:
//! equal ids mean equal prefixes. So the ids of a trace form a forest, and a request's chain is a path from a root.
//! Everything downstream relies on that, therefore it is checked here, once. The format and its errors are described in
//! `docs/traces.md`.

mod check;
mod dense;
mod error;
pub mod generate;
mod idmap;
mod open;
mod read;
mod stat;
mod write;

pub use dense::{Dense, NO_PARENT};
pub use error::{BadKind, BadLine, BadReason, TraceError};
pub use idmap::IdMap;
pub(crate) use idmap::mix64;
pub use open::Compression;
pub use read::{FIRST_BAD_KEPT, LINE_LIMIT_BYTES, ReadOptions, Reading, Skipped, read, read_path};
pub use stat::{Percentiles, TraceStat};
pub use write::write;

use std::ops::Range;

/// One request as it stands in a [`Trace`]; its ids are fetched with [`Trace::ids`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Arrival, in milliseconds from the trace's own zero.
    pub timestamp_ms: u64,
    /// Prompt length in tokens.
    pub input_tokens: u32,
    /// Answer length in tokens.
    pub output_tokens: u32,
    start: u32,
    end: u32,
}

impl Request {
    /// Number of blocks of the prompt.
    pub fn blocks(&self) -> usize {
        (self.end - self.start) as usize
    }

    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A whole trace in memory: 24 bytes a request and 8 bytes a reference.
///
/// Requests are in order of time and their ids prefix-closed; no `Trace` exists for which that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    requests: Vec<Request>,
    ids: Vec<u64>,
    unique: usize,
}

impl Trace {
    /// The requests, in order of arrival.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether the trace holds no request at all. Reading never returns such a trace.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The block ids of one request, root first.
    pub fn ids(&self, request: &Request) -> &[u64] {
        &self.ids[request.range()]
    }

    /// Requests with their ids, in order of arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Request, &[u64])> {
        self.requests.iter().map(|r| (r, &self.ids[r.range()]))
    }

    /// Number of block references: the sum of all chain lengths.
    pub fn references(&self) -> usize {
        self.ids.len()
    }

    /// Number of distinct blocks.
    pub fn unique(&self) -> usize {
        self.unique
    }

    /// The same chains over block numbers 0..unique, for code that wants arrays.
    pub fn dense(&self) -> Dense {
        Dense::new(self)
    }

    /// Measures the trace: see [`TraceStat`].
    pub fn stat(&self) -> TraceStat {
        TraceStat::new(self)
    }
}
