//! nextpnr's report (`--report`): what is used of the part, how fast each clock may be, and the path that limits it.

use super::at_pins::Net;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Wires of a critical path shorter than this are not shown, in ns: carry chains, and wires within a slice.
const SHORT: f64 = 0.3;

/// Of the report, what is looked at.
#[derive(Deserialize)]
pub(super) struct Report {
    fmax: BTreeMap<String, Fmax>,
    utilization: BTreeMap<String, Used>,
    #[serde(default)]
    critical_paths: Vec<CriticalPath>,
    /// With `--detailed-timing-report` only.
    #[serde(default)]
    detailed_net_timings: Vec<Net>,
}

#[derive(Deserialize)]
struct Fmax {
    /// MHz.
    achieved: f64,
    /// MHz that were asked for.
    constraint: f64,
}

/// Cells of a kind.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Used {
    pub(super) used: u64,
    pub(super) available: u64,
}

#[derive(Deserialize)]
struct CriticalPath {
    from: String,
    to: String,
    path: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    delay: f64,
    /// Of a step along a wire.
    net: Option<String>,
}

/// A clock of a design.
pub(super) struct Clock<'a> {
    pub(super) name: &'a str,
    /// MHz.
    pub(super) achieved: f64,
    /// MHz that were asked for.
    pub(super) asked: f64,
}

impl Clock<'_> {
    /// What is left of a period, in ns; negative: so much is missing.
    pub(super) fn slack_ns(&self) -> f64 {
        1_000.0 / self.asked - 1_000.0 / self.achieved
    }
}

impl Report {
    /// Reads it.
    pub(super) fn read(path: &Path) -> Result<Report> {
        let text = std::fs::read_to_string(path).with_context(|| format!("no report {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}: not the report of nextpnr 0.11", path.display()))
    }

    /// Cells of this kind.
    pub(super) fn used(&self, cell: &str) -> Used {
        self.utilization.get(cell).copied().unwrap_or(Used { used: 0, available: 0 })
    }

    /// All clocks; none if no path is from register to register.
    pub(super) fn clocks(&self) -> impl Iterator<Item = Clock<'_>> {
        self.fmax
            .iter()
            .map(|(name, fmax)| Clock { name, achieved: fmax.achieved, asked: fmax.constraint })
    }

    /// The ways that end at each net's cells, where they were asked for.
    pub(super) fn nets(&self) -> impl Iterator<Item = &Net> {
        self.detailed_net_timings.iter()
    }

    /// The path that limits the clock, from register to register, and how long it takes.
    pub(super) fn path(&self) -> Option<String> {
        let clocked = |ends: &&CriticalPath| !ends.from.contains("async") && !ends.to.contains("async");
        let critical = self.critical_paths.iter().find(clocked)?;
        let total: f64 = critical.path.iter().map(|step| step.delay).sum();
        let mut text = format!("{total:.1} ns\n");
        for (delay, net) in critical.path.iter().filter_map(|step| Some((step.delay, step.net.as_ref()?))) {
            if delay < SHORT {
                continue;
            }
            let _ = writeln!(text, "  {delay:5.2} ns along {net}");
        }
        Some(text)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::fpga) const REPORT: &str = r#"{
        "critical_paths": [
            {"from": "<async>", "to": "posedge clock", "path": []},
            {"from": "posedge clock", "to": "posedge clock", "path": [
                {"delay": 0.5, "type": "clk-to-q"}, {"delay": 7.5, "net": "pc", "type": "routing"}]}],
        "fmax": {"clock": {"achieved": 125.0, "constraint": 100.0}, "other": {"achieved": 99.6, "constraint": 100.0}},
        "utilization": {"TRELLIS_COMB": {"used": 7, "available": 83640}, "DP16KD": {"used": 2, "available": 208}}}"#;

    #[test]
    fn the_path_between_registers_is_shown() {
        let report: Report = serde_json::from_str(REPORT).unwrap();
        assert_eq!(report.path().unwrap(), "8.0 ns\n   7.50 ns along pc\n");
    }

    #[test]
    fn slack_is_negative_where_time_is_missing() {
        let report: Report = serde_json::from_str(REPORT).unwrap();
        let slack: Vec<f64> = report.clocks().map(|clock| clock.slack_ns()).collect();
        assert!((slack[0] - 2.0).abs() < 1e-9 && slack[1] < 0.0, "{slack:?}");
    }
}
