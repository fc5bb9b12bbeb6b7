//! Devices that die, fall silent, flip a bit, or get no memory, at any register access: a clear error within the
//! deadline, never a hang.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kvcpu_driver::decorator::{FaultPlan, Faulty};
use kvcpu_driver::{Commands, Device, DriverError};
use kvcpu_mmio::regs::tier;
use kvcpu_tests::check;
use kvcpu_tests::setup::emulator;
use kvcpu_tests::t3::T3;
use kvcpu_tests::workload::{self, BYTES, DEADLINE, Known, check_kept, config};

#[test]
fn memory_that_is_refused_leaves_the_device_alone() {
    for nth in 0..8 {
        let plan = FaultPlan { refuse_alloc: Some(nth), ..FaultPlan::default() };
        let device = Device::probe(Arc::new(Faulty::new(Arc::new(emulator()), plan))).unwrap();
        let t3 = T3::new();
        device.set_t3_backend(t3.backend());
        let configured = device.configure(config());
        if let Err(error) = &configured {
            assert!(error.to_string().contains("refused by plan"), "{error}");
            assert_eq!(device.read(&tier::TIER_LIMIT).unwrap(), 0, "no register was written");
            device.configure(config()).expect("the next has its memory");
        }
        let queue = device.queue_pair(0);
        if let Err(error) = &queue {
            assert!(error.to_string().contains("refused by plan"), "{error}");
        }
        let mut queue = queue.or_else(|_| device.queue_pair(0)).expect("the queue is not taken");
        let buffer = device.dma_alloc(BYTES).or_else(|_| device.dma_alloc(BYTES)).unwrap();
        let mut known = Known::default();
        workload::run(&mut queue, &buffer, &mut known).unwrap();
        check_kept(&device, &t3, &known, &format!("allocation {nth}"));
    }
}

/// The whole life of a device under a plan; an error is fine, a hang or a panic is not.
fn live(plan: FaultPlan, ring: bool) -> Result<(), DriverError> {
    let device = Device::probe(Arc::new(Faulty::new(Arc::new(emulator()), plan)))?;
    workload::live(&device, ring)?;
    device.disable()
}

/// How many register accesses the workload makes.
fn accesses(ring: bool) -> u64 {
    let counted = Arc::new(Faulty::new(Arc::new(emulator()), FaultPlan::default()));
    workload::live(&Device::probe(counted.clone()).unwrap(), ring).unwrap();
    counted.accesses()
}

/// A clear error: in time, with words.
fn in_time(what: &str, plan: FaultPlan, ring: bool) -> Option<DriverError> {
    let start = Instant::now();
    let error = live(plan, ring).err();
    // Giving up a command, the queue and the device may each take a deadline.
    assert!(start.elapsed() < 6 * DEADLINE + Duration::from_secs(1), "{what} {plan:?} took {:?}", start.elapsed());
    if let Some(error) = &error {
        assert!(error.to_string().len() > 20, "{what} {plan:?}: {error}");
    }
    error
}

#[test]
fn a_device_that_dies_at_any_access_is_gone_in_time() {
    for ring in [false, true] {
        let all = accesses(ring);
        for at in (0..all).step_by((all / 40) as usize) {
            let plan = FaultPlan { die_at: Some(at), ..FaultPlan::default() };
            let error = in_time("death", plan, ring).expect("a dead device does not finish");
            assert!(error.is_gone(), "access {at}: {error}");
        }
    }
}

#[test]
fn a_device_that_stops_answering_is_a_timeout_in_time() {
    for ring in [false, true] {
        let all = accesses(ring);
        for at in (all / 8..all).step_by((all / 12) as usize) {
            let plan = FaultPlan { silent_at: Some(at), ..FaultPlan::default() };
            if let Some(error) = in_time("silence", plan, ring) {
                assert!(matches!(error, DriverError::Timeout { .. }), "access {at}: {error}");
            }
        }
    }
}

#[test]
fn any_single_fault_ends_in_time() {
    let all = accesses(true);
    for seed in check::seeds(60) {
        let what = check::replay("dead_devices", "any_single_fault_ends_in_time", seed);
        in_time(&what, FaultPlan::random(seed, all), seed % 2 == 0);
    }
}

#[test]
fn a_device_that_was_dead_works_again_after_reset() {
    let backing = Arc::new(Faulty::new(Arc::new(emulator()), FaultPlan::default()));
    let device = Device::probe(backing.clone()).unwrap();
    let t3 = T3::new();
    device.set_t3_backend(t3.backend());
    device.configure(config()).unwrap();
    let buffer = device.dma_alloc(BYTES).unwrap();
    workload::run(&mut device.single_shot(), &buffer, &mut Known::default()).unwrap();
    backing.die();
    assert!(device.single_shot().nop().unwrap_err().is_gone());
    backing.revive();
    device.reset().unwrap();
    t3.held.store(false, Ordering::SeqCst);
    device.configure(config()).unwrap();
    let mut known = Known::default();
    workload::run(&mut device.queue_pair(0).unwrap(), &buffer, &mut known).unwrap();
    check_kept(&device, &t3, &known, "after death and reset");
}
