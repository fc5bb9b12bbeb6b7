//! Rings by hand: every entry, phase bit and index looked at, over several wraps. `docs/queue.md`.

use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use kvcpu_driver::{Device, DmaBuffer, TierConfig};
use kvcpu_mmio::queue::{CQE_BYTES, Cqe, Opcode, SQE_BYTES, Sqe};
use kvcpu_mmio::regs::{control, queue};

use super::bench::{Bench, Check, Findings, Problem, failure};
use crate::regs::Path;

const SQ_LOG2: u64 = 3;
const CQ_LOG2: u64 = 2;
const SQ_ENTRIES: u32 = 1 << SQ_LOG2;
const CQ_ENTRIES: u32 = 1 << CQ_LOG2;
/// Commands on each queue: both rings wrap several times, at different moments.
const COMMANDS: u32 = 53;
/// STATUS.BLOCKED_ON: space in a completion queue.
const COMPLETION_SPACE: u64 = 3;

/// A queue run by hand.
pub(super) struct Hand<'b> {
    bench: &'b Bench,
    qid: u32,
    sq: DmaBuffer,
    cq: DmaBuffer,
    submitted: u32,
    completed: u32,
}

impl<'b> Hand<'b> {
    /// Starts queue `qid` with 8 and 4 entries.
    pub(super) fn start(bench: &'b Bench, device: &Device, qid: u32) -> Result<Hand<'b>, Problem> {
        let sq = device.dma_alloc(SQ_ENTRIES as usize * SQE_BYTES)?;
        let cq = device.dma_alloc(CQ_ENTRIES as usize * CQE_BYTES)?;
        let hand = Hand { bench, qid, sq, cq, submitted: 0, completed: 0 };
        let write = |register, value| bench.write(&Path::of(register, qid, 0), value);
        write(&queue::SQ_BASE, hand.sq.iova())?;
        write(&queue::CQ_BASE, hand.cq.iova())?;
        let size = queue::Q_SIZE::SQ_LOG2.set(0, SQ_LOG2);
        write(&queue::Q_SIZE, queue::Q_SIZE::CQ_LOG2.set(size, CQ_LOG2))?;
        write(&queue::Q_CTRL, queue::Q_CTRL::ENABLE.mask())?;
        let status = bench.read(&Path::of(&queue::Q_STATUS, qid, 0))?;
        if queue::Q_STATUS::RUNNING.get(status) == 0 {
            return Err(failure(format_args!("Q_STATUS.RUNNING@{qid}"), 1, 0));
        }
        Ok(hand)
    }

    /// Writes `count` NOPs and rings the doorbell once.
    pub(super) fn submit(&mut self, count: u32) -> Result<(), Problem> {
        for _ in 0..count {
            let at = (self.submitted % SQ_ENTRIES) as usize * SQE_BYTES / 8;
            let sqe = Sqe { opcode: Opcode::Nop.code(), cid: self.submitted as u16, ..Sqe::default() };
            for (word, value) in self.sq.words()[at..].iter().zip(sqe.to_words()) {
                word.store(value, Ordering::Relaxed);
            }
            self.submitted += 1;
        }
        fence(Ordering::Release);
        self.bench
            .write(&Path::of(&queue::SQ_DOORBELL, self.qid, 0), (self.submitted % SQ_ENTRIES).into())
    }

    /// The completion that comes next, if it is there: its phase says so.
    fn look(&self) -> Option<Cqe> {
        let at = (self.completed % CQ_ENTRIES) as usize * CQE_BYTES / 8;
        let words = &self.cq.words()[at..at + 2];
        let high = words[1].load(Ordering::Acquire);
        let cqe = Cqe::from_words([words[0].load(Ordering::Relaxed), high]);
        let pass = self.completed / CQ_ENTRIES;
        (cqe.phase == pass.is_multiple_of(2)).then_some(cqe)
    }

    /// Takes the next completion and checks it; leaves its place unreturned.
    pub(super) fn take(&mut self, findings: &mut Findings) -> Result<(), Problem> {
        let start = Instant::now();
        let cqe = loop {
            match self.look() {
                Some(cqe) => break cqe,
                None if start.elapsed() < self.bench.deadline => self.bench.backing.advance(64)?,
                None => {
                    let (n, qid) = (self.completed, self.qid);
                    let tail = self.bench.read(&Path::of(&queue::CQ_TAIL, qid, 0))?;
                    let errors = self.bench.read(&Path::of(&queue::Q_ERR, qid, 0))?;
                    let found = format!("nothing; CQ_TAIL {tail}, Q_ERR {errors:#x}");
                    return Err(failure(format_args!("completion {n} of queue {qid}"), "a flipped phase bit", found));
                }
            }
        };
        let name = |what: &str| format!("{what} of completion {} of queue {}", self.completed, self.qid);
        findings.number(name("status"), 0, cqe.status);
        findings.number(name("cid"), self.completed as u16, cqe.cid);
        findings.number(name("qid"), self.qid as u16, cqe.qid);
        let heads = self.completed + 1..=self.submitted;
        let head_fits = heads.clone().any(|head| head % SQ_ENTRIES == u32::from(cqe.sq_head));
        findings.fact(name("sq_head"), &format!("{heads:?} mod {SQ_ENTRIES}"), head_fits, cqe.sq_head);
        self.completed += 1;
        Ok(())
    }

    /// Gives the places of all completions taken back.
    pub(super) fn give_back(&self) -> Result<(), Problem> {
        self.bench
            .write(&Path::of(&queue::CQ_DOORBELL, self.qid, 0), (self.completed % CQ_ENTRIES).into())
    }

    /// Stops the queue.
    pub(super) fn stop(self) -> Result<(), Problem> {
        self.bench.write(&Path::of(&queue::Q_CTRL, self.qid, 0), 0)
    }
}

/// A device for tests of queues.
pub(super) fn device(bench: &Bench) -> Result<Device, Problem> {
    bench.configured(bench.config([TierConfig::OFF, TierConfig::blocks(8), TierConfig::OFF, TierConfig::OFF])?)
}

/// Every queue, both rings over several wraps, in batches of 1 to 3.
pub(super) fn rings(bench: &Bench, findings: &mut Findings) -> Check {
    let device = device(bench)?;
    let queues = device.geometry().queues;
    for qid in 0..queues {
        let mut hand = Hand::start(bench, &device, qid)?;
        while hand.submitted < COMMANDS {
            let batch = 1 + hand.submitted % (CQ_ENTRIES - 1);
            hand.submit(batch)?;
            for _ in 0..batch {
                hand.take(findings)?;
            }
            let extra = hand.look().is_some();
            findings.fact(format_args!("queue {qid}"), "no completion that nothing asked for", !extra, "one");
            hand.give_back()?;
        }
        let head = bench.read(&Path::of(&queue::SQ_HEAD, qid, 0))?;
        findings.number(format_args!("SQ_HEAD@{qid}"), (hand.submitted % SQ_ENTRIES).into(), head);
        let errors = bench.read(&Path::of(&queue::Q_ERR, qid, 0))?;
        findings.number(format_args!("Q_ERR@{qid}"), 0, errors);
        hand.stop()?;
    }
    Ok(format!("{queues} queues, {COMMANDS} commands each through rings of {SQ_ENTRIES} and {CQ_ENTRIES}"))
}

/// A full completion ring holds commands up, says so, and loses none.
pub(super) fn ring_full(bench: &Bench, findings: &mut Findings) -> Check {
    let device = device(bench)?;
    let mut hand = Hand::start(bench, &device, 0)?;
    let room = CQ_ENTRIES - 1;
    hand.submit(room + 2)?;
    for _ in 0..room {
        hand.take(findings)?;
    }
    bench.wait(&control::STATUS, &control::STATUS::BLOCKED, 1)?;
    let on = control::STATUS::BLOCKED_ON.get(bench.get(&control::STATUS)?);
    findings.number("STATUS.BLOCKED_ON", COMPLETION_SPACE, on);
    hand.give_back()?;
    hand.take(findings)?;
    hand.take(findings)?;
    hand.give_back()?;
    bench.wait(&control::STATUS, &control::STATUS::BLOCKED, 0)?;
    hand.stop()?;
    Ok(format!("{} commands against {room} places", room + 2))
}
