//! The tables: tiers, policies, the curve's values, and every number of the report.

use super::curve::Curve;
use super::page::{count, escape, table};
use crate::output::to_json;
use crate::replay::report::Report;
use crate::replay::table::bytes;
use kvcpu_mmio::geometry::TIERS;
use serde_json::Value;
use std::fmt::Write;

/// Members of the JSON report that have plots or tables of their own.
const SHOWN_ELSEWHERE: [&str; 2] = ["baselines", "timeline"];

fn header<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_string).to_vec()
}

/// Capacity, hits and traffic of each tier.
pub(super) fn tiers(report: &Report) -> String {
    let row = |t: usize| {
        let into: u64 = (0..TIERS).map(|from| report.move_bytes[from][t]).sum();
        let out: u64 = report.move_bytes[t].iter().sum();
        let share = crate::baseline::percent(report.hits_by_tier[t] as usize, report.references as usize);
        vec![
            format!("T{t}"),
            count(report.capacity_by_tier[t].into()),
            bytes(u64::from(report.capacity_by_tier[t]) * report.block_bytes as u64),
            count(report.hits_by_tier[t]),
            format!("{share:.2}"),
            bytes(into + report.copy_in_bytes[t]),
            bytes(out + report.copy_out_bytes[t]),
            count(report.resident_at_end[t]),
        ]
    };
    let rows: Vec<_> = super::tiers(report).into_iter().map(row).collect();
    let names = ["tier", "capacity, blocks", "capacity", "hits", "hit %", "written", "read", "resident at end"];
    table(&header(names), &rows)
}

/// The device beside the policies.
pub(super) fn policies(report: &Report) -> String {
    let row = |name: &str, capacity: u64, hit_pct: f64, speed: f64| {
        vec![name.to_string(), count(capacity), format!("{hit_pct:.2}"), count(speed as u64)]
    };
    let mut rows = vec![row("device", report.capacity_blocks, report.hit_pct, report.references_per_s)];
    for b in &report.baselines {
        rows.push(row(b.policy, b.capacity_blocks as u64, b.hit_pct, b.references_per_s));
    }
    let moved = if report.metadata_only { "" } else { " The device's speed includes moving and comparing all bytes." };
    let note = match report.baselines.is_empty() {
        true => "<p>The baselines were not run.</p>".to_string(),
        false => format!("<p>Policies only count; each was measured in the same run.{moved}</p>"),
    };
    table(&header(["policy", "capacity, blocks", "hit %", "references/s"]), &rows) + &note
}

/// The values of the curve.
pub(crate) fn curve(curve: &Curve) -> String {
    let names = std::iter::once("hit % at".to_string()).chain(curve.capacities.iter().map(|&c| count(c as u64)));
    let cell = |hit: &Option<f64>| hit.map_or_else(|| "\u{2013}".to_string(), |hit| format!("{hit:.2}"));
    let row = |name: &str, line: &[Option<f64>]| {
        std::iter::once(name.to_string()).chain(line.iter().map(cell)).collect::<Vec<_>>()
    };
    let rows: Vec<_> = curve.lines.iter().map(|(player, line)| row(&curve.name(*player), line)).collect();
    table(&names.collect::<Vec<_>>(), &rows)
}

/// Every number of the report, as `--json` has it.
pub(super) fn raw(report: &Report) -> String {
    let mut rows = String::new();
    if let Value::Object(members) = to_json(report) {
        for (name, value) in members.iter().filter(|(name, _)| !SHOWN_ELSEWHERE.contains(&name.as_str())) {
            flatten(&mut rows, name, value);
        }
    }
    format!("<p>Members of <code>--json</code>; docs/replay.md describes them.</p>\n<div class=\"raw\">\n{rows}</div>")
}

fn flatten(rows: &mut String, name: &str, value: &Value) {
    if let Value::Object(members) = value {
        for (member, value) in members {
            flatten(rows, &format!("{name}.{member}"), value);
        }
    } else {
        let _ = writeln!(rows, "<div><span>{}</span><span>{}</span></div>", escape(name), escape(&plain(value)));
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let between = if items.iter().any(Value::is_array) { "; " } else { ", " };
            items.iter().map(plain).collect::<Vec<_>>().join(between)
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
