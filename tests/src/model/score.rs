//! History counted in accesses, the eight policies, and what a block is worth under each: docs/hepc.md, Time, Score
//! and Policies.

use kvcpu_driver::Weights;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

use super::{Block, Model};

/// Policies that victims may be ranked by.
pub const POLICIES: usize = 8;
/// Largest score.
pub(super) const MAX_SCORE: u64 = 65_535;
/// Largest R.
const MAX_R: u64 = 16_383;
/// S of a block in service.
const MAX_S: u64 = 1023;
/// 32 * log2 of the frequency, rounded.
const F: [u64; 16] = [0, 0, 32, 51, 64, 74, 83, 90, 96, 101, 106, 111, 115, 118, 122, 125];

/// The clocks that history is told by; all count accesses, mod 2^32.
#[derive(Clone, Debug)]
pub struct Time {
    /// Accesses counted.
    pub clock: u32,
    /// The clock when the present chain began.
    pub stamp: u32,
    /// The next counted access begins a chain.
    pub pending: bool,
    /// The clock at the last STEP_ADVANCE.
    pub epoch: u32,
    /// The stamp at which R is 0.
    pub base: u32,
}

impl Default for Time {
    /// As at ENABLE.
    fn default() -> Time {
        Time { clock: 0, stamp: 0, pending: true, epoch: 0, base: 0 }
    }
}

/// What the worth of an entry depends on beside the entry, the chain in use and the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    policy: Policy,
    shift: u32,
    base: u32,
    /// The policy hears hints, and there are any.
    hinting: bool,
}

/// A row of the table of policies, and WR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    wr: u64,
    wf: u64,
    ws: u64,
    wd: u64,
    hears_hints: bool,
    probation: bool,
}

impl Policy {
    fn new(number: usize, given: Weights) -> Policy {
        let wf = u64::from(given.wf);
        let wf = match number {
            2 => wf >> 4,
            3 => wf >> 2,
            4 => wf - (wf >> 2),
            5 => 2 * wf - (wf >> 2),
            7 => wf,
            _ => 0,
        };
        let lru = number == 0;
        let [ws, wd] = [given.ws, given.wd].map(|weight| if lru { 0 } else { weight.into() });
        let wr = if lru { 1 } else { u64::from(given.wr) };
        Policy { wr, wf, ws, wd, hears_hints: hears_hints(number), probation: !lru }
    }
}

/// Whether DEAD and TARGET_VALID count under a policy.
fn hears_hints(policy: usize) -> bool {
    (1..=5).contains(&policy)
}

/// F of an entry.
pub(super) fn f_of(block: &Block) -> u64 {
    F[block.frequency as usize]
}

/// log2 in 1/32, truncated.
fn q5(x: u64) -> u64 {
    let e = u64::from(x.ilog2());
    32 * e + ((x << 5 >> e) & 31)
}

impl Model {
    /// Accesses per unit of R, log2.
    pub(super) fn shift(&self) -> u32 {
        if self.recency_shift != 0 {
            return self.recency_shift;
        }
        let log2 = self.guard.capacity.next_power_of_two().ilog2();
        log2.saturating_sub(6)
    }

    /// The terms of a policy, now.
    pub(super) fn terms(&self, policy: usize) -> Terms {
        let any = || self.blocks.values().any(|block| block.is(EntryFlags::TARGET_VALID));
        let policy = Policy::new(policy, self.weights);
        let hinting = policy.hears_hints && any();
        Terms { policy, shift: self.shift(), base: self.time.base, hinting }
    }

    /// The terms that victims are ranked by.
    pub(super) fn active_terms(&self) -> Terms {
        self.terms(self.guard.active())
    }

    /// Whether the block belongs to the chain in use.
    pub(super) fn in_service(&self, block: &Block) -> bool {
        block.access == self.time.stamp
    }

    /// P of a block.
    pub(super) fn score(&self, terms: &Terms, block: &Block) -> u64 {
        let policy = terms.policy;
        let recency = |access: u32| {
            let since = access.wrapping_sub(terms.base);
            if since >= 1 << 31 { 0 } else { u64::from(since >> terms.shift).min(MAX_R) }
        };
        let once = block.frequency <= 1 && block.child == 0 && !block.is(EntryFlags::PREFIX);
        let (r, f, s) = if self.in_service(block) {
            (recency(block.access), f_of(block), if terms.hinting { MAX_S } else { 0 })
        } else if block.is(EntryFlags::TARGET_VALID) && terms.hinting {
            let (target, now) = (u64::from(block.target), u64::from(self.now));
            let dt = if now > target { (now - target) / 4 } else { target - now }.min((1 << 24) - 2);
            (recency(self.time.epoch), 0, MAX_S - (2 * q5(dt + 1)).min(MAX_S))
        } else if once && policy.probation {
            (recency(block.access) >> 4, f_of(block), 0)
        } else {
            (recency(block.access), f_of(block), 0)
        };
        let d = if block.is(EntryFlags::BRANCH) {
            255
        } else if block.is(EntryFlags::PREFIX) {
            128
        } else {
            0
        };
        let merits = (policy.wf * f + policy.ws * s + policy.wd * d) >> terms.shift.saturating_sub(4);
        (policy.wr * r + merits).min(MAX_SCORE)
    }

    /// Whether a policy hears that the block will never be needed again.
    pub(super) fn dead_under(&self, policy: usize, block: &Block) -> bool {
        block.is(EntryFlags::DEAD) && hears_hints(policy)
    }

    /// Whether the block is dead, by the active policy.
    pub(super) fn dead(&self, block: &Block) -> bool {
        self.dead_under(self.guard.active(), block)
    }
}
