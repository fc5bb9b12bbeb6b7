//! Every command with its typed result, by ring and by registers: one body, both ways.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::{content, device, key};
use kvcpu_driver::mmio::queue::{Key, Opcode, ResultFlags, Sqe, Status};
use kvcpu_driver::mmio::regs::hepc;
use kvcpu_driver::mmio::regs::rtbd_entry::{EntryFlags, EntryState};
use kvcpu_driver::{
    Batch, Commands, Config, Device, DriverError, Insert, Lookup, Placement, QueueConfig, Target, TierConfig, sqe,
};
use kvcpu_emulator::Emulator;

type Body = fn(&Device<Emulator>, &mut dyn Commands);

fn both(config: Config, body: Body) {
    let by_ring = device(config.clone());
    body(&by_ring, &mut by_ring.queue_pair(0).unwrap());
    let by_register = device(config);
    body(&by_register, &mut by_register.single_shot());
}

fn status(result: Result<impl std::fmt::Debug, DriverError>) -> Status {
    let error = result.expect_err("the device refuses this");
    error.status().unwrap_or_else(|| panic!("no status: {error}"))
}

/// 4 blocks in T1, 8 in T2.
fn small() -> Config {
    let tiers = [TierConfig::OFF, TierConfig::blocks(4), TierConfig::blocks(8), TierConfig::OFF];
    Config { tiers, ..Config::default() }
}

#[test]
fn a_prepared_command_waits_until_it_is_told_to_go_and_others_wait_for_it() {
    let device = device(small());
    let mut first = device.single_shot();
    let prepared = first.prepare(sqe::insert(&Insert::new(key(1), 1))).unwrap();
    let found = device.entries().map(Result::unwrap).any(|entry| entry.key == key(1));
    assert!(!found, "it has not begun");
    std::thread::scope(|threads| {
        let other = threads.spawn(|| device.single_shot().lookup(key(1)).unwrap());
        assert_eq!(prepared.go().unwrap().status, Status::Ok.code());
        assert!(matches!(other.join().unwrap(), Lookup::Placed(_)), "its turn came afterwards");
    });
    device.set_deadline(std::time::Duration::from_millis(50));
    let prepared = first.prepare(sqe::insert(&Insert::new(key(2), 1))).unwrap();
    let waited = device.single_shot().nop().unwrap_err();
    assert!(matches!(waited, DriverError::Timeout { .. }), "{waited}");
    drop(prepared);
    assert_eq!(first.lookup(key(2)).unwrap(), Lookup::Miss, "one that is dropped is not carried out");
}

#[test]
fn a_block_is_inserted_found_touched_evicted_and_released() {
    both(small(), |device, to| {
        to.nop().unwrap();
        let placement = to.insert(&Insert::new(key(1), 1)).unwrap();
        assert_eq!((placement.tier, placement.existed), (1, false));
        assert!(to.insert(&Insert::new(key(1), 1)).unwrap().existed);
        assert_eq!(to.lookup(key(1)).unwrap().placed().unwrap().tier, 1);
        assert_eq!(to.lookup(key(2)).unwrap(), Lookup::Miss);
        assert!(matches!(to.touch(key(1), None).unwrap(), Lookup::Placed(_)));

        let evicted = to.evict(key(1).into()).unwrap();
        assert_eq!((evicted.blocks, evicted.placement.unwrap().tier), (1, 2));
        to.fence().unwrap();
        let gone = to.evict(key(1).into()).unwrap();
        assert_eq!((gone.blocks, gone.ghost), (1, true));
        assert_eq!(to.lookup(key(1)).unwrap(), Lookup::Ghost);
        let hinted = to.prefetch(key(1).into(), 9).unwrap();
        assert_eq!((hinted.blocks, hinted.ghost), (0, true));
        assert_eq!(status(to.prefetch(key(2).into(), 9)), Status::NotFound);
        assert_eq!(to.release(key(1).into()).unwrap().blocks, 0, "a ghost is freed, not counted");
        assert_eq!(to.lookup(key(1)).unwrap(), Lookup::Miss);
        assert_eq!(device.counters().unwrap().misses, 2);
    });
}

#[test]
fn pins_references_and_retention_protect() {
    both(small(), |device, to| {
        let target = Target::Single(key(1));
        to.insert(&Insert::new(key(1), 1)).unwrap();
        to.hot(target).unwrap();
        assert_eq!(status(to.evict(target)), Status::InUse);
        to.unhot(target).unwrap();
        to.share(target).unwrap();
        assert_eq!(status(to.release(target)), Status::InUse);
        to.unshare(target).unwrap();
        assert_eq!(status(to.unshare(target)), Status::RefcountUnderflow);
        to.retain(target, 100).unwrap();
        assert_eq!(status(to.demote(target, 2)), Status::InUse);
        to.dead(target).unwrap();
        assert_eq!(to.evict(target).unwrap().blocks, 1, "dead blocks are retained no more");
        to.step_advance(5).unwrap();
        assert_eq!(device.read(&hepc::STEP).unwrap(), 5);
        assert_eq!(status(to.step_advance(4)), Status::StepBackward);
    });
}

#[test]
fn ranges_and_requests_name_many_blocks() {
    both(small(), |_, to| {
        for tag in 0..4 {
            to.insert(&Insert { depth: tag as u16, ..Insert::new(key(tag), 1) }).unwrap();
        }
        assert_eq!(to.hot(Target::Range(key(1), 10)).unwrap().blocks, 3);
        assert_eq!(to.unhot(Target::Request(1, 7)).unwrap().blocks, 4);
        assert_eq!(to.demote(Target::Range(key(0), 2), 2).unwrap().blocks, 2);
        assert_eq!(to.prefetch(Target::Request(1, 7), 1).unwrap().blocks, 4);
        assert_eq!(to.dead(Target::Range(key(3), 1)).unwrap().blocks, 1);
        assert_eq!(to.release(Target::Request(1, 7)).unwrap().blocks, 4);
        assert_eq!(status(to.release(Target::Request(1, 7))), Status::NotFound);
        assert_eq!(status(to.release(Target::Request(1, 0))), Status::InvalidField);
        assert_eq!(status(to.hot(Target::Range(key(0), 0))), Status::InvalidField);
    });
}

#[test]
fn bytes_go_in_and_come_out_from_every_tier() {
    both(small(), |device, to| {
        let bytes = to.block_bytes() as usize;
        let buffer = device.dma_alloc(2 * bytes + 8).unwrap();
        for tag in 0..8 {
            to.insert(&Insert::new(key(tag), 1)).unwrap();
            buffer.write(8, &content(key(tag), bytes)).unwrap();
            to.copy_in(key(tag), &buffer, 8).unwrap();
        }
        to.fence().unwrap();
        let mut tiers = Vec::new();
        for tag in 0..8 {
            tiers.push(to.lookup(key(tag)).unwrap().placed().unwrap().tier);
            to.copy_out(key(tag), &buffer, bytes).unwrap();
            let mut back = vec![0; bytes];
            buffer.read(bytes, &mut back).unwrap();
            assert!(back == content(key(tag), bytes), "block {tag}");
        }
        assert!(tiers.contains(&1) && tiers.contains(&2), "{tiers:?}");
        assert!(matches!(to.copy_in(key(0), &buffer, bytes + 16), Err(DriverError::Bounds { .. })));
        assert_eq!(status(to.copy_in(key(0), &buffer, 4)), Status::InvalidField);
        assert_eq!(status(to.copy_out(key(99), &buffer, 0)), Status::NotFound);
        let counters = device.counters().unwrap();
        assert_eq!(counters.copy_in_bytes[1], 8 * bytes as u64);
        assert_eq!(counters.moved(1, 2), 4 * bytes as u64);
    });
}

#[test]
fn a_refusal_tells_command_key_status_and_remedy() {
    both(small(), |_, to| {
        let error = to.hot(key(1).into()).unwrap_err();
        match &error {
            DriverError::Command { opcode: Opcode::Hot, key: of, status } => {
                assert_eq!((*of, status.status()), (key(1), Some(Status::NotFound)));
            }
            other => panic!("{other}"),
        }
        for part in ["Hot of 1/7/", "NotFound", "insert the block first"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    });
}

#[test]
fn a_raw_entry_gets_its_completion_whatever_its_status() {
    both(small(), |_, to| {
        let cqe = to.execute(Sqe { opcode: 0x7F, ..Sqe::default() }).unwrap();
        assert_eq!(Status::from_code(cqe.status), Some(Status::InvalidOpcode));
        let cqe = to.execute(sqe::lookup(key(3))).unwrap();
        assert_eq!(Lookup::of(&cqe), Some(Lookup::Miss));
        let cqe = to.execute(sqe::insert(&Insert::new(key(3), 1))).unwrap();
        assert_eq!(cqe.flags & ResultFlags::PLACED.bits(), ResultFlags::PLACED.bits());
        assert_eq!(Placement::of(&cqe).unwrap().tier, 1);
    });
}

#[test]
fn metadata_only_moves_no_bytes_and_needs_no_t3_backend() {
    both(Config { metadata_only: true, ..common::three_tiers() }, |device, to| {
        for tag in 0..200 {
            to.insert(&Insert::new(key(tag), 1)).unwrap();
        }
        to.fence().unwrap();
        let buffer = device.dma_alloc(4096).unwrap();
        assert_eq!(status(to.copy_in(key(199), &buffer, 0)), Status::MetadataOnly);
        let occupancy = device.occupancy().unwrap();
        assert_eq!(occupancy.tiers.map(|tier| tier.used), [0, 64, 64, 72]);
        assert_eq!(occupancy.entries, 200);
    });
}

#[test]
fn the_directory_is_dumped_as_typed_entries() {
    both(small(), |device, to| {
        let parent = Insert { flags: EntryFlags::PREFIX, depth: 3, ..Insert::new(Key::shared(2, 77), 1) };
        to.insert(&parent).unwrap();
        for tag in [1, 2] {
            let child = Insert { parent: Some(77), ..Insert::new(Key::shared(2, tag), 1) };
            to.insert(&child).unwrap();
        }
        to.prefetch(Target::Single(Key::shared(2, 1)), 1000).unwrap();
        let entries: Vec<_> = device.entries().collect::<Result<_, _>>().unwrap();
        assert_eq!(entries.len(), 3);
        let of = |tag: u64| entries.iter().find(|entry| entry.key == Key::shared(2, tag)).unwrap();
        assert_eq!(of(77).flags, EntryFlags::PREFIX | EntryFlags::BRANCH);
        assert_eq!((of(77).depth, of(77).state, of(77).tier), (3, EntryState::Resident, 1));
        assert_eq!((of(1).target, of(1).flags), (1000, EntryFlags::TARGET_VALID));
        assert_eq!(of(2).frame, to.lookup(Key::shared(2, 2)).unwrap().placed().unwrap().frame);
        let free = (0..).map(|index| device.entry(index).unwrap()).find(|e| e.state == EntryState::Free);
        assert_eq!(free.unwrap().key, Key::default());
        assert!(device.entry(device.geometry().slots()).is_err());
    });
}

#[test]
fn a_queue_may_be_held_to_its_tenant() {
    let device = device(small());
    let of_tenant = QueueConfig { tenant: Some(1), ..QueueConfig::default() };
    let mut queue = device.queue_pair_with(1, of_tenant).unwrap();
    let other = Key { tenant: 2, ..key(1) };
    device.queue_pair(0).unwrap().insert(&Insert::new(other, 1)).unwrap();
    assert_eq!(queue.lookup(other).unwrap(), Lookup::Miss);
    assert_eq!(status(queue.evict(other.into())), Status::WrongTenant);
    queue.insert(&Insert::new(key(1), 1)).unwrap();
    assert_eq!(device.counters().unwrap().denials, 2);
}

#[test]
fn a_batch_answers_in_order_and_counts() {
    let device = device(small());
    let mut queue = device.queue_pair(0).unwrap();
    let before = device.counters().unwrap();
    let mut batch = Batch::with_capacity(8);
    batch
        .step_advance(1)
        .insert(&Insert::new(key(1), 1))
        .lookup(key(1))
        .touch(key(2), Some(1))
        .fence();
    let mut out = Vec::new();
    queue.run(&batch, &mut out).unwrap();
    assert_eq!(out.len(), batch.len());
    assert!(matches!(Lookup::of(&out[2]), Some(Lookup::Placed(_))));
    assert_eq!(Lookup::of(&out[3]), Some(Lookup::Miss));
    let delta = device.counters().unwrap().delta(&before);
    assert_eq!((delta.commands, delta.inserts[1], delta.lookups, delta.refused), (5, 1, 2, 1));
}

#[test]
fn handles_move_between_threads() {
    fn send<T: Send>(_: &T) {}
    let device = device(small());
    send(&device.queue_pair(0).unwrap());
    send(&device.dma_alloc(1).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..3u16 {
            let device = device.clone();
            scope.spawn(move || {
                let mut queue = device.queue_pair(thread).unwrap();
                let mut shot = device.single_shot();
                for tag in 0..100 {
                    let key = Key { tenant: thread as u8, ..key(tag) };
                    queue.insert(&Insert::new(key, 1)).unwrap();
                    shot.touch(key, None).unwrap();
                }
            });
        }
    });
    assert_eq!(device.counters().unwrap().commands, 600);
}
