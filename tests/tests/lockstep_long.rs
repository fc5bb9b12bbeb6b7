//! Emulator and RTL side by side at the test geometry, for a hundred thousand commands in all: long batches by a ring, and everything
//! compared after each 2,500 operations. The streams of `lockstep.rs` are short, and compare often.

use kvcpu_driver::sqe;
use kvcpu_mmio::Geometry;
use kvcpu_tests::lockstep::{Lockstep, Stream};
use kvcpu_tests::rig::Path;
use kvcpu_tests::stream::{Op, Scenario};

/// Operations between two comparisons.
const BETWEEN: usize = 2_500;
/// Commands of a batch.
const BATCH: usize = 24;

fn run(scenario: &Scenario, ops: &[Op], seed: u64) -> Result<(u64, u64), String> {
    let mut both = Lockstep::new(scenario, Stream::timing(seed))?;
    for op in ops {
        both.play(op)?;
    }
    both.end()?;
    Ok((both.commands, both.clocks()))
}

/// Streams of the kind, from seed `first` on, until so many commands have been compared.
fn agree(kind: Stream, first: u64, least: u64) {
    let (mut commands, mut clocks) = (0, 0);
    for seed in first.. {
        let (mut scenario, mut ops) = kind.make(seed, BETWEEN, Geometry::TEST);
        (scenario.path, scenario.batch, scenario.doorbell) = (Path::Ring, BATCH, BATCH);
        (scenario.config.queue.sq_log2, scenario.config.queue.cq_log2) = (6, 6);
        for (number, op) in ops.iter_mut().enumerate() {
            match op {
                _ if number % BETWEEN == BETWEEN - 1 => *op = Op::Compare,
                Op::Compare => *op = Op::Command(sqe::fence()),
                _ => {}
            }
        }
        let (new, now) =
            run(&scenario, &ops, seed).unwrap_or_else(|difference| panic!("{kind} seed {seed}: {difference}"));
        (commands, clocks) = (commands + new, clocks + now);
        println!("seed {seed}: {commands} commands of {kind} compared in {clocks} clocks");
        if commands >= least {
            break;
        }
    }
}

// Of like length, so that they fill as many cores as there are.

#[test]
fn bytes_at_test_geometry() {
    agree(Stream::Bytes, 200, 9_800);
}

#[test]
fn histories_at_test_geometry() {
    agree(Stream::History, 400, 19_800);
}

#[test]
fn histories_2_at_test_geometry() {
    agree(Stream::History, 408, 17_300);
}

#[test]
fn histories_3_at_test_geometry() {
    agree(Stream::History, 500, 19_800);
}

#[test]
fn histories_4_at_test_geometry() {
    agree(Stream::History, 508, 17_300);
}

#[test]
fn metadata_at_test_geometry() {
    agree(Stream::Metadata, 100, 14_700);
}

#[test]
fn t3_at_test_geometry() {
    agree(Stream::T3, 300, 2_400);
}
