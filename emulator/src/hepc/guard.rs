//! The guard: what each policy would have hit, and which is active. `docs/hepc.md`, Policies and the guard.

use super::kernel::{Columns, nth_greatest, weigh};
use super::policy::{LRU, POLICIES, Policy};
use super::score::{DEAD_SHIFT, Scorer, Seen};
use crate::rtbd::{ALL_OUT, Rtbd, meta};
use kvcpu_mmio::regs::rtbd_entry::EntryState;

/// Hits lose 1/16 each time as many accesses have passed as the capacity.
const DECAY: u32 = 4;
/// Accesses between two counts, at least.
const COUNT_MIN: u32 = 128;

/// Hits by which another policy must be better to be chosen.
const MARGIN: u32 = 8;
/// The policy at first.
const FIRST: usize = 3;

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
    /// Entries that some policy holds, while they are counted.
    held: Vec<u32>,
    columns: Columns,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard::new(0)
    }
}

impl Guard {
    pub(crate) fn new(capacity: u32) -> Guard {
        let shadows = [Shadow { alive: true, ..Shadow::default() }; POLICIES];
        Guard {
            shadows,
            choice: FIRST,
            lead: 0,
            alive: true,
            capacity,
            last_count: 0,
            last_decay: 0,
            held: Vec::new(),
            columns: Columns::default(),
        }
    }

    pub(crate) fn hits(&self, policy: usize) -> u32 {
        self.shadows[policy].hits
    }

    /// Base rose by so many accesses.
    pub(crate) fn rebase(&mut self, policies: &[Policy; POLICIES], accesses: u64) {
        for (shadow, policy) in self.shadows.iter_mut().zip(policies) {
            shadow.threshold = shadow.threshold.saturating_sub(policy.access_worth() * accesses);
        }
    }

    /// P is counted otherwise from now on: SHIFT or WR is another.
    pub(crate) fn forget_thresholds(&mut self) {
        self.shadows.iter_mut().for_each(|shadow| shadow.threshold = 0);
    }

    /// Hits that the device may fall behind LRU before it is LRU; it saves up no more either.
    fn patience(&self) -> i64 {
        (self.capacity / 16).clamp(16, 512).into()
    }

    /// A reference, before it changes the entry; `None` if the key was unknown.
    ///
    /// Whether the guard's policy keeps what it promises shows only while it is `ruling`.
    pub(crate) fn reference(
        &mut self,
        scorers: &[Scorer; POLICIES],
        rtbd: &mut Rtbd,
        entry: Option<usize>,
        ruling: bool,
    ) {
        self.alive &= entry.is_some_and(|i| rtbd.placed(i));
        let lru_hits = self.hits(LRU);
        let seen = entry.map(|i| (scorers[LRU].seen(rtbd, i), rtbd.out[i]));
        for (k, (shadow, scorer)) in self.shadows.iter_mut().zip(scorers).enumerate() {
            let threshold = (shadow.threshold >> scorer.shift) as u32;
            let is_in = |(seen, out): &(Seen, u8)| out >> k & 1 == 0 && scorer.worth_keeping(seen) >= threshold;
            if seen.as_ref().is_some_and(is_in) {
                shadow.hits = shadow.hits.saturating_add(shadow.alive.into());
            } else {
                shadow.alive = false;
                shadow.threshold = (shadow.threshold + scorer.policy.access_worth()).min(0x1_0000 << scorer.shift);
            }
        }
        if let Some(i) = entry {
            rtbd.out[i] = 0;
        }
        let lead = self.lead + i64::from(self.alive) - i64::from(self.hits(LRU) > lru_hits);
        self.lead = if ruling { lead.min(self.patience()) } else { 0 };
    }

    /// Finds out what each policy would have evicted, if that is due at `clock`.
    pub(crate) fn count(&mut self, scorers: &[Scorer; POLICIES], rtbd: &mut Rtbd, clock: u32) {
        if clock.wrapping_sub(self.last_count) < COUNT_MIN.max(self.capacity >> 3) {
            return;
        }
        self.last_count = clock;
        self.gather(rtbd);
        for (k, (shadow, scorer)) in self.shadows.iter_mut().zip(scorers).enumerate() {
            let threshold = (shadow.threshold >> scorer.shift) as u32;
            weigh(&mut self.columns, 1 << k, threshold, scorer);
            let least = nth_greatest(&self.columns.worth, self.capacity);
            let held = self.columns.worth.iter().filter(|worth| **worth >= least.max(1)).count();
            // A policy that cannot tell so many blocks apart keeps none of them.
            let ties = held > (self.capacity + self.capacity / 4) as usize;
            shadow.threshold = (u64::from(least) + u64::from(ties)) << scorer.shift;
        }
        for (&i, &out) in self.held.iter().zip(&self.columns.out) {
            rtbd.out[i as usize] = out;
        }
    }

    /// Copies what a count needs of the entries that some policy holds: few, beside the ghosts.
    fn gather(&mut self, rtbd: &Rtbd) {
        // Written whether it is kept or not: which entries are held is too random to branch on.
        self.held.resize(rtbd.slots(), 0);
        let mut n = 0;
        for (i, (out, meta)) in (0..).zip(rtbd.out.iter().zip(rtbd.metas())) {
            self.held[n] = i;
            n += usize::from((*out != ALL_OUT) & (meta >> meta::STATE_LSB & 3 != EntryState::Free as u32));
        }
        self.held.truncate(n);
        fn copy<T: Copy>(to: &mut Vec<T>, held: &[u32], from: &[T]) {
            to.clear();
            to.extend(held.iter().map(|i| from[*i as usize]));
        }
        let columns = &mut self.columns;
        copy(&mut columns.metas, &self.held, &rtbd.meta);
        copy(&mut columns.access, &self.held, &rtbd.access);
        copy(&mut columns.out, &self.held, &rtbd.out);
        copy(&mut columns.target, if rtbd.targets > 0 { &self.held } else { &[] }, &rtbd.target);
        columns.worth.resize(self.held.len(), 0);
    }

    /// A chain begins. Says whether the choice changes.
    pub(crate) fn decide(&mut self, clock: u32) -> bool {
        if clock.wrapping_sub(self.last_decay) >= self.capacity {
            self.last_decay = clock;
            self.shadows.iter_mut().for_each(|s| s.hits -= s.hits >> DECAY);
        }
        self.shadows.iter_mut().for_each(|s| s.alive = true);
        self.alive = true;
        if self.choice != LRU && self.lead < -self.patience() {
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
        let changes = u64::from(self.hits(best)) >= u64::from(self.hits(self.choice)) + u64::from(MARGIN);
        if changes {
            (self.choice, self.lead) = (best, 0);
        }
        changes
    }
}

impl Scorer {
    /// P of an entry, as far as it helps to keep it: a dead block stays while there is room.
    fn worth_keeping(&self, seen: &Seen) -> u32 {
        self.points(seen) >> if seen.dead && self.policy.hears { DEAD_SHIFT } else { 0 }
    }
}
