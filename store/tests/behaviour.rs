//! What every store does, in memory, in a file, direct, buffered and durable; and what only a
//! file does.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{DEADLINE, content, drain, drop_slot, fetch, key, memory, store};
use kvcpu_mmio::DmaMemory;
use kvcpu_store::{BlockStore, HeapMemory, MemStore, StoreError, T3File, T3Options};

const SLOTS: u32 = 96;

/// Runs `body` on every kind of store and block size: less than a page, a page, not whole pages,
/// several pages.
fn every_store(body: impl Fn(&mut dyn BlockStore)) {
    for block_bytes in [64, 4096, 5000, 32_768] {
        let default = T3Options::default();
        let kinds = [
            ("direct", default.clone()),
            ("buffered", T3Options { direct: false, ..default.clone() }),
            ("durable", T3Options { durable: true, ..default.clone() }),
            ("shallow", T3Options { depth: 1, ..default }),
        ];
        for (name, options) in kinds {
            println!("{name}, blocks of {block_bytes} bytes");
            let folder = tempfile::tempdir().expect("a folder");
            body(&mut T3File::create_with(folder.path().join("t3"), block_bytes, SLOTS, &options).expect("a file"));
        }
        println!("memory, blocks of {block_bytes} bytes");
        body(&mut MemStore::new(block_bytes, SLOTS).expect("a store"));
    }
}

#[test]
fn what_is_stored_is_fetched() {
    every_store(|tier| {
        let bytes = tier.block_bytes();
        let (arena, handle) = memory(bytes * SLOTS as usize);
        for slot in 0..SLOTS {
            let (offset, block) = (slot as usize * bytes, content(key(slot.into()), bytes));
            arena.write(offset, &block);
            tier.submit_store(slot.into(), slot, key(slot.into()), &handle, offset, crc32c::crc32c(&block))
                .expect("room");
        }
        let mut stored = drain(tier);
        stored.sort_by_key(|done| done.id);
        assert!(stored.iter().map(|done| done.id).eq(0..u64::from(SLOTS)));
        let (arena, handle) = memory(bytes * SLOTS as usize);
        for slot in (0..SLOTS).rev() {
            tier.submit_fetch(slot.into(), slot, key(slot.into()), &handle, slot as usize * bytes)
                .expect("room");
        }
        for done in drain(tier) {
            let block = arena.read(done.id as usize * bytes, bytes);
            assert_eq!(done.result, Ok(crc32c::crc32c(&block)));
            assert!(block == content(key(done.id), bytes), "slot {}", done.id);
        }
    });
}

#[test]
fn operations_on_one_slot_happen_in_order() {
    every_store(|tier| {
        let bytes = tier.block_bytes();
        let (first, second) = (content(key(1), bytes), content(key(2), bytes));
        let (arena, handle) = memory(4 * bytes);
        arena.write(0, &first);
        arena.write(bytes, &second);
        tier.submit_store(0, 9, key(1), &handle, 0, crc32c::crc32c(&first)).expect("room");
        tier.submit_fetch(1, 9, key(1), &handle, 2 * bytes).expect("room");
        tier.submit_store(2, 9, key(2), &handle, bytes, crc32c::crc32c(&second)).expect("room");
        tier.submit_fetch(3, 9, key(2), &handle, 3 * bytes).expect("room");
        tier.drop_slot(4, 9).expect("room");
        tier.submit_fetch(5, 9, key(2), &handle, 0).expect("room");
        let done = drain(tier);
        assert!(done.iter().map(|done| done.id).eq(0..6));
        assert!(done[..5].iter().all(|done| done.result.is_ok()), "{done:?}");
        assert!(matches!(done[5].result, Err(StoreError::Empty { slot: 9, .. })), "{done:?}");
        assert!(arena.read(2 * bytes, bytes) == first && arena.read(3 * bytes, bytes) == second);
    });
}

#[test]
fn memory_that_is_not_page_aligned_is_bounced() {
    every_store(|tier| {
        let bytes = tier.block_bytes();
        let block = content(key(5), bytes);
        let (arena, handle) = memory(2 * bytes + 16);
        arena.write(8, &block);
        tier.submit_store(0, 3, key(5), &handle, 8, crc32c::crc32c(&block)).expect("room");
        tier.submit_fetch(1, 3, key(5), &handle, bytes + 16).expect("room");
        assert!(drain(tier).iter().all(|done| done.result.is_ok()));
        assert!(arena.read(bytes + 16, bytes) == block);
        assert_eq!(arena.read(8 + bytes, 8), [0; 8], "nothing is written outside the range");
    });
}

#[test]
fn a_fetch_names_what_it_found_instead() {
    every_store(|tier| {
        assert!(
            matches!(fetch(tier, 0, key(1)), Err(StoreError::Empty { slot: 0, expected, .. }) if expected == key(1))
        );
        store(tier, 0, key(1)).expect("stored");
        let error = fetch(tier, 0, key(2)).expect_err("another block is there");
        assert!(
            matches!(error, StoreError::WrongKey { slot: 0, expected, found, .. } if expected == key(2) && found == key(1))
        );
        let text = error.to_string();
        assert!(
            text.contains("slot 0") && text.contains(&key(1).to_string()) && text.contains(&key(2).to_string()),
            "{text}"
        );
        fetch(tier, 0, key(1)).expect("the block itself is untouched");
        drop_slot(tier, 0).expect("dropped");
        assert!(matches!(fetch(tier, 0, key(1)), Err(StoreError::Empty { .. })));
        drop_slot(tier, 0).expect("dropping an empty slot is no error");
    });
}

#[test]
fn a_refused_submission_does_nothing() {
    every_store(|tier| {
        let bytes = tier.block_bytes();
        let (_, handle) = memory(2 * bytes);
        let zeroes = crc32c::crc32c(&vec![0; bytes]);
        let bad_slot = Err(StoreError::BadSlot { slot: SLOTS, slots: SLOTS });
        assert_eq!(tier.submit_store(0, SLOTS, key(0), &handle, 0, zeroes), bad_slot);
        assert_eq!(tier.submit_fetch(0, SLOTS, key(0), &handle, 0), bad_slot);
        assert_eq!(tier.drop_slot(0, SLOTS), bad_slot);
        for offset in [4, bytes + 8, usize::MAX - 7] {
            let refused = Err(StoreError::BadMemory { offset, need: bytes, len: 2 * bytes });
            assert_eq!(tier.submit_store(0, 0, key(0), &handle, offset, zeroes), refused);
            assert_eq!(tier.submit_fetch(0, 0, key(0), &handle, offset), refused);
        }
        let wrong = tier.submit_store(0, 0, key(0), &handle, 0, zeroes ^ 1);
        assert!(matches!(wrong, Err(StoreError::CrcMismatch { slot: 0, found, .. }) if found == zeroes));
        assert_eq!(tier.outstanding(), 0);
        let mut done = Vec::new();
        assert_eq!(tier.wait(DEADLINE, &mut done), Ok(0), "nothing outstanding: no waiting");
        assert!(matches!(fetch(tier, 0, key(0)), Err(StoreError::Empty { .. })));
    });
}

#[test]
fn a_full_queue_is_busy_and_then_not() {
    every_store(|tier| {
        let (_, handle) = memory(tier.block_bytes());
        let mut taken = 0;
        let error = loop {
            match tier.submit_fetch(taken, taken as u32 % SLOTS, key(0), &handle, 0) {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, StoreError::Busy { outstanding, limit } if outstanding == limit && limit as u64 == taken)
        );
        assert_eq!(drain(tier).len() as u64, taken);
        tier.drop_slot(0, 0).expect("room again");
    });
}

#[test]
fn the_memory_lives_until_the_operation_ends() {
    every_store(|tier| {
        let bytes = tier.block_bytes();
        let handle: Arc<dyn DmaMemory> = HeapMemory::new(bytes);
        let weak = Arc::downgrade(&handle);
        tier.submit_store(0, 1, key(1), &handle, 0, crc32c::crc32c(&vec![0; bytes]))
            .expect("room");
        drop(handle);
        assert!(weak.upgrade().is_some());
        assert_eq!(drain(tier).len(), 1);
        assert!(weak.upgrade().is_none());
    });
}

#[test]
fn a_file_has_one_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t3");
    let impatient = T3Options { lock_wait: Duration::ZERO, replace: true, ..T3Options::default() };
    let first = T3File::create(&path, 4096, 4).expect("a file");
    assert!(matches!(T3File::open_with(&path, &impatient), Err(StoreError::Locked { .. })));
    assert!(matches!(T3File::create_with(&path, 4096, 4, &impatient), Err(StoreError::Locked { .. })));
    first.close(DEADLINE).expect("closed");
    T3File::open_with(&path, &impatient).expect("free again");
}

#[test]
fn an_existing_file_is_replaced_only_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t3");
    let mut first = T3File::create(&path, 4096, 4).expect("a file");
    store(&mut first, 2, key(7)).expect("stored");
    drop(first);
    let error = T3File::create(&path, 4096, 4).expect_err("there is one");
    assert!(matches!(error, StoreError::Exists { .. }) && error.to_string().contains("replace"), "{error}");
    let (mut kept, recovery) = T3File::open(&path).expect("unharmed");
    assert_eq!((recovery.whole.len(), recovery.empty), (1, 3));
    fetch(&mut kept, 2, key(7)).expect("unharmed");
    drop(kept);
    let options = T3Options { replace: true, ..T3Options::default() };
    drop(T3File::create_with(&path, 64, 9, &options).expect("replaced"));
    let (replaced, recovery) = T3File::open(&path).expect("good");
    assert_eq!((replaced.slots(), replaced.block_bytes(), recovery.empty), (9, 64, 9));
}

#[test]
fn impossible_requests_are_refused_before_a_file_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t3");
    assert!(matches!(T3File::create(&path, 0, 4), Err(StoreError::BadGeometry { .. })));
    assert!(matches!(T3File::create(&path, 4096, 0), Err(StoreError::BadGeometry { .. })));
    let bottomless = T3Options { depth: 0, ..T3Options::default() };
    assert!(matches!(T3File::create_with(&path, 64, 4, &bottomless), Err(StoreError::BadDepth { depth: 0 })));
    assert!(!path.exists());
    let error = T3File::open(&path).expect_err("there is none");
    assert!(matches!(error, StoreError::Io { .. }) && error.to_string().contains("t3"), "{error}");
    let error = T3File::create(folder.path().join("no/such/folder/t3"), 64, 4).expect_err("no folder");
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
}

#[test]
fn dropping_the_store_carries_out_what_was_submitted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t3");
    let options = T3Options { depth: 2, ..T3Options::default() };
    let mut tier = T3File::create_with(&path, 8192, SLOTS, &options).expect("a file");
    let (arena, handle) = memory(8192);
    let block = content(key(1), 8192);
    arena.write(0, &block);
    for slot in 0..SLOTS {
        tier.submit_store(0, slot, key(1), &handle, 0, crc32c::crc32c(&block)).expect("room");
    }
    drop(tier);
    let (_, recovery) = T3File::open(&path).expect("good");
    assert_eq!(recovery.whole.len(), SLOTS as usize);
    let mut generations: Vec<u64> = recovery.whole.iter().map(|block| block.generation).collect();
    generations.sort_unstable();
    generations.dedup();
    assert_eq!(generations.len(), SLOTS as usize, "a generation is given once");
}
