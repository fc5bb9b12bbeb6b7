//! Hit % against capacity: other policies, and the device itself with T1 alone.
//!
//! A policy takes milliseconds for a capacity; the device is replayed without bytes on a fresh emulator of the same
//! geometry, with the same steps and weights.

use crate::baseline::{Kind, curve, percent};
use crate::replay::report::Report;
use crate::replay::{Args, Capacity, Engine, ReplayError};
use crate::trace::Trace;
use indicatif::{ProgressBar, ProgressStyle};
use kvcpu_driver::Device;
use kvcpu_emulator::Emulator;
use kvcpu_mmio::{Backing, Geometry};
use std::sync::Arc;

/// Capacities of the curve.
const POINTS: usize = 7;
/// Powers of two above the replayed capacity at most.
const ABOVE: u32 = 2;
/// Load of the directory, in percent, up to which it takes every block (`docs/rtbd.md`).
const LOAD_PCT: u64 = 95;

/// Who a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Player {
    /// A policy.
    Policy(Kind),
    /// The device with T1 alone.
    Device,
}

impl Player {
    /// Its name in legends and tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Player::Policy(Kind::Belady) => "Belady (exact)",
            Player::Policy(kind) => kind.name(),
            Player::Device => "device (emulator, T1 only, metadata)",
        }
    }
}

/// The lines of the plot.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// The capacities, ascending, each twice the one before.
    pub(super) capacities: Vec<usize>,
    /// Hit % of each player at each capacity; none where the device cannot hold so many blocks.
    pub(super) lines: Vec<(Player, Vec<Option<f64>>)>,
    /// Capacity and hit % of the replay that is reported.
    pub(super) replayed: (usize, f64),
    /// Most blocks that the device of this geometry holds in T1.
    pub(super) device_limit: u64,
}

/// Powers of two times the replayed capacity: up to 4 times it, but not beyond what holds the whole trace.
fn capacities(replayed: usize, unique: usize) -> Vec<usize> {
    let replayed = replayed.max(1);
    let top = (0..=ABOVE).rev().map(|k| replayed << k).find(|&c| c <= unique).unwrap_or(replayed);
    let mut down: Vec<usize> = (0..POINTS).map_while(|k| Some(top >> k).filter(|&c| c > 0)).collect();
    down.reverse();
    down
}

/// Plays the trace at each capacity.
pub(super) fn compute(report: &Report, trace: &Trace, args: &Args, geometry: Geometry) -> Result<Curve, ReplayError> {
    let capacities = capacities(report.capacity_blocks as usize, report.unique_blocks);
    let card = (u64::from(geometry.t1_mib) << 20) / report.block_bytes.max(1) as u64;
    let device_limit = card.min(u64::from(geometry.entries()) * LOAD_PCT / 100);
    let mut lines = Vec::new();
    if !args.no_baselines {
        let dense = trace.dense();
        for kind in Kind::ALL {
            let line = curve(&[kind], &capacities, &dense).iter().map(|outcome| Some(outcome.hit_pct)).collect();
            lines.push((Player::Policy(kind), line));
        }
    }
    let progress = ProgressBar::new(capacities.len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} capacities for the report");
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut line = Vec::new();
    for &capacity in &capacities {
        let fits = capacity as u64 <= device_limit;
        line.push(if fits { Some(device_hit_pct(capacity, trace, args, geometry)?) } else { None });
        progress.inc(1);
    }
    progress.finish_and_clear();
    lines.push((Player::Device, line));
    Ok(Curve { capacities, lines, replayed: (report.capacity_blocks as usize, report.hit_pct), device_limit })
}

/// Replays the trace without bytes on a fresh emulator whose T1 holds `capacity` blocks.
fn device_hit_pct(capacity: usize, trace: &Trace, args: &Args, geometry: Geometry) -> Result<f64, ReplayError> {
    let emulator = Emulator::new(geometry).map_err(|error| ReplayError::Plot(error.to_string()))?;
    let device = Device::probe(Arc::new(emulator) as Arc<dyn Backing>)?;
    let t1 = Some(Capacity::Blocks(capacity as u64));
    let alone = Args { t0: None, t1, t2: None, t3: None, metadata_only: true, ..args.clone() };
    device.configure(alone.config(&geometry))?;
    let mut engine = Engine::new(&device)?;
    let first_ms = trace.requests().first().map_or(0, |request| request.timestamp_ms);
    for (request, chain) in trace.iter() {
        let timestamp_ms = request.timestamp_ms;
        let step = (timestamp_ms - first_ms) / args.step_ms;
        let step = u32::try_from(step).map_err(|_| ReplayError::StepOverflow { timestamp_ms, step })?;
        engine.request(step, chain)?;
    }
    let hits: u64 = engine.tally.hits_by_tier.iter().sum();
    Ok(percent(hits as usize, engine.tally.references as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_lie_round_the_replayed_one_and_end_at_the_trace() {
        assert_eq!(capacities(16_384, 183_166), [1024, 2048, 4096, 8192, 16_384, 32_768, 65_536]);
        assert_eq!(capacities(2048, 3000), [32, 64, 128, 256, 512, 1024, 2048]);
        assert_eq!(capacities(5000, 3000).last(), Some(&5000));
        assert_eq!(capacities(3, 4), [1, 3]);
        assert_eq!(capacities(0, 1), [1]);
    }
}
