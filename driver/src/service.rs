//! The service loop: what the device asks of the host. T3 transfers come by ring, invalidations by
//! register.
//!
//! ```text
//!   device ── SvcStore, SvcFetch ──► requests ring ──► T3Backend ──┐
//!   device ◄── status, CRC-32C ───── answers ring ◄────────────────┘
//!   device ── INV_EPOCH ──► on_invalidate ──► AGENT_ACK
//! ```
//!
//! There is no thread: the loop runs inside every wait and in [`Device::service`]. This file has its state,
//! invalidations and the public side; T3 is in `transfers.rs`.

use std::fmt;
use std::sync::TryLockError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{Cqe, Key};
use kvcpu_mmio::regs::{luf, service};
use thiserror::Error;

use crate::device::lock;
use crate::transfers::{InFlight, Rings};
use crate::{Config, Device, DriverError, Source, T3Backend, T3Done, T3Error, T3Op, WaitMode, eventfd};

/// Errors kept for [`Device::take_service_errors`]; later ones are only logged.
const MOST_ERRORS: usize = 1024;

/// Something that went wrong on the host's side. The device is told, and undoes the move.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// A block could not be stored or fetched.
    #[error(
        "T3 {op} of block {}/{}/{:#018x} in slot {slot} failed: {cause}; the block stays where it was",
        key.tenant, key.request, key.tag
    )]
    Transfer {
        /// What was to be done.
        op: T3Op,
        /// The block.
        key: Key,
        /// Its T3 frame.
        slot: u32,
        /// The backend's reason.
        cause: T3Error,
    },
    /// The backend stopped working.
    #[error("T3 backend stopped, {lost} transfers failed: {cause}; configure again with a working one")]
    Backend {
        /// Transfers that were under way.
        lost: usize,
        /// The backend's reason.
        cause: T3Error,
    },
    /// The device asked for something that cannot be.
    #[error("request {cid} (opcode {opcode:#04x}) of the device refused: {reason}; reset the device")]
    BadRequest {
        /// Its id.
        cid: u16,
        /// Its opcode.
        opcode: u8,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Transfers did not end before the device was disabled.
    #[error("{lost} T3 transfers did not end within {waited:?}; they were given up")]
    Abandoned {
        /// How many.
        lost: usize,
        /// How long they were waited for.
        waited: Duration,
    },
}

/// What one turn of the service loop did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests taken from the device.
    pub requests: u32,
    /// Answers posted to the device.
    pub answers: u32,
    /// Invalidations acknowledged.
    pub invalidations: u32,
}

impl Served {
    /// Whether anything was done.
    pub fn any(&self) -> bool {
        *self != Served::default()
    }
}

/// State of the service loop.
#[derive(Default)]
pub(crate) struct Service {
    pub(crate) backend: Option<Box<dyn T3Backend>>,
    rings: Option<Rings>,
    /// Counts configurations, so that a late answer to an earlier one is recognised.
    pub(crate) generation: u64,
    pub(crate) in_flight: Vec<InFlight>,
    /// Answers for which the ring had no room yet.
    pub(crate) unposted: Vec<Cqe>,
    pub(crate) done: Vec<T3Done>,
    interrupts: bool,
    agents: u8,
    acknowledged: u64,
    on_invalidate: Option<Box<dyn FnMut(u32) + Send>>,
    errors: Vec<ServiceError>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

impl Service {
    pub(crate) fn has_backend(&self) -> bool {
        self.backend.is_some()
    }

    pub(crate) fn start(&mut self, rings: Option<Rings>, config: &Config) {
        self.rings = rings;
        self.interrupts = config.wait == WaitMode::Interrupt;
        self.agents = config.agents & config.driver_agents;
        self.acknowledged = 0;
    }

    /// Ends what is under way and forgets the rings. Memory that a stuck transfer still uses is held
    /// by that transfer.
    pub(crate) fn stop(&mut self, deadline: Duration) {
        let start = Instant::now();
        while !self.in_flight.is_empty() {
            let waited = start.elapsed();
            if waited >= deadline {
                let lost = self.in_flight.len();
                self.in_flight.clear();
                self.keep(ServiceError::Abandoned { lost, waited });
                break;
            }
            self.collect(true);
        }
        self.generation += 1;
        self.unposted.clear();
        self.rings = None;
        self.agents = 0;
    }

    /// Logs an error and keeps it for its asker.
    pub(crate) fn keep(&mut self, error: ServiceError) {
        tracing::error!(target: "kvcpu::service", "{error}");
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(error);
        }
    }

    /// One turn. With `wait` it blocks a moment for the backend if nothing else is to be done.
    fn serve<B>(&mut self, device: &Device<B>, wait: bool) -> Result<Served, DriverError>
    where
        B: Backing + ?Sized + 'static,
    {
        let mut served = Served::default();
        if self.agents != 0 {
            self.invalidate(device, &mut served)?;
        }
        if let Some(mut rings) = self.rings.take() {
            let result = self.transfer(device, &mut rings, wait, &mut served);
            self.rings = Some(rings);
            result?;
        }
        Ok(served)
    }

    fn invalidate<B>(&mut self, device: &Device<B>, served: &mut Served) -> Result<(), DriverError>
    where
        B: Backing + ?Sized + 'static,
    {
        self.take_signal(device, Source::Invalidate)?;
        let epoch = device.read(&luf::INV_EPOCH)?;
        if epoch == self.acknowledged {
            return Ok(());
        }
        if let Some(callback) = &mut self.on_invalidate {
            callback(epoch as u32);
        }
        for agent in (0..u8::BITS).filter(|agent| self.agents >> agent & 1 == 1) {
            device.write_at(&luf::AGENT_ACK, 0, agent, epoch)?;
        }
        self.acknowledged = epoch;
        served.invalidations += 1;
        Ok(())
    }

    /// In interrupt mode: status cleared and signal taken before looking for work.
    pub(crate) fn take_signal<B>(&self, device: &Device<B>, source: Source) -> Result<(), DriverError>
    where
        B: Backing + ?Sized + 'static,
    {
        if self.interrupts && eventfd::take(&**device.backing(), source.vector())? {
            device.clear_interrupt(source)?;
        }
        Ok(())
    }
}

impl<B: Backing + ?Sized + 'static> Device<B> {
    /// Gives the device's T3 its keeper; call it before [`configure`](Device::configure).
    pub fn set_t3_backend(&self, backend: Box<dyn T3Backend>) {
        lock(&self.inner.service).backend = Some(backend);
    }

    /// Takes the keeper back, after [`disable`](Device::disable). While the device uses T3 its
    /// requests fail from then on.
    pub fn take_t3_backend(&self) -> Option<Box<dyn T3Backend>> {
        lock(&self.inner.service).backend.take()
    }

    /// Sets what drops cached translations when the device invalidates; it gets the epoch. It runs
    /// inside the service loop, so it must not call the device's commands or `service`.
    pub fn on_invalidate(&self, callback: impl FnMut(u32) + Send + 'static) {
        lock(&self.inner.service).on_invalidate = Some(Box::new(callback));
    }

    /// One turn of the service loop: takes T3 requests, posts what the backend has finished,
    /// acknowledges invalidations. Does not block. Every wait of the driver does it too; call it where
    /// a program is busy with something else for long.
    pub fn service(&self) -> Result<Served, DriverError> {
        if !self.serves() {
            return Ok(Served::default());
        }
        lock(&self.inner.service).serve(self, false)
    }

    /// Fails all T3 moves under way: the way out, without losing the directory, when the backend does
    /// not answer. The blocks stay where they were; the next FENCE reports them.
    pub fn abort_transfers(&self) -> Result<(), DriverError> {
        self.write(&service::SVC_ABORT, 1)
    }

    /// What went wrong on the host's side since last asked, oldest first (at most 1024).
    pub fn take_service_errors(&self) -> Vec<ServiceError> {
        std::mem::take(&mut lock(&self.inner.service).errors)
    }

    /// Whether there is anything to serve.
    pub(crate) fn serves(&self) -> bool {
        self.inner.serves.load(Ordering::Acquire)
    }

    /// One turn, unless another thread is at it. Returns whether anything was done.
    pub(crate) fn serve_if_free(&self, wait: bool) -> Result<bool, DriverError> {
        if !self.serves() {
            return Ok(false);
        }
        let mut service = match self.inner.service.try_lock() {
            Ok(service) => service,
            Err(TryLockError::Poisoned(service)) => service.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(false),
        };
        Ok(service.serve(self, wait)?.any())
    }
}
