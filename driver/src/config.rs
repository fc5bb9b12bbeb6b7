//! How a device is to be set up, and the check of that against its geometry.
//!
//! Leaves out the writing of registers (`programming.rs`).

use std::time::Duration;

use kvcpu_mmio::Geometry;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::regs::hepc;

use crate::ConfigError;

/// Weights of the score `P = sat16(WR*R + ((WF*F + WS*S + WD*D) >> max(SHIFT - 4, 0)))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// Recency.
    pub wr: u8,
    /// Frequency.
    pub wf: u8,
    /// Proximity of the next use.
    pub ws: u8,
    /// Durability of a prefix.
    pub wd: u8,
}

impl Weights {
    /// From the value of register WEIGHTS.
    pub const fn from_register(value: u64) -> Weights {
        Weights {
            wr: hepc::WEIGHTS::WR.get(value) as u8,
            wf: hepc::WEIGHTS::WF.get(value) as u8,
            ws: hepc::WEIGHTS::WS.get(value) as u8,
            wd: hepc::WEIGHTS::WD.get(value) as u8,
        }
    }

    /// The value of register WEIGHTS.
    pub const fn to_register(self) -> u64 {
        let value = hepc::WEIGHTS::WR.set(0, self.wr as u64);
        let value = hepc::WEIGHTS::WF.set(value, self.wf as u64);
        let value = hepc::WEIGHTS::WS.set(value, self.ws as u64);
        hepc::WEIGHTS::WD.set(value, self.wd as u64)
    }
}

impl Default for Weights {
    /// The device's reset value.
    fn default() -> Weights {
        Weights::from_register(hepc::WEIGHTS.reset)
    }
}

/// One tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierConfig {
    /// Block-sized slots; 0 leaves the tier out.
    pub frames: u32,
    /// Blocks that may be resident; the other frames are room for the LUF quarantine.
    pub limit: u32,
    /// Automatic demotion starts above this many blocks.
    pub high: u32,
    /// Automatic demotion stops at this many blocks.
    pub low: u32,
    /// Blocks hinted for use at most so many steps ahead are moved up.
    pub lookahead: u32,
}

impl TierConfig {
    /// A tier that is not used.
    pub const OFF: TierConfig = TierConfig { frames: 0, limit: 0, high: 0, low: 0, lookahead: 0 };

    /// A tier for `blocks` blocks, without quarantine room, automatic demotion or lookahead.
    pub const fn blocks(blocks: u32) -> TierConfig {
        TierConfig { frames: blocks, limit: blocks, high: blocks, low: blocks, lookahead: 0 }
    }

    /// The same with `frames` more for the quarantine.
    pub const fn quarantine(self, frames: u32) -> TierConfig {
        TierConfig { frames: self.frames + frames, ..self }
    }

    /// The same with watermarks.
    pub const fn watermarks(self, low: u32, high: u32) -> TierConfig {
        TierConfig { low, high, ..self }
    }

    /// The same with a lookahead.
    pub const fn lookahead(self, steps: u32) -> TierConfig {
        TierConfig { lookahead: steps, ..self }
    }
}

/// A queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// log2 of the submission ring's entries, 1 to 15.
    pub sq_log2: u32,
    /// log2 of the completion ring's entries, 1 to 15.
    pub cq_log2: u32,
    /// The only tenant whose keys the queue may name.
    pub tenant: Option<u8>,
}

impl Default for QueueConfig {
    /// 256 entries each way, every tenant.
    fn default() -> QueueConfig {
        QueueConfig { sq_log2: 8, cq_log2: 8, tenant: None }
    }
}

/// How to wait for the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitMode {
    /// Look at memory again and again, letting simulated time pass in between.
    #[default]
    Poll,
    /// Look a little, then sleep until an interrupt.
    Interrupt,
}

/// How a device is to be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// log2 of the block size in bytes.
    pub block_shift: u32,
    /// The tiers: T0 GPU memory (modelled in bus memory), T1 card, T2 host, T3 store.
    pub tiers: [TierConfig; TIERS],
    /// Decide and count moves without moving bytes; COPY is refused and T3 needs no backend.
    pub metadata_only: bool,
    /// Weights of the score.
    pub weights: Weights,
    /// Accesses per unit of recency, log2; 0 lets the device choose by its capacity.
    pub recency_shift: u32,
    /// The policy to evict by, 0 to 7, without the guard; `None` lets the guard choose.
    pub fixed_policy: Option<u8>,
    /// Automatic demotion takes blocks whose score is below this.
    pub evict_thresh: u16,
    /// Where prefetched blocks go.
    pub prefetch_tier: u8,
    /// Agents that cache translations, a bit each.
    pub agents: u8,
    /// Those of `agents` for which this driver acknowledges invalidations.
    pub driver_agents: u8,
    /// Invalidations of read-only blocks wait and are batched.
    pub luf_lazy: bool,
    /// The device checks every frame reuse.
    pub luf_check: bool,
    /// Staging slots for T3 transfers, 1 to 64.
    pub staging_slots: u32,
    /// log2 of the service rings' entries, 1 to 15.
    pub service_log2: u32,
    /// What `Device::queue_pair` makes.
    pub queue: QueueConfig,
    /// How queue pairs wait.
    pub wait: WaitMode,
    /// How long to wait without any sign of progress.
    pub deadline: Duration,
}

/// How long to wait without any sign of progress, if nothing else was said.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

impl Default for Config {
    /// 4 KiB blocks, 256 in T1 and 512 in T2, which the smallest usual geometry holds; no T0, T3 or agents;
    /// policy as after reset.
    fn default() -> Config {
        Config {
            block_shift: 12,
            tiers: [TierConfig::OFF, TierConfig::blocks(256), TierConfig::blocks(512), TierConfig::OFF],
            metadata_only: false,
            weights: Weights::default(),
            recency_shift: hepc::RECENCY_SHIFT.reset as u32,
            fixed_policy: None,
            evict_thresh: hepc::EVICT_THRESH.reset as u16,
            prefetch_tier: hepc::PREFETCH_TIER.reset as u8,
            agents: 0,
            driver_agents: u8::MAX,
            luf_lazy: true,
            luf_check: false,
            staging_slots: 16,
            service_log2: 7,
            queue: QueueConfig::default(),
            wait: WaitMode::Poll,
            deadline: DEADLINE,
        }
    }
}

fn refuse<T>(
    field: impl Into<String>,
    value: impl Into<u64>,
    limit: impl Into<String>,
    remedy: &'static str,
) -> Result<T, ConfigError> {
    Err(ConfigError { field: field.into(), value: value.into(), limit: limit.into(), remedy })
}

impl QueueConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (field, log2) in [("queue.sq_log2", self.sq_log2), ("queue.cq_log2", self.cq_log2)] {
            if !(1..=15).contains(&log2) {
                return refuse(field, log2, "must be 1 to 15", "choose 8 for 256 entries");
            }
        }
        Ok(())
    }
}

impl Config {
    /// Bytes of a block.
    pub fn block_bytes(&self) -> usize {
        1 << self.block_shift
    }

    /// Whether T3 is served by the host: it has frames and bytes move.
    pub fn uses_t3(&self) -> bool {
        self.tiers[3].limit > 0 && !self.metadata_only
    }

    /// What this device cannot hold, if anything.
    pub fn check(&self, geometry: &Geometry) -> Result<(), ConfigError> {
        let (min, max) = (geometry.min_block_shift, geometry.max_block_shift);
        if !(min..=max).contains(&self.block_shift) {
            return refuse(
                "block_shift",
                self.block_shift,
                format!("the device has {min} to {max}"),
                "choose another block size",
            );
        }
        for (number, tier) in self.tiers.iter().enumerate() {
            self.check_tier(number, tier, geometry)?;
        }
        if self.tiers.iter().all(|tier| tier.limit == 0) {
            return refuse("tiers", 0u32, "no tier has frames", "give at least one tier a limit");
        }
        if self.tiers.get(usize::from(self.prefetch_tier)).is_none_or(|tier| tier.limit == 0) {
            return refuse("prefetch_tier", self.prefetch_tier, "the tier has no frames", "name a tier in use");
        }
        if self.recency_shift > 15 {
            return refuse("recency_shift", self.recency_shift, "must be 0 to 15", "choose less");
        }
        if let Some(policy) = self.fixed_policy.filter(|&policy| policy > 7) {
            return refuse("fixed_policy", policy, "must be 0 to 7", "0 is LRU; docs/hepc.md lists them");
        }
        if u32::from(self.agents) >> geometry.agents != 0 {
            return refuse(
                "agents",
                self.agents,
                format!("the device has {} agents", geometry.agents),
                "clear the bits above",
            );
        }
        if self.tiers[3].limit > 0 {
            if !(1..=64).contains(&self.staging_slots) {
                return refuse("staging_slots", self.staging_slots, "must be 1 to 64", "choose 16");
            }
            if !(1..=15).contains(&self.service_log2) {
                return refuse("service_log2", self.service_log2, "must be 1 to 15", "choose 7");
            }
        }
        self.queue.check()
    }

    fn check_tier(&self, number: usize, tier: &TierConfig, geometry: &Geometry) -> Result<(), ConfigError> {
        let field = |name: &str| format!("tiers[{number}].{name}");
        if tier.frames > geometry.entries() {
            return refuse(
                field("frames"),
                tier.frames,
                format!("the directory has {} entries", geometry.entries()),
                "give the tier fewer frames, or use a device with a larger directory",
            );
        }
        if tier.limit > tier.frames {
            return refuse(
                field("limit"),
                tier.limit,
                format!("the tier has {} frames", tier.frames),
                "raise frames or lower limit",
            );
        }
        if tier.high > tier.limit {
            return refuse(
                field("high"),
                tier.high,
                format!("above the limit of {}", tier.limit),
                "keep low <= high <= limit",
            );
        }
        if tier.low > tier.high {
            return refuse(
                field("low"),
                tier.low,
                format!("above the high watermark {}", tier.high),
                "keep low <= high <= limit",
            );
        }
        let holds = geometry.t1_bytes() >> self.block_shift;
        if number == 1 && u64::from(tier.frames) > holds {
            return refuse(
                field("frames"),
                tier.frames,
                format!("{} KiB of card memory hold {holds} blocks of this size", geometry.t1_kib),
                "give T1 fewer frames or choose smaller blocks",
            );
        }
        Ok(())
    }
}
