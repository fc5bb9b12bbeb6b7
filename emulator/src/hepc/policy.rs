//! The eight policies that WEIGHTS gives rise to. `docs/hepc.md`, Policies and the guard.

use super::score::Weights;

/// How many there are.
pub(crate) const POLICIES: usize = 8;
/// Plain LRU.
pub(crate) const LRU: usize = 0;

/// What victims are ranked by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) weights: Weights,
    /// DEAD and TARGET_VALID count.
    pub(crate) hears: bool,
    /// Blocks used once that nothing follows are on probation.
    pub(crate) probation: bool,
}

impl Policy {
    /// Policy `k` of these weights.
    pub(crate) fn new(given: Weights, k: usize) -> Policy {
        let wf = match k {
            2 => given.wf >> 4,
            3 => given.wf >> 2,
            4 => given.wf - (given.wf >> 2),
            5 => 2 * given.wf - (given.wf >> 2),
            7 => given.wf,
            _ => 0,
        };
        let weights = match k {
            // Whatever the weights are: what the guard falls back on. A greater WR would saturate P.
            LRU => Weights { wr: 1, ..Weights::default() },
            _ => Weights { wf, ..given },
        };
        Policy { weights, hears: (1..=5).contains(&k), probation: k != LRU }
    }

    /// W: what one access of age is worth, in the unit of the guard's thresholds.
    pub(crate) fn access_worth(&self) -> u64 {
        self.weights.wr.max(1).into()
    }
}
