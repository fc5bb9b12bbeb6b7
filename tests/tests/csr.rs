//! Register accesses that `kvctl selftest` does not make: the record of bad ones, and a storm of random ones beside
//! live blocks. Its battery (`csr-*` in docs/selftest.md) covers resets, masks, gaps, halves, locks and clears.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::sync::Arc;

use kvcpu_driver::{Commands, Device, Insert, TierConfig};
use kvcpu_mmio::regs::{command, control, counter, luf, queue, rtbd, rtbd_entry, service, tier};
use kvcpu_mmio::{Backing, Bar, map};
use kvcpu_tests::check;
use kvcpu_tests::setup::{device, emulator, key, tiers};
use rand::Rng;

/// Every cause of docs/csr.md, as BAD_ACCESS_ADDR tells it.
#[test]
fn a_bad_access_is_recorded_with_place_direction_and_cause() {
    let (device, _) = device(emulator(), tiers([0, 4, 0, 0]));
    let bar = device.backing().clone();
    let entries = device.geometry().entries() * 32;
    type Act = fn(&dyn Backing, Bar, u32);
    let read: Act = |bar, at, offset| assert_eq!(bar.read32(at, offset), Ok(0));
    let read64: Act = |bar, at, offset| assert_eq!(bar.read64(at, offset), Ok(0));
    let write: Act = |bar, at, offset| bar.write32(at, offset, u32::MAX).unwrap();
    let cases = [
        (read, Bar::Regs, 2, 0, 1),
        (write, Bar::Regs, control::SCRATCH.offset + 1, 1, 1),
        (read64, Bar::Regs, control::SCRATCH.offset, 0, 1),
        (read, Bar::Regs, 0x2000, 0, 3),
        (write, Bar::Regs, 0x7FFC, 1, 3),
        (read, Bar::Rtbd, entries, 0, 3),
        (read, Bar::Msix, 0x100, 0, 3),
        (write, Bar::Regs, control::MAGIC.offset, 1, 4),
        (write, Bar::Regs, counter::CNT_COMMANDS.offset, 1, 4),
        (write, Bar::Regs, luf::AGENT_ACK.offset, 1, 4),
        (write, Bar::Regs, tier::TIER_FRAMES.at(1), 1, 5),
        (write, Bar::Rtbd, rtbd_entry::ENTRY_ACCESS.offset, 1, 5),
    ];
    for (number, (act, at, offset, is_write, cause)) in cases.into_iter().enumerate() {
        act(&*bar, at, offset);
        let record = device.read(&control::BAD_ACCESS_ADDR).unwrap();
        let field = |field: &kvcpu_mmio::Field| field.get(record);
        let found = (
            field(&control::BAD_ACCESS_ADDR::OFFSET),
            field(&control::BAD_ACCESS_ADDR::BAR),
            field(&control::BAD_ACCESS_ADDR::WRITE),
            field(&control::BAD_ACCESS_ADDR::CAUSE),
        );
        assert_eq!(found, (offset.into(), at.index().into(), is_write, cause), "case {number}");
        assert_eq!(device.read(&control::BAD_ACCESS_COUNT).unwrap(), 1, "case {number}");
    }
    assert_eq!(device.read_field(&control::ERR_STATUS, &control::ERR_STATUS::BAD_ACCESS).unwrap(), 1);
}

/// Whether a random write there would take the device away, or let it write to memory.
fn disturbs(bar: Bar, offset: u32) -> bool {
    let Some(at) = map::by_offset(bar, offset & !3) else { return false };
    let names = [
        &control::CTRL,
        &command::CMD_GO,
        &queue::SQ_DOORBELL,
        &queue::CQ_DOORBELL,
        &queue::Q_CTRL,
        &service::SVC_ABORT,
    ];
    names.iter().any(|register| register.name == at.register.name)
}

/// Random reads and writes anywhere, whole and broken: nothing hangs, and the blocks and their frames stay.
fn storm<B: Backing + 'static>(device: &Device<B>, seed: u64) {
    let mut rng = check::rng(10, seed);
    let mut commands = device.single_shot();
    for tag in 0..40 {
        commands.insert(&Insert::new(key(tag), 1)).unwrap();
    }
    let picture = |device: &Device<B>| -> Vec<_> { device.entries().map(Result::unwrap).collect() };
    let before = picture(device);
    let bar = device.backing();
    for _ in 0..20_000 {
        let (at, size) = [(Bar::Regs, 0x1_0100), (Bar::Rtbd, 0x8000), (Bar::Msix, 0x1100)][rng.random_range(0..3)];
        let mut offset = rng.random_range(0..size);
        if rng.random_bool(0.8) {
            offset &= !3;
        }
        // An 8-byte access reaches the word after as well.
        if disturbs(at, offset) || disturbs(at, offset + 4) {
            continue;
        }
        match rng.random_range(0..4) {
            0 => drop(bar.read32(at, offset)),
            1 => drop(bar.read64(at, offset)),
            2 => drop(bar.write32(at, offset, rng.random())),
            _ => drop(bar.write64(at, offset, rng.random())),
        }
    }
    assert_eq!(picture(device), before, "{}", check::replay("csr", "a_storm_of_accesses_disturbs_no_block", seed));
    for tag in 0..40 {
        assert!(commands.lookup(key(tag)).unwrap().placed().is_some());
    }
}

#[test]
fn a_storm_of_accesses_disturbs_no_block() {
    for seed in check::seeds(20) {
        let device = Device::probe(Arc::new(emulator())).unwrap();
        let config = tiers([0, 64, 0, 0]);
        let tiers = [TierConfig::OFF, TierConfig::blocks(64), TierConfig::OFF, TierConfig::OFF];
        device.configure(kvcpu_driver::Config { tiers, ..config }).unwrap();
        storm(&device, seed);
    }
}

/// Fields that depend on each other inside a device, state and OUT among them, must not in the window: a march with one
/// background does not see it.
#[test]
fn maintenance_mode_reads_back_any_words() {
    let emulator = emulator();
    let mut rng = check::rng(41, 1);
    emulator
        .write32(Bar::Regs, rtbd::RTBD_CTRL.offset, rtbd::RTBD_CTRL::MAINT.mask() as u32)
        .unwrap();
    for _ in 0..200 {
        let entry = rng.random_range(0..32) * 32;
        let words: [u32; 8] = std::array::from_fn(|_| rng.random::<u32>() & rng.random::<u32>());
        for (at, word) in (entry..).step_by(4).zip(words) {
            emulator.write32(Bar::Rtbd, at, word).unwrap();
        }
        let found: [u32; 8] = std::array::from_fn(|n| emulator.read32(Bar::Rtbd, entry + 4 * n as u32).unwrap());
        assert_eq!(found, words);
    }
}
