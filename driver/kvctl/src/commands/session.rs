//! One device and the way commands reach it.
//!
//! A session that finds the device off configures it at the first command that needs it; one that
//! finds it enabled by somebody else leaves the configuration alone and keeps to the single-shot
//! registers, since the queues may have an owner.

use kvcpu_driver::{Commands, Config, Device, DriverError, QueuePair, SingleShot, StatusError};
use kvcpu_mmio::queue::{Cqe, Sqe};
use kvcpu_mmio::regs::control;
use kvcpu_store::MemStore;

use super::args::Command;
use super::reply::{Body, Reply};
use super::setup::{self, ConfigArgs, Shown};
use super::{copy, telemetry, weights};
use crate::cli::Error;
use crate::output::Report;
use crate::replay::Served;
use crate::{fw, regs};

/// How commands reach the device.
pub(crate) enum Way {
    Ring(Box<QueuePair>),
    Registers(SingleShot),
}

/// What a session says that could not start.
const NO_WAY: &str = "the session has no way to its device";

impl Commands for Way {
    fn execute(&mut self, sqe: Sqe) -> Result<Cqe, DriverError> {
        match self {
            Way::Ring(queue) => queue.execute(sqe),
            Way::Registers(registers) => registers.execute(sqe),
        }
    }

    fn block_bytes(&self) -> u32 {
        match self {
            Way::Ring(queue) => queue.block_bytes(),
            Way::Registers(registers) => registers.block_bytes(),
        }
    }
}

/// A device, its configuration, and the way to it.
pub struct Session {
    // Before the device: a queue pair stops its queue when it goes.
    way: Option<Way>,
    config: Config,
    single_shot: bool,
    device: Device,
}

impl Session {
    /// A session on `device`, by rings or, with `single_shot`, by registers.
    pub fn new(device: Device, single_shot: bool) -> Session {
        let config = Config { deadline: device.deadline(), ..setup::default() };
        Session { way: None, config, single_shot, device }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Resets the device; it is configured anew by the next command that needs it.
    pub fn reset(&mut self) -> Result<Reply, Error> {
        self.way = None;
        self.device.reset()?;
        Ok(Reply { command: "reset", body: Body::Done })
    }

    /// Shows or changes the configuration. A change empties the device.
    pub fn configure(&mut self, args: &ConfigArgs) -> Result<Box<dyn Report>, Error> {
        if args.changes() {
            self.plan(args)?;
            self.way = None;
            self.start()?;
        }
        Ok(Box::new(Shown(self.config.clone())))
    }

    /// Changes the configuration that the next start gives the device.
    fn plan(&mut self, args: &ConfigArgs) -> Result<(), Error> {
        let config = args.apply(&self.config);
        config.check(self.device.geometry())?;
        self.config = config;
        Ok(())
    }

    /// Starts the device with watermarks: from 7/8 full blocks go down until it is 3/4, in every tier that has one below it. Without
    /// them EVICT_THRESH does nothing. A device that somebody else has enabled is left as it is, unless it is to be changed.
    pub(crate) fn start_with_watermarks(&mut self, args: &ConfigArgs) -> Result<(), Error> {
        if !args.changes() && self.device.read_field(&control::STATUS, &control::STATUS::ENABLED)? == 1 {
            return Ok(());
        }
        self.plan(args)?;
        let last = self.config.tiers.iter().rposition(|tier| tier.limit > 0).unwrap_or(0);
        for tier in &mut self.config.tiers[..last] {
            (tier.high, tier.low) = (tier.limit - tier.limit / 8, tier.limit - tier.limit / 4);
        }
        self.start()
    }

    /// Carries out one command.
    pub fn run(&mut self, command: &Command) -> Result<Box<dyn Report>, Error> {
        let result = self.dispatch(command);
        for error in self.device.take_service_errors() {
            tracing::warn!("{error}");
        }
        result
    }

    /// The device, configured, and the way to it.
    pub(crate) fn into_parts(mut self) -> Result<(Way, Device), Error> {
        self.way()?;
        let way = self.way.ok_or(NO_WAY)?;
        Ok((way, self.device))
    }

    fn start(&mut self) -> Result<(), Error> {
        if self.config.uses_t3() {
            let store = MemStore::new(self.config.block_bytes(), self.config.tiers[3].frames)?;
            self.device.set_t3_backend(Box::new(Served::new(store)));
        }
        self.device.configure(self.config.clone())?;
        self.way = Some(if self.single_shot {
            Way::Registers(self.device.single_shot())
        } else {
            Way::Ring(Box::new(self.device.queue_pair(0)?))
        });
        Ok(())
    }

    fn way(&mut self) -> Result<&mut Way, Error> {
        if self.way.is_none() {
            if self.device.read_field(&control::STATUS, &control::STATUS::ENABLED)? == 1 {
                self.way = Some(Way::Registers(self.device.single_shot()));
            } else {
                self.start()?;
            }
        }
        self.way.as_mut().ok_or_else(|| NO_WAY.into())
    }

    fn dispatch(&mut self, command: &Command) -> Result<Box<dyn Report>, Error> {
        let reply = match command {
            Command::Regs(args) => return regs::run(args, &self.device),
            Command::Fw(args) => return fw::run(args, &self.device),
            Command::Telemetry => return Ok(Box::new(telemetry::read(&self.device)?)),
            Command::Weights(args) => return self.weights(args),
            Command::Copy(args) => {
                let device = self.device.clone();
                copy::copy(&device, self.way()?, &args.way)?
            }
            Command::Step { step } => {
                self.way()?.step_advance(*step)?;
                Reply { command: "step", body: Body::Step(*step) }
            }
            Command::Insert(args) => {
                let insert = args.insert();
                let placement = self.way()?.insert(&insert)?;
                Reply { command: "insert", body: Body::Placed(insert.key, placement) }
            }
            Command::Lookup { key } => Reply { command: "lookup", body: Body::Found(*key, self.way()?.lookup(*key)?) },
            Command::Touch { key, parent } => {
                Reply { command: "touch", body: Body::Found(*key, self.way()?.touch(*key, *parent)?) }
            }
            Command::Fence => {
                self.way()?.fence()?;
                Reply { command: "fence", body: Body::Done }
            }
            Command::Nop => {
                self.way()?.nop()?;
                Reply { command: "nop", body: Body::Done }
            }
            Command::Submit(args) => self.submit(args.sqe())?,
            _ => self.scoped(command)?,
        };
        Ok(Box::new(reply))
    }

    fn scoped(&mut self, command: &Command) -> Result<Reply, Error> {
        let way = self.way()?;
        let (name, target, affected) = match command {
            Command::Hot(of) => ("hot", of.target(), way.hot(of.target())?),
            Command::Unhot(of) => ("unhot", of.target(), way.unhot(of.target())?),
            Command::Evict(of) => ("evict", of.target(), way.evict(of.target())?),
            Command::Demote { target, tier } => ("demote", target.target(), way.demote(target.target(), *tier)?),
            Command::Prefetch { target, step } => ("prefetch", target.target(), way.prefetch(target.target(), *step)?),
            Command::Share(of) => ("share", of.target(), way.share(of.target())?),
            Command::Unshare(of) => ("unshare", of.target(), way.unshare(of.target())?),
            Command::Retain { target, steps } => ("retain", target.target(), way.retain(target.target(), *steps)?),
            Command::Dead(of) => ("dead", of.target(), way.dead(of.target())?),
            Command::Release(of) => ("release", of.target(), way.release(of.target())?),
            other => return Err(format!("{other:?} is not a command on blocks").into()),
        };
        Ok(Reply { command: name, body: Body::Affected(target, affected) })
    }

    /// A raw entry. A refusal is an error here as for every command.
    fn submit(&mut self, sqe: Sqe) -> Result<Reply, Error> {
        let cqe = self.way()?.execute(sqe)?;
        if cqe.status != 0 {
            let status = StatusError { code: cqe.status, qid: cqe.qid, value: cqe.value };
            return Err(format!("opcode {:#04x} refused: {status}", sqe.opcode).into());
        }
        Ok(Reply { command: "submit", body: Body::Completion(cqe) })
    }

    fn weights(&mut self, args: &weights::WeightsArgs) -> Result<Box<dyn Report>, Error> {
        // Before the device is configured there are no tiers to set marks of, and configuring would
        // undo what was set.
        if args.changes() {
            self.way()?;
            args.apply(&self.device)?;
            weights::read(&self.device)?.keep(&mut self.config);
        }
        Ok(Box::new(weights::read(&self.device)?))
    }
}
