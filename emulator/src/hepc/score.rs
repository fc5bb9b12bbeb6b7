//! The score and the ranks, for one entry. The sweep computes the same for all at once
//! (`kernel.rs`); a test compares them.

use super::policy::Policy;
use crate::rtbd::{LOG_FREQUENCY, Rtbd, meta};
use kvcpu_mmio::regs::hepc::WEIGHTS;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

/// Largest R.
pub(crate) const R_MAX: u32 = 16_383;
/// R of a block on probation is shifted by this.
pub(crate) const PROBATION_SHIFT: u32 = 4;
/// P of a dead block is shifted by this where the guard weighs it.
pub(crate) const DEAD_SHIFT: u32 = 4;
/// S of a block that is needed now.
pub(crate) const S_MAX: u32 = 1023;
/// Largest distance to the next use that S tells apart.
pub(crate) const DT_MAX: u32 = (1 << 24) - 2;
/// The time since a target that has passed is shifted by this: who is overdue is expected soon.
pub(crate) const OVERDUE_SHIFT: u32 = 2;
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
    pub(crate) policy: Policy,
    /// SHIFT: accesses per unit of R, log2.
    pub(crate) shift: u32,
    pub(crate) base: u32,
    pub(crate) stamp: u32,
    pub(crate) epoch: u32,
    /// STEP.
    pub(crate) now: u32,
    /// The policy hears hints, and there are next-use hints.
    pub(crate) hinting: bool,
}

/// What a score rests on, of one entry.
pub(crate) struct Seen {
    r: u32,
    r_hinted: u32,
    f: u32,
    /// S if it is hinted.
    near: u32,
    d: u32,
    serving: bool,
    targeted: bool,
    unproven: bool,
    pub(crate) dead: bool,
}

/// log2 in 1/32, truncated; x > 0.
pub(crate) fn q5(x: u32) -> u32 {
    let e = x.ilog2();
    32 * e + ((u64::from(x) << 5 >> e) as u32 & 31)
}

impl Scorer {
    /// How far F, S and D are shifted, so that they keep their worth in accesses.
    pub(crate) fn scale(&self) -> u32 {
        self.shift.saturating_sub(4)
    }

    /// R of an access stamp.
    pub(crate) fn recency(&self, access: u32) -> u32 {
        let since_base = access.wrapping_sub(self.base);
        if since_base >> 31 == 1 { 0 } else { (since_base >> self.shift).min(R_MAX) }
    }

    /// What policies see of entry `i`. The same for all of them.
    pub(crate) fn seen(&self, rtbd: &Rtbd, i: usize) -> Seen {
        let (flags, frequency, access) = (rtbd.flags(i), rtbd.frequency(i), rtbd.access[i]);
        let (target, now) = (rtbd.target[i], self.now);
        let distance = if target >= now { target - now } else { (now - target) >> OVERDUE_SHIFT };
        let d = if flags.contains(EntryFlags::BRANCH) {
            D_BRANCH
        } else if flags.contains(EntryFlags::PREFIX) {
            D_PREFIX
        } else {
            0
        };
        Seen {
            r: self.recency(access),
            r_hinted: self.recency(self.epoch),
            f: LOG_FREQUENCY[frequency as usize],
            near: S_MAX.saturating_sub(2 * q5(distance.min(DT_MAX) + 1)),
            d,
            serving: access == self.stamp,
            targeted: flags.contains(EntryFlags::TARGET_VALID),
            unproven: frequency <= 1 && !rtbd.has_child(i) && !flags.contains(EntryFlags::PREFIX),
            dead: flags.contains(EntryFlags::DEAD),
        }
    }

    /// P of an entry.
    pub(crate) fn points(&self, seen: &Seen) -> u32 {
        let (r, f, s) = if seen.serving {
            (seen.r, seen.f, if self.hinting { S_MAX } else { 0 })
        } else if self.hinting && seen.targeted {
            (seen.r_hinted, 0, seen.near)
        } else if self.policy.probation && seen.unproven {
            (seen.r >> PROBATION_SHIFT, seen.f, 0)
        } else {
            (seen.r, seen.f, 0)
        };
        let w = self.policy.weights;
        (w.wr * r + ((w.wf * f + w.ws * s + w.wd * seen.d) >> self.scale())).min(0xFFFF)
    }

    /// P of entry `i`.
    pub(crate) fn score(&self, rtbd: &Rtbd, i: usize) -> u32 {
        self.points(&self.seen(rtbd, i))
    }

    /// Whether entry `i` is to be treated as dead.
    pub(crate) fn dead(&self, rtbd: &Rtbd, i: usize) -> bool {
        self.policy.hears && rtbd.flags(i).contains(EntryFlags::DEAD)
    }

    /// Victim rank of entry `i`, if it is eligible in `tier`.
    pub(crate) fn victim_rank(&self, rtbd: &Rtbd, i: usize, tier: usize) -> Option<u32> {
        let eligible = rtbd.placed_in(i, tier) && !rtbd.protected(i);
        eligible.then(|| {
            let alive = u32::from(!self.dead(rtbd, i));
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
    use super::q5;
    use crate::rtbd::LOG_FREQUENCY;

    #[test]
    fn logarithms_are_what_their_tables_say() {
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8, 9, 15].map(q5), [0, 32, 48, 64, 72, 80, 88, 96, 100, 124]);
        for x in (1..1 << 24).step_by(977) {
            assert_eq!(q5(x), (x as f32).to_bits() / (1 << 18) - 127 * 32, "x = {x}");
        }
        for (frequency, f) in LOG_FREQUENCY.iter().enumerate().skip(1) {
            assert_eq!(f64::from(*f), (32.0 * (frequency as f64).log2()).round(), "frequency {frequency}");
        }
    }
}
