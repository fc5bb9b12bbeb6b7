//! The score and the ranks, for one entry. The sweep computes the same for all at once
//! (`kernel.rs`); a test compares them.

use crate::rtbd::{Rtbd, meta};
use kvcpu_mmio::regs::hepc::WEIGHTS;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

/// Largest R.
pub(crate) const R_MAX: u32 = 4095;
/// Largest distance to the next use that S tells apart.
pub(crate) const DT_MAX: u32 = (1 << 24) - 2;
/// D of a branch, and of a declared prefix.
pub(crate) const D_BRANCH: u32 = 255;
pub(crate) const D_PREFIX: u32 = 128;
/// The rank of no entry; greater than every rank.
pub(crate) const NO_RANK: u32 = i32::MAX as u32;

/// The weights, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weights {
    pub(crate) wr: u32,
    pub(crate) wf: u32,
    pub(crate) ws: u32,
    pub(crate) wd: u32,
}

impl Weights {
    pub(crate) fn from_register(value: u32) -> Weights {
        let get = |field: kvcpu_mmio::Field| field.get(value.into()) as u32;
        Weights { wr: get(WEIGHTS::WR), wf: get(WEIGHTS::WF), ws: get(WEIGHTS::WS), wd: get(WEIGHTS::WD) }
    }
}

/// All that a score depends on besides the entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scorer {
    pub(crate) weights: Weights,
    pub(crate) now: u32,
    pub(crate) recency_shift: u32,
}

/// log2 in eighths, truncated; x > 0.
pub(crate) fn q3(x: u32) -> u32 {
    let e = x.ilog2();
    8 * e + ((u64::from(x) << 3 >> e) as u32 & 7)
}

impl Scorer {
    /// P of entry `i`.
    pub(crate) fn score(&self, rtbd: &Rtbd, i: usize) -> u32 {
        let flags = rtbd.flags(i);
        let r = R_MAX - (self.now.wrapping_sub(rtbd.access[i]) >> self.recency_shift).min(R_MAX);
        let f = match rtbd.frequency(i) {
            0 => 0,
            n => 4 * q3(n),
        };
        let s = if flags.contains(EntryFlags::TARGET_VALID) {
            255 - q3(rtbd.target[i].abs_diff(self.now).min(DT_MAX) + 1)
        } else {
            0
        };
        let d = if flags.contains(EntryFlags::BRANCH) {
            D_BRANCH
        } else if flags.contains(EntryFlags::PREFIX) {
            D_PREFIX
        } else {
            0
        };
        let w = self.weights;
        (w.wr * r + w.wf * f + w.ws * s + w.wd * d).min(0xFFFF)
    }

    /// Victim rank of entry `i`, if it is eligible in `tier`.
    pub(crate) fn victim_rank(&self, rtbd: &Rtbd, i: usize, tier: usize) -> Option<u32> {
        let eligible = rtbd.placed_in(i, tier) && !rtbd.protected(i);
        eligible.then(|| {
            let alive = u32::from(!rtbd.flags(i).contains(EntryFlags::DEAD));
            alive << 28 | self.score(rtbd, i) << 12 | (meta::DEPTH - (rtbd.metas()[i] & meta::DEPTH))
        })
    }

    /// Prefetch rank of entry `i`, if it is a candidate for `PREFETCH_TIER` `to`.
    pub(crate) fn prefetch_rank(&self, rtbd: &Rtbd, i: usize, to: usize, lookahead: &[u32; 4]) -> Option<u32> {
        let tier = rtbd.tier(i);
        let candidate = rtbd.placed(i)
            && tier > to
            && rtbd.flags(i).contains(EntryFlags::TARGET_VALID)
            && rtbd.target[i] >= self.now
            && rtbd.target[i] - self.now <= lookahead[tier];
        candidate.then(|| (rtbd.target[i] - self.now).min((1 << 20) - 1) << 12 | rtbd.metas()[i] & meta::DEPTH)
    }
}

#[cfg(test)]
mod tests {
    use super::q3;

    #[test]
    fn q3_is_log2_in_eighths() {
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8, 9, 15].map(q3), [0, 8, 12, 16, 18, 20, 22, 24, 25, 31]);
        for x in (1..1 << 24).step_by(977) {
            assert_eq!(q3(x), (x as f32).to_bits() / (1 << 20) - 127 * 8, "x = {x}");
        }
    }
}
