//! The sweep and the sorted lists it leaves. `docs/hepc.md`, Sweep.

use super::kernel::{CHUNK, Columns, next_chunk_below, score_all};
use super::score::{NO_RANK, Scorer};
use crate::rtbd::Rtbd;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
use std::collections::VecDeque;

/// An entry of a list: its rank when swept, and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    pub(crate) rank: u32,
    pub(crate) index: u32,
}

/// The best K of what is offered in index order.
#[derive(Default)]
struct Best {
    k: usize,
    items: Vec<Item>,
    /// Only a rank below this can still get in; 0 for a tier that has no blocks.
    threshold: u64,
}

impl Best {
    fn begin(&mut self, k: usize, wanted: bool) {
        self.k = k;
        self.items.clear();
        self.threshold = if wanted { NO_RANK.into() } else { 0 };
    }

    fn offer(&mut self, item: Item) {
        if u64::from(item.rank) >= self.threshold {
            return;
        }
        self.items.push(item);
        if self.items.len() == 2 * self.k {
            self.items.select_nth_unstable(self.k - 1);
            self.items.truncate(self.k);
            // Later items have greater indexes, so an equal rank cannot displace these.
            self.threshold = self.items[self.k - 1].rank.into();
        }
    }

    fn finish(&mut self, list: &mut VecDeque<Item>) {
        self.items.sort_unstable();
        self.items.truncate(self.k);
        list.clear();
        list.extend(&self.items);
    }
}

/// The victim list of each tier and the prefetch list, best first.
#[derive(Default)]
pub(crate) struct Lists {
    pub(crate) victims: [VecDeque<Item>; TIERS],
    pub(crate) prefetch: VecDeque<Item>,
    ranks: Vec<u32>,
    best: Best,
    best_of_tier: [Best; TIERS],
}

/// What a sweep depends on besides the directory.
pub(crate) struct SweepInput {
    pub(crate) scorer: Scorer,
    pub(crate) k: usize,
    /// Blocks resident in each tier.
    pub(crate) used: [u32; TIERS],
    pub(crate) prefetch_tier: usize,
    pub(crate) lookahead: [u32; TIERS],
}

impl Lists {
    pub(crate) fn clear(&mut self) {
        self.victims.iter_mut().for_each(VecDeque::clear);
        self.prefetch.clear();
    }

    /// Scores all entries and makes all lists anew.
    pub(crate) fn sweep(&mut self, rtbd: &mut Rtbd, input: &SweepInput) {
        if rtbd.retained > 0 {
            rtbd.expire_retention(input.scorer.now);
        }
        self.ranks.resize(rtbd.slots(), NO_RANK);
        let any_target = rtbd.targets > 0;
        score_all(rtbd.columns(&mut self.ranks), input.scorer, any_target);
        self.select_victims(rtbd, input);
        self.select_prefetches(rtbd, input);
    }

    fn select_victims(&mut self, rtbd: &Rtbd, input: &SweepInput) {
        for (best, used) in self.best_of_tier.iter_mut().zip(input.used) {
            best.begin(input.k, used > 0);
        }
        let mut at = 0;
        loop {
            let threshold = self.best_of_tier.iter().map(|b| b.threshold).max().unwrap_or(0) as u32;
            let Some(chunk) = next_chunk_below(&self.ranks, at, threshold) else { break };
            for i in chunk * CHUNK..((chunk + 1) * CHUNK).min(self.ranks.len()) {
                if self.ranks[i] < threshold {
                    self.best_of_tier[rtbd.tier(i)].offer(Item { rank: self.ranks[i], index: i as u32 });
                }
            }
            at = chunk + 1;
        }
        for (best, list) in self.best_of_tier.iter_mut().zip(&mut self.victims) {
            best.finish(list);
        }
    }

    fn select_prefetches(&mut self, rtbd: &Rtbd, input: &SweepInput) {
        self.best.begin(input.k, true);
        if rtbd.targets > 0 {
            // A prefetch rank may use all 32 bits, so nothing bounds the first ones.
            self.best.threshold = u64::MAX;
            for i in 0..rtbd.slots() {
                if let Some(rank) = input.scorer.prefetch_rank(rtbd, i, input.prefetch_tier, &input.lookahead) {
                    self.best.offer(Item { rank, index: i as u32 });
                }
            }
        }
        self.best.finish(&mut self.prefetch);
    }
}

impl Rtbd {
    fn columns<'a>(&'a mut self, rank: &'a mut [u32]) -> Columns<'a> {
        Columns { meta: &self.meta, access: &self.access, target: &self.target, score: &mut self.score, rank }
    }

    /// Clears RETAINED where its step has come.
    fn expire_retention(&mut self, now: u32) {
        for i in 0..self.slots() {
            let flags = self.flags(i);
            if self.placed(i) && flags.contains(EntryFlags::RETAINED) && u64::from(self.retain[i]) * 16 <= now.into() {
                self.retain[i] = 0;
                self.set_flags(i, flags - EntryFlags::RETAINED);
            }
        }
    }
}
