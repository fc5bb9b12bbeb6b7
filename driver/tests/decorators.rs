//! The decorators themselves, and the driver under seeded faults: it ends with an answer or an error,
//! never hangs, never panics, and never answers wrongly without a fault that explains it.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::sync::Arc;

use common::{content, emulator, key};
use kvcpu_driver::decorator::{FaultPlan, Faulty, Traced};
use kvcpu_driver::mmio::regs::control;
use kvcpu_driver::mmio::{Backing, BackingError, Bar};
use kvcpu_driver::{Commands, Config, Device, DmaBuffer, DriverError, Insert};
use kvcpu_emulator::Emulator;

const SCRATCH: u32 = control::SCRATCH.offset;

fn faulty(plan: FaultPlan) -> Faulty<Emulator> {
    Faulty::new(emulator(), plan)
}

#[test]
fn without_a_plan_nothing_is_changed() {
    let backing = faulty(FaultPlan::default());
    backing.write32(Bar::Regs, SCRATCH, 5).unwrap();
    assert_eq!(backing.read32(Bar::Regs, SCRATCH).unwrap(), 5);
    assert_eq!(backing.accesses(), 2);
}

#[test]
fn death_comes_at_its_access() {
    let backing = faulty(FaultPlan { die_at: Some(1), ..FaultPlan::default() });
    backing.write32(Bar::Regs, SCRATCH, 5).unwrap();
    assert_eq!(backing.read32(Bar::Regs, SCRATCH).unwrap(), u32::MAX);
    assert_eq!(backing.read64(Bar::Regs, 0).unwrap(), u64::MAX);
    backing.write32(Bar::Regs, SCRATCH, 6).unwrap();
    backing.revive();
    assert_eq!(backing.read32(Bar::Regs, SCRATCH).unwrap(), 5, "the write was swallowed");
}

#[test]
fn one_bit_of_one_read_flips() {
    for seed in 0..50 {
        let backing = faulty(FaultPlan { seed, flip_read: Some(1), ..FaultPlan::default() });
        let read = || backing.read32(Bar::Regs, control::MAGIC.offset).unwrap();
        assert_eq!(read(), control::MAGIC_VALUE);
        assert_eq!((read() ^ control::MAGIC_VALUE).count_ones(), 1);
        assert_eq!(read(), control::MAGIC_VALUE);
    }
}

#[test]
fn one_allocation_is_refused() {
    let backing = faulty(FaultPlan { refuse_alloc: Some(1), ..FaultPlan::default() });
    backing.dma_alloc(1).unwrap();
    assert!(matches!(backing.dma_alloc(1), Err(BackingError::Dma(_))));
    backing.dma_alloc(1).unwrap();
}

#[test]
fn a_region_is_unmapped_once_and_its_owner_does_not_notice() {
    let backing = faulty(FaultPlan { unmap_at: Some(0), ..FaultPlan::default() });
    let memory = backing.dma_alloc(1).unwrap();
    backing.read32(Bar::Regs, 0).unwrap();
    assert!(backing.regions().is_empty());
    assert!(backing.inner().dma_free(memory.iova()).is_err(), "it is unmapped already");
    backing.dma_free(memory.iova()).unwrap();
    assert!(backing.dma_free(memory.iova()).is_err());
}

#[test]
fn decorators_nest() {
    let traced = Arc::new(Traced::new(Arc::new(faulty(FaultPlan::default()))));
    let device = Device::probe(traced.clone()).unwrap();
    device.configure(Config::default()).unwrap();
    device.single_shot().nop().unwrap();
    let (counts, accesses) = (traced.counts(), traced.inner().accesses());
    assert_eq!(counts.reads + counts.writes, accesses);
    assert_eq!(device.backing().name(), "emulator");
}

/// Fills blocks, moves them about, and reads them back.
fn work(device: &Device<Faulty<Emulator>>) -> Result<(), DriverError> {
    let mut queue = device.queue_pair(0)?;
    let bytes = queue.block_bytes() as usize;
    let buffer: DmaBuffer = device.dma_alloc(bytes)?;
    let mut back = vec![0; bytes];
    for tag in 0..12 {
        queue.insert(&Insert::new(key(tag), 1))?;
        buffer.write(0, &content(key(tag), bytes))?;
        queue.copy_in(key(tag), &buffer, 0)?;
    }
    for tag in 0..4 {
        queue.evict(key(tag).into())?;
    }
    let mut shot = device.single_shot();
    for tag in 0..12 {
        shot.touch(key(tag), None)?;
        shot.copy_out(key(tag), &buffer, 0)?;
        buffer.read(0, &mut back)?;
        assert!(back == content(key(tag), bytes), "block {tag} came back wrong");
    }
    queue.fence()?;
    device.counters().map(drop)
}

#[test]
fn under_any_seeded_fault_the_driver_ends_with_an_answer_or_an_error() {
    let mut tally = [0; 2];
    for seed in 0..400 {
        let plan = FaultPlan::random(seed, 650);
        let flips = plan.flip_read.is_some();
        let outcome = std::panic::catch_unwind(|| {
            let device = Device::probe(Arc::new(faulty(plan)))?;
            let deadline = std::time::Duration::from_millis(5);
            device.set_deadline(deadline);
            device.configure(Config { deadline, block_shift: 7, ..Config::default() })?;
            work(&device)
        });
        match outcome {
            Ok(Ok(())) => tally[0] += 1,
            Ok(Err(error)) => {
                assert!(!error.to_string().is_empty(), "{plan:?}");
                tally[1] += 1;
            }
            // A flipped bit in a register has no redundancy that could show it.
            Err(_) => assert!(flips, "{plan:?} made the driver panic or answer wrongly"),
        }
    }
    assert!(tally[1] > 250, "most faults must be noticed: {tally:?}");
}
