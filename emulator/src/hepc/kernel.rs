//! The sweep's inner loops, written for the autovectoriser and compiled for AVX2 too where the
//! machine has it.
//!
//! `multiversion` expands to calls of target-feature functions, which are unsafe in form; it
//! checks the feature itself before it calls.
#![allow(unsafe_code)]

use super::score::{D_BRANCH, D_PREFIX, DT_MAX, NO_RANK, R_MAX, Scorer};
use crate::rtbd::meta;
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};
use multiversion::multiversion;

const fn flag(flag: EntryFlags) -> u32 {
    (flag.bits() as u32) << meta::FLAGS_LSB
}

/// log2 in eighths: a float's exponent and the top of its mantissa. Exact below 2^24, where the
/// conversion does not round.
#[inline(always)]
fn q3(x: u32) -> u32 {
    ((x as i32 as f32).to_bits() >> 20).wrapping_sub(127 * 8)
}

/// Scores every entry that is placed, and ranks every entry that may be a victim of its tier.
///
/// The columns are arguments of their own so that the compiler knows that they do not overlap.
/// `target` is empty if no entry has one: then S is 0 throughout and not computed.
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
            (*score, *rank) = score_one(scorer, m, access, 0);
        }
    } else {
        for (((&m, &access), &target), (score, rank)) in metas.iter().zip(access).zip(target).zip(outputs) {
            (*score, *rank) = score_one(scorer, m, access, proximity(scorer, m, target));
        }
    }
}

/// S of an entry.
#[inline(always)]
pub(crate) fn proximity(scorer: &Scorer, m: u32, target: u32) -> u32 {
    let dt = target.max(scorer.now) - target.min(scorer.now);
    if m & flag(EntryFlags::TARGET_VALID) == 0 { 0 } else { 255 - q3(dt.min(DT_MAX) + 1) }
}

/// Score and rank of one entry. Factors are masked to the bits they have, which lets the compiler
/// use 16-bit multiplications.
#[inline(always)]
pub(crate) fn score_one(scorer: &Scorer, m: u32, access: u32, s: u32) -> (u16, u32) {
    let w = scorer.weights;
    let r = R_MAX - (scorer.now.wrapping_sub(access) >> (scorer.recency_shift & 31)).min(R_MAX);
    let frequency = m >> meta::FREQUENCY_LSB & 15;
    let f = if frequency == 0 { 0 } else { 4 * q3(frequency) };
    let prefix = if m & flag(EntryFlags::PREFIX) == 0 { 0 } else { w.wd * D_PREFIX };
    let d = if m & flag(EntryFlags::BRANCH) == 0 { prefix } else { w.wd * D_BRANCH };
    let sum = ((w.wr & 0xFF) * (r & 0xFFF)) + ((w.wf & 0xFF) * (f & 0xFF)) + ((w.ws & 0xFF) * (s & 0xFF)) + d;
    let p = sum.min(0xFFFF);
    let state = m >> meta::STATE_LSB & 3;
    // Free and ghost entries have score 0, and keep it.
    let placed = (state == EntryState::Resident as u32) | (state == EntryState::InFlight as u32);
    let barred = m & (flag(EntryFlags::HOT) | flag(EntryFlags::RETAINED) | meta::SHARED);
    let alive = if m & flag(EntryFlags::DEAD) == 0 { 1 << 28 } else { 0 };
    let rank = alive | p << 12 | (meta::DEPTH - (m & meta::DEPTH));
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
