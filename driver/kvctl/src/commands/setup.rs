//! The configuration of a session: a small one that works, and `config` to change it.

use clap::Args;
use kvcpu_driver::{Config, TierConfig};
use serde_json::{Value, json};

use crate::cli::parse::small;
use crate::output::{self, Report};

/// Blocks hinted for use within so many steps are moved up at once.
const LOOKAHEAD: u32 = 64;

/// 4 KiB blocks: 64 in T0, 256 in T1, 512 in T2, 1,024 in T3, which is kept in memory.
pub(super) fn default() -> Config {
    let tiers = [64, 256, 512, 1024].map(|blocks| TierConfig::blocks(blocks).lookahead(LOOKAHEAD));
    Config { tiers, ..Config::default() }
}

/// Changes of the configuration; none shows it.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigArgs {
    /// Block size, log2 bytes
    #[arg(long, value_name = "LOG2", value_parser = small::<u32>)]
    block_shift: Option<u32>,
    /// Blocks of T0, with room for a quarantine: 64 or 64+16; 0 leaves the tier out
    #[arg(long, value_name = "BLOCKS[+FRAMES]", value_parser = tier)]
    t0: Option<TierConfig>,
    /// Blocks of T1
    #[arg(long, value_name = "BLOCKS[+FRAMES]", value_parser = tier)]
    t1: Option<TierConfig>,
    /// Blocks of T2
    #[arg(long, value_name = "BLOCKS[+FRAMES]", value_parser = tier)]
    t2: Option<TierConfig>,
    /// Blocks of T3
    #[arg(long, value_name = "BLOCKS[+FRAMES]", value_parser = tier)]
    t3: Option<TierConfig>,
    /// Decide and count moves, move no bytes
    #[arg(long, value_name = "BOOL")]
    metadata_only: Option<bool>,
    /// Agents that cache translations, a bit each
    #[arg(long, value_name = "MASK", value_parser = small::<u8>)]
    agents: Option<u8>,
    /// Check every frame reuse
    #[arg(long, value_name = "BOOL")]
    luf_check: Option<bool>,
    /// Tier prefetched blocks go to
    #[arg(long, value_name = "TIER", value_parser = small::<u8>)]
    prefetch_tier: Option<u8>,
}

fn tier(text: &str) -> Result<TierConfig, String> {
    let (blocks, room) = text.split_once('+').unwrap_or((text, "0"));
    let (blocks, room) = (small::<u32>(blocks)?, small::<u32>(room)?);
    if blocks.checked_add(room).is_none() {
        return Err(format!("`{text}` is more frames than 32 bits count"));
    }
    Ok(TierConfig::blocks(blocks).quarantine(room))
}

impl ConfigArgs {
    /// Whether anything is to be changed.
    pub(super) fn changes(&self) -> bool {
        let Self { block_shift, t0, t1, t2, t3, metadata_only, agents, luf_check, prefetch_tier } = self;
        let tiers = [t0, t1, t2, t3].iter().any(|tier| tier.is_some());
        let flags = metadata_only.is_some() || luf_check.is_some();
        tiers || flags || block_shift.is_some() || agents.is_some() || prefetch_tier.is_some()
    }

    /// `config` with the changes. If the tier that prefetches go to is left out and none was named,
    /// they go to the first in use.
    pub(super) fn apply(&self, config: &Config) -> Config {
        let mut config = config.clone();
        for (tier, change) in config.tiers.iter_mut().zip([self.t0, self.t1, self.t2, self.t3]) {
            if let Some(change) = change {
                *tier = TierConfig { lookahead: tier.lookahead, ..change };
            }
        }
        config.block_shift = self.block_shift.unwrap_or(config.block_shift);
        config.metadata_only = self.metadata_only.unwrap_or(config.metadata_only);
        config.agents = self.agents.unwrap_or(config.agents);
        config.luf_check = self.luf_check.unwrap_or(config.luf_check);
        config.prefetch_tier = self.prefetch_tier.unwrap_or(config.prefetch_tier);
        let off = |tier: u8| config.tiers.get(usize::from(tier)).is_none_or(|tier| tier.limit == 0);
        if self.prefetch_tier.is_none() && off(config.prefetch_tier) {
            let first = config.tiers.iter().position(|tier| tier.limit > 0).unwrap_or(1);
            config.prefetch_tier = first as u8;
        }
        config
    }
}

/// A configuration, shown.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Config);

impl Report for Shown {
    fn text(&self) -> String {
        let config = &self.0;
        let mut table = output::table(&["tier", "blocks", "frames", "high", "low", "lookahead"]);
        for (number, tier) in config.tiers.iter().enumerate() {
            let numbers = [tier.limit, tier.frames, tier.high, tier.low, tier.lookahead].map(|n| n.to_string());
            table.add_row(std::iter::once(format!("T{number}")).chain(numbers));
        }
        let general = output::pairs([
            ("block size", format!("{} bytes", config.block_bytes())),
            ("metadata only", config.metadata_only.to_string()),
            ("agents", format!("{:#x}", config.agents)),
            ("LUF check", config.luf_check.to_string()),
            ("prefetch tier", format!("T{}", config.prefetch_tier)),
        ]);
        format!("{table}\n{general}")
    }

    fn json(&self) -> Value {
        let config = &self.0;
        let tiers: Vec<Value> = config
            .tiers
            .iter()
            .map(|t| json!({ "limit": t.limit, "frames": t.frames, "high": t.high, "low": t.low, "lookahead": t.lookahead }))
            .collect();
        json!({
            "command": "config",
            "block_bytes": config.block_bytes(),
            "metadata_only": config.metadata_only,
            "agents": config.agents,
            "luf_check": config.luf_check,
            "prefetch_tier": config.prefetch_tier,
            "tiers": tiers,
        })
    }
}
