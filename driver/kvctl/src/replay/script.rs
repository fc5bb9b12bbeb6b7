//! A trace as the device meets it: each request with its decode step and the hints that follow it.

use super::prefetch::Ledger;
use super::{Args, Engine, PlayArgs, ReplayError};
use crate::hint::{NO_HINTS, Oracle};
use crate::trace::Trace;
use kvcpu_driver::{Config, Device};
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::{Backing, Geometry};
use std::sync::Arc;
use std::time::Duration;

/// Load of the directory, in percent, up to which it takes every block (`docs/rtbd.md`).
const LOAD_PCT: u64 = 95;

/// What is played.
#[derive(Debug)]
pub struct Script<'a> {
    trace: &'a Trace,
    steps: Vec<u32>,
    oracle: Option<Oracle>,
}

impl<'a> Script<'a> {
    /// `trace` as `play` wants it.
    pub fn new(trace: &'a Trace, play: &PlayArgs) -> Result<Script<'a>, ReplayError> {
        let first_ms = trace.requests().first().map_or(0, |request| request.timestamp_ms);
        let step = |timestamp_ms: u64| {
            let step = (timestamp_ms - first_ms) / play.step_ms;
            u32::try_from(step).map_err(|_| ReplayError::StepOverflow { timestamp_ms, step })
        };
        let steps: Vec<u32> = trace
            .requests()
            .iter()
            .map(|request| step(request.timestamp_ms))
            .collect::<Result<_, _>>()?;
        let knowledge = play.hints.knowledge()?;
        let oracle = knowledge.map(|knowledge| Oracle::new(trace, &steps, knowledge)).transpose()?;
        Ok(Script { trace, steps, oracle })
    }

    /// The trace.
    pub fn trace(&self) -> &'a Trace {
        self.trace
    }

    /// What the device is told of the future, as outputs show it.
    pub fn hints(&self) -> String {
        self.oracle
            .as_ref()
            .map_or_else(|| NO_HINTS.to_string(), |oracle| oracle.knowledge().to_string())
    }

    /// Begins to watch prefetches, if the device is told of next uses and there are tiers to prefetch from. Returns the
    /// account of them.
    pub fn begin_prefetch_report(&self, engine: &mut Engine, config: &Config, block_bytes: u64) -> Option<Ledger> {
        let below = &config.tiers[usize::from(config.prefetch_tier) + 1..];
        let told = self.oracle.as_ref().is_some_and(|oracle| oracle.knowledge().next_use);
        if !told || below.iter().all(|tier| tier.limit == 0) {
            return None;
        }
        let in_use = below.iter().filter(|tier| tier.limit > 0);
        engine.watch(in_use.map(|tier| tier.lookahead).max().unwrap_or(0));
        Some(Ledger::new(config.prefetch_tier, block_bytes))
    }

    /// Plays request `number` with `chain`, and what the runtime then says of it. Returns its hits by tier.
    pub fn request(&self, engine: &mut Engine, number: usize, chain: &[u64]) -> Result<[u64; TIERS], ReplayError> {
        let hits = engine.request(self.steps[number], chain)?;
        if let Some(oracle) = &self.oracle {
            engine.hint(&oracle.after(number, chain))?;
        }
        Ok(hits)
    }

    /// Plays everything without bytes on a device that is configured for this, whose T1 holds `capacity` blocks and
    /// which has no other tier. Returns the hits from request `warm` on. `served` hears of each request.
    pub fn play_alone(
        &self,
        capacity: u32,
        args: &Args,
        backing: Arc<dyn Backing>,
        deadline: Duration,
        warm: usize,
        served: &dyn Fn(),
    ) -> Result<u64, ReplayError> {
        let device = Device::probe(backing)?;
        let config = args.t1_alone(capacity).config(device.geometry());
        device.configure(Config { deadline, ..config })?;
        let mut engine = Engine::new(&device)?;
        let mut hits = 0;
        for (number, (_, chain)) in self.trace.iter().enumerate() {
            let run: u64 = self.request(&mut engine, number, chain)?.iter().sum();
            hits += if number < warm { 0 } else { run };
            served();
        }
        Ok(hits)
    }
}

/// Most blocks that T1 of a device of this geometry holds: what its directory takes, and its card memory.
pub fn most_blocks(geometry: &Geometry, block_bytes: u64) -> u64 {
    let card = geometry.t1_bytes() / block_bytes.max(1);
    card.min(u64::from(geometry.entries()) * LOAD_PCT / 100)
}
