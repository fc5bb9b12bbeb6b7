//! The service queue: requests to the host, and its answers. `docs/queue.md`, Service queue.

use crate::core::Core;
use crate::dma::DmaFault;
use crate::irq::Source;
use kvcpu_mmio::queue::{Cqe, Sqe, cqe_address, sqe_address};
use kvcpu_mmio::regs::control::ERR_STATUS;
use kvcpu_mmio::regs::service::{SVC_CQ_HEAD, SVC_ERR, SVC_SQ_TAIL};
use kvcpu_mmio::{Field, Register};

#[derive(Default)]
pub(crate) struct Service {
    running: bool,
    /// A ring access faulted: nothing reaches the host any more.
    broken: bool,
    pub(crate) err: u32,
    sq_base: u64,
    cq_base: u64,
    stage_base: u64,
    size: u32,
    sq_tail: u32,
    sq_head: u32,
    cq_head: u32,
}

impl Service {
    pub(crate) fn begin(&mut self, enable: bool, bases: [u64; 3], log2: u32) {
        let [sq_base, cq_base, stage_base] = bases;
        *self = Service {
            running: enable,
            err: self.err,
            sq_base,
            cq_base,
            stage_base,
            size: 1 << log2,
            ..Service::default()
        };
    }

    pub(crate) fn end(&mut self) {
        *self = Service { err: self.err, ..Service::default() };
    }

    pub(crate) fn read(&self, register: &Register) -> Option<u32> {
        match register.offset {
            o if o == SVC_SQ_TAIL.offset => Some(self.sq_tail),
            o if o == SVC_CQ_HEAD.offset => Some(self.cq_head),
            o if o == SVC_ERR.offset => Some(self.err),
            _ => None,
        }
    }

    /// Fails if nothing reaches the host any more.
    pub(crate) fn check(&self) -> Result<(), DmaFault> {
        if self.broken { Err(DmaFault::T3) } else { Ok(()) }
    }

    /// Whether a request can be posted, or fail, at once.
    pub(crate) fn has_space(&self) -> bool {
        self.broken || (self.sq_tail + 1) & (self.size - 1) != self.sq_head
    }

    /// Bus address of a staging slot.
    pub(crate) fn stage_address(&self, slot: u16, shift: u32) -> u64 {
        self.stage_base.wrapping_add(u64::from(slot) << shift)
    }
}

impl Core {
    fn service_error(&mut self, bit: &Field) {
        self.service.err |= bit.mask() as u32;
        self.raise_error(&ERR_STATUS::SERVICE);
    }

    /// Writes a request to the ring; there is space. A fault there is the ring's, and the move fails as those after it do.
    pub(crate) fn post_request(&mut self, request: &Sqe) -> Result<(), DmaFault> {
        let address = sqe_address(self.service.sq_base, self.service.sq_tail);
        if let Err(fault) = self.host_write(address, &request.to_words()) {
            self.note_fault(&fault);
            self.service.broken = true;
            self.service_error(&SVC_ERR::FAULT);
            return Err(DmaFault::T3);
        }
        self.service.sq_tail = (self.service.sq_tail + 1) & (self.service.size - 1);
        self.irq.raise(Source::Service);
        Ok(())
    }

    /// SVC_SQ_HEAD: the host took requests.
    pub(crate) fn service_taken(&mut self, head: u32) {
        if !self.service.running {
            self.service_error(&SVC_ERR::NOT_RUNNING);
        } else if head >= self.service.size {
            self.service_error(&SVC_ERR::BAD_DOORBELL);
        } else {
            self.service.sq_head = head;
            self.run();
        }
    }

    /// SVC_ABORT: the host gives up what it was asked.
    pub(crate) fn abort_service(&mut self, value: u32) {
        if value != 0 {
            self.fail_staged_moves();
            self.run();
        }
    }

    /// SVC_CQ_DOORBELL: the host completed requests.
    pub(crate) fn service_completed(&mut self, tail: u32) {
        if !self.service.running {
            self.service_error(&SVC_ERR::NOT_RUNNING);
            return;
        }
        if tail >= self.service.size {
            self.service_error(&SVC_ERR::BAD_DOORBELL);
            return;
        }
        while !self.service.broken && self.service.cq_head != tail {
            let mut words = [0; 2];
            let address = cqe_address(self.service.cq_base, self.service.cq_head);
            if let Err(fault) = self.host_read(address, &mut words) {
                self.note_fault(&fault);
                self.service.broken = true;
                self.service_error(&SVC_ERR::FAULT);
                self.fail_staged_moves();
                break;
            }
            self.service.cq_head = (self.service.cq_head + 1) & (self.service.size - 1);
            let answer = Cqe::from_words(words);
            if !self.answer_staged_move(&answer) {
                self.service_error(&SVC_ERR::UNKNOWN_ID);
            } else if answer.status != 0 {
                self.service_error(&SVC_ERR::T3_FAILED);
            }
        }
        self.run();
    }
}
