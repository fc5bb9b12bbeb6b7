//! Firmware in real time beside the device: the driver finds it, works while it runs, updates it.

use kvcpu_driver::{Commands, Config, Device, TierConfig};
use kvcpu_firmware_iss::{FIRMWARE, FirmwareEmulator, Image};
use kvcpu_mmio::regs::mgmt::FW_HEARTBEAT;
use kvcpu_mmio::{Backing, Bar, Geometry};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn emulator() -> Arc<FirmwareEmulator> {
    Arc::new(FirmwareEmulator::new(Geometry::SMALL).expect("the checked-in firmware is an image"))
}

/// Waits, for up to a minute, which only a very busy machine needs.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_driver_works_while_the_firmware_runs() {
    let backing = emulator();
    assert_eq!(backing.name(), "emulator+fw");
    let device = Device::probe(backing.clone()).unwrap();
    let firmware = device.firmware();
    firmware.wait_ready().unwrap();
    let tiers = [TierConfig::OFF, TierConfig::blocks(32), TierConfig::OFF, TierConfig::OFF];
    device.configure(Config { tiers, ..Config::default() }).unwrap();
    let mut queue = device.queue_pair(0).unwrap();
    let running = firmware.version().unwrap();
    assert_eq!(running.crc, Image::from_file(FIRMWARE).unwrap().header().crc);
    let heartbeat = || backing.read32(Bar::Regs, FW_HEARTBEAT.offset).unwrap();
    let before = heartbeat();
    let mut commands = 0_u64;
    until("the heart does not beat", || {
        queue.nop().unwrap();
        commands += 1;
        heartbeat().wrapping_sub(before) >= 20
    });
    assert!(commands > 0);
    assert_eq!(backing.core().snapshot().resets, 0);
}

#[test]
fn its_time_is_real() {
    let backing = emulator();
    let (begin, before) = (Instant::now(), backing.core().time());
    std::thread::sleep(Duration::from_millis(300));
    let passed = backing.core().time() - before;
    // It may be a rest ahead, and falls behind on a busy machine.
    assert!(passed <= begin.elapsed() + Duration::from_millis(5), "{passed:?}");
    assert!(passed >= Duration::from_millis(10), "{passed:?}");
}

#[test]
fn the_driver_updates_the_firmware() {
    let backing = emulator();
    let device = Device::probe(backing.clone()).unwrap();
    let firmware = device.firmware();
    firmware.wait_ready().unwrap();
    let image = Image::from_file(FIRMWARE).unwrap();
    let status = firmware.update(&image, |_, _| {}).unwrap();
    assert_eq!(status.bank, 1);
    assert!(!status.trial);
    let core = backing.core().snapshot();
    assert_eq!((core.boot.bank, core.boot.trial, core.boot.bites), (1, false, 0));
}

#[test]
fn firmware_that_hangs_is_bitten_in_real_time() {
    let backing = emulator();
    let device = Device::probe(backing.clone()).unwrap();
    device.firmware().wait_ready().unwrap();
    backing.core().jump(0x3FF0);
    until("it is not bitten", || backing.core().snapshot().boot.bites == 1);
    device.firmware().wait_ready().unwrap();
    device.firmware().version().unwrap();
}

#[test]
fn dropping_it_ends_its_thread() {
    let backing = FirmwareEmulator::new(Geometry::SMALL).unwrap();
    let begin = Instant::now();
    drop(backing);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}
