//! Races between doorbells: four queues with little space for completions and the single-shot path, rung in random
//! order. The device executes in the order that docs/queue.md says.

use std::sync::Arc;

use kvcpu_driver::{Device, Insert, TierConfig, sqe};
use kvcpu_mmio::queue::{Key, Sqe};
use kvcpu_mmio::regs::counter;
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_tests::check;
use kvcpu_tests::model::doorbells::{Doorbells, SINGLE_SHOT};
use kvcpu_tests::raw::{self, BlockedOn, RawQueue, blocked_on};
use kvcpu_tests::rig::text;
use kvcpu_tests::setup::tiers;
use rand::Rng;

/// What the host does next.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Writes so many entries, or as many as fit, and rings.
    Submit(usize, u32),
    /// Rings again for nothing new.
    Ring(usize),
    /// Takes so many completions, or as many as are there.
    Take(usize, u32),
    /// Starts a single-shot command, if none is under way.
    SingleShot,
}

type Sizes = [(u32, u32); 4];

fn scenario(seed: u64) -> (Sizes, Vec<Act>) {
    let mut rng = check::rng(30, seed);
    let sizes = std::array::from_fn(|_| (rng.random_range(1..=4), rng.random_range(1..=3)));
    // Some streams let much pile up, some keep the rings empty.
    let takes = rng.random_range(5..60);
    let acts = (0..300).map(|_| {
        let qid = rng.random_range(0..4);
        match rng.random_range(0..100) {
            n if n < takes => Act::Take(qid, rng.random_range(1..6)),
            60..92 => Act::Submit(qid, rng.random_range(1..4)),
            92..97 => Act::SingleShot,
            _ => Act::Ring(qid),
        }
    });
    (sizes, acts.collect())
}

/// Inserts get ascending frames: they tell the order of execution.
fn insert(tag: u64) -> Sqe {
    sqe::insert(&Insert::new(Key { tenant: 1, request: 1, tag }, 1))
}

fn run(sizes: &Sizes, acts: &[Act]) -> Result<(), String> {
    let emulator = kvcpu_emulator::Emulator::new(Geometry::TEST).map_err(|error| error.to_string())?;
    let device = Device::probe(Arc::new(emulator)).map_err(text)?;
    let mut config = tiers([0, 1, 0, 0]);
    config.tiers[1] = TierConfig::blocks(900);
    device.configure(config).map_err(text)?;
    let mut doorbells = Doorbells::new(*sizes);
    let mut queues: Vec<_> = (0..).zip(sizes).map(|(qid, (sq, cq))| RawQueue::new(&device, qid, *sq, *cq, 0)).collect();
    let (mut tag, mut frames) = (0, Vec::new());
    for act in acts {
        match *act {
            Act::Submit(qid, count) => {
                for _ in 0..count.min(queues[qid].room()) {
                    queues[qid].push(insert(tag));
                    doorbells.write(qid, tag);
                    tag += 1;
                }
                queues[qid].ring();
                doorbells.ring(qid);
            }
            Act::Ring(qid) => {
                queues[qid].ring();
                doorbells.ring(qid);
            }
            Act::Take(qid, count) => {
                let count = count.min(doorbells.posted(qid));
                for _ in 0..count {
                    let cqe = queues[qid].pop().ok_or_else(|| format!("a completion of queue {qid} is missing"))?;
                    frames.push((qid, u64::from(cqe.frame)));
                }
                queues[qid].give_back();
                doorbells.give_back(qid, count);
            }
            Act::SingleShot if doorbells.posted(SINGLE_SHOT) == 0 && !waits(&device) => {
                raw::start(&device, insert(tag));
                doorbells.write(SINGLE_SHOT, tag);
                tag += 1;
                doorbells.ring(SINGLE_SHOT);
            }
            Act::SingleShot => {}
        }
        if doorbells.posted(SINGLE_SHOT) == 1 {
            let cqe = raw::done(&device).ok_or("the single-shot command is not done")?;
            frames.push((SINGLE_SHOT, cqe.frame.into()));
            doorbells.give_back(SINGLE_SHOT, 1);
        }
        let executed = device.read(&counter::CNT_COMMANDS).map_err(text)?;
        if executed != doorbells.executed.len() as u64 {
            return Err(format!("after {act:?}: {executed} executed, not {}", doorbells.executed.len()));
        }
        let waits_for = if doorbells.blocked() { BlockedOn::CompletionQueue } else { BlockedOn::Nothing };
        if blocked_on(&device) != waits_for as u64 {
            return Err(format!("after {act:?}: blocked on {}, not {waits_for:?}", blocked_on(&device)));
        }
    }
    // Frame n went to the n-th command executed.
    let wrong = frames.iter().find(|(qid, frame)| doorbells.executed[*frame as usize].0 != *qid);
    let place = |tag: u64| doorbells.executed.iter().position(|(_, what)| *what == tag);
    let misplaced = device
        .entries()
        .map(Result::unwrap)
        .find(|entry| place(entry.key.tag) != Some(entry.frame.into()));
    match (wrong, misplaced) {
        (None, None) => Ok(()),
        found => Err(format!("out of turn: {found:?}")),
    }
}

/// Whether a single-shot command is under way.
fn waits<B: Backing + 'static>(device: &Device<B>) -> bool {
    use kvcpu_mmio::regs::command::CMD_STATUS;
    device.read_field(&CMD_STATUS, &CMD_STATUS::BUSY).unwrap_or(1) == 1
}

#[test]
fn commands_of_all_queues_are_executed_in_their_turn() {
    check::streams(("doorbells", "commands_of_all_queues_are_executed_in_their_turn"), 300, scenario, run);
}
