//! What the core sees: its address space. `docs/firmware.md`, The core's address space.

use crate::boot::Boot;
use crate::sensor::Sensor;
use kvcpu_emulator::Emulator;
use kvcpu_firmware::BANK_BYTES;
use kvcpu_mmio::Bar;
use kvcpu_mmio::image::Image;
use rrs_lib::memories::VecMemory;
use rrs_lib::{MemAccessSize, Memory};
use std::sync::Arc;

/// Bytes of RAM.
pub(crate) const RAM_BYTES: u32 = 8 << 10;
/// What RAM and the core's registers hold after power-up: nothing that firmware may count on.
pub(crate) const JUNK: u32 = 0xA5A5_A5A5;
/// The core's time is counted in these: hundredths of a microsecond.
pub(crate) const TICKS_PER_US: u64 = 100;
/// A flash bank that holds these bytes, and is erased behind them.
fn bank(bytes: &[u8]) -> VecMemory {
    let mut words: Vec<u32> = bytes.as_chunks().0.iter().copied().map(u32::from_le_bytes).collect();
    words.resize(BANK_BYTES as usize / 4, u32::MAX);
    VecMemory::new(words)
}

/// Private registers, from 0x8000_0000.
mod register {
    pub(super) const TIME_LO: u32 = 0x00;
    pub(super) const TIME_HI: u32 = 0x04;
    pub(super) const SENSOR: u32 = 0x08;
    pub(super) const SENSOR_SAMPLES: u32 = 0x0C;
    pub(super) const WATCHDOG: u32 = 0x10;
    pub(super) const BOOT: u32 = 0x14;
    pub(super) const BOOT_CONTROL: u32 = 0x18;
    pub(super) const SLEEP: u32 = 0x1C;
}

/// All but the processor.
pub(crate) struct Machine {
    device: Arc<Emulator>,
    banks: [VecMemory; 2],
    ram: VecMemory,
    pub(crate) sensor: Sensor,
    pub(crate) boot: Boot,
    /// Time since power-up.
    pub(crate) ticks: u64,
    /// TIME_HI as it was when TIME_LO was read.
    held: u32,
    /// For how long the watchdog was last told to wait; 0 before that.
    patience: u64,
    /// When it bites.
    bites_at: u64,
    /// Time that the core asked to rest, not yet passed.
    pub(crate) rest: u64,
    /// It asked for a reset.
    pub(crate) reset: bool,
}

impl Machine {
    /// A new card after power-up, with an image in bank 0.
    pub(crate) fn new(device: Arc<Emulator>, image: &Image) -> Machine {
        Machine::power_up(device, [bank(image.bytes()), bank(&[])], 0, Sensor::default())
    }

    /// The same card after its power was off: flash, and which bank was confirmed, are left of it.
    pub(crate) fn power_cycle(self) -> Machine {
        Machine::power_up(self.device, self.banks, self.boot.kept, self.sensor)
    }

    fn power_up(device: Arc<Emulator>, banks: [VecMemory; 2], kept: u8, sensor: Sensor) -> Machine {
        Machine {
            device,
            banks,
            ram: VecMemory::new(vec![JUNK; RAM_BYTES as usize / 4]),
            sensor,
            boot: Boot::power_up(kept),
            ticks: 0,
            held: 0,
            patience: 0,
            bites_at: u64::MAX,
            rest: 0,
            reset: false,
        }
    }

    /// Microseconds since power-up.
    pub(crate) fn us(&self) -> u64 {
        self.ticks / TICKS_PER_US
    }

    /// A reset, after what [`Boot`] makes of it: a watchdog that runs goes on, with all its time.
    pub(crate) fn restart(&mut self) {
        self.rest = 0;
        self.reset = false;
        self.feed();
    }

    /// The watchdog has all its time again.
    fn feed(&mut self) {
        self.bites_at = if self.patience == 0 { u64::MAX } else { self.ticks + self.patience };
    }

    /// Time until the watchdog bites.
    pub(crate) fn until_bite(&self) -> u64 {
        self.bites_at.saturating_sub(self.ticks)
    }

    /// Words of the bank that runs, or of the other one.
    pub(crate) fn bank(&self, is_other: bool) -> &[u32] {
        &self.banks[usize::from(self.boot.bank ^ u8::from(is_other))].mem
    }

    /// Words of RAM.
    pub(crate) fn ram(&mut self) -> &mut Vec<u32> {
        &mut self.ram.mem
    }

    fn memory(&mut self, address: u32) -> Option<&mut VecMemory> {
        let bank = usize::from(self.boot.bank);
        match address >> 28 {
            0 => Some(&mut self.banks[bank]),
            1 => Some(&mut self.banks[bank ^ 1]),
            2 => Some(&mut self.ram),
            _ => None,
        }
    }

    fn read_private(&mut self, offset: u32) -> Option<u32> {
        Some(match offset {
            register::TIME_LO => {
                let us = self.us();
                self.held = (us >> 32) as u32;
                us as u32
            }
            register::TIME_HI => self.held,
            register::SENSOR => self.sensor.read(self.us()).0,
            register::SENSOR_SAMPLES => self.sensor.read(self.us()).1,
            register::BOOT => self.boot.register(),
            _ => return None,
        })
    }

    fn write_private(&mut self, offset: u32, value: u32) -> bool {
        match offset {
            register::WATCHDOG => {
                self.patience = u64::from(value.clamp(1, 0xFFFF)) * 1_000 * TICKS_PER_US;
                self.feed();
            }
            register::BOOT_CONTROL => {
                if value & 1 != 0 {
                    self.boot.confirm();
                }
                self.boot.swap |= value & 2 != 0;
                self.reset |= value & 4 != 0;
            }
            register::SLEEP => self.rest = u64::from(value) * TICKS_PER_US,
            _ => return false,
        }
        true
    }
}

/// Where in the device an address of the core's lies.
fn device(address: u32) -> Option<(Bar, u32)> {
    match address {
        0x4000_0000..0x4001_0000 => Some((Bar::Regs, address - 0x4000_0000)),
        0x4080_0000..0x40A0_0000 => Some((Bar::Rtbd, address - 0x4080_0000)),
        _ => None,
    }
}

impl Memory for Machine {
    fn read_mem(&mut self, address: u32, size: MemAccessSize) -> Option<u32> {
        let is_word = matches!(size, MemAccessSize::Word);
        match address >> 28 {
            0 | 2 => self.memory(address)?.read_mem(address & 0x0FFF_FFFF, size),
            // The rest has words only.
            1 if is_word => self.memory(address)?.read_mem(address & 0x0FFF_FFFF, size),
            4 if is_word => device(address).map(|(bar, offset)| self.device.management_read32(bar, offset)),
            8 if is_word => self.read_private(address & 0x0FFF_FFFF),
            _ => None,
        }
    }

    fn write_mem(&mut self, address: u32, size: MemAccessSize, value: u32) -> bool {
        let is_word = matches!(size, MemAccessSize::Word);
        match address >> 28 {
            1 if !is_word => false,
            1 | 2 => self.memory(address).is_some_and(|it| it.write_mem(address & 0x0FFF_FFFF, size, value)),
            4 if is_word => match device(address) {
                Some((bar, offset)) => {
                    self.device.management_write32(bar, offset, value);
                    true
                }
                None => false,
            },
            8 if is_word => self.write_private(address & 0x0FFF_FFFF, value),
            _ => false,
        }
    }
}
