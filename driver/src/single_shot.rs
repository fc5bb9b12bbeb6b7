//! Commands through registers: one at a time, no memory needed; for bring-up and a shell.

use std::sync::atomic::{Ordering, fence};

use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{Cqe, Sqe};
use kvcpu_mmio::regs::{command, control};

use crate::device::lock;
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

    /// Waits for CMD_STATUS to say what `done` wants.
    fn wait(&self, what: &'static str, done: impl Fn(u64) -> bool) -> Result<(), DriverError> {
        let mut wait = Wait::new(&self.device, self.device.deadline(), None);
        loop {
            let status = self.device.read(&command::CMD_STATUS)?;
            if done(status) {
                return Ok(());
            }
            if wait.tick()? {
                // What the device is blocked on says more than that the command is not done.
                let status = self.device.read(&control::STATUS)?;
                return Err(wait.timeout(what, "STATUS", status));
            }
        }
    }
}

impl<B: Backing + ?Sized + 'static> Commands for SingleShot<B> {
    fn execute(&mut self, sqe: Sqe) -> Result<Cqe, DriverError> {
        let device = &self.device;
        let _turn = lock(&device.inner.single_shot);
        self.wait("an earlier single-shot command", |status| command::CMD_STATUS::BUSY.get(status) == 0)?;
        for (pair, word) in (0..).step_by(2).zip(sqe.to_words()) {
            device.write_at(&command::CMD_SQE, 0, pair, word & u64::from(u32::MAX))?;
            device.write_at(&command::CMD_SQE, 0, pair + 1, word >> 32)?;
        }
        fence(Ordering::Release);
        device.write(&command::CMD_GO, 1)?;
        self.wait("a single-shot command", |status| command::CMD_STATUS::DONE.get(status) == 1)?;
        fence(Ordering::Acquire);
        let mut words = [0; 4];
        for (element, word) in (0..).zip(&mut words) {
            *word = device.read_at(&command::CMD_CQE, 0, element)?;
        }
        Ok(Cqe::from_words([words[0] | words[1] << 32, words[2] | words[3] << 32]))
    }

    fn block_bytes(&self) -> u32 {
        self.device.block_bytes()
    }
}
