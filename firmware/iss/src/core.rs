//! The core: instructions by `rrs-lib`, and what of the time between them the core is stopped, rests, or is reset.

use crate::boot::Boot;
use crate::machine::{JUNK, Machine, TICKS_PER_US};
use crate::sensor::Sensor;
use kvcpu_emulator::Emulator;
use kvcpu_mmio::firmware::IMAGE_HEADER_BYTES;
use kvcpu_mmio::image::Image;
use rrs_lib::HartState;
use rrs_lib::instruction_executor::{InstructionException, InstructionExecutor};
use std::sync::Arc;
use std::time::Duration;

/// Instructions between two looks of [`Core::run_until`].
const LOOK: u64 = 1_000;

/// Why the core stopped; nothing but the watchdog starts it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No instruction that it has.
    Illegal {
        /// The instruction.
        word: u32,
    },
    /// No instruction can be there.
    Fetch,
    /// An address that cannot be read, or not in this width.
    Load(u32),
    /// An address that cannot be written, or not in this width.
    Store(u32),
    /// An address that is no multiple of the access' width.
    Alignment(u32),
}

/// What is to be seen of a core from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Address of the next instruction, or of the one that stopped it.
    pub pc: u32,
    /// Instructions begun since power-up.
    pub instructions: u64,
    /// Resets since power-up.
    pub resets: u64,
    /// Bank, trial, cause, bites.
    pub boot: Boot,
    /// Why it stands still, if it does.
    pub fault: Option<Fault>,
    /// Time since power-up.
    pub time: Duration,
}

/// The core with its memories, beside a device.
pub struct Core {
    hart: HartState,
    machine: Machine,
    instructions: u64,
    resets: u64,
    fault: Option<Fault>,
}

impl Core {
    /// Powers a core up, with an image in bank 0 and the other bank erased.
    pub fn new(device: Arc<Emulator>, image: &Image) -> Core {
        Core::power_up(Machine::new(device, image))
    }

    /// The same core after its power was off. The device's is the caller's: [`Backing::reset`](kvcpu_mmio::Backing::reset).
    pub fn power_cycle(self) -> Core {
        Core::power_up(self.machine.power_cycle())
    }

    fn power_up(machine: Machine) -> Core {
        let hart = HartState { registers: [JUNK; 32], pc: IMAGE_HEADER_BYTES, last_register_write: None };
        Core { hart, machine, instructions: 0, resets: 0, fault: None }
    }

    /// Runs so many instructions, with the rests between them; a core that is stopped lets their time pass.
    pub fn run(&mut self, instructions: u64) {
        let mut left = instructions;
        while left > 0 {
            left -= self.slice(left);
        }
    }

    /// Runs for so much of its time.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.machine.ticks + ticks(time);
        while self.machine.ticks < end {
            self.slice(end - self.machine.ticks);
        }
    }

    /// Runs until `done`, which is asked now and then, for `limit` of its time at the most; whether it was done.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Core) -> bool) -> bool {
        let end = self.machine.ticks + ticks(limit);
        loop {
            if done(self) {
                return true;
            }
            if self.machine.ticks >= end {
                return false;
            }
            self.slice(LOOK);
        }
    }

    /// Runs `most` instructions, or until it has rested; gives how many it were, or in how many's time it was stopped.
    pub(crate) fn slice(&mut self, most: u64) -> u64 {
        let mut used = 0;
        while used < most {
            if self.fault.is_none() {
                self.step();
                used += 1;
            } else {
                let time = (most - used).min(self.machine.until_bite());
                self.machine.ticks += time;
                used += time;
            }
            let rest = std::mem::take(&mut self.machine.rest);
            self.machine.ticks += rest.min(self.machine.until_bite());
            if self.machine.until_bite() == 0 {
                self.machine.boot.bite();
                self.restart();
            } else if self.machine.reset {
                self.machine.boot.ask();
                self.restart();
            }
            if rest > 0 {
                break;
            }
        }
        used
    }

    /// Lets time pass in which it runs nothing.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.machine.ticks += ticks(time);
    }

    fn step(&mut self) {
        self.instructions += 1;
        self.machine.ticks += 1;
        if !self.hart.pc.is_multiple_of(4) {
            self.fault = Some(Fault::Fetch);
            return;
        }
        let mut executor = InstructionExecutor { mem: &mut self.machine, hart_state: &mut self.hart };
        if let Err(exception) = executor.step() {
            self.fault = Some(match exception {
                InstructionException::IllegalInstruction(_, word) => Fault::Illegal { word },
                InstructionException::FetchError(_) => Fault::Fetch,
                InstructionException::LoadAccessFault(address) => Fault::Load(address),
                InstructionException::StoreAccessFault(address) => Fault::Store(address),
                InstructionException::AlignmentFault(address) => Fault::Alignment(address),
            });
        }
    }

    fn restart(&mut self) {
        self.machine.restart();
        self.hart.pc = IMAGE_HEADER_BYTES;
        self.fault = None;
        self.resets += 1;
    }

    /// What is to be seen of it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            pc: self.hart.pc,
            instructions: self.instructions,
            resets: self.resets,
            boot: self.machine.boot,
            fault: self.fault,
            time: self.time(),
        }
    }

    /// Time since power-up.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.machine.ticks * (1_000 / TICKS_PER_US))
    }

    /// Its sensor.
    pub fn sensor(&self) -> Sensor {
        self.machine.sensor.clone()
    }

    /// Words of the flash bank that runs.
    pub fn own_bank(&self) -> &[u32] {
        self.machine.bank(false)
    }

    /// Words of the other flash bank.
    pub fn other_bank(&self) -> &[u32] {
        self.machine.bank(true)
    }

    /// Goes on at another address, as a core does that a bit flip has hit.
    pub fn jump(&mut self, pc: u32) {
        self.hart.pc = pc;
    }

    /// Words of RAM, to be looked at or damaged.
    pub fn ram(&mut self) -> &mut [u32] {
        self.machine.ram()
    }

    /// Bytes at the beginning of RAM that nothing was written to since power-up: what the stack has not needed.
    pub fn untouched(&mut self) -> usize {
        4 * self.machine.ram().iter().take_while(|word| **word == JUNK).count()
    }
}

fn ticks(time: Duration) -> u64 {
    (time.as_nanos() * u128::from(TICKS_PER_US) / 1_000) as u64
}
