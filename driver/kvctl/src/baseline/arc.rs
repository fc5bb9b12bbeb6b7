//! ARC (Megiddo and Modha, FAST 2003): recency and frequency share the cache, and ghosts move the border between them.
//!
//! ```text
//!        B1 ghosts ◄── T1 seen once │ T2 seen again ──► B2 ghosts
//!        a hit in B1 widens T1 ───► p ◄─── a hit in B2 widens T2
//! ```
//!
//! Published ARC makes room for each block as it comes, and which list gives way depends on the block; so here, too,
//! the blocks of a request go one by one, deepest first, and there is nothing left to trim at its end. The names T1,
//! T2, B1, B2, p, REPLACE and the four cases are the paper's (figure 4).

use super::list::Lists;
use super::{Policy, leading_run};

const T1: u8 = 0;
const T2: u8 = 1;
const B1: u8 = 2;
const B2: u8 = 3;

/// Adaptive replacement cache.
#[derive(Clone, Debug)]
pub struct Arc {
    capacity: usize,
    /// Target size of T1.
    p: f64,
    lists: Lists<4>,
}

impl Arc {
    /// An empty cache of `capacity` blocks for block numbers below `unique`, with as many ghosts.
    pub fn new(capacity: usize, unique: usize) -> Self {
        Self { capacity, p: 0.0, lists: Lists::new(unique) }
    }

    fn len(&self, list: u8) -> usize {
        self.lists.len(list)
    }

    fn reference(&mut self, block: u32) {
        match self.lists.tag(block) {
            T1 | T2 => {}
            B1 => {
                let step = (self.len(B2) as f64 / self.len(B1) as f64).max(1.0);
                self.p = (self.p + step).min(self.capacity as f64);
                self.replace(false);
            }
            B2 => {
                let step = (self.len(B1) as f64 / self.len(B2) as f64).max(1.0);
                self.p = (self.p - step).max(0.0);
                self.replace(true);
            }
            _ => {
                self.make_room();
                self.lists.push(T1, block);
                return;
            }
        }
        self.lists.move_to(T2, block);
    }

    /// Case IV: a block in none of the four lists.
    fn make_room(&mut self) {
        let c = self.capacity;
        let seen_once = self.len(T1) + self.len(B1);
        let all = seen_once + self.len(T2) + self.len(B2);
        if seen_once == c {
            if self.len(T1) < c {
                self.lists.pop_oldest(B1);
                self.replace(false);
            } else {
                // T1 fills the cache: its oldest leaves without a ghost.
                self.lists.pop_oldest(T1);
            }
        } else if all >= c {
            if all == 2 * c {
                self.lists.pop_oldest(B2);
            }
            self.replace(false);
        }
    }

    /// REPLACE: the oldest of T1 or T2 becomes a ghost.
    fn replace(&mut self, for_b2: bool) {
        let t1 = self.len(T1);
        let t1_over = t1 as f64 > self.p || (for_b2 && t1 as f64 == self.p);
        let (from, to) = if t1 > 0 && (t1_over || self.len(T2) == 0) { (T1, B1) } else { (T2, B2) };
        if let Some(block) = self.lists.pop_oldest(from) {
            self.lists.push(to, block);
        }
    }
}

impl Policy for Arc {
    fn name(&self) -> &'static str {
        "ARC"
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn request(&mut self, chain: &[u32]) -> usize {
        let hits = leading_run(chain, |block| self.holds(block));
        if self.capacity > 0 {
            for &block in chain.iter().rev() {
                self.reference(block);
            }
        }
        hits
    }

    fn resident(&self) -> usize {
        self.len(T1) + self.len(T2)
    }

    fn holds(&self, block: u32) -> bool {
        self.lists.tag(block) <= T2
    }
}
