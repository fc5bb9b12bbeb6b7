//! The firmware, as the driver meets it: what it shows, and its mailbox (`docs/firmware.md`).
//!
//! ```text
//!   Firmware ─┬─ status.rs     registers that it writes
//!             ├─ mailbox.rs    one command, one answer; watch.rs tells firmware that is slow from firmware that hangs
//!             ├─ log.rs, self_test.rs
//!             └─ update.rs      an image sent, started, confirmed
//! ```
//!
//! Nothing else in the driver needs firmware. It leaves out what the firmware does by itself.

mod error;
mod log;
mod mailbox;
mod self_test;
mod status;
mod update;
mod watch;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kvcpu_mmio::firmware::{Opcode, Parameter};
use kvcpu_mmio::regs::mgmt::{FW_EVENT, FW_HEARTBEAT, FW_STATUS};
use kvcpu_mmio::{Backing, BackingError};

pub use error::{FirmwareError, Refusal};
pub use kvcpu_mmio::image::{Image, ImageError, flat_image};
pub use log::describe;
pub use mailbox::Answer;
pub use status::{Event, SelfTest, Status, Version};

use crate::wait::Wait;
use crate::{Device, DriverError, Source};
use mailbox::Turn;
use status::Run;
use watch::Watch;

/// How long FW_STATUS may read 0 though there is firmware: a reset of the device clears it, and the next round, 20 ms later at the most, writes it.
const GRACE: Duration = Duration::from_millis(100);
/// The longest sleep until FW_EVENT is looked at again: a lost interrupt costs no more.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// The same where there are no interrupts.
const NAP: Duration = Duration::from_millis(1);
/// Minor version of the register map that has the management registers.
const SINCE_MINOR: u16 = 1;

/// The firmware of a device. Handles may be used by several threads; commands take turns.
#[derive(Debug)]
pub struct Firmware<B: Backing + ?Sized + 'static = dyn Backing> {
    device: Device<B>,
}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its version.
    pub version: Version,
    /// CRC-32C of its image.
    pub crc: u32,
    /// Major version of the register map that it knows.
    pub map_major: u32,
}

/// A parameter and its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterValue {
    /// What it is now.
    pub value: u32,
    /// Least value.
    pub least: u32,
    /// Greatest value.
    pub most: u32,
}

impl<B: Backing + ?Sized + 'static> Device<B> {
    /// The firmware, whether there is any or not.
    pub fn firmware(&self) -> Firmware<B> {
        Firmware { device: self.clone() }
    }
}

impl<B: Backing + ?Sized + 'static> Firmware<B> {
    /// What it shows; `None` if there is no firmware, or if the device was reset a moment ago ([`present`](Firmware::present) waits that out).
    pub fn status(&self) -> Result<Option<Status>, DriverError> {
        if look(&self.device)? { status::read(&self.device) } else { Ok(None) }
    }

    /// What it shows, or [`FirmwareError::Absent`] if FW_STATUS reads 0 for longer than a reset of the device explains.
    pub fn present(&self) -> Result<Status, DriverError> {
        let mut wait = Wait::new(&self.device, GRACE.min(self.device.deadline()), None);
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            if self.device.identity().map_minor < SINCE_MINOR || wait.tick()? {
                return Err(FirmwareError::Absent { name: self.device.backing().name() }.into());
            }
        }
    }

    /// Whether its heart beats within `deadline`; 20 ms are enough on a card.
    pub fn is_alive(&self, deadline: Duration) -> Result<bool, DriverError> {
        if self.status()?.is_none() {
            return Ok(false);
        }
        let begin = self.device.read(&FW_HEARTBEAT)?;
        let mut wait = Wait::new(&self.device, deadline, None);
        loop {
            let over = wait.tick()?;
            if self.device.read(&FW_HEARTBEAT)? != begin {
                return Ok(true);
            }
            if over {
                return Ok(false);
            }
        }
    }

    /// Waits until it has booted and tested itself, up to the device's deadline.
    pub fn wait_ready(&self) -> Result<Status, DriverError> {
        self.present()?;
        let mut watch = Watch::new(&self.device, "the firmware's self-test", self.device.deadline())?;
        loop {
            let value = self.device.read(&FW_STATUS)?;
            if Run::from_register(value).is_ready() {
                return self.present();
            }
            if watch.tick()? {
                return Err(watch.over("FW_STATUS", value));
            }
        }
    }

    /// Gives any command, known or not, with its arguments and at most 64 bytes of data.
    pub fn call(&self, opcode: u8, args: [u32; 3], data: &[u8]) -> Result<Answer, DriverError> {
        self.present()?;
        Turn::take(&self.device).call(opcode, args, data)
    }

    /// What runs, as it says itself.
    pub fn version(&self) -> Result<Running, DriverError> {
        let [version, crc, map_major] = self.ask(Opcode::Version, [0; 2])?.values;
        Ok(Running { version: Version::from_register(version.into()), crc, map_major })
    }

    /// A parameter.
    pub fn parameter(&self, parameter: Parameter) -> Result<ParameterValue, DriverError> {
        let [value, least, most] = self.ask(Opcode::GetParam, [parameter.code(), 0])?.values;
        Ok(ParameterValue { value, least, most })
    }

    /// Changes a parameter, until the core is reset.
    pub fn set_parameter(&self, parameter: Parameter, value: u32) -> Result<(), DriverError> {
        self.ask(Opcode::SetParam, [parameter.code(), value]).map(drop)
    }

    /// The last event that raised the MANAGEMENT interrupt.
    pub fn event(&self) -> Result<Event, DriverError> {
        Ok(Event::from_register(self.device.read(&FW_EVENT)?))
    }

    /// Waits until FW_EVENT tells of another event than `seen` does, and enables the interrupt for that; `None` after `timeout`. Give it what it
    /// returned the last time, and none is missed but those that another followed at once: the log has them all. Only one thread may
    /// wait.
    pub fn wait_event(&self, seen: Event, timeout: Duration) -> Result<Option<Event>, DriverError> {
        self.present()?;
        let begin = Instant::now();
        // While a self-test has the interrupts, by polling.
        let signals = match self.device.try_enable_interrupts(&[Source::Management]) {
            Ok(enabled) => enabled,
            Err(DriverError::Backing(BackingError::Unsupported(_) | BackingError::Irq(_))) => false,
            Err(error) => return Err(error),
        };
        loop {
            let event = self.event()?;
            // 0 before the first, and from a reset of the device until the firmware's next round, if there is one.
            if event.code == 0 {
                self.present()?;
            } else if event != seen {
                return Ok(Some(event));
            }
            let Some(left) = timeout.checked_sub(begin.elapsed()) else { return Ok(None) };
            if signals {
                self.device.wait_interrupt(Source::Management, left.min(LONGEST_SLEEP))?;
            } else {
                self.device.backing().advance(1 << 10)?;
                std::thread::sleep(left.min(NAP));
            }
        }
    }

    /// A command without data.
    fn ask(&self, opcode: Opcode, args: [u32; 2]) -> Result<Answer, DriverError> {
        self.present()?;
        Turn::take(&self.device).ask(opcode, args, &[])
    }
}

impl<B: Backing + ?Sized + 'static> Clone for Firmware<B> {
    fn clone(&self) -> Firmware<B> {
        self.device.firmware()
    }
}

/// Whether there is firmware, which a reset of the device hides for a moment.
pub(crate) fn appears<B: Backing + ?Sized + 'static>(device: &Device<B>) -> Result<bool, DriverError> {
    match device.firmware().present() {
        Ok(_) => Ok(true),
        Err(DriverError::Firmware(FirmwareError::Absent { .. })) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is firmware now; that it was seen is remembered.
pub(crate) fn look<B: Backing + ?Sized + 'static>(device: &Device<B>) -> Result<bool, DriverError> {
    // Not even a bad access, on a device from before.
    let found = device.identity().map_minor >= SINCE_MINOR && device.read(&FW_STATUS)? != 0;
    device.inner.has_firmware.fetch_or(found, Ordering::Relaxed);
    Ok(found)
}

/// Waits until firmware that was seen before shows itself again after a reset of the device: what it was about when the reset came may reach
/// the device until then. Firmware that hangs is not waited for beyond the deadline.
fn let_show<B: Backing + ?Sized + 'static>(device: &Device<B>) -> Result<(), DriverError> {
    if !device.inner.has_firmware.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut wait = Wait::new(device, device.deadline(), None);
    while device.read(&FW_STATUS)? == 0 {
        if wait.tick()? {
            tracing::warn!(target: "kvcpu::firmware", "the firmware shows nothing after the reset; going on without it");
            break;
        }
    }
    Ok(())
}

/// Waits until firmware that boots or tests itself has done so: its march holds the directory in maintenance mode, in which the device cannot
/// be enabled. Without firmware this is one read. Firmware that hangs, or that the watchdog bites meanwhile, is not waited for beyond the
/// deadline, and is no reason to fail.
pub(crate) fn let_boot<B: Backing + ?Sized + 'static>(device: &Device<B>) -> Result<(), DriverError> {
    if device.identity().map_minor < SINCE_MINOR {
        return Ok(());
    }
    let_show(device)?;
    let look = || device.read(&FW_STATUS).map(|value| (Run::from_register(value), value));
    let (first, _) = look()?;
    if !first.is_early() {
        return Ok(());
    }
    let mut bitten = false;
    let mut watch = Watch::new(device, "the firmware's self-test", device.deadline())?;
    loop {
        let (run, value) = look()?;
        if !run.is_early() {
            return Ok(());
        }
        bitten |= run.bites != first.bites;
        if watch.tick()? {
            // BITES saturates.
            if bitten || watch.restarted() || watch.hangs()? {
                tracing::warn!(target: "kvcpu::firmware", value, "the firmware hangs as it boots; going on without it");
                return Ok(());
            }
            return Err(watch.over("FW_STATUS", value));
        }
    }
}
