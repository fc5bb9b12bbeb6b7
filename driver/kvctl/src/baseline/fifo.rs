//! FIFO: blocks leave in the order they came, whether used since or not.

use std::collections::VecDeque;

use super::{Policy, leading_run};

/// First in, first out.
#[derive(Clone, Debug)]
pub struct Fifo {
    capacity: usize,
    queue: VecDeque<u32>,
    resident: Vec<bool>,
}

impl Fifo {
    /// An empty cache of `capacity` blocks for block numbers below `unique`.
    pub fn new(capacity: usize, unique: usize) -> Self {
        Self { capacity, queue: VecDeque::new(), resident: vec![false; unique] }
    }
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "FIFO"
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn request(&mut self, chain: &[u32]) -> usize {
        let hits = leading_run(chain, |block| self.resident[block as usize]);
        for &block in chain.iter().rev() {
            let resident = &mut self.resident[block as usize];
            if !*resident {
                *resident = true;
                self.queue.push_back(block);
            }
        }
        let excess = self.queue.len().saturating_sub(self.capacity);
        for block in self.queue.drain(..excess) {
            self.resident[block as usize] = false;
        }
        hits
    }

    fn resident(&self) -> usize {
        self.queue.len()
    }

    fn holds(&self, block: u32) -> bool {
        self.resident[block as usize]
    }
}
