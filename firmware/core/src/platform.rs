//! [`Platform`] on the core itself: its address space as volatile cells (`docs/firmware.md`).
// The addresses come from the hardware's specification: the compiler cannot know what is there.
#![allow(unsafe_code)]

use crate::registers::{Boot, BootControl, Registers};
use kvcpu_firmware::{BANK_BYTES, Platform, Sample};
use kvcpu_mmio::Bar;
use volatile_register::RW;

/// Where the bank lies that is not run.
const OTHER_BANK: usize = 0x1000_0000;
/// BAR0 of the device.
const BAR0: usize = 0x4000_0000;
/// BAR2 of the device.
const BAR2: usize = 0x4080_0000;
/// The private registers.
const PRIVATE: usize = 0x8000_0000;

/// Words of a bank.
type Bank = [RW<u32>; BANK_BYTES as usize / 4];
/// Words of BAR0.
type Bar0 = [RW<u32>; 0x1_0000 / 4];
/// Words of BAR2.
type Bar2 = [RW<u32>; 0x20_0000 / 4];

/// The core. An index outside of what it maps panics.
pub(crate) struct Core {
    registers: &'static Registers,
    other: &'static Bank,
    bar0: &'static Bar0,
    bar2: &'static Bar2,
}

impl Core {
    /// The one that this runs on. To be called once: cells have one owner.
    pub(crate) fn new() -> Core {
        // SAFETY: these ranges of the core's address space hold words that are always there, and no memory of Rust. Their provenance counts as
        // exposed, as that of all memory that lies outside of what Rust allocates. Cells are read and written as volatile words only, and
        // a `Core` is not shared between threads, of which there is one.
        unsafe {
            Core {
                registers: &*core::ptr::with_exposed_provenance(PRIVATE),
                other: &*core::ptr::with_exposed_provenance(OTHER_BANK),
                bar0: &*core::ptr::with_exposed_provenance(BAR0),
                bar2: &*core::ptr::with_exposed_provenance(BAR2),
            }
        }
    }

    /// A word of the device; the core has no way to BAR4.
    fn word(&self, bar: Bar, offset: u32) -> &RW<u32> {
        let index = offset as usize / 4;
        match bar {
            Bar::Regs => &self.bar0[index],
            Bar::Rtbd => &self.bar2[index],
            Bar::Msix => panic!(),
        }
    }
}

impl Platform for Core {
    fn read(&mut self, bar: Bar, offset: u32) -> u32 {
        self.word(bar, offset).read()
    }

    fn write(&mut self, bar: Bar, offset: u32, value: u32) {
        // SAFETY: what a register does is the device's; none of them reaches the core's memory.
        unsafe { self.word(bar, offset).write(value) }
    }

    fn now_us(&mut self) -> u64 {
        // In this order: reading the low half holds the high one.
        let low = self.registers.time_lo.read();
        u64::from(self.registers.time_hi.read()) << 32 | u64::from(low)
    }

    fn sensor(&mut self) -> Sample {
        let count = self.registers.sensor_samples.read();
        Sample { millidegrees: self.registers.sensor.read().cast_signed(), count }
    }

    fn watchdog(&mut self, ms: u16) {
        // SAFETY: at worst it resets the core.
        unsafe { self.registers.watchdog.write(u32::from(ms)) }
    }

    fn boot(&mut self) -> kvcpu_firmware::Boot {
        let boot = self.registers.boot.read();
        kvcpu_firmware::Boot {
            bank: boot.field(Boot::BANK),
            trial: boot.contains(Boot::TRIAL),
            cause: boot.field(Boot::CAUSE),
            bites: boot.field(Boot::BITES),
        }
    }

    fn confirm(&mut self) {
        // SAFETY: it concerns the next reset only.
        unsafe { self.registers.boot_control.write(BootControl::CONFIRM) }
    }

    fn swap(&mut self) {
        // SAFETY: it concerns the next reset only.
        unsafe { self.registers.boot_control.write(BootControl::SWAP) }
    }

    fn reset(&mut self) {
        // SAFETY: what runs ends here, and start-up expects nothing of memory.
        unsafe { self.registers.boot_control.write(BootControl::RESET) }
        crate::stop()
    }

    fn sleep(&mut self, us: u32) {
        // SAFETY: time passes, and nothing else changes.
        unsafe { self.registers.sleep.write(us) }
    }

    fn own_bank(&mut self, offset: u32) -> u32 {
        assert!(offset < BANK_BYTES);
        let word: *const u32 = core::ptr::with_exposed_provenance(offset as usize & !3);
        // SAFETY: the active bank lies at 0, never changes while it is active, holds words, and is exposed as in `new`. A pointer, as the
        // first of them is at address 0, where no cell may be referred to but a volatile access may go.
        unsafe { word.read_volatile() }
    }

    fn other_bank(&mut self, offset: u32) -> u32 {
        self.other[offset as usize / 4].read()
    }

    fn program(&mut self, offset: u32, word: u32) {
        // SAFETY: the bank is not run before a reset.
        unsafe { self.other[offset as usize / 4].write(word) }
    }
}
