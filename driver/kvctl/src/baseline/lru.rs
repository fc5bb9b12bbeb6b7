//! LRU, leaf first: of one request's blocks the deepest is the least recent, as in vLLM's prefix cache and in
//! radix-tree caches.

use super::list::{Lists, NOWHERE};
use super::{Policy, leading_run};

const ALL: u8 = 0;

/// Least recently used.
#[derive(Clone, Debug)]
pub struct Lru {
    capacity: usize,
    lists: Lists<1>,
}

impl Lru {
    /// An empty cache of `capacity` blocks for block numbers below `unique`.
    pub fn new(capacity: usize, unique: usize) -> Self {
        Self { capacity, lists: Lists::new(unique) }
    }
}

impl Policy for Lru {
    fn name(&self) -> &'static str {
        "LRU"
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn request(&mut self, chain: &[u32]) -> usize {
        let hits = leading_run(chain, |block| self.holds(block));
        for &block in chain.iter().rev() {
            self.lists.move_to(ALL, block);
        }
        while self.lists.len(ALL) > self.capacity {
            self.lists.pop_oldest(ALL);
        }
        hits
    }

    fn resident(&self) -> usize {
        self.lists.len(ALL)
    }

    fn holds(&self, block: u32) -> bool {
        self.lists.tag(block) != NOWHERE
    }
}
