//! Scores, lists and automatic moves: docs/hepc.md.

use kvcpu_mmio::queue::Key;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

use super::moves::Promotion;
use super::{Block, Listed, Model};

/// log2 in eighths, truncated.
fn q3(x: u64) -> u64 {
    let e = u64::from(x.ilog2());
    8 * e + ((x << 3 >> e) & 7)
}

impl Model {
    /// P of a block, now.
    pub fn score(&self, block: &Block) -> u64 {
        let age = u64::from(self.now.wrapping_sub(block.access));
        let r = 4095 - (age >> self.recency_shift).min(4095);
        let f = if block.frequency == 0 { 0 } else { 4 * q3(block.frequency.into()) };
        let dt = u64::from(block.target.abs_diff(self.now)).min((1 << 24) - 2);
        let s = if block.is(EntryFlags::TARGET_VALID) { 255 - q3(dt + 1) } else { 0 };
        let d = if block.is(EntryFlags::BRANCH) {
            255
        } else if block.is(EntryFlags::PREFIX) {
            128
        } else {
            0
        };
        let w = self.weights;
        let sum = u64::from(w.wr) * r + u64::from(w.wf) * f + u64::from(w.ws) * s + u64::from(w.wd) * d;
        sum.min(65535)
    }

    fn victim_rank(&self, block: &Block) -> u64 {
        let not_dead = u64::from(!block.is(EntryFlags::DEAD));
        not_dead << 28 | self.score(block) << 12 | u64::from(4095 - block.depth)
    }

    /// Rank as a victim of tier `tier`, if it may be one.
    fn as_victim(&self, block: &Block, tier: usize) -> Option<u64> {
        let may = block.placed() && block.tier == tier && !block.held();
        may.then(|| self.victim_rank(block))
    }

    /// Whether the block's hint asks for a promotion now.
    pub(crate) fn wanted_up(&self, block: &Block) -> bool {
        let (now, target) = (u64::from(self.now), u64::from(block.target));
        block.placed()
            && block.tier > self.prefetch_tier
            && block.is(EntryFlags::TARGET_VALID)
            && now <= target
            && target <= now + u64::from(self.tiers[block.tier].lookahead)
    }

    fn as_candidate(&self, block: &Block) -> Option<u64> {
        self.wanted_up(block).then(|| {
            let ahead = u64::from(block.target - self.now).min((1 << 20) - 1);
            ahead << 12 | u64::from(block.depth)
        })
    }

    /// A sweep of the whole directory.
    pub(crate) fn sweep(&mut self) {
        self.counters.sweeps += 1;
        for key in self.slots.clone().into_iter().flatten() {
            let mut block = self.blocks[&key];
            if !block.placed() {
                continue;
            }
            if block.is(EntryFlags::RETAINED) && 16 * u64::from(block.retain) <= self.now.into() {
                block.flags -= EntryFlags::RETAINED;
                block.retain = 0;
            }
            block.score = self.score(&block) as u32;
            *self.block(key) = block;
        }
        for tier in 0..self.tiers.len() {
            self.victims[tier] = self.sorted(|model, block| model.as_victim(block, tier)).into();
        }
        self.candidates = self.sorted(Model::as_candidate).into();
    }

    /// The VICTIM_K lowest by rank, then index.
    fn sorted(&self, rank: impl Fn(&Model, &Block) -> Option<u64>) -> Vec<Listed> {
        let mut all: Vec<Listed> = (0..self.slots.len())
            .filter_map(|index| Some(Listed { rank: rank(self, self.at(index)?.1)?, index }))
            .collect();
        all.sort();
        all.truncate(self.geometry.victim_k as usize);
        all
    }

    /// The next victim of a tier; stale lines are popped on the way.
    pub(crate) fn next_victim(&mut self, tier: usize, dry_sweep: bool) -> Option<Key> {
        let mut may_sweep = dry_sweep;
        loop {
            while let Some(&head) = self.victims[tier].front() {
                if let Some((key, block)) = self.at(head.index)
                    && self.as_victim(block, tier) == Some(head.rank)
                {
                    return Some(key);
                }
                self.victims[tier].pop_front();
                self.counters.list_pops += 1;
                self.counters.list_stale += 1;
            }
            if !may_sweep {
                return None;
            }
            may_sweep = false;
            self.counters.dry_sweeps += 1;
            self.sweep();
        }
    }

    /// Pops the head of a list if it is the block that was decided on.
    pub(crate) fn pop_victim(&mut self, tier: usize, key: Key) {
        let index = self.index_of(key);
        if self.victims[tier].front().map(|head| head.index) == index {
            self.victims[tier].pop_front();
            self.counters.list_pops += 1;
        }
    }

    /// The same for the prefetch list.
    pub(crate) fn pop_candidate(&mut self, key: Key) {
        let index = self.index_of(key);
        if self.candidates.front().map(|head| head.index) == index {
            self.candidates.pop_front();
            self.counters.list_pops += 1;
        }
    }

    /// What STEP_ADVANCE does after its sweep.
    pub(crate) fn automatic_moves(&mut self) {
        for tier in [2, 1, 0] {
            if self.tiers[tier].limit == 0 || self.tiers[tier].used <= self.tiers[tier].high {
                continue;
            }
            self.begin_need();
            let mut swept = false;
            while self.tiers[tier].used > self.tiers[tier].low {
                let Some(key) = self.next_victim(tier, false) else { break };
                let block = self.blocks[&key];
                if !block.is(EntryFlags::DEAD) && self.score(&block) >= self.evict_thresh.into() {
                    break;
                }
                if self.step_down(key, None, true, &mut swept).is_err() || self.room_failed {
                    break;
                }
            }
        }
        self.begin_need();
        while let Some(&head) = self.candidates.front() {
            let still = self.at(head.index).filter(|(_, block)| self.as_candidate(block) == Some(head.rank));
            let Some((key, _)) = still else {
                self.candidates.pop_front();
                self.counters.list_pops += 1;
                self.counters.list_stale += 1;
                continue;
            };
            if self.promote(key, true) != Promotion::Moved {
                break;
            }
        }
    }
}
