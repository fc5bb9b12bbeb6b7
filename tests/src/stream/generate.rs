//! Random devices, streams for them, and what is written to their registers in the middle of a stream. The commands
//! are in `commands.rs`.

use std::time::Duration;

use kvcpu_driver::{Config, QueueConfig, TierConfig, Weights, sqe};
use kvcpu_mmio::Geometry;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::commands::Stream;
use super::{Kind, Op, Scenario, Tune, fault};
use crate::rig::Path;

/// A device for random tests: a few hundred entries at most, short lists, little stash.
pub fn geometry(rng: &mut ChaCha8Rng) -> Geometry {
    Geometry {
        entries_log2: rng.random_range(5..=7),
        lanes: 1 << rng.random_range(0..4),
        victim_k: rng.random_range(1..=6),
        stash: rng.random_range(1..=4),
        queues: 4,
        agents: 4,
        t1_kib: 1 << 10,
        min_block_shift: 6,
        max_block_shift: 12,
    }
}

fn tier_of(rng: &mut ChaCha8Rng, most: u32, entries: u32) -> TierConfig {
    let limit = rng.random_range(1..=most.max(1));
    // Many spare frames fill the quarantine before it is flushed.
    let spare = match rng.random_range(0..20) {
        0..8 => 0,
        8..18 => rng.random_range(0..=4),
        _ => rng.random_range(0..=entries - limit),
    };
    let high = if rng.random_bool(0.5) { limit } else { rng.random_range(0..=limit) };
    let low = rng.random_range(0..=high);
    let lookahead = *[0, 4, 20, u32::MAX].choose(rng).unwrap_or(&0);
    TierConfig { frames: limit + spare, limit, high, low, lookahead }
}

/// A device and a stream for it.
pub fn scenario(rng: &mut ChaCha8Rng, kind: Kind) -> (Scenario, Vec<Op>) {
    let mut geometry = geometry(rng);
    if kind.large {
        geometry.entries_log2 = 11;
    }
    scenario_of(rng, kind, geometry)
}

/// A setup of a device of this geometry, and a stream for it.
pub fn scenario_of(rng: &mut ChaCha8Rng, kind: Kind, geometry: Geometry) -> (Scenario, Vec<Op>) {
    let entries = geometry.entries();
    // Above the directory's size some inserts must be refused; far below, ghosts pile up.
    let share = *[16, 8, 4, 2, 1].choose(rng).unwrap_or(&2);
    let mut tiers = [TierConfig::OFF; 4];
    for (number, tier) in tiers.iter_mut().enumerate() {
        let used = if number == 3 { kind.t3 && rng.random_bool(0.6) } else { rng.random_bool(0.7) };
        if used {
            *tier = tier_of(rng, (entries / share).min(entries - 4), entries);
        }
    }
    if tiers[..3].iter().all(|tier| tier.limit == 0) {
        tiers[1] = tier_of(rng, entries - 4, entries);
    }
    let in_use: Vec<u8> = (0..4).filter(|number| tiers[usize::from(*number)].limit > 0).collect();
    // What a command learns of a T3 failure while it waits for an agent is a matter of time, too.
    let invalidates = rng.random_bool(0.5) && !(kind.faults && tiers[3].limit > 0);
    let agents = if invalidates { rng.random_range(0..16) } else { 0 };
    let tenant = rng.random_bool(0.1).then_some(1);
    let config = Config {
        block_shift: block_shift(&geometry, rng),
        tiers,
        metadata_only: !kind.bytes,
        weights: weights(rng),
        recency_shift: if kind.history { rng.random_range(0..2) } else { shift(rng).into() },
        fixed_policy: rng.random_bool(0.2).then(|| rng.random_range(0..8)),
        evict_thresh: *[0xFFFF, 0xFFFF, 0x8000, 3000, 0].choose(rng).unwrap_or(&0xFFFF),
        prefetch_tier: *in_use.choose(rng).unwrap_or(&1),
        agents,
        luf_lazy: rng.random_bool(0.8),
        luf_check: true,
        deadline: Duration::from_millis(300),
        // With several T3 moves under way it depends on time which failure a command learns of first.
        staging_slots: if kind.faults { 1 } else { rng.random_range(1..=4) },
        service_log2: rng.random_range(1..=4),
        queue: QueueConfig { sq_log2: rng.random_range(1..=5), cq_log2: rng.random_range(1..=5), tenant },
        ..Config::default()
    };
    let path = if rng.random_bool(0.5) && !kind.faults { Path::Ring } else { Path::SingleShot };
    let batch = rng.random_range(1..=24);
    let doorbell = if rng.random_bool(0.5) { batch } else { rng.random_range(1..=3) };
    let t3_delay = *[0, 0, 1, 5, 20].choose(rng).unwrap_or(&0);
    let mut stream = Stream::new(&geometry, &config, kind, rng);
    let mut ops = Vec::with_capacity(kind.length);
    if stream.step > 0 && kind.length > 0 {
        ops.push(Op::Command(sqe::step_advance(stream.step)));
    }
    while ops.len() < kind.length {
        ops.push(match rng.random_range(0..16) {
            0 if kind.faults => Op::Fault(fault::any(rng)),
            _ => stream.op(rng),
        });
    }
    (Scenario { geometry, config, path, batch, doorbell, t3_delay, fenced: kind.faults }, ops)
}

/// Mostly a few bursts; now and then the shortest blocks, and those of a page.
fn block_shift(geometry: &Geometry, rng: &mut ChaCha8Rng) -> u32 {
    let shift = *[6, 7, 7, 7, 8, 8, 8, 9, 10, 12].choose(rng).unwrap_or(&8);
    let fits = u64::from(geometry.entries()) << shift <= geometry.t1_bytes();
    if fits { shift.clamp(geometry.min_block_shift, geometry.max_block_shift) } else { 8 }
}

fn weights(rng: &mut ChaCha8Rng) -> Weights {
    if rng.random_bool(0.4) {
        return Weights::default();
    }
    // Zeroes make ties, 255 saturates.
    let mut weight =
        || if rng.random_bool(0.2) { rng.random() } else { *[0, 0, 1, 8, 50, 255].choose(rng).unwrap_or(&1) };
    Weights { wr: weight(), wf: weight(), ws: weight(), wd: weight() }
}

fn shift(rng: &mut ChaCha8Rng) -> u8 {
    *[0, 0, 1, 4, 7, 15].choose(rng).unwrap_or(&0)
}

/// A register write in the middle of a stream.
pub(super) fn tune(rng: &mut ChaCha8Rng) -> Tune {
    let tier = rng.random_range(0..4);
    match rng.random_range(0..8) {
        0 => Tune::Weights(weights(rng)),
        1 => Tune::Threshold(rng.random()),
        2 => Tune::Shift(if rng.random_bool(0.2) { rng.random_range(0..16) } else { shift(rng) }),
        3 => Tune::PrefetchTier(rng.random_range(0..4)),
        4 => Tune::Watermarks(tier, rng.random_range(0..20), rng.random_range(0..20)),
        5 => Tune::Lookahead(tier, rng.random_range(0..30)),
        _ => Tune::Guard { enable: rng.random_bool(0.7), policy: rng.random_range(0..8) },
    }
}
