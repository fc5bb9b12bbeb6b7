//! Uses of chains, and the guard that asks what each policy would have hit: docs/hepc.md, Time and Policies.

use kvcpu_driver::Config;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::queue::Key;
use kvcpu_mmio::regs::hepc::{self, GUARD};

use super::score::{MAX_SCORE, POLICIES, Terms};
use super::{Block, Model};

/// Units of R by which `base` is behind the clock when it is raised, and by how many.
const R_SPAN: u32 = 16_384;
const R_RAISE: u32 = 8192;
/// The policy that others are measured by.
const LRU: usize = 0;
/// Hits by which a policy must be better than the present one.
const MARGIN: u64 = 8;
/// Accesses between two counts, at least.
const COUNT_EVERY: u64 = 128;

/// The guard's choice and what it rests on.
#[derive(Clone, Debug)]
pub struct Guard {
    /// GUARD.ENABLE.
    pub enabled: bool,
    /// GUARD.POLICY.
    pub given: usize,
    /// The policy that the guard prefers, enabled or not.
    pub choice: usize,
    /// CAPACITY: blocks that policies are compared for.
    pub capacity: u64,
    /// By policy, the least score of its CAPACITY best entries, in units of 2^-SHIFT.
    pub thresholds: [u64; POLICIES],
    /// By policy, what it would have hit, decaying.
    pub hits: [u64; POLICIES],
    /// By policy, whether it would have hit all of the present chain so far.
    pub alive: [bool; POLICIES],
    /// Hits of the device since the last change of policy, less those that LRU would have had.
    pub lead: i64,
    really_alive: bool,
    /// SHIFT and WR of the last command.
    units: Option<(u32, u8)>,
    last_count: u32,
    last_decay: u32,
    /// Changes back to LRU, because a policy did not keep what it promised; no register shows them.
    pub retreats: u64,
    /// Counts made, which no register shows.
    pub counts: u64,
    /// Times that `base` was raised, which no register shows.
    pub raises: u64,
}

impl Guard {
    /// The guard of a device that was just enabled.
    pub(super) fn new(geometry: &Geometry, config: &Config) -> Guard {
        let limits: u64 = config.tiers.iter().map(|tier| u64::from(tier.limit)).sum();
        let given_at_reset = GUARD::POLICY.get(hepc::GUARD.reset) as usize;
        Guard {
            enabled: config.fixed_policy.is_none(),
            given: config.fixed_policy.map_or(given_at_reset, usize::from),
            choice: 3,
            capacity: limits.min(u64::from(geometry.entries()) * 3 / 4),
            thresholds: [0; POLICIES],
            hits: [0; POLICIES],
            alive: [true; POLICIES],
            lead: 0,
            really_alive: true,
            units: None,
            last_count: 0,
            last_decay: 0,
            retreats: 0,
            counts: 0,
            raises: 0,
        }
    }

    /// The policy that victims are ranked by.
    pub fn active(&self) -> usize {
        if self.enabled { self.choice } else { self.given }
    }
}

/// An access, as the entry was before it.
pub(super) struct Access {
    /// The entry, if the key was known.
    pub known: Option<Block>,
    /// The depth that says whether it is at the root of a chain.
    pub depth: u32,
    /// By INSERT, whose root begins no chain if it is in the present one already.
    pub inserts: bool,
}

impl Model {
    /// An access; returns the frequency, the access stamp and OUT that the entry has after it.
    pub(super) fn access(&mut self, access: &Access) -> (u32, u32, u8) {
        let Access { known, depth, inserts } = *access;
        let in_chain = |model: &Model| known.is_some_and(|block| model.in_service(&block));
        let same_use = inserts && in_chain(self);
        if self.time.pending || depth == 0 && !same_use {
            self.begin_chain();
        }
        match known {
            Some(block) if self.in_service(&block) => return (block.frequency, block.access, block.out),
            _ => self.refer(known.as_ref()),
        }
        self.time.clock = self.time.clock.wrapping_add(1);
        let frequency = known.map_or(0, |block| block.frequency);
        ((frequency + 1).min(15), self.time.stamp, 0)
    }

    /// Score by which one access more or less ages an entry under policy `k`, in the units of the thresholds.
    fn age_weight(&self, k: usize) -> u64 {
        if k == LRU { 1 } else { u64::from(self.weights.wr).max(1) }
    }

    /// A command begins: thresholds of other units than those of the last are void.
    pub(super) fn take_units(&mut self) {
        let units = Some((self.shift(), self.weights.wr));
        if self.guard.units != units {
            self.guard.units = units;
            self.guard.thresholds = [0; POLICIES];
        }
    }

    /// Hits that lead may be below 0, and above.
    fn patience(&self) -> i64 {
        (self.guard.capacity / 16).clamp(16, 512) as i64
    }

    fn begin_chain(&mut self) {
        self.time.pending = false;
        self.time.stamp = self.time.clock;
        let shift = self.shift();
        while self.time.clock.wrapping_sub(self.time.base) >> shift >= R_SPAN {
            self.time.base = self.time.base.wrapping_add(R_RAISE << shift);
            for k in 0..POLICIES {
                let lowered = (self.age_weight(k) * u64::from(R_RAISE)) << shift;
                self.guard.thresholds[k] = self.guard.thresholds[k].saturating_sub(lowered);
            }
            self.guard.raises += 1;
        }
        self.decide();
    }

    /// What keeps an entry in the shadow of policy `k`.
    fn worth(&self, k: usize, terms: &Terms, block: &Block) -> u64 {
        let score = self.score(terms, block);
        if self.dead_under(k, block) { score >> 4 } else { score }
    }

    /// Whether an entry would still be there had policy `k` ruled alone.
    fn is_in(&self, k: usize, terms: &Terms, block: &Block) -> bool {
        block.out & 1 << k == 0 && self.worth(k, terms, block) >= self.guard.thresholds[k] >> self.shift()
    }

    /// The largest threshold.
    fn ceiling(&self) -> u64 {
        (MAX_SCORE + 1) << self.shift()
    }

    /// A reference, before it changes the entry.
    fn refer(&mut self, known: Option<&Block>) {
        let of_lru = self.guard.hits[LRU];
        for k in 0..POLICIES {
            if !known.is_some_and(|block| self.is_in(k, &self.terms(k), block)) {
                self.guard.alive[k] = false;
                let threshold = self.guard.thresholds[k] + self.age_weight(k);
                self.guard.thresholds[k] = threshold.min(self.ceiling());
            } else if self.guard.alive[k] {
                self.guard.hits[k] += 1;
            }
        }
        self.guard.really_alive &= known.is_some_and(Block::placed);
        let won = i64::from(self.guard.really_alive) - i64::from(self.guard.hits[LRU] > of_lru);
        let rules = self.guard.active() == self.guard.choice;
        self.guard.lead = if rules { self.patience().min(self.guard.lead + won) } else { 0 };
    }

    /// A count at the beginning of a sweep, if it is due: who is not in is out, and the thresholds keep CAPACITY entries.
    pub(super) fn count(&mut self) {
        let since = self.time.clock.wrapping_sub(self.guard.last_count);
        if u64::from(since) < COUNT_EVERY.max(self.guard.capacity >> 3) {
            return;
        }
        for k in 0..POLICIES {
            let terms = self.terms(k);
            let (inside, outside): (Vec<Key>, Vec<Key>) =
                self.blocks.keys().partition(|key| self.is_in(k, &terms, &self.blocks[*key]));
            let mut worths: Vec<u64> = inside.iter().map(|key| self.worth(k, &terms, &self.blocks[key])).collect();
            worths.sort_unstable();
            let last = worths.len().checked_sub(self.guard.capacity as usize).and_then(|least| worths.get(least));
            let last = last.copied().unwrap_or(0);
            let held = worths.iter().filter(|worth| **worth >= last.max(1)).count() as u64;
            let tied = held > self.guard.capacity + self.guard.capacity / 4;
            self.guard.thresholds[k] = (last + u64::from(tied)) << self.shift();
            for key in outside {
                self.block(key).out |= 1 << k;
            }
        }
        self.guard.last_count = self.time.clock;
        self.guard.counts += 1;
    }

    /// A decision as a chain begins: back to LRU, if the policy does not keep what it promised; another policy, if it
    /// would have hit clearly more.
    fn decide(&mut self) {
        let patience = self.patience();
        let guard = &mut self.guard;
        let since = self.time.clock.wrapping_sub(guard.last_decay);
        if u64::from(since) >= guard.capacity {
            for hits in &mut guard.hits {
                *hits -= *hits >> 4;
            }
            guard.last_decay = self.time.clock;
        }
        let choice = guard.choice;
        let best = (0..POLICIES).rev().max_by_key(|k| guard.hits[*k]).unwrap_or(choice);
        if choice != LRU && guard.lead < -patience {
            guard.hits[choice] = guard.hits[choice].min(guard.hits[LRU]);
            guard.retreats += 1;
            self.switch_to(LRU);
        } else if guard.hits[best] >= guard.hits[choice] + MARGIN {
            self.switch_to(best);
        }
        self.guard.alive = [true; POLICIES];
        self.guard.really_alive = true;
    }

    fn switch_to(&mut self, policy: usize) {
        (self.guard.choice, self.guard.lead) = (policy, 0);
        self.counters.guard_switches += 1;
    }
}
