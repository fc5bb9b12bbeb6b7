//! Commands through registers: one at a time, no memory needed; for bring-up and a shell.

use std::sync::atomic::{Ordering, fence};
use std::sync::{MutexGuard, TryLockError};

use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{Cqe, Sqe, Status};
use kvcpu_mmio::regs::{command, control};

use crate::wait::Wait;
use crate::{Commands, Device, DriverError};

/// The single-shot command registers. Handles may be used by several threads; they take turns.
#[derive(Debug)]
pub struct SingleShot<B: Backing + ?Sized + 'static = dyn Backing> {
    device: Device<B>,
}

impl<B: Backing + ?Sized + 'static> SingleShot<B> {
    pub(crate) fn new(device: Device<B>) -> SingleShot<B> {
        SingleShot { device }
    }

    /// Writes a command into the device's registers and leaves it there until [`Prepared::go`]. A device that has nothing else to do
    /// readies what it can: the sweep of a STEP_ADVANCE begins with the write of `CMD_GO`, and has its first score a few clocks later
    /// (docs/rtl/csr.md). Other handles' single-shot commands wait until this one has gone or is dropped, up to the deadline; so a thread
    /// that has one prepared gives no other. A reset of the device forgets it, and then it does not complete.
    pub fn prepare(&mut self, sqe: Sqe) -> Result<Prepared<'_, B>, DriverError> {
        let device = &self.device;
        let mut turn =
            self.wait("the turn of a single-shot command", || match device.inner.single_shot.try_lock() {
                Ok(turn) => Ok(Some(turn)),
                Err(TryLockError::Poisoned(turn)) => Ok(Some(turn.into_inner())),
                Err(TryLockError::WouldBlock) => Ok(None),
            })?;
        self.wait("an earlier single-shot command", || {
            let status = device.read(&command::CMD_STATUS)?;
            Ok((command::CMD_STATUS::BUSY.get(status) == 0).then_some(()))
        })?;
        *turn = turn.wrapping_add(1);
        let words = (Sqe { cid: *turn, ..sqe }).to_words();
        for (half, word) in (0..).step_by(2).zip(words) {
            device.write_at(&command::CMD_SQE, 0, half, word & u64::from(u32::MAX))?;
            device.write_at(&command::CMD_SQE, 0, half + 1, word >> 32)?;
        }
        Ok(Prepared { single_shot: self, turn })
    }

    /// Looks until `look` gives something.
    fn wait<T>(&self, what: &'static str, look: impl Fn() -> Result<Option<T>, DriverError>) -> Result<T, DriverError> {
        let mut wait = Wait::new(&self.device, self.device.deadline(), None);
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if wait.tick()? {
                // What the device is blocked on says more than that the command is not done.
                let status = self.device.read(&control::STATUS)?;
                return Err(wait.timeout(what, "STATUS", status));
            }
        }
    }

    /// The completion of command `cid`, if it is there. DONE may still be that of the command before
    /// (a device that did not hear CMD_GO), which the id tells; an abort names no command.
    fn completion(&self, cid: u16) -> Result<Option<Cqe>, DriverError> {
        if command::CMD_STATUS::DONE.get(self.device.read(&command::CMD_STATUS)?) == 0 {
            return Ok(None);
        }
        fence(Ordering::Acquire);
        let mut words = [0; 4];
        for (element, word) in (0..).zip(&mut words) {
            *word = self.device.read_at(&command::CMD_CQE, 0, element)?;
        }
        let cqe = Cqe::from_words([words[0] | words[1] << 32, words[2] | words[3] << 32]);
        Ok((cqe.cid == cid || cqe.status == Status::Aborted.code()).then_some(cqe))
    }
}

impl<B: Backing + ?Sized + 'static> Commands for SingleShot<B> {
    fn execute(&mut self, sqe: Sqe) -> Result<Cqe, DriverError> {
        self.prepare(sqe)?.go()
    }

    fn block_bytes(&self) -> u32 {
        self.device.block_bytes()
    }
}

/// A command that stands in the device's registers, but has not been told to go.
#[must_use = "a command that is prepared is carried out by `go`"]
#[derive(Debug)]
pub struct Prepared<'a, B: Backing + ?Sized + 'static = dyn Backing> {
    single_shot: &'a SingleShot<B>,
    turn: MutexGuard<'a, u16>,
}

impl<B: Backing + ?Sized + 'static> Prepared<'_, B> {
    /// Starts it, and waits for its completion.
    pub fn go(self) -> Result<Cqe, DriverError> {
        fence(Ordering::Release);
        self.single_shot.device.write(&command::CMD_GO, 1)?;
        self.single_shot.wait("a single-shot command", || self.single_shot.completion(*self.turn))
    }
}
