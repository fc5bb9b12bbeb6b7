//! Belady's optimum: evict what is needed last. It reads the future, so it is a bound and not a policy one could build.
//!
//! Exact for leading-run hits: a parent's next use is never later than its child's, so with ties to the deeper block
//! the resident set is closed under parents, every resident block of a chain lies in its leading run, and the classic
//! argument applies.
//!
//! # How it is fast
//!
//! Let references be numbered through the whole trace. A resident block is kept under the *number of its next
//! reference*: these are distinct, later requests have higher ones, and within a request deeper blocks have higher
//! ones, which is the eviction order including its ties. Blocks never used again come above all, ordered by depth. So
//! the cache is a set of integers, the victim is its maximum, and a bitmap with summary levels (64 children a word)
//! finds it in four steps.

use super::{Policy, leading_run};
use crate::trace::Dense;

/// For every reference, the key of its block until the next: computed once for a trace, shared by all capacities.
#[derive(Clone, Debug)]
pub struct NextUse {
    /// Key of the block from reference `i` on.
    next: Vec<u32>,
    /// Block of each key.
    block: Vec<u32>,
    unique: usize,
}

impl NextUse {
    /// Looks ahead through `trace`.
    ///
    /// # Panics
    ///
    /// If references and distinct blocks together exceed 2^32 - 1; such a trace would not fit in memory as it is.
    pub fn new(trace: &Dense) -> Self {
        const NEVER: u32 = u32::MAX;
        let references = trace.references();
        assert!(references + trace.unique() < NEVER as usize, "trace too large for 32-bit keys");
        let mut next = vec![NEVER; references];
        let mut seen = vec![NEVER; trace.unique()];
        for (position, &block) in trace.blocks().iter().enumerate().rev() {
            next[position] = std::mem::replace(&mut seen[block as usize], position as u32);
        }
        // Last uses: keys above all references, by depth. Among equal depth the order is free; the sort keeps it fixed.
        let mut last_uses = Vec::with_capacity(trace.unique());
        let mut start = 0;
        for chain in trace.chains() {
            last_uses.extend(
                (0..chain.len())
                    .filter(|d| next[start + d] == NEVER)
                    .map(|d| (d as u32, (start + d) as u32)),
            );
            start += chain.len();
        }
        last_uses.sort_unstable();
        let mut block = trace.blocks().to_vec();
        for (_, position) in last_uses {
            next[position as usize] = block.len() as u32;
            block.push(trace.blocks()[position as usize]);
        }
        Self { next, block, unique: trace.unique() }
    }

    /// Number of distinct blocks of the trace.
    pub fn unique(&self) -> usize {
        self.unique
    }
}

/// Belady's optimum at one capacity, bound to the trace its [`NextUse`] came from.
#[derive(Clone, Debug)]
pub struct Belady<'a> {
    capacity: usize,
    future: &'a NextUse,
    position: usize,
    keys: Bitmap,
    resident: Vec<bool>,
    len: usize,
}

impl<'a> Belady<'a> {
    /// An empty cache of `capacity` blocks at the beginning of the trace.
    pub fn new(capacity: usize, future: &'a NextUse) -> Self {
        let keys = Bitmap::new(future.block.len());
        Self { capacity, future, position: 0, keys, resident: vec![false; future.unique], len: 0 }
    }
}

impl Policy for Belady<'_> {
    fn name(&self) -> &'static str {
        "Belady"
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    /// # Panics
    ///
    /// If it is not asked for its own trace's requests in order.
    fn request(&mut self, chain: &[u32]) -> usize {
        let here = self.position..self.position + chain.len();
        assert!(
            self.future.block.get(here.clone()) == Some(chain),
            "Belady must be played on the trace it looked ahead in"
        );
        let hits = leading_run(chain, |block| self.resident[block as usize]);
        for (position, &block) in here.zip(chain) {
            if std::mem::replace(&mut self.resident[block as usize], true) {
                self.keys.remove(position);
            } else {
                self.len += 1;
            }
            self.keys.insert(self.future.next[position] as usize);
        }
        self.position += chain.len();
        while self.len > self.capacity {
            let Some(key) = self.keys.max() else { break };
            self.keys.remove(key);
            self.resident[self.future.block[key] as usize] = false;
            self.len -= 1;
        }
        hits
    }

    fn resident(&self) -> usize {
        self.len
    }

    fn holds(&self, block: u32) -> bool {
        self.resident[block as usize]
    }
}

/// A set of integers below a bound with a fast maximum. A bit of level `n + 1` says that a word of level `n` is not
/// zero.
#[derive(Clone, Debug)]
struct Bitmap {
    levels: Vec<Vec<u64>>,
}

impl Bitmap {
    fn new(bound: usize) -> Self {
        let mut words = bound.div_ceil(64).max(1);
        let mut levels = vec![vec![0; words]];
        while words > 1 {
            words = words.div_ceil(64);
            levels.push(vec![0; words]);
        }
        Self { levels }
    }

    fn insert(&mut self, mut key: usize) {
        for level in &mut self.levels {
            let word = &mut level[key / 64];
            let was_empty = *word == 0;
            *word |= 1 << (key % 64);
            if !was_empty {
                return;
            }
            key /= 64;
        }
    }

    fn remove(&mut self, mut key: usize) {
        for level in &mut self.levels {
            let word = &mut level[key / 64];
            *word &= !(1 << (key % 64));
            if *word != 0 {
                return;
            }
            key /= 64;
        }
    }

    fn max(&self) -> Option<usize> {
        self.levels.iter().rev().try_fold(0, |word, level| {
            let bits = level[word];
            (bits != 0).then(|| word * 64 + 63 - bits.leading_zeros() as usize)
        })
    }
}
