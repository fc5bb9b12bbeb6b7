//! Random commands, weighted to the corners: full directories and tiers, ties, ghosts, pinned, shared and retained
//! blocks, step jumps, commands that must be refused. Chains are in `chains.rs`.

use std::collections::VecDeque;

use kvcpu_driver::{Config, Insert, sqe};
use kvcpu_mmio::Geometry;
use kvcpu_mmio::geometry::WAYS;
use kvcpu_mmio::queue::{Key, Opcode, Scope, Sqe};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::generate::tune;
use super::{Kind, Op};
use crate::model::directory::buckets;
use crate::rig::{Restart, Stop};

/// State of a stream in the making.
pub(super) struct Stream {
    pub(super) step: u32,
    pub(super) tags: u64,
    pub(super) base: u64,
    /// Blocks of few buckets, which more often than others are used: these buckets and the stash get full.
    crowd: Vec<Key>,
    limits: [u32; 4],
    block_bytes: u32,
    /// Chance of a pin, share or retention among the marks.
    grip: f64,
    /// Chance that a chain begins.
    chains: f64,
    /// Chance that a step begins.
    steps: f64,
    /// Chance of a write to a register.
    tunes: f64,
    /// Under faults what moves up has to fail as often as what moves down: hints that are due at once.
    climbs: bool,
    /// Chance that the device begins anew.
    restarts: f64,
    /// Bytes move.
    bytes: bool,
    /// What is left of the chains that have begun.
    pub(super) planned: VecDeque<Sqe>,
    /// Chains read in a loop so far.
    pub(super) looped: u64,
}

impl Stream {
    pub(super) fn new(geometry: &Geometry, config: &Config, kind: Kind, rng: &mut ChaCha8Rng) -> Stream {
        let entries = u64::from(geometry.entries());
        Stream {
            // Some begin where a few hundred steps are left.
            step: if rng.random_bool(0.1) { u32::MAX - rng.random_range(0..300) } else { 0 },
            tags: rng.random_range(entries / 4..entries),
            base: *[0, 0, 1 << 40, u64::MAX - entries].choose(rng).unwrap_or(&0),
            crowd: if rng.random_bool(0.25) { crowd(geometry, rng) } else { Vec::new() },
            limits: config.tiers.map(|tier| tier.limit),
            block_bytes: config.block_bytes() as u32,
            grip: *[0.02, 0.1, 0.5].choose(rng).unwrap_or(&0.1),
            chains: if kind.history { 0.97 } else { *[0.0, 0.1, 0.5].choose(rng).unwrap_or(&0.1) },
            steps: *[0.003, 0.03, 0.06, 0.2].choose(rng).unwrap_or(&0.06),
            tunes: if kind.history { 0.0005 } else { 0.012 },
            restarts: if kind.history { 0.0 } else { *[0.0, 0.0, 0.004, 0.012].choose(rng).unwrap_or(&0.0) },
            climbs: kind.faults && rng.random_bool(0.7),
            bytes: kind.bytes,
            planned: VecDeque::new(),
            looped: 0,
        }
    }

    pub(super) fn key(&self, rng: &mut ChaCha8Rng) -> Key {
        if let Some(key) = self.crowd.choose(rng).filter(|_| rng.random_bool(0.6)) {
            return *key;
        }
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

    pub(super) fn op(&mut self, rng: &mut ChaCha8Rng) -> Op {
        if rng.random_bool(self.tunes) {
            return Op::Tune(tune(rng));
        }
        if rng.random_bool(self.restarts) {
            return Op::Restart(self.restart(rng));
        }
        match rng.random_range(0..200) {
            0..3 => Op::Compare,
            3 => Op::Serve,
            6..12 => Op::ReadBack(self.key(rng)),
            12..20 => Op::Command(self.garbled(rng)),
            _ => Op::Command(self.next(rng)),
        }
    }

    /// Most of what is under way moves blocks.
    fn restart(&mut self, rng: &mut ChaCha8Rng) -> Restart {
        let stop = *[Stop::Disable, Stop::Reset, Stop::FunctionLevel].choose(rng).unwrap_or(&Stop::Reset);
        let mut commands = Vec::new();
        for _ in 0..rng.random_range(0..8) {
            let (key, bytes) = (self.key(rng), self.block_bytes);
            commands.push(match rng.random_range(0..6) {
                0 if self.bytes => sqe::copy_in(key, 0, bytes),
                1 if self.bytes => sqe::copy_out(key, 0, bytes),
                2 => self.scoped(Opcode::Evict, rng),
                3 => Sqe { argument: self.step, ..self.scoped(Opcode::Prefetch, rng) },
                _ => self.command(rng),
            });
        }
        Restart { stop, commands, looks: rng.random_range(0..4), clocks: rng.random_range(1..2000) }
    }

    /// A command that makes sense: of a chain that has begun, of a new one, or any.
    fn next(&mut self, rng: &mut ChaCha8Rng) -> Sqe {
        if rng.random_bool(self.steps) {
            return self.advance(rng);
        }
        if self.climbs && rng.random_bool(0.15) {
            return Sqe { argument: self.step, ..self.scoped(Opcode::Prefetch, rng) };
        }
        if self.planned.is_empty() && rng.random_bool(self.chains) {
            self.plan_chain(rng);
        }
        // Now and then something comes between.
        let planned = if rng.random_bool(0.95) { self.planned.pop_front() } else { None };
        planned.unwrap_or_else(|| self.command(rng))
    }

    fn command(&mut self, rng: &mut ChaCha8Rng) -> Sqe {
        use Opcode::*;
        match rng.random_range(0..100) {
            0..45 => self.insert(rng),
            45..60 => self.looking(rng),
            60..62 => self.advance(rng),
            62..66 => self.looking(rng),
            66..78 if rng.random_bool(self.grip) => {
                let opcode = *[Hot, Share, Retain, Hot].choose(rng).unwrap_or(&Hot);
                let sqe = self.scoped(opcode, rng);
                if opcode == Retain { Sqe { argument: self.duration(rng), ..sqe } } else { sqe }
            }
            66..78 => self.scoped(*[Unhot, Unshare, Dead, Release].choose(rng).unwrap_or(&Unhot), rng),
            78..86 => {
                let argument = next_use(self.step, rng);
                Sqe { argument, ..self.scoped(Prefetch, rng) }
            }
            86..90 => self.scoped(Evict, rng),
            90..94 => Sqe { tier: rng.random_range(0..5), ..self.scoped(Demote, rng) },
            94..97 => self.scoped(Release, rng),
            97 => self.scoped(Dead, rng),
            98 => sqe::fence(),
            _ => sqe::nop(),
        }
    }

    /// A tier to insert into, mostly one in use.
    pub(super) fn tier(&self, rng: &mut ChaCha8Rng) -> u8 {
        let any = *[0, 1, 2].choose(rng).unwrap_or(&1);
        if self.limits[usize::from(any)] > 0 || rng.random_bool(0.02) {
            return any;
        }
        (0..3).find(|tier| self.limits[usize::from(*tier)] > 0).unwrap_or(1)
    }

    fn insert(&self, rng: &mut ChaCha8Rng) -> Sqe {
        let flags = EntryFlags::from_bits_retain(rng.random_range(0..8));
        let read_only = if rng.random_bool(0.8) { EntryFlags::READ_ONLY } else { EntryFlags::empty() };
        let flags = (flags & (EntryFlags::PREFIX | EntryFlags::DIRTY)) | read_only;
        let depth = if rng.random_bool(0.05) { rng.random() } else { rng.random_range(0..4) };
        let (key, tier, parent) = (self.key(rng), self.tier(rng), self.parent(rng));
        sqe::insert(&Insert { key, tier, depth, flags, parent })
    }

    fn parent(&self, rng: &mut ChaCha8Rng) -> Option<u64> {
        rng.random_bool(0.3).then(|| self.base + rng.random_range(0..self.tags.min(8)))
    }

    fn looking(&self, rng: &mut ChaCha8Rng) -> Sqe {
        let key = self.key(rng);
        if rng.random_bool(0.4) { sqe::lookup(key) } else { sqe::touch(key, self.parent(rng)) }
    }

    fn duration(&self, rng: &mut ChaCha8Rng) -> u32 {
        *[0, 1, 15, 16, 17, 40, 1000, u32::MAX].choose(rng).unwrap_or(&1)
    }

    pub(super) fn advance(&mut self, rng: &mut ChaCha8Rng) -> Sqe {
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

/// Blocks both of whose buckets are among the first few: three times what these hold, or as many as are found soon.
fn crowd(geometry: &Geometry, rng: &mut ChaCha8Rng) -> Vec<Key> {
    let first = rng.random_range(2..=4);
    let keys = (0..4096).map(|tag| Key { tenant: 1, request: 1, tag: 1 << 41 | tag });
    let close = keys.filter(|key| buckets(geometry, *key).iter().all(|bucket| *bucket < first));
    close.take(3 * WAYS as usize * first).collect()
}

/// A step for a hint, mostly soon.
pub(super) fn next_use(now: u32, rng: &mut ChaCha8Rng) -> u32 {
    let soon = now.saturating_add(rng.random_range(0..24)).saturating_sub(rng.random_range(0..6));
    if rng.random_bool(0.05) { rng.random() } else { soon }
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
