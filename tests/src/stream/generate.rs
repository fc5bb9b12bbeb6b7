//! Random streams, weighted to the corners: full directories and tiers, ties, ghosts, pinned, shared and retained
//! blocks, step jumps, commands that must be refused.

use std::time::Duration;

use kvcpu_driver::{Config, QueueConfig, TierConfig, Weights, sqe};
use kvcpu_mmio::Geometry;
use kvcpu_mmio::queue::{Key, Opcode, Scope, Sqe};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::{Fault, Kind, Op, Scenario, Tune};
use crate::rig::Path;

const FAULTS: [Fault; 8] =
    [Fault::Tear(0), Fault::Tear(2), Fault::T3, Fault::BusMaster, Fault::Heal, Fault::Heal, Fault::Heal, Fault::Heal];

/// A device for random tests: a few hundred entries at most, short lists, little stash.
pub fn geometry(rng: &mut ChaCha8Rng) -> Geometry {
    Geometry {
        entries_log2: rng.random_range(5..=7),
        lanes: 1 << rng.random_range(0..4),
        victim_k: rng.random_range(1..=6),
        stash: rng.random_range(1..=4),
        queues: 4,
        agents: 4,
        t1_mib: 1,
        min_block_shift: 6,
        max_block_shift: 12,
    }
}

fn tier_of(rng: &mut ChaCha8Rng, most: u32) -> TierConfig {
    let limit = rng.random_range(1..=most.max(1));
    let spare = if rng.random_bool(0.6) { rng.random_range(0..=4) } else { 0 };
    let high = if rng.random_bool(0.5) { limit } else { rng.random_range(0..=limit) };
    let low = rng.random_range(0..=high);
    let lookahead = *[0, 4, 20, u32::MAX].choose(rng).unwrap_or(&0);
    TierConfig { frames: limit + spare, limit, high, low, lookahead }
}

/// A device and a stream for it.
pub fn scenario(rng: &mut ChaCha8Rng, kind: Kind) -> (Scenario, Vec<Op>) {
    let geometry = geometry(rng);
    let entries = geometry.entries();
    // Above the directory's size some inserts must be refused; far below, ghosts pile up.
    let share = *[8, 4, 2, 1].choose(rng).unwrap_or(&2);
    let mut tiers = [TierConfig::OFF; 4];
    for (number, tier) in tiers.iter_mut().enumerate() {
        let used = if number == 3 { kind.t3 && rng.random_bool(0.6) } else { rng.random_bool(0.7) };
        if used {
            *tier = tier_of(rng, (entries / share).min(entries - 4));
        }
    }
    if tiers[..3].iter().all(|tier| tier.limit == 0) {
        tiers[1] = tier_of(rng, entries - 4);
    }
    let in_use: Vec<u8> = (0..4).filter(|number| tiers[usize::from(*number)].limit > 0).collect();
    // What a command learns of a T3 failure while it waits for an agent is a matter of time, too.
    let invalidates = rng.random_bool(0.5) && !(kind.faults && tiers[3].limit > 0);
    let agents = if invalidates { rng.random_range(0..16) } else { 0 };
    let tenant = rng.random_bool(0.1).then_some(1);
    let config = Config {
        block_shift: rng.random_range(7..=8),
        tiers,
        metadata_only: !kind.bytes,
        weights: weights(rng),
        recency_shift: *[0, 0, 1, 4, 31].choose(rng).unwrap_or(&0),
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
    let t3_delay = *[0, 0, 1, 5, 20].choose(rng).unwrap_or(&0);
    let mut stream = Stream::new(&geometry, &config, rng);
    let mut ops = Vec::with_capacity(kind.length);
    for _ in 0..kind.length {
        ops.push(match rng.random_range(0..40) {
            0 if kind.faults => Op::Fault(*FAULTS.choose(rng).unwrap_or(&Fault::Heal)),
            _ => stream.op(rng),
        });
    }
    (Scenario { geometry, config, path, batch, t3_delay, fenced: kind.faults }, ops)
}

fn weights(rng: &mut ChaCha8Rng) -> Weights {
    if rng.random_bool(0.4) {
        return Weights::default();
    }
    // Zeroes make ties, 255 saturates.
    let mut weight = || *[0, 0, 1, 8, 50, 255].choose(rng).unwrap_or(&1);
    Weights { wr: weight(), wf: weight(), ws: weight(), wd: weight() }
}

/// State of a stream in the making.
struct Stream {
    step: u32,
    tags: u64,
    base: u64,
    limits: [u32; 4],
    block_bytes: u32,
    /// Chance of a pin, share or retention among the marks.
    grip: f64,
}

impl Stream {
    fn new(geometry: &Geometry, config: &Config, rng: &mut ChaCha8Rng) -> Stream {
        let entries = u64::from(geometry.entries());
        Stream {
            step: 0,
            tags: rng.random_range(entries / 4..entries),
            base: *[0, 0, 1 << 40, u64::MAX - entries].choose(rng).unwrap_or(&0),
            limits: config.tiers.map(|tier| tier.limit),
            block_bytes: config.block_bytes() as u32,
            grip: *[0.02, 0.1, 0.5].choose(rng).unwrap_or(&0.1),
        }
    }

    fn key(&self, rng: &mut ChaCha8Rng) -> Key {
        Key {
            tenant: if rng.random_bool(0.95) { 1 } else { 2 },
            request: if rng.random_bool(0.7) { rng.random_range(0..3) } else { 0 },
            tag: self.base + rng.random_range(0..self.tags),
        }
    }

    fn scoped(&self, opcode: Opcode, rng: &mut ChaCha8Rng) -> Sqe {
        let key = self.key(rng);
        let (scope, count) = match rng.random_range(0..10) {
            0 | 1 => (Scope::Range, rng.random_range(1..=8)),
            2 => (Scope::Request, 0),
            _ => (Scope::Single, 0),
        };
        let key = if scope == Scope::Request { Key { request: key.request.max(1), ..key } } else { key };
        Sqe { opcode: opcode.code(), key, scope: scope.code(), count, ..Sqe::default() }
    }

    fn op(&mut self, rng: &mut ChaCha8Rng) -> Op {
        match rng.random_range(0..200) {
            0..3 => Op::Compare,
            3..5 => Op::Tune(self.tune(rng)),
            5 => Op::Serve,
            6..12 => Op::ReadBack(self.key(rng)),
            12..20 => Op::Command(self.garbled(rng)),
            _ => Op::Command(self.command(rng)),
        }
    }

    fn command(&mut self, rng: &mut ChaCha8Rng) -> Sqe {
        use Opcode::*;
        match rng.random_range(0..100) {
            0..45 => self.insert(rng),
            45..60 => self.looking(rng),
            60..66 => self.advance(rng),
            66..78 if rng.random_bool(self.grip) => {
                let opcode = *[Hot, Share, Retain, Hot].choose(rng).unwrap_or(&Hot);
                let sqe = self.scoped(opcode, rng);
                if opcode == Retain { Sqe { argument: self.steps(rng), ..sqe } } else { sqe }
            }
            66..78 => self.scoped(*[Unhot, Unshare, Dead, Release].choose(rng).unwrap_or(&Unhot), rng),
            78..86 => {
                let target = self.step.saturating_add(rng.random_range(0..24)).saturating_sub(rng.random_range(0..6));
                let target = if rng.random_bool(0.05) { rng.random() } else { target };
                Sqe { argument: target, ..self.scoped(Prefetch, rng) }
            }
            86..90 => self.scoped(Evict, rng),
            90..94 => Sqe { tier: rng.random_range(0..5), ..self.scoped(Demote, rng) },
            94..97 => self.scoped(Release, rng),
            97 => self.scoped(Dead, rng),
            98 => sqe::fence(),
            _ => sqe::nop(),
        }
    }

    fn insert(&self, rng: &mut ChaCha8Rng) -> Sqe {
        let any = *[0, 1, 2].choose(rng).unwrap_or(&1);
        let tier = if self.limits[usize::from(any)] > 0 || rng.random_bool(0.02) {
            any
        } else {
            (0..3).find(|tier| self.limits[usize::from(*tier)] > 0).unwrap_or(1)
        };
        let flags = EntryFlags::from_bits_retain(rng.random_range(0..8));
        let read_only = if rng.random_bool(0.8) { EntryFlags::READ_ONLY } else { EntryFlags::empty() };
        let flags = (flags & (EntryFlags::PREFIX | EntryFlags::DIRTY)) | read_only;
        let depth = if rng.random_bool(0.05) { rng.random() } else { rng.random_range(0..4) };
        let insert = kvcpu_driver::Insert { key: self.key(rng), tier, depth, flags, parent: self.parent(rng) };
        sqe::insert(&insert)
    }

    fn parent(&self, rng: &mut ChaCha8Rng) -> Option<u64> {
        rng.random_bool(0.3).then(|| self.base + rng.random_range(0..self.tags.min(8)))
    }

    fn looking(&self, rng: &mut ChaCha8Rng) -> Sqe {
        let key = self.key(rng);
        if rng.random_bool(0.4) { sqe::lookup(key) } else { sqe::touch(key, self.parent(rng)) }
    }

    fn steps(&self, rng: &mut ChaCha8Rng) -> u32 {
        *[0, 1, 15, 16, 17, 40, 1000, u32::MAX].choose(rng).unwrap_or(&1)
    }

    fn advance(&mut self, rng: &mut ChaCha8Rng) -> Sqe {
        let by = match rng.random_range(0..60) {
            0 => return sqe::step_advance(self.step.wrapping_sub(1)),
            1 => 5000,
            2 => 1 << 25,
            3 if rng.random_bool(0.3) => 0xFFFF_FFF0 - self.step.min(0xFFFF_FFF0),
            n => n % 5,
        };
        self.step = self.step.saturating_add(by);
        sqe::step_advance(self.step)
    }

    fn tune(&self, rng: &mut ChaCha8Rng) -> Tune {
        let tier = rng.random_range(0..4);
        match rng.random_range(0..6) {
            0 => Tune::Weights(weights(rng)),
            1 => Tune::Threshold(rng.random()),
            2 => Tune::Shift(rng.random_range(0..32)),
            3 => Tune::PrefetchTier(rng.random_range(0..4)),
            4 => Tune::Watermarks(tier, rng.random_range(0..20), rng.random_range(0..20)),
            _ => Tune::Lookahead(tier, rng.random_range(0..30)),
        }
    }

    /// A command that is wrong in one place, or in a place that nobody looks at.
    fn garbled(&mut self, rng: &mut ChaCha8Rng) -> Sqe {
        let sqe = self.command(rng);
        match rng.random_range(0..16) {
            0 => Sqe { opcode: rng.random(), ..sqe },
            1 => Sqe { flags: 1 << rng.random_range(0..8), ..sqe },
            2 => Sqe { tier: rng.random_range(0..16), ..sqe },
            3 => Sqe { scope: rng.random_range(0..16), ..sqe },
            4 => Sqe { count: *[0, 1, 65_536, 65_537, u32::MAX].choose(rng).unwrap_or(&0), ..sqe },
            5 => Sqe { block_flags: rng.random(), ..sqe },
            6 => Sqe { reserved5: rng.random(), ..sqe },
            7 => Sqe { crc32c: 1, ..sqe },
            8 => Sqe { slot: 1, ..sqe },
            9 => Sqe { reserved7: 1 << 63, ..sqe },
            10 => Sqe { argument: self.step.saturating_sub(20).saturating_add(rng.random_range(0..40)), ..sqe }
                .without_step(),
            11 => {
                let key = Key { tag: u64::MAX - rng.random_range(0..4), ..sqe.key };
                Sqe { key, scope: Scope::Range.code(), count: rng.random_range(1..8), ..sqe }
            }
            12 => Sqe { scope: Scope::Request.code(), key: Key { request: 0, ..sqe.key }, count: 0, ..sqe },
            13 => sqe::copy_out(self.key(rng), rng.random(), self.block_bytes).broken(rng),
            14 => sqe::copy_in(self.key(rng), 0x1_0000_0000, self.block_bytes ^ 64),
            _ => Sqe { iova: rng.random(), length: rng.random(), parent: rng.random(), ..sqe },
        }
    }
}

/// Small repairs of garbled commands.
trait Mend {
    fn without_step(self) -> Sqe;
    fn broken(self, rng: &mut ChaCha8Rng) -> Sqe;
}

impl Mend for Sqe {
    /// The stream counts the steps: another STEP_ADVANCE would put it out.
    fn without_step(self) -> Sqe {
        if self.opcode == Opcode::StepAdvance.code() { sqe::nop() } else { self }
    }

    /// A COPY that must be refused before it touches memory.
    fn broken(self, rng: &mut ChaCha8Rng) -> Sqe {
        if rng.random_bool(0.5) { Sqe { iova: self.iova | 1, ..self } } else { Sqe { length: 8, ..self } }
    }
}
