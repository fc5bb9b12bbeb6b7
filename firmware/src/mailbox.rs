//! The mailbox: commands of the driver, and their answers. `docs/firmware.md`, Mailbox.
//!
//! Which command is new is read from the registers, not remembered: MBOX_COMMAND has another SEQUENCE than MBOX_STATUS. So a core that
//! was reset by a command does not carry it out again, and after CTRL.RESET there is none. One that the watchdog bit answers INTERRUPTED at
//! its boot: the command may be what it hung on, or the memory that it lent be gone.
//!
//! ```text
//!  MBOX_COMMAND ─► opcode ─► LENGTH ─► key ─► the command ─┬─► answer ─► (reset)
//!                                                          └─► work, a piece a round ─► answer ─► (reset)
//! ```

use crate::Platform;
use crate::firmware::Firmware;
use crate::log::Event;
use crate::platform::{Registers, bits};
use crate::selftest::{self, Part, Transfer, Verdict};
use kvcpu_mmio::firmware::{
    EventCode, ImageFault, KEY, LOG_ENTRY_BYTES, MAILBOX_BYTES, MailboxResult, Opcode, Parameter, SelfTestOutcome,
};
use kvcpu_mmio::image::{Check, Header};
use kvcpu_mmio::regs::{control, mgmt};

/// Words of MBOX_DATA and of MBOX_ANSWER.
const DATA_WORDS: usize = MAILBOX_BYTES as usize / 4;
/// Words of flash that are checked in one round.
pub(crate) const FLASH_PIECE: u32 = 16;

/// A command, as it stands in the registers.
struct Command {
    length: u32,
    arguments: [u32; 3],
    data: [u32; DATA_WORDS],
}

/// What is answered.
struct Answer {
    result: MailboxResult,
    values: [u32; 3],
    data: [u32; DATA_WORDS],
    /// Bytes of `data`.
    length: u32,
}

/// What a command comes to.
enum Reply {
    /// The answer.
    Now(Answer),
    /// Work that takes several rounds.
    Later(Work),
    /// The answer, and then a reset.
    Reset(Answer),
    /// Nothing: a reset of the device took the command away.
    Gone,
}

/// A command that takes several rounds.
pub(crate) enum Work {
    /// UPDATE_COMMIT reads the bank.
    Commit(Check),
    /// SELF_TEST.
    SelfTest(Transfer),
}

/// A command that is not answered yet: MBOX_COMMAND.
pub(crate) struct Pending {
    register: u32,
    pub(crate) work: Work,
}

impl Answer {
    fn new(result: MailboxResult, values: [u32; 3]) -> Answer {
        Answer { result, values, data: [0; DATA_WORDS], length: 0 }
    }

    fn ok(values: [u32; 3]) -> Reply {
        Reply::Now(Answer::new(MailboxResult::Ok, values))
    }
}

impl From<MailboxResult> for Answer {
    fn from(result: MailboxResult) -> Answer {
        Answer::new(result, [0; 3])
    }
}

impl<P: Platform> Firmware<P> {
    /// Looks for a command, or goes on with the one that is not answered yet.
    pub(crate) fn serve(&mut self, now: u32) {
        let (register, reply) = match self.pending.take() {
            // Nobody waits for it any more, nor may what it lent be there still.
            Some(Pending { register, work }) if self.platform.get(&mgmt::MBOX_COMMAND) != register => {
                return self.give_up(work);
            }
            Some(Pending { register, work }) => (register, self.proceed(work, now)),
            None => {
                let Some(register) = self.unanswered() else { return };
                let read = self.read(register);
                // The driver wrote another meanwhile, or takes it back: what was read may be of both.
                if self.platform.get(&mgmt::MBOX_COMMAND) != register {
                    return;
                }
                let reply = read.and_then(|(opcode, command)| self.execute(opcode, &command, now));
                (register, reply.unwrap_or_else(Reply::Now))
            }
        };
        match reply {
            Reply::Gone => {}
            Reply::Later(work) => self.pending = Some(Pending { register, work }),
            Reply::Now(answer) => {
                self.answer(register, &answer);
                self.confirm();
            }
            Reply::Reset(answer) => {
                self.answer(register, &answer);
                self.reset();
            }
        }
    }

    /// Ends work that the driver has given up, or that a reset of the device took away.
    fn give_up(&mut self, work: Work) {
        if let Work::SelfTest(transfer) = work {
            self.meddled = true;
            transfer.give_up(&mut self.platform);
        }
    }

    /// MBOX_COMMAND, if it holds a command that is not answered yet.
    fn unanswered(&mut self) -> Option<u32> {
        let register = self.platform.get(&mgmt::MBOX_COMMAND);
        let sequence = bits(&mgmt::MBOX_COMMAND::SEQUENCE, register);
        let answered = self.platform.field(&mgmt::MBOX_STATUS, &mgmt::MBOX_STATUS::SEQUENCE);
        (sequence != 0 && sequence != answered).then_some(register)
    }

    /// Answers what a bite of the watchdog left unanswered.
    pub(crate) fn interrupted(&mut self) {
        let Some(register) = self.unanswered() else { return };
        if bits(&mgmt::MBOX_COMMAND::OPCODE, register) == Opcode::SelfTest.code() {
            selftest::disable(&mut self.platform);
        }
        self.answer(register, &MailboxResult::Interrupted.into());
    }

    fn answer(&mut self, register: u32, answer: &Answer) {
        for (n, value) in (0..).zip(answer.values) {
            self.platform.set_element(&mgmt::MBOX_VALUE, n, value);
        }
        for (n, word) in (0..answer.length / 4).zip(answer.data) {
            self.platform.set_element(&mgmt::MBOX_ANSWER, n, word);
        }
        use mgmt::MBOX_STATUS as S;
        let sequence = bits(&mgmt::MBOX_COMMAND::SEQUENCE, register) << S::SEQUENCE.lsb;
        let status = answer.result.code() << S::RESULT.lsb | answer.length << S::LENGTH.lsb | sequence;
        self.platform.set(&mgmt::MBOX_STATUS, status);
    }

    /// Reads a command, and checks what all of them have.
    fn read(&mut self, register: u32) -> Result<(Opcode, Command), Answer> {
        let opcode = Opcode::from_code(bits(&mgmt::MBOX_COMMAND::OPCODE, register));
        let opcode = opcode.ok_or(MailboxResult::UnknownOpcode)?;
        let length = bits(&mgmt::MBOX_COMMAND::LENGTH, register);
        let fits = match opcode {
            Opcode::UpdateData => length > 0 && length <= MAILBOX_BYTES && length.is_multiple_of(4),
            Opcode::SelfTest => length == 4,
            _ => length == 0,
        };
        if !fits {
            return Err(MailboxResult::BadLength.into());
        }
        let mut command = Command { length, arguments: [0; 3], data: [0; DATA_WORDS] };
        for (n, argument) in (0..).zip(&mut command.arguments) {
            *argument = self.platform.get_element(&mgmt::MBOX_ARG, n);
        }
        for (n, word) in (0..length / 4).zip(&mut command.data) {
            *word = self.platform.get_element(&mgmt::MBOX_DATA, n);
        }
        if opcode.needs_key() && command.arguments[2] != KEY {
            return Err(MailboxResult::BadArgument.into());
        }
        Ok((opcode, command))
    }

    fn execute(&mut self, opcode: Opcode, command: &Command, now: u32) -> Result<Reply, Answer> {
        let [first, second, _] = command.arguments;
        Ok(match opcode {
            Opcode::Nop => Answer::ok([0; 3]),
            Opcode::Version => Answer::ok([self.own.version, self.own.crc, self.own.map_major]),
            Opcode::Log => self.give_log(first),
            Opcode::GetParam => {
                let parameter = Parameter::from_code(first).ok_or(MailboxResult::BadArgument)?;
                let (least, most) = parameter.range();
                Answer::ok([self.parameters.get(parameter), least, most])
            }
            Opcode::SetParam => {
                let parameter = Parameter::from_code(first).ok_or(MailboxResult::BadArgument)?;
                if !self.parameters.set(parameter, second) {
                    return Err(MailboxResult::BadArgument.into());
                }
                self.record(Event::new(EventCode::ParameterChanged, first, second));
                Answer::ok([0; 3])
            }
            Opcode::UpdateBegin => {
                if !self.may_update() {
                    return Err(MailboxResult::Failed.into());
                }
                self.update.begin(first, second, now)?;
                self.record(Event::new(EventCode::UpdateBegun, first, second));
                Answer::ok([0; 3])
            }
            Opcode::UpdateData => {
                let words = command.data.get(..command.length as usize / 4).unwrap_or(&command.data);
                let result = self.update.data(&mut self.platform, first, words, now);
                let end = self.update.end();
                if result == Err(MailboxResult::Flash) {
                    self.record(Event::new(EventCode::UpdateRefused, MailboxResult::Flash.code(), end));
                }
                result.map_err(|result| Answer::new(result, [end, 0, 0]))?;
                Answer::ok([end, 0, 0])
            }
            Opcode::UpdateCommit => match self.update.check(&mut self.platform, self.map_major) {
                None => return Err(MailboxResult::NoUpdate.into()),
                Some(Ok(check)) => Reply::Later(Work::Commit(check)),
                Some(Err(fault)) => self.refuse(fault),
            },
            Opcode::UpdateAbort => {
                if !self.update.is_active() {
                    return Err(MailboxResult::NoUpdate.into());
                }
                self.update.forget();
                Answer::ok([0; 3])
            }
            Opcode::Reset => Reply::Reset(MailboxResult::Ok.into()),
            Opcode::SelfTest => {
                if self.platform.field(&control::CTRL, &control::CTRL::ENABLE) == 1 {
                    return Err(MailboxResult::Enabled.into());
                }
                let address = u64::from(first) | u64::from(second) << 32;
                let transfer = Transfer::new(&mut self.platform, address, command.data[0]);
                let transfer = transfer.ok_or(MailboxResult::BadArgument)?;
                self.selftest.forget_transfer();
                Reply::Later(Work::SelfTest(transfer))
            }
        })
    }

    fn give_log(&self, from: u32) -> Reply {
        let first = self.log.first_from(from);
        let mut answer = Answer::new(MailboxResult::Ok, [first, 0, self.log.next()]);
        for (slot, n) in answer.data.chunks_exact_mut(LOG_ENTRY_BYTES as usize / 4).zip(first..) {
            let Some(entry) = self.log.entry(n) else { break };
            slot.copy_from_slice(&entry.to_words());
            answer.values[1] += 1;
        }
        answer.length = answer.values[1] * LOG_ENTRY_BYTES;
        Reply::Now(answer)
    }

    /// The next piece of work.
    fn proceed(&mut self, work: Work, now: u32) -> Reply {
        match work {
            Work::Commit(mut check) => match check.step(FLASH_PIECE, |offset| self.platform.other_bank(offset)) {
                None => Reply::Later(Work::Commit(check)),
                Some(Ok(header)) => self.commit(header),
                Some(Err(fault)) => self.refuse(fault),
            },
            Work::SelfTest(mut transfer) => {
                self.meddled = true;
                match transfer.step(&mut self.platform, now) {
                    None => Reply::Later(Work::SelfTest(transfer)),
                    // A device that was reset in the middle of the step has done nothing wrong.
                    Some(_) if self.was_reset() => Reply::Gone,
                    Some(verdict) => self.judge(verdict),
                }
            }
        }
    }

    fn commit(&mut self, header: Header) -> Reply {
        self.record(Event::new(EventCode::UpdateCommitted, header.version, header.crc));
        self.platform.swap();
        Reply::Reset(MailboxResult::Ok.into())
    }

    fn refuse(&mut self, fault: ImageFault) -> Reply {
        self.update.forget();
        let result = MailboxResult::BadImage;
        self.record(Event::new(EventCode::UpdateRefused, result.code(), fault.code()));
        Reply::Now(Answer::new(result, [fault.code(), 0, 0]))
    }

    fn judge(&mut self, verdict: Verdict) -> Reply {
        use SelfTestOutcome::{Failed, NotRun, Passed};
        let (dma, crc, detail) = match verdict {
            Verdict::Enabled => return Reply::Now(MailboxResult::Enabled.into()),
            Verdict::Passed => (Passed, Passed, 0),
            Verdict::Dma(status) => (Failed, NotRun, status),
            Verdict::Crc(crc) => (Passed, Failed, crc),
        };
        self.selftest.note(Part::Dma, dma, detail);
        self.selftest.note(Part::Crc, crc, detail);
        let found = [self.selftest.outcomes, self.selftest.detail];
        self.record(Event::new(EventCode::SelfTest, found[0], found[1]));
        let result = if verdict == Verdict::Passed { MailboxResult::Ok } else { MailboxResult::Failed };
        Reply::Now(Answer::new(result, [found[0], found[1], 0]))
    }
}
