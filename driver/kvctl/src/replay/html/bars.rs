//! Bars: bytes moved by tier and direction, invalidations, decisions by latency.

use super::page::count;
use super::palette::{DEVICE, Ink, NEUTRAL, SINGLE, tier};
use super::plot::{Ticks, axes, label_style, short, svg, time};
use crate::replay::ReplayError;
use crate::replay::report::Report;
use crate::replay::table::bytes;
use kvcpu_mmio::geometry::TIERS;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Height of a horizontal bar with its space.
const BAR: u32 = 38;

/// A bar: name, length, what is written behind it, colour.
type Bar = (String, f64, String, Ink);

/// Bytes between tiers and between tiers and the runtime: one bar for each way that was taken.
pub(super) fn moves(report: &Report) -> Result<String, ReplayError> {
    let mut ways: Vec<(String, u64, Ink)> = Vec::new();
    for t in 0..TIERS {
        ways.push((format!("runtime \u{2192} T{t}"), report.copy_in_bytes[t], tier(t)));
        ways.push((format!("T{t} \u{2192} runtime"), report.copy_out_bytes[t], NEUTRAL));
    }
    for from in 0..TIERS {
        for to in 0..TIERS {
            ways.push((format!("T{from} \u{2192} T{to}"), report.move_bytes[from][to], tier(to)));
        }
    }
    ways.retain(|(_, moved, _)| *moved > 0);
    let most = ways.iter().map(|(_, moved, _)| *moved).max().unwrap_or(0);
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let (shift, unit) = units.into_iter().find(|(shift, _)| most >> shift > 0).unwrap_or((0, "bytes"));
    let bar = |(name, moved, ink): (String, u64, Ink)| (name, moved as f64 / (1u64 << shift) as f64, bytes(moved), ink);
    let rows: Vec<Bar> = ways.into_iter().map(bar).collect();
    horizontal("Bytes moved by tier and direction", &format!("bytes moved, {unit}"), &rows)
}

/// Invalidations needed, sent, elided.
pub(super) fn shootdowns(report: &Report) -> Result<String, ReplayError> {
    let (needed, sent) = (report.shootdowns_needed, report.shootdowns_sent);
    let bar = |name: &str, n: u64, ink| (name.to_string(), n as f64, count(n), ink);
    let rows =
        [bar("needed", needed, NEUTRAL), bar("sent", sent, DEVICE), bar("elided", needed.saturating_sub(sent), SINGLE)];
    horizontal("Invalidations needed, sent and elided", "invalidations", &rows)
}

fn horizontal(what: &str, x_name: &str, rows: &[Bar]) -> Result<String, ReplayError> {
    let longest = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    let x_max = if longest > 0.0 { longest * 1.15 } else { 1.0 };
    let last = rows.len().saturating_sub(1);
    // The first bar is on top.
    let middle = |i: usize| (last - i) as f64 + 0.5;
    let name_at = |y: &f64| rows.get(last.saturating_sub(*y as usize)).map_or(String::new(), |row| row.0.clone());
    svg(what, BAR * rows.len() as u32 + 84, |area| {
        let ticks: Vec<f64> = (0..rows.len()).map(middle).collect();
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(30)
            .x_label_area_size(54)
            .y_label_area_size(130)
            .build_cartesian_2d(0.0..x_max, Ticks::new(0.0..rows.len() as f64, ticks))?;
        let mut mesh = chart.configure_mesh();
        axes(&mut mesh, x_name, "");
        mesh.disable_y_mesh().y_label_formatter(&name_at).y_labels(rows.len());
        mesh.x_label_formatter(&|v| if *v >= 1000.0 { count(*v as u64) } else { short(*v) })
            .draw()?;
        chart.draw_series(rows.iter().enumerate().map(|(i, (_, length, _, ink))| {
            let y = middle(i);
            Rectangle::new([(0.0, y - 0.36), (*length, y + 0.36)], ink.rgb().filled())
        }))?;
        let behind = label_style().pos(Pos::new(HPos::Left, VPos::Center));
        chart.draw_series(rows.iter().enumerate().map(|(i, (_, length, text, _))| {
            EmptyElement::at((*length, middle(i))) + Text::new(text.clone(), (8, 0), behind.clone())
        }))?;
        Ok(())
    })
}

/// Decisions by latency, in powers of two.
pub(super) fn latency(report: &Report) -> Result<String, ReplayError> {
    let hist = &report.decision_hist;
    let total: u64 = hist.iter().sum();
    let first = hist.iter().position(|n| *n > 0).unwrap_or(0);
    let end = hist.iter().rposition(|n| *n > 0).unwrap_or(0) + 1;
    let share = |n: u64| n as f64 * 100.0 / total.max(1) as f64;
    let most = hist.iter().map(|n| share(*n)).fold(0.0, f64::max);
    // The last element has no upper end.
    let edge = |i: &f64| if *i >= hist.len() as f64 { "and above".to_string() } else { time(i.exp2(), report) };
    svg("Decisions by latency", 340, |area| {
        let ticks: Vec<f64> = (first..=end).map(|i| i as f64).collect();
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(40)
            .x_label_area_size(54)
            .y_label_area_size(88)
            .build_cartesian_2d(Ticks::new(first as f64..end as f64, ticks), 0.0..most * 1.15)?;
        let mut mesh = chart.configure_mesh();
        axes(&mut mesh, "latency of a decision", "decisions, %");
        mesh.disable_x_mesh().x_label_formatter(&edge).y_label_formatter(&|v| short(*v));
        mesh.y_labels(6).draw()?;
        chart.draw_series((first..end).map(|i| {
            let (from, to) = (i as f64 + 0.04, i as f64 + 0.96);
            Rectangle::new([(from, 0.0), (to, share(hist[i]))], SINGLE.rgb().filled())
        }))?;
        let above = label_style().pos(Pos::new(HPos::Center, VPos::Bottom));
        chart.draw_series((first..end).filter(|&i| hist[i] > 0).map(|i| {
            EmptyElement::at((i as f64 + 0.5, share(hist[i]))) + Text::new(count(hist[i]), (0, -4), above.clone())
        }))?;
        Ok(())
    })
}
