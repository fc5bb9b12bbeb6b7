//! What the ioctls do on the device, seen in its directory and counters.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use common::{BLOCK, Kernel};
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};
use kvcpu_mmio::regs::{hepc, tier};
use kvcpu_mmio::uapi::{self, Telemetry, Weights};
use rustix::io::Errno;

const VA: u64 = 0x7f00_1000_0000;

#[test]
fn the_public_drivers_smoke_test_passes_unchanged() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    kernel.step(file, 128).unwrap();
    kernel.blocks(file, &uapi::MARK_HOT, 0x7f00_1000, 4096).unwrap();
    kernel.blocks(file, &uapi::EVICT, 0x7f00_2000, 8192).unwrap();
    kernel.prefetch(file, 0x7f00_3000, 4096, 256).unwrap();
    kernel.blocks(file, &uapi::SHARE_PREFIX, 0x7f00_4000, 16_384).unwrap();
    let weights = Weights { w_r: 3, w_f: 5, w_s: 7, w_d: 11, evict_thresh: 1024, prefetch_thresh: 40_960 };
    kernel.weights(file, &weights).unwrap();
    assert_eq!(kernel.blocks(file, &uapi::MARK_HOT, 0x7f00_5000, 0), Err(Errno::INVAL));
    let expected = Telemetry {
        current_step: 128,
        step_count: 1,
        hot_count: 1,
        evict_count: 1,
        prefetch_count: 1,
        share_count: 1,
        last_va: 0x7f00_4000,
        last_len: 16_384,
        last_target_step: 0,
        w_r: 3,
        w_f: 5,
        w_s: 7,
        w_d: 11,
        evict_thresh: 1024,
        prefetch_thresh: 40_960,
    };
    assert_eq!(kernel.telemetry(file), expected);
    assert_eq!(kernel.device.read(&hepc::STEP).unwrap(), 128);
    assert_eq!(kernel.device.weights().unwrap().wd, 11);
    assert_eq!(kernel.device.read(&hepc::EVICT_THRESH).unwrap(), 1024);
    assert_eq!(kernel.device.read_at(&tier::TIER_LOOKAHEAD, 2, 0).unwrap(), 62);
    kernel.close(file).unwrap();
    kernel.ends();
}

#[test]
fn blocks_are_inserted_pinned_evicted_and_brought_back() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    // A byte of the block before and of the one behind: they are in the range, too.
    kernel.blocks(file, &uapi::MARK_HOT, VA - 1, BLOCK + 2).unwrap();
    for number in 0..3 {
        let entry = kernel.entry(file, VA - BLOCK + number * BLOCK).unwrap();
        assert_eq!((entry.tier, entry.flags.contains(EntryFlags::HOT), entry.depth), (1, true, number as u16));
    }
    assert_eq!(kernel.device.counters().unwrap().inserts[1], 3);
    kernel.blocks(file, &uapi::MARK_HOT, VA, BLOCK).unwrap();
    assert_eq!(kernel.device.counters().unwrap().inserts[1], 3, "it was held");

    kernel.blocks(file, &uapi::EVICT, VA, 2 * BLOCK).unwrap();
    let down = kernel.entry(file, VA).unwrap();
    assert_eq!((down.tier, down.flags.contains(EntryFlags::HOT)), (2, false), "EVICT takes MARK_HOT back");
    assert_eq!(kernel.device.counters().unwrap().evictions[1], 2);
    kernel.blocks(file, &uapi::EVICT, VA, BLOCK).unwrap();
    assert_eq!(kernel.entry(file, VA).unwrap().state, EntryState::Ghost, "below T2 there is nothing");
    kernel.blocks(file, &uapi::EVICT, VA, BLOCK).unwrap();
    assert_eq!(kernel.entry(file, VA).unwrap().state, EntryState::Ghost, "what is out stays out");

    kernel.prefetch(file, VA, 2 * BLOCK, 7).unwrap();
    for number in 0..2 {
        let up = kernel.entry(file, VA + number * BLOCK).unwrap();
        assert_eq!((up.tier, up.target, up.flags.contains(EntryFlags::TARGET_VALID)), (1, 7, true));
    }
    let counters = kernel.device.counters().unwrap();
    assert_eq!((counters.inserts[1], counters.promotions[2]), (4, 1), "the ghost came back, the other moved up");
    let told = kernel.telemetry(file);
    assert_eq!((told.hot_count, told.evict_count, told.prefetch_count), (2, 3, 1));
    kernel.ends();
}

#[test]
fn a_shared_prefix_is_no_victim_until_its_caller_goes() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    for _ in 0..255 {
        kernel.blocks(file, &uapi::SHARE_PREFIX, VA, 2 * BLOCK).unwrap();
    }
    let entry = kernel.entry(file, VA + BLOCK).unwrap();
    assert_eq!((entry.refcount, entry.flags.contains(EntryFlags::PREFIX)), (255, true));
    assert_eq!(kernel.blocks(file, &uapi::SHARE_PREFIX, VA + BLOCK, BLOCK), Err(Errno::OVERFLOW));
    assert_eq!(kernel.blocks(file, &uapi::EVICT, VA, BLOCK), Err(Errno::BUSY));
    assert_eq!(kernel.telemetry(file).share_count, 255, "a refusal is not counted");
    kernel.close(file).unwrap();
    assert!(kernel.entries().is_empty(), "references and blocks are gone");
    kernel.ends();
}

#[test]
fn two_callers_have_the_same_addresses_and_different_blocks() {
    let mut kernel = Kernel::new();
    let (first, second) = (kernel.open(), kernel.open());
    kernel.blocks(first, &uapi::MARK_HOT, VA, BLOCK).unwrap();
    kernel.blocks(second, &uapi::EVICT, VA, BLOCK).unwrap();
    assert!(kernel.entry(second, VA).is_none(), "there was nothing of its own to evict");
    kernel.blocks(second, &uapi::SHARE_PREFIX, VA, BLOCK).unwrap();
    kernel.blocks(first, &uapi::EVICT, VA, BLOCK).unwrap();
    assert_eq!((kernel.entry(first, VA).unwrap().tier, kernel.entry(second, VA).unwrap().tier), (2, 1));
    let told = kernel.telemetry(second);
    assert_eq!((told.hot_count, told.evict_count), (1, 2), "counts are the device's, not a caller's");
    kernel.close(first).unwrap();
    assert!(kernel.entry(first, VA).is_none() && kernel.entry(second, VA).is_some());
    assert_eq!(kernel.blocks(first, &uapi::EVICT, VA, BLOCK), Err(Errno::BADF));
    assert_eq!(kernel.close(first), Err(Errno::BADF));
    let third = kernel.open();
    assert!(third != first && third != second, "an id that has become free is the last to be used again");
    // The kernel goes without a word about the others.
    let device = kernel.ends();
    assert_eq!(device.entries().count(), 0);
}

#[test]
fn numbers_out_of_range_are_refused_and_change_nothing() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    kernel.step(file, 9).unwrap();
    let before = kernel.telemetry(file);
    assert_eq!(kernel.step(file, 8), Err(Errno::INVAL), "back");
    assert_eq!(kernel.step(file, 1 << 32), Err(Errno::INVAL), "beyond what the device counts");
    for ioctl in [uapi::MARK_HOT, uapi::EVICT, uapi::PREFETCH, uapi::SHARE_PREFIX] {
        assert_eq!(kernel.blocks(file, &ioctl, VA, 0), Err(Errno::INVAL), "{}", ioctl.name);
        assert_eq!(kernel.blocks(file, &ioctl, u64::MAX, 2), Err(Errno::INVAL), "{}", ioctl.name);
        assert_eq!(kernel.blocks(file, &ioctl, VA, 40 * BLOCK + 1), Err(Errno::NOSPC), "{}", ioctl.name);
        assert_eq!(kernel.blocks(file, &ioctl, 0, u64::MAX), Err(Errno::NOSPC), "{}", ioctl.name);
    }
    assert_eq!(kernel.prefetch(file, VA, BLOCK, 1 << 32), Err(Errno::INVAL));
    let good = Weights { w_r: 1, w_f: 1, w_s: 2, w_d: 200, evict_thresh: 0x1000, prefetch_thresh: 0xE000 };
    for bad in [
        Weights { w_r: 256, ..good },
        Weights { w_f: 256, ..good },
        Weights { w_s: u32::MAX, ..good },
        Weights { w_d: 256, ..good },
        Weights { evict_thresh: 65_536, ..good },
        Weights { prefetch_thresh: 65_536, ..good },
    ] {
        assert_eq!(kernel.weights(file, &bad), Err(Errno::INVAL), "{bad:?}");
    }
    assert_eq!(kernel.telemetry(file), before);
    assert!(kernel.entries().is_empty());
    kernel.ends();
}

#[test]
fn telemetry_begins_with_the_policy_that_the_device_has() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    let told = kernel.telemetry(file);
    let weights = kernel.device.weights().unwrap();
    assert_eq!((told.w_r, told.w_f), (weights.wr.into(), weights.wf.into()));
    assert_eq!(u64::from(told.evict_thresh), kernel.device.read(&hepc::EVICT_THRESH).unwrap());
    assert_eq!((told.step_count, told.last_va), (0, 0));
    // Given back as it is, it changes nothing: 10 steps ahead stay 10.
    let Telemetry { w_r, w_f, w_s, w_d, evict_thresh, prefetch_thresh, .. } = told;
    kernel
        .weights(file, &Weights { w_r, w_f, w_s, w_d, evict_thresh, prefetch_thresh })
        .unwrap();
    assert_eq!(kernel.device.read_at(&tier::TIER_LOOKAHEAD, 2, 0).unwrap(), 10);
    assert_eq!(kernel.device.weights().unwrap(), weights);
    kernel.ends();
}

#[test]
fn thresholds_move_blocks_at_a_step() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    let set =
        |evict_thresh, prefetch_thresh| Weights { w_r: 1, w_f: 24, w_s: 4, w_d: 0, evict_thresh, prefetch_thresh };
    kernel.weights(file, &set(0, 0xE000)).unwrap();
    let in_t1 = |kernel: &Kernel| kernel.entries().iter().filter(|entry| entry.tier == 1).count();
    // Eight blocks fill T1 beyond its high watermark of 6.
    kernel.prefetch(file, VA, 8 * BLOCK, 1_000).unwrap();
    kernel.step(file, 1).unwrap();
    assert_eq!(in_t1(&kernel), 8, "nothing scores below 0");
    kernel.weights(file, &set(65_535, 0xE000)).unwrap();
    kernel.step(file, 2).unwrap();
    assert_eq!(in_t1(&kernel), 4, "down to the low watermark");
    // They are needed at 1,000: 0xE000 moves them up from 2 steps before, 0x8000 from 254.
    kernel.weights(file, &set(0, 0xE000)).unwrap();
    kernel.step(file, 900).unwrap();
    assert_eq!(in_t1(&kernel), 4);
    kernel.weights(file, &set(0, 0x8000)).unwrap();
    kernel.step(file, 901).unwrap();
    assert_eq!(in_t1(&kernel), 8);
    kernel.ends();
}

#[test]
fn a_full_device_says_so_and_frees_what_a_caller_leaves() {
    let mut kernel = Kernel::new();
    let (first, second) = (kernel.open(), kernel.open());
    kernel.blocks(first, &uapi::MARK_HOT, VA, 8 * BLOCK).unwrap();
    assert_eq!(kernel.blocks(second, &uapi::MARK_HOT, VA, BLOCK), Err(Errno::NOSPC), "all of T1 is pinned");
    kernel.close(first).unwrap();
    kernel.blocks(second, &uapi::MARK_HOT, VA, BLOCK).unwrap();
    kernel.ends();
}

#[test]
fn a_range_is_held_whole_or_there_is_no_room() {
    let mut kernel = Kernel::new();
    let (first, second) = (kernel.open(), kernel.open());
    // T2 is full of pinned blocks and T1 is empty: what T1 makes room for is lost.
    kernel.blocks(first, &uapi::MARK_HOT, VA, 40 * BLOCK).unwrap();
    for va in (0..40).map(|number| VA + number * BLOCK) {
        if kernel.entry(first, va).unwrap().tier == 1 {
            kernel.blocks(first, &uapi::EVICT, va, BLOCK).unwrap();
        }
    }
    assert_eq!(kernel.device.occupancy().unwrap().tiers.map(|tier| tier.used), [0, 0, 32, 0]);
    assert_eq!(kernel.blocks(second, &uapi::MARK_HOT, VA, 9 * BLOCK), Err(Errno::NOSPC));
    assert_eq!(kernel.blocks(second, &uapi::SHARE_PREFIX, VA, 9 * BLOCK), Err(Errno::NOSPC));
    let told = kernel.telemetry(second);
    assert_eq!((told.hot_count, told.share_count), (1, 0), "a refusal is not counted");
    kernel.blocks(second, &uapi::MARK_HOT, VA, 8 * BLOCK).unwrap();
    for number in 0..8 {
        let entry = kernel.entry(second, VA + number * BLOCK).unwrap();
        assert_eq!((entry.tier, entry.flags.contains(EntryFlags::HOT)), (1, true), "block {number}");
    }
    kernel.close(second).unwrap();
    assert_eq!(kernel.device.occupancy().unwrap().tiers[1].used, 0, "what it shared before the refusal is given back");
    kernel.ends();
}
