//! The sweep and the sorted lists it leaves. `docs/hepc.md`, Sweep.

use super::kernel::{CHUNK, next_chunk_below, proximity, score_all, score_one};
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

/// One entry in so many is looked at to guess how low the best ranks are.
const SAMPLE_STRIDE: usize = 64;

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
    /// The victim rank of every entry, as of `scored`.
    ranks: Vec<u32>,
    /// What `ranks` were computed with.
    scored: Option<Scorer>,
    samples: Vec<u32>,
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
        self.scored = None;
    }

    /// Scores all entries and makes all lists anew.
    ///
    /// An entry's score depends on itself and on the scorer only, so a sweep with the scorer of the
    /// one before computes those anew that changed since.
    pub(crate) fn sweep(&mut self, rtbd: &mut Rtbd, input: &SweepInput) {
        if rtbd.retained > 0 {
            rtbd.expire_retention(input.scorer.now);
        }
        self.ranks.resize(rtbd.slots(), NO_RANK);
        if self.scored == Some(input.scorer) && rtbd.changed.len() < rtbd.slots() / 8 {
            rtbd.score_changed(&mut self.ranks, &input.scorer);
        } else {
            rtbd.score_all(&mut self.ranks, &input.scorer);
        }
        rtbd.changed.clear();
        self.scored = Some(input.scorer);
        self.select_victims(rtbd, input);
        self.select_prefetches(rtbd, input);
    }

    fn select_victims(&mut self, rtbd: &Rtbd, input: &SweepInput) {
        let guesses: [u32; TIERS] =
            std::array::from_fn(|tier| if input.used[tier] == 0 { 0 } else { self.guess(rtbd, tier, input.k) });
        self.offer_victims(rtbd, input.k, guesses);
        let too_low = |(best, guess): (&Best, u32)| 0 < guess && guess < NO_RANK && best.items.len() < input.k;
        if self.best_of_tier.iter().zip(guesses).any(too_low) {
            self.offer_victims(rtbd, input.k, guesses.map(|guess| if guess == 0 { 0 } else { NO_RANK }));
        }
        for (best, list) in self.best_of_tier.iter_mut().zip(&mut self.victims) {
            best.finish(list);
        }
    }

    /// A rank that more than `k` victims of a tier are likely to be below, from a sample.
    fn guess(&mut self, rtbd: &Rtbd, tier: usize, k: usize) -> u32 {
        let sampled = self.ranks.iter().enumerate().step_by(SAMPLE_STRIDE);
        let ours = sampled.filter(|&(i, &rank)| rank != NO_RANK && rtbd.tier(i) == tier);
        self.samples.clear();
        self.samples.extend(ours.map(|(_, rank)| *rank));
        let nth = 3 * k / SAMPLE_STRIDE + 4;
        if self.samples.len() <= nth {
            return NO_RANK;
        }
        *self.samples.select_nth_unstable(nth).1
    }

    /// Collects the best victims of each tier of those below its threshold.
    fn offer_victims(&mut self, rtbd: &Rtbd, k: usize, thresholds: [u32; TIERS]) {
        for (best, threshold) in self.best_of_tier.iter_mut().zip(thresholds) {
            best.begin(k, threshold.into());
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
    fn score_all(&mut self, ranks: &mut [u32], scorer: &Scorer) {
        let target: &[u32] = if self.targets > 0 { &self.target } else { &[] };
        score_all(&self.meta, &self.access, target, &mut self.score, ranks, scorer);
    }

    /// Scores the entries that changed since the last sweep; one may be named twice.
    fn score_changed(&mut self, ranks: &mut [u32], scorer: &Scorer) {
        for &i in &self.changed {
            let i = i as usize;
            let s = proximity(scorer, self.meta[i], self.target[i]);
            (self.score[i], ranks[i]) = score_one(scorer, self.meta[i], self.access[i], s);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hepc::Weights;
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
        rtbd.set_state(i, state[rng.random_range(0..4)]);
        rtbd.set_tier(i, [1, 1, 1, 2, 3][rng.random_range(0..5)]);
        rtbd.set_flags(i, EntryFlags::from_bits_retain(rng.random::<u8>() & rng.random::<u8>() & rng.random::<u8>()));
        rtbd.set_frequency(i, rng.random_range(0..16));
        rtbd.set_depth(i, rng.random_range(0..64));
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
                let scorer = Scorer { weights, now, recency_shift: rng.random_range(0..3) };
                for _ in 0..3 {
                    let mut used = [0; TIERS];
                    (0..rtbd.slots()).filter(|&i| rtbd.placed(i)).for_each(|i| used[rtbd.tier(i)] += 1);
                    let k = geometry.victim_k as usize;
                    let input = SweepInput { scorer, k, used, prefetch_tier: 1, lookahead: [0, 0, 500, 2000] };
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
