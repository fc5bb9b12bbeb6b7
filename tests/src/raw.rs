//! Queues and single-shot commands by hand: what the driver would never do, or only at once, can be done step by
//! step.

use std::sync::atomic::Ordering;

use kvcpu_driver::{Device, DmaBuffer};
use kvcpu_mmio::queue::{CQE_BYTES, Cqe, SQE_BYTES, Sqe};
use kvcpu_mmio::regs::control::STATUS;
use kvcpu_mmio::regs::{command, control, queue};
use kvcpu_mmio::{Backing, Register};

/// Looks at a device that has something to do, each after a little time.
const LOOKS: u32 = 10_000;

/// What STATUS.BLOCKED_ON may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedOn {
    /// Nothing: no command waits.
    Nothing = 0,
    /// A move.
    Move = 1,
    /// An invalidation.
    Invalidation = 2,
    /// Space in a completion queue.
    CompletionQueue = 3,
    /// A staging slot.
    StagingSlot = 4,
    /// Space in the service queue.
    ServiceQueue = 5,
}

/// What a command waits for.
///
/// # Panics
/// If STATUS cannot be read.
pub fn blocked_on<B: Backing + 'static>(device: &Device<B>) -> u64 {
    let status = device.read(&control::STATUS).expect("STATUS can be read");
    match STATUS::BLOCKED.get(status) {
        0 => BlockedOn::Nothing as u64,
        _ => STATUS::BLOCKED_ON.get(status),
    }
}

/// Starts a single-shot command.
///
/// # Panics
/// If the registers cannot be written.
pub fn start<B: Backing + 'static>(device: &Device<B>, sqe: Sqe) {
    for (element, word) in (0..).step_by(2).zip(sqe.to_words()) {
        for (half, value) in [(0, word & u64::from(u32::MAX)), (1, word >> 32)] {
            device
                .write_at(&command::CMD_SQE, 0, element + half, value)
                .expect("CMD_SQE can be written");
        }
    }
    device.write(&command::CMD_GO, 1).expect("CMD_GO can be written");
}

/// The completion of the single-shot command, if it is done.
///
/// # Panics
/// If the registers cannot be read.
pub fn done<B: Backing + 'static>(device: &Device<B>) -> Option<Cqe> {
    let status = device.read(&command::CMD_STATUS).expect("CMD_STATUS can be read");
    if command::CMD_STATUS::DONE.get(status) == 0 {
        return None;
    }
    let word = |element| device.read_at(&command::CMD_CQE, 0, element).expect("CMD_CQE can be read");
    Some(Cqe::from_words([word(0) | word(1) << 32, word(2) | word(3) << 32]))
}

/// A queue pair without a driver.
pub struct RawQueue<B: Backing + 'static> {
    device: Device<B>,
    /// Its number.
    pub qid: u16,
    sq: DmaBuffer,
    cq: DmaBuffer,
    sq_entries: u32,
    cq_entries: u32,
    tail: u32,
    head: u32,
    phase: bool,
}

impl<B: Backing + 'static> RawQueue<B> {
    /// Starts queue `qid` with rings of these sizes; `ctrl` goes to Q_CTRL besides ENABLE.
    ///
    /// # Panics
    /// If memory or registers cannot be had.
    pub fn new(device: &Device<B>, qid: u16, sq_log2: u32, cq_log2: u32, ctrl: u64) -> RawQueue<B> {
        let memory = |bytes| device.dma_alloc(bytes).expect("there is memory for rings");
        let queue = RawQueue {
            device: device.clone(),
            qid,
            sq: memory(SQE_BYTES << sq_log2),
            cq: memory(CQE_BYTES << cq_log2),
            sq_entries: 1 << sq_log2,
            cq_entries: 1 << cq_log2,
            tail: 0,
            head: 0,
            phase: true,
        };
        queue.write(&queue::Q_CTRL, 0);
        queue.write(&queue::SQ_BASE, queue.sq.iova());
        queue.write(&queue::CQ_BASE, queue.cq.iova());
        queue.write(&queue::Q_SIZE, u64::from(sq_log2) | u64::from(cq_log2) << queue::Q_SIZE::CQ_LOG2.lsb);
        queue.write(&queue::Q_CTRL, ctrl | queue::Q_CTRL::ENABLE.mask());
        queue
    }

    /// Reads a register of the queue.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn read(&self, register: &Register) -> u64 {
        self.device.read_at(register, self.qid.into(), 0).expect("a queue register can be read")
    }

    /// Writes a register of the queue.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, register: &Register, value: u64) {
        self.device
            .write_at(register, self.qid.into(), 0, value)
            .expect("a queue register can be written");
    }

    /// Bus addresses of the rings, submissions first.
    pub fn iovas(&self) -> [u64; 2] {
        [self.sq.iova(), self.cq.iova()]
    }

    /// Entries that can be written before the ring is full, if the device has fetched up to SQ_HEAD.
    pub fn room(&self) -> u32 {
        let head = self.read(&queue::SQ_HEAD) as u32;
        (head + self.sq_entries - self.tail - 1) % self.sq_entries
    }

    /// Index after the last entry written.
    pub fn tail(&self) -> u32 {
        self.tail
    }

    /// Writes an entry without telling the device.
    pub fn push(&mut self, sqe: Sqe) {
        let at = self.tail as usize * SQE_BYTES / 8;
        for (word, value) in self.sq.words()[at..].iter().zip(sqe.to_words()) {
            word.store(value, Ordering::Relaxed);
        }
        self.tail = (self.tail + 1) % self.sq_entries;
    }

    /// Tells the device.
    pub fn ring(&self) {
        self.write(&queue::SQ_DOORBELL, self.tail.into());
    }

    /// Writes an entry and tells the device.
    pub fn submit(&mut self, sqe: Sqe) {
        self.push(sqe);
        self.ring();
    }

    /// The next completion, if it is there.
    pub fn pop(&mut self) -> Option<Cqe> {
        let at = self.head as usize * CQE_BYTES / 8;
        let words = &self.cq.words()[at..at + 2];
        let last = words[1].load(Ordering::Acquire);
        let cqe = Cqe::from_words([words[0].load(Ordering::Relaxed), last]);
        if cqe.phase != self.phase {
            return None;
        }
        self.head = (self.head + 1) % self.cq_entries;
        self.phase ^= self.head == 0;
        Some(cqe)
    }

    /// Tells the device which completions were taken.
    pub fn give_back(&self) {
        self.write(&queue::CQ_DOORBELL, self.head.into());
    }

    /// Takes `count` completions, giving each back, and lets time pass until they are there.
    ///
    /// # Panics
    /// If they do not come.
    pub fn take(&mut self, count: usize) -> Vec<Cqe> {
        let mut found = Vec::new();
        for _ in 0..LOOKS {
            while let Some(cqe) = self.pop() {
                found.push(cqe);
                self.give_back();
            }
            if found.len() >= count {
                return found;
            }
            self.device.backing().advance(64).expect("time passes");
        }
        panic!("queue {}: {} of {count} completions came", self.qid, found.len());
    }
}
