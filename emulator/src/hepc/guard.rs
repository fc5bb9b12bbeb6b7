//! The guard: what each policy would have hit, and which is active. `docs/hepc.md`, Policies and the guard.

use super::kernel::count_in;
use super::policy::{LRU, POLICIES};
use super::score::{DEAD_SHIFT, Scorer};
use crate::rtbd::Rtbd;

/// Hits lose 1/16 each time as many accesses have passed as the capacity.
const DECAY: u32 = 4;
/// Accesses between two counts, at least.
const COUNT_MIN: u32 = 128;

/// A policy's shadow.
#[derive(Clone, Copy, Debug, Default)]
struct Shadow {
    /// Entries with at least this P, in units of 2^-SHIFT, would be resident.
    threshold: u64,
    hits: u32,
    /// The present chain has hit so far.
    alive: bool,
}

/// The guard's state.
#[derive(Debug)]
pub(crate) struct Guard {
    shadows: [Shadow; POLICIES],
    /// The policy it prefers.
    pub(crate) choice: usize,
    /// Hits that the device really had since the choice, less those that LRU would have had.
    lead: i64,
    /// The present chain has really hit so far.
    alive: bool,
    /// CAPACITY, in blocks.
    pub(crate) capacity: u32,
    last_count: u32,
    last_decay: u32,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard::new(0)
    }
}

impl Guard {
    pub(crate) fn new(capacity: u32) -> Guard {
        let shadows = [Shadow { alive: true, ..Shadow::default() }; POLICIES];
        Guard { shadows, choice: 1, lead: 0, alive: true, capacity, last_count: 0, last_decay: 0 }
    }

    pub(crate) fn hits(&self, policy: usize) -> u32 {
        self.shadows[policy].hits
    }

    /// Base rose by `points` of P.
    pub(crate) fn rebase(&mut self, points: u64) {
        self.shadows.iter_mut().for_each(|s| s.threshold = s.threshold.saturating_sub(points));
    }

    /// A reference, before it changes the entry; `None` if the key was unknown.
    pub(crate) fn reference(&mut self, scorers: &[Scorer; POLICIES], rtbd: &Rtbd, entry: Option<usize>) {
        self.alive &= entry.is_some_and(|i| rtbd.placed(i));
        let lru_hits = self.hits(LRU);
        for (shadow, scorer) in self.shadows.iter_mut().zip(scorers) {
            let threshold = (shadow.threshold >> scorer.shift) as u32;
            if entry.is_some_and(|i| scorer.worth_keeping(rtbd, i) >= threshold) {
                shadow.hits = shadow.hits.saturating_add(shadow.alive.into());
            } else {
                shadow.alive = false;
                shadow.threshold = (shadow.threshold + scorer.worth()).min(0xFFFF << scorer.shift);
            }
        }
        self.lead += i64::from(self.alive) - i64::from(self.hits(LRU) > lru_hits);
    }

    /// Corrects the thresholds, if that is due at `clock`.
    pub(crate) fn count(&mut self, scorers: &[Scorer; POLICIES], rtbd: &Rtbd, clock: u32) {
        if clock.wrapping_sub(self.last_count) < COUNT_MIN.max(self.capacity >> 3) {
            return;
        }
        self.last_count = clock;
        let target: &[u32] = if rtbd.targets > 0 { &rtbd.target } else { &[] };
        let hints = rtbd.targets > 0 || rtbd.dead > 0;
        let mut counts = [0u32; POLICIES];
        for k in 0..POLICIES {
            let threshold = self.shadows[k].threshold;
            // Without hints policies that hear them count as those that do not.
            let twin = (0..k).find(|&j| {
                let deaf = |k: usize| super::policy::Policy { hears: false, ..scorers[k].policy };
                !hints && self.shadows[j].threshold == threshold && deaf(j) == deaf(k)
            });
            counts[k] = match twin {
                Some(twin) => counts[twin],
                None => {
                    let threshold = (threshold >> scorers[k].shift) as u32;
                    count_in(&rtbd.meta, &rtbd.access, target, threshold, &scorers[k])
                }
            };
        }
        for ((shadow, scorer), n) in self.shadows.iter_mut().zip(scorers).zip(counts) {
            let excess = i64::from(n) - i64::from(self.capacity);
            let moved = shadow.threshold as i64 + excess * scorer.worth() as i64;
            shadow.threshold = moved.clamp(0, 0xFFFF << scorer.shift) as u64;
        }
    }

    /// A chain begins. Says whether another policy is preferred now than `active`.
    pub(crate) fn decide(&mut self, clock: u32) -> bool {
        if clock.wrapping_sub(self.last_decay) >= self.capacity {
            self.last_decay = clock;
            self.shadows.iter_mut().for_each(|s| s.hits -= s.hits >> DECAY);
        }
        self.shadows.iter_mut().for_each(|s| s.alive = true);
        self.alive = true;
        if self.choice != LRU && self.lead < -i64::from((self.capacity / 16).clamp(16, 512)) {
            // What it promises it does not keep: it has to earn its margin anew.
            self.shadows[self.choice].hits = self.hits(self.choice).min(self.hits(LRU));
            (self.choice, self.lead) = (LRU, 0);
            return true;
        }
        let mut best = 0;
        for k in 1..POLICIES {
            if self.hits(k) > self.hits(best) {
                best = k;
            }
        }
        let margin = (self.capacity / 16).clamp(4, 48);
        let changes = u64::from(self.hits(best)) >= u64::from(self.hits(self.choice)) + u64::from(margin);
        if changes {
            (self.choice, self.lead) = (best, 0);
        }
        changes
    }
}

impl Scorer {
    /// P of entry `i`, as far as it helps to keep it: a dead block stays while there is room.
    fn worth_keeping(&self, rtbd: &Rtbd, i: usize) -> u32 {
        let p = self.score(rtbd, i);
        if self.dead(rtbd, i) { p >> DEAD_SHIFT } else { p }
    }

    /// What one access of age is worth, in the thresholds' unit.
    fn worth(&self) -> u64 {
        self.policy.weights.wr.max(1).into()
    }
}
