//! Hits and occupancy over the trace's time: stacked areas, one step for each stretch of the timeline.

use super::page::count;
use super::palette::{INK, tier};
use super::plot::{axes, short, svg};
use crate::replay::ReplayError;
use crate::replay::report::Report;
use plotters::prelude::*;

/// Height of these plots.
const HEIGHT: u32 = 340;

/// One step of a stacked area: from, to, and a value for each tier.
type Step = (f64, f64, Vec<f64>);

struct Stacked<'a> {
    what: &'a str,
    y_name: &'a str,
    y_label: &'a dyn Fn(&f64) -> String,
    y_max: f64,
    /// Height of the dashed line.
    limit: Option<f64>,
    steps: Vec<Step>,
}

/// The unit of the time axis: its name and its milliseconds.
fn unit(span_ms: u64) -> (&'static str, f64) {
    match span_ms {
        0..=180_000 => ("seconds", 1e3),
        180_001..=10_800_000 => ("minutes", 60e3),
        _ => ("hours", 3600e3),
    }
}

/// Length of a stretch: the first request lies in the first.
fn width_ms(report: &Report) -> u64 {
    report.timeline.first().map_or(1, |point| point.end_ms)
}

fn span_ms(report: &Report) -> u64 {
    report.timeline.last().map_or(1, |point| point.end_ms)
}

/// Share of references that hit, by tier.
pub(super) fn hits(report: &Report, tiers: &[usize]) -> Result<String, ReplayError> {
    let (_, ms) = unit(span_ms(report));
    let width = width_ms(report);
    let points = report.timeline.iter().filter(|point| point.references > 0);
    let steps: Vec<Step> = points
        .map(|point| {
            let share = |t: &usize| point.hits_by_tier[*t] as f64 * 100.0 / point.references as f64;
            ((point.end_ms - width) as f64 / ms, point.end_ms as f64 / ms, tiers.iter().map(share).collect())
        })
        .collect();
    let top = steps.iter().map(|(_, _, shares)| shares.iter().sum::<f64>()).fold(1.0, f64::max);
    let y_max = (top * 1.05).min(100.0);
    let y_label = |v: &f64| short(*v);
    let what = "Hit rate by tier over trace time";
    draw(report, tiers, Stacked { what, y_name: "references hit, %", y_label: &y_label, y_max, limit: None, steps })
}

/// Blocks resident, by tier.
pub(super) fn occupancy(report: &Report, tiers: &[usize]) -> Result<String, ReplayError> {
    let (_, ms) = unit(span_ms(report));
    let width = width_ms(report);
    let line = &report.timeline;
    let steps = line.iter().enumerate().map(|(i, point)| {
        // Nothing changes in a stretch without requests.
        let end_ms = line.get(i + 1).map_or(point.end_ms, |next| next.end_ms - width);
        let used = tiers.iter().map(|&t| f64::from(point.used[t])).collect();
        ((point.end_ms - width) as f64 / ms, end_ms as f64 / ms, used)
    });
    let capacity = report.capacity_blocks as f64;
    let y_label = |v: &f64| count(*v as u64);
    draw(
        report,
        tiers,
        Stacked {
            what: "Blocks resident by tier over trace time",
            y_name: "blocks resident",
            y_label: &y_label,
            y_max: capacity * 1.08,
            limit: Some(capacity),
            steps: steps.collect(),
        },
    )
}

fn draw(report: &Report, tiers: &[usize], stacked: Stacked<'_>) -> Result<String, ReplayError> {
    let span = span_ms(report);
    let (name, ms) = unit(span);
    let x_max = span as f64 / ms;
    svg(stacked.what, HEIGHT, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(30)
            .x_label_area_size(54)
            .y_label_area_size(88)
            .build_cartesian_2d(0.0..x_max, 0.0..stacked.y_max)?;
        let mut mesh = chart.configure_mesh();
        axes(&mut mesh, &format!("trace time, {name}"), stacked.y_name);
        mesh.disable_x_mesh()
            .y_label_formatter(stacked.y_label)
            .x_label_formatter(&|v| short(*v))
            .x_labels(12);
        mesh.y_labels(6).draw()?;
        for (layer, &t) in tiers.iter().enumerate() {
            let style = tier(t).rgb().filled();
            let steps = stacked.steps.iter().map(|(from, to, values)| {
                let below: f64 = values[..layer].iter().sum();
                Rectangle::new([(*from, below), (*to, below + values[layer])], style)
            });
            chart.draw_series(steps)?;
        }
        if let Some(limit) = stacked.limit {
            let ends = [(0.0, limit), (x_max, limit)];
            chart.draw_series(DashedLineSeries::new(ends, 6, 4, INK.rgb().stroke_width(2)))?;
        }
        Ok(())
    })
}
