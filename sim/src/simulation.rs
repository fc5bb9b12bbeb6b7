//! The device's top and all that stands round it, clock by clock.
//!
//! ```text
//!            ┌─ lite ──► s_axil ┌─────┐ m_host ─► root complex ─► host memory
//!   access ──┤                  │ top │ m_card ─► card memory, or a design that is one
//!            └─ BAR4 ─► msix ◄──┤ irq └─────┘
//!                        └─► eventfds
//! ```
//!
//! Everything outside the top is a register at its ports: what it does in a clock follows from the clock before. So one
//! evaluation settles the ports, and the edge takes them as they were seen.

use crate::bus::Bus;
use crate::card::Card;
use crate::lite::{Access, Lite};
use crate::memory::Memory;
use crate::msix::MsiX;
use crate::ports::{Common, LitePorts, MasterPorts, Wires};
use crate::root_complex::RootComplex;
use crate::rtl::{RtlError, RtlOptions};
use crate::slave::{Slave, Timing};
use crate::watch::Watch;
use crate::{Design, Model};
use kvcpu_mmio::{BackingError, Geometry};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::ops::RangeInclusive;

/// Length of a reset.
const RESET_CLOCKS: u32 = 16;

/// The whole of it.
pub(crate) struct Simulation {
    pub(crate) model: Model,
    wires: Wires,
    common: Common,
    lite: Lite,
    host: RootComplex,
    card: CardSide,
    pub(crate) msix: MsiX,
    pub(crate) watch: Watch,
    clocks_per_access: u32,
    watchdog: u64,
    limit: u64,
    /// Why it cannot go on.
    broken: Option<String>,
}

/// What is behind `m_card`: a model, or hardware.
enum CardSide {
    Model(Box<Slave>, Card),
    Hardware(Box<Memory>),
}

impl CardSide {
    fn reset(&mut self, wires: &mut Wires) {
        match self {
            CardSide::Model(slave, _) => slave.reset(wires),
            CardSide::Hardware(memory) => memory.reset(wires, RESET_CLOCKS),
        }
    }

    fn clock(&mut self, wires: &mut Wires, now: u64) -> Result<(), String> {
        match self {
            CardSide::Model(slave, card) => slave.clock(wires, now, card),
            CardSide::Hardware(memory) => memory.clock(wires),
        }
    }
}

impl Simulation {
    /// The device after its reset.
    pub(crate) fn new(
        design: &'static Design,
        geometry: &Geometry,
        options: &RtlOptions,
        bus: Box<dyn Bus>,
    ) -> Result<Simulation, RtlError> {
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(number);
            rng
        };
        let timing = |latency: &RangeInclusive<u32>| {
            let share = |probability: f64| (probability.clamp(0.0, 0.99) * 65_536.0) as u16;
            Timing { latency: latency.clone(), rest: share(options.back_pressure), lull: share(options.lulls) }
        };
        let host_ports = MasterPorts::of(design, "m_host_")?;
        let card_ports = MasterPorts::of(design, "m_card_")?;
        let card = match &options.card_design {
            None => CardSide::Model(
                Box::new(Slave::new("m_card", card_ports, timing(&options.card_latency), stream(3))),
                Card::new(geometry, options.card_bytes, stream(4).next_u64()),
            ),
            Some(name) => {
                let memory = crate::design(name).and_then(|memory| Memory::new(design, memory, stream(4).next_u64()));
                CardSide::Hardware(Box::new(memory.ok_or_else(|| RtlError::Card(name.clone()))?))
            }
        };
        let mut simulation = Simulation {
            wires: Wires::new(design),
            common: Common::of(design, "")?,
            lite: Lite::new(LitePorts::of(design, "s_axil_")?, stream(1)),
            host: RootComplex::new(Slave::new("m_host", host_ports, timing(&options.host_latency), stream(2)), bus),
            card,
            msix: MsiX::default(),
            watch: Watch::default(),
            clocks_per_access: options.clocks_per_access,
            watchdog: options.watchdog,
            limit: options.limit,
            broken: None,
            model: Model::new(design, stream(0).next_u32()),
        };
        for (port, value) in &options.straps {
            simulation.wires.tie(design, port, *value)?;
        }
        simulation.pulse_reset();
        Ok(simulation)
    }

    fn pulse_reset(&mut self) {
        self.lite.reset(&mut self.wires);
        self.host.reset(&mut self.wires);
        self.card.reset(&mut self.wires);
        self.wires.set(self.common.reset, true);
        for _ in 0..RESET_CLOCKS {
            self.model.clock(&self.wires.inputs, &mut self.wires.outputs);
        }
        self.wires.set(self.common.reset, false);
    }

    fn check(&self) -> Result<(), BackingError> {
        match &self.broken {
            Some(why) => Err(BackingError::Gone(why.clone())),
            None => Ok(()),
        }
    }

    fn fail(&mut self, why: String) -> BackingError {
        let why = format!("clock {}: {why}", self.model.clocks());
        self.broken = Some(why.clone());
        BackingError::Gone(why)
    }

    /// Function-level reset. Memory, the MSI-X table and Bus Master Enable stay.
    pub(crate) fn reset(&mut self) -> Result<(), BackingError> {
        self.check()?;
        self.msix.reset();
        self.pulse_reset();
        Ok(())
    }

    pub(crate) fn set_bus_master(&mut self, on: bool) -> Result<(), BackingError> {
        self.check()?;
        self.wires.set(self.common.bus_master, on);
        self.host.set_bus_master(on);
        self.msix.set_bus_master(on);
        Ok(())
    }

    /// Lets clocks pass.
    pub(crate) fn run(&mut self, clocks: u64) -> Result<(), BackingError> {
        self.check()?;
        for _ in 0..clocks {
            self.clock()?;
        }
        Ok(())
    }

    /// The same, but only until there may be something to see: an interrupt, or a completion in memory.
    pub(crate) fn run_until_event(&mut self, most: u64) -> Result<(), BackingError> {
        self.check()?;
        self.host.take_completed();
        for _ in 0..most {
            let interrupt = self.clock()?;
            if interrupt || self.host.take_completed() {
                break;
            }
        }
        Ok(())
    }

    /// A clock; whether an interrupt line was pulled.
    fn clock(&mut self) -> Result<bool, BackingError> {
        if self.model.clocks() >= self.limit {
            return Err(self.fail("no more clocks: RtlOptions::limit".into()));
        }
        self.model.clock(&self.wires.inputs, &mut self.wires.outputs);
        let lines = self.wires.get(self.common.irq);
        if lines != 0 {
            self.msix.raise(lines as u32);
        }
        let now = self.model.clocks();
        self.watch.clock(&self.wires, now);
        let done = (self.lite.clock(&mut self.wires).map_err(|why| format!("s_axil {why}")))
            .and_then(|()| self.host.clock(&mut self.wires, now))
            .and_then(|()| self.card.clock(&mut self.wires, now));
        done.map(|()| lines != 0).map_err(|why| self.fail(why))
    }

    /// A register access; what it reads.
    pub(crate) fn access(&mut self, access: Access) -> Result<u64, BackingError> {
        self.check()?;
        self.lite.begin(access);
        for _ in 0..self.watchdog {
            self.clock()?;
            if let Some(answer) = self.lite.take_answer() {
                self.run(self.clocks_per_access.into())?;
                return Ok(answer);
            }
        }
        Err(self.fail(format!("no answer within {} clocks to {access}", self.watchdog)))
    }
}
