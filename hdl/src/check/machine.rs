//! The sequencer's two threads, a control word at a time, over a modelled bus. `docs/control.md`.
//!
//! ```text
//!  control words ─► machine ─┬─ load: does the model have a choice? ─► stops, and goes on with each alternative
//!                            └─ store: the model looks at it, and may object
//! ```
//!
//! Time does not exist here: how many clocks a word takes is nothing that the microprogram may depend on. The host's accesses,
//! which thread 1 answers, come where the model makes them, and are carried out at once.

use super::bus::Bus;
use crate::micro::program::Program;
use crate::micro::{Op, REGISTER_BITS, STORE_BITS, Second, Word};
use anyhow::{Result, anyhow, bail, ensure};

/// Words that a thread may carry out between two choices; more is a loop that does not end.
const STEPS_MOST: u64 = 4_000_000;
/// Registers there are.
const REGISTERS: usize = 1 << REGISTER_BITS;

/// A control word, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Instruction {
    op: Op,
    is_constant: bool,
    d: u16,
    a: u16,
    b: u32,
    target: u16,
}

/// What a model decides, and what it demands.
pub(super) trait Rules: Clone {
    /// How many ways there are to answer a load of thread 0, if the model has to say; 0: nothing more can happen here.
    fn choices(&self, bus: &Bus, address: u32) -> Option<usize>;
    /// Takes one of them. Returns what the host writes into registers before the load is carried out: offset and value.
    fn choose(&mut self, bus: &mut Bus, address: u32, pick: usize) -> Result<Vec<(u32, u32)>>;
    /// A load of thread 0 is carried out.
    fn loaded(&mut self, bus: &Bus, registers: &[u32], address: u32) -> Result<()>;
    /// A store has been carried out.
    fn stored(&mut self, bus: &mut Bus, address: u32, value: u32) -> Result<()>;
}

/// Why a machine has stopped.
pub(super) enum Stop {
    /// The model has so many alternatives.
    Choice(usize),
    /// Nothing more happens.
    End,
}

/// A machine at a moment.
#[derive(Clone)]
pub(super) struct Machine<'p, R> {
    program: &'p [Instruction],
    pub(super) registers: Box<[u32; REGISTERS]>,
    pub(super) pc: [u16; 2],
    pub(super) stacks: [Vec<u16>; 2],
    thread: usize,
    is_masked: bool,
    pub(super) bus: Bus,
    pub(super) rules: R,
    picked: bool,
}

/// Takes control words apart.
pub(super) fn decode(words: &[u64]) -> Result<Vec<Instruction>> {
    const OPS: [Op; 26] = [
        Op::Move,
        Op::Add,
        Op::Sub,
        Op::And,
        Op::Or,
        Op::Xor,
        Op::Shl,
        Op::Shr,
        Op::Sra,
        Op::Equal,
        Op::Less,
        Op::LessSigned,
        Op::Load,
        Op::Store,
        Op::LoadAt,
        Op::IfEqual,
        Op::IfNot,
        Op::IfLess,
        Op::IfNotLess,
        Op::Jump,
        Op::Call,
        Op::Return,
        Op::Mask,
        Op::Unmask,
        Op::WaitHost,
        Op::Restart,
    ];
    // Where the fields stand is what `encode` makes of words that differ in one of them.
    let none = Word { op: Op::Move, d: 0, a: 0, b: Second::Register(0), target: 0 };
    let zero = Word { b: Second::Constant(0), ..none };
    let jump = Word { op: Op::Jump, ..none };
    let lsb = |one: Word, other: Word| (one.encode() ^ other.encode()).trailing_zeros();
    let k = lsb(zero, none);
    let [d, a] = [lsb(Word { d: 1, ..none }, none), lsb(Word { a: 1, ..none }, none)];
    let b = lsb(Word { b: Second::Register(1), ..none }, none);
    let constant = lsb(Word { b: Second::Constant(1), ..zero }, zero);
    let target = lsb(Word { target: 1, ..jump }, jump);
    let bits = |word: u64, lsb: u32, width: u32| word >> lsb & ((1 << width) - 1);
    let decode_one = |&word: &u64| {
        let op = OPS.iter().find(|op| **op as u64 == bits(word, 0, k));
        let op = *op.ok_or_else(|| anyhow!("{word:016x} is no control word"))?;
        let is_constant = bits(word, k, 1) != 0;
        let b = match (is_constant, op.branches()) {
            (true, true) => bits(word, constant, 16) as u16 as i16 as u32,
            (true, false) => bits(word, constant, 32) as u32,
            (false, _) => bits(word, b, a - d) as u32,
        };
        let register = |lsb: u32| bits(word, lsb, a - d) as u16;
        let target = bits(word, target, STORE_BITS as u32) as u16;
        Ok(Instruction { op, is_constant, d: register(d), a: register(a), b, target })
    };
    words.iter().map(decode_one).collect()
}

/// The first register that only thread 1 uses: none of the statics, and below all others of its functions.
pub(super) fn first_register(words: &[Instruction], program: &Program) -> usize {
    let is_host = |&(first, _, thread): &&(usize, String, u8)| *thread == 1 && *first < words.len();
    let first = program
        .functions
        .iter()
        .filter(is_host)
        .map(|(first, ..)| *first)
        .min()
        .unwrap_or(words.len());
    let written = words[first..].iter().map(|word| usize::from(word.d));
    written
        .filter(|register| *register >= program.statics.len())
        .min()
        .unwrap_or(program.statics.len())
}

impl<'p, R: Rules> Machine<'p, R> {
    /// As at power-up, when thread 1 has initialised the device.
    pub(super) fn new(program: &'p [Instruction], bus: Bus, rules: R) -> Result<Self> {
        let mut machine = Self {
            program,
            registers: Box::new([0; REGISTERS]),
            pc: [0, 1],
            stacks: [Vec::new(), Vec::new()],
            thread: 1,
            is_masked: false,
            bus,
            rules,
            picked: false,
        };
        machine.run_host()?;
        Ok(machine)
    }

    /// The host writes a register of 32 bits, and thread 1 answers.
    pub(super) fn host_write(&mut self, offset: u32, value: u32) -> Result<()> {
        ensure!(self.thread == 0 && !self.is_masked, "the host's access comes when thread 1 may not preempt");
        self.bus.access = Some((offset, value));
        self.thread = 1;
        self.run_host()
    }

    fn run_host(&mut self) -> Result<()> {
        for _ in 0..STEPS_MOST {
            if self.thread == 0 {
                return Ok(());
            }
            self.step()?;
        }
        bail!("thread 1 does not come to an end")
    }

    /// Takes an alternative of the choice that it stopped at.
    pub(super) fn choose(&mut self, pick: usize) -> Result<()> {
        let address = self.load_address();
        for (offset, value) in self.rules.choose(&mut self.bus, address, pick)? {
            self.host_write(offset, value)?;
        }
        self.picked = true;
        Ok(())
    }

    /// Goes on until something has to be chosen, or nothing more happens.
    pub(super) fn run(&mut self) -> Result<Stop> {
        for _ in 0..STEPS_MOST {
            let op = self.program[usize::from(self.pc[0])].op;
            if matches!(op, Op::Load | Op::LoadAt) && !self.picked {
                let address = self.load_address();
                match self.rules.choices(&self.bus, address) {
                    None => {}
                    Some(0) => return Ok(Stop::End),
                    Some(1) => self.choose(0)?,
                    Some(n) => return Ok(Stop::Choice(n)),
                }
            }
            self.picked = false;
            self.step()?;
        }
        bail!("thread 0 is in a loop that does not end")
    }

    fn operands(&self, word: Instruction) -> (u32, u32) {
        let b = if word.is_constant { word.b } else { self.registers[word.b as usize] };
        (self.registers[usize::from(word.a)], b)
    }

    /// Where thread 0, which is at a load, loads from.
    pub(super) fn load_address(&self) -> u32 {
        let word = self.program[usize::from(self.pc[0])];
        let (a, b) = self.operands(word);
        (if word.op == Op::LoadAt { b } else { a.wrapping_add(b) }) & 0xFF_FFFF
    }

    /// Carries out a word.
    fn step(&mut self) -> Result<()> {
        let word = self.program[usize::from(self.pc[self.thread])];
        let (a, b) = self.operands(word);
        let mut next = self.pc[self.thread] + 1;
        let mut result = None;
        match word.op {
            Op::Move => result = Some(b),
            Op::Add => result = Some(a.wrapping_add(b)),
            Op::Sub => result = Some(a.wrapping_sub(b)),
            Op::And => result = Some(a & b),
            Op::Or => result = Some(a | b),
            Op::Xor => result = Some(a ^ b),
            Op::Shl => result = Some(a << (b & 31)),
            Op::Shr => result = Some(a >> (b & 31)),
            Op::Sra => result = Some((a as i32 >> (b & 31)) as u32),
            Op::Equal => result = Some(u32::from(a == b)),
            Op::Less => result = Some(u32::from(a < b)),
            Op::LessSigned => result = Some(u32::from((a as i32) < b as i32)),
            Op::Load | Op::LoadAt => {
                let address = (if word.op == Op::LoadAt { b } else { a.wrapping_add(b) }) & 0xFF_FFFF;
                if self.thread == 0 {
                    self.rules.loaded(&self.bus, &self.registers[..], address)?;
                }
                result = Some(self.bus.load(address)?);
            }
            Op::Store => {
                let address = b & 0xFF_FFFF;
                self.bus.store(address, a)?;
                self.rules.stored(&mut self.bus, address, a)?;
            }
            Op::IfEqual if a == b => next = word.target,
            Op::IfNot if a != b => next = word.target,
            Op::IfLess if a < b => next = word.target,
            Op::IfNotLess if a >= b => next = word.target,
            Op::IfEqual | Op::IfNot | Op::IfLess | Op::IfNotLess => {}
            Op::Jump => next = word.target,
            Op::Call => {
                self.stacks[self.thread].push(next);
                next = word.target;
            }
            Op::Return => match self.stacks[self.thread].pop() {
                Some(caller) => next = caller,
                None => bail!("a return without a call"),
            },
            Op::Mask => self.is_masked = true,
            Op::Unmask => self.is_masked = false,
            Op::WaitHost if self.bus.access.is_none() => {
                self.pc[1] = next;
                self.thread = 0;
                return Ok(());
            }
            Op::WaitHost => {}
            Op::Restart => {
                self.stacks[0].clear();
                self.pc[0] = 0;
                self.is_masked = false;
                if self.thread == 0 {
                    return Ok(());
                }
            }
        }
        if let Some(result) = result {
            self.registers[usize::from(word.d)] = result;
        }
        self.pc[self.thread] = next;
        Ok(())
    }
}
