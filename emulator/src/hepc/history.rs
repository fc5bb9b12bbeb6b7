//! History: the clock of accesses, chains, and what an access counts. `docs/hepc.md`, Time.

use super::policy::POLICIES;
use super::score::Scorer;
use crate::core::Core;
use kvcpu_mmio::regs::counter::CNT_GUARD_SWITCHES;

/// The clock and what hangs on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    pub(crate) clock: u32,
    /// The clock when the present chain began.
    pub(crate) stamp: u32,
    /// The next counted access begins a chain.
    pub(crate) pending: bool,
    /// The clock at the last STEP_ADVANCE.
    pub(crate) epoch: u32,
    /// The stamp at which R is 0.
    pub(crate) base: u32,
}

impl History {
    pub(crate) fn new() -> History {
        History { pending: true, ..History::default() }
    }
}

/// SHIFT where RECENCY_SHIFT leaves it to the device: R spans at least 256 times the capacity.
pub(crate) fn automatic_shift(capacity: u32) -> u32 {
    capacity.max(1).next_power_of_two().ilog2().saturating_sub(6)
}

/// A use of a block, as a command has it.
pub(crate) struct Use {
    /// The entry, if the key was known.
    pub(crate) entry: Option<usize>,
    pub(crate) depth: u32,
    pub(crate) by_insert: bool,
}

impl Core {
    pub(super) fn shift(&self) -> u32 {
        match self.tuning.recency_shift {
            0 => automatic_shift(self.guard.capacity),
            given => given,
        }
    }

    /// The policy in force.
    pub(crate) fn active_policy(&self) -> usize {
        self.tuning.fixed_policy.unwrap_or(self.guard.choice)
    }

    pub(crate) fn scorer(&self) -> Scorer {
        self.scorer_of(self.active_policy())
    }

    fn scorer_of(&self, policy: usize) -> Scorer {
        let policy = self.tuning.policies[policy];
        Scorer {
            policy,
            shift: self.shift(),
            base: self.history.base,
            stamp: self.history.stamp,
            epoch: self.history.epoch,
            now: self.step,
            hinting: policy.hears && self.rtbd.targets > 0,
        }
    }

    /// A scorer for each policy.
    pub(crate) fn scorers(&self) -> [Scorer; POLICIES] {
        std::array::from_fn(|k| self.scorer_of(k))
    }

    /// Counts a use of a block. Says whether it counts: the block's frequency rises, and its stamp
    /// is now that of the history.
    pub(crate) fn count_use(&mut self, used: &Use) -> bool {
        let same_chain = used.entry.is_some_and(|i| self.rtbd.access[i] == self.history.stamp);
        if self.history.pending || used.depth == 0 && !(used.by_insert && same_chain) {
            self.begin_chain();
        }
        if used.entry.is_some_and(|i| self.rtbd.access[i] == self.history.stamp) {
            return false;
        }
        let scorers = self.scorers();
        let ruling = self.active_policy() == self.guard.choice;
        self.guard.reference(&scorers, &mut self.rtbd, used.entry, ruling);
        self.history.clock = self.history.clock.wrapping_add(1);
        true
    }

    fn begin_chain(&mut self) {
        let shift = self.shift();
        let history = &mut self.history;
        (history.pending, history.stamp) = (false, history.clock);
        while history.clock.wrapping_sub(history.base) >> shift >= 16_384 {
            history.base = history.base.wrapping_add(8192 << shift);
            self.guard.rebase(&self.tuning.policies, 8192 << shift);
        }
        if self.guard.decide(self.history.clock) {
            self.counters.add(&CNT_GUARD_SWITCHES, 1);
        }
        self.rtbd.end_service();
    }
}
