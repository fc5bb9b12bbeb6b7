//! Hit % against capacity: other policies, and the device itself with T1 alone.
//!
//! A policy takes milliseconds for a capacity; the device is replayed without bytes on a fresh emulator of the same
//! geometry, with the same steps and weights.

use crate::baseline::{Kind, curve, percent};
use crate::hint::NO_HINTS;
use crate::replay::report::Report;
use crate::replay::{Args, ReplayError, Script, most_blocks};
use indicatif::{ProgressBar, ProgressStyle};
use kvcpu_driver::Config;
use kvcpu_emulator::Emulator;
use kvcpu_mmio::Geometry;
use std::sync::Arc;

/// Capacities of the curve.
const POINTS: usize = 7;
/// Powers of two above the replayed capacity at most.
const ABOVE: u32 = 2;

/// Who a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Player {
    /// A policy.
    Policy(Kind),
    /// The device with T1 alone.
    Device,
}

/// The lines of the plot.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    /// The capacities, ascending.
    pub(crate) capacities: Vec<usize>,
    /// Hit % of each player at each capacity; none where the device cannot hold so many blocks.
    pub(crate) lines: Vec<(Player, Vec<Option<f64>>)>,
    /// Capacity and hit % of the replay that is reported, if there was one besides.
    pub(crate) replayed: Option<(usize, f64)>,
    /// What the device was told of the future.
    pub(crate) hints: String,
}

impl Curve {
    /// A line's name in legends and tables.
    pub(crate) fn name(&self, player: Player) -> String {
        match player {
            Player::Policy(Kind::Belady) => "Belady (exact)".to_string(),
            Player::Policy(kind) => kind.name().to_string(),
            Player::Device if self.hints == NO_HINTS => "device (emulator, T1 only, metadata)".to_string(),
            Player::Device => format!("device (emulator, T1 only, metadata), hints {}", self.hints),
        }
    }
}

/// Powers of two times the replayed capacity: up to 4 times it, but not beyond what holds the whole trace.
fn capacities(replayed: usize, unique: usize) -> Vec<usize> {
    let replayed = replayed.max(1);
    let top = (0..=ABOVE).rev().map(|k| replayed << k).find(|&c| c <= unique).unwrap_or(replayed);
    let mut down: Vec<usize> = (0..POINTS).map_while(|k| Some(top >> k).filter(|&c| c > 0)).collect();
    down.reverse();
    down
}

/// Most blocks that the device of this geometry holds in T1.
pub(super) fn device_limit(report: &Report, geometry: Geometry) -> u64 {
    most_blocks(&geometry, report.block_bytes as u64)
}

/// Plays the trace at each capacity.
pub(super) fn compute(
    report: &Report,
    script: &Script<'_>,
    args: &Args,
    geometry: Geometry,
) -> Result<Curve, ReplayError> {
    let capacities = capacities(report.capacity_blocks as usize, report.unique_blocks);
    let device_limit = device_limit(report, geometry);
    let mut lines = Vec::new();
    if !args.play.no_baselines {
        let dense = script.trace().dense();
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
        line.push(if fits { Some(device_hit_pct(capacity as u32, script, args, geometry)?) } else { None });
        progress.inc(1);
    }
    progress.finish_and_clear();
    lines.push((Player::Device, line));
    let replayed = Some((report.capacity_blocks as usize, report.hit_pct));
    Ok(Curve { capacities, lines, replayed, hints: script.hints() })
}

/// Replays the trace without bytes on a fresh emulator whose T1 holds `capacity` blocks.
fn device_hit_pct(capacity: u32, script: &Script<'_>, args: &Args, geometry: Geometry) -> Result<f64, ReplayError> {
    let emulator = Emulator::new(geometry).map_err(|error| ReplayError::Plot(error.to_string()))?;
    let deadline = Config::default().deadline;
    let hits = script.play_alone(capacity, args, Arc::new(emulator), deadline, 0, &|| ())?;
    Ok(percent(hits as usize, script.trace().references()))
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
