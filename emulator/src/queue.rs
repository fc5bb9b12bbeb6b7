//! The command paths: submission and completion queues, and the single-shot registers.
//! `docs/queue.md`.

use crate::command::{Current, Outcome};
use crate::core::{Core, Wait};
use crate::csr::Cause;
use crate::irq::Source;
use kvcpu_mmio::Register;
use kvcpu_mmio::queue::{Cqe, SINGLE_SHOT_QID, Sqe, Status, cqe_address, sqe_address};
use kvcpu_mmio::regs::control::ERR_STATUS;
use kvcpu_mmio::regs::counter::{CNT_COMMANDS, CNT_REFUSED};
use kvcpu_mmio::regs::queue::{CQ_BASE, CQ_TAIL, Q_CTRL, Q_ERR, Q_SIZE, Q_STATUS, SQ_BASE, SQ_HEAD};
use kvcpu_mmio::regs::{command, queue};
use std::collections::VecDeque;

/// Where a command came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Queue(usize),
    SingleShot,
}

/// From this many waiting doorbells on, one for a queue already waiting is merged with it.
const MERGE_FROM: usize = 12;

#[derive(Default)]
struct Queue {
    enabled: bool,
    halted: bool,
    err: u32,
    sq_base: u64,
    cq_base: u64,
    sq_size: u32,
    cq_size: u32,
    sq_head: u32,
    cq_tail: u32,
    cq_head: u32,
    phase: bool,
    tenant: Option<u8>,
}

impl Queue {
    fn running(&self) -> bool {
        self.enabled && !self.halted
    }

    fn completion_space(&self) -> bool {
        (self.cq_tail + 1) & (self.cq_size - 1) != self.cq_head
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct SingleShot {
    busy: bool,
    done: bool,
    /// CMD_SQE as it was at CMD_GO.
    sqe: Sqe,
}

impl SingleShot {
    pub(crate) fn status(&self) -> u32 {
        use command::CMD_STATUS as S;
        S::DONE.set(S::BUSY.set(0, self.busy.into()), self.done.into()) as u32
    }
}

#[derive(Default)]
pub(crate) struct Queues {
    queues: [Queue; 4],
    pub(crate) single_shot: SingleShot,
    /// Doorbells not served yet, in order of arrival: origin, tail.
    doorbells: VecDeque<(Origin, u32)>,
}

impl Queues {
    pub(crate) fn is_enabled(&self, qid: usize) -> bool {
        self.queues[qid].enabled
    }

    pub(crate) fn clear_errors(&mut self, qid: usize, bits: u32) {
        self.queues[qid].err &= !bits;
    }

    /// The tenant that commands from `origin` are held to.
    pub(crate) fn tenant(&self, origin: Origin) -> Option<u8> {
        match origin {
            Origin::Queue(qid) => self.queues[qid].tenant,
            Origin::SingleShot => None,
        }
    }

    /// Forgets all doorbells; says whether a single-shot command was among them.
    pub(crate) fn forget_all(&mut self) -> bool {
        let single_shot = self.doorbells.iter().any(|(origin, _)| *origin == Origin::SingleShot);
        self.doorbells.clear();
        single_shot
    }

    pub(crate) fn disable_all(&mut self) {
        for queue in &mut self.queues {
            *queue = Queue { err: queue.err, ..Queue::default() };
        }
    }

    pub(crate) fn read(&self, register: &Register, n: usize) -> Option<u32> {
        let inside = register.offset >= queue::BLOCK.base && register.offset < queue::BLOCK.base + queue::BLOCK.stride;
        if !inside {
            return None;
        }
        let q = self.queues.get(n)?;
        match register.offset {
            o if o == Q_STATUS.offset => {
                let running = Q_STATUS::RUNNING.set(0, q.running().into());
                Some(Q_STATUS::HALTED.set(running, q.halted.into()) as u32)
            }
            o if o == SQ_HEAD.offset => Some(q.sq_head),
            o if o == CQ_TAIL.offset => Some(q.cq_tail),
            o if o == Q_ERR.offset => Some(q.err),
            _ => None,
        }
    }

    fn push_doorbell(&mut self, origin: Origin, tail: u32) {
        let waiting = self.doorbells.len();
        let merge = match self.doorbells.iter_mut().rev().find(|(o, _)| *o == origin) {
            Some(last) if waiting >= MERGE_FROM => Some(last),
            _ => self.doorbells.back_mut().filter(|(o, _)| *o == origin),
        };
        match merge {
            Some(last) => last.1 = tail,
            None => self.doorbells.push_back((origin, tail)),
        }
    }
}

impl Core {
    fn queue_error(&mut self, qid: usize, bit: &kvcpu_mmio::Field) {
        self.queues.queues[qid].err |= bit.mask() as u32;
        self.raise_error(&ERR_STATUS::QUEUE);
    }

    fn halt(&mut self, qid: usize, bit: &kvcpu_mmio::Field) {
        self.queues.queues[qid].halted = true;
        self.queues.doorbells.retain(|(origin, _)| *origin != Origin::Queue(qid));
        self.queue_error(qid, bit);
    }

    pub(crate) fn write_queue_ctrl(&mut self, qid: usize, value: u32) {
        let v = value.into();
        let at = Q_CTRL.at(qid as u32) as usize / 4;
        let enable = Q_CTRL::ENABLE.get(v) == 1;
        let was = self.queues.queues[qid].enabled;
        self.words[at] = value;
        let tenant = (Q_CTRL::TENANT_ENFORCE.get(v) == 1).then(|| Q_CTRL::TENANT.get(v) as u8);
        if enable && !was {
            let word = |r: &Register, i: u32| self.words[r.at(qid as u32) as usize / 4 + i as usize];
            let wide = |r: &Register| u64::from(word(r, 0)) | u64::from(word(r, 1)) << 32;
            let size = u64::from(word(&Q_SIZE, 0));
            let (sq_log2, cq_log2) = (Q_SIZE::SQ_LOG2.get(size), Q_SIZE::CQ_LOG2.get(size));
            let (sq_base, cq_base) = (wide(&SQ_BASE), wide(&CQ_BASE));
            let fits = (1..=15).contains(&sq_log2) && (1..=15).contains(&cq_log2);
            if !fits || !sq_base.is_multiple_of(64) || !cq_base.is_multiple_of(16) {
                self.words[at] = value & !(Q_CTRL::ENABLE.mask() as u32);
                self.queue_error(qid, &Q_ERR::BAD_CONFIG);
                return;
            }
            self.queues.queues[qid] = Queue {
                enabled: true,
                err: self.queues.queues[qid].err,
                sq_base,
                cq_base,
                sq_size: 1 << sq_log2,
                cq_size: 1 << cq_log2,
                phase: true,
                ..Queue::default()
            };
        } else if !enable && was {
            self.queues.doorbells.retain(|(origin, _)| *origin != Origin::Queue(qid));
            if self.current.as_ref().is_some_and(|c| c.origin == Origin::Queue(qid)) {
                self.current = None;
            }
            self.queues.queues[qid] = Queue { err: self.queues.queues[qid].err, ..Queue::default() };
        }
        self.queues.queues[qid].tenant = tenant;
        self.run();
    }

    pub(crate) fn ring_submission(&mut self, qid: usize, tail: u32) {
        let queue = &self.queues.queues[qid];
        if !queue.running() {
            self.queue_error(qid, &Q_ERR::NOT_RUNNING);
        } else if tail >= queue.sq_size {
            self.queue_error(qid, &Q_ERR::BAD_DOORBELL);
        } else {
            self.queues.push_doorbell(Origin::Queue(qid), tail);
            self.run();
        }
    }

    pub(crate) fn ring_completion(&mut self, qid: usize, head: u32) {
        let queue = &mut self.queues.queues[qid];
        if !queue.running() {
            self.queue_error(qid, &Q_ERR::NOT_RUNNING);
        } else if head >= queue.cq_size {
            self.queue_error(qid, &Q_ERR::BAD_DOORBELL);
        } else {
            queue.cq_head = head;
            if self.blocked == Some(Wait::CompletionSpace) {
                self.run();
            }
        }
    }

    /// CMD_GO.
    pub(crate) fn go(&mut self) -> Result<(), Cause> {
        if self.queues.single_shot.busy {
            return Err(Cause::NotWritable);
        }
        let first = command::CMD_SQE.at(0) as usize / 4;
        let half = |i: usize| u64::from(self.words[first + i]);
        let sqe = Sqe::from_words(std::array::from_fn(|i| half(2 * i) | half(2 * i + 1) << 32));
        self.queues.single_shot = SingleShot { busy: true, done: false, sqe };
        self.queues.doorbells.push_back((Origin::SingleShot, 0));
        self.run();
        Ok(())
    }

    /// Fetches the next command, if there is one.
    pub(crate) fn next_command(&mut self) -> Result<Option<Current>, Wait> {
        while let Some(&(origin, tail)) = self.queues.doorbells.front() {
            let Origin::Queue(qid) = origin else {
                self.queues.doorbells.pop_front();
                return Ok(Some(Current::new(self.queues.single_shot.sqe, origin)));
            };
            let queue = &mut self.queues.queues[qid];
            if queue.sq_head == tail {
                self.queues.doorbells.pop_front();
                continue;
            }
            if !queue.completion_space() {
                return Err(Wait::CompletionSpace);
            }
            let address = sqe_address(queue.sq_base, queue.sq_head);
            let mut words = [0; 8];
            match self.host_read(address, &mut words) {
                Ok(()) => {
                    let queue = &mut self.queues.queues[qid];
                    queue.sq_head = (queue.sq_head + 1) & (queue.sq_size - 1);
                    return Ok(Some(Current::new(Sqe::from_words(words), origin)));
                }
                Err(fault) => {
                    self.note_fault(&fault);
                    self.halt(qid, &Q_ERR::FETCH_FAULT);
                }
            }
        }
        Ok(None)
    }

    /// Posts the completion of a command.
    pub(crate) fn complete(&mut self, current: &Current, outcome: Outcome) {
        self.counters.add(&CNT_COMMANDS, 1);
        if outcome.status != Status::Ok {
            self.counters.add(&CNT_REFUSED, 1);
        }
        match current.origin {
            Origin::SingleShot => self.complete_single_shot(outcome),
            Origin::Queue(qid) => {
                let queue = &self.queues.queues[qid];
                let cqe = outcome.cqe(current.sqe.cid, qid as u16, queue.sq_head as u16, queue.phase);
                let address = cqe_address(queue.cq_base, queue.cq_tail);
                if let Err(fault) = self.host_write(address, &cqe.to_words()) {
                    self.note_fault(&fault);
                    self.halt(qid, &Q_ERR::POST_FAULT);
                    return;
                }
                let queue = &mut self.queues.queues[qid];
                queue.cq_tail = (queue.cq_tail + 1) & (queue.cq_size - 1);
                queue.phase ^= queue.cq_tail == 0;
                self.irq.raise_queue(qid);
            }
        }
    }

    pub(crate) fn complete_single_shot(&mut self, outcome: Outcome) {
        let cid = self.queues.single_shot.sqe.cid;
        let cqe: Cqe = outcome.cqe(cid, SINGLE_SHOT_QID, 0, false);
        let first = command::CMD_CQE.at(0) as usize / 4;
        for (i, word) in cqe.to_words().into_iter().enumerate() {
            self.words[first + 2 * i] = word as u32;
            self.words[first + 2 * i + 1] = (word >> 32) as u32;
        }
        self.queues.single_shot = SingleShot { busy: false, done: true, ..self.queues.single_shot };
        self.irq.raise(Source::Command);
    }
}
