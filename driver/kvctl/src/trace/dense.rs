//! A trace over small numbers: blocks renumbered 0..unique in order of first appearance, so that tables are arrays.

use std::collections::hash_map::Entry;

use super::{IdMap, Trace};

/// The parent of a block that begins a chain.
pub const NO_PARENT: u32 = u32::MAX;

/// A trace's chains over dense block numbers, with the forest they form.
///
/// A parent's number is always smaller than its child's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dense {
    starts: Vec<u32>,
    blocks: Vec<u32>,
    parents: Vec<u32>,
    keys: Vec<u64>,
}

impl Dense {
    pub(super) fn new(trace: &Trace) -> Self {
        let mut numbers = IdMap::<u32>::with_capacity_and_hasher(trace.unique(), Default::default());
        let mut dense = Self::empty(trace.len(), trace.references(), trace.unique());
        for (_, ids) in trace.iter() {
            let mut parent = NO_PARENT;
            for &id in ids {
                let next = dense.keys.len() as u32;
                let number = match numbers.entry(id) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        dense.parents.push(parent);
                        dense.keys.push(id);
                        *new.insert(next)
                    }
                };
                dense.blocks.push(number);
                parent = number;
            }
            dense.starts.push(dense.blocks.len() as u32);
        }
        dense
    }

    fn empty(requests: usize, references: usize, unique: usize) -> Self {
        let mut starts = Vec::with_capacity(requests + 1);
        starts.push(0);
        let (parents, keys) = (Vec::with_capacity(unique), Vec::with_capacity(unique));
        Self { starts, blocks: Vec::with_capacity(references), parents, keys }
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The chain of request `index`, root first.
    pub fn chain(&self, index: usize) -> &[u32] {
        &self.blocks[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    /// All chains, in order of arrival.
    pub fn chains(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.starts.windows(2).map(|w| &self.blocks[w[0] as usize..w[1] as usize])
    }

    /// All references, one chain after another.
    pub fn blocks(&self) -> &[u32] {
        &self.blocks
    }

    /// Number of references.
    pub fn references(&self) -> usize {
        self.blocks.len()
    }

    /// Number of distinct blocks.
    pub fn unique(&self) -> usize {
        self.keys.len()
    }

    /// The parent of each block, [`NO_PARENT`] for a root.
    pub fn parents(&self) -> &[u32] {
        &self.parents
    }

    /// The original id of each block.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }
}
