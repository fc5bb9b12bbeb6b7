//! The firmware's platform on a host: the emulator, flash banks, a clock, a sensor, a watchdog, and what may be broken.

use kvcpu_emulator::Emulator;
use kvcpu_firmware::{BANK_BYTES, Boot, Platform, Sample};
use kvcpu_mmio::firmware::ResetCause;
use kvcpu_mmio::image;
use kvcpu_mmio::regs::control::MAP_MAJOR;
use kvcpu_mmio::regs::{command, control, mgmt, tier};
use kvcpu_mmio::{Backing, Bar};
use std::sync::Arc;

/// Version of the image that the core runs first.
pub const FIRST: u32 = 0x01_00_00;
/// Version of the one that updates bring.
pub const SECOND: u32 = 0x02_00_00;

/// What is broken.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Reads of BAR2 at this offset have these bits 0 or 1.
    pub stuck: Option<(u32, u32, bool)>,
    /// Accesses to BAR2 at the first offset reach the second.
    pub alias: Option<(u32, u32)>,
    /// The CRC in CMD_CQE is another by these bits.
    pub crc: u32,
    /// The cid in CMD_CQE is another by these bits.
    pub cid: u32,
    /// The driver writes MBOX_COMMAND so as soon as the first argument was read.
    pub tears: Option<u32>,
    /// A host resets the device before this many-th access of the firmware, counted down.
    pub reset_before: Option<u32>,
    /// Then it configures so many frames of T0: at once, or as soon as a status is shown.
    pub configures: Option<(u32, Moment)>,
    /// The core hangs once it has asked for the other bank.
    pub hangs_at_swap: bool,
    /// No single-shot command completes.
    pub deaf: bool,
    /// The word of the other bank at this offset does not hold what it is given.
    pub flash: Option<u32>,
}

/// When a host that has reset the device configures it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    AtOnce,
    Shown,
}

/// The core and what is round it.
pub struct Host {
    pub device: Arc<Emulator>,
    pub banks: [Vec<u32>; 2],
    pub boot: Boot,
    pub us: u64,
    pub sensor: fn(u64) -> Sample,
    pub faults: Faults,
    pub deadline_us: Option<u64>,
    /// What the watchdog was told last.
    pub patience_ms: Option<u16>,
    pub swap: bool,
    /// The bank that was confirmed last.
    pub kept: u8,
    pub reset: bool,
    /// The core hangs: whatever it does has no effect.
    hangs: bool,
    pub writes_to_flash: u32,
}

/// 25 °C, a sample each 10 ms, whose last bit flickers.
pub fn cool(us: u64) -> Sample {
    let count = us / 10_000 + 1;
    Sample { millidegrees: 25_000 + (count % 3) as i32, count: count as u32 }
}

impl Host {
    /// As at power-up, with the first image.
    pub fn new(device: Arc<Emulator>) -> Host {
        Host {
            device,
            banks: [bank(&image(FIRST, 150)), vec![0; BANK_BYTES as usize / 4]],
            boot: Boot { bank: 0, trial: false, cause: 0, bites: 0 },
            us: 0,
            sensor: cool,
            faults: Faults::default(),
            deadline_us: None,
            patience_ms: None,
            swap: false,
            kept: 0,
            reset: false,
            hangs: false,
            writes_to_flash: 0,
        }
    }

    fn active(&self) -> usize {
        self.boot.bank.into()
    }

    /// What a host does before an access.
    fn before_access(&mut self) {
        self.faults.reset_before = match self.faults.reset_before {
            Some(0) => {
                let reset = control::CTRL::RESET.mask() as u32;
                self.device.write32(Bar::Regs, control::CTRL.offset, reset).unwrap();
                None
            }
            left => left.map(|n| n - 1),
        };
        if let (None, Some((frames, moment))) = (self.faults.reset_before, self.faults.configures)
            && (moment == Moment::AtOnce || self.device.management_read32(Bar::Regs, mgmt::FW_STATUS.offset) != 0)
        {
            self.faults.configures = None;
            self.device.write32(Bar::Regs, tier::TIER_FRAMES.offset, frames).unwrap();
        }
    }

    /// Where an access gets to.
    fn reached(&self, bar: Bar, offset: u32) -> u32 {
        match self.faults.alias {
            Some((at, other)) if bar == Bar::Rtbd && at == offset => other,
            _ => offset,
        }
    }

    /// What resets the core does to the banks (`docs/firmware.md`, Reset).
    pub fn restart(&mut self, cause: ResetCause) {
        let bite = cause == ResetCause::Watchdog;
        let back = bite && self.boot.trial;
        let cause = if back { ResetCause::TrialFailed } else { cause };
        if back || self.swap {
            self.boot.bank ^= 1;
        }
        self.boot.trial = !back && (self.swap || self.boot.trial);
        self.boot.cause = cause.code() as u8;
        self.boot.bites = self.boot.bites.saturating_add(bite.into());
        (self.swap, self.reset, self.hangs) = (false, false, false);
        self.feed();
    }

    /// Power goes off and on: flash is left, and which bank was confirmed.
    pub fn power_cycle(&mut self) {
        self.boot = Boot { bank: self.kept, trial: false, cause: 0, bites: 0 };
        (self.swap, self.reset, self.us) = (false, false, 0);
        (self.patience_ms, self.deadline_us) = (None, None);
        self.device.reset().unwrap();
    }

    fn feed(&mut self) {
        self.deadline_us = self.patience_ms.map(|ms| self.us + 1_000 * u64::from(ms));
    }
}

impl Platform for Host {
    fn read(&mut self, bar: Bar, offset: u32) -> u32 {
        self.before_access();
        let value = self.device.management_read32(bar, self.reached(bar, offset));
        if bar == Bar::Regs
            && offset == mgmt::MBOX_ARG.element(0)
            && let Some(command) = self.faults.tears.take()
        {
            self.device.write32(bar, mgmt::MBOX_COMMAND.offset, command).unwrap();
        }
        match (bar, self.faults.stuck) {
            (Bar::Rtbd, Some((at, bits, true))) if at == offset => value | bits,
            (Bar::Rtbd, Some((at, bits, false))) if at == offset => value & !bits,
            (Bar::Regs, _) if offset == command::CMD_CQE.element(1) => value ^ self.faults.crc,
            (Bar::Regs, _) if offset == command::CMD_CQE.element(3) => value ^ self.faults.cid,
            (Bar::Regs, _) if offset == command::CMD_STATUS.offset && self.faults.deaf => 1,
            _ => value,
        }
    }

    fn write(&mut self, bar: Bar, offset: u32, value: u32) {
        self.before_access();
        if !self.hangs {
            self.device.management_write32(bar, self.reached(bar, offset), value);
        }
    }

    fn now_us(&mut self) -> u64 {
        self.us
    }

    fn sensor(&mut self) -> Sample {
        (self.sensor)(self.us)
    }

    fn watchdog(&mut self, ms: u16) {
        assert!(ms > 0);
        self.patience_ms = Some(ms);
        self.feed();
    }

    fn boot(&mut self) -> Boot {
        self.boot
    }

    fn confirm(&mut self) {
        self.boot.trial = false;
        self.kept = self.boot.bank;
    }

    fn swap(&mut self) {
        self.swap = true;
        self.hangs = self.faults.hangs_at_swap;
    }

    fn reset(&mut self) {
        self.reset = !self.hangs;
    }

    fn sleep(&mut self, us: u32) {
        self.us += u64::from(us);
    }

    fn own_bank(&mut self, offset: u32) -> u32 {
        self.banks[self.active()][offset as usize / 4]
    }

    fn other_bank(&mut self, offset: u32) -> u32 {
        self.banks[self.active() ^ 1][offset as usize / 4]
    }

    fn program(&mut self, offset: u32, word: u32) {
        let broken = self.faults.flash == Some(offset);
        self.writes_to_flash += 1;
        let other = self.active() ^ 1;
        self.banks[other][offset as usize / 4] = if broken { word ^ 1 } else { word };
    }
}

/// An image of so many words behind its header.
pub fn image(version: u32, words: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..64 + 4 * words).map(|n| (n * 31 + version as usize) as u8).collect();
    image::seal(&mut bytes, version, MAP_MAJOR.into()).unwrap();
    bytes
}

pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

fn bank(bytes: &[u8]) -> Vec<u32> {
    let mut bank = words(bytes);
    bank.resize(BANK_BYTES as usize / 4, 0);
    bank
}
