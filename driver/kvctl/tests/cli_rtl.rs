//! kvctl with the Verilated device: what works with the emulator works with it, and the two beside each other agree.
#![cfg(feature = "rtl")]

mod cli_common;

use cli_common::{kvctl, kvctl_at};

#[test]
fn the_selftest_passes() {
    let report = kvctl_at("small", &["--device", "rtl", "selftest", "--quick", "--json"]).good().json();
    let rows = report["rows"].as_array().expect("rows");
    assert!(rows.len() > 30, "{report}");
    assert_eq!(report["failed"], 0, "{report}");
}

#[test]
fn registers_are_those_of_its_geometry() {
    let read = kvctl_at("small", &["--device", "rtl", "regs", "read", "CAP_RTBD.ENTRIES_LOG2", "--json"])
        .good()
        .json();
    assert_eq!(read["registers"][0]["value"], 6, "{read}");
    kvctl_at("small", &["--device", "rtl", "hot", "1:2:3"]).refused(1, "give the tier fewer frames");
}

#[test]
fn a_replay_on_both_agrees() {
    let replay = ["--device", "lockstep", "replay", "--metadata-only", "--t1", "300", "--limit", "4", "--no-baselines"];
    let said = kvctl(&replay).good();
    assert!(said.out.contains("alike"), "{}", said.out);
}

#[test]
fn without_the_feature_no_waveform_is_promised() {
    let refused = kvctl(&["--device", "rtl", "--trace", "/nowhere/at-all.vcd", "telemetry"]);
    refused.refused(1, "/nowhere/at-all.vcd");
    kvctl(&["--trace", "/nowhere/at-all.vcd", "telemetry"]).refused(1, "--device rtl");
}
