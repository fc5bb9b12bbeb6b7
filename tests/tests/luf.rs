//! Lazy invalidation: frames come back when every agent has let go of them, and not before.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use kvcpu_driver::{Commands, Config, Device, Insert, TierConfig, sqe};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::queue::Status;
use kvcpu_mmio::regs::{control, counter, irq, luf, tier};
use kvcpu_tests::raw::{self, BlockedOn, blocked_on};
use kvcpu_tests::setup::{device, emulator, key, read_only, status, tiers};

/// One tier of `limit` blocks and `spare` frames more; `agents` that nobody acknowledges for but the test.
fn with_agents(limit: u32, spare: u32, agents: u8) -> Device<Emulator> {
    let t1 = TierConfig::blocks(limit).quarantine(spare);
    let tiers_ = [TierConfig::OFF, t1, TierConfig::OFF, TierConfig::OFF];
    device(emulator(), Config { tiers: tiers_, agents, driver_agents: 0, ..tiers([0, 1, 0, 0]) }).0
}

fn acknowledge(device: &Device<Emulator>, agent: u32, epoch: u64) {
    device.write_at(&luf::AGENT_ACK, 0, agent, epoch).unwrap();
}

fn sent(device: &Device<Emulator>) -> [u64; 2] {
    [&counter::CNT_SHOOTDOWNS_NEEDED, &counter::CNT_SHOOTDOWNS_SENT].map(|register| device.read(register).unwrap())
}

#[test]
fn a_frame_waits_for_the_last_agent() {
    let device = with_agents(1, 0, 0b101);
    device.single_shot().insert(&Insert::new(key(0), 1)).unwrap();
    raw::start(&device, sqe::insert(&Insert::new(key(1), 1)));
    assert_eq!((raw::done(&device), blocked_on(&device)), (None, BlockedOn::Invalidation as u64));
    assert_eq!(device.read(&luf::INV_EPOCH).unwrap(), 1);
    assert_eq!(irq::INT_STATUS::INVALIDATE.get(device.read(&irq::INT_STATUS).unwrap()), 1);
    acknowledge(&device, 0, 1);
    assert_eq!(blocked_on(&device), BlockedOn::Invalidation as u64);
    acknowledge(&device, 1, 1);
    assert_eq!(blocked_on(&device), BlockedOn::Invalidation as u64, "agent 1 is not in the mask");
    acknowledge(&device, 2, 1);
    assert_eq!(raw::done(&device).map(|cqe| (status(&cqe), cqe.frame)), Some((Status::Ok, 0)));
    assert_eq!(device.read(&luf::LUF_VIOLATIONS).unwrap(), 0);
}

#[test]
fn acknowledgements_from_the_future_or_the_past_are_refused() {
    let device = with_agents(2, 0, 1);
    let mut commands = device.single_shot();
    for tag in 0..2 {
        commands.insert(&Insert::new(key(tag), 1)).unwrap();
        commands.release(key(tag).into()).unwrap();
    }
    assert_eq!(device.read(&luf::INV_EPOCH).unwrap(), 2);
    device.read(&control::BAD_ACCESS_COUNT).unwrap();
    for (epoch, kept, bad) in
        [(3, 0, 1), (u64::from(u32::MAX), 0, 1), (1, 1, 0), (0, 1, 1), (2, 2, 0), (2, 2, 0), (1, 2, 1)]
    {
        acknowledge(&device, 0, epoch);
        assert_eq!(device.read(&luf::AGENT_ACK).unwrap(), kept, "after {epoch}");
        assert_eq!(device.read(&control::BAD_ACCESS_COUNT).unwrap(), bad, "after {epoch}");
    }
    let cause = control::BAD_ACCESS_ADDR::CAUSE.get(device.read(&control::BAD_ACCESS_ADDR).unwrap());
    assert_eq!(cause, 4);
}

#[test]
fn evictions_of_read_only_blocks_share_an_invalidation() {
    let (limit, spare) = (2, 5);
    let device = with_agents(limit, spare, 1);
    let mut commands = device.single_shot();
    for tag in 0..limit.into() {
        commands.insert(&read_only(tag, 1)).unwrap();
    }
    // Five frames more: the sixth eviction finds the free list empty.
    for n in 0..5 {
        commands.insert(&read_only(100 + n, 1)).unwrap();
        assert_eq!(sent(&device), [n + 1, 0]);
        assert_eq!(device.read_at(&tier::TIER_QUARANTINED, 1, 0).unwrap(), n + 1);
    }
    raw::start(&device, sqe::insert(&read_only(200, 1)));
    assert_eq!((sent(&device), blocked_on(&device)), ([6, 1], BlockedOn::Invalidation as u64));
    assert_eq!(device.read_at(&tier::TIER_QUARANTINED, 1, 0).unwrap(), 0);
    acknowledge(&device, 0, 1);
    assert_eq!(raw::done(&device).map(|cqe| cqe.frame), Some(0), "the frame that was retired first");
}

#[test]
fn a_block_that_may_be_written_flushes_at_once() {
    for (lazy, flags_differ) in [(true, true), (false, false)] {
        let device = with_agents(4, 4, 1);
        device.modify(&luf::LUF_CTRL, &[(&luf::LUF_CTRL::LAZY, lazy.into())]).unwrap();
        let mut commands = device.single_shot();
        for tag in 0..3 {
            commands.insert(&read_only(tag, 1)).unwrap();
            commands.release(key(tag).into()).unwrap();
        }
        assert_eq!(sent(&device), if flags_differ { [3, 0] } else { [3, 3] });
        commands.insert(&Insert::new(key(9), 1)).unwrap();
        commands.release(key(9).into()).unwrap();
        assert_eq!(sent(&device), if flags_differ { [4, 1] } else { [4, 4] }, "a writer takes the others along");
        assert_eq!(device.read_at(&tier::TIER_QUARANTINED, 1, 0).unwrap(), 0);
    }
}

#[test]
fn the_service_loop_acknowledges_for_its_agents() {
    let config = Config { agents: 0b11, driver_agents: 0b11, ..tiers([0, 2, 0, 0]) };
    let (device, _) = device(emulator(), config);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = seen.clone();
    device.on_invalidate(move |epoch| log.lock().unwrap().push(epoch));
    let mut queue = device.queue_pair(0).unwrap();
    for tag in 0..64 {
        queue.insert(&Insert::new(key(tag), 1)).unwrap();
    }
    let epoch = device.read(&luf::INV_EPOCH).unwrap();
    assert_eq!(epoch, 62, "one for each eviction");
    let seen = seen.lock().unwrap();
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]) && seen.len() > 30, "{seen:?}");
    assert_eq!(device.read(&luf::LUF_VIOLATIONS).unwrap(), 0);
}
