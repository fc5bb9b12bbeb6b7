//! The firmware on a PicoRV32 in the simulated hardware: `cargo xtask managed` makes the design and runs these. docs/firmware.md.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use kvcpu_driver::{Config, Device};
use kvcpu_mmio::firmware::{KEY, Opcode, SelfTestOutcome, State};
use kvcpu_mmio::image::Image;
use kvcpu_mmio::regs::mgmt;
use kvcpu_mmio::{Backing, Bar, Field, Geometry, Register};
use kvcpu_sim::{Rtl, RtlOptions, design};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
use kvcpu_tests::setup::tiers;
use kvcpu_tests::stream::{self, Kind};

/// FW_STATUS.STATE.
const TESTS: u32 = State::Tests.code();
const RUNS: u32 = State::Runs.code();
/// How long a simulation may take to get somewhere.
const PATIENCE: Duration = Duration::from_secs(600);

/// The hardware with its core, of which the sensor shows so many degrees; `None`, and loudly, without the design.
fn managed(celsius: u64) -> Option<(Rtl, Arc<Bus>)> {
    if design("kvcpu_managed").is_none() {
        assert!(std::env::var_os("KVCPU_MANAGED").is_none(), "kvcpu_managed was not built");
        eprintln!("SKIPPED: there is no PicoRV32 in this build; `cargo xtask managed` fetches it and runs this test");
        return None;
    }
    let straps = vec![("celsius".to_owned(), celsius)];
    let options = RtlOptions { host_latency: 2..=40, card_latency: 2..=20, straps, ..RtlOptions::default() };
    Some(Bus::rtl_of("kvcpu_managed", Geometry::SMALL, options))
}

fn get(device: &Rtl, register: &Register) -> u32 {
    device.read32(Bar::Regs, register.offset).unwrap()
}

fn field(device: &Rtl, register: &Register, field: &Field) -> u32 {
    field.get(get(device, register).into()) as u32
}

/// Simulates until this holds.
fn until(device: &Rtl, what: &str, holds: impl Fn(&Rtl) -> bool) {
    let begin = Instant::now();
    while !holds(device) {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; {} clocks", device.clocks());
        device.advance(10_000).unwrap();
    }
}

fn until_it_runs(device: &Rtl) {
    until(device, "the firmware's self-test", |device| {
        field(device, &mgmt::FW_STATUS, &mgmt::FW_STATUS::STATE) > TESTS
    });
}

#[test]
fn it_boots_and_tests_the_directory() {
    let Some((device, _)) = managed(45) else { return };
    until_it_runs(&device);
    assert_eq!(field(&device, &mgmt::FW_STATUS, &mgmt::FW_STATUS::STATE), RUNS);
    let test = get(&device, &mgmt::FW_SELFTEST).into();
    assert_eq!((mgmt::FW_SELFTEST::IMAGE.get(test), mgmt::FW_SELFTEST::MARCH.get(test)), (1, 1), "{test:#x}");
    let begin = get(&device, &mgmt::FW_HEARTBEAT);
    until(&device, "the heartbeat", |device| get(device, &mgmt::FW_HEARTBEAT) > begin + 3);
    until(&device, "the sensor", |device| (45_000..46_000).contains(&get(device, &mgmt::THERMAL_TEMP)));
    assert_eq!(get(&device, &mgmt::THROTTLE), 0);
}

#[test]
fn heat_holds_the_device_back() {
    let Some((device, _)) = managed(83) else { return };
    until_it_runs(&device);
    // docs/firmware.md, Thermal control: a level a 5/3 degrees above 70.
    until(&device, "the throttle", |device| get(device, &mgmt::THROTTLE) != 0);
    let level = get(&device, &mgmt::THROTTLE);
    assert!([0x77, 0x88].contains(&level), "{level:#x}");
    assert_eq!(field(&device, &mgmt::THERMAL_STATUS, &mgmt::THERMAL_STATUS::STATE), 2);
}

/// Host and core share the register port all the while, and the device is held back.
#[test]
fn streams_match_the_model_beside_the_firmware() {
    for seed in check::seeds(1) {
        let Some((device, bus)) = managed(83) else { return };
        let kind = Kind { bytes: true, t3: true, length: 200, ..Kind::default() };
        let (mut scenario, ops) = stream::scenario_of(&mut check::rng(22, seed), kind, Geometry::SMALL);
        // Real time, of which the simulation takes more than the device.
        scenario.config.deadline = PATIENCE;
        until_it_runs(&device);
        let replay = check::replay("managed", "streams_match_the_model_beside_the_firmware", seed);
        if let Err(difference) = stream::run_on(device, &bus, &scenario, &ops) {
            panic!("{difference}\nreplay: KVCPU_MANAGED=1 cargo xtask managed, with {replay}");
        }
    }
}

#[test]
fn the_driver_talks_with_it() {
    let Some((device, _)) = managed(45) else { return };
    let device = Device::probe(Arc::new(device)).unwrap();
    device.set_deadline(PATIENCE);
    // DMA and CRC too, with memory that it is lent.
    let found = device.firmware().self_test().unwrap();
    assert_eq!((found.dma, found.crc), (SelfTestOutcome::Passed, SelfTestOutcome::Passed), "{found}");
    device.configure(Config { deadline: PATIENCE, ..tiers([0, 4, 8, 0]) }).unwrap();
    let firmware = device.firmware();
    assert_eq!(firmware.version().unwrap().version, firmware.present().unwrap().version);
    assert!(!firmware.log().unwrap().is_empty());
}

/// A small image that shows itself in FW_STATUS, confirms itself, and stays: `lui t0, 0x40007; li t1, 0x13; sw t1, (t0); lui t2, 0x80000;
/// li t3, 1; sw t3, 0x18(t2); j .`
const SMALL_CODE: [u32; 7] =
    [0x4000_72B7, 0x0130_0313, 0x0062_A023, 0x8000_03B7, 0x0010_0E13, 0x01C3_AC23, 0x0000_006F];

#[test]
fn an_update_runs_from_the_other_bank() {
    let Some((device, _)) = managed(45) else { return };
    let image = Image::from_code(&SMALL_CODE, 0x00FF_0001).unwrap();
    let rtl = Arc::new(device);
    let device = Device::probe(rtl.clone()).unwrap();
    device.set_deadline(PATIENCE);
    let firmware = device.firmware();
    firmware.wait_ready().unwrap();
    let header = image.header();
    firmware.call(Opcode::UpdateBegin as u8, [header.bytes, header.crc, KEY], &[]).unwrap();
    for (n, piece) in (0..).zip(image.bytes().chunks(64)) {
        firmware.call(Opcode::UpdateData as u8, [64 * n, 0, KEY], piece).unwrap();
    }
    firmware.call(Opcode::UpdateCommit as u8, [0, 0, KEY], &[]).unwrap();
    until(&rtl, "the small image", |rtl| get(rtl, &mgmt::FW_STATUS) == 0x13);
}
