//! S3-FIFO (Yang et al., SOSP 2023): a small queue on probation, a main queue with second chances, a queue of ghosts.
//!
//! ```text
//!                       used more than once
//!   new ─► small (10%) ─────────────────────► main (90%) ─┐ used: back in, one use poorer
//!               │ not                            ▲    ▲───┘
//!               ▼                                │    └─► not: gone
//!            ghosts (as many as main) ───────────┘ comes again
//! ```
//!
//! Counters have two bits; the threshold is the paper's Algorithm 1 (`freq > 1`). A request first enters its missing
//! blocks (deepest first) and counts a use of its resident ones; then the cache is trimmed by the paper's eviction, a
//! block at a time.

use super::list::Lists;
use super::{Policy, leading_run};

const SMALL: u8 = 0;
const MAIN: u8 = 1;
const GHOST: u8 = 2;

/// Two-bit counters.
const USES_MAX: u8 = 3;
/// The small queue's share of the cache: one in this many.
const SMALL_SHARE: usize = 10;
/// Uses on probation above which a block goes to main.
const PROMOTE_ABOVE: u8 = 1;

/// S3-FIFO.
#[derive(Clone, Debug)]
pub struct S3Fifo {
    capacity: usize,
    small_capacity: usize,
    uses: Vec<u8>,
    lists: Lists<3>,
}

impl S3Fifo {
    /// An empty cache of `capacity` blocks for block numbers below `unique`.
    pub fn new(capacity: usize, unique: usize) -> Self {
        let small_capacity = (capacity / SMALL_SHARE).max(1).min(capacity);
        Self { capacity, small_capacity, uses: vec![0; unique], lists: Lists::new(unique) }
    }

    fn main_capacity(&self) -> usize {
        self.capacity - self.small_capacity
    }

    fn reference(&mut self, block: u32) {
        let uses = &mut self.uses[block as usize];
        match self.lists.tag(block) {
            SMALL | MAIN => *uses = (*uses + 1).min(USES_MAX),
            GHOST => {
                *uses = 0;
                self.lists.move_to(MAIN, block);
            }
            _ => {
                *uses = 0;
                self.lists.push(SMALL, block);
            }
        }
    }

    /// Evicts one block.
    fn evict(&mut self) {
        let small_first = self.lists.len(SMALL) > self.small_capacity || self.lists.len(MAIN) == 0;
        if !(small_first && self.evict_small()) {
            self.evict_main();
        }
    }

    /// Moves used blocks to main until one leaves the cache, here or there. False if all of the small queue moved.
    fn evict_small(&mut self) -> bool {
        while let Some(block) = self.lists.pop_oldest(SMALL) {
            if self.uses[block as usize] > PROMOTE_ABOVE {
                self.uses[block as usize] = 0;
                self.lists.push(MAIN, block);
                if self.lists.len(MAIN) > self.main_capacity() {
                    self.evict_main();
                    return true;
                }
            } else {
                self.lists.push(GHOST, block);
                if self.lists.len(GHOST) > self.main_capacity() {
                    self.lists.pop_oldest(GHOST);
                }
                return true;
            }
        }
        false
    }

    fn evict_main(&mut self) {
        while let Some(block) = self.lists.pop_oldest(MAIN) {
            let uses = &mut self.uses[block as usize];
            if *uses == 0 {
                return;
            }
            *uses -= 1;
            self.lists.push(MAIN, block);
        }
    }
}

impl Policy for S3Fifo {
    fn name(&self) -> &'static str {
        "S3-FIFO"
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn request(&mut self, chain: &[u32]) -> usize {
        let hits = leading_run(chain, |block| self.holds(block));
        for &block in chain.iter().rev() {
            self.reference(block);
        }
        while self.resident() > self.capacity {
            self.evict();
        }
        hits
    }

    fn resident(&self) -> usize {
        self.lists.len(SMALL) + self.lists.len(MAIN)
    }

    fn holds(&self, block: u32) -> bool {
        self.lists.tag(block) <= MAIN
    }
}
