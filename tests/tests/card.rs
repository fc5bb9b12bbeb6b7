//! The whole device with card memory in hardware, block RAM or SDRAM, on the same random streams as everywhere: T1 and the device's own
//! tables are in it, and it does exactly what the model does. An SDRAM chip that is told something wrong ends the stream.

use std::time::Duration;

use kvcpu_mmio::Geometry;
use kvcpu_sim::{Rtl, RtlError, RtlOptions, top};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
use kvcpu_tests::stream::{self, Kind, Op, Scenario};

/// Runs a stream on the RTL with this card memory, and on the model.
fn run(card: &str, scenario: &Scenario, ops: &[Op]) -> Result<(), String> {
    let seed = ops.len() as u64;
    let options = RtlOptions {
        seed,
        clocks_per_access: 8,
        host_latency: 2..=40,
        card_design: Some(card.to_owned()),
        ..RtlOptions::default()
    };
    let (rtl, bus) = Bus::rtl(scenario.geometry, options);
    stream::run_on(rtl, &bus, scenario, ops).map(drop)
}

fn streams(test: &str, number: u64, card: &str, kind: Kind) {
    let make = |seed| {
        let (mut scenario, ops) = stream::scenario_of(&mut check::rng(number, seed), kind, Geometry::SMALL);
        // Real time, of which the simulation takes more than the device.
        scenario.config.deadline = Duration::from_secs(60);
        (scenario, ops)
    };
    check::streams(("card", test), 2, make, |scenario: &Scenario, ops: &[Op]| run(card, scenario, ops));
}

const BYTES: Kind = Kind { bytes: true, t3: true, faults: false, history: false, large: false, length: 300 };

#[test]
fn byte_streams_with_block_ram_match_the_model() {
    streams("byte_streams_with_block_ram_match_the_model", 41, "kvcpu_card_ram_small", BYTES);
}

#[test]
fn byte_streams_with_sdram_match_the_model() {
    streams("byte_streams_with_sdram_match_the_model", 42, "kvcpu_sdram", BYTES);
}

#[test]
fn fault_streams_with_sdram_match_the_model() {
    streams("fault_streams_with_sdram_match_the_model", 43, "kvcpu_sdram", Kind { faults: true, ..BYTES });
}

/// The device and its tables need 1,034 KiB: with the 208 of `kvcpu_card_ram` something goes wrong, so card memory is used.
#[test]
fn a_card_memory_that_is_too_small_is_noticed() {
    let (mut scenario, ops) = stream::scenario_of(&mut check::rng(41, 0), BYTES, Geometry::SMALL);
    scenario.config.deadline = Duration::from_secs(60);
    assert!(run("kvcpu_card_ram_small", &scenario, &ops).is_ok());
    assert!(run("kvcpu_card_ram", &scenario, &ops).is_err());
}

#[test]
fn a_card_design_that_is_none_is_named() {
    for card in ["kvcpu_dram", "kvcpu_fifo"] {
        let options = RtlOptions { card_design: Some(card.into()), ..RtlOptions::default() };
        let built = Rtl::new(top(Geometry::SMALL).unwrap(), Geometry::SMALL, options);
        assert!(matches!(&built, Err(RtlError::Card(name)) if name == card), "{built:?}");
    }
}
