//! The core itself: its address space, what stops it, watchdog, reset and trial rules, with images of a few instructions.

use kvcpu_emulator::Emulator;
use kvcpu_firmware_iss::{Core, Fault, Image};
use kvcpu_mmio::regs::mgmt;
use kvcpu_mmio::{Bar, Geometry};
use std::sync::Arc;
use std::time::Duration;

/// `j .`
const SPIN: u32 = 0x0000_006F;
/// `lui a0, 0x80000`: a0 is the private registers.
const A0_PRIVATE: u32 = 0x8000_0537;

/// `li a1, value`
fn a1(value: u32) -> u32 {
    assert!(value < 0x800);
    value << 20 | 0x0000_0593
}

/// `sw a1, offset(a0)`
fn store(offset: u32) -> u32 {
    0x00B5_2023 | (offset & 0x1F) << 7 | (offset >> 5) << 25
}

/// `lui a0, address >> 12`
fn a0(address: u32) -> u32 {
    address & 0xFFFF_F000 | 0x537
}

fn core_of(code: &[u32]) -> (Arc<Emulator>, Core) {
    let device = Arc::new(Emulator::new(Geometry::SMALL).expect("sound"));
    let core = Core::new(device.clone(), &Image::from_code(code, 1).expect("it fits"));
    (device, core)
}

/// What stops a core that runs this.
fn fault(code: &[u32]) -> Option<Fault> {
    let (_, mut core) = core_of(&[code, &[SPIN]].concat());
    core.run(100);
    core.snapshot().fault
}

#[test]
fn an_instruction_takes_a_hundredth_of_a_microsecond_and_a_rest_what_it_says() {
    let (_, mut core) = core_of(&[A0_PRIVATE, a1(50), store(0x1C), SPIN]);
    core.run(1_000);
    assert_eq!(core.time(), Duration::from_micros(10 + 50));
    assert_eq!((core.snapshot().instructions, core.snapshot().pc), (1_000, 0x4C));
    core.run_for(Duration::from_micros(5));
    assert_eq!(core.time(), Duration::from_micros(65));
}

#[test]
fn what_is_outside_the_address_space_stops_the_core() {
    assert_eq!(fault(&[]), None);
    assert_eq!(fault(&[0]), Some(Fault::Illegal { word: 0 }));
    // No control and status registers: csrr a0, mcycle. No ecall.
    assert_eq!(fault(&[0xB000_2573]), Some(Fault::Illegal { word: 0xB000_2573 }));
    assert_eq!(fault(&[0x0000_0073]), Some(Fault::Illegal { word: 0x73 }));
    for (address, can_load, can_store) in [
        (0x0000_0000, true, false),
        (0x0000_4000, false, false),
        (0x1000_3000, true, true),
        (0x1000_4000, false, false),
        (0x2000_1000, true, true),
        (0x2000_2000, false, false),
        (0x3000_0000, false, false),
        (0x4000_F000, true, true),
        (0x4001_0000, false, false),
        (0x4080_0000, true, true),
        (0x409F_F000, true, true),
        (0x40A0_0000, false, false),
        (0x8000_1000, false, false),
        (0xC000_0000, false, false),
    ] {
        // lw a1, 0(a0)
        assert_eq!(fault(&[a0(address), 0x0005_2583]).is_none(), can_load, "load {address:#x}");
        assert_eq!(fault(&[a0(address), store(0)]).is_none(), can_store, "store {address:#x}");
    }
    // Only flash that runs and RAM have bytes: lbu a1, 0(a0).
    for (address, has_bytes) in [(0, true), (0x2000_0000, true), (0x1000_0000, false), (0x4000_0000, false)] {
        let expected = (!has_bytes).then_some(Fault::Load(address));
        assert_eq!(fault(&[a0(address), 0x0005_4583]), expected, "{address:#x}");
    }
    // lw a1, 2(a0); jr to 0x42; jr to RAM's end.
    assert_eq!(fault(&[a0(0x2000_0000), 0x0025_2583]), Some(Fault::Alignment(0x2000_0002)));
    assert_eq!(fault(&[a1(0x42), 0x0005_8067]), Some(Fault::Fetch));
    assert_eq!(fault(&[a0(0x2000_2000), 0x0005_0067]), Some(Fault::Fetch));
}

#[test]
fn a_stopped_core_stays_so_until_the_watchdog_bites() {
    let (_, mut core) = core_of(&[0]);
    core.run_for(Duration::from_secs(100));
    assert_eq!((core.snapshot().resets, core.snapshot().fault), (0, Some(Fault::Illegal { word: 0 })), "it never ran");

    // Watchdog: 20 ms; then an illegal instruction.
    let (_, mut core) = core_of(&[A0_PRIVATE, a1(20), store(0x10), 0]);
    core.run_for(Duration::from_millis(19));
    assert_eq!(core.snapshot().boot.bites, 0);
    core.run_for(Duration::from_millis(2));
    let snapshot = core.snapshot();
    assert_eq!((snapshot.boot.bites, snapshot.boot.cause, snapshot.resets), (1, 1, 1));
    core.run_for(Duration::from_secs(10));
    assert_eq!(core.snapshot().boot.bites, 255, "it saturates");
    assert!(core.snapshot().resets > 255);
}

#[test]
fn the_watchdog_bites_in_a_rest_too() {
    // Watchdog: 1 ms; rest of 2,047 µs.
    let (_, mut core) = core_of(&[A0_PRIVATE, a1(1), store(0x10), a1(2047), store(0x1C), SPIN]);
    core.run(5);
    assert_eq!((core.snapshot().boot.bites, core.time()), (1, Duration::from_nanos(1_000_030)));
}

#[test]
fn the_core_writes_registers_that_are_read_only_for_a_host() {
    // 0x4000_7000 is the block mgmt.
    let (device, mut core) = core_of(&[a0(0x4000_7000), a1(3), store(mgmt::FW_STATUS.offset & 0xFFF), SPIN]);
    core.run(10);
    assert_eq!(device.management_read32(Bar::Regs, mgmt::FW_STATUS.offset), 3);
}

#[test]
fn a_trial_that_hangs_ends_with_the_old_bank() {
    // Copies nothing: the other bank is erased, so what is swapped in stops at once. 20 ms of watchdog, SWAP and RESET.
    let (_, mut core) = core_of(&[A0_PRIVATE, a1(20), store(0x10), a1(6), store(0x18), SPIN]);
    core.run(10);
    let snapshot = core.snapshot();
    assert_eq!((snapshot.boot.bank, snapshot.boot.trial, snapshot.boot.cause), (1, true, 2));
    assert_eq!(snapshot.fault, Some(Fault::Illegal { word: u32::MAX }));
    assert!(core.own_bank().iter().all(|word| *word == u32::MAX));
    // The watchdog, once started, goes on through the reset.
    core.run_for(Duration::from_micros(20_001));
    let snapshot = core.snapshot();
    assert_eq!((snapshot.boot.bites, snapshot.boot.cause), (1, 2), "the old bank asked for the next swap already");
    assert_eq!(snapshot.resets, 3);
}
