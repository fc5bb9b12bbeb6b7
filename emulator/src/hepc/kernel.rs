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

/// The columns of the directory that the scorer reads, and those it writes.
pub(crate) struct Columns<'a> {
    pub(crate) meta: &'a [u32],
    pub(crate) access: &'a [u32],
    pub(crate) target: &'a [u32],
    pub(crate) score: &'a mut [u16],
    pub(crate) rank: &'a mut [u32],
}

/// Scores every entry that is placed, and ranks every entry that may be a victim of its tier.
#[multiversion(targets("x86_64+avx2+fma+bmi2"))]
pub(crate) fn score_all(columns: Columns<'_>, scorer: Scorer, any_target: bool) {
    let Columns { meta: metas, access, target, score, rank } = columns;
    let n = metas.len();
    let (access, target, score, rank) = (&access[..n], &target[..n], &mut score[..n], &mut rank[..n]);
    let w = scorer.weights;
    for i in 0..n {
        let m = metas[i];
        let state = m >> meta::STATE_LSB & 3;
        let r = R_MAX - (scorer.now.wrapping_sub(access[i]) >> scorer.recency_shift).min(R_MAX);
        let frequency = m >> meta::FREQUENCY_LSB & 15;
        let f = if frequency == 0 { 0 } else { 4 * q3(frequency) };
        let s = if any_target {
            let dt = target[i].max(scorer.now) - target[i].min(scorer.now);
            if m & flag(EntryFlags::TARGET_VALID) == 0 { 0 } else { 255 - q3(dt.min(DT_MAX) + 1) }
        } else {
            0
        };
        let prefix = if m & flag(EntryFlags::PREFIX) == 0 { 0 } else { D_PREFIX };
        let d = if m & flag(EntryFlags::BRANCH) == 0 { prefix } else { D_BRANCH };
        let p = (w.wr * r + w.wf * f + w.ws * s + w.wd * d).min(0xFFFF);
        let placed = state == EntryState::Resident as u32 || state == EntryState::InFlight as u32;
        score[i] = if placed { p as u16 } else { score[i] };
        let barred = m & (flag(EntryFlags::HOT) | flag(EntryFlags::RETAINED) | meta::SHARED);
        let eligible = state == EntryState::Resident as u32 && barred == 0;
        let alive = if m & flag(EntryFlags::DEAD) == 0 { 1 << 28 } else { 0 };
        let value = alive | p << 12 | (meta::DEPTH - (m & meta::DEPTH));
        rank[i] = if eligible { value } else { NO_RANK };
    }
}

/// Appends to `out` the numbers of the chunks of `CHUNK` ranks from `from` on that hold one below
/// `threshold`; stops after the first.
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn next_chunk_below(ranks: &[u32], from: usize, threshold: u32) -> Option<usize> {
    for (number, chunk) in ranks.chunks(CHUNK).enumerate().skip(from) {
        let mut hits = 0u32;
        for &rank in chunk {
            hits |= u32::from((rank as i32) < (threshold as i32));
        }
        if hits != 0 {
            return Some(number);
        }
    }
    None
}

/// Ranks looked at together.
pub(crate) const CHUNK: usize = 64;
