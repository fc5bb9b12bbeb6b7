//! The colours of the plots, on light and on dark ground.
//!
//! Policies: Okabe and Ito, "Color Universal Design" (2008), told apart by most colour-blind readers; each has a marker
//! of its own besides. Tiers have an order, so they run along viridis (van der Walt and Smith, 2015), whose lightness
//! is monotone. Plots are drawn in the light colours; [`dark_css`] replaces them one by one.

use crate::baseline::Kind;
use kvcpu_mmio::geometry::TIERS;
use plotters::style::RGBColor;
use std::fmt::Write;

/// A colour as 0xRRGGBB on light ground and on dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ink(u32, u32);

/// Text, axes.
pub(super) const INK: Ink = Ink(0x1B1F24, 0xE6E8EB);
/// Grid lines.
pub(super) const GRID: Ink = Ink(0xDCDFE3, 0x353A41);
/// What belongs to no tier and no policy.
pub(super) const NEUTRAL: Ink = Ink(0x8A8F96, 0x9BA1A9);
/// The device; no policy has this colour.
pub(super) const DEVICE: Ink = Ink(0xD55E00, 0xF0792B);

/// Plots of one series.
pub(super) const SINGLE: Ink = Ink(0x3B6EA8, 0x6FA3DC);

const FIFO: Ink = Ink(0x8C8C8C, 0xA6A6A6);
const LRU: Ink = Ink(0x0072B2, 0x56B4E9);
const ARC: Ink = Ink(0x009E73, 0x19C897);
const S3_FIFO: Ink = Ink(0xB8578F, 0xDD92BD);
const SIEVE: Ink = Ink(0xC98A00, 0xE9B949);

const TIER: [Ink; TIERS] =
    [Ink(0x46327E, 0x8E7CC9), Ink(0x2C728E, 0x4A9BBB), Ink(0x28AE80, 0x3CC796), Ink(0xC2C41F, 0xE3E04A)];

const ALL: [Ink; 14] =
    [INK, GRID, NEUTRAL, DEVICE, SINGLE, FIFO, LRU, ARC, S3_FIFO, SIEVE, TIER[0], TIER[1], TIER[2], TIER[3]];

/// The colour of a tier.
pub(super) fn tier(t: usize) -> Ink {
    TIER[t]
}

/// The colour of a policy. Belady, the bound, is drawn in ink.
pub(super) fn policy(kind: Kind) -> Ink {
    match kind {
        Kind::Fifo => FIFO,
        Kind::Lru => LRU,
        Kind::Arc => ARC,
        Kind::S3Fifo => S3_FIFO,
        Kind::Sieve => SIEVE,
        Kind::Belady => INK,
    }
}

impl Ink {
    /// As `plotters` takes it.
    pub(super) fn rgb(self) -> RGBColor {
        let [_, r, g, b] = self.0.to_be_bytes();
        RGBColor(r, g, b)
    }

    /// As `plotters` writes it into an SVG: the style sheet looks for it in this form.
    pub(super) fn hex(self) -> String {
        format!("#{:06X}", self.0)
    }

    /// Its form on dark ground.
    pub(super) fn dark_hex(self) -> String {
        format!("#{:06X}", self.1)
    }
}

/// Rules that turn the light colours of SVG elements into the dark ones.
pub(super) fn dark_css() -> String {
    ALL.iter().fold(String::new(), |mut css, ink| {
        let (light, dark) = (ink.hex(), ink.dark_hex());
        let _ = writeln!(css, "svg [fill=\"{light}\"]{{fill:{dark}}}svg [stroke=\"{light}\"]{{stroke:{dark}}}");
        css
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_colours_are_equal() {
        for (i, a) in ALL.iter().enumerate() {
            for b in &ALL[..i] {
                assert!(a.0 != b.0 && a.1 != b.1, "{} and {}", a.hex(), b.hex());
            }
        }
    }
}
