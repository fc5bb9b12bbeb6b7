//! Queue pairs under load, and every way in which one ends.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::sync::Arc;

use common::{SHORT, breakable, device, key};
use kvcpu_driver::mmio::queue::{Status, sqe_address};
use kvcpu_driver::mmio::regs::{control, irq, queue};
use kvcpu_driver::mmio::{Backing, Geometry};
use kvcpu_driver::{Batch, Commands, Config, Device, DriverError, Insert, QueueConfig, WaitMode, sqe};

fn sized(sq_log2: u32, cq_log2: u32) -> QueueConfig {
    QueueConfig { sq_log2, cq_log2, tenant: None }
}

#[test]
fn batches_longer_than_the_rings_are_split_and_come_back_in_order() {
    let device = device(Config::default());
    let mut batch = Batch::new();
    for tag in 0..500 {
        batch.insert(&Insert::new(key(tag % 100), 1)).lookup(key(tag));
    }
    for (sq_log2, cq_log2) in [(1, 1), (1, 6), (6, 1), (3, 4), (4, 3), (8, 8), (15, 15)] {
        let mut queue = device.queue_pair_with(0, sized(sq_log2, cq_log2)).unwrap();
        let mut out = Vec::new();
        queue.run(&batch, &mut out).unwrap();
        assert_eq!(out.len(), batch.len());
        for (n, cqe) in out.iter().enumerate() {
            assert_eq!(usize::from(cqe.cid), n, "sizes {sq_log2} and {cq_log2}");
            let hit = n % 2 == 0 || n / 2 < 100;
            assert_eq!(cqe.status == 0, hit, "command {n}");
        }
        assert_eq!(queue.outstanding(), 0);
    }
}

#[test]
fn ids_wrap() {
    let device = device(Config::default());
    let mut queue = device.queue_pair_with(0, sized(10, 9)).unwrap();
    let batch = vec![sqe::nop(); 1000];
    let mut out = Vec::with_capacity(1000);
    for _ in 0..140 {
        out.clear();
        queue.run(&batch, &mut out).unwrap();
        assert_eq!(out.len(), 1000);
    }
    assert_eq!(device.counters().unwrap().commands, 140_000);
}

#[test]
fn a_batch_costs_one_doorbell() {
    let traced = Arc::new(kvcpu_driver::decorator::Traced::new(common::emulator()));
    let device = Device::probe(traced.clone()).unwrap();
    device.configure(Config::default()).unwrap();
    let mut queue = device.queue_pair(0).unwrap();
    let before = traced.counts();
    let mut out = Vec::new();
    queue.run(&[sqe::nop(); 24], &mut out).unwrap();
    let after = traced.counts();
    assert_eq!((after.reads - before.reads, after.writes - before.writes), (0, 1));
}

#[test]
fn submitting_and_waiting_may_be_apart() {
    let device = device(Config::default());
    let mut queue = device.queue_pair_with(0, sized(3, 3)).unwrap();
    assert_eq!(queue.room(), 7);
    assert_eq!(queue.submit_batch(&[sqe::nop(); 9]).unwrap(), 7);
    assert_eq!((queue.room(), queue.outstanding()), (0, 7));
    assert_eq!(queue.submit_batch(&[sqe::nop()]).unwrap(), 0);
    // One that has no room waits for it, and what it reads meanwhile is kept.
    queue.submit(sqe::nop()).unwrap();
    assert_eq!(queue.execute(sqe::fence()).unwrap().cid, 8);
    let mut out = Vec::new();
    assert_eq!(queue.poll(&mut out).unwrap(), 8);
    assert_eq!(out.iter().map(|cqe| cqe.cid).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    queue.wait(10, &mut out).unwrap();
    assert_eq!(out.len(), 8, "there is nothing to wait for");
}

#[test]
fn a_queue_has_one_owner() {
    let device = device(Config::default());
    let queue = device.queue_pair(2).unwrap();
    let error = device.queue_pair(2).unwrap_err();
    assert!(error.to_string().contains("drop its QueuePair first"), "{error}");
    drop(queue);
    assert_eq!(device.read_at(&queue::Q_STATUS, 2, 0).unwrap(), 0);
    assert!(device.queue_pair(2).is_ok());
    let bad = device.queue_pair_with(0, sized(0, 8)).unwrap_err();
    assert!(matches!(bad, DriverError::Config(_)), "{bad}");
}

#[test]
fn waiting_by_interrupt_answers_the_same() {
    let device = device(Config { wait: WaitMode::Interrupt, ..Config::default() });
    let mut queue = device.queue_pair(0).unwrap();
    let mut out = Vec::new();
    queue.run(&[sqe::nop(); 600], &mut out).unwrap();
    assert_eq!(out.len(), 600);
    assert_ne!(device.read(&irq::INT_ENABLE).unwrap() & 1, 0);
    drop(queue);
    assert_eq!(device.read(&irq::INT_ENABLE).unwrap() & 1, 0);
}

#[test]
fn a_device_that_stops_answering_is_a_timeout() {
    for wait in [WaitMode::Poll, WaitMode::Interrupt] {
        let device = breakable(Config { wait, ..Config::default() });
        let mut queue = device.queue_pair(0).unwrap();
        queue.nop().unwrap();
        device.single_shot().nop().unwrap();
        device.backing().silence();
        let error = queue.nop().unwrap_err();
        match &error {
            DriverError::Timeout { register: "STATUS", waited, .. } => assert!(*waited >= SHORT),
            other => panic!("{other}"),
        }
        assert!(error.to_string().contains("ENABLED"), "{error}");
        let error = device.single_shot().nop().unwrap_err();
        assert!(matches!(error, DriverError::Timeout { .. }), "{error}");
        // The doorbell was lost, so only new rings help.
        device.backing().revive();
        queue.restart().unwrap();
        queue.nop().unwrap();
        device.single_shot().nop().unwrap();
    }
}

#[test]
fn a_device_that_dies_is_gone() {
    for wait in [WaitMode::Poll, WaitMode::Interrupt] {
        let device = breakable(Config { wait, ..Config::default() });
        let mut queue = device.queue_pair(0).unwrap();
        queue.nop().unwrap();
        device.backing().die();
        for error in [
            queue.nop().unwrap_err(),
            device.single_shot().nop().unwrap_err(),
            device.read(&control::STATUS).unwrap_err(),
            device.counters().unwrap_err(),
            device.entries().next().unwrap().unwrap_err(),
            device.configure(Config::default()).unwrap_err(),
            device.queue_pair(1).unwrap_err(),
            queue.restart().unwrap_err(),
        ] {
            assert!(error.is_gone(), "{error}");
        }
    }
}

#[test]
fn rings_that_are_unmapped_halt_the_queue() {
    for (which, bit) in [(0, &queue::Q_ERR::FETCH_FAULT), (1, &queue::Q_ERR::POST_FAULT)] {
        let device = breakable(Config::default());
        let mut queue = device.queue_pair(0).unwrap();
        let regions = device.backing().regions();
        device.backing().unmap(regions[regions.len() - 2 + which]).unwrap();
        let error = queue.nop().unwrap_err();
        match error {
            DriverError::QueueHalted { qid: 0, register: "Q_ERR", last } => assert_eq!(bit.get(last), 1),
            other => panic!("{other}"),
        }
        assert!(error.to_string().contains(bit.name), "{error}");
        queue.restart().unwrap();
        queue.insert(&Insert::new(key(1), 1)).unwrap();
    }
}

#[test]
fn bus_mastering_off_is_an_error_and_not_a_hang() {
    let device = breakable(Config::default());
    let mut queue = device.queue_pair(0).unwrap();
    device.backing().bus_master(false).unwrap();
    assert!(matches!(queue.nop().unwrap_err(), DriverError::QueueHalted { .. }));
    let mut shot = device.single_shot();
    shot.insert(&Insert::new(key(1), 1)).unwrap();
    let buffer = device.dma_alloc(4096).unwrap();
    let error = shot.copy_in(key(1), &buffer, 0).unwrap_err();
    assert_eq!(error.status(), Some(Status::DmaFault));
    device.backing().bus_master(true).unwrap();
    queue.restart().unwrap();
    queue.copy_in(key(1), &buffer, 0).unwrap();
}

#[test]
fn an_arena_unmapped_in_the_middle_of_a_move_fails_the_move_and_loses_nothing() {
    let device = breakable(Config::default());
    let mut queue = device.queue_pair(0).unwrap();
    let buffer = device.dma_alloc(4096).unwrap();
    buffer.fill(0x5A);
    queue.insert(&Insert::new(key(1), 1)).unwrap();
    queue.copy_in(key(1), &buffer, 0).unwrap();
    let t2 = device.read_at(&kvcpu_driver::mmio::regs::tier::TIER_BASE, 2, 0).unwrap();
    device.backing().unmap(t2).unwrap();
    queue.evict(key(1).into()).unwrap();
    let error = queue.fence().unwrap_err();
    assert_eq!(error.status(), Some(Status::MoveFailed));
    queue.fence().unwrap();
    assert_eq!(queue.lookup(key(1)).unwrap().placed().unwrap().tier, 1);
    buffer.fill(0);
    queue.copy_out(key(1), &buffer, 0).unwrap();
    let mut bytes = vec![0; 4096];
    buffer.read(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0x5A));
}

#[test]
fn a_device_disabled_under_a_queue_is_noticed() {
    let device = breakable(Config::default());
    let mut queue = device.queue_pair(0).unwrap();
    device.disable().unwrap();
    let error = queue.nop().unwrap_err();
    assert!(matches!(error, DriverError::QueueHalted { register: "Q_STATUS", .. }), "{error}");
    device.configure(Config::default()).unwrap();
    queue.restart().unwrap();
    queue.nop().unwrap();
}

#[test]
fn a_completion_that_nobody_asked_for_is_refused() {
    // A device that writes to the completion ring by itself: the test plays it.
    let device = breakable(Config::default());
    let mut queue = device.queue_pair(0).unwrap();
    let cq = device.read_at(&queue::CQ_BASE, 0, 0).unwrap();
    assert_eq!(sqe_address(cq, 0), cq);
    let sq = device.read_at(&queue::SQ_BASE, 0, 0).unwrap();
    // A COPY out of a block whose bytes look like a completion with a wrong id, onto the ring.
    let buffer = device.dma_alloc(4096).unwrap();
    let wrong = kvcpu_driver::mmio::queue::Cqe { cid: 9, phase: true, ..Default::default() };
    for (word, bytes) in wrong.to_words().iter().zip([0, 8]) {
        buffer.write(bytes, &word.to_le_bytes()).unwrap();
    }
    let mut shot = device.single_shot();
    shot.insert(&Insert::new(key(1), 1)).unwrap();
    shot.copy_in(key(1), &buffer, 0).unwrap();
    shot.perform(sqe::copy_out(key(1), cq, 4096)).unwrap();
    let error = queue.poll(&mut Vec::new()).unwrap_err();
    assert!(matches!(error, DriverError::Protocol { expected: 0, found: 9, .. }), "{error}");
    assert_ne!(sq, cq);
}

#[test]
fn a_device_chosen_at_run_time_is_a_device() {
    let backing: Arc<dyn Backing> = Arc::new(kvcpu_emulator::Emulator::new(Geometry::TEST).unwrap());
    let device: Device = Device::probe(backing).unwrap();
    device.configure(Config::default()).unwrap();
    let mut queue: kvcpu_driver::QueuePair = device.queue_pair(0).unwrap();
    queue.insert(&Insert::new(key(1), 1)).unwrap();
    assert_eq!(format!("{:?}", device.dma_alloc(10).unwrap().len()), "10");
}
