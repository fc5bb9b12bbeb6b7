//! What all plots share: size, axes, labels, units.
//!
//! The SVG backend measures text by a rule of thumb and needs no font files; label areas are therefore given in pixels.

use super::page::escape;
use super::palette::{GRID, INK};
use crate::replay::ReplayError;
use crate::replay::report::Report;
use plotters::chart::MeshStyle;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::TextStyle;
use std::error::Error;
use std::ops::Range;

/// Width of every plot; a browser scales it.
const WIDTH: u32 = 1000;
/// Text sizes of tick labels and of axis names.
const LABEL: u32 = 18;
const NAME: u32 = 20;

/// Where a plot is drawn.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What drawing returns.
pub(super) type Drawn = Result<(), Box<dyn Error>>;

/// Draws a plot; `what` names it to those who cannot see it.
pub(super) fn svg(what: &str, height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, ReplayError> {
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    let drawn = draw(&root).and_then(|()| Ok(root.present()?));
    drop(root);
    drawn.map_err(|error| ReplayError::Plot(error.to_string()))?;
    Ok(text.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", escape(what)), 1))
}

/// The style of text in a plot.
pub(super) fn label_style<'a>() -> TextStyle<'a> {
    ("sans-serif", LABEL).into_font().color(&INK.rgb())
}

/// The house's axes: names, thin grid, no light lines.
pub(super) fn axes<'b, X, Y>(mesh: &mut MeshStyle<'_, 'b, X, Y, SVGBackend<'_>>, x_name: &str, y_name: &str)
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    mesh.x_desc(x_name)
        .y_desc(y_name)
        .axis_desc_style(("sans-serif", NAME).into_font().color(&INK.rgb()))
        .label_style(label_style())
        .axis_style(INK.rgb())
        .bold_line_style(GRID.rgb())
        .light_line_style(TRANSPARENT);
}

/// A number with three figures, without a point it does not need.
pub(super) fn short(value: f64) -> String {
    let digits = if value >= 99.95 || value == value.trunc() {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

/// `ticks` of the device's timebase with a unit.
pub(super) fn time(ticks: f64, report: &Report) -> String {
    if report.timebase_hz == 0 {
        return format!("{} ticks", short(ticks));
    }
    let ns = ticks * 1e9 / f64::from(report.timebase_hz);
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "\u{b5}s")];
    let (size, unit) = units.into_iter().find(|(size, _)| ns >= *size).unwrap_or((1.0, "ns"));
    format!("{} {unit}", short(ns / size))
}

/// An axis with its ticks where the data is, for names and for powers of two.
pub(super) struct Ticks {
    axis: RangedCoordf64,
    at: Vec<f64>,
}

impl Ticks {
    /// An axis over `range` with ticks `at`.
    pub(super) fn new(range: Range<f64>, at: Vec<f64>) -> Ticks {
        Ticks { axis: range.into(), at }
    }
}

impl Ranged for Ticks {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.axis.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.at.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.axis.range()
    }
}
