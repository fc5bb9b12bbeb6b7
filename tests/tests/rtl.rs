//! The RTL under Verilator on the same random streams as the emulator: it does exactly what the model does.

use std::time::Duration;

use kvcpu_mmio::Geometry;
use kvcpu_sim::RtlOptions;
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
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
