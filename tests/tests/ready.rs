//! Decisions that were made ready before the INSERT that asks for them (docs/rtl/frames.md), and steps before CMD_GO (docs/rtl/csr.md): the RTL
//! ends where the emulator does.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use kvcpu_driver::{Commands, Config, Device, Entry, Insert, QueueConfig, TierConfig, Weights, sqe};
use kvcpu_mmio::queue::Key;
use kvcpu_mmio::regs::{command, control};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_sim::{Rtl, RtlOptions, top};
use kvcpu_tests::rig::content;
use kvcpu_tests::setup::{device, emulator_of, key, tiers};
use kvcpu_tests::step::clocks_to_the_first_score;
use kvcpu_tests::t3::T3;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

const BYTES: usize = 256;
/// What the slots of T3 hold.
type Slots = BTreeMap<u32, (Key, Vec<u8>)>;
/// Clocks in which a device without work has made its next decision ready.
const PAUSE: u64 = 20_000;

fn rtl(options: RtlOptions) -> Rtl {
    Rtl::new(top(Geometry::SMALL).unwrap(), Geometry::SMALL, options).unwrap()
}

/// The simulation takes real time that the device would not.
fn patient(config: Config) -> Config {
    Config { deadline: Duration::from_secs(120), ..config }
}

fn in_flight<B: Backing>(device: &Device<B>) -> u64 {
    device.read_field(&control::STATUS, &control::STATUS::MOVES_IN_FLIGHT).unwrap()
}

/// Lets the device come to rest.
fn pause<B: Backing>(device: &Device<B>) {
    for _ in 0..20 {
        device.backing().advance(PAUSE / 20).unwrap();
    }
}

fn entries<B: Backing>(device: &Device<B>) -> Vec<Entry> {
    device.entries().map(Result::unwrap).collect()
}

/// A block comes back from T3, where it was not stored, while the next decision is ready; then INSERT has to make room.
fn after_a_failure<B: Backing + 'static>(device: &Device<B>, t3: &T3, came_back: u64) -> (Vec<Entry>, Slots) {
    let mut commands = device.single_shot();
    let buffer = device.dma_alloc(BYTES).unwrap();
    let mut insert = |tag: u64| {
        commands.insert(&Insert::new(key(tag), 2)).unwrap();
        for (word, bytes) in buffer.words().iter().zip(content(key(tag), 0, BYTES).chunks_exact(8)) {
            word.store(u64::from_le_bytes(bytes.try_into().unwrap()), Ordering::Relaxed);
        }
        commands.copy_in(key(tag), &buffer, 0).unwrap();
    };
    (1..=4).for_each(&mut insert);
    device.single_shot().step_advance(1).unwrap();
    t3.held.store(true, Ordering::SeqCst);
    device.single_shot().evict(key(came_back).into()).unwrap();
    insert(5);
    pause(device);
    t3.failing.store(true, Ordering::SeqCst);
    t3.held.store(false, Ordering::SeqCst);
    while in_flight(device) != 0 {
        device.service().unwrap();
        device.backing().advance(1_000).unwrap();
    }
    t3.failing.store(false, Ordering::SeqCst);
    pause(device);
    device.single_shot().nop().unwrap();
    pause(device);
    insert(6);
    // The failure is told by the next FENCE.
    device.single_shot().fence().unwrap_err();
    (entries(device), t3.contents())
}

#[test]
fn a_block_that_came_back_goes_first_and_with_its_own_bytes() {
    let mut config = patient(tiers([0, 0, 4, 16]));
    config.tiers[2] = TierConfig { frames: 8, ..config.tiers[2] };
    // One of them is the first to go; which one is as the hash has it.
    for came_back in 1..=4 {
        let (model, t3) = device(emulator_of(Geometry::SMALL), config.clone());
        let expected = after_a_failure(&model, &t3, came_back);
        for (key, bytes) in expected.1.values() {
            assert_eq!(*bytes, content(*key, 0, BYTES));
        }
        let (rtl, t3) = device(rtl(RtlOptions::default()), config.clone());
        assert_eq!(after_a_failure(&rtl, &t3, came_back), expected, "block {came_back}");
    }
}

/// All but one place of a DMA channel is taken when the decision is made ready.
fn behind_fifteen_moves<B: Backing + 'static>(device: &Device<B>) -> Vec<Entry> {
    const LIMIT: u64 = 20;
    let mut commands = device.single_shot();
    for tag in 0..LIMIT {
        commands.insert(&Insert::new(key(tag), 1)).unwrap();
    }
    commands.step_advance(1).unwrap();
    for tag in 0..15 {
        commands.evict(key(tag).into()).unwrap();
    }
    for tag in 100..115 {
        commands.insert(&Insert::new(key(tag), 1)).unwrap();
    }
    // Its sweep fills the lists again.
    commands.step_advance(2).unwrap();
    pause(device);
    commands.insert(&Insert::new(key(115), 1)).unwrap();
    commands.fence().unwrap();
    assert_eq!(in_flight(device), 0);
    entries(device)
}

#[test]
fn the_last_place_of_a_channel_is_enough_for_the_decision_that_took_it() {
    let mut config = patient(tiers([0, 20, 40, 0]));
    config.tiers[1] = TierConfig { frames: 40, ..config.tiers[1] };
    let (model, _) = device(emulator_of(Geometry::SMALL), config.clone());
    let expected = behind_fifteen_moves(&model);
    // So slow that no move ends before the last is begun.
    let slow = RtlOptions { host_latency: 100_000..=100_000, ..RtlOptions::default() };
    let (rtl, _) = device(rtl(slow), config);
    assert_eq!(behind_fifteen_moves(&rtl), expected);
}

/// Lets the device do what it does when no command waits.
fn rest<B: Backing>(device: &Device<B>) {
    for _ in 0..4 {
        device.backing().advance(1_000).unwrap();
    }
}

/// Writes CMD_SQE.
fn write_step<B: Backing + 'static>(device: &Device<B>, step: u32) {
    for (half, word) in (0..).step_by(2).zip(sqe::step_advance(step).to_words()) {
        device.write_at(&command::CMD_SQE, 0, half, word & u64::from(u32::MAX)).unwrap();
        device.write_at(&command::CMD_SQE, 0, half + 1, word >> 32).unwrap();
    }
}

/// Writes CMD_GO; the entries as they are when that has been answered, and the status when the command is done.
fn go<B: Backing + 'static>(device: &Device<B>) -> (Vec<Entry>, u64) {
    device.write(&command::CMD_GO, 1).unwrap();
    let at_once = entries(device);
    while device.read_field(&command::CMD_STATUS, &command::CMD_STATUS::BUSY).unwrap() != 0 {
        device.backing().advance(1_000).unwrap();
    }
    (at_once, device.read_at(&command::CMD_CQE, 0, 3).unwrap())
}

/// Weights that make the score of an entry another one.
fn other_weights(number: u8) -> Weights {
    Weights { wr: 3 + number, wf: 1, ws: 2, wd: 100 + number }
}

/// What the entries were after each step, and how it ended. The second, which is ready, must be seen at once.
fn steps<B: Backing + 'static>(device: &Device<B>) -> Vec<(Vec<Entry>, u64)> {
    let mut queue = device.queue_pair_with(1, QueueConfig::default()).unwrap();
    let mut inserts = 0;
    let mut touch_and_insert = |device: &Device<B>| {
        inserts += 1;
        queue
            .run(&[sqe::insert(&Insert::new(key(100 + inserts), 1)), sqe::touch(key(3), None)], &mut Vec::new())
            .unwrap();
        rest(device);
    };
    let mut ends = Vec::new();
    for tag in 0..8 {
        device.single_shot().insert(&Insert::new(key(tag), 1)).unwrap();
    }
    let mut end = |(at_once, status): (Vec<Entry>, u64), is_ready: bool| {
        let after = entries(device);
        if is_ready {
            assert_eq!(at_once, after, "the sweep was over when CMD_GO had been answered");
        }
        ends.push((after, status));
    };
    let mut step = 5;
    for round in 0..8 {
        for what in 0..8 {
            touch_and_insert(device);
            step += 1;
            write_step(device, step);
            rest(device);
            match what {
                // Registers that a sweep goes by: with the next command all is new.
                1 => device.set_weights(other_weights(round)).unwrap(),
                // Another argument, seen in time and just before.
                2 | 3 => {
                    step += 3;
                    device.write_at(&command::CMD_SQE, 0, 10, u64::from(step)).unwrap();
                    if what == 2 {
                        rest(device);
                    }
                }
                // A command between.
                4 => touch_and_insert(device),
                // A step back.
                5 => device.write_at(&command::CMD_SQE, 0, 10, 0).unwrap(),
                // A register that matters to nobody.
                6 => {
                    device.write(&control::SCRATCH, 1).unwrap();
                    rest(device);
                }
                // No step at all, where one was ready.
                7 => device.write_at(&command::CMD_SQE, 0, 0, 0).unwrap(),
                _ => {}
            }
            end(go(device), [0, 2, 6].contains(&what));
        }
    }
    ends
}

#[test]
fn a_step_that_is_ready_begins_with_cmd_go_and_ends_as_any_other() {
    let mut config = patient(tiers([0, 8, 0, 0]));
    config.tiers[2] = TierConfig { frames: 24, ..TierConfig::blocks(12) };
    let (model, _) = device(emulator_of(Geometry::SMALL), config.clone());
    let expected = steps(&model);
    for seed in 0..2 {
        let (rtl, _) = device(rtl(RtlOptions { seed, clocks_per_access: 0, ..RtlOptions::default() }), config.clone());
        let found = steps(&rtl);
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "seed {seed}, step {number}");
        }
    }
}

/// Clocks to the first score, in a device that has had time to make the step ready.
fn clocks_of_a_ready_step(seed: u64, options: RtlOptions) -> u64 {
    let (device, _) = device(rtl(RtlOptions { seed, ..options }), patient(tiers([0, 32, 32, 0])));
    // Enough that the directory's first row has one; and one of them is under way.
    for tag in 0..32 {
        device.single_shot().insert(&Insert::new(key(tag), 1)).unwrap();
    }
    device.single_shot().evict(key(7).into()).unwrap();
    let mut single_shot = device.single_shot();
    let step = single_shot.prepare(sqe::step_advance(7)).unwrap();
    while in_flight(&device) != 0 {
        device.backing().advance(1_000).unwrap();
    }
    rest(&device);
    clocks_to_the_first_score(device.backing(), step)
}

#[test]
fn a_step_that_is_ready_has_its_first_score_within_eight_clocks() {
    for seed in 0..4 {
        let clocks = clocks_of_a_ready_step(seed, RtlOptions::default());
        assert!(clocks <= 8, "seed {seed}: {clocks} clocks");
    }
}

#[test]
fn a_step_prepared_behind_a_move_is_ready_when_the_move_is_done() {
    // Slow enough that the move lasts longer than the device waits before it looks for a step.
    let slow = RtlOptions { host_latency: 3_000..=3_000, ..RtlOptions::default() };
    let clocks = clocks_of_a_ready_step(1, slow);
    assert!(clocks <= 8, "{clocks} clocks");
}
