//! Which weights work, and where WF is to go: what tuning decides, without a device.

use kvcpu_mmio::regs::hepc::WEIGHTS;

/// Policies of the guard.
pub(super) const POLICIES: usize = 8;
/// WEIGHTS after a reset of the device.
pub(super) const DEFAULTS: u32 = WEIGHTS.reset as u32;

/// Largest WR that works: beside a greater one F and S do not fit P's 16 bits.
const WR_MOST: u8 = 2;
/// WF by default, for a WR of 1.
const WF_DEFAULT: u8 = DEFAULTS.to_le_bytes()[1];
/// Least WF for a WR of 1: 12 cost up to 0.4 points (mixed at 1k, seed 7), 6 up to 3.1 (scan at 4k, seed 4711).
pub(super) const WF_LEAST: u8 = WF_DEFAULT * 2 / 3;
/// Largest WF: four times the default. 255 costs up to 0.8 points (mixed at 1k).
pub(super) const WF_MOST: u8 = WF_DEFAULT * 4;
/// Largest WS: with the others at their most, P does not saturate (2 * 16383 + 168 * 125 + 11 * 1023 < 65536).
pub(super) const WS_MOST: u8 = 11;

/// Policies that differ in less than so many hits are equal: the guard's own margin.
const LEAST_MARGIN: u32 = 8;
/// log2 of the share by which a policy must be better for a step towards the default WF or down.
const MARGIN: u32 = 5;
/// log2 of the same for a step up from the default: it has less to gain, and was measured to lose 0.24 points on scan at 4k.
const MARGIN_UP: u32 = 4;

/// The least and the default WF beside `wr`.
fn bounds(wr: u8) -> (u8, u8) {
    (WF_LEAST.saturating_mul(wr), WF_DEFAULT.saturating_mul(wr))
}

/// Whether tuning may begin at these weights.
pub(super) fn works(weights: u32) -> bool {
    let [wr, wf, ws, wd] = weights.to_le_bytes();
    (1..=WR_MOST).contains(&wr) && (bounds(wr).0..=WF_MOST).contains(&wf) && ws <= WS_MOST && wd == 0
}

/// 1 if a greater WF looks better, -1 if a smaller does, else 0: always where hints matter, as WF moved against WS without a
/// policy that measures it lost up to 0.5 points with a quarter of the sessions known.
pub(super) fn wanted(weights: u32, hits: &[u32; POLICIES]) -> i8 {
    let [wr, wf, ..] = weights.to_le_bytes();
    let default = bounds(wr).1;
    let here = hits[4].max(hits[7]);
    let beats = |other: u32, margin: u32| other.saturating_sub(here) >= (here >> margin).max(LEAST_MARGIN);
    let (below, above) = (hits[2].max(hits[3]), hits[5]);
    // Policies 1 and 6 differ in their hearing alone.
    if hits[1].abs_diff(hits[6]) >= (hits[6] >> MARGIN).max(LEAST_MARGIN) {
        return 0;
    }
    if above >= below && beats(above, if wf < default { MARGIN } else { MARGIN_UP }) {
        1
    } else if below > above && beats(below, MARGIN) {
        -1
    } else {
        0
    }
}

/// A step of WF, which stops at the default on its way, and at its bounds.
pub(super) fn step(weights: u32, up: bool) -> u32 {
    let [wr, wf, ws, wd] = weights.to_le_bytes();
    let (least, default) = bounds(wr);
    let to = if up {
        let most = if wf < default { default } else { WF_MOST };
        wf.saturating_add((wf / 3).max(1)).min(most)
    } else {
        let least = if wf > default { default } else { least };
        (wf - wf / 4).max(least)
    };
    u32::from_le_bytes([wr, to, ws, wd])
}
