//! The options of `kvctl policy`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use kvcpu_firmware::Tune;

use crate::replay::PlayArgs;

/// Capacities of a sweep that names none.
const DEFAULT_CAPACITIES: &str = "1k,2k,4k,8k,16k,32k";

/// The requests whose hits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Half {
    /// All
    #[default]
    All,
    /// The second half; the first warms the caches
    Second,
}

impl Half {
    /// The first request of `requests` that counts.
    pub fn warm(self, requests: usize) -> usize {
        match self {
            Half::All => 0,
            Half::Second => requests / 2,
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Half::All => "all",
            Half::Second => "second",
        }
    }
}

/// Capacities in blocks, ascending, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacities(pub Vec<u32>);

impl FromStr for Capacities {
    type Err = String;

    fn from_str(text: &str) -> Result<Capacities, String> {
        let mut capacities = text.split(',').map(capacity).collect::<Result<Vec<u32>, String>>()?;
        capacities.sort_unstable();
        capacities.dedup();
        Ok(Capacities(capacities))
    }
}

/// A number of blocks; `k` counts thousands.
fn capacity(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1000),
        None => (text, 1),
    };
    let plain =
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c == '_' || c.is_ascii_digit());
    let number = if plain { digits.replace('_', "").parse::<u32>().ok() } else { None };
    match number.and_then(|number| number.checked_mul(unit)) {
        Some(0) => Err("a capacity of 0 blocks holds nothing; name at least 1".into()),
        Some(blocks) => Ok(blocks),
        None => Err(format!("`{text}` is no capacity; write blocks (4000, 4_000) or thousands of them (4k)")),
    }
}

/// Options of `kvctl policy`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Traces in Mooncake JSONL, plain, .gz or .zst; the bundled sample if left out
    #[arg(value_name = "TRACE")]
    pub traces: Vec<PathBuf>,
    /// Capacities in blocks; k is 1,000
    #[arg(long, default_value = DEFAULT_CAPACITIES, value_name = "BLOCKS,...")]
    pub capacities: Capacities,
    /// Count the hits of all requests, or of the second half after the first has warmed the caches
    #[arg(long, value_enum, default_value_t, value_name = "HALF")]
    pub half: Half,
    /// Run the firmware's tuning of the weights beside the device, one round after each request
    #[arg(long)]
    pub tune: bool,
    /// Accesses between two looks of the tuning, in sixteenths of the capacity
    #[arg(long, requires = "tune", value_name = "SIXTEENTHS", default_value_t = Tune::WINDOW,
        value_parser = clap::value_parser!(u32).range(4..=255))]
    pub tune_window: u32,
    /// Begin to tune after so many requests
    #[arg(long, requires = "tune", value_name = "REQUESTS", default_value_t = 0)]
    pub tune_after: usize,
    /// Write a self-contained HTML page with a plot for each trace
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
    /// How the traces are played.
    #[command(flatten)]
    pub play: PlayArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_decimal_and_k_is_a_thousand() {
        assert_eq!("4000,1k,2_000,1_000".parse(), Ok(Capacities(vec![1000, 2000, 4000])));
        for bad in ["", "1k,", "0", "0k", "-1", "+1", "_1", "1m", "k", "1.5k", "0x10", "4294967296", "5000000k"] {
            assert!(bad.parse::<Capacities>().is_err(), "{bad}");
        }
    }

    #[test]
    fn halves_begin_where_they_should() {
        assert_eq!((Half::All.warm(9), Half::Second.warm(9), Half::Second.warm(1)), (0, 4, 0));
    }
}
