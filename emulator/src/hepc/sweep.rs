//! The sweep and the sorted lists it leaves. `docs/hepc.md`, Sweep.

use super::kernel::{CHUNK, chunk_minima, points, rank_one, score_all};
use super::score::{NO_RANK, Scorer};
use crate::rtbd::Rtbd;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
#[cfg(test)]
use kvcpu_mmio::regs::rtbd_entry::EntryState;
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
    /// Only a rank below this can still get in.
    threshold: u64,
}

impl Best {
    fn begin(&mut self, k: usize, threshold: u64) {
        (self.k, self.threshold) = (k, threshold);
        self.items.clear();
    }

    /// The threshold as a rank; victims' ranks are all below `u32::MAX`.
    #[inline(always)]
    fn bound(&self) -> u32 {
        self.threshold as u32
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
    /// What a victim list holds no element above; `None` if it takes all.
    bounds: [Option<Item>; TIERS],
    /// Offers are taken.
    open: bool,
    /// The victim rank of every entry, as of `scored`.
    ranks: Vec<u32>,
    /// What `ranks` were computed with.
    scored: Option<Scorer>,
    /// The lowest rank of each chunk of entries, by tier: a sweep looks only into chunks that can
    /// hold one of the best.
    minima: [Vec<u32>; TIERS],
    lowest: Vec<u32>,
    best: Best,
}

/// What a sweep depends on besides the directory.
pub(crate) struct SweepInput {
    pub(crate) scorer: Scorer,
    pub(crate) k: usize,
    /// The tiers in use; others hold no blocks.
    pub(crate) in_use: [bool; TIERS],
    pub(crate) prefetch_tier: usize,
    pub(crate) lookahead: [u32; TIERS],
}

/// What the scores of all entries depend on that are not in service: only hints depend on the step.
fn basis(scorer: &Scorer) -> Scorer {
    let (now, epoch) = if scorer.hinting { (scorer.now, scorer.epoch) } else { (0, 0) };
    Scorer { stamp: 0, now, epoch, ..*scorer }
}

impl Lists {
    pub(crate) fn clear(&mut self) {
        self.victims.iter_mut().for_each(VecDeque::clear);
        self.prefetch.clear();
        (self.scored, self.open) = (None, false);
    }

    /// Takes the entries that a command changed into the lists they belong in.
    pub(crate) fn offer(&mut self, rtbd: &mut Rtbd, scorer: &Scorer, k: usize) {
        self.open &= self.scored == Some(basis(scorer));
        if self.open {
            for &i in &rtbd.touched {
                let tier = rtbd.tier(i as usize);
                if let Some(rank) = scorer.victim_rank(rtbd, i as usize, tier) {
                    self.take_in(tier, Item { rank, index: i }, k);
                }
            }
        }
        rtbd.touched.clear();
    }

    fn take_in(&mut self, tier: usize, item: Item, k: usize) {
        let (list, bound) = (&mut self.victims[tier], &mut self.bounds[tier]);
        if bound.is_some_and(|bound| item > bound) {
            return;
        }
        if let Err(at) = list.binary_search(&item) {
            list.insert(at, item);
            if list.len() > k {
                list.pop_back();
                *bound = list.back().copied();
            }
        }
    }

    /// Scores all entries and makes all lists anew.
    ///
    /// An entry's score depends on itself and on the scorer only, so a sweep with the scorer of the
    /// one before computes those anew that changed since, or left service.
    pub(crate) fn sweep(&mut self, rtbd: &mut Rtbd, input: &SweepInput) {
        if rtbd.retained > 0 {
            rtbd.expire_retention(input.scorer.now);
        }
        self.ranks.resize(rtbd.slots(), NO_RANK);
        if self.scored == Some(basis(&input.scorer)) && rtbd.changed.len() < rtbd.slots() / 8 {
            self.score_changed(rtbd, input);
        } else {
            self.score_all(rtbd, input);
        }
        rtbd.changed.clear();
        for tier in (0..TIERS).filter(|&tier| input.in_use[tier]) {
            self.select_victims(rtbd, tier, input.k);
            let list = &self.victims[tier];
            self.bounds[tier] = list.back().copied().filter(|_| list.len() == input.k);
        }
        self.open = true;
        self.select_prefetches(rtbd, input);
    }

    fn score_all(&mut self, rtbd: &mut Rtbd, input: &SweepInput) {
        let target: &[u32] = if rtbd.targets > 0 { &rtbd.target } else { &[] };
        score_all(&rtbd.meta, &rtbd.access, target, &mut rtbd.score, &mut self.ranks, &input.scorer);
        self.scored = Some(basis(&input.scorer));
        for (tier, minima) in self.minima.iter_mut().enumerate() {
            minima.clear();
            minima.resize(self.ranks.len().div_ceil(CHUNK), NO_RANK);
            if input.in_use[tier] {
                chunk_minima(&self.ranks, &rtbd.meta, tier as u32, minima);
            }
        }
    }

    /// Scores the entries that changed since the last sweep; one may be named twice.
    fn score_changed(&mut self, rtbd: &mut Rtbd, input: &SweepInput) {
        let scorer = &input.scorer;
        for &i in &rtbd.changed {
            let i = i as usize;
            let p = points(scorer, rtbd.meta[i], rtbd.access[i], Some(rtbd.target[i]));
            (rtbd.score[i], self.ranks[i]) = rank_one(scorer, rtbd.meta[i], p);
        }
        for &i in &rtbd.changed {
            let chunk = i as usize / CHUNK;
            let entries = chunk * CHUNK..((chunk + 1) * CHUNK).min(self.ranks.len());
            for (tier, minima) in self.minima.iter_mut().enumerate().filter(|(tier, _)| input.in_use[*tier]) {
                let (ranks, metas) = (&self.ranks[entries.clone()], &rtbd.meta[entries.clone()]);
                chunk_minima(ranks, metas, tier as u32, &mut minima[chunk..=chunk]);
            }
        }
    }

    fn select_victims(&mut self, rtbd: &Rtbd, tier: usize, k: usize) {
        // The k lowest minima are k victims, so no victim above the k-th is among the best k.
        self.lowest.clear();
        self.lowest.extend_from_slice(&self.minima[tier]);
        let bound = match self.lowest.len() {
            n if n < k => NO_RANK,
            _ => self.lowest.select_nth_unstable(k - 1).1.saturating_add(1).min(NO_RANK),
        };
        self.best.begin(k, bound.into());
        for (chunk, &minimum) in self.minima[tier].iter().enumerate() {
            if minimum >= self.best.bound() {
                continue;
            }
            let first = chunk * CHUNK;
            for (&rank, i) in self.ranks[first..].iter().take(CHUNK).zip(first..) {
                if rank < self.best.bound() && rtbd.tier(i) == tier {
                    self.best.offer(Item { rank, index: i as u32 });
                }
            }
        }
        self.best.finish(&mut self.victims[tier]);
    }

    fn select_prefetches(&mut self, rtbd: &Rtbd, input: &SweepInput) {
        self.best.begin(input.k, u64::MAX);
        if rtbd.targets > 0 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hepc::policy::Policy;
    use crate::hepc::score::Weights;
    use kvcpu_mmio::Geometry;
    use kvcpu_mmio::queue::Key;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The lists as `docs/hepc.md` words them: rank all, sort, cut.
    fn plainly(rtbd: &Rtbd, input: &SweepInput) -> ([Vec<Item>; TIERS], Vec<Item>) {
        let list = |rank: &dyn Fn(usize) -> Option<u32>| {
            let ranked = (0..rtbd.slots()).filter_map(|i| rank(i).map(|rank| Item { rank, index: i as u32 }));
            let mut items: Vec<Item> = ranked.collect();
            items.sort();
            items.truncate(input.k);
            items
        };
        let victims = std::array::from_fn(|t| list(&|i| input.scorer.victim_rank(rtbd, i, t)));
        let prefetch = list(&|i| input.scorer.prefetch_rank(rtbd, i, input.prefetch_tier, &input.lookahead));
        (victims, prefetch)
    }

    fn random_entry(rtbd: &mut Rtbd, rng: &mut ChaCha8Rng, i: usize, now: u32) {
        let state = [EntryState::Resident, EntryState::Resident, EntryState::InFlight, EntryState::Ghost];
        let flags = EntryFlags::from_bits_retain(rng.random::<u8>() & rng.random::<u8>() & rng.random::<u8>());
        let tier = [1, 1, 1, 2, 3][rng.random_range(0..5)];
        rtbd.set_resident(i, tier, rng.random_range(0..64), rng.random_range(0..16), flags);
        rtbd.set_state(i, state[rng.random_range(0..4)]);
        rtbd.set_refcount(i, u8::from(rng.random_range(0..10) == 0));
        rtbd.set_access(i, now - rng.random_range(0..6000));
        rtbd.set_target(i, now.wrapping_add(rng.random_range(0..3000)).wrapping_sub(1000));
        rtbd.retain[i] = now / 16 + rng.random_range(0..4) - 2;
    }

    /// Scoring all, scoring what changed, guesses and chunks: the same lists as by sorting.
    #[test]
    fn sweeps_make_the_lists_of_the_text() {
        let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(7);
        println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-emulator sweeps_make");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for round in 0..60 {
            let geometry = if round % 2 == 0 { Geometry::TEST } else { Geometry::BOARD };
            let (mut rtbd, mut lists, mut now) = (Rtbd::new(&geometry), Lists::default(), 10_000);
            let entries = rng.random_range(0..geometry.entries());
            for _ in 0..entries {
                let key = Key::shared(0, rng.random());
                if let Some(placed) = rtbd.place(key, now) {
                    rtbd.occupy(placed.index, key);
                    random_entry(&mut rtbd, &mut rng, placed.index, now);
                }
            }
            for _ in 0..6 {
                now += rng.random_range(0..2);
                let weights = Weights { wr: rng.random_range(0..9), wf: 50, ws: rng.random_range(0..99), wd: 16 };
                let policy = Policy::new(weights, rng.random_range(0..8));
                let scorer = Scorer {
                    policy,
                    shift: rng.random_range(0..7),
                    base: 3000,
                    stamp: 9500,
                    epoch: 9400,
                    now,
                    hinting: rng.random(),
                };
                for _ in 0..3 {
                    let in_use = [false, true, true, true];
                    let k = geometry.victim_k as usize;
                    let input = SweepInput { scorer, k, in_use, prefetch_tier: 1, lookahead: [0, 0, 500, 2000] };
                    lists.sweep(&mut rtbd, &input);
                    let (victims, prefetch) = plainly(&rtbd, &input);
                    assert_eq!(lists.victims, victims, "round {round}");
                    assert_eq!(lists.prefetch, prefetch, "round {round}");
                    for i in (0..rtbd.slots()).filter(|&i| rtbd.placed(i)) {
                        assert_eq!(u32::from(rtbd.score[i]), scorer.score(&rtbd, i), "round {round}, entry {i}");
                    }
                    for _ in 0..20 {
                        let i = rng.random_range(0..rtbd.slots());
                        if rtbd.state(i) != EntryState::Free {
                            random_entry(&mut rtbd, &mut rng, i, now);
                        }
                    }
                }
            }
        }
    }
}
