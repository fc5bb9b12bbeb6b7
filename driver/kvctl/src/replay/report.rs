//! What a replay found: the object that `--json` prints and tables and pages are made from.
//! `docs/replay.md` documents each member.

use super::engine::Tally;
use super::prefetch::Prefetch;
use super::timeline::Point;
use crate::baseline::{Outcome, gap_closed};
use crate::hint::NO_HINTS;
use crate::trace::Reading;
use kvcpu_driver::{Config, Counters, Device};
use kvcpu_mmio::geometry::TIERS;
use serde::Serialize;

/// A policy on the same references.
#[derive(Clone, Debug, Serialize)]
pub struct Baseline {
    /// Its name.
    pub policy: &'static str,
    /// Its capacity.
    pub capacity_blocks: usize,
    /// Share of references that hit.
    pub hit_pct: f64,
    /// Its own speed, in the same run.
    pub references_per_s: f64,
}

/// The result of a replay.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The trace.
    pub trace: String,
    /// The backing.
    pub device: String,
    /// What the device was told of the future: "none", or which oracle hints.
    pub hints: String,
    /// No bytes were moved.
    pub metadata_only: bool,
    /// Size of a block.
    pub block_bytes: usize,
    /// Blocks all tiers hold together.
    pub capacity_blocks: u64,
    /// Blocks each tier holds.
    pub capacity_by_tier: [u32; TIERS],
    /// Frames each tier has beyond that, for lazy invalidation.
    pub quarantine_by_tier: [u32; TIERS],
    /// Requests replayed.
    pub requests: usize,
    /// Trace lines passed over.
    pub skipped_lines: u64,
    /// Blocks named by requests.
    pub references: u64,
    /// Distinct blocks among them.
    pub unique_blocks: usize,
    /// Those in the leading resident run of their request.
    pub hits: u64,
    /// The same as a share.
    pub hit_pct: f64,
    /// By the tier the block was found in.
    pub hits_by_tier: [u64; TIERS],
    /// Share of the gap between LRU and Belady that the device closed; absent without baselines or
    /// without a gap.
    pub gap_closed_pct: Option<f64>,
    /// Bytes moved between tiers, and between tiers and the runtime; with `metadata_only` what would
    /// have moved between tiers.
    pub bytes_moved: u64,
    /// Bytes moved from tier (row) to tier (column).
    pub move_bytes: [[u64; TIERS]; TIERS],
    /// Bytes written into tiers by the runtime.
    pub copy_in_bytes: [u64; TIERS],
    /// Bytes read from tiers by the runtime.
    pub copy_out_bytes: [u64; TIERS],
    /// Blocks read back and compared, the final check of all residents included.
    pub blocks_checked: u64,
    /// Blocks whose bytes were not their key's.
    pub mismatches: u64,
    /// Hits that could not be read: their blocks were pushed out of reach before.
    pub unread: u64,
    /// Blocks the device did not take.
    pub not_inserted: u64,
    /// Blocks resident after the last request.
    pub resident_at_end: [u64; TIERS],
    /// Invalidations that eager release would have sent.
    pub shootdowns_needed: u64,
    /// Invalidations sent.
    pub shootdowns_sent: u64,
    /// Their difference as a share of those needed.
    pub shootdowns_elided_pct: f64,
    /// Frames reused while an agent could still read them; 0 on a correct device.
    pub luf_violations: u32,
    /// Decisions by latency: element i counts 2^i to 2^(i+1)-1 ticks.
    pub decision_hist: [u64; 16],
    /// Longest decision in ticks.
    pub decision_max: u64,
    /// Ticks a second.
    pub timebase_hz: u32,
    /// Directory entries left after all blocks had been released; 0 on a correct device.
    pub entries_left: u32,
    /// All counters of the device.
    pub counters: Counters,
    /// Time from the first request to the end of the last move.
    pub seconds: f64,
    /// Speed of the replay.
    pub references_per_s: f64,
    /// Other policies with the same capacity on the same references.
    pub baselines: Vec<Baseline>,
    /// Commands that a second device beside this one completed alike; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<u64>,
    /// How well prefetches went; absent unless the device was told of next uses and has tiers to prefetch from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefetch: Option<Prefetch>,
    /// Hits and occupancy over time.
    pub timeline: Vec<Point>,
}

fn percent(part: u64, whole: u64) -> f64 {
    crate::baseline::percent(part as usize, whole as usize)
}

impl Report {
    pub(super) fn new(
        trace: String,
        device: &Device,
        config: &Config,
        reading: &Reading,
        tally: &Tally,
        counters: &Counters,
        seconds: f64,
    ) -> Report {
        let move_bytes: [[u64; TIERS]; TIERS] =
            std::array::from_fn(|from| std::array::from_fn(|to| counters.move_bytes[TIERS * from + to]));
        let copies: u64 = counters.copy_in_bytes.iter().chain(&counters.copy_out_bytes).sum();
        let hits = tally.hits_by_tier.iter().sum();
        let (needed, sent) = (counters.shootdowns_needed, counters.shootdowns_sent);
        Report {
            trace,
            device: device.backing().name(),
            hints: NO_HINTS.to_string(),
            metadata_only: config.metadata_only,
            block_bytes: config.block_bytes(),
            capacity_blocks: config.tiers.iter().map(|tier| u64::from(tier.limit)).sum(),
            capacity_by_tier: config.tiers.map(|tier| tier.limit),
            quarantine_by_tier: config.tiers.map(|tier| tier.frames - tier.limit),
            requests: reading.trace.len(),
            skipped_lines: reading.skipped.total,
            references: tally.references,
            unique_blocks: reading.trace.unique(),
            hits,
            hit_pct: percent(hits, tally.references),
            hits_by_tier: tally.hits_by_tier,
            gap_closed_pct: None,
            bytes_moved: counters.move_bytes.iter().sum::<u64>() + copies,
            move_bytes,
            copy_in_bytes: counters.copy_in_bytes,
            copy_out_bytes: counters.copy_out_bytes,
            blocks_checked: tally.checked,
            mismatches: tally.mismatches,
            unread: tally.unread,
            not_inserted: tally.not_inserted,
            resident_at_end: [0; TIERS],
            shootdowns_needed: needed,
            shootdowns_sent: sent,
            shootdowns_elided_pct: percent(needed.saturating_sub(sent), needed),
            luf_violations: 0,
            entries_left: 0,
            decision_hist: counters.decision_hist,
            decision_max: counters.decision_max,
            timebase_hz: device.read(&kvcpu_mmio::regs::control::TIMEBASE_HZ).unwrap_or(0) as u32,
            counters: counters.clone(),
            seconds,
            references_per_s: if seconds > 0.0 { tally.references as f64 / seconds } else { 0.0 },
            baselines: Vec::new(),
            compared: None,
            prefetch: None,
            timeline: Vec::new(),
        }
    }

    /// Adds policies that ran on the same references, and the share of the gap closed.
    pub(super) fn add_baselines(&mut self, outcomes: &[Outcome]) {
        self.baselines = outcomes
            .iter()
            .map(|outcome| Baseline {
                policy: outcome.policy,
                capacity_blocks: outcome.capacity_blocks,
                hit_pct: outcome.hit_pct,
                references_per_s: outcome.references_per_s(),
            })
            .collect();
        let hit_pct = |name: &str| self.baselines.iter().find(|b| b.policy == name).map(|b| b.hit_pct);
        self.gap_closed_pct = match (hit_pct("LRU"), hit_pct("Belady")) {
            (Some(lru), Some(best)) => gap_closed(self.hit_pct, lru, best),
            _ => None,
        };
    }

    /// Latency in ticks below which `share` (0 to 1) of the decisions lie, rounded up to a power
    /// of two; `None` without decisions, or if it lies in the last, open-ended class.
    pub fn decision_quantile(&self, share: f64) -> Option<u64> {
        let total: u64 = self.decision_hist.iter().sum();
        let wanted = (total as f64 * share).ceil() as u64;
        let mut sum = 0;
        let bucket = self.decision_hist.iter().position(|n| {
            sum += n;
            sum >= wanted.max(1)
        })?;
        (bucket + 1 < self.decision_hist.len()).then_some(2 << bucket)
    }
}
