//! Emulator and RTL side by side under a few short streams of each kind. `cargo xtask lockstep` runs them without end.

use kvcpu_mmio::Geometry;
use kvcpu_tests::check;
use kvcpu_tests::lockstep::{self, Stream};

/// Operations of a stream.
const LENGTH: usize = 120;

fn agree(kind: Stream) {
    for seed in check::seeds(2) {
        let (scenario, ops) = kind.make(seed, LENGTH, Geometry::SMALL);
        let result = lockstep::run(&scenario, &ops, Stream::timing(seed));
        let replay = format!("cargo xtask lockstep -- --kind {kind} --seed {seed} --commands {LENGTH} --streams 1");
        let commands = result.unwrap_or_else(|difference| panic!("{difference}\nreplay: {replay}"));
        assert!(commands > 0, "{kind} seed {seed} compares nothing");
    }
}

#[test]
fn emulator_and_rtl_agree_on_metadata() {
    agree(Stream::Metadata);
}

#[test]
fn emulator_and_rtl_agree_on_bytes() {
    agree(Stream::Bytes);
}

#[test]
fn emulator_and_rtl_agree_on_t3() {
    agree(Stream::T3);
}

#[test]
fn emulator_and_rtl_agree_under_faults() {
    agree(Stream::Faults);
}

#[test]
fn emulator_and_rtl_agree_on_histories() {
    agree(Stream::History);
}
