//! What a sweep found: a flat list of rows for programs, a table for each trace for people.

use std::fmt;

use comfy_table::CellAlignment;
use serde::Serialize;

use super::{Half, Tuned};
use crate::baseline::{Kind, gap_closed, percent};
use crate::hint::NO_HINTS;
use crate::output;

/// The device's name among the policies.
pub const DEVICE: &str = "device";

/// One policy at one capacity. `docs/policy.md` documents each member.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The trace.
    pub trace: String,
    /// The policy, or [`DEVICE`].
    pub policy: &'static str,
    /// Its capacity.
    pub capacity_blocks: u32,
    /// What it was told of the future.
    pub hints: String,
    /// Share of the references that hit.
    pub hit_pct: f64,
    /// Share of the gap between LRU and Belady that it closes; absent without these, or without a gap.
    pub gap_closed_pct: Option<f64>,
    /// References that hit.
    pub hits: u64,
    /// References counted.
    pub references: u64,
    /// The requests counted.
    pub half: &'static str,
    /// What tuning did; absent without `--tune`, and of the baselines.
    #[serde(flatten)]
    pub tuned: Option<Tuned>,
}

/// A trace at all capacities.
#[derive(Clone, Debug)]
pub struct Swept {
    /// The trace.
    pub trace: String,
    /// Its requests.
    pub requests: usize,
    /// References of those requests that count.
    pub references: usize,
    /// Distinct blocks.
    pub unique: usize,
    /// Trace lines passed over.
    pub skipped_lines: u64,
    /// What the device was told of the future.
    pub hints: String,
    /// The requests that count.
    pub half: Half,
    /// The capacities, ascending.
    pub capacities: Vec<u32>,
    /// Hits of each policy at each capacity, in the order of reports; the device is [`None`].
    pub lines: Vec<(Option<Kind>, Vec<u64>)>,
    /// What tuning did to the device at each capacity; empty without `--tune`.
    pub tuned: Vec<Tuned>,
}

/// All that a sweep found.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The traces, in the order they were named.
    pub traces: Vec<Swept>,
}

impl Sweep {
    /// A row for each policy at each capacity: by trace, then policy, then capacity.
    pub fn rows(&self) -> Vec<Row> {
        self.traces.iter().flat_map(Swept::rows).collect()
    }
}

impl Swept {
    /// Hit percentages of a line.
    pub fn hit_pct(&self, hits: &[u64]) -> Vec<f64> {
        hits.iter().map(|&hits| percent(hits as usize, self.references)).collect()
    }

    /// The share of the gap that a line closes, by capacity.
    pub fn gap_closed(&self, hits: &[u64]) -> Vec<Option<f64>> {
        let line = |kind| self.lines.iter().find(|(who, _)| *who == Some(kind)).map(|(_, hits)| self.hit_pct(hits));
        let (Some(lru), Some(best)) = (line(Kind::Lru), line(Kind::Belady)) else { return vec![None; hits.len()] };
        let ends = lru.into_iter().zip(best);
        self.hit_pct(hits)
            .into_iter()
            .zip(ends)
            .map(|(hit_pct, (lru, best))| gap_closed(hit_pct, lru, best))
            .collect()
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (who, line) in &self.lines {
            let shares = self.hit_pct(line).into_iter().zip(self.gap_closed(line));
            let cells = self.capacities.iter().zip(line).zip(shares).enumerate();
            for (cell, ((capacity, hits), (hit_pct, gap_closed_pct))) in cells {
                rows.push(Row {
                    trace: self.trace.clone(),
                    policy: who.map_or(DEVICE, Kind::name),
                    capacity_blocks: *capacity,
                    hints: if who.is_none() { self.hints.clone() } else { NO_HINTS.to_string() },
                    hit_pct,
                    gap_closed_pct,
                    hits: *hits,
                    references: self.references as u64,
                    half: self.half.name(),
                    tuned: if who.is_none() { self.tuned.get(cell).copied() } else { None },
                });
            }
        }
        rows
    }

    /// What was played, in a sentence.
    pub fn heading(&self) -> String {
        let count = |n: usize| indicatif::HumanCount(n as u64).to_string();
        let counted = match self.half {
            Half::All => format!("{} references", count(self.references)),
            Half::Second => {
                format!("{} references of the second half of them counted", count(self.references))
            }
        };
        let skipped = match self.skipped_lines {
            0 => String::new(),
            1 => "; 1 bad line passed over".to_string(),
            lines => format!("; {lines} bad lines passed over"),
        };
        let (requests, unique) = (count(self.requests), count(self.unique));
        format!("{}: {requests} requests, {counted}, {unique} unique blocks{skipped}", self.trace)
    }

    /// The device's name in tables: it says if hints or tuning helped.
    pub fn device_name(&self) -> String {
        let hints = if self.hints == NO_HINTS { "" } else { ", oracle hints" };
        let tuned = if self.tuned.is_empty() { "" } else { ", tuned" };
        format!("{DEVICE}{hints}{tuned}")
    }

    /// What the device was told, in a sentence; empty if nothing.
    pub fn told(&self) -> String {
        match self.hints.as_str() {
            NO_HINTS => String::new(),
            hints => format!("device hints from the trace's own future: {hints}"),
        }
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading())?;
        if !self.told().is_empty() {
            writeln!(f, "{}", self.told())?;
        }
        let capacities = self.capacities.iter().map(|&c| indicatif::HumanCount(c.into()).to_string());
        let header: Vec<String> = std::iter::once("hit % at".to_string()).chain(capacities).collect();
        let mut table = output::table(&header.iter().map(String::as_str).collect::<Vec<_>>());
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let told = if self.hints == NO_HINTS { "" } else { ", oracle hints" };
        for (who, line) in &self.lines {
            let name = who.map_or_else(|| self.device_name(), |kind| kind.to_string());
            let cells = self.hit_pct(line).into_iter().map(|hit_pct| format!("{hit_pct:.2}"));
            table.add_row(std::iter::once(name).chain(cells));
        }
        let device = self
            .lines
            .iter()
            .find(|(who, line)| who.is_none() && self.gap_closed(line).iter().any(Option::is_some));
        if let Some((_, line)) = device {
            let cells = self
                .gap_closed(line)
                .into_iter()
                .map(|gap| gap.map_or("-".to_string(), |gap| format!("{gap:.1}")));
            table.add_row(std::iter::once(format!("gap closed, %{told}")).chain(cells));
        }
        write!(f, "{table}")
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, swept) in self.traces.iter().enumerate() {
            let between = if number == 0 { "" } else { "\n\n" };
            write!(f, "{between}{swept}")?;
        }
        Ok(())
    }
}
