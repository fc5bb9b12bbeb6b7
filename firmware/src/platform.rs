//! What the firmware runs on: the device's registers, flash, sensor, time, watchdog. `docs/firmware.md` has the core's address space.

use kvcpu_mmio::{Bar, Field, Register};

/// Bytes of a flash bank.
pub const BANK_BYTES: u32 = 16 << 10;

/// How the core came to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Active flash bank, 0 or 1.
    pub bank: u8,
    /// Its image is on trial.
    pub trial: bool,
    /// As FW_STATUS.RESET_CAUSE.
    pub cause: u8,
    /// Watchdog bites since power-up, at most 255.
    pub bites: u8,
}

/// What a temperature sensor shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// m°C.
    pub millidegrees: i32,
    /// Samples taken so far, mod 2^32; 0 is none.
    pub count: u32,
}

/// The core and what is round it.
pub trait Platform {
    /// Reads 4 bytes of the device, as the management core.
    fn read(&mut self, bar: Bar, offset: u32) -> u32;
    /// Writes 4 bytes of the device, as the management core: read-only registers of the block `mgmt` too.
    fn write(&mut self, bar: Bar, offset: u32, value: u32);
    /// Microseconds since power-up.
    fn now_us(&mut self) -> u64;
    /// What the sensor shows.
    fn sensor(&mut self) -> Sample;
    /// The watchdog bites in so many ms, 1 to 65,535, unless this is called again.
    fn watchdog(&mut self, ms: u16);
    /// How the core came to run.
    fn boot(&mut self) -> Boot;
    /// The running image is no trial any more.
    fn confirm(&mut self);
    /// The next reset starts the other bank, on trial.
    fn swap(&mut self);
    /// Resets the core. On a core it does not return; on a host it does, and what is called after it has no effect until the firmware boots anew.
    fn reset(&mut self);
    /// Rests for so many microseconds, or less.
    fn sleep(&mut self, us: u32);
    /// A word of the active bank; `offset` is a multiple of 4 below [`BANK_BYTES`].
    fn own_bank(&mut self, offset: u32) -> u32;
    /// A word of the other bank.
    fn other_bank(&mut self, offset: u32) -> u32;
    /// Writes a word of the other bank.
    fn program(&mut self, offset: u32, word: u32);
}

/// Registers by name.
///
/// Inlined, so that of a [`Register`] or a [`Field`], which hold their documentation, nothing but the numbers gets into the flash.
pub(crate) trait Registers: Platform {
    /// Reads a 32-bit register of BAR0.
    #[inline(always)]
    fn get(&mut self, register: &Register) -> u32 {
        self.read(Bar::Regs, register.offset)
    }

    /// Reads a field of one.
    #[inline(always)]
    fn field(&mut self, register: &Register, field: &Field) -> u32 {
        bits(field, self.get(register))
    }

    /// Writes one.
    #[inline(always)]
    fn set(&mut self, register: &Register, value: u32) {
        self.write(Bar::Regs, register.offset, value);
    }

    /// Reads element `n` of an array register of BAR0.
    #[inline(always)]
    fn get_element(&mut self, register: &Register, n: u32) -> u32 {
        self.read(Bar::Regs, register.offset + 4 * n)
    }

    /// Writes element `n` of an array register of BAR0.
    #[inline(always)]
    fn set_element(&mut self, register: &Register, n: u32, value: u32) {
        self.write(Bar::Regs, register.offset + 4 * n, value);
    }
}

impl<P: Platform + ?Sized> Registers for P {}

/// The field of a 32-bit register's value.
#[inline(always)]
pub(crate) const fn bits(field: &Field, value: u32) -> u32 {
    (value & field.mask() as u32) >> field.lsb
}
