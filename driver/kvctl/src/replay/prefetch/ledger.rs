//! Times what was seen of prefetches and counts it. It knows nothing of the device: it is told of promotions and requests
//! in the order of their times.

use super::super::engine::Engine;
use super::super::timing::{Channels, ms_to_ns};
use super::Promotion;
use super::report::{ChannelUse, Prefetch, Share, Stall};
use kvcpu_mmio::geometry::TIERS;
use std::collections::HashMap;

/// A block moved up ahead of its use and not used yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    from: u8,
    done_ns: u64,
}

/// When a block that was used has arrived: as it was, and had it been fetched on demand.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    real_ns: u64,
    on_demand_ns: u64,
}

/// Stalls of requests.
#[derive(Clone, Copy, Debug, Default)]
struct Stalls {
    requests: u64,
    total_ns: u64,
    longest_ns: u64,
}

impl Stalls {
    fn add(&mut self, ns: u64) {
        self.requests += u64::from(ns > 0);
        self.total_ns = self.total_ns.saturating_add(ns);
        self.longest_ns = self.longest_ns.max(ns);
    }

    fn report(&self) -> Stall {
        let seconds = |ns: u64| ns as f64 / 1e9;
        Stall { requests: self.requests, total_s: seconds(self.total_ns), longest_s: seconds(self.longest_ns) }
    }
}

/// The account of a replay's prefetches.
#[derive(Clone, Debug)]
pub struct Ledger {
    prefetch_tier: u8,
    block_bytes: u64,
    /// The channels as they were used.
    real: Channels,
    /// The same had every block been fetched when it was needed.
    on_demand_only: Channels,
    pending: HashMap<u64, Pending>,
    arrivals: HashMap<u64, Arrival>,
    promoted: u64,
    on_time: u64,
    late: u64,
    on_demand: u64,
    wasted: u64,
    pushed_out: u64,
    lookups: u64,
    stalls: Stalls,
    stalls_on_demand_only: Stalls,
}

impl Ledger {
    /// An empty one, for blocks of `block_bytes` that are served from `prefetch_tier`.
    pub fn new(prefetch_tier: u8, block_bytes: u64) -> Ledger {
        Ledger {
            prefetch_tier,
            block_bytes,
            real: Channels::new(block_bytes),
            on_demand_only: Channels::new(block_bytes),
            pending: HashMap::new(),
            arrivals: HashMap::new(),
            promoted: 0,
            on_time: 0,
            late: 0,
            on_demand: 0,
            wasted: 0,
            pushed_out: 0,
            lookups: 0,
            stalls: Stalls::default(),
            stalls_on_demand_only: Stalls::default(),
        }
    }

    /// Notes a request that `engine` has served, `at_ms` from the beginning: `run` blocks of `chain` were hits.
    pub(in crate::replay) fn serve(
        &mut self,
        at_ms: u64,
        step_ms: u64,
        chain: &[u64],
        run: usize,
        engine: &mut Engine,
    ) {
        let seen = engine.seen();
        for Promotion { tag, from, step } in seen.ahead {
            self.promoted(ms_to_ns(u64::from(step).saturating_mul(step_ms)), tag, from);
        }
        let at_ns = ms_to_ns(at_ms);
        self.request(at_ns, chain, engine.found(), run);
        for Promotion { tag, from, .. } in seen.hinted {
            self.promoted(at_ns, tag, from);
        }
        self.pushed_out += seen.pushed_out;
        self.lookups += seen.lookups;
    }

    /// At `at_ns` it was decided to move block `tag` of tier `from` up ahead of its use.
    pub fn promoted(&mut self, at_ns: u64, tag: u64, from: u8) {
        self.promoted += 1;
        let done_ns = self.real.fetch(from, at_ns);
        // Promoted anew, so it had left the prefetch tier in between, unused.
        self.wasted += u64::from(self.pending.insert(tag, Pending { from, done_ns }).is_some());
    }

    /// A request came at `at_ns` for the blocks of `chain`, which were in the tiers `found`; the first `run` are hits.
    pub fn request(&mut self, at_ns: u64, chain: &[u64], found: &[Option<u8>], run: usize) {
        let (mut last, mut last_on_demand) = (at_ns, at_ns);
        for (i, (&tag, &tier)) in chain.iter().zip(found).enumerate() {
            let pending = self.pending.remove(&tag);
            let Some(tier) = tier.filter(|_| i < run) else {
                // It left unused, or lies behind a gap, where it is of no use.
                self.wasted += u64::from(pending.is_some());
                self.arrivals.remove(&tag);
                continue;
            };
            let arrival = match pending {
                Some(Pending { from, done_ns }) if tier <= self.prefetch_tier => {
                    *(if done_ns <= at_ns { &mut self.on_time } else { &mut self.late }) += 1;
                    Arrival { real_ns: done_ns, on_demand_ns: self.on_demand_only.fetch(from, at_ns) }
                }
                _ if tier > self.prefetch_tier => {
                    self.wasted += u64::from(pending.is_some());
                    self.on_demand += 1;
                    let real_ns = self.real.fetch(tier, at_ns);
                    Arrival { real_ns, on_demand_ns: self.on_demand_only.fetch(tier, at_ns) }
                }
                // There since its last use, but perhaps on its way still from what that fetched.
                _ => match self.arrivals.get(&tag) {
                    Some(arrival) => *arrival,
                    None => continue,
                },
            };
            self.arrivals.insert(tag, arrival);
            last = last.max(arrival.real_ns);
            last_on_demand = last_on_demand.max(arrival.on_demand_ns);
        }
        self.stalls.add(last - at_ns);
        self.stalls_on_demand_only.add(last_on_demand - at_ns);
    }

    /// The report, without what only the device and the options know. What is pending is wasted.
    pub fn report(&self) -> Prefetch {
        let hits_below = self.on_time + self.late + self.on_demand;
        let wasted = self.wasted + self.pending.len() as u64;
        let share = |blocks, of| Share::new(blocks, of, self.block_bytes);
        let (stall, stall_on_demand_only) = (self.stalls.report(), self.stalls_on_demand_only.report());
        let saved_s = stall_on_demand_only.total_s - stall.total_s;
        let on_demand_s = stall_on_demand_only.total_s;
        Prefetch {
            model_block_bytes: self.block_bytes,
            lookahead_steps: [0; TIERS],
            hits_below,
            on_time: share(self.on_time, hits_below),
            late: share(self.late, hits_below),
            on_demand: share(self.on_demand, hits_below),
            promoted_ahead: self.promoted,
            wasted: share(wasted, self.promoted),
            pushed_out: self.pushed_out,
            stall,
            stall_on_demand_only,
            saved_s,
            saved_pct: if on_demand_s > 0.0 { 100.0 * (saved_s / on_demand_s) } else { 0.0 },
            channels: self.channels(),
            lookups: self.lookups,
            promotions_unseen: 0,
        }
    }

    fn channels(&self) -> Vec<ChannelUse> {
        let first = usize::from(self.prefetch_tier) + 1;
        let up = self.real.up().iter().enumerate().skip(first);
        up.map(|(tier, up)| ChannelUse::up(tier, up)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of 3 MB: 1 ms and 0.1 ms of latency from T3; 0.12 ms and 400 ns from T2.
    const BYTES: u64 = 3_000_000;
    const MS: u64 = 1_000_000;

    fn counts(report: &Prefetch) -> [u64; 5] {
        [report.hits_below, report.on_time.blocks, report.late.blocks, report.on_demand.blocks, report.wasted.blocks]
    }

    fn ns(seconds: f64) -> u64 {
        (seconds * 1e9).round() as u64
    }

    #[test]
    fn on_time_late_and_on_demand_by_hand() {
        let mut ledger = Ledger::new(1, BYTES);
        // Asked for at 0: 1 is there at 1.1 ms, 2 behind it at 2.1 ms.
        ledger.promoted(0, 1, 3);
        ledger.promoted(0, 2, 3);
        // At 1.5 ms: 1 on time; 2 late by 0.6 ms; 3 behind it in T3's queue from 2 to 3 ms, there at 3.1 ms; 4 from T2.
        ledger.request(3 * MS / 2, &[1, 2, 3, 4], &[Some(1), Some(1), Some(3), Some(2)], 4);
        let report = ledger.report();
        assert_eq!(counts(&report), [4, 1, 1, 2, 0]);
        assert_eq!((report.on_time.pct, report.on_time.bytes), (25.0, BYTES));
        assert_eq!((report.stall.requests, ns(report.stall.total_s)), (1, 1_600_000));
        // All three of T3 on demand: 3 ms and 0.1 ms of latency.
        assert_eq!(ns(report.stall_on_demand_only.total_s), 3_100_000);
        assert_eq!((ns(report.saved_s), report.saved_pct.round()), (1_500_000, 48.0));
        assert_eq!((report.channels[0].up_blocks, report.channels[1].up_blocks), (1, 3));
        assert_eq!(ns(report.channels[1].up_longest_wait_s), MS, "2 behind 1");
    }

    #[test]
    fn wasted_by_hand() {
        let mut ledger = Ledger::new(1, BYTES);
        for tag in 1..=5 {
            ledger.promoted(0, tag, 2);
        }
        // 1 used. 2 had left again: fetched on demand. 3 had left for good. 4 lies behind that gap.
        ledger.request(MS, &[1, 2], &[Some(1), Some(2)], 2);
        ledger.request(2 * MS, &[3, 4], &[None, Some(1)], 0);
        // 5 left and is promoted anew; nobody asks for it until the end.
        ledger.promoted(3 * MS, 5, 3);
        let report = ledger.report();
        assert_eq!((counts(&report), report.promoted_ahead), ([2, 1, 0, 1, 5], 6));
        assert_eq!(report.wasted.pct.round(), 83.0);
    }

    /// A block that an earlier request is still waiting for delays the next one, too, but was not below for it.
    #[test]
    fn what_is_on_its_way_delays_every_request() {
        let mut ledger = Ledger::new(1, BYTES);
        ledger.request(0, &[1], &[Some(3)], 1);
        ledger.request(MS, &[1], &[Some(1)], 1);
        ledger.request(2 * MS, &[1], &[Some(1)], 1);
        let report = ledger.report();
        assert_eq!(counts(&report), [1, 0, 0, 1, 0]);
        assert_eq!((report.stall.requests, ns(report.stall.total_s)), (2, 1_100_000 + 100_000));
        assert_eq!(report.stall, report.stall_on_demand_only);
        assert_eq!((report.saved_s, report.saved_pct), (0.0, 0.0));
    }

    #[test]
    fn nothing_seen_is_a_report_of_zeros() {
        let report = Ledger::new(1, BYTES).report();
        assert_eq!((counts(&report), report.saved_pct, report.on_time.pct), ([0; 5], 0.0, 0.0));
    }
}
