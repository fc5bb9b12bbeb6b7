//! Where entries stand: docs/rtbd.md, read literally.

use kvcpu_mmio::Geometry;
use kvcpu_mmio::geometry::{SEARCH_BUCKETS, WAYS};
use kvcpu_mmio::h3::ROWS;
use kvcpu_mmio::queue::Key;

use super::score::f_of;
use super::{Block, Model};

const WAY_COUNT: usize = WAYS as usize;

/// The H3 hash of a key: bits 15:0 choose b0, bits 31:16 choose b1.
pub(super) fn hash(key: Key) -> u32 {
    let bits = u128::from(key.tag) | u128::from(key.request) << 64 | u128::from(key.tenant) << 80;
    ROWS.iter()
        .enumerate()
        .filter(|(bit, _)| bits >> bit & 1 == 1)
        .fold(0, |hash, (_, row)| hash ^ row)
}

/// The two buckets of a key.
pub(crate) fn buckets(geometry: &Geometry, key: Key) -> [usize; 2] {
    let (hash, buckets) = (hash(key) as usize, geometry.buckets() as usize);
    let (b0, b1) = ((hash & 0xFFFF) % buckets, (hash >> 16) % buckets);
    [b0, if b1 == b0 { b0 ^ 1 } else { b1 }]
}

/// A node of the breadth-first search: a bucket, and the slot whose entry would move into it.
struct Node {
    bucket: usize,
    /// The parent node and the way in its bucket; none for b0 and b1.
    from: Option<(usize, usize)>,
}

/// What a search for a slot came to: the slot that ends up free, and the moves that free it.
pub(crate) struct Plan {
    slot: usize,
    /// (from, to), in the order in which they are made.
    kicks: Vec<(usize, usize)>,
}

impl Model {
    fn buckets(&self, key: Key) -> [usize; 2] {
        buckets(&self.geometry, key)
    }

    /// Directory index of a key.
    pub fn index_of(&self, key: Key) -> Option<usize> {
        self.slots.iter().position(|slot| *slot == Some(key))
    }

    fn stash(&self) -> std::ops::Range<usize> {
        self.geometry.entries() as usize..self.slots.len()
    }

    /// The first free of `slots`.
    fn first_free(&self, slots: &[usize]) -> Option<usize> {
        slots.iter().copied().find(|slot| self.slots[*slot].is_none())
    }

    /// The oldest ghost of `slots`, the first of equals; frequency makes younger.
    fn oldest_ghost(&self, slots: &[usize]) -> Option<usize> {
        let mut best: Option<(i64, usize)> = None;
        for &slot in slots {
            let Some((_, block)) = self.at(slot) else { continue };
            let age = i64::from(self.time.clock.wrapping_sub(block.access)) - 512 * f_of(block) as i64;
            if !block.placed() && best.is_none_or(|(oldest, _)| age > oldest) {
                best = Some((age, slot));
            }
        }
        best.map(|(_, slot)| slot)
    }

    fn free_or_ghost(&self, slots: &[usize]) -> Option<usize> {
        self.first_free(slots).or_else(|| self.oldest_ghost(slots))
    }

    /// Looks for a slot for a new key; changes nothing.
    pub(crate) fn find_slot(&self, key: Key) -> Option<Plan> {
        let ways: Vec<usize> = self.buckets(key).into_iter().flat_map(slots_of).collect();
        if let Some(slot) = self.free_or_ghost(&ways) {
            return Some(Plan { slot, kicks: Vec::new() });
        }
        if let Some(plan) = self.search(key) {
            return Some(plan);
        }
        let stash: Vec<usize> = self.stash().collect();
        self.free_or_ghost(&stash).map(|slot| Plan { slot, kicks: Vec::new() })
    }

    /// Step 3 of docs/rtbd.md.
    fn search(&self, key: Key) -> Option<Plan> {
        let mut nodes: Vec<Node> = self.buckets(key).map(|bucket| Node { bucket, from: None }).into();
        let mut expanded = 0;
        while expanded < nodes.len() {
            for way in 0..WAY_COUNT {
                let here = nodes[expanded].bucket;
                let (other, _) = self.at(here * WAY_COUNT + way).expect("a bucket with a free way ends the search");
                let [b0, b1] = self.buckets(other);
                if nodes.len() == SEARCH_BUCKETS {
                    return None;
                }
                let bucket = if b0 == here { b1 } else { b0 };
                nodes.push(Node { bucket, from: Some((expanded, way)) });
                let ways: Vec<usize> = slots_of(bucket).collect();
                if let Some(slot) = self.free_or_ghost(&ways) {
                    return Some(walk_back(&nodes, slot));
                }
            }
            expanded += 1;
        }
        None
    }

    /// Carries out a plan and writes the new entry.
    pub(crate) fn place(&mut self, plan: &Plan, key: Key, block: Block) {
        let end = plan.kicks.first().map_or(plan.slot, |(_, to)| *to);
        if let Some(ghost) = self.slots[end].take() {
            self.blocks.remove(&ghost);
            self.counters.ghosts_reclaimed += 1;
        }
        for &(from, to) in &plan.kicks {
            self.slots[to] = self.slots[from].take();
            self.counters.kicks += 1;
        }
        self.slots[plan.slot] = Some(key);
        self.blocks.insert(key, block);
    }

    /// Frees the entry of a key; a stash entry that belongs into its bucket moves there.
    pub(crate) fn free_entry(&mut self, key: Key) {
        let index = self.index_of(key).expect("only entries are freed");
        self.slots[index] = None;
        self.blocks.remove(&key);
        if self.stash().contains(&index) {
            return;
        }
        let bucket = index / WAY_COUNT;
        let waiting = self
            .stash()
            .find(|slot| self.slots[*slot].is_some_and(|key| self.buckets(key).contains(&bucket)));
        if let Some(slot) = waiting {
            self.slots[index] = self.slots[slot].take();
        }
    }
}

fn slots_of(bucket: usize) -> std::ops::Range<usize> {
    bucket * WAY_COUNT..(bucket + 1) * WAY_COUNT
}

/// From the last node back to a root: each parent's entry moves into the slot that is free by then.
fn walk_back(nodes: &[Node], found: usize) -> Plan {
    let mut plan = Plan { slot: found, kicks: Vec::new() };
    let mut node = nodes.last();
    while let Some((parent, way)) = node.and_then(|node| node.from) {
        let from = nodes[parent].bucket * WAY_COUNT + way;
        plan.kicks.push((from, plan.slot));
        plan.slot = from;
        node = nodes.get(parent);
    }
    plan
}
