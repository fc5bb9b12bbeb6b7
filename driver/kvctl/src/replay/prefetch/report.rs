//! The prefetch report as `--json` prints it, and as lines for a terminal.

use super::super::table::{bytes, count, table};
use super::super::timing::{Channel, SPEEDS};
use crate::baseline::percent;
use comfy_table::Table;
use kvcpu_driver::{Config, Counters};
use kvcpu_mmio::geometry::TIERS;
use serde::Serialize;
use std::fmt;

/// Blocks, with their size in the model and their share of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Blocks.
    pub blocks: u64,
    /// Bytes, as large as the model's blocks are.
    pub bytes: u64,
    /// Share of the whole, 0 to 100.
    pub pct: f64,
}

impl Share {
    /// `blocks` out of `whole`.
    pub fn new(blocks: u64, whole: u64, block_bytes: u64) -> Share {
        let pct = percent(blocks as usize, whole as usize);
        Share { blocks, bytes: blocks.saturating_mul(block_bytes), pct }
    }
}

/// Time that requests waited for blocks from below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stall {
    /// Requests that waited at all.
    pub requests: u64,
    /// Sum over all requests.
    pub total_s: f64,
    /// The longest of one request.
    pub longest_s: f64,
}

/// How a tier's channels were used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChannelUse {
    /// The tier.
    pub tier: usize,
    /// Blocks that left it upwards.
    pub up_blocks: u64,
    /// Time that took.
    pub up_busy_s: f64,
    /// Longest time one of them stood in the queue.
    pub up_longest_wait_s: f64,
    /// Blocks that came down into it.
    pub down_blocks: u64,
    /// Time that takes.
    pub down_busy_s: f64,
}

impl ChannelUse {
    /// What went up from `tier`.
    pub fn up(tier: usize, up: &Channel) -> ChannelUse {
        ChannelUse {
            tier,
            up_blocks: up.transfers,
            up_busy_s: up.busy_ns as f64 / 1e9,
            up_longest_wait_s: up.longest_wait_ns as f64 / 1e9,
            down_blocks: 0,
            down_busy_s: 0.0,
        }
    }
}

/// How well hinted blocks were in the prefetch tier before they were needed, and what that saved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prefetch {
    /// Size of a block in the model.
    pub model_block_bytes: u64,
    /// Steps before its target from which a block of each tier is moved up.
    pub lookahead_steps: [u32; TIERS],
    /// Hits on blocks that had been below the prefetch tier since their last use: the sum of the next three.
    pub hits_below: u64,
    /// Those that had been moved up ahead and had arrived.
    pub on_time: Share,
    /// Those that had been moved up ahead and were on their way.
    pub late: Share,
    /// Those that were still below, and fetched when they were needed.
    pub on_demand: Share,
    /// Blocks moved up ahead: on time, late and wasted ones.
    pub promoted_ahead: u64,
    /// Those that left again, or were left at the end, without use.
    pub wasted: Share,
    /// Hinted blocks that left the prefetch tier for one needed later.
    pub pushed_out: u64,
    /// Stalls as they were.
    pub stall: Stall,
    /// Stalls if each of the hits below had been fetched on demand.
    pub stall_on_demand_only: Stall,
    /// What prefetching saved of that.
    pub saved_s: f64,
    /// The same as a share.
    pub saved_pct: f64,
    /// The tiers below the prefetch tier.
    pub channels: Vec<ChannelUse>,
    /// Look-ups made for this report; they are in the device's counters, too.
    pub lookups: u64,
    /// Promotions that the device counted and the look-ups did not see: blocks that left again at once.
    pub promotions_unseen: u64,
}

impl Prefetch {
    /// Adds what the device and its configuration say. `raised` blocks were moved up on demand.
    pub(in crate::replay) fn complete(mut self, config: &Config, counters: &Counters, raised: u64) -> Prefetch {
        self.lookahead_steps = config.tiers.map(|tier| tier.lookahead);
        self.channels.retain(|channel| config.tiers[channel.tier].limit > 0);
        for channel in &mut self.channels {
            let into: u64 = (0..channel.tier).map(|from| counters.moved(from, channel.tier)).sum();
            channel.down_blocks = into / config.block_bytes() as u64;
            let each_ns = SPEEDS[channel.tier].occupied_ns(self.model_block_bytes);
            channel.down_busy_s = channel.down_blocks as f64 * each_ns as f64 / 1e9;
        }
        let promotions: u64 = counters.promotions.iter().sum();
        self.promotions_unseen = promotions.saturating_sub(self.promoted_ahead + raised);
        self
    }

    fn rows(&self) -> Table {
        let mut rows = table(&["prefetch", "blocks", "%", "bytes"]);
        let mut row = |name: &str, Share { blocks, bytes: n, pct }: Share| {
            rows.add_row([name.to_string(), count(blocks), format!("{pct:.2}"), bytes(n)]);
        };
        row("on time", self.on_time);
        row("late", self.late);
        row("on demand", self.on_demand);
        row("wasted, of those ahead", self.wasted);
        rows
    }
}

impl fmt::Display for Prefetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ahead: Vec<String> = self
            .channels
            .iter()
            .map(|channel| format!("T{} {}", channel.tier, self.lookahead_steps[channel.tier]))
            .collect();
        writeln!(
            f,
            "prefetch, in a model with blocks of {}: {} hits on blocks from below, {} blocks moved up ahead; lookahead in steps: {}",
            bytes(self.model_block_bytes),
            count(self.hits_below),
            count(self.promoted_ahead),
            ahead.join(", "),
        )?;
        writeln!(f, "{}", self.rows())?;
        let (stall, without) = (&self.stall, &self.stall_on_demand_only);
        writeln!(
            f,
            "stall: {:.3} s in {} requests, longest {:.3} s; all on demand: {:.3} s in {}, longest {:.3} s; saved {:.3} s, {:.1}%",
            stall.total_s,
            count(stall.requests),
            stall.longest_s,
            without.total_s,
            count(without.requests),
            without.longest_s,
            self.saved_s,
            self.saved_pct
        )
    }
}
