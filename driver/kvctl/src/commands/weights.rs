//! `weights`: what a block is worth, and when the device moves it by itself.

use clap::Args;
use kvcpu_driver::{Config, Device, Weights};
use kvcpu_mmio::Register;
use kvcpu_mmio::regs::{hepc, tier};
use serde_json::{Value, json};

use crate::cli::Error;
use crate::cli::parse::{small, tier_number};
use crate::output::{self, Report};

/// Changes of the policy; none shows it.
#[derive(Args, Clone, Debug, Default)]
pub struct WeightsArgs {
    /// Weight of recency, 0 to 255
    #[arg(long, value_parser = small::<u8>)]
    wr: Option<u8>,
    /// Weight of frequency
    #[arg(long, value_parser = small::<u8>)]
    wf: Option<u8>,
    /// Weight of the next use's proximity
    #[arg(long, value_parser = small::<u8>)]
    ws: Option<u8>,
    /// Weight of a prefix's durability
    #[arg(long, value_parser = small::<u8>)]
    wd: Option<u8>,
    /// Accesses per unit of recency, log2, 0 to 15; 0 lets the device choose
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=15))]
    recency_shift: Option<u8>,
    /// Automatic demotion takes blocks scored below this
    #[arg(long, value_parser = small::<u16>)]
    evict_thresh: Option<u16>,
    /// Automatic demotion starts above so many blocks
    #[arg(long, value_name = "TIER:BLOCKS", value_parser = tier_number)]
    high: Vec<(u32, u32)>,
    /// Automatic demotion stops at so many blocks
    #[arg(long, value_name = "TIER:BLOCKS", value_parser = tier_number)]
    low: Vec<(u32, u32)>,
    /// Blocks hinted for use at most so many steps ahead move up
    #[arg(long, value_name = "TIER:STEPS", value_parser = tier_number)]
    lookahead: Vec<(u32, u32)>,
}

/// One tier's limits.
#[derive(Clone, Copy, Debug)]
struct Marks {
    limit: u64,
    high: u64,
    low: u64,
    lookahead: u64,
}

/// The policy in force.
#[derive(Debug)]
pub(super) struct Policy {
    weights: Weights,
    recency_shift: u64,
    evict_thresh: u64,
    prefetch_tier: u64,
    tiers: Vec<Marks>,
}

impl WeightsArgs {
    /// Whether anything is to be changed.
    pub(super) fn changes(&self) -> bool {
        let weights = [self.wr, self.wf, self.ws, self.wd, self.recency_shift];
        let marks = [&self.high, &self.low, &self.lookahead];
        weights.iter().any(|w| w.is_some()) || self.evict_thresh.is_some() || marks.iter().any(|m| !m.is_empty())
    }

    /// Writes what was given.
    pub(super) fn apply(&self, device: &Device) -> Result<(), Error> {
        let old = device.weights()?;
        let new = Weights {
            wr: self.wr.unwrap_or(old.wr),
            wf: self.wf.unwrap_or(old.wf),
            ws: self.ws.unwrap_or(old.ws),
            wd: self.wd.unwrap_or(old.wd),
        };
        if new != old {
            device.set_weights(new)?;
        }
        if let Some(shift) = self.recency_shift {
            device.write(&hepc::RECENCY_SHIFT, shift.into())?;
        }
        if let Some(score) = self.evict_thresh {
            device.write(&hepc::EVICT_THRESH, score.into())?;
        }
        for (number, blocks) in &self.high {
            mark(device, &tier::TIER_HIGH, *number, *blocks)?;
        }
        for (number, blocks) in &self.low {
            mark(device, &tier::TIER_LOW, *number, *blocks)?;
        }
        for (number, steps) in &self.lookahead {
            mark(device, &tier::TIER_LOOKAHEAD, *number, *steps)?;
        }
        Ok(())
    }
}

/// Sets a mark of a tier, if it fits the register.
fn mark(device: &Device, register: &Register, tier: u32, value: u32) -> Result<(), Error> {
    let most = register.writable();
    if u64::from(value) > most {
        return Err(format!("{}@{tier} takes at most {most}, not {value}", register.name).into());
    }
    Ok(device.write_at(register, tier, 0, value.into())?)
}

impl Policy {
    /// Puts the policy into a configuration, so that it outlives the next one.
    pub(super) fn keep(&self, config: &mut Config) {
        config.weights = self.weights;
        config.recency_shift = self.recency_shift as u32;
        config.evict_thresh = self.evict_thresh as u16;
        for (tier, marks) in config.tiers.iter_mut().zip(&self.tiers) {
            (tier.high, tier.low, tier.lookahead) = (marks.high as u32, marks.low as u32, marks.lookahead as u32);
        }
    }
}

/// Reads the policy in force.
pub(super) fn read(device: &Device) -> Result<Policy, Error> {
    let marks = |number| -> Result<Marks, Error> {
        let read = |register| device.read_at(register, number, 0);
        Ok(Marks {
            limit: read(&tier::TIER_LIMIT)?,
            high: read(&tier::TIER_HIGH)?,
            low: read(&tier::TIER_LOW)?,
            lookahead: read(&tier::TIER_LOOKAHEAD)?,
        })
    };
    Ok(Policy {
        weights: device.weights()?,
        recency_shift: device.read(&hepc::RECENCY_SHIFT)?,
        evict_thresh: device.read(&hepc::EVICT_THRESH)?,
        prefetch_tier: device.read(&hepc::PREFETCH_TIER)?,
        tiers: (0..tier::BLOCK.instances).map(marks).collect::<Result<_, _>>()?,
    })
}

impl Report for Policy {
    fn text(&self) -> String {
        let Weights { wr, wf, ws, wd } = self.weights;
        let general = output::pairs([
            ("WR recency", wr.to_string()),
            ("WF frequency", wf.to_string()),
            ("WS next use", ws.to_string()),
            ("WD durability", wd.to_string()),
            ("recency shift", format!("{} (log2 accesses)", self.recency_shift)),
            ("evict threshold", format!("{} (score)", self.evict_thresh)),
            ("prefetch tier", format!("T{}", self.prefetch_tier)),
        ]);
        let mut table = output::table(&["tier", "limit", "high", "low", "lookahead"]);
        for (number, marks) in self.tiers.iter().enumerate() {
            let numbers = [marks.limit, marks.high, marks.low, marks.lookahead].map(|n| n.to_string());
            table.add_row(std::iter::once(format!("T{number}")).chain(numbers));
        }
        format!("{general}\n{table}")
    }

    fn json(&self) -> Value {
        let Weights { wr, wf, ws, wd } = self.weights;
        let tier = |m: &Marks| json!({ "limit": m.limit, "high": m.high, "low": m.low, "lookahead": m.lookahead });
        json!({
            "command": "weights",
            "wr": wr, "wf": wf, "ws": ws, "wd": wd,
            "recency_shift": self.recency_shift,
            "evict_thresh": self.evict_thresh,
            "prefetch_tier": self.prefetch_tier,
            "tiers": self.tiers.iter().map(tier).collect::<Vec<_>>(),
        })
    }
}
