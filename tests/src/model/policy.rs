//! Lists and automatic moves: docs/hepc.md, from Who may be a victim on.

use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::queue::Key;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

use super::moves::Promotion;
use super::score::Terms;
use super::{Block, Listed, Model};

impl Model {
    /// Rank as a victim of tier `tier`, if it may be one.
    fn as_victim(&self, terms: &Terms, block: &Block, tier: usize) -> Option<u64> {
        let may = block.placed() && block.tier == tier && !block.held();
        let not_dead = u64::from(!self.dead(block));
        may.then(|| not_dead << 28 | self.score(terms, block) << 12 | u64::from(4095 - block.depth))
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
        self.count();
        self.counters.sweeps += 1;
        let terms = self.active_terms();
        for key in self.slots.clone().into_iter().flatten() {
            let mut block = self.blocks[&key];
            if !block.placed() {
                continue;
            }
            if block.is(EntryFlags::RETAINED) && 16 * u64::from(block.retain) <= self.now.into() {
                block.flags -= EntryFlags::RETAINED;
                block.retain = 0;
            }
            block.score = self.score(&terms, &block) as u32;
            *self.block(key) = block;
        }
        let most = self.geometry.victim_k as usize;
        for (tier, mut victims) in self.eligible(&terms).into_iter().enumerate() {
            victims.truncate(most);
            self.bounds[tier] = victims.get(most - 1).copied();
            self.victims[tier] = victims.into();
        }
        let mut candidates = self.sorted(Model::as_candidate);
        candidates.truncate(most);
        self.candidates = candidates.into();
        self.swept = Some(terms);
    }

    /// Those that have a rank, by rank, then index.
    fn sorted(&self, rank: impl Fn(&Model, &Block) -> Option<u64>) -> Vec<Listed> {
        let mut all: Vec<Listed> = (0..self.slots.len())
            .filter_map(|index| Some(Listed { rank: rank(self, self.at(index)?.1)?, index }))
            .collect();
        all.sort();
        all
    }

    /// Who may be a victim, by tier.
    fn eligible(&self, terms: &Terms) -> [Vec<Listed>; TIERS] {
        let mut tiers = <[Vec<Listed>; TIERS]>::default();
        for index in 0..self.slots.len() {
            let Some((_, block)) = self.at(index) else { continue };
            if let Some(rank) = self.as_victim(terms, block, block.tier) {
                tiers[block.tier].push(Listed { rank, index });
            }
        }
        for lines in &mut tiers {
            lines.sort();
        }
        tiers
    }

    /// What the victim lists are offered when a command ends.
    pub(crate) fn offer(&mut self) {
        let terms = self.active_terms();
        if self.swept != Some(terms) {
            self.swept = None;
            return;
        }
        let most = self.geometry.victim_k as usize;
        for (tier, eligible) in self.eligible(&terms).into_iter().enumerate() {
            let within = |line: &Listed| self.bounds[tier].is_none_or(|bound| *line <= bound);
            let mut list: Vec<Listed> = self.victims[tier].iter().copied().collect();
            list.extend(eligible.into_iter().filter(within));
            list.sort();
            list.dedup();
            if list.len() > most {
                list.truncate(most);
                self.bounds[tier] = list.last().copied();
            }
            self.victims[tier] = list.into();
        }
    }

    /// The next victim of a tier; stale lines are popped on the way.
    pub(crate) fn next_victim(&mut self, tier: usize, dry_sweep: bool) -> Option<Key> {
        let mut may_sweep = dry_sweep;
        loop {
            while let Some(&head) = self.victims[tier].front() {
                if let Some((key, block)) = self.at(head.index)
                    && self.as_victim(&self.active_terms(), block, tier) == Some(head.rank)
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
                if !self.dead(&block) && self.score(&self.active_terms(), &block) >= self.evict_thresh.into() {
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
