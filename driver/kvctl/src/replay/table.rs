//! The report for a terminal.

use super::report::Report;
use crate::hint::NO_HINTS;
use comfy_table::{CellAlignment, Table};
use kvcpu_mmio::geometry::TIERS;
use std::fmt;

/// A table whose columns but the first are numbers.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = crate::output::table(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A number of bytes with a binary unit.
pub(super) fn bytes(n: u64) -> String {
    indicatif::BinaryBytes(n).to_string()
}

/// A number with its thousands apart.
pub(super) fn count(n: u64) -> String {
    indicatif::HumanCount(n).to_string()
}

impl Report {
    fn summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes_or_not = if self.metadata_only {
            "metadata only".to_string()
        } else {
            format!("{} blocks", bytes(self.block_bytes as u64))
        };
        let beside = if self.compared.is_some() { " and a second device beside it" } else { "" };
        writeln!(f, "{} on {}{beside}, {bytes_or_not}", self.trace, self.device)?;
        writeln!(
            f,
            "{} requests, {} references, {} unique blocks; {:.2} s, {} references/s",
            count(self.requests as u64),
            count(self.references),
            count(self.unique_blocks as u64),
            self.seconds,
            count(self.references_per_s as u64)
        )?;
        if self.hints != NO_HINTS {
            writeln!(f, "hints from the trace's own future: {}", self.hints)?;
        }
        if let Some(commands) = self.compared {
            writeln!(f, "{} commands completed alike by both devices; counters and directory equal", count(commands))?;
        }
        if self.skipped_lines > 0 {
            writeln!(f, "{} bad lines of the trace passed over", self.skipped_lines)?;
        }
        Ok(())
    }

    fn tiers(&self) -> Table {
        let mut rows = table(&["tier", "capacity", "quarantine", "hits", "hit %", "written", "read", "resident"]);
        let share = |n: u64| crate::baseline::percent(n as usize, self.references as usize);
        for t in (0..TIERS).filter(|&t| self.capacity_by_tier[t] > 0) {
            let into: u64 = (0..TIERS).map(|from| self.move_bytes[from][t]).sum();
            let out: u64 = self.move_bytes[t].iter().sum();
            rows.add_row([
                format!("T{t}"),
                count(self.capacity_by_tier[t].into()),
                count(self.quarantine_by_tier[t].into()),
                count(self.hits_by_tier[t]),
                format!("{:.2}", share(self.hits_by_tier[t])),
                bytes(into + self.copy_in_bytes[t]),
                bytes(out + self.copy_out_bytes[t]),
                count(self.resident_at_end[t]),
            ]);
        }
        rows
    }

    fn policies(&self) -> Table {
        let mut rows = table(&["policy", "capacity", "hit %", "references/s"]);
        rows.add_row([
            "device".to_string(),
            count(self.capacity_blocks),
            format!("{:.2}", self.hit_pct),
            count(self.references_per_s as u64),
        ]);
        for b in &self.baselines {
            rows.add_row([
                b.policy.to_string(),
                count(b.capacity_blocks as u64),
                format!("{:.2}", b.hit_pct),
                count(b.references_per_s as u64),
            ]);
        }
        rows
    }

    fn facts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gap) = self.gap_closed_pct {
            writeln!(f, "LRU-Belady gap closed: {gap:.1}%")?;
        }
        writeln!(f, "blocks read back and compared: {}, mismatches: {}", count(self.blocks_checked), self.mismatches)?;
        if self.unread + self.not_inserted > 0 {
            writeln!(f, "hits not readable: {}, blocks not taken: {}", self.unread, self.not_inserted)?;
        }
        let moved = if self.metadata_only { "bytes that would have moved between tiers" } else { "bytes moved" };
        writeln!(f, "{moved}: {}", bytes(self.bytes_moved))?;
        writeln!(
            f,
            "shootdowns: {} needed, {} sent, {:.1}% elided",
            count(self.shootdowns_needed),
            count(self.shootdowns_sent),
            self.shootdowns_elided_pct
        )?;
        if let (Some(p50), Some(p99)) = (self.decision_quantile(0.5), self.decision_quantile(0.99)) {
            writeln!(
                f,
                "decisions: {}; latency p50 < {p50}, p99 < {p99}, longest {} ticks of {} Hz",
                count(self.decision_hist.iter().sum()),
                self.decision_max,
                count(self.timebase_hz.into())
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary(f)?;
        writeln!(f, "{}", self.tiers())?;
        writeln!(f, "{}", self.policies())?;
        self.facts(f)?;
        match &self.prefetch {
            Some(prefetch) => write!(f, "{prefetch}"),
            None => Ok(()),
        }
    }
}
