//! The sweep's inner loops, written for the autovectoriser and compiled for AVX2 too where the
//! machine has it.
//!
//! `multiversion` expands to calls of target-feature functions, which are unsafe in form; it
//! checks the feature itself before it calls.
#![allow(unsafe_code)]

use super::score::{
    D_BRANCH, D_PREFIX, DEAD_SHIFT, DT_MAX, NO_RANK, OVERDUE_SHIFT, PROBATION_SHIFT, R_MAX, S_MAX, Scorer,
};
use crate::rtbd::meta;
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};
use multiversion::multiversion;

const fn flag(flag: EntryFlags) -> u32 {
    (flag.bits() as u32) << meta::FLAGS_LSB
}

/// A number's float bits: exponent and mantissa are its logarithm, truncated. Exact below 2^24,
/// where the conversion does not round.
#[inline(always)]
fn float(x: u32) -> u32 {
    (x as i32 as f32).to_bits().wrapping_sub(127 << 23)
}

/// Fields of some entries, in the order of their indexes, and what they are worth to a policy.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    pub(crate) metas: Vec<u32>,
    pub(crate) access: Vec<u32>,
    /// Empty if no entry has a target that counts.
    pub(crate) target: Vec<u32>,
    pub(crate) out: Vec<u8>,
    pub(crate) worth: Vec<u16>,
}

/// Scores every entry that is placed, and ranks every entry that may be a victim of its tier.
///
/// The columns are arguments of their own so that the compiler knows that they do not overlap.
/// `target` is empty if no entry has one that counts: then it is not looked at.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(crate) fn score_all(
    metas: &[u32],
    access: &[u32],
    target: &[u32],
    score: &mut [u16],
    rank: &mut [u32],
    scorer: &Scorer,
) {
    let outputs = score.iter_mut().zip(rank);
    if target.is_empty() {
        for ((&m, &access), (score, rank)) in metas.iter().zip(access).zip(outputs) {
            (*score, *rank) = rank_one(scorer, m, points(scorer, m, access, None));
        }
    } else {
        for (((&m, &access), &target), (score, rank)) in metas.iter().zip(access).zip(target).zip(outputs) {
            (*score, *rank) = rank_one(scorer, m, points(scorer, m, access, Some(target)));
        }
    }
}

/// What entries are worth to a policy: P, shifted for the dead. Entries whose `out` has `bit`, and those worth
/// less than `threshold`, which get it, are worth 0. `target` as for [`score_all`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(crate) fn weigh(columns: &mut Columns, bit: u8, threshold: u32, scorer: &Scorer) {
    let Columns { metas, access, target, out, worth } = columns;
    let dead = if scorer.policy.hears { flag(EntryFlags::DEAD) } else { 0 };
    let weigh_one = |m: u32, p: u32, (out, worth): (&mut u8, &mut u16)| {
        let p = p >> if m & dead == 0 { 0 } else { DEAD_SHIFT };
        *out |= if p >= threshold { 0 } else { bit };
        *worth = if *out & bit == 0 { p as u16 } else { 0 };
    };
    let entries = metas.iter().zip(access.iter()).zip(out.iter_mut().zip(worth.iter_mut()));
    if target.is_empty() {
        entries.for_each(|((&m, &access), o)| weigh_one(m, points(scorer, m, access, None), o));
    } else {
        let entries = entries.zip(target.iter());
        entries.for_each(|(((&m, &access), o), &target)| weigh_one(m, points(scorer, m, access, Some(target)), o));
    }
}

/// The `n`-th greatest of `worth`, found bit by bit; 0 if there are fewer.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub(crate) fn nth_greatest(worth: &[u16], n: u32) -> u16 {
    let mut least = 0u16;
    for bit in (0..16).rev() {
        let tried = least | 1 << bit;
        // Counted in 16 bits, which vectorises twice as wide, so in pieces that cannot overflow.
        let reach = |piece: &[u16]| piece.iter().map(|w| u16::from(*w >= tried)).sum::<u16>();
        if worth.chunks(32_768).map(|piece| u32::from(reach(piece))).sum::<u32>() >= n {
            least = tried;
        }
    }
    least
}

/// P of an entry. Without a target it is not hinted.
#[inline(always)]
pub(crate) fn points(scorer: &Scorer, m: u32, access: u32, target: Option<u32>) -> u32 {
    let w = scorer.policy.weights;
    let recency = |stamp: u32| {
        let since_base = stamp.wrapping_sub(scorer.base) as i32;
        (since_base.max(0) as u32 >> (scorer.shift & 31)).min(R_MAX)
    };
    let frequency = m >> meta::FREQUENCY_LSB & 15;
    // log2 in eighths, and what rounding in 1/32 adds to it: a frequency has at most three bits
    // of mantissa.
    let eighths = float(frequency) >> 20;
    let f = if frequency <= 1 { 0 } else { 4 * eighths + (0x1223_3210 >> (4 * (eighths & 7)) & 15) };
    let unproven = (frequency <= 1) & (m & (meta::CHILD | flag(EntryFlags::PREFIX)) == 0);
    let serving = access == scorer.stamp;
    let hinted = !serving & scorer.hinting & (m & flag(EntryFlags::TARGET_VALID) != 0);
    let on_probation = !serving & !hinted & scorer.policy.probation & unproven;
    let target = target.unwrap_or(scorer.now);
    let dt = if target >= scorer.now { target - scorer.now } else { (scorer.now - target) >> OVERDUE_SHIFT };
    let near = S_MAX.saturating_sub(2 * (float(dt.min(DT_MAX) + 1) >> 18));
    let r = recency(if hinted { scorer.epoch } else { access }) >> if on_probation { PROBATION_SHIFT } else { 0 };
    let f = if hinted { 0 } else { f };
    let s = if serving & scorer.hinting { S_MAX } else { 0 } | if hinted { near } else { 0 };
    let prefix = if m & flag(EntryFlags::PREFIX) == 0 { 0 } else { w.wd * D_PREFIX };
    let d = if m & flag(EntryFlags::BRANCH) == 0 { prefix } else { w.wd * D_BRANCH };
    let rest = ((w.wf & 0x1FF) * (f & 0xFF)) + ((w.ws & 0xFF) * (s & 0x3FF)) + d;
    ((w.wr & 0xFF) * (r & 0x3FFF) + (rest >> (scorer.scale() & 31))).min(0xFFFF)
}

/// Score and victim rank of an entry with `p` points. Free and ghost entries have score 0, and keep it.
#[inline(always)]
pub(crate) fn rank_one(scorer: &Scorer, m: u32, p: u32) -> (u16, u32) {
    let state = m >> meta::STATE_LSB & 3;
    let placed = (state == EntryState::Resident as u32) | (state == EntryState::InFlight as u32);
    let barred = m & (flag(EntryFlags::HOT) | flag(EntryFlags::RETAINED) | meta::SHARED);
    let dead = scorer.policy.hears & (m & flag(EntryFlags::DEAD) != 0);
    let rank = if dead { 0 } else { 1 << 28 } | p << 12 | (meta::DEPTH - (m & meta::DEPTH));
    (if placed { p as u16 } else { 0 }, if placed & (barred == 0) { rank } else { NO_RANK })
}

/// Ranks whose minimum is kept.
pub(crate) const CHUNK: usize = 32;

/// The lowest rank of a victim of `tier` in each chunk.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx2", "x86_64+avx2"))]
pub(crate) fn chunk_minima(ranks: &[u32], metas: &[u32], tier: u32, minima: &mut [u32]) {
    for ((ranks, metas), minimum) in ranks.chunks(CHUNK).zip(metas.chunks(CHUNK)).zip(minima) {
        let mut lowest = NO_RANK as i32;
        for (&rank, &m) in ranks.iter().zip(metas) {
            let ours = m >> meta::TIER_LSB & 3 == tier;
            lowest = lowest.min(if ours { rank as i32 } else { NO_RANK as i32 });
        }
        *minimum = lowest as u32;
    }
}
