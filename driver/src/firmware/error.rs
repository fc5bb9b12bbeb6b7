//! What can go wrong with the firmware, apart from reaching it; each with what to do.

use std::fmt;
use std::time::Duration;

use kvcpu_mmio::firmware::{ImageFault, MailboxResult, Opcode, ResetCause};
use kvcpu_mmio::image::ImageError;
use thiserror::Error;

use super::status::{SelfTest, Version};
use crate::error::decoded;

/// Why the firmware did not do what it was asked. In every case the device works on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FirmwareError {
    /// Nobody is behind the management registers.
    #[error(
        "{name} has no firmware: FW_STATUS reads 0; use a bitstream with the management core, or --device emulator+fw (docs/firmware.md)"
    )]
    Absent {
        /// The backing.
        name: String,
    },
    /// There is firmware, and it stands still.
    #[error(
        "{what}: the firmware hangs: FW_HEARTBEAT stands still at {heartbeat} for {still:?}, FW_STATUS reads {status:#x}{}; the watchdog restarts it, and if that does not help, power the card off and on",
        decoded("FW_STATUS", *status)
    )]
    Hung {
        /// What was waited for.
        what: &'static str,
        /// What FW_HEARTBEAT reads.
        heartbeat: u64,
        /// How long it did not grow.
        still: Duration,
        /// What FW_STATUS reads.
        status: u64,
    },
    /// It refused a command.
    #[error("{} refused: {refusal}{}", name(*opcode), refusal.remedy(*opcode).map_or_else(String::new, |remedy| format!("; {remedy}")))]
    Refused {
        /// The command's opcode.
        opcode: u8,
        /// Its answer.
        refusal: Refusal,
    },
    /// The command is not in the mailbox any more.
    #[error(
        "a reset of the device, or another process, took the command out of the mailbox before it was answered; give it again"
    )]
    Lost,
    /// More data than the mailbox holds.
    #[error("{bytes} bytes do not fit into MBOX_DATA, which has 64; send less at a time")]
    TooLong {
        /// Bytes given.
        bytes: usize,
    },
    /// The image is none that the firmware would run; nothing was sent.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The core was reset in the middle of an update.
    #[error(
        "the firmware restarted in the middle of the update ({}; {bites} bite(s) since power-up) and has forgotten it; nothing was changed, the old image runs: try again",
        because(*cause)
    )]
    Interrupted {
        /// Why, if this driver knows the code.
        cause: Option<ResetCause>,
        /// Watchdog bites since power-up.
        bites: u8,
    },
    /// The new image did not come up.
    #[error(
        "image {image} did not come up ({}{}); {runs} runs again from bank {bank}: repair the image, the device needs nothing",
        because(*cause),
        self_test.map_or_else(String::new, |found| format!("; its self-test: {found}"))
    )]
    FellBack {
        /// The new image.
        image: Version,
        /// What runs.
        runs: Version,
        /// From where.
        bank: u8,
        /// Why, if this driver knows the code.
        cause: Option<ResetCause>,
        /// What the new image's self-test had found, if it was that it failed.
        self_test: Option<SelfTest>,
    },
    /// The new image runs, is not confirmed, and does not give up.
    #[error(
        "image {image} runs on trial and is not confirmed (self-test: {self_test}; it {}): it gives way to the old one a minute after its boot, or power the card off and on; repair the image",
        if *answers { "answers" } else { "answers nothing" }
    )]
    Unconfirmed {
        /// The new image.
        image: Version,
        /// What its self-test found.
        self_test: SelfTest,
        /// It has answered VERSION.
        answers: bool,
    },
    /// SELF_TEST needs the device for itself.
    #[error(
        "the firmware's self-test needs a device that is not enabled, and this one is; call Device::disable first, which empties it"
    )]
    Enabled,
    /// SELF_TEST needs memory that the device reaches.
    #[error(
        "the firmware's self-test copies a block between card and host, and {name} reaches no host memory; its march needs none: FW_SELFTEST tells of it"
    )]
    NoMemory {
        /// The backing.
        name: String,
    },
}

/// A result other than OK, with what came along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code, also if this driver does not know it.
    pub code: u8,
    /// The answer's values.
    pub values: [u32; 3],
}

impl Refusal {
    /// The result, if it is one this driver knows.
    pub fn result(&self) -> Option<MailboxResult> {
        MailboxResult::from_code(self.code.into())
    }

    /// What to do about it, when it answered a command with this opcode.
    fn remedy(&self, opcode: u8) -> Option<&'static str> {
        let opcode = Opcode::from_code(opcode.into());
        Some(match self.result()? {
            MailboxResult::UnknownOpcode => "update the firmware",
            MailboxResult::BadArgument => match opcode {
                Some(Opcode::GetParam | Opcode::SetParam) => "GET_PARAM tells a parameter's range",
                Some(Opcode::SelfTest) => "lend two blocks of a size that the device has, at a multiple of 8",
                Some(Opcode::UpdateBegin | Opcode::UpdateData) => {
                    "an image has 68 to 16,384 bytes, and pieces end with it"
                }
                _ => "use the driver that belongs to the firmware",
            },
            MailboxResult::BadLength | MailboxResult::OutOfOrder => "use the driver that belongs to the firmware",
            MailboxResult::NoUpdate => "begin the update again; a minute without a piece ends one",
            MailboxResult::BadImage => "use the image that belongs to the device",
            MailboxResult::Flash => "try again; if it stays, the flash is worn out",
            MailboxResult::Enabled => "disable the device first",
            MailboxResult::Failed => "see FW_SELFTEST and FW_SELFTEST_DETAIL",
            MailboxResult::Interrupted if opcode == Some(Opcode::SelfTest) => {
                "the device is not enabled, and has the test's configuration: configure it, then try again"
            }
            MailboxResult::Interrupted => "see the log and what it has changed, then try again",
            MailboxResult::Ok => return None,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(result) = self.result() else {
            return write!(
                f,
                "result {} (unknown to this driver); use the driver that belongs to the firmware",
                self.code
            );
        };
        write!(f, "{result:?}: {}", result.describe().trim_end_matches('.'))?;
        match (result, ImageFault::from_code(self.values[0])) {
            (MailboxResult::BadImage, Some(fault)) => write!(f, " ({})", fault.describe().trim_end_matches('.')),
            _ => Ok(()),
        }
    }
}

/// An opcode by name, or its number.
fn name(opcode: u8) -> String {
    Opcode::from_code(opcode.into()).map_or_else(|| format!("opcode {opcode}"), |opcode| format!("{opcode:?}"))
}

/// A reset cause within a sentence.
fn because(cause: Option<ResetCause>) -> &'static str {
    match cause {
        Some(ResetCause::PowerUp) => "power-up",
        Some(ResetCause::Watchdog) => "the watchdog bit",
        Some(ResetCause::Asked) => "it asked for a reset",
        Some(ResetCause::TrialFailed) => "the watchdog bit the image on trial",
        None => "for a cause that this driver does not know",
    }
}
