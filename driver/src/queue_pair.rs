//! Queue pairs: the fast path.
//!
//! ```text
//!   submit_batch ──► SQ ring ── SQ_DOORBELL ──► device
//!   poll, wait   ◄── CQ ring (phase bit) ◄───── device
//!                └── CQ_DOORBELL, for half a ring at once
//! ```
//!
//! The device executes a queue's commands in order, so completions come in the order of
//! submission, and the ids count up. A batch costs one doorbell write; completions are given back
//! when half the ring has gathered. No more commands are under way than there is room for
//! completions, so the device never waits for that. Nothing is allocated or locked for a command.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kvcpu_mmio::queue::{Cqe, Sqe};
use kvcpu_mmio::regs::{control, queue};
use kvcpu_mmio::{Backing, Bar};

use crate::queue_rings::{Rings, broken, check_running, start};
use crate::wait::Wait;
use crate::{Commands, Device, DriverError, QueueConfig, Source, WaitMode};

/// Looks at memory before the first tick: a completion that is on its way arrives within a few.
const SPINS: u32 = 32;
/// Ticks between two looks whether the queue halted.
const HALT_EVERY: u32 = 8;

/// A submission/completion queue pair. It belongs to one thread at a time.
pub struct QueuePair<B: Backing + ?Sized + 'static = dyn Backing> {
    device: Device<B>,
    qid: u16,
    config: QueueConfig,
    rings: Rings,
    /// Id of the next command submitted, and of the next completion.
    next_cid: u16,
    next_done: u16,
    /// Commands submitted whose completions were not read.
    outstanding: u32,
    /// Completions read that the device was not told of.
    unreturned: u32,
    /// Completions read while `execute` waited for a later one.
    early: Vec<Cqe>,
    sq_doorbell: u32,
    cq_doorbell: u32,
    deadline: Duration,
    source: Option<Source>,
    block_bytes: u32,
}

impl<B: Backing + ?Sized + 'static> QueuePair<B> {
    pub(crate) fn new(device: Device<B>, qid: u16, config: QueueConfig) -> Result<Self, DriverError> {
        config.check()?;
        if u32::from(qid) >= device.geometry().queues {
            return Err(DriverError::NoQueue { qid, reason: "the device has fewer queue pairs" });
        }
        let bit = 1 << qid;
        if device.inner.queues_taken.fetch_or(bit, Ordering::AcqRel) & bit != 0 {
            return Err(DriverError::NoQueue { qid, reason: "it is in use; drop its QueuePair first" });
        }
        let rings = match start(&device, qid, &config) {
            Ok(rings) => rings,
            Err(error) => {
                device.inner.queues_taken.fetch_and(!bit, Ordering::AcqRel);
                return Err(error);
            }
        };
        let by_interrupt = device.config().is_some_and(|config| config.wait == WaitMode::Interrupt);
        let source = by_interrupt.then_some(Source::Queue(qid));
        let instance = u32::from(qid);
        let pair = QueuePair {
            qid,
            config,
            rings,
            next_cid: 0,
            next_done: 0,
            outstanding: 0,
            unreturned: 0,
            early: Vec::new(),
            sq_doorbell: queue::SQ_DOORBELL.at(instance),
            cq_doorbell: queue::CQ_DOORBELL.at(instance),
            deadline: device.deadline(),
            source,
            block_bytes: device.block_bytes(),
            device,
        };
        // From here on `Drop` gives the queue back.
        if let Some(source) = pair.source {
            pair.device.enable_interrupts(&[source, Source::Service, Source::Invalidate])?;
        }
        Ok(pair)
    }

    /// The queue's number.
    pub fn qid(&self) -> u16 {
        self.qid
    }

    /// The device.
    pub fn device(&self) -> &Device<B> {
        &self.device
    }

    /// How long to wait without any sign of progress.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Sets that.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// Commands submitted whose completions were not delivered.
    pub fn outstanding(&self) -> usize {
        self.outstanding as usize + self.early.len()
    }

    /// Commands that can be submitted now.
    pub fn room(&self) -> usize {
        let completions = self.rings.cq.size().capacity() - self.outstanding;
        self.rings.sq.free().min(completions) as usize
    }

    /// Submits as many of `sqes`, from the first on, as there is room for, with one doorbell, and
    /// returns how many. Their `cid` is not looked at: the queue numbers its commands.
    pub fn submit_batch(&mut self, sqes: &[Sqe]) -> Result<usize, DriverError> {
        let count = self.room().min(sqes.len());
        if count == 0 {
            return Ok(0);
        }
        if self.unreturned + self.outstanding + count as u32 > self.rings.cq.size().capacity() {
            self.return_completions()?;
        }
        for sqe in &sqes[..count] {
            let cid = self.next_cid;
            self.rings.sq.push(&Sqe { cid, ..*sqe }.to_words()).map_err(broken)?;
            self.next_cid = cid.wrapping_add(1);
        }
        self.outstanding += count as u32;
        let tail = self.rings.sq.publish();
        self.ring_doorbell("SQ_DOORBELL", self.sq_doorbell, tail)?;
        Ok(count)
    }

    /// Submits one command, waiting for room if there is none.
    pub fn submit(&mut self, sqe: Sqe) -> Result<(), DriverError> {
        while self.submit_batch(std::slice::from_ref(&sqe))? == 0 {
            let mut early = std::mem::take(&mut self.early);
            let result = self.await_new(1, &mut early);
            self.early = early;
            result?;
        }
        Ok(())
    }

    /// Appends the completions that are there, without blocking; returns how many. They come in the
    /// order of submission.
    pub fn poll(&mut self, out: &mut Vec<Cqe>) -> Result<usize, DriverError> {
        let early = self.early.len();
        out.append(&mut self.early);
        Ok(early + self.drain(out)?)
    }

    /// Waits until `count` completions, or all that are outstanding if these are fewer, have been
    /// appended; there may be more. After an error those that did arrive are in `out`.
    pub fn wait(&mut self, count: usize, out: &mut Vec<Cqe>) -> Result<(), DriverError> {
        let early = self.early.len();
        out.append(&mut self.early);
        self.await_new(count.saturating_sub(early), out)
    }

    /// Submits all of `sqes`, in as many batches as the rings need, and waits for all of them.
    /// Appends the completions of everything outstanding, in order of submission: the last
    /// `sqes.len()` belong to `sqes`.
    pub fn run(&mut self, sqes: &[Sqe], out: &mut Vec<Cqe>) -> Result<(), DriverError> {
        let mut rest = sqes;
        loop {
            let count = self.submit_batch(rest)?;
            rest = &rest[count..];
            if rest.is_empty() {
                return self.wait(usize::MAX, out);
            }
            self.wait(1, out)?;
        }
    }

    /// Stops the queue and starts it with new, empty rings, for example after it halted. Completions
    /// that did not arrive never will; commands that were under way may have been executed.
    pub fn restart(&mut self) -> Result<(), DriverError> {
        self.rings = start(&self.device, self.qid, &self.config)?;
        (self.next_cid, self.next_done, self.outstanding, self.unreturned) = (0, 0, 0, 0);
        self.early.clear();
        self.block_bytes = self.device.block_bytes();
        match self.source {
            Some(source) => self.device.enable_interrupts(&[source, Source::Service, Source::Invalidate]),
            None => Ok(()),
        }
    }

    /// Reads completions off the ring.
    fn drain(&mut self, out: &mut Vec<Cqe>) -> Result<usize, DriverError> {
        let before = out.len();
        let mut sq_head = None;
        while let Some(words) = self.rings.cq.pop() {
            let cqe = Cqe::from_words(words);
            if cqe.cid != self.next_done || self.outstanding == 0 {
                return Err(DriverError::Protocol {
                    what: "id of a completion",
                    expected: self.next_done.into(),
                    found: cqe.cid.into(),
                });
            }
            self.next_done = self.next_done.wrapping_add(1);
            self.outstanding -= 1;
            self.unreturned += 1;
            sq_head = Some(cqe.sq_head);
            out.push(cqe);
        }
        if let Some(head) = sq_head {
            self.rings.sq.set_head(head.into()).map_err(broken)?;
            if self.unreturned > self.rings.cq.size().capacity() / 2 {
                self.return_completions()?;
            }
        }
        Ok(out.len() - before)
    }

    /// Tells the device which completions were read.
    fn return_completions(&mut self) -> Result<(), DriverError> {
        self.unreturned = 0;
        let head = self.rings.cq.release();
        self.ring_doorbell("CQ_DOORBELL", self.cq_doorbell, head)
    }

    fn ring_doorbell(&self, name: &'static str, at: u32, value: u32) -> Result<(), DriverError> {
        tracing::trace!(target: "kvcpu::register", register = name, instance = self.qid, value, "write");
        Ok(self.device.backing().write32(Bar::Regs, at, value)?)
    }

    /// Waits for `count` new completions, or as many as are outstanding.
    fn await_new(&mut self, count: usize, out: &mut Vec<Cqe>) -> Result<(), DriverError> {
        let count = count.min(self.outstanding as usize);
        let mut got = self.drain(out)?;
        for _ in 0..SPINS {
            if got >= count {
                return Ok(());
            }
            std::hint::spin_loop();
            if self.rings.cq.ready() {
                got += self.drain(out)?;
            }
        }
        let device = self.device.clone();
        let mut wait = Wait::new(&device, self.deadline, self.source);
        while got < count {
            let expired = wait.tick()?;
            let new = self.drain(out)?;
            got += new;
            if new > 0 {
                wait.progressed();
            } else if expired || wait.ticks().is_multiple_of(HALT_EVERY) {
                check_running(&device, self.qid)?;
                if expired {
                    let status = device.read(&control::STATUS)?;
                    return Err(wait.timeout("a completion", "STATUS", status));
                }
            }
        }
        Ok(())
    }
}

impl<B: Backing + ?Sized + 'static> Commands for QueuePair<B> {
    /// Submits the command and waits for it. Completions of commands submitted before are kept for
    /// the next [`poll`](QueuePair::poll) or [`wait`](QueuePair::wait).
    fn execute(&mut self, sqe: Sqe) -> Result<Cqe, DriverError> {
        self.submit(sqe)?;
        let mut early = std::mem::take(&mut self.early);
        let result = self.await_new(usize::MAX, &mut early);
        self.early = early;
        result?;
        self.early
            .pop()
            .ok_or(DriverError::Protocol { what: "number of completions", expected: 1, found: 0 })
    }

    fn block_bytes(&self) -> u32 {
        self.block_bytes
    }
}

impl<B: Backing + ?Sized + 'static> Drop for QueuePair<B> {
    fn drop(&mut self) {
        // The device must be off the rings before they are unmapped.
        let stopped = self.device.write_at(&queue::Q_CTRL, self.qid.into(), 0, 0);
        if let Err(error) = stopped.and_then(|()| match self.source {
            Some(source) => self.device.disable_interrupts(&[source]),
            None => Ok(()),
        }) {
            tracing::debug!(qid = self.qid, %error, "queue could not be stopped");
        }
        self.device.inner.queues_taken.fetch_and(!(1 << self.qid), Ordering::AcqRel);
    }
}

impl<B: Backing + ?Sized + 'static> std::fmt::Debug for QueuePair<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueuePair")
            .field("qid", &self.qid)
            .field("config", &self.config)
            .field("outstanding", &self.outstanding())
            .finish_non_exhaustive()
    }
}
