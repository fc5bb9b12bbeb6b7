//! Faults on the bus and in the host, one at a time at every place of a workload: a clear error within the deadline,
//! nothing hung, and afterwards every block that the directory has in a tier reads back its bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kvcpu_driver::decorator::{FaultPlan, Faulty};
use kvcpu_driver::{Commands, Config, Device, DmaBuffer, DriverError, Insert, Lookup, QueuePair, TierConfig, sqe};
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_mmio::regs::{counter, dma, luf, tier};
use kvcpu_mmio::{Backing, Geometry};
use kvcpu_tests::bus::Bus;
use kvcpu_tests::check;
use kvcpu_tests::rig::content;
use kvcpu_tests::setup::{emulator, key, tiers};
use kvcpu_tests::t3::T3;

const BYTES: usize = 256;
const DEADLINE: Duration = Duration::from_millis(60);

/// T0 and T1 of a few blocks, T2 and T3 with room for all.
fn config() -> Config {
    let config = tiers([2, 3, 6, 16]);
    let tiers = config.tiers.map(|tier| TierConfig { lookahead: 100, ..tier });
    Config { tiers, prefetch_tier: 1, deadline: DEADLINE, ..config }
}

/// What the workload knows: the bytes that each block should have.
#[derive(Default)]
struct Known(BTreeMap<Key, u64>);

/// Inserts, copies, evictions, prefetches over all four tiers. Refusals are collected; anything but a refusal ends
/// it.
fn workload(commands: &mut dyn Commands, buffer: &DmaBuffer, known: &mut Known) -> Result<Vec<Status>, DriverError> {
    let mut refusals = Vec::new();
    let mut note = |result: Result<(), DriverError>| match result {
        Err(error) => match error.status() {
            Some(status) => {
                refusals.push(status);
                Ok(false)
            }
            None => Err(error),
        },
        Ok(()) => Ok(true),
    };
    for n in 0..12 {
        let (key, write) = (key(n), n + 1);
        if note(commands.insert(&Insert::new(key, 0)).map(drop))? {
            buffer.write(0, &content(key, write, BYTES))?;
            known.0.remove(&key);
            if note(commands.copy_in(key, buffer, 0).map(drop))? {
                known.0.insert(key, write);
            }
        }
        note(commands.fence())?;
        if n % 3 == 2 {
            note(commands.evict(key.into()).map(drop))?;
            note(commands.fence())?;
            note(commands.prefetch(self::key(n / 3).into(), 5).map(drop))?;
            note(commands.fence())?;
        }
    }
    Ok(refusals)
}

/// All is well again: whatever the directory has in a tier has its bytes, frames add up, and work goes on.
fn check_kept<B: Backing + 'static>(device: &Device<B>, t3: &Arc<T3>, known: &Known, at: &str) {
    let mut commands = device.single_shot();
    // The moves that failed were told, or are now.
    let _ = commands.fence();
    commands.fence().unwrap_or_else(|error| panic!("{at}: {error}"));
    let buffer = device.dma_alloc(BYTES).unwrap();
    for (key, write) in &known.0 {
        let Lookup::Placed(place) = commands.lookup(*key).unwrap() else { panic!("{at}: {key:?} is lost") };
        assert!(!place.in_flight, "{at}");
        let mut found = vec![0; BYTES];
        if place.tier == 3 {
            found = t3.slot(place.frame.into()).map(|(_, bytes)| bytes).unwrap_or_default();
        } else {
            commands.copy_out(*key, &buffer, 0).unwrap_or_else(|error| panic!("{at}: {key:?} {place:?} {error}"));
            buffer.read(0, &mut found).unwrap();
        }
        assert_eq!(found, content(*key, *write, BYTES), "{at}: {key:?} in {place:?}");
    }
    let occupancy = device.occupancy().unwrap();
    for (of, tier) in occupancy.tiers.iter().zip(config().tiers) {
        assert_eq!(of.used + of.free + of.quarantined, tier.frames, "{at}");
    }
    assert_eq!(device.read(&luf::LUF_VIOLATIONS).unwrap(), 0);
}

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
    workload(&mut device.single_shot(), &buffer, &mut Known::default()).unwrap();
    let accesses = bus.accesses();
    assert!(accesses > 60, "{accesses}");
    let mut failed = 0;
    for n in 0..accesses {
        let Bench { device, bus, t3, buffer } = bench();
        let mut known = Known::default();
        bus.fault_in(n as i64);
        let refusals = workload(&mut device.single_shot(), &buffer, &mut known).unwrap();
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
    workload(&mut device.queue_pair(0).unwrap(), &buffer, &mut Known::default()).unwrap();
    let accesses = bus.accesses();
    for n in 0..accesses {
        let Bench { device, bus, t3, buffer } = bench();
        let mut known = Known::default();
        let mut queue: QueuePair<_> = device.queue_pair(0).unwrap();
        bus.fault_in(n as i64);
        if let Err(error) = workload(&mut queue, &buffer, &mut known) {
            assert!(matches!(error, DriverError::QueueHalted { .. }), "access {n}: {error}");
            assert!(error.to_string().contains("Q_ERR"), "{error}");
            bus.heal();
            queue.restart().unwrap();
            // The command whose completion was lost may have been a COPY IN of other bytes.
            workload(&mut queue, &buffer, &mut known).unwrap();
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
        let refusals = workload(&mut device.single_shot(), &buffer, &mut known).unwrap();
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
    workload(&mut device.single_shot(), &buffer, &mut known).unwrap();
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
    workload(&mut queue, &buffer, &mut known).unwrap();
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
        workload(&mut queue, &buffer, &mut known).unwrap();
        check_kept(&device, &t3, &known, &format!("allocation {nth}"));
    }
}

/// The whole life of a device under a plan; an error is fine, a hang or a panic is not.
fn live(plan: FaultPlan, ring: bool) -> Result<(), DriverError> {
    let backing = Arc::new(Faulty::new(Arc::new(emulator()), plan));
    let device = Device::probe(backing)?;
    device.set_deadline(DEADLINE);
    let t3 = T3::new();
    device.set_t3_backend(t3.backend());
    device.configure(config())?;
    let buffer = device.dma_alloc(BYTES)?;
    let mut known = Known::default();
    if ring {
        workload(&mut device.queue_pair(0)?, &buffer, &mut known)?;
    } else {
        workload(&mut device.single_shot(), &buffer, &mut known)?;
    }
    device.disable()
}

/// How many register accesses `live` makes.
fn accesses(ring: bool) -> u64 {
    let counted = Arc::new(Faulty::new(Arc::new(emulator()), FaultPlan::default()));
    let device = Device::probe(counted.clone()).unwrap();
    let t3 = T3::new();
    device.set_t3_backend(t3.backend());
    device.configure(config()).unwrap();
    let buffer = device.dma_alloc(BYTES).unwrap();
    let mut known = Known::default();
    if ring {
        workload(&mut device.queue_pair(0).unwrap(), &buffer, &mut known).unwrap();
    } else {
        workload(&mut device.single_shot(), &buffer, &mut known).unwrap();
    }
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
            // While it is being identified it may look like another device.
            assert!(error.is_gone() || at < 12, "access {at}: {error}");
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
        let what = check::replay("faults", "any_single_fault_ends_in_time", seed);
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
    workload(&mut device.single_shot(), &buffer, &mut Known::default()).unwrap();
    backing.die();
    assert!(device.single_shot().nop().unwrap_err().is_gone());
    backing.revive();
    device.reset().unwrap();
    t3.held.store(false, Ordering::SeqCst);
    device.configure(config()).unwrap();
    let mut known = Known::default();
    workload(&mut device.queue_pair(0).unwrap(), &buffer, &mut known).unwrap();
    check_kept(&device, &t3, &known, "after death and reset");
}

#[test]
fn a_copy_to_memory_that_is_not_there_is_refused_with_its_address() {
    let Bench { device, t3, buffer, .. } = bench();
    let mut known = Known::default();
    let mut commands = device.single_shot();
    workload(&mut commands, &buffer, &mut known).unwrap();
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
