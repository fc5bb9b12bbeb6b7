//! An update of the firmware, and a restart: what is sent, and what comes up.
//!
//! ```text
//!   BEGIN ─ DATA, 64 bytes each ─ COMMIT ─ the core resets ─┬─ other bank, confirmed ── done
//!      └─ the core was reset: INTERRUPTED, then NO_UPDATE   ├─ other bank, on trial ─── Unconfirmed, at the deadline
//!                └─ Interrupted                             └─ old bank ─────────────── FellBack
//! ```

use std::cell::Cell;
use std::time::Duration;

use kvcpu_mmio::Backing;
use kvcpu_mmio::firmware::{MAILBOX_BYTES, MailboxResult, Opcode};
use kvcpu_mmio::regs::mgmt::{FW_HEARTBEAT, FW_STATUS};

use super::mailbox::Turn;
use super::status::Run;
use super::watch::Watch;
use super::{Firmware, FirmwareError, Image, Status, Version};
use crate::DriverError;

/// What the wait for a reset core has beyond the device's deadline: the watchdog of a boot, 1 s, and the boot of the other bank.
const BITE: Duration = Duration::from_millis(1500);

/// What the core showed before it was told to reset.
struct Before {
    run: Run,
    heartbeat: u64,
}

impl<B: Backing + ?Sized + 'static> Firmware<B> {
    /// Sends an image, has it started, and waits until it runs and is confirmed; then says what it shows. `progress` hears of bytes sent and
    /// of all bytes. Whatever goes wrong, an image that ran before runs on, and nothing that the device holds is lost. The device need not be disabled.
    pub fn update(&self, image: &Image, mut progress: impl FnMut(usize, usize)) -> Result<Status, DriverError> {
        self.wait_ready()?;
        let mut turn = Turn::take(&self.device);
        let before = self.before()?;
        if let Err(error) = send(&mut turn, image, &mut progress) {
            self.explain(&mut turn, error, &before)?;
        }
        let running = self.try_out(&mut turn, image, &before)?;
        if running[1] != image.header().crc {
            let (expected, found) = (image.header().crc.into(), running[1].into());
            return Err(DriverError::Protocol { what: "the CRC-32C of the firmware that runs", expected, found });
        }
        self.present()
    }

    /// Resets the core and waits until the firmware is back. The device goes on working meanwhile.
    pub fn restart(&self) -> Result<Status, DriverError> {
        self.wait_ready()?;
        let mut turn = Turn::take(&self.device);
        let before = self.before()?;
        turn.ask(Opcode::Reset, [0; 2], &[])?;
        self.wait_restart(&before, |_| Ok(true), |watch, status| watch.over("FW_STATUS", status))?;
        self.present()
    }

    fn before(&self) -> Result<Before, DriverError> {
        let heartbeat = self.device.read(&FW_HEARTBEAT)?;
        Ok(Before { run: self.shown()?, heartbeat })
    }

    /// What FW_STATUS reads, once it does not read 0, as it does for a round after a reset of the device.
    fn shown(&self) -> Result<Run, DriverError> {
        loop {
            let run = Run::from_register(self.device.read(&FW_STATUS)?);
            if run.is_shown() {
                return Ok(run);
            }
            self.present()?;
        }
    }

    /// What an error of a command in the middle of an update means; none if the new image runs all the same, as the core was reset before COMMIT
    /// was answered.
    fn explain(&self, turn: &mut Turn<'_, B>, error: DriverError, before: &Before) -> Result<(), DriverError> {
        let result = match &error {
            DriverError::Firmware(FirmwareError::Refused { refusal, .. }) => Some(refusal.result()),
            _ => None,
        };
        // A command that the reset swallowed was not refused: it has no answer.
        match (result, self.shown()) {
            (None | Some(Some(MailboxResult::Interrupted)), Ok(run)) if run.bank != before.run.bank => Ok(()),
            (Some(Some(MailboxResult::Interrupted)), Ok(Run { cause, bites, .. })) => {
                Err(FirmwareError::Interrupted { cause, bites }.into())
            }
            // Without a reset in between, the update has expired, or another process has ended it.
            (None | Some(Some(MailboxResult::NoUpdate)), Ok(Run { cause, bites, .. }))
                if (cause, bites) != (before.run.cause, before.run.bites)
                    || self.device.read(&FW_HEARTBEAT)? < before.heartbeat =>
            {
                Err(FirmwareError::Interrupted { cause, bites }.into())
            }
            _ if result.is_some() || matches!(error, DriverError::Firmware(FirmwareError::Lost)) => {
                // It answers: it may forget what came. If not, the next BEGIN has it forgotten.
                let _ = turn.ask(Opcode::UpdateAbort, [0; 2], &[]);
                Err(error)
            }
            _ => Err(error),
        }
    }

    /// Waits until the new image runs, has it answer, which confirms it, and waits until it shows that, or the old one is back. Gives what it
    /// answers to VERSION.
    fn try_out(&self, turn: &mut Turn<'_, B>, image: &Image, before: &Before) -> Result<[u32; 3], DriverError> {
        // An image whose self-test failed stops, and shows that until the watchdog bites.
        let failed = Cell::new(None);
        let runs = |run: &Run| {
            if run.bank == before.run.bank {
                let runs = self.present()?.version;
                let (image, bank, cause, self_test) = (version(image), run.bank, run.cause, failed.get());
                return Err(FirmwareError::FellBack { image, runs, bank, cause, self_test }.into());
            }
            failed.set(Some(self.present()?.self_test).filter(|found| run.trial && !found.is_good()));
            Ok(failed.get().is_none())
        };
        self.wait_restart(before, runs, |watch, status| watch.over("FW_STATUS", status))?;
        let mut answer = turn.ask(Opcode::Version, [0; 2], &[]);
        let deadline = self.device.deadline() + BITE;
        let mut watch = Watch::new(&self.device, "the new firmware to be confirmed", deadline)?;
        loop {
            let run = self.shown()?;
            if run.is_ready() && runs(&run)? && !run.trial {
                // It may have been late, or another's command have confirmed it.
                return answer.or_else(|_| turn.ask(Opcode::Version, [0; 2], &[])).map(|answer| answer.values);
            }
            if run.is_ready() && run.trial && matches!(answer, Err(DriverError::Firmware(FirmwareError::Lost))) {
                answer = turn.ask(Opcode::Version, [0; 2], &[]);
            }
            if watch.tick()? {
                let (image, self_test) = (version(image), self.present()?.self_test);
                return Err(FirmwareError::Unconfirmed { image, self_test, answers: answer.is_ok() }.into());
            }
        }
    }

    /// Waits until the core was reset, is past its self-test and beats, and `look` is content with what it shows. Once the deadline is over, `over`
    /// says why that was in vain.
    fn wait_restart(
        &self,
        before: &Before,
        look: impl Fn(&Run) -> Result<bool, DriverError>,
        over: impl FnOnce(Watch<'_, B>, u64) -> DriverError,
    ) -> Result<(), DriverError> {
        let deadline = self.device.deadline() + BITE;
        let mut watch = Watch::new(&self.device, "the firmware to come back", deadline)?;
        let mut first_beat = None;
        loop {
            // The heartbeat first: if it is that of a new boot, so is the status.
            let heartbeat = self.device.read(&FW_HEARTBEAT)?;
            let status = self.device.read(&FW_STATUS)?;
            let run = Run::from_register(status);
            let changed = (run.bank, run.cause, run.bites) != (before.run.bank, before.run.cause, before.run.bites);
            let changed = run.is_shown() && changed;
            if run.is_early() || changed || heartbeat < before.heartbeat {
                first_beat.get_or_insert(heartbeat);
            }
            // What it shows is written each round: another beat, and none of it is left from before.
            if first_beat.is_some_and(|first| first != heartbeat) && run.is_ready() && look(&run)? {
                return Ok(());
            }
            if watch.tick()? {
                return Err(over(watch, status));
            }
        }
    }
}

fn version(image: &Image) -> Version {
    Version::from_register(image.header().version.into())
}

/// Sends the image and has it started.
fn send<B: Backing + ?Sized + 'static>(
    turn: &mut Turn<'_, B>,
    image: &Image,
    progress: &mut impl FnMut(usize, usize),
) -> Result<(), DriverError> {
    let bytes = image.bytes();
    turn.ask(Opcode::UpdateBegin, [bytes.len() as u32, image.header().crc], &[])?;
    let mut sent = 0;
    for piece in bytes.chunks(MAILBOX_BYTES as usize) {
        turn.ask(Opcode::UpdateData, [sent as u32, 0], piece)?;
        sent += piece.len();
        progress(sent, bytes.len());
    }
    turn.ask(Opcode::UpdateCommit, [0; 2], &[]).map(drop)
}
