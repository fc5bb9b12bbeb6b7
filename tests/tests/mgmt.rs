//! The management core's port, on emulator and RTL: what it may write that no host may, and that holding the device back changes no
//! decision. docs/firmware.md.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::Arc;
use std::time::Duration;

use kvcpu_driver::{Commands, Config, Insert};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::regs::{control, irq, mgmt, rtbd};
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry, Register};
use kvcpu_sim::{Rtl, RtlOptions, top};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
use kvcpu_tests::setup::{device, key, tiers};
use kvcpu_tests::stream::{self, Kind};

/// A device with the management core's port.
trait Managed: Backing {
    fn manage_at(&self, bar: Bar, offset: u32, value: u32);
    fn managed_at(&self, bar: Bar, offset: u32) -> u32;
    fn manage(&self, register: &Register, value: u32) {
        self.manage_at(Bar::Regs, register.offset, value);
    }
    fn managed(&self, register: &Register) -> u32 {
        self.managed_at(Bar::Regs, register.offset)
    }
    fn get(&self, register: &Register) -> u32 {
        self.read32(Bar::Regs, register.offset).unwrap()
    }
    fn set(&self, register: &Register, value: u32) {
        self.write32(Bar::Regs, register.offset, value).unwrap();
    }
}

impl Managed for Emulator {
    fn manage_at(&self, bar: Bar, offset: u32, value: u32) {
        self.management_write32(bar, offset, value);
    }
    fn managed_at(&self, bar: Bar, offset: u32) -> u32 {
        self.management_read32(bar, offset)
    }
}

impl Managed for Rtl {
    fn manage_at(&self, bar: Bar, offset: u32, value: u32) {
        self.management_write32(bar, offset, value).unwrap();
    }
    fn managed_at(&self, bar: Bar, offset: u32) -> u32 {
        self.management_read32(bar, offset).unwrap()
    }
}

fn its_own_registers_are_the_management_cores(device: &impl Managed) {
    let refused = || device.get(&control::BAD_ACCESS_COUNT);
    refused();
    for register in mgmt::BLOCK.registers.iter().filter(|r| r.access == kvcpu_mmio::Access::RO) {
        let value = register.offset | 0x5A00_0000;
        device.set(register, value);
        assert_eq!((device.get(register), refused()), (0, 1), "{} is no host's to write", register.name);
        device.manage(register, value);
        assert_eq!((device.get(register), device.managed(register)), (value, value), "{}", register.name);
        device.manage(register, 0);
    }
    assert_eq!(refused(), 0);
    // What is the host's to write, both may; what is nobody's, neither.
    device.set(&mgmt::MBOX_COMMAND, 7 << 16);
    assert_eq!(device.managed(&mgmt::MBOX_COMMAND), 7 << 16);
    device.manage(&control::SCRATCH, 0xC0FF_EE00);
    assert_eq!(device.get(&control::SCRATCH), 0xC0FF_EE00);
    device.manage(&control::MAGIC, 0);
    device.manage(&mgmt::MGMT_RESERVED0, 1);
    assert_eq!((refused(), device.get(&control::MAGIC)), (2, control::MAGIC_VALUE));
    let place = u64::from(device.get(&control::BAD_ACCESS_ADDR));
    assert_eq!(control::BAD_ACCESS_ADDR::OFFSET.get(place), u64::from(mgmt::MGMT_RESERVED0.offset));
    // Entries of BAR2 are as the host has them: locked but in maintenance mode.
    device.manage_at(Bar::Rtbd, 0x44, 0x1234);
    let place = u64::from(device.get(&control::BAD_ACCESS_ADDR));
    let [bar, cause] = [control::BAD_ACCESS_ADDR::BAR, control::BAD_ACCESS_ADDR::CAUSE].map(|field| field.get(place));
    // Read as the core: that clears it as well.
    assert_eq!((device.managed(&control::BAD_ACCESS_COUNT), refused(), bar, cause), (1, 0, 2, 5));
    device.manage(&rtbd::RTBD_CTRL, 1);
    device.manage_at(Bar::Rtbd, 0x44, 0x1234);
    assert_eq!((device.managed_at(Bar::Rtbd, 0x44), device.read32(Bar::Rtbd, 0x44).unwrap()), (0x1234, 0x1234));
    device.manage(&rtbd::RTBD_CTRL, 0);
    assert_eq!((device.managed_at(Bar::Rtbd, 0x44), refused()), (0, 0));
    device.manage(&irq::INT_FORCE, irq::INT_STATUS::MANAGEMENT.mask() as u32);
    assert_eq!(irq::INT_STATUS::MANAGEMENT.get(device.get(&irq::INT_STATUS).into()), 1);
    device.manage(&mgmt::FW_STATUS, 3);
    device.set(&control::CTRL, control::CTRL::RESET.mask() as u32);
    assert_eq!(device.get(&mgmt::FW_STATUS), 0, "CTRL.RESET clears this block too");
}

fn rtl() -> Rtl {
    Rtl::new(top(Geometry::SMALL).unwrap(), Geometry::SMALL, RtlOptions::default()).unwrap()
}

#[test]
fn its_own_registers_are_the_management_cores_in_the_emulator() {
    its_own_registers_are_the_management_cores(&Emulator::new(Geometry::SMALL).unwrap());
}

#[test]
fn its_own_registers_are_the_management_cores_in_the_rtl() {
    its_own_registers_are_the_management_cores(&rtl());
}

/// The RTL, whose THROTTLE is written again after each reset, as the firmware does.
struct HeldBack(Rtl, u64);

impl HeldBack {
    fn hold(&self) {
        let level = mgmt::THROTTLE::SWEEP.set(mgmt::THROTTLE::DMA.set(0, self.1), self.1);
        self.0.manage(&mgmt::THROTTLE, level as u32);
    }
}

impl Backing for HeldBack {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.0.read32(bar, offset)
    }
    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.0.write32(bar, offset, value)
    }
    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.0.read64(bar, offset)
    }
    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.0.write64(bar, offset, value)
    }
    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        self.0.dma_alloc(bytes)
    }
    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        self.0.dma_free(iova)
    }
    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        self.0.irq_fd(vector)
    }
    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        self.0.bus_master(on)
    }
    fn reset(&self) -> Result<(), BackingError> {
        self.0.reset()?;
        self.hold();
        Ok(())
    }
    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        self.0.advance(cycles)
    }
    fn name(&self) -> String {
        self.0.name()
    }
}

#[test]
fn a_device_that_is_held_back_decides_the_same() {
    for (seed, level) in check::seeds(2).zip([15, 9]) {
        let kind = Kind { bytes: true, t3: true, length: 200, ..Kind::default() };
        let (mut scenario, ops) = stream::scenario_of(&mut check::rng(21, seed), kind, Geometry::SMALL);
        // Real time, of which the simulation takes more than the device.
        scenario.config.deadline = Duration::from_secs(60);
        let (rtl, bus) = Bus::rtl(scenario.geometry, RtlOptions { seed, ..RtlOptions::default() });
        let device = HeldBack(rtl, level);
        device.hold();
        let replay = check::replay("mgmt", "a_device_that_is_held_back_decides_the_same", seed);
        if let Err(difference) = stream::run_on(device, &bus, &scenario, &ops) {
            panic!("level {level}: {difference}\nreplay: {replay}");
        }
    }
}

/// Clocks in which a block of 4 KiB is copied out of card memory.
fn clocks_at(level: u64, reset: bool) -> u64 {
    let config = Config { deadline: Duration::from_secs(60), block_shift: 12, ..tiers([0, 4, 0, 0]) };
    let (device, _) = device(HeldBack(rtl(), level), config.clone());
    device.backing().hold();
    if reset {
        device.write(&control::CTRL, control::CTRL::RESET.mask()).unwrap();
        device.configure(config).unwrap();
    }
    let buffer = device.dma_alloc(1 << 12).unwrap();
    let clocks = || device.backing().0.clocks();
    let mut commands = device.single_shot();
    commands.insert(&Insert::new(key(1), 1)).unwrap();
    let begin = clocks();
    commands.copy_out(key(1), &buffer, 0).unwrap();
    clocks() - begin
}

#[test]
fn what_is_held_back_takes_longer() {
    let (copy, held_copy) = (clocks_at(0, false), clocks_at(15, false));
    // 512 words, once and read back, at a sixteenth of the rate; what the command takes besides is not held back.
    let asked = 2 * 16 * 512;
    assert!(clocks_at(15, true).abs_diff(copy) < 1000, "CTRL.RESET lets it on");
    assert!((copy + asked - 2 * 64 * 16 - 2 * 512..copy + asked).contains(&held_copy), "{copy} {held_copy}");
}
