//! The host's half of the device: T3 transfers and invalidations, and what happens when they fail.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Levers, MapT3, SHORT, content, device, emulator, key, three_tiers};
use kvcpu_driver::decorator::{FaultPlan, Faulty};
use kvcpu_driver::mmio::queue::Status;
use kvcpu_driver::mmio::regs::rtbd_entry::EntryFlags;
use kvcpu_driver::mmio::regs::{luf, service};
use kvcpu_driver::{
    Commands, Config, Device, DriverError, Insert, QueuePair, ServiceError, T3Op, Target, TierConfig, WaitMode,
};

type Broken = Faulty<kvcpu_emulator::Emulator>;

fn with_t3(config: Config) -> (Device<Broken>, Arc<Levers>) {
    let backing = Arc::new(Faulty::new(emulator(), FaultPlan::default()));
    let device = Device::probe(backing).unwrap();
    let (t3, levers) = MapT3::new();
    device.set_t3_backend(t3);
    device.configure(config).unwrap();
    (device, levers)
}

/// Inserts and fills `tags`, oldest first.
fn fill(queue: &mut QueuePair<Broken>, tags: std::ops::Range<u64>) {
    let bytes = queue.block_bytes() as usize;
    let buffer = queue.device().dma_alloc(bytes).unwrap();
    for tag in tags {
        queue.insert(&Insert::new(key(tag), 1)).unwrap();
        buffer.write(0, &content(key(tag), bytes)).unwrap();
        queue.copy_in(key(tag), &buffer, 0).unwrap();
    }
}

fn check(queue: &mut QueuePair<Broken>, tag: u64) {
    let bytes = queue.block_bytes() as usize;
    let buffer = queue.device().dma_alloc(bytes).unwrap();
    queue.copy_out(key(tag), &buffer, 0).unwrap();
    let mut back = vec![0; bytes];
    buffer.read(0, &mut back).unwrap();
    assert!(back == content(key(tag), bytes), "block {tag}");
}

#[test]
fn blocks_go_to_t3_and_come_back_whole() {
    for wait in [WaitMode::Poll, WaitMode::Interrupt] {
        let (device, levers) = with_t3(Config { wait, staging_slots: 3, service_log2: 2, ..three_tiers() });
        let mut queue = device.queue_pair(0).unwrap();
        fill(&mut queue, 0..300);
        queue.fence().unwrap();
        let used = device.occupancy().unwrap().tiers.map(|tier| tier.used);
        assert_eq!(used, [0, 64, 64, 172]);
        let stored: Vec<_> = levers.seen.lock().unwrap().drain(..).collect();
        assert_eq!(stored.len(), 172);
        for (op, key, _) in stored.into_iter().take(20) {
            assert_eq!(op, T3Op::Store);
            let error = queue.copy_out(key, &device.dma_alloc(4096).unwrap(), 0).unwrap_err();
            assert_eq!(error.status(), Some(Status::NotAddressable));
            // Make room, then the hint brings it up at once.
            queue.release(Target::Single(common::key(299))).ok();
            queue.prefetch(key.into(), 0).unwrap();
            queue.fence().unwrap();
            if queue.lookup(key).unwrap().placed().unwrap().tier == 1 {
                check(&mut queue, key.tag);
            }
        }
        let seen = levers.seen.lock().unwrap();
        assert!(seen.iter().any(|(op, ..)| *op == T3Op::Fetch), "at least one was fetched");
        assert_eq!(device.take_service_errors().len(), 0);
        assert_eq!(device.read(&service::SVC_ERR).unwrap(), 0);
    }
}

#[test]
fn a_failed_transfer_is_undone_told_and_retrievable() {
    let (device, levers) = with_t3(three_tiers());
    let mut queue = device.queue_pair(0).unwrap();
    fill(&mut queue, 0..1);
    levers.fail.store(true, Ordering::SeqCst);
    queue.demote(key(0).into(), 3).unwrap();
    let error = queue.fence().unwrap_err();
    assert_eq!(error.status(), Some(Status::MoveFailed));
    let errors = device.take_service_errors();
    match &errors[..] {
        [ServiceError::Transfer { op: T3Op::Store, key: of, .. }] => assert_eq!(*of, key(0)),
        other => panic!("{other:?}"),
    }
    assert!(errors[0].to_string().contains("the lever says fail"), "{}", errors[0]);
    assert!(device.take_service_errors().is_empty());
    assert_eq!(queue.lookup(key(0)).unwrap().placed().unwrap().tier, 1);
    check(&mut queue, 0);
    levers.fail.store(false, Ordering::SeqCst);
    queue.demote(key(0).into(), 3).unwrap();
    queue.fence().unwrap();
    assert_eq!(queue.lookup(key(0)).unwrap().placed().unwrap().tier, 3);
}

#[test]
fn a_backend_that_stops_fails_what_is_under_way() {
    let (device, levers) = with_t3(three_tiers());
    let mut queue = device.queue_pair(0).unwrap();
    fill(&mut queue, 0..4);
    levers.stopped.store(true, Ordering::SeqCst);
    queue.demote(Target::Range(key(0), 4), 3).unwrap();
    let error = queue.fence().unwrap_err();
    assert_eq!(error.status(), Some(Status::MoveFailed));
    let errors = device.take_service_errors();
    assert!(matches!(errors[0], ServiceError::Backend { lost: 4, .. }), "{errors:?}");
    for tag in 0..4 {
        check(&mut queue, tag);
    }
}

#[test]
fn a_backend_that_never_answers_is_a_timeout_and_disabling_gives_up() {
    let (device, levers) = with_t3(Config { deadline: SHORT, ..three_tiers() });
    let mut queue = device.queue_pair(0).unwrap();
    fill(&mut queue, 0..1);
    levers.stuck.store(true, Ordering::SeqCst);
    queue.demote(key(0).into(), 3).unwrap();
    let error = queue.fence().unwrap_err();
    assert!(matches!(error, DriverError::Timeout { register: "STATUS", .. }), "{error}");
    assert!(error.to_string().contains("BLOCKED_ON 1, MOVES_IN_FLIGHT 1"), "{error}");
    let error = device.single_shot().fence().unwrap_err();
    assert!(matches!(error, DriverError::Timeout { .. }), "{error}");
    device.disable().unwrap();
    let errors = device.take_service_errors();
    assert!(matches!(errors[..], [ServiceError::Abandoned { lost: 1, .. }]), "{errors:?}");
    // The late answer belongs to the past and disturbs nothing.
    levers.stuck.store(false, Ordering::SeqCst);
    device.configure(three_tiers()).unwrap();
    queue.restart().unwrap();
    fill(&mut queue, 0..2);
    queue.demote(Target::Range(key(0), 2), 3).unwrap();
    queue.fence().unwrap();
    assert!(device.take_service_errors().is_empty());
}

#[test]
fn aborting_transfers_frees_a_device_whose_backend_never_answers() {
    let (device, levers) = with_t3(Config { deadline: SHORT, ..three_tiers() });
    let mut queue = device.queue_pair(0).unwrap();
    fill(&mut queue, 0..1);
    levers.stuck.store(true, Ordering::SeqCst);
    queue.demote(key(0).into(), 3).unwrap();
    let mut commands = device.single_shot();
    assert!(matches!(commands.fence().unwrap_err(), DriverError::Timeout { .. }));
    device.abort_transfers().unwrap();
    // The fence that timed out was answered by the abort; the block is where it was, and whole.
    check(&mut queue, 0);
    levers.stuck.store(false, Ordering::SeqCst);
    queue.fence().unwrap();
    queue.demote(key(0).into(), 3).unwrap();
    queue.fence().unwrap();
    assert_eq!(queue.lookup(key(0)).unwrap().placed().map(|p| p.tier), Some(3), "the late answer disturbs nothing");
}

#[test]
fn without_its_backend_the_device_is_told_no() {
    let (device, _) = with_t3(three_tiers());
    let mut queue = device.queue_pair(0).unwrap();
    fill(&mut queue, 0..1);
    assert!(device.take_t3_backend().is_some());
    queue.demote(key(0).into(), 3).unwrap();
    assert_eq!(queue.fence().unwrap_err().status(), Some(Status::MoveFailed));
    assert!(matches!(device.take_service_errors()[..], [ServiceError::BadRequest { .. }]));
    check(&mut queue, 0);
}

#[test]
fn the_loop_can_be_turned_by_hand() {
    let (device, _) = with_t3(three_tiers());
    let mut queue = device.queue_pair(0).unwrap();
    fill(&mut queue, 0..1);
    assert!(!device.service().unwrap().any());
    queue.demote(key(0).into(), 3).unwrap();
    assert!(queue.lookup(key(0)).unwrap().placed().unwrap().in_flight);
    let served = device.service().unwrap();
    assert_eq!((served.requests, served.answers), (1, 1));
    assert!(!queue.lookup(key(0)).unwrap().placed().unwrap().in_flight);
}

#[test]
fn a_service_ring_that_is_unmapped_is_an_error_and_not_a_hang() {
    let (device, _) = with_t3(Config { deadline: SHORT, ..three_tiers() });
    let mut queue = device.queue_pair(0).unwrap();
    fill(&mut queue, 0..2);
    device.backing().unmap(device.read(&service::SVC_SQ_BASE).unwrap()).unwrap();
    // The request cannot be posted: the move fails at once.
    let _ = queue.demote(key(0).into(), 3);
    assert_eq!(queue.fence().unwrap_err().status(), Some(Status::MoveFailed));
    check(&mut queue, 0);
}

fn lazy(frames: u32, agents: u8, driver_agents: u8) -> Config {
    let tiers = [
        TierConfig::OFF,
        TierConfig::blocks(16).quarantine(frames),
        TierConfig::blocks(64).quarantine(frames),
        TierConfig::OFF,
    ];
    Config { tiers, agents, driver_agents, luf_check: true, ..Config::default() }
}

#[test]
fn invalidations_are_acknowledged_for_the_agents_the_driver_owns() {
    let device = device(lazy(8, 0b0101, u8::MAX));
    let epochs = Arc::new(Mutex::new(Vec::new()));
    device.on_invalidate({
        let epochs = epochs.clone();
        move |epoch| epochs.lock().unwrap().push(epoch)
    });
    let mut queue = device.queue_pair(0).unwrap();
    for tag in 0..200 {
        let flags = EntryFlags::READ_ONLY;
        queue.insert(&Insert { flags, ..Insert::new(key(tag), 1) }).unwrap();
    }
    queue.fence().unwrap();
    device.service().unwrap();
    let epoch = device.read(&luf::INV_EPOCH).unwrap();
    assert!(epoch > 0);
    let acks: Vec<_> = (0..4).map(|agent| device.read_at(&luf::AGENT_ACK, 0, agent).unwrap()).collect();
    assert_eq!(acks, [epoch, 0, epoch, 0]);
    let epochs = epochs.lock().unwrap();
    assert!(epochs.is_sorted() && epochs.last() == Some(&(epoch as u32)), "{epochs:?}");
    assert_eq!(device.read(&luf::LUF_VIOLATIONS).unwrap(), 0);
    let counters = device.counters().unwrap();
    assert!(counters.shootdowns_elided() > counters.shootdowns_sent, "{counters:?}");
}

#[test]
fn an_agent_that_nobody_acknowledges_for_is_a_timeout() {
    let device = device(Config { deadline: SHORT, ..lazy(0, 0b0011, 0b0001) });
    let mut queue = device.queue_pair(0).unwrap();
    let error = (0..200).find_map(|tag| queue.insert(&Insert::new(key(tag), 1)).err()).unwrap();
    assert!(matches!(error, DriverError::Timeout { register: "STATUS", .. }), "{error}");
    assert!(error.to_string().contains("BLOCKED_ON 2"), "{error}");
    // As soon as the other agent does, everything goes on.
    let epoch = device.read(&luf::INV_EPOCH).unwrap();
    device.write_at(&luf::AGENT_ACK, 0, 1, epoch).unwrap();
    let mut out = Vec::new();
    queue.wait(1, &mut out).unwrap();
    assert_eq!(out[0].status, 0);
}

#[test]
fn service_costs_nothing_where_there_is_nothing_to_serve() {
    let traced = Arc::new(kvcpu_driver::decorator::Traced::new(emulator()));
    let device = Device::probe(traced.clone()).unwrap();
    device.configure(Config::default()).unwrap();
    let before = traced.counts();
    assert!(!device.service().unwrap().any());
    assert_eq!(traced.counts(), before);
    assert_eq!(device.deadline(), Duration::from_secs(5));
}
