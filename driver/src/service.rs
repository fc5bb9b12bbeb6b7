//! The service loop: what the device asks of the host. T3 transfers come by ring, invalidations by
//! register.
//!
//! ```text
//!   device ── SvcStore, SvcFetch ──► requests ring ──► T3Backend ──┐
//!   device ◄── status, CRC-32C ───── answers ring ◄────────────────┘
//!   device ── INV_EPOCH ──► on_invalidate ──► AGENT_ACK
//! ```
//!
//! There is no thread: the loop runs inside every wait and in [`Device::service`]. What the device
//! writes is checked before it is used, like any input.

use std::fmt;
use std::sync::TryLockError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{CQE_BYTES, Cqe, Key, Opcode, SQE_BYTES, Sqe, Status};
use kvcpu_mmio::regs::{luf, service};
use kvcpu_ring::{CompletionProducer, RingError, SubmissionConsumer};
use thiserror::Error;

use crate::device::lock;
use crate::dma::RingMemory;
use crate::{
    Config, Device, DmaBuffer, DriverError, Source, T3Backend, T3Done, T3Error, T3Op, T3Request, WaitMode, eventfd,
};

/// Errors kept for [`Device::take_service_errors`]; later ones are only logged.
const MOST_ERRORS: usize = 1024;
/// How long one turn waits for the backend when there is nothing else to do.
const BACKEND_SLICE: Duration = Duration::from_millis(1);

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

/// The rings and the staging memory of a device that uses T3.
pub(crate) struct Rings {
    requests: SubmissionConsumer<RingMemory>,
    answers: CompletionProducer<RingMemory>,
    staging: DmaBuffer,
    /// Keep the rings mapped.
    request_memory: DmaBuffer,
    answer_memory: DmaBuffer,
    block_bytes: usize,
}

impl Rings {
    pub(crate) fn new<B>(device: &Device<B>, config: &Config) -> Result<Rings, DriverError>
    where
        B: Backing + ?Sized + 'static,
    {
        let entries = 1 << config.service_log2;
        let request_memory = device.dma_alloc(entries as usize * SQE_BYTES)?;
        let answer_memory = device.dma_alloc(entries as usize * CQE_BYTES)?;
        let block_bytes = config.block_bytes();
        Ok(Rings {
            requests: SubmissionConsumer::new(RingMemory::of(&request_memory), entries).map_err(broken)?,
            answers: CompletionProducer::new(RingMemory::of(&answer_memory), entries).map_err(broken)?,
            staging: device.dma_alloc(config.staging_slots as usize * block_bytes)?,
            request_memory,
            answer_memory,
            block_bytes,
        })
    }

    pub(crate) fn requests_iova(&self) -> u64 {
        self.request_memory.iova()
    }

    pub(crate) fn answers_iova(&self) -> u64 {
        self.answer_memory.iova()
    }

    pub(crate) fn staging_iova(&self) -> u64 {
        self.staging.iova()
    }

    /// Byte offset of the staging slot at `iova`, if it is one.
    fn slot_offset(&self, iova: u64) -> Option<usize> {
        let offset = usize::try_from(iova.checked_sub(self.staging.iova())?).ok()?;
        (offset % self.block_bytes == 0 && offset < self.staging.len()).then_some(offset)
    }
}

fn broken(source: RingError) -> DriverError {
    DriverError::Ring { ring: "service ring", source }
}

struct InFlight {
    cid: u16,
    op: T3Op,
    key: Key,
    slot: u32,
}

/// State of the service loop.
#[derive(Default)]
pub(crate) struct Service {
    backend: Option<Box<dyn T3Backend>>,
    rings: Option<Rings>,
    /// Counts configurations, so that a late answer to an earlier one is recognised.
    generation: u64,
    in_flight: Vec<InFlight>,
    /// Answers for which the ring had no room yet.
    unposted: Vec<Cqe>,
    done: Vec<T3Done>,
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

    fn keep(&mut self, error: ServiceError) {
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

    fn transfer<B>(
        &mut self,
        device: &Device<B>,
        rings: &mut Rings,
        wait: bool,
        served: &mut Served,
    ) -> Result<(), DriverError>
    where
        B: Backing + ?Sized + 'static,
    {
        self.take_signal(device, Source::Service)?;
        let tail = device.read(&service::SVC_SQ_TAIL)?;
        rings.requests.set_tail(tail as u32).map_err(broken)?;
        while let Some(words) = rings.requests.pop() {
            served.requests += 1;
            self.request(rings, Sqe::from_words(words));
        }
        if served.requests > 0 {
            device.write(&service::SVC_SQ_HEAD, rings.requests.release().into())?;
        }
        if !self.in_flight.is_empty() {
            self.collect(wait && !served.any() && self.unposted.is_empty());
        }
        if !self.unposted.is_empty() {
            served.answers = self.post(device, &mut rings.answers)?;
        }
        Ok(())
    }

    /// In interrupt mode: status cleared and signal taken before looking for work.
    fn take_signal<B>(&self, device: &Device<B>, source: Source) -> Result<(), DriverError>
    where
        B: Backing + ?Sized + 'static,
    {
        if self.interrupts && eventfd::take(&**device.backing(), source.vector())? {
            device.clear_interrupt(source)?;
        }
        Ok(())
    }

    /// Hands one request to the backend, or refuses it.
    fn request(&mut self, rings: &Rings, sqe: Sqe) {
        let op = match Opcode::from_code(sqe.opcode) {
            Some(Opcode::SvcStore) => T3Op::Store,
            Some(Opcode::SvcFetch) => T3Op::Fetch,
            _ => return self.refuse(&sqe, Status::InvalidOpcode, "the host does not know it"),
        };
        let Some(offset) = rings.slot_offset(sqe.iova) else {
            return self.refuse(&sqe, Status::DmaFault, "its address is no staging slot");
        };
        if sqe.length as usize != rings.block_bytes {
            return self.refuse(&sqe, Status::BadLength, "its length is not the block size");
        }
        if self.in_flight.iter().any(|other| other.cid == sqe.cid) {
            return self.refuse(&sqe, Status::InvalidField, "its id is in use");
        }
        let request = T3Request {
            id: self.generation << 16 | u64::from(sqe.cid),
            slot: sqe.slot,
            key: sqe.key,
            memory: rings.staging.memory().clone(),
            offset,
            bytes: rings.block_bytes,
            crc32c: sqe.crc32c,
        };
        let Some(backend) = &mut self.backend else {
            return self.refuse(&sqe, Status::MoveFailed, "there is no T3 backend");
        };
        tracing::trace!(target: "kvcpu::service", %op, slot = sqe.slot, cid = sqe.cid, "request");
        match op {
            T3Op::Store => backend.store(request),
            T3Op::Fetch => backend.fetch(request),
        }
        self.in_flight.push(InFlight { cid: sqe.cid, op, key: sqe.key, slot: sqe.slot });
    }

    fn refuse(&mut self, sqe: &Sqe, status: Status, reason: &'static str) {
        self.keep(ServiceError::BadRequest { cid: sqe.cid, opcode: sqe.opcode, reason });
        self.unposted.push(Cqe { cid: sqe.cid, status: status.code(), ..Cqe::default() });
    }

    /// Takes results from the backend and makes answers of them.
    fn collect(&mut self, wait: bool) {
        let mut done = std::mem::take(&mut self.done);
        let result = match &mut self.backend {
            Some(backend) if wait => backend.wait(BACKEND_SLICE, &mut done),
            Some(backend) => backend.poll(&mut done),
            None => Ok(()),
        };
        for T3Done { id, result } in done.drain(..) {
            let of_now = id >> 16 == self.generation;
            let place = self.in_flight.iter().position(|flight| flight.cid == id as u16);
            let Some(place) = place.filter(|_| of_now) else {
                tracing::warn!(target: "kvcpu::service", id, "T3 backend answered a request that is not under way");
                continue;
            };
            let InFlight { cid, op, key, slot } = self.in_flight.swap_remove(place);
            let (status, value) = match result {
                Ok(crc32c) => (Status::Ok, crc32c),
                Err(cause) => {
                    self.keep(ServiceError::Transfer { op, key, slot, cause });
                    (Status::MoveFailed, 0)
                }
            };
            self.unposted.push(Cqe { cid, status: status.code(), value, ..Cqe::default() });
        }
        self.done = done;
        if let Err(cause) = result {
            // What it may still write to staging memory the device's own CRC check will refuse.
            let lost = self.in_flight.len();
            for InFlight { cid, .. } in self.in_flight.drain(..) {
                let status = Status::MoveFailed.code();
                self.unposted.push(Cqe { cid, status, ..Cqe::default() });
            }
            self.keep(ServiceError::Backend { lost, cause });
        }
    }

    /// Posts answers in order until the ring is full; returns how many.
    fn post<B>(&mut self, device: &Device<B>, answers: &mut CompletionProducer<RingMemory>) -> Result<u32, DriverError>
    where
        B: Backing + ?Sized + 'static,
    {
        if (answers.free() as usize) < self.unposted.len() {
            let head = device.read(&service::SVC_CQ_HEAD)?;
            answers.set_head(head as u32).map_err(broken)?;
        }
        let count = self.unposted.len().min(answers.free() as usize);
        for cqe in self.unposted.drain(..count) {
            answers.push(cqe.to_words()).map_err(broken)?;
        }
        if count > 0 {
            // The doorbell is a value: what was pushed must be visible before it.
            std::sync::atomic::fence(Ordering::Release);
            device.write(&service::SVC_CQ_DOORBELL, answers.tail().into())?;
        }
        Ok(count as u32)
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
