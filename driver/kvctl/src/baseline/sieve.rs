//! SIEVE (Zhang et al., NSDI 2024): one queue, one bit a block, and a hand that walks from the oldest end to the
//! newest.
//!
//! The hand clears the bit of a block that was used and passes on; it evicts the first whose bit is clear, and stays
//! there. Survivors keep their place, new blocks come in at the newest end: the hand sifts new from old.
//!
//! A request first enters its missing blocks (deepest first) and marks its resident ones; then the hand trims to
//! capacity.

use super::list::{Lists, NOWHERE};
use super::{Policy, leading_run};

const ALL: u8 = 0;

/// SIEVE.
#[derive(Clone, Debug)]
pub struct Sieve {
    capacity: usize,
    visited: Vec<bool>,
    hand: Option<u32>,
    lists: Lists<1>,
}

impl Sieve {
    /// An empty cache of `capacity` blocks for block numbers below `unique`.
    pub fn new(capacity: usize, unique: usize) -> Self {
        Self { capacity, visited: vec![false; unique], hand: None, lists: Lists::new(unique) }
    }

    fn evict(&mut self) {
        while let Some(block) = self.hand.or_else(|| self.lists.oldest(ALL)) {
            // Past the newest end the hand begins again at the oldest: `None` stands for that.
            self.hand = self.lists.newer(block);
            if !std::mem::take(&mut self.visited[block as usize]) {
                self.lists.remove(block);
                return;
            }
        }
    }
}

impl Policy for Sieve {
    fn name(&self) -> &'static str {
        "SIEVE"
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn request(&mut self, chain: &[u32]) -> usize {
        let hits = leading_run(chain, |block| self.holds(block));
        for &block in chain.iter().rev() {
            if self.holds(block) {
                self.visited[block as usize] = true;
            } else {
                self.lists.push(ALL, block);
            }
        }
        while self.lists.len(ALL) > self.capacity {
            self.evict();
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
