//! Faults on the bus, one at a time at every access of a workload: a clear error within the deadline, nothing hung,
//! and afterwards every block that the directory has in a tier reads back its bytes.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::sync::Arc;
use std::time::Instant;

use kvcpu_driver::decorator::{FaultPlan, Faulty};
use kvcpu_driver::{Commands, Device, DmaBuffer, DriverError, Lookup, QueuePair, sqe};
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_mmio::regs::{counter, dma, tier};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::setup::{emulator, key};
use kvcpu_tests::t3::T3;
use kvcpu_tests::workload::{self, BYTES, DEADLINE, Known, check_kept, config};

struct Bench {
    device: Device<kvcpu_emulator::Emulator>,
    bus: Arc<Bus>,
    t3: Arc<T3>,
    buffer: DmaBuffer,
}

fn bench() -> Bench {
    let (emulator, bus) = Bus::emulator(Geometry::TEST);
    let (device, t3) = kvcpu_tests::setup::device(emulator, config());
    let buffer = device.dma_alloc(BYTES).unwrap();
    Bench { device, bus, t3, buffer }
}

#[test]
fn a_fault_at_any_bus_access_loses_nothing_single_shot() {
    let Bench { device, bus, buffer, .. } = bench();
    workload::run(&mut device.single_shot(), &buffer, &mut Known::default()).unwrap();
    let accesses = bus.accesses();
    assert!(accesses > 60, "{accesses}");
    let mut failed = 0;
    for n in 0..accesses {
        let Bench { device, bus, t3, buffer } = bench();
        let mut known = Known::default();
        bus.fault_in(n as i64);
        let refusals = workload::run(&mut device.single_shot(), &buffer, &mut known).unwrap();
        bus.heal();
        failed += refusals.len();
        assert_eq!(device.read_field(&dma::DMA_ERR, &dma::DMA_ERR::IOVA_FAULT).unwrap(), 1, "access {n}");
        check_kept(&device, &t3, &known, &format!("access {n} of {accesses}"));
    }
    assert!(failed as u64 >= accesses / 2, "faults were felt: {failed} of {accesses}");
}

#[test]
fn a_fault_at_any_bus_access_loses_nothing_on_a_ring() {
    let Bench { device, bus, buffer, .. } = bench();
    workload::run(&mut device.queue_pair(0).unwrap(), &buffer, &mut Known::default()).unwrap();
    let accesses = bus.accesses();
    for n in 0..accesses {
        let Bench { device, bus, t3, buffer } = bench();
        let mut known = Known::default();
        let mut queue: QueuePair<_> = device.queue_pair(0).unwrap();
        bus.fault_in(n as i64);
        if let Err(error) = workload::run(&mut queue, &buffer, &mut known) {
            assert!(matches!(error, DriverError::QueueHalted { .. }), "access {n}: {error}");
            assert!(error.to_string().contains("Q_ERR"), "{error}");
            bus.heal();
            queue.restart().unwrap();
            // The command whose completion was lost may have been a COPY IN of other bytes.
            workload::run(&mut queue, &buffer, &mut known).unwrap();
        }
        bus.heal();
        check_kept(&device, &t3, &known, &format!("access {n} of {accesses}"));
    }
}

#[test]
fn a_block_that_arrives_changed_is_noticed() {
    let mut noticed = 0;
    for n in 0..60 {
        let Bench { device, bus, t3, buffer } = bench();
        let mut known = Known::default();
        bus.corrupt_in(n);
        let refusals = workload::run(&mut device.single_shot(), &buffer, &mut known).unwrap();
        bus.heal();
        let crc = device.read_field(&dma::DMA_ERR, &dma::DMA_ERR::CRC).unwrap();
        let told = refusals.iter().any(|status| matches!(status, Status::CrcError | Status::MoveFailed));
        noticed += u64::from(told);
        let counted = device.read(&counter::CNT_MOVES_FAILED).unwrap();
        assert_eq!(crc == 1 || counted > 0, told, "block write {n}: {refusals:?}");
        check_kept(&device, &t3, &known, &format!("block write {n}"));
    }
    assert!(noticed > 20, "{noticed}");
}

#[test]
fn an_arena_unmapped_in_the_middle_fails_its_moves_and_no_others() {
    let faulty = Faulty::new(Arc::new(emulator()), FaultPlan::default());
    let (device, _) = kvcpu_tests::setup::device(faulty, config());
    let buffer = device.dma_alloc(BYTES).unwrap();
    let mut known = Known::default();
    workload::run(&mut device.single_shot(), &buffer, &mut known).unwrap();
    let mut commands = device.single_shot();
    let in_tier = |device: &Device<_>, tier| -> Vec<Key> {
        let entries = device.entries().map(Result::unwrap);
        entries.filter(|entry| entry.tier == tier).map(|entry| entry.key).collect()
    };
    let arena = device.read_at(&tier::TIER_BASE, 2, 0).unwrap();
    device.backing().unmap(arena).unwrap();
    let (t1, t2) = (in_tier(&device, 1), in_tier(&device, 2));
    assert!(!t1.is_empty() && !t2.is_empty());
    for key in &t2 {
        commands.evict((*key).into()).unwrap();
        assert_eq!(commands.fence().unwrap_err().status(), Some(Status::MoveFailed));
        assert_eq!(commands.copy_out(*key, &buffer, 0).unwrap_err().status(), Some(Status::DmaFault));
        assert_eq!(device.read(&dma::DMA_ERR_TAG).unwrap(), key.tag);
    }
    assert_eq!(in_tier(&device, 2), t2, "every move was undone");
    for key in t1 {
        commands.copy_out(key, &buffer, 0).expect("T1 is the card's own");
        commands.demote(key.into(), 3).expect("and staging memory is mapped");
        commands.fence().unwrap();
    }
}

#[test]
fn without_bus_mastering_nothing_hangs_and_it_comes_back() {
    let Bench { device, t3, buffer, .. } = bench();
    let mut known = Known::default();
    let mut queue = device.queue_pair(2).unwrap();
    workload::run(&mut queue, &buffer, &mut known).unwrap();
    device.backing().bus_master(false).unwrap();
    let start = Instant::now();
    let error = queue.lookup(key(0)).unwrap_err();
    assert!(matches!(error, DriverError::QueueHalted { qid: 2, register: "Q_ERR", .. }), "{error}");
    assert!(start.elapsed() < 10 * DEADLINE);
    assert_eq!(device.read_field(&dma::DMA_ERR, &dma::DMA_ERR::BUS_MASTER_OFF).unwrap(), 1);
    let mut commands = device.single_shot();
    for n in 0..12 {
        // Those in T1 cannot reach T2 either; a fetch would lose the service queue for good, so T3 is left alone.
        let Lookup::Placed(place) = commands.lookup(key(n)).unwrap() else { panic!("block {n} is lost") };
        if place.tier != 3 {
            let evicted = commands.evict(key(n).into());
            assert!(matches!(evicted.map_err(|error| error.status()), Ok(_) | Err(Some(Status::MoveFailed))));
            assert_eq!(commands.fence().unwrap_err().status(), Some(Status::MoveFailed));
            assert_eq!(commands.lookup(key(n)).unwrap().placed(), Some(place));
        }
    }
    device.backing().bus_master(true).unwrap();
    queue.restart().unwrap();
    check_kept(&device, &t3, &known, "after bus mastering came back");
}

#[test]
fn a_copy_to_memory_that_is_not_there_is_refused_with_its_address() {
    let Bench { device, t3, buffer, .. } = bench();
    let mut known = Known::default();
    let mut commands = device.single_shot();
    workload::run(&mut commands, &buffer, &mut known).unwrap();
    let Some((&key, _)) = known.0.iter().next_back() else { panic!("blocks were written") };
    let unmapped = 0x7000_0000_0000;
    for sqe in [sqe::copy_out(key, unmapped, BYTES as u32), sqe::copy_in(key, u64::MAX - 7, BYTES as u32)] {
        let cqe = commands.execute(sqe).unwrap();
        assert_eq!(Status::from_code(cqe.status), Some(Status::DmaFault));
        assert_eq!(device.read(&dma::DMA_ERR_IOVA).unwrap(), sqe.iova);
    }
    // The second was to overwrite the block: its bytes are unknown until it is refilled.
    known.0.remove(&key);
    check_kept(&device, &t3, &known, "after two bad buffers");
}
