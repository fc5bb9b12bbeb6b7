//! T3 through the driver's service loop: moves are in flight until the host answers, and only those wait that must.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kvcpu_driver::{Commands, Config, DriverError, Insert, Lookup, ServiceError, sqe};
use kvcpu_mmio::queue::{Opcode, ResultFlags, Status};
use kvcpu_mmio::regs::{control, counter, dma, service};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_sim::RtlOptions;
use kvcpu_tests::bus::Bus;
use kvcpu_tests::raw::{self, BlockedOn, blocked_on};
use kvcpu_tests::rig::content;
use kvcpu_tests::setup::{device, emulator, key, status, tiers};

const BYTES: usize = 256;

fn in_flight(device: &kvcpu_driver::Device<kvcpu_emulator::Emulator>) -> u64 {
    device.read_field(&control::STATUS, &control::STATUS::MOVES_IN_FLIGHT).unwrap()
}

#[test]
fn lookup_never_waits_for_t3_and_fence_does() {
    let (device, t3) = device(emulator(), tiers([0, 4, 4, 8]));
    let mut commands = device.single_shot();
    t3.held.store(true, Ordering::SeqCst);
    commands.insert(&Insert::new(key(1), 2)).unwrap();
    let evicted = commands.evict(key(1).into()).unwrap();
    assert_eq!(evicted.placement.map(|place| (place.tier, place.in_flight)), Some((3, true)));
    let Lookup::Placed(place) = commands.lookup(key(1)).unwrap() else { panic!("it is on its way") };
    assert_eq!((place.tier, place.frame, place.in_flight), (3, 0, true));
    assert!(commands.touch(key(1), None).unwrap().placed().is_some_and(|place| place.in_flight));
    assert_eq!(in_flight(&device), 1);

    raw::start(&device, sqe::fence());
    for _ in 0..100 {
        device.service().unwrap();
        assert_eq!((raw::done(&device), blocked_on(&device)), (None, BlockedOn::Move as u64));
    }
    t3.held.store(false, Ordering::SeqCst);
    while raw::done(&device).is_none() {
        device.service().unwrap();
    }
    assert_eq!(raw::done(&device).map(|cqe| status(&cqe)), Some(Status::Ok));
    assert_eq!(in_flight(&device), 0);
    assert!(commands.lookup(key(1)).unwrap().placed().is_some_and(|place| !place.in_flight));
}

#[test]
fn whatever_needs_the_block_itself_waits_for_its_move() {
    for sqe in [
        sqe::scoped(kvcpu_mmio::queue::Opcode::Release, key(1).into()),
        sqe::scoped(Opcode::Evict, key(1).into()),
        sqe::copy_out(key(1), 0, BYTES as u32),
        sqe::prefetch(key(1).into(), 3),
    ] {
        let config = tiers([0, 4, 4, 8]);
        let lookahead = config.tiers.map(|tier| tier.lookahead(10));
        let (device, t3) = device(emulator(), Config { tiers: lookahead, ..config });
        let mut commands = device.single_shot();
        t3.held.store(true, Ordering::SeqCst);
        commands.insert(&Insert::new(key(1), 2)).unwrap();
        commands.evict(key(1).into()).unwrap();
        raw::start(&device, sqe);
        for _ in 0..20 {
            device.service().unwrap();
            assert_eq!((raw::done(&device), blocked_on(&device)), (None, BlockedOn::Move as u64), "{sqe:?}");
        }
        t3.held.store(false, Ordering::SeqCst);
        while raw::done(&device).is_none() {
            device.service().unwrap();
        }
    }
}

#[test]
fn staging_slots_and_service_ring_hold_up_what_needs_them() {
    for (staging_slots, service_log2, fits, waits) in
        [(2, 5, 2, BlockedOn::StagingSlot), (8, 2, 3, BlockedOn::ServiceQueue)]
    {
        let (device, t3) = device(emulator(), Config { staging_slots, service_log2, ..tiers([0, 0, 16, 16]) });
        t3.held.store(true, Ordering::SeqCst);
        let mut commands = device.single_shot();
        for tag in 0..8 {
            commands.insert(&Insert::new(key(tag), 2)).unwrap();
        }
        raw::start(&device, kvcpu_mmio::queue::Sqe { count: 8, ..range(0) });
        assert_eq!((in_flight(&device), blocked_on(&device)), (fits, waits as u64));
        assert!(raw::done(&device).is_none());
        t3.held.store(false, Ordering::SeqCst);
        while raw::done(&device).is_none() {
            device.service().unwrap();
        }
        assert_eq!(raw::done(&device).map(|cqe| (status(&cqe), cqe.value)), Some((Status::Ok, 8)));
        commands.fence().unwrap();
        assert_eq!(device.occupancy().unwrap().tiers[3].used, 8);
    }
}

/// EVICT of a range from `tag` on.
fn range(tag: u64) -> kvcpu_mmio::queue::Sqe {
    sqe::scoped(Opcode::Evict, kvcpu_driver::Target::Range(key(tag), 1))
}

#[test]
fn a_block_goes_to_t3_and_comes_back_whole() {
    let (device, t3) = device(emulator(), tiers([0, 2, 2, 8]));
    let mut commands = device.single_shot();
    let buffer = device.dma_alloc(BYTES).unwrap();
    for tag in 0..8 {
        let key = key(tag);
        buffer.write(0, &content(key, 0, BYTES)).unwrap();
        commands.insert(&Insert::new(key, 1)).unwrap();
        commands.copy_in(key, &buffer, 0).unwrap();
    }
    commands.fence().unwrap();
    assert_eq!(device.occupancy().unwrap().tiers.map(|tier| tier.used), [0, 2, 2, 4]);
    for tag in 0..8 {
        let key = key(tag);
        let place = commands.lookup(key).unwrap().placed().expect("nothing was dropped");
        if place.tier == 3 {
            assert_eq!(t3.slot(place.frame.into()), Some((key, content(key, 0, BYTES))));
            let refused = commands.copy_out(key, &buffer, 0).unwrap_err();
            assert_eq!(refused.status(), Some(Status::NotAddressable));
            commands.step_advance(tag as u32).unwrap();
            device.write_at(&kvcpu_mmio::regs::tier::TIER_LOOKAHEAD, 3, 0, 1).unwrap();
            commands.prefetch(key.into(), tag as u32).unwrap();
        }
        commands.copy_out(key, &buffer, 0).unwrap();
        let mut found = vec![0; BYTES];
        buffer.read(0, &mut found).unwrap();
        assert_eq!(found, content(key, 0, BYTES), "block {tag}, from T{}", place.tier);
        // Used, it is awaited no longer, and may make room for the next.
        commands.touch(key, None).unwrap();
    }
}

#[test]
fn a_failing_store_leaves_the_block_where_it_was_and_fence_tells() {
    let (device, t3) = device(emulator(), tiers([0, 0, 4, 4]));
    let mut commands = device.single_shot();
    for tag in 0..2 {
        commands.insert(&Insert::new(key(tag), 2)).unwrap();
    }
    t3.failing.store(true, Ordering::SeqCst);
    commands.evict(key(0).into()).unwrap();
    commands.evict(key(1).into()).unwrap();
    let DriverError::Command { status, .. } = commands.fence().unwrap_err() else { panic!("a status") };
    assert_eq!((status.status(), status.value), (Some(Status::MoveFailed), 2));
    commands.fence().expect("told once");
    for tag in 0..2 {
        assert_eq!(commands.lookup(key(tag)).unwrap().placed().map(|place| place.tier), Some(2));
    }
    assert_eq!(device.read(&counter::CNT_MOVES_FAILED).unwrap(), 2);
    assert_eq!(device.read_field(&dma::DMA_ERR, &dma::DMA_ERR::T3).unwrap(), 1);
    assert_eq!(device.read_field(&service::SVC_ERR, &service::SVC_ERR::T3_FAILED).unwrap(), 1);
    let errors = device.take_service_errors();
    assert!(matches!(errors[..], [ServiceError::Transfer { .. }, ServiceError::Transfer { .. }]), "{errors:?}");
    t3.failing.store(false, Ordering::SeqCst);
    commands.evict(key(0).into()).unwrap();
    commands.fence().unwrap();
    assert_eq!(commands.lookup(key(0)).unwrap().placed().map(|place| place.tier), Some(3));
}

#[test]
fn a_fetch_with_other_bytes_is_refused_and_undone() {
    let config = tiers([0, 0, 4, 4]);
    let lookahead = config.tiers.map(|tier| tier.lookahead(10));
    let (device, t3) = device(emulator(), Config { tiers: lookahead, prefetch_tier: 2, ..config });
    let mut commands = device.single_shot();
    commands.insert(&Insert::new(key(0), 2)).unwrap();
    commands.evict(key(0).into()).unwrap();
    commands.fence().unwrap();
    t3.lying.store(true, Ordering::SeqCst);
    commands.prefetch(key(0).into(), 5).unwrap();
    assert_eq!(commands.fence().unwrap_err().status(), Some(Status::MoveFailed));
    assert_eq!(device.read_field(&dma::DMA_ERR, &dma::DMA_ERR::CRC).unwrap(), 1);
    assert_eq!(device.read(&dma::DMA_ERR_TAG).unwrap(), key(0).tag);
    assert_eq!(commands.lookup(key(0)).unwrap().placed().map(|place| place.tier), Some(3));
    t3.lying.store(false, Ordering::SeqCst);
    commands.prefetch(key(0).into(), 5).unwrap();
    commands.fence().unwrap();
    assert_eq!(commands.lookup(key(0)).unwrap().placed().map(|place| place.tier), Some(2));
}

#[test]
fn a_silent_host_is_a_timeout_and_its_late_answer_still_counts() {
    let (device, t3) = device(emulator(), Config { deadline: Duration::from_millis(40), ..tiers([0, 0, 4, 4]) });
    let mut commands = device.single_shot();
    t3.held.store(true, Ordering::SeqCst);
    commands.insert(&Insert::new(key(0), 2)).unwrap();
    commands.evict(key(0).into()).unwrap();
    let error = commands.fence().unwrap_err();
    let DriverError::Timeout { register: "STATUS", last, .. } = error else { panic!("{error}") };
    assert_eq!(control::STATUS::BLOCKED_ON.get(last), BlockedOn::Move as u64);
    t3.held.store(false, Ordering::SeqCst);
    let mut again = device.single_shot();
    again.fence().expect("the first fence ends, then the second");
    assert_eq!(again.lookup(key(0)).unwrap().placed().map(|place| place.tier), Some(3));
}

#[test]
fn moves_of_a_silent_host_can_be_aborted() {
    let (device, t3) = device(emulator(), tiers([0, 0, 4, 4]));
    let mut commands = device.single_shot();
    t3.held.store(true, Ordering::SeqCst);
    commands.insert(&Insert::new(key(0), 2)).unwrap();
    commands.evict(key(0).into()).unwrap();
    device.service().unwrap();
    device.write(&service::SVC_ABORT, 1).unwrap();
    assert_eq!(commands.fence().unwrap_err().status(), Some(Status::MoveFailed));
    assert_eq!(commands.lookup(key(0)).unwrap().placed().map(|place| place.tier), Some(2));
    // The same slot is used anew, and the answer to the aborted request comes: ignored, whatever it says.
    commands.evict(key(0).into()).unwrap();
    t3.held.store(false, Ordering::SeqCst);
    commands.fence().unwrap();
    assert_eq!(device.read(&service::SVC_ERR).unwrap(), service::SVC_ERR::UNKNOWN_ID.mask());
    let place = commands.lookup(key(0)).unwrap().placed().expect("it is in T3");
    assert_eq!((place.tier, t3.slot(place.frame.into()).map(|(key, _)| key)), (3, Some(key(0))));
}

fn a_ring_breaks<B: Backing + 'static>((backing, bus): (B, Arc<Bus>)) {
    let (device, t3) = device(backing, tiers([0, 0, 4, 4]));
    let mut commands = device.single_shot();
    t3.held.store(true, Ordering::SeqCst);
    for tag in 0..3 {
        commands.insert(&Insert::new(key(tag), 2)).unwrap();
    }
    commands.evict(key(0).into()).unwrap();
    device.service().unwrap();
    let ring = device.read(&service::SVC_SQ_BASE).unwrap();
    bus.tear(ring..ring + 4096);
    // It was decided before it was known that the host cannot be asked, and so it says.
    let begun = commands.execute(sqe::scoped(Opcode::Evict, key(1).into())).unwrap();
    assert_eq!((begun.tier, begun.flags & ResultFlags::IN_FLIGHT.bits()), (3, ResultFlags::IN_FLIGHT.bits()));
    let fenced = commands.execute(sqe::fence()).unwrap();
    assert_eq!((status(&fenced), fenced.value), (Status::MoveFailed, 2), "the request before it fails as well");
    assert_eq!(device.read(&dma::DMA_ERR_TAG).unwrap(), 1, "and fails before it");
    assert_eq!(device.read(&service::SVC_ERR).unwrap(), service::SVC_ERR::FAULT.mask());
    // Nothing is in flight and nothing is lost. Neither an answer nor a ring that works again mends it.
    bus.heal();
    t3.held.store(false, Ordering::SeqCst);
    while device.service().unwrap().any() {}
    commands.evict(key(2).into()).unwrap();
    let fenced = commands.execute(sqe::fence()).unwrap();
    assert_eq!((status(&fenced), fenced.value), (Status::MoveFailed, 1));
    for tag in 0..3 {
        assert_eq!(commands.lookup(key(tag)).unwrap().placed().map(|place| place.tier), Some(2), "block {tag}");
    }
    assert_eq!(device.read(&service::SVC_ERR).unwrap(), service::SVC_ERR::FAULT.mask());
}

#[test]
fn a_ring_that_breaks_fails_what_waits_and_what_follows() {
    a_ring_breaks(Bus::emulator(Geometry::TEST));
    a_ring_breaks(Bus::rtl(Geometry::SMALL, RtlOptions::default()));
}

#[test]
fn without_bytes_t3_needs_no_host() {
    let (device, t3) = device(emulator(), Config { metadata_only: true, ..tiers([0, 0, 1, 4]) });
    let mut commands = device.single_shot();
    for tag in 0..4 {
        let cqe = commands.execute(sqe::insert(&Insert::new(key(tag), 2))).unwrap();
        assert_eq!(cqe.flags & ResultFlags::IN_FLIGHT.bits(), 0);
    }
    commands.fence().unwrap();
    assert_eq!(device.occupancy().unwrap().tiers[3].used, 3);
    assert_eq!(device.counters().unwrap().moved(2, 3), 3 * BYTES as u64);
    assert_eq!(t3.requests.load(Ordering::SeqCst), 0);
}
