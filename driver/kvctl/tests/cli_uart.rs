//! kvctl at a serial port: the simulated board behind a pseudo-terminal. `docs/uart.md`.
#![cfg(feature = "rtl")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod cli_common;

use cli_common::{Said, kvctl, session};
use kvcpu_driver::mmio::queue::{Key, Status};
use kvcpu_driver::mmio::regs::{control, dma};
use kvcpu_driver::uart::Uart;
use kvcpu_driver::{Commands, Config, Device, Insert, TierConfig, sqe};
use kvcpu_mmio::{Backing, BackingError, Bar, Geometry};
use kvcpu_sim::uart::{Board, Port};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Rows that need what a serial line does not have, and why in the words of their reason.
const NOT_AVAILABLE: [(&str, &str); 17] = [
    ("csr-unaligned", "whole words only"),
    ("csr-msix", "PCIe endpoint"),
    ("dma-t0", "DMA memory"),
    ("dma-t1", "DMA memory"),
    ("dma-t2", "DMA memory"),
    ("moves", "DMA memory"),
    ("t3", "DMA memory"),
    ("rings", "DMA memory"),
    ("ring-full", "DMA memory"),
    ("interrupt-force", "interrupts"),
    ("interrupt-mask", "interrupts"),
    ("interrupt-completion", "interrupts"),
    ("fault-bus-master", "DMA memory"),
    ("fault-unmapped", "DMA memory"),
    ("fault-doorbell", "DMA memory"),
    ("fault-halt", "DMA memory"),
    ("reset", "DMA memory"),
];

fn board() -> (Port, String) {
    let port = Port::open(Board::new(1).unwrap()).unwrap();
    let device = format!("uart:{}@1000000", port.path().display());
    (port, device)
}

#[test]
fn the_selftest_passes_and_says_what_it_could_not_test() {
    let (port, device) = board();
    let report = kvctl(&["--device", &device, "selftest", "--quick", "--json"]).good().json();
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() > 30, "{report}");
    for row in rows {
        let name = row["name"].as_str().unwrap();
        match NOT_AVAILABLE.iter().find(|(of, _)| *of == name) {
            Some((_, why)) => {
                assert_eq!(row["result"], "not_available", "{row}");
                assert!(row["reason"].as_str().unwrap().contains(why), "{row}");
            }
            None => assert_eq!(row["result"], "pass", "{row}"),
        }
    }
    assert_eq!(report["not_available"], NOT_AVAILABLE.len(), "{report}");
    port.close().unwrap();
}

#[test]
fn registers_are_read_and_written() {
    let (port, device) = board();
    let read = |name: &str| kvctl(&["--device", &device, "regs", "read", name, "--json"]).good().json();
    assert_eq!(read("CAP_RTBD.ENTRIES_LOG2")["registers"][0]["value"], Geometry::SMALL.entries_log2);
    kvctl(&["--device", &device, "regs", "write", "SCRATCH", "0x12345678"]).good();
    assert_eq!(read("SCRATCH")["registers"][0]["value"], 0x1234_5678);
    kvctl(&["--device", &device, "regs", "write", "TIER_BASE@2", "0x123456789000"]).good();
    assert_eq!(read("TIER_BASE@2")["registers"][0]["value"], 0x1234_5678_9000u64);
    let dump = kvctl(&["--device", &device, "regs", "dump", "--json"]).good().json();
    let names: Vec<&str> = dump["registers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"SVC_CTRL") && !names.contains(&"MSIX_CONTROL"), "{names:?}");
    kvctl(&["--device", &device, "hot", "1:2:3"]).refused(1, "give the tier fewer frames");
    kvctl(&["--device", &device, "--trace", "x.vcd", "telemetry"]).refused(1, "--device rtl");
    port.close().unwrap();
}

#[test]
fn commands_are_done_by_polling_and_what_needs_host_memory_fails_at_once() {
    let (port, _) = board();
    let device = Device::probe(Arc::new(Uart::open(port.path(), 1_000_000).unwrap())).unwrap();
    let tier = TierConfig::blocks(8);
    let tiers = [TierConfig::OFF, tier, TierConfig::OFF, TierConfig::OFF];
    let deadline = Duration::from_secs(60);
    device
        .configure(Config { block_shift: 12, tiers, deadline, ..Config::default() })
        .unwrap();
    let key = Key { tenant: 1, request: 2, tag: 3 };
    let mut commands = device.single_shot();
    commands.insert(&Insert::new(key, 1)).unwrap();
    assert!(commands.lookup(key).unwrap().placed().is_some());
    let copied = commands.perform(sqe::copy_out(key, 0x1000, device.block_bytes()));
    assert_eq!(copied.unwrap_err().status(), Some(Status::DmaFault));
    assert_eq!(device.read(&dma::DMA_ERR).unwrap(), dma::DMA_ERR::BUS_MASTER_OFF.mask());
    assert!(commands.lookup(key).unwrap().placed().is_some(), "it goes on");
    assert!(matches!(device.backing().dma_alloc(1), Err(BackingError::Unsupported(_))));
    drop(commands);
    drop(device);
    port.close().unwrap();
}

#[test]
fn a_shell_works_on_card_memory_alone() {
    let (port, device) = board();
    let config = "config --block-shift 12 --t0 0 --t1 8 --t2 0 --t3 0\n";
    let commands = "insert 1:2:3 --tier 1\nlookup 1:2:3\nstep 2\ntelemetry\n";
    let said = session(&["--device", &device, "--single-shot", "--json"], &format!("{config}{commands}"))
        .good()
        .lines();
    assert_eq!(said.len(), 5, "{said:?}");
    assert_eq!(said[2]["placement"]["tier"], 1, "{said:?}");
    let refused = session(&["--device", &device, "--single-shot"], &format!("{config}config --t2 8\n"));
    refused.refused(1, "does not offer DMA memory");
    port.close().unwrap();
}

#[test]
fn a_board_that_is_unplugged_is_told() {
    let (port, device) = board();
    let child = Command::new(env!("CARGO_BIN_EXE_kvctl"))
        .args(["--device", &device, "selftest", "--quick", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Long enough to have begun, far too short for it to be done.
    std::thread::sleep(Duration::from_millis(1500));
    port.close().unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, 1, "{}", said.err);
    let report = said.json();
    assert!(report["failed"].as_u64().unwrap() > 0, "{report}");
    let text = report.to_string();
    assert!(text.contains("was unplugged") && text.contains("plug it in"), "{text}");
}

#[test]
fn one_program_at_a_time_and_no_other_files() {
    let (port, device) = board();
    let uart = Uart::open(port.path(), 1_000_000).unwrap();
    assert_eq!(uart.read32(Bar::Regs, control::MAGIC.offset), Ok(control::MAGIC_VALUE));
    kvctl(&["--device", &device, "telemetry"]).refused(1, "in use by another program");
    drop(uart);
    kvctl(&["--device", &device, "regs", "read", "MAGIC"]).good();
    port.close().unwrap();
    kvctl(&["--device", &device, "telemetry"]).refused(1, "plug the board's USB in");
    kvctl(&["--device", "uart:/dev/null", "telemetry"]).refused(1, "is no serial port");
    kvctl(&["--device", "uart:", "telemetry"]).refused(2, "there is no such device");
    kvctl(&["--device", "uart:/dev/ttyUSB0@fast", "telemetry"]).refused(2, "is no serial port; write");
}
