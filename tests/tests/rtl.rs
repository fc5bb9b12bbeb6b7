//! The RTL under Verilator on the same random streams as the emulator: it does exactly what the model does.

use std::time::Duration;

use kvcpu_driver::{Commands, Config, Insert, TierConfig};
use kvcpu_mmio::regs::{control, irq};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_sim::{Rtl, RtlOptions, top};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
use kvcpu_tests::setup::{device, key, tiers};
use kvcpu_tests::stream::{self, Kind, Op, Scenario};

/// Runs a stream on the RTL and on the model.
fn run(scenario: &Scenario, ops: &[Op]) -> Result<(), String> {
    let seed = ops.len() as u64;
    let options =
        RtlOptions { seed, clocks_per_access: 8, host_latency: 2..=40, card_latency: 2..=20, ..RtlOptions::default() };
    let (rtl, bus) = Bus::rtl(scenario.geometry, options);
    stream::run_on(rtl, &bus, scenario, ops).map(drop)
}

fn streams(test: &str, number: u64, cases: u64, kind: Kind) {
    let make = |seed| {
        let (mut scenario, ops) = stream::scenario_of(&mut check::rng(number, seed), kind, Geometry::SMALL);
        // Real time, of which the simulation takes more than the device.
        scenario.config.deadline = Duration::from_secs(60);
        (scenario, ops)
    };
    check::streams(("rtl", test), cases, make, run);
}

#[test]
fn metadata_streams_match_the_model() {
    let kind = Kind { t3: true, length: 600, ..Kind::default() };
    streams("metadata_streams_match_the_model", 11, 1, kind);
}

#[test]
fn byte_streams_match_the_model_and_read_back() {
    let kind = Kind { bytes: true, length: 400, ..Kind::default() };
    streams("byte_streams_match_the_model_and_read_back", 12, 1, kind);
}

#[test]
fn t3_streams_match_the_model_however_late_the_answers() {
    let kind = Kind { bytes: true, t3: true, length: 400, ..Kind::default() };
    streams("t3_streams_match_the_model_however_late_the_answers", 13, 1, kind);
}

#[test]
fn fault_streams_match_the_model_and_lose_nothing() {
    let kind = Kind { bytes: true, t3: true, faults: true, length: 300, ..Kind::default() };
    streams("fault_streams_match_the_model_and_lose_nothing", 14, 2, kind);
}

/// docs/rtl.md, Numbers: a decision that is ready takes at most 10 clocks from its trigger to the DMA descriptor.
#[test]
fn inserts_into_a_full_tier_are_decided_within_ten_clocks() {
    const BLOCKS: u32 = 8;
    let rtl = Rtl::new(top(Geometry::SMALL).unwrap(), Geometry::SMALL, RtlOptions::default()).unwrap();
    let tiers = tiers([0, BLOCKS, 0, 0]);
    let mut config = Config { deadline: Duration::from_secs(60), ..tiers };
    config.tiers[2] = TierConfig::blocks(2 * BLOCKS);
    let (device, _) = device(rtl, config);
    let mut commands = device.single_shot();
    for tag in 0..u64::from(BLOCKS) {
        commands.insert(&Insert::new(key(tag), 1)).unwrap();
    }
    commands.step_advance(1).unwrap();
    // The list has all but the block of the chain under way.
    for number in 1..u64::from(BLOCKS) {
        commands.insert(&Insert::new(key(100 + number), 1)).unwrap();
        let counters = device.counters().unwrap();
        assert_eq!((counters.decision_hist.iter().sum::<u64>(), counters.dry_sweeps), (number, 0));
        assert!(counters.decision_max <= 10, "decision {number}: {} clocks", counters.decision_max);
    }
}

/// docs/moves.md, The device's own tables.
#[test]
fn an_error_of_the_tables_memory_is_told_and_nothing_hangs() {
    const GEOMETRY: Geometry = Geometry::SMALL;
    for (card_bytes, told) in [(None, 0), (Some(GEOMETRY.tables_base()), 1)] {
        let options = RtlOptions { card_bytes, ..RtlOptions::default() };
        let rtl = Rtl::new(top(GEOMETRY).unwrap(), GEOMETRY, options).unwrap();
        let config = Config { deadline: Duration::from_secs(60), ..tiers([0, 4, 8, 0]) };
        let (device, _) = device(rtl, config);
        let said = || device.read_field(&control::ERR_STATUS, &control::ERR_STATUS::CARD).unwrap();
        let errors = irq::INT_STATUS::ERROR.mask();
        device.write(&irq::INT_STATUS, errors).unwrap();
        let insert = |tags: std::ops::Range<u64>| {
            for tag in tags {
                // Which block has to go is not to be trusted, but the command ends.
                let ended = device.single_shot().insert(&Insert::new(key(tag), 1));
                assert!(told == 1 || ended.is_ok(), "{ended:?}");
            }
            device.backing().advance(20_000).unwrap();
        };
        insert(0..20);
        assert_eq!(said(), told);
        assert_eq!(device.read(&irq::INT_STATUS).unwrap() & errors, errors * told);
        // It is told anew when it happens anew.
        device.write(&control::ERR_STATUS, control::ERR_STATUS::CARD.mask()).unwrap();
        device.backing().advance(20_000).unwrap();
        assert_eq!(said(), 0);
        insert(20..30);
        assert_eq!(said(), told);
        // And not when the device has begun anew.
        device.write(&control::CTRL, 0).unwrap();
        assert_eq!(said(), told);
        device.write(&control::ERR_STATUS, control::ERR_STATUS::CARD.mask()).unwrap();
        device.write(&control::CTRL, control::CTRL::ENABLE.mask()).unwrap();
        device.single_shot().nop().unwrap();
        device.backing().advance(20_000).unwrap();
        assert_eq!((said(), device.read_field(&control::STATUS, &control::STATUS::ENABLED).unwrap()), (0, 1));
    }
}
