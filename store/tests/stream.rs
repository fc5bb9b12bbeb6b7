//! Random streams of operations against a plain map, several outstanding at a time, with the file
//! closed and opened again in between.

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::{content, drain, key, memory, seed};
use kvcpu_store::{BlockStore, Key, MemStore, StoreError, T3File, T3Options};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

const SLOTS: u32 = 8;

#[derive(Clone, Debug)]
enum Step {
    Store {
        slot: u32,
        tag: u64,
    },
    /// `guess` decides which key is asked for: usually the one that is there.
    Fetch {
        slot: u32,
        guess: u64,
    },
    Drop {
        slot: u32,
    },
    /// Wait for everything and compare.
    Settle,
    /// Close the file and open it again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..SLOTS, 0..1000_u64).prop_map(|(slot, tag)| Step::Store { slot, tag }),
        6 => (0..SLOTS, 0..8_u64).prop_map(|(slot, guess)| Step::Fetch { slot, guess }),
        2 => (0..SLOTS).prop_map(|slot| Step::Drop { slot }),
        2 => Just(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

/// What a fetch must say, decided when it is submitted.
#[derive(Debug)]
enum Expected {
    Block(Key),
    Empty,
    WrongKey(Key),
    Changed,
}

fn run(
    tier: &mut Box<dyn BlockStore>,
    steps: &[Step],
    mut reopen: impl FnMut(&mut Box<dyn BlockStore>, &HashMap<u32, Key>),
) {
    let bytes = tier.block_bytes();
    let places = steps.len();
    let (arena, handle) = memory(bytes * places.max(1));
    let mut model: HashMap<u32, Key> = HashMap::new();
    let mut expected: HashMap<u64, Expected> = HashMap::new();
    for (place, step) in steps.iter().chain([&Step::Settle]).enumerate() {
        let (id, offset) = (place as u64, place * bytes);
        match *step {
            Step::Store { slot, tag } => {
                let block = content(key(tag), bytes);
                arena.write(offset, &block);
                tier.submit_store(id, slot, key(tag), &handle, offset, crc32c::crc32c(&block))
                    .expect("room");
                model.insert(slot, key(tag));
                expected.insert(id, Expected::Changed);
            }
            Step::Fetch { slot, guess } => {
                let there = model.get(&slot).copied();
                let asked = there.filter(|_| guess > 0).unwrap_or(key(5000));
                tier.submit_fetch(id, slot, asked, &handle, offset).expect("room");
                expected.insert(
                    id,
                    match there {
                        None => Expected::Empty,
                        Some(there) if there == asked => Expected::Block(there),
                        Some(there) => Expected::WrongKey(there),
                    },
                );
            }
            Step::Drop { slot } => {
                tier.drop_slot(id, slot).expect("room");
                model.remove(&slot);
                expected.insert(id, Expected::Changed);
            }
            Step::Settle | Step::Reopen => {
                for done in drain(tier) {
                    let bytes_now = arena.read(done.id as usize * bytes, bytes);
                    match (expected.remove(&done.id), done.result) {
                        (Some(Expected::Changed), Ok(_)) => {}
                        (Some(Expected::Block(key)), Ok(_)) => assert!(bytes_now == content(key, bytes), "{key}"),
                        (Some(Expected::Empty), Err(StoreError::Empty { .. })) => {}
                        (Some(Expected::WrongKey(key)), Err(StoreError::WrongKey { found, .. })) if found == key => {}
                        (expected, result) => panic!("step {}: expected {expected:?}, got {result:?}", done.id),
                    }
                }
                assert!(expected.is_empty(), "never answered: {expected:?}");
                if matches!(step, Step::Reopen) {
                    reopen(tier, &model);
                }
            }
        }
    }
}

fn reopen_file(path: &Path, tier: &mut Box<dyn BlockStore>, model: &HashMap<u32, Key>) {
    // The lock goes with the old handle, so that has to go first.
    *tier = Box::new(MemStore::new(64, 1).expect("a stand-in"));
    let (file, recovery) = T3File::open(path).expect("a good file");
    let found: HashMap<u32, Key> = recovery.whole.iter().map(|block| (block.slot, block.key)).collect();
    assert_eq!(&found, model);
    assert_eq!((recovery.torn.len(), recovery.missing), (0, 0));
    assert_eq!(recovery.empty as usize, SLOTS as usize - model.len());
    *tier = Box::new(file);
}

fn streams(name: &str, cases: u32, body: impl Fn(Vec<Step>, usize, u32)) {
    let rng_seed = RngSeed::Fixed(seed("stream", name));
    let config = ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() };
    let sizes = prop::sample::select(vec![64_usize, 4096, 5000, 12_288]);
    let strategy = (prop::collection::vec(step(), 0..120), sizes, 1..=64_u32);
    TestRunner::new(config)
        .run(&strategy, |(steps, block_bytes, depth)| {
            body(steps, block_bytes, depth);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn random_streams_agree_with_a_map_in_a_file() {
    streams("random_streams_agree_with_a_map_in_a_file", 48, |steps, block_bytes, depth| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t3");
        let options = T3Options { depth, ..T3Options::default() };
        let mut tier: Box<dyn BlockStore> =
            Box::new(T3File::create_with(&path, block_bytes, SLOTS, &options).expect("a file"));
        run(&mut tier, &steps, |tier, model| reopen_file(&path, tier, model));
    });
}

#[test]
fn random_streams_agree_with_a_map_in_memory() {
    streams("random_streams_agree_with_a_map_in_memory", 64, |steps, block_bytes, _| {
        let mut tier: Box<dyn BlockStore> = Box::new(MemStore::new(block_bytes, SLOTS).expect("a store"));
        run(&mut tier, &steps, |_, _| {});
    });
}
