//! The options of a replay, and the device configuration they ask for.

use super::timing::{BLOCK_BYTES, Lookahead};
use crate::hint::HintArgs;
use crate::trace::ReadOptions;
use clap::Args as ClapArgs;
use kvcpu_driver::{Config, QueueConfig, TierConfig, Weights};
use kvcpu_mmio::Geometry;
use kvcpu_mmio::geometry::TIERS;
use std::path::PathBuf;
use std::str::FromStr;

/// Most commands a request's batch puts in a ring before it is submitted.
const RING_LOG2: u32 = 10;
/// log2 of the bytes of a block, if nothing else was said.
pub const BLOCK_SHIFT: u32 = 12;
/// Tiers of a replay that names none: enough pressure for the bundled sample to reach every tier.
const DEFAULT_TIERS: [u32; TIERS] = [0, 256, 256, 512];

/// A capacity: a number of blocks, or bytes with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// Blocks.
    Blocks(u64),
    /// Bytes; a part of a block does not count.
    Bytes(u64),
}

impl FromStr for Capacity {
    type Err = String;

    fn from_str(s: &str) -> Result<Capacity, String> {
        let digits = s.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(s.len());
        let (number, unit) = s.split_at(digits);
        let n: u64 = number
            .replace('_', "")
            .parse()
            .map_err(|_| format!("`{s}` is no capacity; write blocks (16384) or bytes with a unit (64MiB)"))?;
        let shift = match unit.trim().to_ascii_lowercase().as_str() {
            "" => return Ok(Capacity::Blocks(n)),
            "b" => 0,
            "k" | "kib" => 10,
            "m" | "mib" => 20,
            "g" | "gib" => 30,
            "t" | "tib" => 40,
            other => return Err(format!("unknown unit `{other}`; use B, KiB, MiB, GiB or TiB, or none for blocks")),
        };
        n.checked_mul(1 << shift)
            .map(Capacity::Bytes)
            .ok_or_else(|| format!("`{s}` overflows 64 bits"))
    }
}

impl Capacity {
    fn blocks(self, shift: u32) -> u64 {
        match self {
            Capacity::Blocks(n) => n,
            Capacity::Bytes(n) => n >> shift,
        }
    }
}

/// Options of every verb that plays a trace against a device.
#[derive(Clone, Debug, ClapArgs)]
pub struct PlayArgs {
    /// Milliseconds of trace time for one decode step as the device sees it.
    #[arg(long, default_value_t = 1000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub step_ms: u64,
    /// Scorer weights; the device's defaults if left out.
    #[arg(long, value_name = "WR,WF,WS,WD", value_parser = parse_weights)]
    pub weights: Option<Weights>,
    /// Evict by one policy of docs/hepc.md, 0 (LRU) to 7, without the guard.
    #[arg(long, value_name = "0..7", value_parser = clap::value_parser!(u8).range(..8))]
    pub fixed_policy: Option<u8>,
    /// Pass over bad trace lines, and count them.
    #[arg(long)]
    pub skip_bad: bool,
    /// Play only so many requests.
    #[arg(long, value_name = "REQUESTS", value_parser = limit)]
    pub limit: Option<usize>,
    /// Do not run the baseline policies.
    #[arg(long)]
    pub no_baselines: bool,
    /// What the device is told of the future.
    #[command(flatten)]
    pub hints: HintArgs,
}

/// Options of `kvctl replay`.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Trace in Mooncake JSONL, plain, .gz or .zst; the bundled sample if left out.
    pub trace: Option<PathBuf>,
    /// Capacity of T0 (GPU memory), in blocks or bytes (64MiB).
    #[arg(long, value_name = "CAPACITY")]
    pub t0: Option<Capacity>,
    /// Capacity of T1 (card memory). If no tier is named: T1 256, T2 256, T3 512 blocks.
    #[arg(long, value_name = "CAPACITY")]
    pub t1: Option<Capacity>,
    /// Capacity of T2 (host memory).
    #[arg(long, value_name = "CAPACITY")]
    pub t2: Option<Capacity>,
    /// Capacity of T3 (a file).
    #[arg(long, value_name = "CAPACITY")]
    pub t3: Option<Capacity>,
    /// Block size, log2 bytes.
    #[arg(long, default_value_t = BLOCK_SHIFT, value_name = "LOG2")]
    pub block_shift: u32,
    /// Move and check no bytes: for studying the policy alone.
    #[arg(long)]
    pub metadata_only: bool,
    /// Frames each tier has beyond its capacity, as room for lazy invalidation; 1/64 of the capacity if left out.
    #[arg(long, value_name = "FRAMES")]
    pub quarantine: Option<u32>,
    /// Demote by itself above HIGH percent of a tier down to LOW percent, if a lower tier takes the blocks.
    #[arg(long, value_name = "LOW,HIGH", value_parser = parse_watermarks)]
    pub watermarks: Option<(u32, u32)>,
    /// File that holds T3; a temporary one if left out.
    #[arg(long, value_name = "PATH")]
    pub t3_path: Option<PathBuf>,
    /// Every T3 write reaches the disk before it counts.
    #[arg(long)]
    pub t3_durable: bool,
    /// Move hinted blocks up so early, in steps (2,5) or time (2s,5s); if left out, as early as the model's transfers
    /// want it. For the prefetch report.
    #[arg(long, value_name = "T2,T3")]
    pub lookahead: Option<Lookahead>,
    /// Size of a block in the model of the prefetch report: bytes, or with a unit (64MiB).
    #[arg(long, default_value_t = BLOCK_BYTES, value_name = "BYTES", value_parser = model_block_bytes)]
    pub model_block_bytes: u64,
    /// Write a self-contained HTML report.
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
    /// How the trace is played.
    #[command(flatten)]
    pub play: PlayArgs,
}

fn limit(s: &str) -> Result<usize, String> {
    match s.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(e) => Err(format!("{e}")),
    }
}

fn parse_numbers<const N: usize>(s: &str, max: u32) -> Result<[u32; N], String> {
    let numbers: Result<Vec<u32>, _> = s.split(',').map(|part| part.trim().parse::<u32>()).collect();
    let numbers = numbers.map_err(|e| format!("`{s}`: {e}"))?;
    if let Some(n) = numbers.iter().find(|n| **n > max) {
        return Err(format!("{n} is more than {max}"));
    }
    numbers.try_into().map_err(|_| format!("`{s}`: {N} numbers are needed"))
}

fn model_block_bytes(s: &str) -> Result<u64, String> {
    match s.parse()? {
        Capacity::Blocks(0) | Capacity::Bytes(0) => Err("a block has at least 1 byte".into()),
        Capacity::Blocks(bytes) | Capacity::Bytes(bytes) => Ok(bytes),
    }
}

fn parse_weights(s: &str) -> Result<Weights, String> {
    let [wr, wf, ws, wd] = parse_numbers(s, 255)?.map(|w: u32| w as u8);
    Ok(Weights { wr, wf, ws, wd })
}

fn parse_watermarks(s: &str) -> Result<(u32, u32), String> {
    let [low, high] = parse_numbers(s, 100)?;
    if low > high { Err(format!("LOW {low} is above HIGH {high}")) } else { Ok((low, high)) }
}

impl PlayArgs {
    /// How the trace is read.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions { skip_bad: self.skip_bad, limit: self.limit }
    }
}

impl Args {
    /// A replay with nothing but `play` said.
    pub fn new(play: PlayArgs) -> Args {
        Args {
            trace: None,
            t0: None,
            t1: None,
            t2: None,
            t3: None,
            block_shift: BLOCK_SHIFT,
            metadata_only: false,
            quarantine: None,
            watermarks: None,
            t3_path: None,
            t3_durable: false,
            lookahead: None,
            model_block_bytes: BLOCK_BYTES,
            html: None,
            play,
        }
    }

    /// The same replay without bytes, with `blocks` in T1 and no other tier.
    pub fn t1_alone(&self, blocks: u32) -> Args {
        let t1 = Some(Capacity::Blocks(blocks.into()));
        Args { t0: None, t1, t2: None, t3: None, metadata_only: true, ..self.clone() }
    }

    /// Capacity of each tier in blocks. A number no tier can hold is cut to `u32::MAX`, which the
    /// driver refuses with the tier's name.
    pub fn capacities(&self) -> [u32; TIERS] {
        let asked = [self.t0, self.t1, self.t2, self.t3];
        if asked.iter().all(Option::is_none) {
            return DEFAULT_TIERS;
        }
        asked.map(|c| c.map_or(0, |c| u32::try_from(c.blocks(self.block_shift.min(63))).unwrap_or(u32::MAX)))
    }

    fn tier(&self, blocks: u32, lowest: bool) -> TierConfig {
        if blocks == 0 {
            return TierConfig::OFF;
        }
        let quarantine = self.quarantine.unwrap_or((blocks / 64).clamp(1, 1024));
        let percent = |p: u32| (u64::from(blocks) * u64::from(p) / 100) as u32;
        let tier = TierConfig { frames: blocks.saturating_add(quarantine), ..TierConfig::blocks(blocks) };
        match self.watermarks {
            Some((low, high)) if !lowest => tier.watermarks(percent(low), percent(high)),
            _ => tier,
        }
    }

    /// The configuration for a device of this geometry. Unless they were asked for, frames beyond the
    /// capacity give way where the directory cannot name them or the card cannot hold them.
    pub fn config(&self, geometry: &Geometry) -> Config {
        let capacities = self.capacities();
        let step_ms = self.play.step_ms;
        let lookahead = self.lookahead.unwrap_or_else(|| Lookahead::of_model(self.model_block_bytes, step_ms));
        let lookahead = lookahead.steps(step_ms);
        let lowest = capacities.iter().rposition(|&c| c > 0).unwrap_or(0);
        let tiers = std::array::from_fn(|t| {
            let tier = self.tier(capacities[t], t == lowest);
            let card = geometry.t1_bytes() >> self.block_shift.min(63);
            let card = if t == 1 && !self.metadata_only { u32::try_from(card).unwrap_or(u32::MAX) } else { u32::MAX };
            let most = geometry.entries().min(card).max(tier.limit);
            let frames = if self.quarantine.is_some() { tier.frames } else { tier.frames.min(most) };
            TierConfig { frames, lookahead: lookahead[t], ..tier }
        });
        // Blocks are made in the highest tier, and hits are served from it.
        let prefetch_tier = capacities.iter().position(|&c| c > 0).unwrap_or(1) as u8;
        Config {
            block_shift: self.block_shift,
            tiers,
            metadata_only: self.metadata_only,
            weights: self.play.weights.unwrap_or_default(),
            fixed_policy: self.play.fixed_policy,
            prefetch_tier,
            agents: 1,
            luf_check: true,
            queue: QueueConfig { sq_log2: RING_LOG2, cq_log2: RING_LOG2, tenant: None },
            ..Config::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_in_blocks_and_bytes() {
        assert_eq!("16_384".parse(), Ok(Capacity::Blocks(16_384)));
        assert_eq!("64MiB".parse(), Ok(Capacity::Bytes(64 << 20)));
        assert_eq!("64MiB".parse::<Capacity>().map(|c| c.blocks(12)), Ok(16_384));
        for bad in ["", "MiB", "12 parsecs", "99999999999999TiB", "-1"] {
            assert!(bad.parse::<Capacity>().is_err(), "{bad}");
        }
        assert!(parse_weights("1,2,3").is_err() && parse_weights("1,2,3,256").is_err());
        assert_eq!(parse_watermarks("90,95"), Ok((90, 95)));
        assert!(parse_watermarks("95,90").is_err());
    }
}
