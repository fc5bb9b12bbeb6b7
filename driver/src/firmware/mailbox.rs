//! The mailbox: one command, one answer.
//!
//! Who holds a [`Turn`] is the only one in this process who writes it, so that no answer is taken for another's. A command that was given up
//! may be answered late; its SEQUENCE tells.
//!
//! MBOX_COMMAND is 0, which is no command, while arguments and data are written, and once a command was given up: the firmware never takes
//! one with another's arguments, nor one for which nobody waits any more.

use std::sync::MutexGuard;
use std::sync::atomic::{Ordering, fence};

use kvcpu_mmio::Backing;
use kvcpu_mmio::firmware::{KEY, MAILBOX_BYTES, MailboxResult, Opcode};
use kvcpu_mmio::regs::mgmt::{MBOX_ANSWER, MBOX_ARG, MBOX_COMMAND, MBOX_DATA, MBOX_STATUS, MBOX_VALUE};

use super::error::{FirmwareError, Refusal};
use super::watch::Watch;
use crate::device::lock;
use crate::{Device, DriverError};

/// What the firmware answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// MBOX_VALUE.
    pub values: [u32; 3],
    /// The bytes of MBOX_ANSWER that belong to it.
    pub data: Vec<u8>,
}

impl Answer {
    /// Word `number` of the data; 0 beyond its end.
    pub fn word(&self, number: usize) -> u32 {
        let bytes = self.data.get(number * 4..number * 4 + 4).unwrap_or(&[0; 4]);
        bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
    }
}

/// The right to give commands.
pub(super) struct Turn<'d, B: Backing + ?Sized + 'static> {
    device: &'d Device<B>,
    /// SEQUENCE of the last command of this process.
    last: MutexGuard<'d, u64>,
}

impl<'d, B: Backing + ?Sized + 'static> Turn<'d, B> {
    /// Waits for it. Each command has a deadline, and so has who holds it.
    pub(super) fn take(device: &'d Device<B>) -> Turn<'d, B> {
        Turn { device, last: lock(&device.inner.mailbox) }
    }

    /// Gives a command that this driver knows, with the key if it needs it.
    pub(super) fn ask(&mut self, opcode: Opcode, args: [u32; 2], data: &[u8]) -> Result<Answer, DriverError> {
        let key = if opcode.needs_key() { KEY } else { 0 };
        self.call(opcode as u8, [args[0], args[1], key], data)
    }

    /// Gives a command and waits for its answer, up to the device's deadline.
    pub(super) fn call(&mut self, opcode: u8, args: [u32; 3], data: &[u8]) -> Result<Answer, DriverError> {
        let device = self.device;
        if data.len() > MAILBOX_BYTES as usize {
            return Err(FirmwareError::TooLong { bytes: data.len() }.into());
        }
        let answered = MBOX_STATUS::SEQUENCE.get(device.read(&MBOX_STATUS)?);
        let last = match MBOX_COMMAND::SEQUENCE.get(device.read(&MBOX_COMMAND)?) {
            // Another process may have given one up, which followed the last answer.
            0 if *self.last == 0 => after(answered),
            0 => *self.last,
            last => last,
        };
        let sequence = next(last, answered);
        *self.last = sequence;
        device.write(&MBOX_COMMAND, 0)?;
        for (element, value) in (0..).zip(args) {
            device.write_at(&MBOX_ARG, 0, element, value.into())?;
        }
        for (element, piece) in (0..).zip(data.chunks(4)) {
            let mut word = [0; 4];
            word[..piece.len()].copy_from_slice(piece);
            device.write_at(&MBOX_DATA, 0, element, u32::from_le_bytes(word).into())?;
        }
        let command = MBOX_COMMAND::OPCODE.set(0, opcode.into());
        let command = MBOX_COMMAND::LENGTH.set(command, data.len() as u64);
        // Memory that the command lends was written before.
        fence(Ordering::Release);
        device.write(&MBOX_COMMAND, MBOX_COMMAND::SEQUENCE.set(command, sequence))?;
        let status = self.wait(MBOX_COMMAND::SEQUENCE.set(command, sequence));
        if !matches!(status, Ok(_) | Err(DriverError::Firmware(FirmwareError::Lost))) {
            // One that is lost may be another's by now; a device that cannot be reached has no use for it.
            let _ = device.write(&MBOX_COMMAND, 0);
        }
        self.answer(opcode, status?)
    }

    /// Waits until this command is answered; MBOX_STATUS.
    fn wait(&self, command: u64) -> Result<u64, DriverError> {
        let (device, sequence) = (self.device, MBOX_COMMAND::SEQUENCE.get(command));
        let mut watch = Watch::new(device, "an answer in the mailbox", device.deadline())?;
        loop {
            let status = device.read(&MBOX_STATUS)?;
            if MBOX_STATUS::SEQUENCE.get(status) == sequence {
                return Ok(status);
            }
            // CTRL.RESET clears it, and the answer that may have been there.
            if device.read(&MBOX_COMMAND)? != command {
                return Err(FirmwareError::Lost.into());
            }
            if watch.tick()? {
                return Err(watch.over("MBOX_STATUS", status));
            }
        }
    }

    /// Reads the answer; a result other than OK is an error.
    fn answer(&self, opcode: u8, status: u64) -> Result<Answer, DriverError> {
        fence(Ordering::Acquire);
        let device = self.device;
        let mut values = [0; 3];
        for (element, value) in (0..).zip(&mut values) {
            *value = device.read_at(&MBOX_VALUE, 0, element)? as u32;
        }
        let code = MBOX_STATUS::RESULT.get(status) as u8;
        tracing::debug!(target: "kvcpu::firmware", opcode, code, ?values, "answered");
        if u32::from(code) != MailboxResult::Ok.code() {
            return Err(FirmwareError::Refused { opcode, refusal: Refusal { code, values } }.into());
        }
        let bytes = MBOX_STATUS::LENGTH.get(status);
        if bytes > MAILBOX_BYTES.into() {
            let expected = MAILBOX_BYTES.into();
            return Err(DriverError::Protocol { what: "MBOX_STATUS.LENGTH", expected, found: bytes });
        }
        let mut data = Vec::new();
        for element in 0..bytes.div_ceil(4) as u32 {
            data.extend((device.read_at(&MBOX_ANSWER, 0, element)? as u32).to_le_bytes());
        }
        data.truncate(bytes as usize);
        Ok(Answer { values, data })
    }
}

/// A number that is neither 0, which is none, nor that of the last command or answer.
fn next(last: u64, answered: u64) -> u64 {
    match after(last) {
        number if number == answered => after(number),
        number => number,
    }
}

/// The number that follows.
fn after(number: u64) -> u64 {
    if number >= MBOX_COMMAND::SEQUENCE.get(u64::MAX) { 1 } else { number + 1 }
}
