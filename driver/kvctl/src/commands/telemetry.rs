//! `telemetry`: everything the device counts, holds and complains about, at one glance.

use kvcpu_driver::{Counters, Device, Occupancy};
use kvcpu_mmio::regs::{control, dma, hepc, luf, queue, service};
use kvcpu_mmio::{Field, Register};
use serde::Serialize;
use serde_json::Value;

use crate::cli::Error;
use crate::output::{self, Report, to_json};

/// A queue pair.
#[derive(Debug, Serialize)]
struct Queue {
    qid: u32,
    running: bool,
    halted: bool,
    sq_head: u64,
    cq_tail: u64,
    errors: Vec<&'static str>,
}

/// An error register, bit by bit.
#[derive(Debug, Serialize)]
struct Errors {
    register: &'static str,
    value: u64,
    set: Vec<&'static str>,
}

/// What a device says of itself.
#[derive(Debug, Serialize)]
pub(super) struct Telemetry {
    command: &'static str,
    device: String,
    enabled: bool,
    blocked_on: u64,
    moves_in_flight: u64,
    step: u64,
    block_bytes: u32,
    luf_epoch: u64,
    luf_violations: u64,
    occupancy: Occupancy,
    queues: Vec<Queue>,
    errors: Vec<Errors>,
    last_bad_access: u64,
    counters: Counters,
}

fn set(fields: &'static [Field], value: u64) -> Vec<&'static str> {
    fields.iter().filter(|field| field.get(value) != 0).map(|field| field.name).collect()
}

/// Reads it. Nothing is cleared: BAD_ACCESS_COUNT, which reading clears, is left to `regs read`.
pub(super) fn read(device: &Device) -> Result<Telemetry, Error> {
    let status = device.read(&control::STATUS)?;
    let queue = |qid| -> Result<Queue, Error> {
        let read = |register: &Register| device.read_at(register, qid, 0);
        let state = read(&queue::Q_STATUS)?;
        Ok(Queue {
            qid,
            running: queue::Q_STATUS::RUNNING.get(state) == 1,
            halted: queue::Q_STATUS::HALTED.get(state) == 1,
            sq_head: read(&queue::SQ_HEAD)?,
            cq_tail: read(&queue::CQ_TAIL)?,
            errors: set(queue::Q_ERR.fields, read(&queue::Q_ERR)?),
        })
    };
    let errors = [&control::ERR_STATUS, &dma::DMA_ERR, &service::SVC_ERR].map(|register| -> Result<Errors, Error> {
        let value = device.read(register)?;
        Ok(Errors { register: register.name, value, set: set(register.fields, value) })
    });
    Ok(Telemetry {
        command: "telemetry",
        device: device.backing().name(),
        enabled: control::STATUS::ENABLED.get(status) == 1,
        blocked_on: control::STATUS::BLOCKED_ON.get(status),
        moves_in_flight: control::STATUS::MOVES_IN_FLIGHT.get(status),
        step: device.read(&hepc::STEP)?,
        block_bytes: device.block_bytes(),
        luf_epoch: device.read(&luf::INV_EPOCH)?,
        luf_violations: device.read(&luf::LUF_VIOLATIONS)?,
        occupancy: device.occupancy()?,
        queues: (0..device.geometry().queues).map(queue).collect::<Result<_, _>>()?,
        errors: errors.into_iter().collect::<Result<_, _>>()?,
        last_bad_access: device.read(&control::BAD_ACCESS_ADDR)?,
        counters: device.counters()?,
    })
}

impl Report for Telemetry {
    fn text(&self) -> String {
        let blocked = match self.blocked_on {
            0 => "nothing",
            1 => "a move",
            2 => "an invalidation",
            3 => "space in a completion queue",
            4 => "a staging slot",
            5 => "space in the service queue",
            _ => "something this kvctl does not know",
        };
        let of = &self.occupancy;
        let general = output::pairs([
            ("device", self.device.clone()),
            ("enabled", self.enabled.to_string()),
            ("waits for", blocked.to_owned()),
            ("moves in flight", self.moves_in_flight.to_string()),
            ("step", self.step.to_string()),
            ("block size", format!("{} bytes", self.block_bytes)),
            ("directory", format!("{} entries, {} of them ghosts, {} in the stash", of.entries, of.ghosts, of.stash)),
            ("LUF", format!("epoch {}, {} violations", self.luf_epoch, self.luf_violations)),
        ]);
        let c = &self.counters;
        let mut tiers = output::table(&[
            "tier",
            "blocks",
            "free",
            "quarantined",
            "hits",
            "inserts",
            "evictions",
            "drops",
            "promotions",
            "bytes in",
            "bytes out",
        ]);
        for (number, tier) in of.tiers.iter().enumerate() {
            let counted = [&c.hits, &c.inserts, &c.evictions, &c.drops, &c.promotions];
            let counted = counted.map(|counter| counter[number]);
            let bytes = [c.copy_in_bytes[number], c.copy_out_bytes[number]];
            let held = [tier.used, tier.free, tier.quarantined].map(u64::from);
            let numbers = held.into_iter().chain(counted).chain(bytes).map(|n| n.to_string());
            tiers.add_row(std::iter::once(format!("T{number}")).chain(numbers));
        }
        let mut queues = output::table(&["queue", "state", "next submission", "next completion", "errors"]);
        for queue in &self.queues {
            let state = match (queue.running, queue.halted) {
                (_, true) => "halted",
                (true, false) => "running",
                (false, false) => "off",
            };
            let errors = queue.errors.join(", ");
            queues.add_row([
                queue.qid.to_string(),
                state.into(),
                queue.sq_head.to_string(),
                queue.cq_tail.to_string(),
                errors,
            ]);
        }
        let errors = self.errors.iter().map(|e| {
            let set = if e.set.is_empty() { "none".to_owned() } else { e.set.join(", ") };
            (e.register, set)
        });
        let moved = (0..4).flat_map(|from| (0..4).map(move |to| (from, to)));
        let moved = moved.filter(|(from, to)| c.moved(*from, *to) > 0);
        let moved = moved.map(|(from, to)| (format!("T{from} to T{to}"), format!("{} bytes", c.moved(from, to))));
        let counters = output::pairs(
            [
                ("commands", c.commands),
                ("refused", c.refused),
                ("look-ups", c.lookups),
                ("misses", c.misses),
                ("ghost hits", c.ghost_hits),
                ("denials", c.denials),
                ("moves failed", c.moves_failed),
                ("sweeps", c.sweeps),
                ("dry sweeps", c.dry_sweeps),
                ("list pops", c.list_pops),
                ("list stale", c.list_stale),
                ("kicks", c.kicks),
                ("ghosts reclaimed", c.ghosts_reclaimed),
                ("directory full", c.directory_full),
                ("shootdowns needed", c.shootdowns_needed),
                ("shootdowns sent", c.shootdowns_sent),
                ("longest decision", c.decision_max),
            ]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_string()))
            .chain(moved),
        );
        format!("{general}\n{tiers}\n{queues}\n{}\n{counters}", output::pairs(errors))
    }

    fn json(&self) -> Value {
        to_json(self)
    }
}
