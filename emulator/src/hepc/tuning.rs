//! The registers that steer the policy, as a command found them when it began: a command that has to
//! wait ends as it began, whatever is written in between. `docs/hepc.md`, Registers.

use super::policy::{POLICIES, Policy};
use super::score::Weights;
use crate::core::Core;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::regs::hepc::{EVICT_THRESH, GUARD, PREFETCH_TIER, RECENCY_SHIFT, WEIGHTS};
use kvcpu_mmio::regs::luf::LUF_CTRL;
use kvcpu_mmio::regs::tier::{TIER_HIGH, TIER_LOOKAHEAD, TIER_LOW};

/// Values of the policy registers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tuning {
    pub(crate) weights: Weights,
    /// What the weights give rise to.
    pub(crate) policies: [Policy; POLICIES],
    pub(crate) recency_shift: u32,
    /// The active policy, if the guard does not choose it.
    pub(crate) fixed_policy: Option<usize>,
    pub(crate) evict_thresh: u32,
    pub(crate) prefetch_tier: usize,
    pub(crate) high: [u32; TIERS],
    pub(crate) low: [u32; TIERS],
    pub(crate) lookahead: [u32; TIERS],
    /// Frames of read-only blocks go to the quarantine.
    pub(crate) lazy: bool,
}

impl Core {
    /// Reads the policy registers for a command that begins, if any register was written since the
    /// last one.
    pub(crate) fn take_tuning(&mut self) {
        if !std::mem::take(&mut self.registers_written) {
            return;
        }
        let (shift, wr) = (self.shift(), self.tuning.weights.wr);
        let guard = u64::from(self.word(&GUARD, 0));
        let of_tiers = |register| std::array::from_fn(|t| self.word(register, t as u32));
        let weights = Weights::from_register(self.word(&WEIGHTS, 0));
        self.tuning = Tuning {
            weights,
            policies: std::array::from_fn(|k| Policy::new(weights, k)),
            recency_shift: self.word(&RECENCY_SHIFT, 0),
            fixed_policy: (GUARD::ENABLE.get(guard) == 0).then(|| GUARD::POLICY.get(guard) as usize),
            evict_thresh: self.word(&EVICT_THRESH, 0),
            prefetch_tier: self.word(&PREFETCH_TIER, 0) as usize,
            high: of_tiers(&TIER_HIGH),
            low: of_tiers(&TIER_LOW),
            lookahead: of_tiers(&TIER_LOOKAHEAD),
            lazy: LUF_CTRL::LAZY.get(self.word(&LUF_CTRL, 0).into()) == 1,
        };
        if (shift, wr) != (self.shift(), weights.wr) {
            self.guard.forget_thresholds();
        }
    }
}
