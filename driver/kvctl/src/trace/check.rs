//! Builds a [`Trace`] request by request and refuses what would not be one: time running backwards, ids not
//! prefix-closed.
//!
//! A refused request leaves the builder as it was, so that reading can go on after a bad line.

use std::collections::hash_map::Entry;

use super::error::BadReason;
use super::idmap::IdMap;
use super::{Request, Trace};

/// One request before it is checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidate {
    pub(super) timestamp_ms: u64,
    pub(super) input_tokens: u32,
    pub(super) output_tokens: u32,
    pub(super) ids: Vec<u64>,
}

/// What is remembered of a block: whom it follows, and the last attempt that named it.
struct Seen {
    parent: Option<u64>,
    attempt: u64,
}

/// A trace under construction.
#[derive(Default)]
pub(super) struct Builder {
    requests: Vec<Request>,
    ids: Vec<u64>,
    seen: IdMap<Seen>,
    attempts: u64,
}

impl Builder {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether `blocks` more references still fit 32-bit offsets.
    pub(super) fn fits(&self, blocks: usize) -> bool {
        self.ids.len() + blocks < u32::MAX as usize
    }

    /// Takes one request, or says why not and changes nothing.
    pub(super) fn push(&mut self, c: &Candidate) -> Result<(), BadReason> {
        if c.ids.is_empty() && c.input_tokens > 0 {
            return Err(BadReason::EmptyIds { input_tokens: c.input_tokens });
        }
        if c.ids.len() > c.input_tokens as usize {
            return Err(BadReason::MoreIdsThanTokens { blocks: c.ids.len(), input_tokens: c.input_tokens });
        }
        let previous_ms = self.requests.last().map_or(0, |r| r.timestamp_ms);
        if c.timestamp_ms < previous_ms {
            return Err(BadReason::OutOfOrder { timestamp_ms: c.timestamp_ms, previous_ms });
        }
        self.admit_chain(&c.ids)?;
        let start = self.ids.len() as u32;
        self.ids.extend_from_slice(&c.ids);
        self.requests.push(Request {
            timestamp_ms: c.timestamp_ms,
            input_tokens: c.input_tokens,
            output_tokens: c.output_tokens,
            start,
            end: self.ids.len() as u32,
        });
        Ok(())
    }

    /// Enters a chain into the forest of blocks. On a contradiction the blocks that this chain brought are taken out
    /// again.
    fn admit_chain(&mut self, ids: &[u64]) -> Result<(), BadReason> {
        self.attempts += 1;
        let attempt = self.attempts;
        let mut parent = None;
        let mut first_new = ids.len();
        for (depth, &id) in ids.iter().enumerate() {
            let wrong = match self.seen.entry(id) {
                Entry::Vacant(slot) => {
                    slot.insert(Seen { parent, attempt });
                    first_new = first_new.min(depth);
                    None
                }
                Entry::Occupied(slot) => {
                    let seen = slot.into_mut();
                    if seen.attempt == attempt {
                        Some(BadReason::RepeatedId { id })
                    } else if seen.parent != parent {
                        Some(BadReason::NotPrefixClosed { id, parent, expected: seen.parent })
                    } else {
                        seen.attempt = attempt;
                        None
                    }
                }
            };
            if let Some(reason) = wrong {
                // Everything from the first new block up to here is new: a known block's parent is known, and would
                // have differed.
                for id in &ids[first_new.min(depth)..depth] {
                    self.seen.remove(id);
                }
                return Err(reason);
            }
            parent = Some(id);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Trace {
        let Self { mut requests, mut ids, seen, .. } = self;
        requests.shrink_to_fit();
        ids.shrink_to_fit();
        Trace { requests, ids, unique: seen.len() }
    }
}
