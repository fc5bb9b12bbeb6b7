//! `kvctl fw` against the firmware that is checked in, on its simulated core; and where there is none.

mod cli_common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use cli_common::{command, kvctl, kvctl_at, session};
use serde_json::json;

const FW: [&str; 2] = ["--device", "emulator+fw"];
const ELF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../firmware/image/kvcpu-fw.elf");

/// A session on the firmware's device, an object a line.
fn lines(input: &str) -> Vec<serde_json::Value> {
    session(&["--json", FW[0], FW[1]], input).good().lines()
}

#[test]
fn without_firmware_every_verb_says_so() {
    for verb in [&["status"][..], &["log"], &["param"], &["selftest"], &["restart"], &["update", ELF]] {
        let said = kvctl(&[&["fw"], verb].concat());
        said.refused(1, "emulator has no firmware");
        assert!(said.err.contains("--device emulator+fw"), "{}", said.err);
    }
    let said = kvctl(&["--json", "fw", "status"]);
    assert!(said.json()["error"].as_str().is_some_and(|text| text.contains("no firmware")));
}

#[test]
fn what_is_mistyped_is_named() {
    kvctl(&["fw"]).refused(2, "Usage");
    kvctl(&["fw", "param", "tunning"]).refused(2, "there are tuning, watchdog-ms");
    kvctl(&["fw", "param", "tuning", "x"]).refused(2, "invalid value");
    kvctl(&["fw", "update", "/nowhere/fw.elf"]).refused(1, "/nowhere/fw.elf: ");
    kvctl(&["fw", "update", "/proc/self/exe"]).refused(1, "firmware");
    kvctl(&["fw", "update", "/dev/zero"]).refused(1, "/dev/zero: more than");
    kvctl(&["fw", "update", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]).refused(1, "kvcpu-fw.elf");
}

#[test]
fn status_and_log_tell_of_a_boot() {
    let status = kvctl(&[&FW[..], &["--json", "fw", "status"]].concat()).good().json();
    assert_eq!(status["command"], "fw_status");
    assert_eq!((&status["state"], &status["alive"], &status["trial"]), (&json!("Runs"), &json!(true), &json!(false)));
    assert_eq!((&status["self_test"]["image"], &status["self_test"]["march"]), (&json!("Passed"), &json!("Passed")));
    assert_eq!((&status["reset_cause"], &status["bites"]), (&json!("PowerUp"), &json!(0)));
    let text = kvctl(&[&FW[..], &["fw", "status"]].concat()).good().out;
    assert!(text.contains("beats") && text.contains("°C"), "{text}");
    let said = lines("fw status\nfw log\n");
    let names: Vec<_> = said[1]["entries"].as_array().expect("array").iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names[..2], [&json!("Boot"), &json!("SelfTest")]);
}

#[test]
fn parameters_are_shown_and_set() {
    let said = lines("fw param\nfw param throttle-celsius 65\nfw param throttle-celsius\n");
    assert_eq!(said[0]["parameters"].as_array().map(Vec::len), Some(6));
    for said in &said[1..] {
        let expected = json!([{ "name": "throttle-celsius", "value": 65, "least": 40, "most": 85 }]);
        assert_eq!(said["parameters"], expected);
    }
    kvctl(&[&FW[..], &["fw", "param", "throttle-celsius", "99"]].concat()).refused(1, "40 to 85");
}

#[test]
fn the_self_test_copies_a_block_while_the_device_is_off() {
    let said = lines("fw selftest\nfw log\n");
    for part in ["image", "march", "dma", "crc"] {
        assert_eq!(said[0]["self_test"][part], "Passed", "{part}");
    }
    session(&FW, "insert 1\nfw selftest\n").refused(1, "not enabled");
    // And the device is as it was.
    session(&FW, "fw selftest\ninsert 1\nlookup 1\n").good();
}

#[test]
fn an_update_runs_from_the_other_bank_and_keeps_the_device_going() {
    let said =
        lines(&format!("insert 1\nfw update {ELF}\nlookup 1\nfw status\nfw update {ELF}\nfw status\nfw restart\n"));
    assert_eq!((&said[1]["command"], &said[1]["bank"]), (&json!("fw_update"), &json!(1)));
    assert_eq!(said[2]["result"], "placed");
    let status = |n: usize| (said[n]["bank"].clone(), said[n]["trial"].clone(), said[n]["bites"].clone());
    assert_eq!(status(3), (json!(1), json!(false), json!(0)));
    // The device is enabled, so the march is left out.
    assert_eq!(said[3]["self_test"]["march"], "LeftOut");
    assert_eq!(status(5), (json!(0), json!(false), json!(0)));
    assert_eq!((&said[6]["command"], &said[6]["reset_cause"]), (&json!("fw_restart"), &json!("Asked")));
}

/// Firmware that tests, tunes and shows itself all the while disturbs none of the device's own tests.
#[test]
fn the_devices_selftest_passes_beside_the_firmware() {
    let said = kvctl(&[FW[0], FW[1], "--json", "selftest", "--quick"]).good().json();
    let count = |what: &str| said[what].as_u64().unwrap_or_else(|| panic!("no number {what}: {said}"));
    assert!(count("passed") > 25, "{said}");
    assert_eq!(count("failed"), 0, "{said}");
}

/// The march of so large a directory takes the firmware seconds, and has it to itself.
#[test]
fn one_test_alone_waits_for_the_firmwares_march() {
    let args = [FW[0], FW[1], "selftest", "--quick", "--only", "march"];
    let said = kvctl_at("full", &args).good().out;
    assert!(said.contains("1 passed, 0 failed"), "{said}");
}

#[test]
fn firmware_is_served_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("kv.sock");
    let args = [FW[0], FW[1], "serve", "--clients", "1", "--socket", socket.to_str().expect("text")];
    let mut server = command(&args).stdout(Stdio::piped()).spawn().expect("it runs");
    // It says where the device is once it is there.
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let device = format!("vfio-user:{}", socket.display());
    let said = session(&["--json", "--device", &device], "fw selftest\ninsert 1\nfw log\n")
        .good()
        .lines();
    assert_eq!(said[0]["self_test"]["dma"], "Passed");
    assert!(server.wait().expect("it ends").success());
}
