//! Hits and occupancy over the trace's time, for the plots.

use kvcpu_mmio::geometry::TIERS;
use serde::Serialize;

/// Points of a timeline.
const POINTS: u64 = 120;

/// One stretch of trace time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Point {
    /// Its end, from the beginning of the trace.
    pub end_ms: u64,
    /// References in it.
    pub references: u64,
    /// Hits in it, by tier.
    pub hits_by_tier: [u64; TIERS],
    /// Blocks resident at its end, by tier.
    pub used: [u32; TIERS],
}

/// The points, filled in time order.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    first_ms: u64,
    width_ms: u64,
    points: Vec<Point>,
}

impl Timeline {
    /// For a trace from `first_ms` to `last_ms`.
    pub(super) fn new(first_ms: u64, last_ms: u64) -> Timeline {
        let width_ms = (last_ms.saturating_sub(first_ms) / POINTS).max(1) + 1;
        Timeline { first_ms, width_ms, points: Vec::new() }
    }

    /// Whether `now_ms` lies beyond the present point, so that the occupancy is wanted.
    pub(super) fn ends_before(&self, now_ms: u64) -> bool {
        self.points.last().is_some_and(|point| now_ms - self.first_ms >= point.end_ms)
    }

    /// Notes the occupancy at the end of the present point.
    pub(super) fn close(&mut self, used: [u32; TIERS]) {
        if let Some(point) = self.points.last_mut() {
            point.used = used;
        }
    }

    /// Counts a request.
    pub(super) fn add(&mut self, now_ms: u64, references: u64, hits_by_tier: [u64; TIERS]) {
        let at = now_ms.saturating_sub(self.first_ms);
        let end_ms = (at / self.width_ms + 1) * self.width_ms;
        if self.points.last().is_none_or(|point| point.end_ms < end_ms) {
            let used = self.points.last().map_or([0; TIERS], |point| point.used);
            self.points.push(Point { end_ms, used, ..Point::default() });
        }
        if let Some(point) = self.points.last_mut() {
            point.references += references;
            for (sum, hits) in point.hits_by_tier.iter_mut().zip(hits_by_tier) {
                *sum += hits;
            }
        }
    }

    /// The points.
    pub(super) fn into_points(self) -> Vec<Point> {
        self.points
    }
}
