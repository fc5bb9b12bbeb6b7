//! Firmware that is not: a thread that answers the mailbox of an emulator as `docs/firmware.md` says, until a test pulls a lever.
//!
//! It leaves out what the driver cannot tell from outside: flash, checks of an image, thermal control. The real one is tested in
//! `driver/kvctl/tests/cli_fw.rs`.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use kvcpu_driver::mmio::firmware::{
    EventCode, KEY, LOG_ENTRIES, LogEntry, MailboxResult, Opcode, Parameter, ResetCause, State, pattern_word,
};
use kvcpu_driver::mmio::regs::{control, irq, mgmt};
use kvcpu_driver::mmio::{Bar, Geometry, Register};
use kvcpu_emulator::{Emulator, HostBus, HostMemory};

/// How long it rests between two rounds.
const ROUND: Duration = Duration::from_micros(500);
/// Rounds that it takes to boot.
const BOOT: u32 = 4;
/// None in a lever that is a number.
pub(crate) const OFF: u32 = u32::MAX;

/// What becomes of an image on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// It is confirmed.
    Good,
    /// The watchdog bites, the old bank runs again.
    Bitten,
    /// The march fails, so it stops until the watchdog bites.
    TestFails,
    /// It never says why, but does not confirm itself.
    Silent,
    /// It is confirmed, but is another image than was sent.
    Other,
}

/// What a test may do to it.
pub(crate) struct Levers {
    /// It does nothing any more.
    pub(crate) hangs: AtomicBool,
    /// It stays in its self-test.
    pub(crate) tests: AtomicBool,
    /// A command with this opcode is carried out and not answered.
    pub(crate) unanswered: AtomicU32,
    /// SELF_TEST enables the device and does not end until it is given up; `Some(true)`: not even then.
    pub(crate) tests_on: Mutex<Option<bool>>,
    /// Firmware that hangs in SELF_TEST is bitten once the command is taken back.
    pub(crate) bitten_when_given_up: AtomicBool,
    /// A command with this opcode makes it hang.
    pub(crate) hangs_at: AtomicU32,
    /// The watchdog bites before so many UPDATE_DATA are done.
    pub(crate) bite_at: AtomicU32,
    /// The watchdog bites once COMMIT has swapped the banks, before it is answered.
    pub(crate) bites_after_swap: AtomicBool,
    /// The command that the bite met is not seen again after it.
    pub(crate) forgets: AtomicBool,
    /// A command with this opcode is answered with RESULT `result`, LENGTH `length`, VALUE[0] `value`.
    pub(crate) refused: Mutex<Option<(u32, u32, u32, u32)>>,
    /// SELF_TEST spoils a word that it copies, and says nothing of it.
    pub(crate) lies: AtomicBool,
    pub(crate) trial: Mutex<Trial>,
    ends: AtomicBool,
}

/// The firmware; it ends when dropped.
pub(crate) struct FakeFirmware {
    pub(crate) emulator: Arc<Emulator>,
    pub(crate) levers: Arc<Levers>,
    thread: Option<JoinHandle<()>>,
}

impl FakeFirmware {
    /// An emulator of the test geometry, with firmware.
    pub(crate) fn start() -> FakeFirmware {
        let mut memory = None;
        let emulator = Emulator::with_bus(Geometry::TEST, |of| {
            memory = Some(of.clone());
            Box::new(of)
        });
        let emulator = Arc::new(emulator.expect("the test geometry is good"));
        let levers = Arc::new(Levers {
            hangs: AtomicBool::new(false),
            tests: AtomicBool::new(false),
            unanswered: AtomicU32::new(OFF),
            tests_on: Mutex::new(None),
            bitten_when_given_up: AtomicBool::new(false),
            hangs_at: AtomicU32::new(OFF),
            bite_at: AtomicU32::new(OFF),
            bites_after_swap: AtomicBool::new(false),
            forgets: AtomicBool::new(false),
            refused: Mutex::new(None),
            lies: AtomicBool::new(false),
            trial: Mutex::new(Trial::Good),
            ends: AtomicBool::new(false),
        });
        let core = Core {
            emulator: emulator.clone(),
            memory: memory.expect("the emulator has a bus"),
            levers: levers.clone(),
            run: Boot::default(),
            bank: 0,
            bites: 0,
            cause: ResetCause::PowerUp,
            trial: false,
            images: [(0x01_02_03, 0xAAAA_AAAA), (0, 0)],
            parameters: [1, 1000, 70, 105, 0, 16],
        };
        let thread = std::thread::spawn(move || core.main());
        FakeFirmware { emulator, levers, thread: Some(thread) }
    }
}

impl Drop for FakeFirmware {
    fn drop(&mut self) {
        self.levers.ends.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a reset forgets.
#[derive(Default)]
struct Boot {
    rounds: u32,
    log: Vec<LogEntry>,
    told: u32,
    /// Bytes and CRC that an update was begun with, and the words that came.
    update: Option<(u32, u32, Vec<u32>)>,
    self_test: u32,
    /// MBOX_COMMAND of a SELF_TEST that goes on; 0 without.
    testing: u32,
    /// It has answered a command.
    answers: bool,
}

struct Core {
    emulator: Arc<Emulator>,
    memory: HostMemory,
    levers: Arc<Levers>,
    run: Boot,
    bank: usize,
    bites: u32,
    cause: ResetCause,
    trial: bool,
    /// Version and CRC of what the banks hold.
    images: [(u32, u32); 2],
    parameters: [u32; 6],
}

/// A result, values, data, and whether the core is reset after the answer.
type Reply = (MailboxResult, [u32; 3], Vec<u32>);

impl Core {
    fn main(mut self) {
        self.event(EventCode::Boot, [0, self.images[0].0]);
        while !self.levers.ends.load(SeqCst) {
            if !self.levers.hangs.load(SeqCst) {
                self.round();
            } else if self.levers.bitten_when_given_up.load(SeqCst) && self.get(&mgmt::MBOX_COMMAND, 0) == 0 {
                self.levers.hangs.store(false, SeqCst);
                self.reset(ResetCause::Watchdog);
            }
            std::thread::sleep(ROUND);
        }
    }

    fn get(&self, register: &Register, element: u32) -> u32 {
        self.emulator.management_read32(Bar::Regs, register.element(element))
    }

    fn set(&self, register: &Register, element: u32, value: u32) {
        self.emulator.management_write32(Bar::Regs, register.element(element), value);
    }

    fn state(&self) -> State {
        match self.run.rounds {
            0..BOOT => State::Boots,
            _ if self.run.testing != 0 || self.levers.tests.load(SeqCst) => State::Tests,
            _ if self.run.update.is_some() => State::Updates,
            _ if self.run.self_test >> 2 & 3 == 2 => State::Failed,
            _ => State::Runs,
        }
    }

    fn show(&self) {
        use mgmt::FW_STATUS as S;
        let status = S::STATE.set(0, self.state().code().into());
        let status = S::TRIAL.set(S::BANK.set(status, self.bank as u64), self.trial.into());
        let status = S::BITES.set(S::RESET_CAUSE.set(status, self.cause.code().into()), self.bites.into());
        self.set(&mgmt::FW_STATUS, 0, status as u32);
        self.set(&mgmt::FW_VERSION, 0, self.images[self.bank].0);
        self.set(&mgmt::FW_SELFTEST, 0, self.run.self_test);
        self.set(&mgmt::THERMAL_TEMP, 0, (-1_500i32) as u32);
        self.set(&mgmt::THERMAL_STATUS, 0, 1);
        self.set(&mgmt::FW_EVENT, 0, self.run.told);
        self.set(&mgmt::FW_HEARTBEAT, 0, self.run.rounds);
    }

    fn round(&mut self) {
        self.run.rounds += 1;
        let trial = *self.levers.trial.lock().unwrap();
        if self.run.rounds == 40 * BOOT && self.trial && trial == Trial::TestFails {
            return self.reset(ResetCause::TrialFailed);
        }
        if self.run.rounds == BOOT && self.trial {
            match trial {
                Trial::Bitten => return self.reset(ResetCause::TrialFailed),
                Trial::TestFails => self.run.self_test = 0b10_01,
                Trial::Silent | Trial::Good | Trial::Other => {}
            }
        }
        let command = self.get(&mgmt::MBOX_COMMAND, 0);
        if self.run.testing != 0 && self.run.testing != command {
            self.set(&control::CTRL, 0, 0);
            self.run.testing = 0;
        }
        self.show();
        if self.run.testing != 0 {
            return;
        }
        let answered = self.get(&mgmt::MBOX_STATUS, 0);
        if self.trial && self.run.answers && [Trial::Good, Trial::Other].contains(&trial) {
            self.trial = false;
            self.event(EventCode::TrialConfirmed, self.images[self.bank].into());
        }
        let halted = self.trial && trial == Trial::TestFails;
        if self.run.rounds > BOOT && !halted && command >> 16 != answered >> 16 && command >> 16 != 0 {
            self.command(command);
        }
    }

    /// The watchdog bites in the middle of a command.
    fn bite(&mut self, opcode: u32) {
        if self.levers.forgets.load(SeqCst) {
            // Lost for good: not even answered.
            self.levers.unanswered.store(opcode, SeqCst);
        }
        self.reset(ResetCause::Watchdog);
    }

    fn reset(&mut self, cause: ResetCause) {
        if cause == ResetCause::TrialFailed {
            (self.bank, self.trial) = (1 - self.bank, false);
        }
        if cause != ResetCause::Asked {
            self.bites += 1;
        }
        self.cause = cause;
        self.run = Boot::default();
        self.event(EventCode::Boot, [cause.code(), self.images[self.bank].0]);
        let [sequence, answered] = [&mgmt::MBOX_COMMAND, &mgmt::MBOX_STATUS].map(|of| self.get(of, 0) >> 16);
        let stands = sequence != 0 && sequence != answered;
        if cause != ResetCause::Asked && stands && !self.levers.forgets.load(SeqCst) {
            self.show();
            self.set(&mgmt::MBOX_STATUS, 0, MailboxResult::Interrupted.code() | sequence << 16);
        }
    }

    fn event(&mut self, code: EventCode, words: [u32; 2]) {
        let count = self.run.log.len() as u16 + 1;
        self.run.log.push(LogEntry { ms: self.run.rounds, code: code as u8, count, words });
        if code.raises() {
            self.run.told = code.code() | u32::from(count) << 16;
            self.set(&mgmt::FW_EVENT, 0, self.run.told);
            self.set(&irq::INT_FORCE, 0, irq::INT_STATUS::MANAGEMENT.mask() as u32);
        }
    }

    fn command(&mut self, command: u32) {
        let opcode = command & 0xFF;
        if opcode == Opcode::SelfTest.code()
            && let Some(hangs) = *self.levers.tests_on.lock().unwrap()
        {
            self.set(&control::CTRL, 0, 1);
            self.set(&irq::INT_ENABLE, 0, 0);
            self.run.testing = command;
            self.levers.hangs.store(hangs, SeqCst);
            return self.show();
        }
        if opcode == self.levers.hangs_at.load(SeqCst) {
            self.levers.hangs.store(true, SeqCst);
            return;
        }
        if opcode == Opcode::UpdateData.code() && self.levers.bite_at.load(SeqCst) == 0 {
            self.levers.bite_at.store(OFF, SeqCst);
            return self.bite(opcode);
        }
        let args = [0, 1, 2].map(|n| self.get(&mgmt::MBOX_ARG, n));
        let words: Vec<u32> = (0..(command >> 8 & 0xFF) / 4).map(|n| self.get(&mgmt::MBOX_DATA, n)).collect();
        let (result, values, data) = self.carry_out(opcode, args, words);
        if opcode == self.levers.unanswered.load(SeqCst) {
            return;
        }
        if opcode == Opcode::UpdateCommit.code() && self.levers.bites_after_swap.load(SeqCst) {
            return self.bite(opcode);
        }
        let (mut result, mut length, mut values) = (result.code(), data.len() as u32 * 4, values);
        if let Some((of, other, bytes, value)) = *self.levers.refused.lock().unwrap()
            && of == opcode
        {
            (result, length, values[0]) = (other, bytes, value);
        }
        for (n, value) in (0..).zip(values) {
            self.set(&mgmt::MBOX_VALUE, n, value);
        }
        for (n, word) in (0..).zip(data) {
            self.set(&mgmt::MBOX_ANSWER, n, word);
        }
        self.set(&mgmt::MBOX_STATUS, 0, result | length << 8 | command >> 16 << 16);
        self.run.answers = true;
        if result == 0 && (opcode == Opcode::Reset.code() || opcode == Opcode::UpdateCommit.code()) {
            self.reset(ResetCause::Asked);
        }
    }

    fn carry_out(&mut self, opcode: u32, args: [u32; 3], words: Vec<u32>) -> Reply {
        let ok = |values| (MailboxResult::Ok, values, Vec::new());
        let no = |result| (result, [0; 3], Vec::new());
        let Some(opcode) = Opcode::from_code(opcode) else { return no(MailboxResult::UnknownOpcode) };
        if opcode.needs_key() && args[2] != KEY {
            return no(MailboxResult::BadArgument);
        }
        match opcode {
            Opcode::Nop => ok([0; 3]),
            Opcode::Version => ok([self.images[self.bank].0, self.images[self.bank].1, 2]),
            Opcode::Log => {
                let next = self.run.log.len() as u32;
                let first = args[0].clamp(next.saturating_sub(LOG_ENTRIES), next);
                let entries: Vec<_> = self.run.log.iter().skip(first as usize).take(4).collect();
                let data = entries.iter().flat_map(|entry| entry.to_words()).collect();
                (MailboxResult::Ok, [first, entries.len() as u32, next], data)
            }
            Opcode::GetParam => match Parameter::from_code(args[0]) {
                Some(of) => ok([self.parameters[args[0] as usize], of.range().0, of.range().1]),
                None => no(MailboxResult::BadArgument),
            },
            Opcode::SetParam => match Parameter::from_code(args[0]) {
                Some(of) if args[1] >= of.range().0 && args[1] <= of.range().1 => {
                    self.parameters[args[0] as usize] = args[1];
                    self.event(EventCode::ParameterChanged, [args[0], args[1]]);
                    ok([0; 3])
                }
                _ => no(MailboxResult::BadArgument),
            },
            Opcode::UpdateBegin => {
                self.run.update = Some((args[0], args[1], Vec::new()));
                self.event(EventCode::UpdateBegun, [args[0], args[1]]);
                ok([0; 3])
            }
            Opcode::UpdateData => {
                let left = &self.levers.bite_at;
                let _ = left.fetch_update(SeqCst, SeqCst, |n| (n != OFF).then(|| n - 1));
                match &mut self.run.update {
                    None => no(MailboxResult::NoUpdate),
                    Some((.., came)) if came.len() as u32 * 4 != args[0] => no(MailboxResult::OutOfOrder),
                    Some((.., came)) => {
                        came.extend(words);
                        ok([0; 3])
                    }
                }
            }
            Opcode::UpdateCommit => match self.run.update.take() {
                None => no(MailboxResult::NoUpdate),
                Some((bytes, _, came)) if came.len() as u32 * 4 != bytes => no(MailboxResult::BadImage),
                Some((_, crc, came)) => {
                    (self.bank, self.trial) = (1 - self.bank, true);
                    let other = *self.levers.trial.lock().unwrap() == Trial::Other;
                    self.images[self.bank] = (came[4], if other { !crc } else { crc });
                    ok([0; 3])
                }
            },
            Opcode::UpdateAbort => {
                self.run.update = None;
                ok([0; 3])
            }
            Opcode::Reset => ok([0; 3]),
            Opcode::SelfTest => self.copy(u64::from(args[0]) | u64::from(args[1]) << 32, words[0]),
        }
    }

    fn copy(&mut self, iova: u64, shift: u32) -> Reply {
        let mut block = vec![0; (1 << shift) / 8];
        self.memory.read(iova, &mut block).expect("it is lent");
        for (n, word) in (0..).step_by(2).zip(&block) {
            assert_eq!(*word, u64::from(pattern_word(n)) | u64::from(pattern_word(n + 1)) << 32);
        }
        if self.levers.lies.load(SeqCst) {
            block[3] ^= 1;
        }
        self.memory.write(iova + (1 << shift), &block).expect("it is lent");
        (MailboxResult::Ok, [0b01_01_01_01, 0, 0], Vec::new())
    }
}
