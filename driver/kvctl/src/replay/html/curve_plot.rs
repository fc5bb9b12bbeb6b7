//! The capacity curve drawn. Each line has a marker of its own besides its colour.

use super::curve::{Curve, Player};
use super::page::{count, key};
use super::palette::{DEVICE, INK, Ink, policy};
use super::plot::{Ticks, axes, short, svg};
use crate::baseline::Kind;
use crate::replay::ReplayError;
use plotters::prelude::*;
use std::fmt::Write;

/// Corners of a marker, round its centre, in pixels.
type Marker = Vec<(i32, i32)>;

/// A regular star or polygon: corners alternate between two radii.
fn corners(n: usize, outer: f64, inner: f64, turn: f64) -> Marker {
    let at = |i: usize| {
        let radius = if i.is_multiple_of(2) { outer } else { inner };
        let angle = (i as f64 / n as f64 + turn) * std::f64::consts::TAU;
        ((radius * angle.sin()).round() as i32, (-radius * angle.cos()).round() as i32)
    };
    (0..n).map(at).collect()
}

fn marker(player: Player) -> Marker {
    match player {
        Player::Policy(Kind::Fifo) => corners(4, 6.0, 6.0, 0.125),
        Player::Policy(Kind::Lru) => corners(16, 5.0, 5.0, 0.0),
        Player::Policy(Kind::Arc) => corners(3, 7.0, 7.0, 0.0),
        Player::Policy(Kind::S3Fifo) => corners(3, 7.0, 7.0, 0.5),
        Player::Policy(Kind::Sieve) => corners(4, 7.0, 7.0, 0.0),
        Player::Policy(Kind::Belady) => corners(8, 6.0, 2.0, 0.0),
        Player::Device => corners(16, 7.0, 7.0, 0.0),
    }
}

/// The marker of the replay that is reported.
fn star() -> Marker {
    corners(10, 13.0, 5.0, 0.0)
}

fn ink(player: Player) -> Ink {
    match player {
        Player::Policy(kind) => policy(kind),
        Player::Device => DEVICE,
    }
}

fn stroke(player: Player) -> u32 {
    if player == Player::Device { 4 } else { 2 }
}

fn is_dashed(player: Player) -> bool {
    player == Player::Policy(Kind::Belady)
}

/// Entries for the lines and the star.
pub(crate) fn legend(curve: &Curve) -> String {
    let polygon = |corners: Marker, ink: Ink| {
        let points = corners.iter().fold(String::new(), |mut out, (x, y)| {
            let _ = write!(out, "{},{} ", 13 + x, 7 + y);
            out
        });
        format!("<polygon points=\"{}\" fill=\"{}\"/>", points.trim_end(), ink.hex())
    };
    let line = |(player, _): &(Player, _)| {
        let dash = if is_dashed(*player) { " stroke-dasharray=\"6 4\"" } else { "" };
        let (color, width) = (ink(*player).hex(), stroke(*player));
        let path = format!("<path d=\"M0 7H26\" stroke=\"{color}\" stroke-width=\"{width}\"{dash}/>");
        key(&curve.name(*player), &(path + &polygon(marker(*player), ink(*player))))
    };
    let lines: String = curve.lines.iter().map(line).collect();
    match curve.replayed {
        Some(_) => lines + &key("this replay", &polygon(corners(10, 7.0, 3.0, 0.0), DEVICE)),
        None => lines,
    }
}

/// The plot. The capacity's axis counts doublings of the smallest.
pub(crate) fn draw(curve: &Curve) -> Result<String, ReplayError> {
    let first = curve.capacities.first().copied().unwrap_or(1) as f64;
    let doublings = |capacity: usize| (capacity as f64 / first).log2();
    let last = doublings(curve.capacities.last().copied().unwrap_or(1));
    let of_lines = curve.lines.iter().flat_map(|(_, line)| line.iter().flatten().copied());
    let replayed = curve.replayed.map_or(0.0, |(_, hit_pct)| hit_pct);
    let top = of_lines.fold(replayed, f64::max).max(1.0);
    svg("Hit rate against capacity", 480, |area| {
        let ticks: Vec<f64> = curve.capacities.iter().map(|&c| doublings(c)).collect();
        let label = |x: &f64| count((first * x.exp2()).round() as u64);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(40)
            .x_label_area_size(54)
            .y_label_area_size(88)
            .build_cartesian_2d(Ticks::new(-0.15..last + 0.15, ticks), 0.0..(top * 1.08).min(100.0))?;
        let mut mesh = chart.configure_mesh();
        axes(&mut mesh, "capacity, blocks (log scale)", "references hit, %");
        mesh.x_label_formatter(&label).y_label_formatter(&|v| short(*v)).draw()?;
        let shape = |at, corners: Marker, ink: Ink| EmptyElement::at(at) + Polygon::new(corners, ink.rgb());
        for (player, line) in &curve.lines {
            let points = curve.capacities.iter().zip(line).filter_map(|(&c, hit)| Some((doublings(c), (*hit)?)));
            let points: Vec<(f64, f64)> = points.collect();
            let style = ink(*player).rgb().stroke_width(stroke(*player));
            if is_dashed(*player) {
                chart.draw_series(DashedLineSeries::new(points.iter().copied(), 8, 5, style))?;
            } else {
                chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
            }
            chart.draw_series(points.iter().map(|at| shape(*at, marker(*player), ink(*player))))?;
        }
        if let Some((capacity, hit_pct)) = curve.replayed {
            let at = (doublings(capacity.max(1)), hit_pct);
            // Ground of ink, so that the star shows on its own line.
            chart.draw_series([shape(at, corners(10, 17.0, 8.0, 0.0), INK), shape(at, star(), DEVICE)])?;
        }
        Ok(())
    })
}
