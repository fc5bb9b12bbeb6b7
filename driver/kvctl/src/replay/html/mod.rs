//! The report as one HTML page: no script, no network, plots as inline SVG.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the sections, in order |
//! | `page.rs` | the document round them: style, tables, legends, escaping |
//! | `palette.rs` | the colours, on light and on dark ground |
//! | `plot.rs` | the axes all plots share |
//! | `time.rs` | hits and occupancy over the trace's time |
//! | `bars.rs` | bytes moved, shootdowns, decision latency |
//! | `curve.rs`, `curve_plot.rs` | hit % against capacity: computed, drawn |
//! | `numbers.rs` | the tables |
//!
//! Leaves out the curve's baselines with `--no-baselines`. Everything else comes from the [`Report`].

mod bars;
pub(crate) mod curve;
pub(crate) mod curve_plot;
pub(crate) mod numbers;
pub(crate) mod page;
mod palette;
mod plot;
mod time;

use super::report::Report;
use super::table::bytes;
use super::{Args, ReplayError, Script};
use crate::hint::NO_HINTS;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::geometry::TIERS;
use page::{count, escape, figure, section};

/// The page on a replay of `script` that was run with `args` on a device of `geometry`.
pub(super) fn page(
    report: &Report,
    script: &Script<'_>,
    args: &Args,
    geometry: Geometry,
) -> Result<String, ReplayError> {
    let sections = [
        section("headline", "Result", &headline(report)),
        section("hits", "Hit rate over time", &hits(report)?),
        section("curve", "Hit rate against capacity", &capacity_curve(report, script, args, geometry)?),
        section("moves", "Bytes moved", &moves(report)?),
        section("occupancy", "Occupancy over time", &occupancy(report)?),
        section("shootdowns", "Invalidations", &shootdowns(report)?),
        section("latency", "Decision latency", &latency(report)?),
        section("policies", "Policies on the same references", &numbers::policies(report)),
        section("numbers", "Numbers", &numbers::raw(report)),
        section("command", "Command", &format!("<pre>{}</pre>", escape(&page::command_line()))),
    ];
    Ok(page::document(&format!("kvctl replay: {}", report.trace), &sections.concat()))
}

/// The tiers in use, highest first.
fn tiers(report: &Report) -> Vec<usize> {
    (0..TIERS).filter(|&t| report.capacity_by_tier[t] > 0).collect()
}

fn headline(report: &Report) -> String {
    let content = match report.metadata_only {
        true => "metadata only".to_string(),
        false => format!("{} blocks", bytes(report.block_bytes as u64)),
    };
    let gap = report.gap_closed_pct.map_or_else(|| "n/a".to_string(), |gap| format!("{gap:.1} %"));
    let compared = match report.metadata_only {
        true => "no bytes compared".to_string(),
        false => format!("mismatches in {} blocks compared", count(report.blocks_checked)),
    };
    let tiles = [
        (format!("{:.2} %", report.hit_pct), "of references hit".to_string(), false),
        (gap, "of the gap from LRU to Belady closed".to_string(), false),
        (count(report.references_per_s as u64), format!("references/s, {:.2} s in all", report.seconds), false),
        (count(report.mismatches), compared, report.mismatches > 0),
    ];
    let hints = match report.hints.as_str() {
        NO_HINTS => String::new(),
        hints => format!(" Hints from the trace's own future: {}.", escape(hints)),
    };
    format!(
        "<p>{} on {}, {content}: {} requests, {} references, {} unique blocks.{hints}</p>{}{}",
        escape(&report.trace),
        escape(&report.device),
        count(report.requests as u64),
        count(report.references),
        count(report.unique_blocks as u64),
        page::tiles(&tiles),
        numbers::tiers(report)
    )
}

fn hits(report: &Report) -> Result<String, ReplayError> {
    let note = "Share of each stretch's references that were in the leading resident run of their request, by the tier \
                the block was found in. A stretch without requests is blank, as is one without hits.";
    Ok(figure(&page::tier_legend(&tiers(report)), &time::hits(report, &tiers(report))?, note))
}

fn occupancy(report: &Report) -> Result<String, ReplayError> {
    let legend = page::tier_legend(&tiers(report)) + &page::dashed("capacity of all tiers", palette::INK);
    let note = "Blocks resident at the end of each stretch, in flight included.";
    Ok(figure(&legend, &time::occupancy(report, &tiers(report))?, note))
}

fn capacity_curve(
    report: &Report,
    script: &Script<'_>,
    args: &Args,
    geometry: Geometry,
) -> Result<String, ReplayError> {
    let curve = curve::compute(report, script, args, geometry)?;
    let note = format!(
        "All series play the same references. The device's line is a replay for each capacity on a fresh emulator with \
         T1 alone and no bytes; it ends where its directory of {} entries does ({} blocks at 95 % load, and no more than \
         its card memory holds). The star is the replay this page reports, all tiers counted.",
        count(geometry.entries().into()),
        count(curve::device_limit(report, geometry))
    );
    let plot = curve_plot::draw(&curve)?;
    Ok(figure(&curve_plot::legend(&curve), &plot, &note) + &numbers::curve(&curve))
}

fn moves(report: &Report) -> Result<String, ReplayError> {
    if report.bytes_moved == 0 {
        return Ok("<p>No bytes were moved.</p>".to_string());
    }
    let legend = page::tier_legend(&tiers(report)) + &page::swatch("runtime (a hit read)", palette::NEUTRAL);
    let note = format!(
        "{} in all, coloured by where the bytes went. Writes by the runtime are blocks it computed; moves down are \
         demotions, moves up promotions and prefetches.",
        bytes(report.bytes_moved)
    );
    Ok(figure(&legend, &bars::moves(report)?, &note))
}

fn shootdowns(report: &Report) -> Result<String, ReplayError> {
    let note = format!(
        "Translation invalidations: those that releasing frames one by one would have sent, those sent, and the \
         difference ({:.1} %). Frames reused while an agent could still read them: {}.",
        report.shootdowns_elided_pct, report.luf_violations
    );
    Ok(figure("", &bars::shootdowns(report)?, &note))
}

fn latency(report: &Report) -> Result<String, ReplayError> {
    let total: u64 = report.decision_hist.iter().sum();
    if total == 0 {
        return Ok("<p>No decision was taken: nothing had to leave a tier.</p>".to_string());
    }
    let quantile = |share| report.decision_quantile(share).map_or(String::new(), |t| plot::time(t as f64, report));
    let note = format!(
        "{} decisions (a victim or a promotion turned into a descriptor); half below {}, 99 % below {}, the longest {}. \
         On an emulator this is the host time the model takes, not the hardware's.",
        count(total),
        quantile(0.5),
        quantile(0.99),
        plot::time(report.decision_max as f64, report)
    );
    Ok(figure("", &bars::latency(report)?, &note))
}
