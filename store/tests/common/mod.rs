//! Shared by the tests: contents derived from keys, seeds with their replay command, and running
//! an operation to its end.
#![allow(dead_code)] // each test binary uses a part

use std::sync::Arc;
use std::time::Duration;

use kvcpu_mmio::DmaMemory;
use kvcpu_store::{BlockStore, Done, HeapMemory, Key, StoreError};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Far beyond what any storage needs; only a hang reaches it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The bytes that block `key` has, whoever stores it.
pub(crate) fn content(key: Key, block_bytes: usize) -> Vec<u8> {
    let name = key.tag ^ u64::from(key.request) << 40 ^ u64::from(key.tenant) << 56;
    let mut bytes = vec![0; block_bytes];
    ChaCha8Rng::seed_from_u64(name).fill_bytes(&mut bytes);
    bytes
}

pub(crate) fn key(tag: u64) -> Key {
    Key { tenant: 1 + (tag % 3) as u8, request: (tag % 1000) as u16, tag }
}

/// The seed of this run: KVCPU_SEED, or a new one. Printed, with the command that replays it; the
/// test harness shows that when the test fails.
pub(crate) fn seed(test: &str, name: &str) -> u64 {
    let given = std::env::var("KVCPU_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("seed {seed}; replay: KVCPU_SEED={seed} cargo test -p kvcpu-store --test {test} {name}");
    seed
}

/// Memory for one block, and the handle the store wants.
pub(crate) fn memory(bytes: usize) -> (Arc<HeapMemory>, Arc<dyn DmaMemory>) {
    let memory = HeapMemory::new(bytes);
    let handle: Arc<dyn DmaMemory> = memory.clone();
    (memory, handle)
}

/// Waits for everything outstanding.
pub(crate) fn drain(store: &mut dyn BlockStore) -> Vec<Done> {
    let mut done = Vec::new();
    while store.outstanding() > 0 {
        let count = store.wait(DEADLINE, &mut done).expect("the store answers");
        assert!(count > 0, "{} operations never ended", store.outstanding());
    }
    done
}

fn only(store: &mut dyn BlockStore) -> Result<u32, StoreError> {
    let mut done = drain(store);
    assert_eq!(done.len(), 1, "{done:?}");
    done.remove(0).result
}

/// Stores the block that belongs to `key`.
pub(crate) fn store(store: &mut dyn BlockStore, slot: u32, key: Key) -> Result<u32, StoreError> {
    let (block, handle) = memory(store.block_bytes());
    let bytes = content(key, store.block_bytes());
    block.write(0, &bytes);
    store.submit_store(1, slot, key, &handle, 0, crc32c::crc32c(&bytes))?;
    only(store)
}

/// Fetches a block; one that comes back must be the one that belongs to `key`, and one that does
/// not must leave no bytes behind.
pub(crate) fn fetch(store: &mut dyn BlockStore, slot: u32, key: Key) -> Result<u32, StoreError> {
    let (block, handle) = memory(store.block_bytes());
    store.submit_fetch(2, slot, key, &handle, 0)?;
    let result = only(store);
    let bytes = block.read(0, store.block_bytes());
    match &result {
        Ok(crc) => {
            assert_eq!(*crc, crc32c::crc32c(&bytes), "slot {slot}");
            assert!(bytes == content(key, store.block_bytes()), "slot {slot} has not the bytes of {key}");
        }
        Err(error) => assert!(bytes.iter().all(|byte| *byte == 0), "slot {slot}: bytes after {error}"),
    }
    result
}

pub(crate) fn drop_slot(store: &mut dyn BlockStore, slot: u32) -> Result<u32, StoreError> {
    store.drop_slot(3, slot)?;
    only(store)
}
