//! A wait for the firmware, which knows at its end whether it was in vain because the firmware hangs.

use std::time::{Duration, Instant};

use kvcpu_mmio::Backing;
use kvcpu_mmio::regs::mgmt::{FW_HEARTBEAT, FW_STATUS};

use super::error::FirmwareError;
use crate::wait::Wait;
use crate::{Device, DriverError};

/// Ticks between two looks at the heartbeat.
const LOOK_EVERY: u32 = 8;

/// One wait.
pub(super) struct Watch<'d, B: Backing + ?Sized + 'static> {
    device: &'d Device<B>,
    wait: Wait<'d, B>,
    what: &'static str,
    deadline: Duration,
    heartbeat: u64,
    grew: Instant,
    fell: bool,
}

impl<'d, B: Backing + ?Sized + 'static> Watch<'d, B> {
    /// A wait for `what` that begins now. No heartbeat prolongs it.
    pub(super) fn new(device: &'d Device<B>, what: &'static str, deadline: Duration) -> Result<Self, DriverError> {
        let heartbeat = device.read(&FW_HEARTBEAT)?;
        let wait = Wait::new(device, deadline, None);
        Ok(Watch { device, wait, what, deadline, heartbeat, grew: Instant::now(), fell: false })
    }

    /// Lets time pass. `true` once the deadline is over; look a last time before giving up.
    pub(super) fn tick(&mut self) -> Result<bool, DriverError> {
        if self.wait.ticks().is_multiple_of(LOOK_EVERY) {
            self.look()?;
        }
        self.wait.tick()
    }

    fn look(&mut self) -> Result<(), DriverError> {
        let heartbeat = self.device.read(&FW_HEARTBEAT)?;
        if heartbeat != self.heartbeat {
            self.fell |= heartbeat < self.heartbeat;
            (self.heartbeat, self.grew) = (heartbeat, Instant::now());
        }
        Ok(())
    }

    /// Whether the heartbeat began anew meanwhile, as it does with each reset.
    pub(super) fn restarted(&self) -> bool {
        self.fell
    }

    /// Whether the heart stood still for the second half of the deadline or longer. The heart of firmware that runs beats every 20 ms.
    pub(super) fn hangs(&mut self) -> Result<bool, DriverError> {
        self.look()?;
        Ok(self.grew.elapsed() >= self.deadline / 2)
    }

    /// The error for a wait that is over: hung, or else the register that was watched, with what it read last.
    pub(super) fn over(mut self, register: &'static str, last: u64) -> DriverError {
        match self.hung() {
            Ok(Some(hung)) => hung.into(),
            Ok(None) => self.wait.timeout(self.what, register, last),
            Err(error) => error,
        }
    }

    fn hung(&mut self) -> Result<Option<FirmwareError>, DriverError> {
        if !self.hangs()? {
            return Ok(None);
        }
        let (what, heartbeat, still) = (self.what, self.heartbeat, self.grew.elapsed());
        Ok(Some(FirmwareError::Hung { what, heartbeat, still, status: self.device.read(&FW_STATUS)? }))
    }
}
