//! Emulator and RTL side by side under register accesses that no driver makes: any register, any value, any size and alignment;
//! configurations that fit and that do not; hostile rings; resets. What an access reads, and at each comparison every register that
//! the map does not call volatile, every directory entry, INT_STATUS and the messages sent must be the same.
//!
//! ```text
//!  seed ─► operation ─► accesses ─┬─► emulator ─► what it reads ─┐
//!                                 └─► RTL ──────► what it reads ─┴─► equal? ─► until the RTL rests as the emulator does
//! ```
//!
//! No byte moves (METADATA_ONLY): how far a transfer has come is a matter of time. The streams of `lockstep` move bytes.

use kvcpu_emulator::Emulator;
use kvcpu_mmio::map::{BLOCKS, by_offset};
use kvcpu_mmio::regs::{command, control, counter, dma, queue, rtbd_entry, service};
use kvcpu_mmio::{Access, Backing, Bar, DmaMemory, Geometry, Register};
use kvcpu_sim::{Rtl, RtlOptions, top};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

use crate::check;
use crate::interrupts;

mod setup;

/// Bytes of host memory: a submission ring, and a completion ring behind it.
const MEMORY: usize = 16 << 10;
/// Where the completion ring begins.
const COMPLETIONS: u64 = 8 << 10;
/// Bytes of an SQE.
const SQE_BYTES: u64 = 64;
/// Operations between two comparisons of everything.
const BETWEEN: u32 = 24;
/// Clocks between two looks whether the RTL rests as the emulator does, and looks before it counts as stuck.
const LOOK: u64 = 2_000;
const LOOKS: u32 = 6_000;
/// Registers that say how far the device has come; the queues' besides.
const PROGRESS: [&Register; 5] =
    [&command::CMD_STATUS, &control::STATUS, &counter::CNT_COMMANDS, &counter::CNT_SWEEPS, &service::SVC_CQ_HEAD];
const PROGRESS_OF_QUEUES: [&Register; 3] = [&queue::Q_STATUS, &queue::SQ_HEAD, &queue::CQ_TAIL];

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Operations begun.
    pub operations: u32,
    /// Accesses made of each device.
    pub accesses: u64,
    /// Clocks of the RTL.
    pub clocks: u64,
}

/// Runs so many operations of a seed on both. The difference names the access.
pub fn run(seed: u64, operations: u32, geometry: Geometry, options: RtlOptions) -> (Done, Result<(), String>) {
    let mut done = Done::default();
    let result = Both::new(seed, geometry, options).and_then(|mut both| {
        let result = both.play(operations, &mut done);
        (done.accesses, done.clocks) = (both.accesses, both.rtl.clocks());
        result
    });
    (done, result)
}

struct Both {
    emulator: Emulator,
    rtl: Rtl,
    memory: [Arc<dyn DmaMemory>; 2],
    geometry: Geometry,
    rng: ChaCha8Rng,
    accesses: u64,
}

impl Both {
    fn new(seed: u64, geometry: Geometry, options: RtlOptions) -> Result<Both, String> {
        let emulator = Emulator::new(geometry).map_err(|error| error.to_string())?;
        let design = top(geometry).ok_or("hdl/rtl has no design of this geometry")?;
        let rtl = Rtl::new(design, geometry, options).map_err(|error| error.to_string())?;
        let memory = |backing: &dyn Backing| backing.dma_alloc(MEMORY).map_err(|error| error.to_string());
        let memory = [memory(&emulator)?, memory(&rtl)?];
        if memory[0].iova() != memory[1].iova() {
            return Err("the two have their memory at different addresses".into());
        }
        Ok(Both { emulator, rtl, memory, geometry, rng: check::rng(21, seed), accesses: 0 })
    }

    fn play(&mut self, operations: u32, done: &mut Done) -> Result<(), String> {
        interrupts::begin(&self.emulator)?;
        interrupts::begin(&self.rtl)?;
        self.configure()?;
        for number in 1..=operations {
            done.operations = number;
            self.operation()?;
            if number % BETWEEN == 0 || number == operations {
                self.compare()?;
            }
        }
        Ok(())
    }

    fn operation(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..100) {
            0..25 => self.write_any(),
            25..40 => self.read_any(),
            40..52 => self.stray(),
            52..76 => self.command(),
            76..83 => self.doorbell(),
            83..88 => self.queue(),
            88..91 => self.acknowledge(),
            91..95 => self.configure(),
            95 => {
                let on = self.rng.random_bool(0.7);
                self.both(|backing| backing.bus_master(on).map(|()| 0))?;
                Ok(())
            }
            96 => self.write(&control::CTRL, 0, 0),
            97 => self.write(&control::CTRL, 0, control::CTRL::RESET.mask()),
            _ => {
                self.both(|backing| backing.reset().map(|()| 0))?;
                self.rest()
            }
        }
    }

    /// An access of both; what they say must be equal.
    fn both<E: std::fmt::Display>(&mut self, access: impl Fn(&dyn Backing) -> Result<u64, E>) -> Result<(), String> {
        self.accesses += 1;
        let said = |result: Result<u64, E>| result.map_err(|error| error.to_string());
        let (emulator, rtl) = (said(access(&self.emulator)), said(access(&self.rtl)));
        if emulator == rtl { Ok(()) } else { Err(format!("emulator {emulator:x?}, rtl {rtl:x?}")) }
    }

    fn read_at(&mut self, bar: Bar, offset: u32, wide: bool) -> Result<(), String> {
        let is_volatile = |word| by_offset(bar, word & !3).is_some_and(|place| place.register.volatile);
        if is_volatile(offset) || wide && is_volatile(offset + 4) {
            return Ok(());
        }
        let read = |backing: &dyn Backing| {
            if wide { backing.read64(bar, offset) } else { backing.read32(bar, offset).map(u64::from) }
        };
        self.both(read)
            .map_err(|said| format!("{} bytes read at {bar:?}+{offset:#x}: {said}", 4 << u32::from(wide)))
    }

    /// A write, and what follows from it.
    fn write_at(&mut self, bar: Bar, offset: u32, wide: bool, value: u64) -> Result<(), String> {
        let write = |backing: &dyn Backing| {
            let written =
                if wide { backing.write64(bar, offset, value) } else { backing.write32(bar, offset, value as u32) };
            written.map(|()| 0)
        };
        let what = format!("{value:#x} written at {bar:?}+{offset:#x}, {} bytes", 4 << u32::from(wide));
        self.both(write).and_then(|()| self.rest()).map_err(|said| format!("{what}: {said}"))
    }

    fn write(&mut self, register: &Register, instance: u32, value: u64) -> Result<(), String> {
        self.write_at(register.bar, register.at(instance), register.width == 64, value)
    }

    /// Until the RTL is where the emulator, which takes no time, is.
    fn rest(&mut self) -> Result<(), String> {
        let queues = self.geometry.queues;
        let of_queues = PROGRESS_OF_QUEUES.iter().flat_map(|register| (0..queues).map(|queue| register.at(queue)));
        let places: Vec<u32> = PROGRESS.iter().map(|register| register.offset).chain(of_queues).collect();
        let mut last = String::new();
        for _ in 0..LOOKS {
            let differs = places.iter().find_map(|offset| {
                let read = |backing: &dyn Backing| backing.read32(Bar::Regs, *offset);
                let (emulator, rtl) = (read(&self.emulator), read(&self.rtl));
                (emulator != rtl).then(|| format!("{offset:#x} is {emulator:x?}, the RTL's {rtl:x?}"))
            });
            let Some(differs) = differs else { return Ok(()) };
            last = differs;
            self.rtl.advance(LOOK).map_err(|error| error.to_string())?;
        }
        Err(format!("the RTL does not come to rest as the emulator did: {last}"))
    }

    fn compare(&mut self) -> Result<(), String> {
        for block in BLOCKS.iter().filter(|block| block.bar == Bar::Regs) {
            // What reads itself away is left to the accesses.
            let registers = block.registers.iter().filter(|of| !matches!(of.access, Access::Reserved | Access::RC));
            for register in registers {
                for instance in 0..block.instances {
                    for word in 0..register.elements * register.bytes() / 4 {
                        let offset = register.at(instance) + 4 * word;
                        self.read_at(block.bar, offset, false)
                            .map_err(|said| format!("{}: {said}", register.name))?;
                    }
                }
            }
        }
        for offset in (0..self.geometry.entries() * rtbd_entry::BLOCK.stride).step_by(8) {
            self.read_at(Bar::Rtbd, offset, true)?;
        }
        interrupts::compare(&self.emulator, &self.rtl)
    }

    /// A register, or one of its instances and elements: where it is.
    fn any(&mut self, writable: bool) -> (&'static Register, u32) {
        loop {
            let block = BLOCKS.choose(&mut self.rng).expect("there are blocks");
            let register = block.registers.choose(&mut self.rng).expect("there are registers");
            // These go with a configuration, or would let bytes move.
            let own = [control::CTRL.name, dma::DMA_CTRL.name].contains(&register.name);
            if block.bar == Bar::Regs && !own && (!writable || register.writable() != 0) {
                let instance = self.rng.random_range(0..block.instances);
                let element = self.rng.random_range(0..register.elements);
                return (register, register.at(instance) + element * register.bytes());
            }
        }
    }

    fn value(&mut self) -> u64 {
        match self.rng.random_range(0..8) {
            0..3 => self.rng.random_range(0..8),
            3 | 4 => 1 << self.rng.random_range(0..20),
            5 => u64::MAX,
            _ => self.rng.random(),
        }
    }

    fn write_any(&mut self) -> Result<(), String> {
        let (register, offset) = self.any(true);
        let value = self.value();
        self.write_at(register.bar, offset, register.width == 64, value)
    }

    fn read_any(&mut self) -> Result<(), String> {
        let (register, offset) = self.any(false);
        self.read_at(register.bar, offset, register.width == 64)
    }

    /// An access that is unaligned, of the wrong size, to a hole or to the directory.
    fn stray(&mut self) -> Result<(), String> {
        let (bar, bytes) = if self.rng.random_bool(0.7) { (Bar::Regs, 1 << 15) } else { (Bar::Rtbd, 1 << 12) };
        let mut offset = self.rng.random_range(0..bytes);
        if self.rng.random_bool(0.5) {
            let (_, near) = self.any(false);
            offset = if bar == Bar::Regs { near + self.rng.random_range(0..8) } else { offset & !7 };
        }
        if self.rng.random_bool(0.3) {
            // Two registers of 32 bits at once, more often than not.
            offset &= !7;
        }
        let (wide, value) = (self.rng.random(), self.value());
        let own = [control::CTRL.offset, dma::DMA_CTRL.offset].contains(&(offset & !3));
        if own || self.rng.random() {
            self.read_at(bar, offset, wide)
        } else {
            self.write_at(bar, offset, wide, value)
        }?;
        if self.rng.random_bool(0.5) {
            self.read_at(Bar::Regs, control::BAD_ACCESS_ADDR.offset, false)?;
            self.read_at(Bar::Regs, control::BAD_ACCESS_COUNT.offset, false)?;
        }
        Ok(())
    }
}
