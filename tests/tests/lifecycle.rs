//! Enable, disable, reset: what is refused, what is forgotten, what is aborted.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use kvcpu_driver::{Commands, Config, Device, Insert, sqe};
use kvcpu_mmio::queue::Status;
use kvcpu_mmio::regs::{command, control, dma, hepc, luf, queue, rtbd, service, tier};
use kvcpu_mmio::{Access, Backing, Bar, Geometry, Register, map};
use kvcpu_tests::raw::{self, BlockedOn, RawQueue, blocked_on};
use kvcpu_tests::setup::{device, emulator, key, status, tiers};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn probed() -> Device<kvcpu_emulator::Emulator> {
    Device::probe(Arc::new(emulator())).unwrap()
}

/// One tier of 4 blocks of 256 bytes, written by hand, T3 with its queue if asked for.
fn program<B: Backing>(device: &Device<B>, t3: bool) {
    let write = |register: &Register, instance, value| device.write_at(register, instance, 0, value).unwrap();
    device.reset().unwrap();
    write(&dma::BLOCK_SHIFT, 0, 8);
    for number in [Some(1), t3.then_some(3)].into_iter().flatten() {
        write(&tier::TIER_FRAMES, number, 4);
        write(&tier::TIER_LIMIT, number, 4);
    }
    if t3 {
        write(&service::SVC_STAGE_SLOTS, 0, 2);
        write(&service::SVC_SIZE, 0, 2);
        write(&service::SVC_CTRL, 0, 1);
    }
}

#[test]
fn each_reason_to_refuse_enable_is_told() {
    let device = probed();
    let entries = u64::from(device.geometry().entries());
    let t1_blocks = device.geometry().t1_bytes() >> 21;
    type Write<'r> = (&'r Register, u32, u64);
    let cases: &[(u64, bool, &[Write<'_>])] = &[
        (0, false, &[]),
        (0, true, &[]),
        (1, false, &[(&dma::BLOCK_SHIFT, 0, 5)]),
        (1, false, &[(&dma::BLOCK_SHIFT, 0, 22)]),
        (2, false, &[(&tier::TIER_FRAMES, 0, entries + 1)]),
        (3, false, &[(&tier::TIER_LIMIT, 1, 5)]),
        (4, false, &[(&dma::BLOCK_SHIFT, 0, 21), (&tier::TIER_FRAMES, 1, t1_blocks + 1)]),
        (0, false, &[(&dma::BLOCK_SHIFT, 0, 21), (&tier::TIER_FRAMES, 1, t1_blocks)]),
        (5, true, &[(&service::SVC_CTRL, 0, 0)]),
        (5, true, &[(&service::SVC_STAGE_SLOTS, 0, 0)]),
        (5, true, &[(&service::SVC_STAGE_SLOTS, 0, 65)]),
        (5, true, &[(&service::SVC_SIZE, 0, 0)]),
        (5, true, &[(&service::SVC_SIZE, 0, 16)]),
        (0, true, &[(&service::SVC_CTRL, 0, 0), (&dma::DMA_CTRL, 0, 1)]),
        (6, false, &[(&tier::TIER_LIMIT, 1, 0)]),
        (7, false, &[(&hepc::PREFETCH_TIER, 0, 2)]),
        (8, false, &[(&tier::TIER_HIGH, 1, 2), (&tier::TIER_LOW, 1, 3)]),
        (9, false, &[(&rtbd::RTBD_CTRL, 0, 1)]),
        (10, false, &[(&luf::AGENT_MASK, 0, 0x10)]),
        (11, true, &[(&service::SVC_SQ_BASE, 0, 32)]),
        (11, true, &[(&service::SVC_CQ_BASE, 0, 8)]),
        (11, true, &[(&service::SVC_STAGE_BASE, 0, 4)]),
        (11, false, &[(&tier::TIER_FRAMES, 0, 1), (&tier::TIER_LIMIT, 0, 1), (&tier::TIER_BASE, 0, 4)]),
        (11, false, &[(&tier::TIER_BASE, 1, 4)]),
        (11, false, &[(&tier::TIER_FRAMES, 2, 1), (&tier::TIER_LIMIT, 2, 1), (&tier::TIER_BASE, 2, 4)]),
        (0, false, &[(&tier::TIER_BASE, 1, 4), (&dma::DMA_CTRL, 0, 1)]),
    ];
    for (cause, t3, writes) in cases {
        program(&device, *t3);
        for (register, instance, value) in *writes {
            device.write_at(register, *instance, 0, *value).unwrap();
        }
        device.write(&control::CTRL, 1).unwrap();
        let names: Vec<_> = writes.iter().map(|(register, _, value)| (register.name, value)).collect();
        assert_eq!(device.read(&control::CONFIG_ERR).unwrap(), *cause, "{names:?}");
        assert_eq!(device.read(&control::CTRL).unwrap(), u64::from(*cause == 0), "{names:?}");
        let noted = device.read_field(&control::ERR_STATUS, &control::ERR_STATUS::CONFIG).unwrap();
        assert_eq!(noted, u64::from(*cause != 0), "{names:?}");
    }
}

#[test]
fn without_enable_only_nop_is_done() {
    let device = probed();
    let mut commands = device.single_shot();
    commands.nop().unwrap();
    for sqe in [sqe::fence(), sqe::step_advance(1), sqe::lookup(key(1)), sqe::insert(&Insert::new(key(1), 1))] {
        assert_eq!(status(&commands.execute(sqe).unwrap()), Status::NotEnabled);
    }
    let unknown = kvcpu_mmio::queue::Sqe { opcode: 0x7F, ..sqe::nop() };
    assert_eq!(status(&commands.execute(unknown).unwrap()), Status::InvalidOpcode);
}

#[test]
fn enabling_anew_begins_from_nothing() {
    let config = tiers([2, 4, 4, 0]);
    let (device, _) = device(emulator(), Config { agents: 1, ..config.clone() });
    let mut commands = device.single_shot();
    for tag in 0..12 {
        commands.insert(&Insert::new(key(tag), 0)).unwrap();
    }
    commands.step_advance(9).unwrap();
    assert!(device.read(&luf::INV_EPOCH).unwrap() > 0);
    device.disable().unwrap();
    assert_eq!(device.entries().count(), 0, "the directory is empty");
    assert_eq!(device.occupancy().unwrap().entries, 0);
    device.configure(Config { agents: 1, ..config }).unwrap();
    let counters = device.counters().unwrap();
    assert_eq!((counters.commands, counters.sweeps, counters.decision_max), (0, 0, 0));
    for register in [&hepc::STEP, &luf::INV_EPOCH, &luf::AGENT_ACK] {
        assert_eq!(device.read(register).unwrap(), 0, "{}", register.name);
    }
    assert_eq!(commands.insert(&Insert::new(key(0), 1)).unwrap().frame, 0, "free lists begin with frame 0");
}

#[test]
fn disabling_aborts_what_waits() {
    let (device, t3) = device(emulator(), tiers([0, 0, 4, 4]));
    t3.held.store(true, Ordering::SeqCst);
    let mut commands = device.single_shot();
    commands.insert(&Insert::new(key(0), 2)).unwrap();
    commands.evict(key(0).into()).unwrap();
    let mut queue = RawQueue::new(&device, 1, 3, 3, 0);
    raw::start(&device, kvcpu_mmio::queue::Sqe { cid: 0x1234, ..sqe::fence() });
    queue.submit(sqe::nop());
    assert_eq!(blocked_on(&device), BlockedOn::Move as u64);
    device.write(&control::CTRL, 0).unwrap();
    let cqe = raw::done(&device).expect("it is done");
    assert_eq!((status(&cqe), cqe.cid), (Status::Aborted, 0x1234));
    assert!(queue.pop().is_none());
    assert_eq!((queue.read(&queue::Q_CTRL), queue.read(&queue::Q_STATUS)), (0, 0));
    assert_eq!(device.read_field(&command::CMD_STATUS, &command::CMD_STATUS::BUSY).unwrap(), 0);
    assert_eq!(device.read_field(&control::STATUS, &control::STATUS::MOVES_IN_FLIGHT).unwrap(), 0);
    t3.held.store(false, Ordering::SeqCst);
    device.configure(tiers([0, 0, 4, 4])).unwrap();
    commands.insert(&Insert::new(key(0), 2)).expect("it works again");
}

#[test]
fn a_queue_that_is_stopped_loses_what_it_had_not_done() {
    let (device, _) = device(emulator(), tiers([0, 16, 0, 0]));
    let mut stopped = RawQueue::new(&device, 0, 3, 1, 0);
    let mut other = RawQueue::new(&device, 1, 3, 3, 0);
    for tag in 0..4 {
        stopped.push(sqe::insert(&Insert::new(key(tag), 1)));
    }
    stopped.ring();
    other.submit(sqe::insert(&Insert::new(key(100), 1)));
    assert_eq!(blocked_on(&device), BlockedOn::CompletionQueue as u64);
    stopped.write(&queue::Q_CTRL, 0);
    assert_eq!(blocked_on(&device), BlockedOn::Nothing as u64);
    assert_eq!(other.take(1)[0].frame, 1, "one of the first queue's was done");
    assert_eq!(device.occupancy().unwrap().entries, 2);
}

/// Every register that can be read has its reset value again, but for what CAP registers and time say.
#[test]
fn reset_gives_every_register_its_reset_value() {
    let (device, t3) = device(emulator(), Config { agents: 3, ..tiers([2, 2, 2, 2]) });
    t3.held.store(true, Ordering::SeqCst);
    let queue = RawQueue::new(&device, 0, 3, 3, queue::Q_CTRL::TENANT_ENFORCE.mask());
    let mut commands = device.single_shot();
    for tag in 0..6 {
        commands.insert(&Insert::new(key(tag), 0)).unwrap();
    }
    queue.write(&queue::SQ_DOORBELL, 99);
    raw::start(&device, sqe::insert(&Insert::new(key(6), 0)));
    assert_ne!(blocked_on(&device), BlockedOn::Nothing as u64);
    device.write(&control::SCRATCH, 0xDEAD_BEEF).unwrap();
    device.write(&hepc::LIST_SELECT, 0x103).unwrap();
    device.write(&control::CTRL, control::CTRL::RESET.mask()).unwrap();
    let from_geometry = ["CAP_RTBD", "CAP_ENGINES", "CAP_T1_KIB", "BUILD_ID", "TIMEBASE_HZ"];
    let mut checked = 0;
    for register in map::registers().filter(|r| r.bar == Bar::Regs && r.access != Access::WO) {
        let instances = if register.instances == 4 && register.offset >= 0x1000 {
            device.geometry().queues
        } else {
            register.instances
        };
        for (instance, element) in (0..instances).flat_map(|i| (0..register.elements).map(move |e| (i, e))) {
            if from_geometry.contains(&register.name) || register.name == "RTBD_STASH" || register.name == "STATUS" {
                continue;
            }
            if register.name == "AGENT_ACK" && element >= device.geometry().agents {
                continue;
            }
            let value = device.read_at(register, instance, element).unwrap();
            assert_eq!(value, register.reset, "{}[{instance}].{element}", register.name);
            checked += 1;
        }
    }
    assert!(checked > 200, "{checked} registers were looked at");
    assert_eq!(device.read(&control::STATUS).unwrap(), control::STATUS::READY.mask());
    assert_eq!(device.entries().count(), 0);
    t3.held.store(false, Ordering::SeqCst);
    device.configure(tiers([0, 2, 0, 0])).unwrap();
    device.single_shot().insert(&Insert::new(key(1), 1)).unwrap();
}

#[test]
fn an_impossible_geometry_is_no_device() {
    for geometry in [
        Geometry { entries_log2: 4, ..Geometry::TEST },
        Geometry { entries_log2: 17, ..Geometry::TEST },
        Geometry { stash: 0, ..Geometry::TEST },
        Geometry { victim_k: 0, ..Geometry::TEST },
        Geometry { queues: 5, ..Geometry::TEST },
        Geometry { agents: 9, ..Geometry::TEST },
        Geometry { lanes: 3, ..Geometry::TEST },
        Geometry { min_block_shift: 5, ..Geometry::TEST },
    ] {
        let error = kvcpu_emulator::Emulator::new(geometry).err().expect("it is refused");
        assert!(error.to_string().contains("must"), "{error}");
    }
}
