//! Random devices and random command streams, on an emulator and on the model.
//!
//! What they are drawn from is in `generate.rs`, `commands.rs`, `chains.rs` and `fault.rs`.

mod chains;
mod commands;
mod fault;
mod generate;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kvcpu_driver::{Config, Weights, sqe};
use kvcpu_mmio::queue::{Cqe, Key, Sqe};
use kvcpu_mmio::regs::{hepc, tier};
use kvcpu_mmio::{Backing, Geometry, Register};

use crate::bus::Bus;
use crate::model::Model;
use crate::rig::{Path, Restart, Rig, text};

pub(crate) use fault::ONE_BURST;
use fault::inject;
pub use fault::{Fault, Place};
pub use generate::{geometry, scenario, scenario_of};

/// One step of a stream.
#[derive(Clone, Debug)]
pub enum Op {
    /// A command.
    Command(Sqe),
    /// A register that may be written at any time.
    Tune(Tune),
    /// A block's bytes are read back.
    ReadBack(Key),
    /// The driver's service loop has a turn.
    Serve,
    /// All moves end, and everything is compared.
    Compare,
    /// Something breaks, or all is well again.
    Fault(Fault),
    /// All is well again, and the device is stopped and begins anew.
    Restart(Restart),
}

/// Writes that are always allowed.
#[derive(Clone, Copy, Debug)]
pub enum Tune {
    /// WEIGHTS.
    Weights(Weights),
    /// EVICT_THRESH.
    Threshold(u16),
    /// RECENCY_SHIFT.
    Shift(u8),
    /// PREFETCH_TIER, also one without frames.
    PrefetchTier(u8),
    /// TIER_LOW and TIER_HIGH.
    Watermarks(usize, u32, u32),
    /// TIER_LOOKAHEAD.
    Lookahead(usize, u32),
    /// GUARD.
    Guard {
        /// The guard chooses.
        enable: bool,
        /// The policy if it does not.
        policy: u8,
    },
}

/// What the commands of a stream are drawn from.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The device.
    pub geometry: Geometry,
    /// How it is set up.
    pub config: Config,
    /// How commands reach it.
    pub path: Path,
    /// Commands of one batch, on the ring path.
    pub batch: usize,
    /// Commands of one doorbell, on the ring path: those of a batch ring while the first are executed.
    pub doorbell: usize,
    /// Most looks before T3 answers.
    pub t3_delay: u32,
    /// Each command is fenced, as docs/moves.md asks under faults.
    pub fenced: bool,
}

/// What kinds of device a stream may get.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// Bytes move.
    pub bytes: bool,
    /// T3 may be in use.
    pub t3: bool,
    /// Things break.
    pub faults: bool,
    /// Mostly accesses, so that history grows long.
    pub history: bool,
    /// A directory of thousands of entries instead of a hundred.
    pub large: bool,
    /// Commands.
    pub length: usize,
}

/// Runs a stream on an emulator and on the model.
pub fn run(scenario: &Scenario, ops: &[Op]) -> Result<(), String> {
    run_to_end(scenario, ops).map(drop)
}

/// The same; returns the model as it ended, to see which corners were reached.
pub fn run_to_end(scenario: &Scenario, ops: &[Op]) -> Result<Model, String> {
    let (emulator, bus) = Bus::emulator(scenario.geometry);
    run_on(emulator, &bus, scenario, ops)
}

/// The same on any device, whose accesses to memory go by `bus`.
pub fn run_on<B: Backing + 'static>(backing: B, bus: &Bus, scenario: &Scenario, ops: &[Op]) -> Result<Model, String> {
    let mut player = Player::new(backing, scenario)?;
    for op in ops {
        player.play(bus, op)?;
    }
    player.end(bus)?;
    Ok(player.rig.model)
}

/// A stream on its way through a device and the model.
pub struct Player<B: Backing + 'static> {
    /// The two.
    pub rig: Rig<B>,
    config: Config,
    pending: Vec<Sqe>,
    batch: usize,
    fenced: bool,
}

impl<B: Backing + 'static> Player<B> {
    /// Sets the device up.
    pub fn new(backing: B, scenario: &Scenario) -> Result<Player<B>, String> {
        let mut rig = Rig::new(Arc::new(backing), &scenario.config, scenario.path)?;
        rig.doorbell = scenario.doorbell;
        rig.t3.delay.store(scenario.t3_delay, Ordering::SeqCst);
        let batch = if scenario.path == Path::Ring { scenario.batch } else { 1 };
        let config = scenario.config.clone();
        Ok(Player { rig, config, pending: Vec::new(), batch, fenced: scenario.fenced })
    }

    /// One operation; the completions that it brought.
    pub fn play(&mut self, bus: &Bus, op: &Op) -> Result<Vec<Cqe>, String> {
        let rig = &mut self.rig;
        let mut cqes = Vec::new();
        if !matches!(op, Op::Command(_)) || self.pending.len() >= self.batch {
            cqes = rig.run(&std::mem::take(&mut self.pending))?;
        }
        match op {
            Op::Command(sqe) if self.fenced => cqes.extend(rig.run(&[*sqe, sqe::fence()])?),
            Op::Command(sqe) => self.pending.push(*sqe),
            Op::Tune(tune) => apply(rig, *tune)?,
            Op::ReadBack(key) => cqes.push(rig.read_back(*key)?),
            Op::Serve => drop(rig.device.service().map_err(text)?),
            Op::Compare => rig.compare()?,
            Op::Fault(fault) => inject(rig, bus, *fault)?,
            Op::Restart(restart) => {
                inject(rig, bus, Fault::Heal)?;
                rig.restart(restart, &self.config)?;
            }
        }
        Ok(cqes)
    }

    /// The rest, and the comparison of all there is.
    pub fn end(&mut self, bus: &Bus) -> Result<(), String> {
        let rig = &mut self.rig;
        rig.run(&std::mem::take(&mut self.pending))?;
        inject(rig, bus, Fault::Heal)?;
        rig.compare()?;
        rig.read_back_all()?;
        rig.compare()
    }
}

/// Writes a register on both sides.
pub fn apply<B: Backing + 'static>(rig: &mut Rig<B>, tune: Tune) -> Result<(), String> {
    let write = |register: &Register, instance: usize, value: u32| {
        rig.device.write_at(register, instance as u32, 0, value.into()).map_err(text)
    };
    match tune {
        Tune::Weights(weights) => {
            write(&hepc::WEIGHTS, 0, weights.to_register() as u32)?;
            rig.model.weights = weights;
        }
        Tune::Threshold(value) => {
            write(&hepc::EVICT_THRESH, 0, value.into())?;
            rig.model.evict_thresh = value.into();
        }
        Tune::Shift(value) => {
            write(&hepc::RECENCY_SHIFT, 0, value.into())?;
            rig.model.recency_shift = value.into();
        }
        Tune::PrefetchTier(value) => {
            write(&hepc::PREFETCH_TIER, 0, value.into())?;
            rig.model.prefetch_tier = value.into();
        }
        Tune::Watermarks(number, low, high) => {
            write(&tier::TIER_LOW, number, low)?;
            write(&tier::TIER_HIGH, number, high)?;
            (rig.model.tiers[number].low, rig.model.tiers[number].high) = (low, high);
        }
        Tune::Lookahead(number, steps) => {
            write(&tier::TIER_LOOKAHEAD, number, steps)?;
            rig.model.tiers[number].lookahead = steps;
        }
        Tune::Guard { enable, policy } => {
            let value = hepc::GUARD::POLICY.set(hepc::GUARD::ENABLE.set(0, enable.into()), policy.into());
            write(&hepc::GUARD, 0, value as u32)?;
            (rig.model.guard.enabled, rig.model.guard.given) = (enable, policy.into());
        }
    }
    Ok(())
}
