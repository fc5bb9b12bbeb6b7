//! The scoring pipeline against docs/hepc.md, Score, computed plainly.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::{LANE, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Clocks from an entry to its P.
const LATENCY: usize = 8;

/// What is the same for all entries of a sweep.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    weights: [u64; 4],
    probation: bool,
    hinting: bool,
    shift: u32,
    base: u32,
    stamp: u32,
    epoch: u32,
    now: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    access: u32,
    target: u32,
    frequency: u64,
    child: bool,
    prefix: bool,
    branch: bool,
    target_valid: bool,
}

fn q5(x: u64) -> u64 {
    let e = x.ilog2();
    32 * u64::from(e) + ((x << 5 >> e) & 31)
}

impl Sweep {
    fn r(&self, access: u32) -> u64 {
        let age = access.wrapping_sub(self.base);
        if age >= 1 << 31 { 0 } else { u64::from(age >> self.shift).min(16_383) }
    }

    fn score(&self, entry: &Entry) -> u64 {
        let f = (32.0 * (entry.frequency.max(1) as f64).log2()).round() as u64;
        let dt = if entry.target >= self.now { entry.target - self.now } else { (self.now - entry.target) >> 2 };
        let near = 1023 - (2 * q5(u64::from(dt.min((1 << 24) - 2)) + 1)).min(1023);
        let (r, f, s) = if entry.access == self.stamp {
            (self.r(entry.access), f, if self.hinting { 1023 } else { 0 })
        } else if entry.target_valid && self.hinting {
            (self.r(self.epoch), 0, near)
        } else if entry.frequency <= 1 && !entry.child && !entry.prefix && self.probation {
            (self.r(entry.access) >> 4, f, 0)
        } else {
            (self.r(entry.access), f, 0)
        };
        let d = [0, 128, 255][if entry.branch { 2 } else { usize::from(entry.prefix) }];
        let [wr, wf, ws, wd] = self.weights;
        (wr * r + ((wf * f + ws * s + wd * d) >> self.shift.saturating_sub(4))).min(65_535)
    }

    fn apply(&self, lane: &mut Model) {
        for (name, weight) in ["wr", "wf", "ws", "wd"].into_iter().zip(self.weights) {
            lane.set(name, weight);
        }
        lane.set("probation", self.probation.into()).set("hinting", self.hinting.into());
        lane.set("shift", self.shift.into()).set("scale", self.shift.saturating_sub(4).into());
        lane.set("base", self.base.into())
            .set("stamp", self.stamp.into())
            .set("now", self.now.into());
        lane.set("r_epoch", self.r(self.epoch));
    }
}

/// A number near the corners: small, near `around`, near the end of 32 bits, or anything.
fn number(rng: &mut ChaCha8Rng, around: u32) -> u32 {
    match rng.random_range(0..5) {
        0 => rng.random_range(0..40),
        1 => around.wrapping_add(rng.random_range(0..80)).wrapping_sub(40),
        2 => around.wrapping_add(rng.random::<u32>() >> rng.random_range(0..32)),
        3 => around.wrapping_sub(rng.random::<u32>() >> rng.random_range(0..32)),
        _ => rng.random(),
    }
}

fn sweep(rng: &mut ChaCha8Rng) -> Sweep {
    let any = |rng: &mut ChaCha8Rng, most: u64| {
        if rng.random() { rng.random_range(0..=most) } else { most >> rng.random_range(0..8) }
    };
    let base = number(rng, 0);
    Sweep {
        weights: [any(rng, 255), any(rng, 447), any(rng, 255), any(rng, 255)],
        probation: rng.random(),
        hinting: rng.random(),
        shift: rng.random_range(0..16),
        base,
        stamp: number(rng, base),
        epoch: number(rng, base),
        now: number(rng, 0),
    }
}

fn entry(rng: &mut ChaCha8Rng, sweep: &Sweep) -> Entry {
    Entry {
        access: if rng.random_range(0..8) == 0 { sweep.stamp } else { number(rng, sweep.base) },
        target: number(rng, sweep.now),
        frequency: rng.random_range(0..16),
        child: rng.random(),
        prefix: rng.random(),
        branch: rng.random_range(0..4) == 0,
        target_valid: rng.random(),
    }
}

#[test]
fn every_clock_a_score_of_the_text() {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test lane");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut lane = Model::new(&LANE, seed as u32);
    lane.reset();
    let (mut scored, mut saturated, mut hinted) = (0, 0, 0);
    for round in 0..400 {
        let sweep = sweep(&mut rng);
        sweep.apply(&mut lane);
        let mut expected: VecDeque<Option<u64>> = VecDeque::from([None; LATENCY]);
        for clock in 0..500 {
            // What was under way when the sweep changed is not a score; a bubble drains it.
            let offered = (clock > LATENCY && rng.random_range(0..8) > 0).then(|| entry(&mut rng, &sweep));
            let e = offered.unwrap_or_else(|| entry(&mut rng, &sweep));
            lane.set("in_valid", offered.is_some().into());
            lane.set("access", e.access.into())
                .set("target", e.target.into())
                .set("frequency", e.frequency);
            lane.set("child", e.child.into())
                .set("prefix", e.prefix.into())
                .set("branch", e.branch.into());
            lane.set("target_valid", e.target_valid.into());
            expected.push_back(offered.map(|entry| sweep.score(&entry)));
            lane.tick();
            expected.pop_front();
            let want = expected[0];
            if clock > LATENCY {
                assert_eq!(
                    lane.get("out_valid"),
                    u64::from(want.is_some()),
                    "seed {seed}, round {round}, clock {clock}"
                );
            }
            if let Some(p) = want {
                assert_eq!(lane.get("p"), p, "seed {seed}, round {round}, clock {clock}: {sweep:?}");
                scored += 1;
                saturated += u32::from(p == 65_535);
            }
            hinted += u32::from(sweep.hinting && e.target_valid);
        }
    }
    assert!(scored > 150_000 && saturated > 1_000 && hinted > 10_000, "{scored} {saturated} {hinted}");
}
