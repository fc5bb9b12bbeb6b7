//! The RTL behind its PCIe endpoint (docs/pcie.md): everything that a driver does becomes packets, and it does what the model does.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::time::Duration;

use kvcpu_mmio::Geometry;
use kvcpu_sim::pcie::{LinkOptions, PcieRtl};
use kvcpu_sim::{RtlOptions, top};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
use kvcpu_tests::stream::{self, Kind};
use rand::Rng;

fn device(options: &RtlOptions, link: LinkOptions) -> PcieRtl {
    PcieRtl::new(top(Geometry::SMALL).unwrap(), Geometry::SMALL, options, link).unwrap()
}

/// Random streams over links of every size, both orders of bytes, both forms of headers.
fn streams(test: &str, number: u64, cases: u64, kind: Kind) {
    let make = |seed| {
        let (mut scenario, ops) = stream::scenario_of(&mut check::rng(number, seed), kind, Geometry::SMALL);
        scenario.config.deadline = Duration::from_secs(60);
        (scenario, ops)
    };
    check::streams(("pcie", test), cases, make, |scenario, ops| {
        let mut rng = check::rng(number, ops.len() as u64);
        let link = LinkOptions {
            big: rng.random(),
            extended: rng.random(),
            high_bars: rng.random(),
            beats: 1 << rng.random_range(0..3),
            max_payload: 128 << rng.random_range(0..3),
            max_request: 128 << rng.random_range(0..3),
            ..LinkOptions::default()
        };
        let options = RtlOptions {
            seed: ops.len() as u64,
            clocks_per_access: 8,
            host_latency: 2..=200,
            card_latency: 2..=20,
            back_pressure: 0.2,
            ..RtlOptions::default()
        };
        let bus = Bus::default();
        bus.heal();
        stream::run_on(device(&options, link), &bus, scenario, ops).map(drop)
    });
}

#[test]
fn byte_streams_match_the_model_and_read_back() {
    let kind = Kind { bytes: true, t3: true, length: 300, ..Kind::default() };
    streams("byte_streams_match_the_model_and_read_back", 31, 3, kind);
}
