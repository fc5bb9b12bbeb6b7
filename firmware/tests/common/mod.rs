//! A machine: a host's platform that the firmware runs on and is booted again on, and a driver's side of the registers.
#![allow(dead_code, missing_docs, unreachable_pub, unused_imports, reason = "each test has its part of it")]
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

mod host;

pub use host::{FIRST, Faults, Host, Moment, SECOND, cool, image, words};

use kvcpu_emulator::Emulator;
use kvcpu_firmware::{Firmware, Platform};
use kvcpu_mmio::firmware::{KEY, MailboxResult, Opcode, ResetCause, State};
use kvcpu_mmio::queue::{self, Key, Sqe};
use kvcpu_mmio::regs::mgmt::{FW_STATUS, MBOX_ANSWER, MBOX_ARG, MBOX_COMMAND, MBOX_DATA, MBOX_STATUS, MBOX_VALUE};
use kvcpu_mmio::regs::{command, control, dma, hepc, tier};
use kvcpu_mmio::{Backing, Bar, Geometry, Register};
use std::sync::Arc;

/// An answer: result, values, data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub result: MailboxResult,
    pub values: [u32; 3],
    pub data: Vec<u32>,
}

/// The core with its firmware, and the driver.
pub struct Machine {
    pub device: Arc<Emulator>,
    firmware: Option<Firmware<Host>>,
    pub boots: u32,
    sequence: u32,
}

impl Machine {
    /// Powers up, and boots.
    pub fn new(geometry: Geometry) -> Machine {
        Machine::with(geometry, |_| {})
    }

    /// Powers up with something arranged before.
    pub fn with(geometry: Geometry, arrange: impl FnOnce(&mut Host)) -> Machine {
        let device = Arc::new(Emulator::new(geometry).unwrap());
        device.bus_master(true).unwrap();
        let mut host = Host::new(device.clone());
        arrange(&mut host);
        Machine { device, firmware: Some(Firmware::boot(host)), boots: 1, sequence: 0 }
    }

    /// Powers up, and waits until the self-test is over.
    pub fn running(geometry: Geometry) -> Machine {
        let mut machine = Machine::new(geometry);
        machine.settle();
        machine
    }

    pub fn host(&mut self) -> &mut Host {
        self.firmware.as_mut().unwrap().platform_mut()
    }

    /// Takes the core out of the machine.
    pub fn into_host(self) -> Host {
        self.firmware.unwrap().into_platform()
    }

    pub fn halted(&self) -> bool {
        self.firmware.as_ref().unwrap().halted()
    }

    fn reboot(&mut self, cause: ResetCause) {
        let mut host = self.firmware.take().unwrap().into_platform();
        match cause {
            ResetCause::PowerUp => host.power_cycle(),
            _ => host.restart(cause),
        }
        self.firmware = Some(Firmware::boot(host));
        self.boots += 1;
    }

    /// Power goes off and on.
    pub fn power_cycle(&mut self) {
        self.reboot(ResetCause::PowerUp);
    }

    /// A round, and the rest after it; then what the watchdog or a reset that was asked for does.
    pub fn round(&mut self) {
        self.firmware.as_mut().unwrap().round();
        self.pass(1);
    }

    pub fn rounds(&mut self, rounds: u32) {
        (0..rounds).for_each(|_| self.round());
    }

    /// Time passes, in which the firmware does nothing.
    pub fn pass(&mut self, ms: u32) {
        let host = self.host();
        host.sleep(1_000 * ms);
        if host.reset {
            self.reboot(ResetCause::Asked);
        } else if host.deadline_us.is_some_and(|deadline| host.us >= deadline) {
            self.reboot(ResetCause::Watchdog);
        }
    }

    /// The firmware hangs until the watchdog bites.
    pub fn hang(&mut self) {
        let boots = self.boots;
        while self.boots == boots {
            self.pass(10);
        }
    }

    /// Rounds until the self-test is over.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.state().code() > State::Tests.code() {
                return;
            }
            self.round();
        }
        panic!("the self-test does not end: FW_STATUS {:#x}", self.get(&FW_STATUS));
    }

    pub fn get(&self, register: &Register) -> u32 {
        self.device.read32(register.bar, register.offset).unwrap()
    }

    pub fn set(&self, register: &Register, value: u32) {
        self.at(register.offset, value);
    }

    pub fn at(&self, offset: u32, value: u32) {
        self.device.write32(Bar::Regs, offset, value).unwrap();
    }

    pub fn state(&self) -> State {
        State::from_code(self.get(&FW_STATUS) & 15).unwrap()
    }

    pub fn cause(&self) -> ResetCause {
        ResetCause::from_code(FW_STATUS::RESET_CAUSE.get(self.get(&FW_STATUS).into()) as u32).unwrap()
    }

    pub fn bank(&self) -> u32 {
        FW_STATUS::BANK.get(self.get(&FW_STATUS).into()) as u32
    }

    pub fn trial(&self) -> bool {
        FW_STATUS::TRIAL.get(self.get(&FW_STATUS).into()) == 1
    }

    /// Writes a command, and its SEQUENCE.
    pub fn post(&mut self, opcode: u32, length: u32, arguments: [u32; 3], data: &[u32]) -> u32 {
        for (n, argument) in (0..).zip(arguments) {
            self.at(MBOX_ARG.element(n), argument);
        }
        for (n, word) in (0..).zip(data) {
            self.at(MBOX_DATA.element(n), *word);
        }
        self.sequence = self.sequence % 0xFFFF + 1;
        self.set(&MBOX_COMMAND, opcode | length << 8 | self.sequence << 16);
        self.sequence
    }

    /// The answer, if it is that of the last command.
    pub fn answer(&self) -> Option<Answer> {
        let status = self.get(&MBOX_STATUS);
        (status >> 16 == self.sequence).then(|| Answer {
            result: MailboxResult::from_code(status & 0xFF).unwrap(),
            values: [0, 1, 2].map(|n| self.device.read32(Bar::Regs, MBOX_VALUE.element(n)).unwrap()),
            data: (0..(status >> 8 & 0xFF) / 4)
                .map(|n| self.device.read32(Bar::Regs, MBOX_ANSWER.element(n)).unwrap())
                .collect(),
        })
    }

    /// Waits for the answer.
    pub fn wait(&mut self) -> Answer {
        for _ in 0..5_000 {
            self.round();
            if let Some(answer) = self.answer() {
                return answer;
            }
        }
        panic!("no answer: MBOX_STATUS {:#x}", self.get(&MBOX_STATUS));
    }

    /// A command as a driver gives it, with the key.
    pub fn command(&mut self, opcode: Opcode, first: u32, second: u32, data: &[u32]) -> Answer {
        self.post(opcode.code(), 4 * data.len() as u32, [first, second, KEY], data);
        self.wait()
    }

    /// All of an update but COMMIT.
    pub fn send(&mut self, image: &[u8]) {
        let words = words(image);
        let begun = self.command(Opcode::UpdateBegin, image.len() as u32, words[3], &[]);
        assert_eq!(begun.result, MailboxResult::Ok);
        for (n, piece) in (0..).zip(words.chunks(16)) {
            let answer = self.command(Opcode::UpdateData, 64 * n, 0, piece);
            assert_eq!(answer.result, MailboxResult::Ok, "piece {n}");
            assert_eq!(answer.values[0], 64 * n + 4 * piece.len() as u32);
        }
    }

    /// INSERT of a block into T0, by the single-shot registers.
    pub fn insert(&self, tag: u64) {
        let sqe = Sqe { opcode: queue::Opcode::Insert.code(), key: Key::shared(0, tag), ..Sqe::default() };
        for (n, word) in (0..).step_by(2).zip(sqe.to_words()) {
            self.at(command::CMD_SQE.element(n), word as u32);
            self.at(command::CMD_SQE.element(n + 1), (word >> 32) as u32);
        }
        self.set(&command::CMD_GO, 1);
        assert_eq!(command::CMD_STATUS::DONE.get(self.get(&command::CMD_STATUS).into()), 1);
    }

    /// Configures one tier without bytes, and enables the device; CONFIG_ERR.
    pub fn enable(&self) -> u32 {
        self.set(&dma::BLOCK_SHIFT, 12);
        self.set(&dma::DMA_CTRL, 1);
        self.set(&tier::TIER_FRAMES, 8);
        self.set(&tier::TIER_LIMIT, 8);
        self.set(&hepc::PREFETCH_TIER, 0);
        self.set(&control::CTRL, 1);
        let error = self.get(&control::CONFIG_ERR);
        assert_eq!(self.get(&control::CTRL), u32::from(error == 0));
        error
    }
}
