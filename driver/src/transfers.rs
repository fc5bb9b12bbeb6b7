//! T3 transfers: the half of the service loop that moves blocks.
//!
//! Requests come by a ring without phase bits (SVC_SQ_TAIL tells how far it is written), answers go by
//! another. What the device writes is checked before it is used, like any input.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{CQE_BYTES, Cqe, Key, Opcode, SQE_BYTES, Sqe, Status};
use kvcpu_mmio::regs::service;
use kvcpu_ring::{CompletionProducer, RingError, SubmissionConsumer};

use crate::dma::RingMemory;
use crate::service::Service;
use crate::{Config, Device, DmaBuffer, DriverError, Served, ServiceError, Source, T3Done, T3Op, T3Request};

/// How long one turn waits for the backend when there is nothing else to do.
const BACKEND_SLICE: Duration = Duration::from_millis(1);

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

fn broken(error: RingError) -> DriverError {
    DriverError::Ring { ring: "service ring", error }
}

/// A request that the backend has not answered.
pub(crate) struct InFlight {
    cid: u16,
    op: T3Op,
    key: Key,
    slot: u32,
}

impl Service {
    /// One turn: requests in, results out. With `wait` it blocks a moment for the backend if nothing
    /// else is to be done.
    pub(crate) fn transfer<B>(
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
    pub(crate) fn collect(&mut self, wait: bool) {
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
            fence(Ordering::Release);
            device.write(&service::SVC_CQ_DOORBELL, answers.tail().into())?;
        }
        Ok(count as u32)
    }
}
