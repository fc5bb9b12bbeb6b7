//! HEPC beside a RAM of entries against docs/hepc.md, computed plainly: sweeps, offers, scores, worths, marks, counts.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::{HEPC, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// The exported unit: entries and stash, lanes, items of a list.
const ENTRIES: usize = 1024;
const STASH: usize = 8;
const LANES: usize = 4;
const K: usize = 16;
/// From a row that a sweep takes to the next: `stride` in hdl/src/hepc/walk.rs, for these rows.
const STRIDE: usize = 161;

const PREFIX: u32 = 1;
const HOT: u32 = 4;
const DEAD: u32 = 8;
const BRANCH: u32 = 32;
const TARGET_VALID: u32 = 64;
const RETAINED: u32 = 128;

const SWEEP: u32 = 0x28;
const OFFER: u32 = 0x29;
const SCORE: u32 = 0x2A;
const WORTHS: u32 = 0x2B;
const MARK: u32 = 0x2C;
const COUNT: u32 = 0x2D;
const BUSY: u32 = 0x2E;
const PRESCORE: u32 = 0x2F;
const NONE: u32 = u32::MAX;

/// An entry, as BAR2 shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Entry([u32; 8]);

impl Entry {
    fn flag(&self, flag: u32) -> bool {
        self.0[2] >> 24 & flag != 0
    }
    fn access(&self) -> u32 {
        self.0[4]
    }
    fn target(&self) -> u32 {
        self.0[5]
    }
    fn depth(&self) -> u32 {
        self.0[6] & 0xFFF
    }
    fn frequency(&self) -> u32 {
        self.0[6] >> 12 & 15
    }
    fn references(&self) -> u32 {
        self.0[6] >> 16 & 255
    }
    fn child(&self) -> u32 {
        self.0[6] >> 24
    }
    fn retain(&self) -> u32 {
        self.0[7] & 0xF_FFFF
    }
    fn out(&self) -> u32 {
        self.0[7] >> 20 & 255
    }
    fn tier(&self) -> usize {
        (self.0[7] >> 28 & 3) as usize
    }
    fn state(&self) -> u32 {
        self.0[7] >> 30
    }
    fn placed(&self) -> bool {
        matches!(self.state(), 1 | 2)
    }
}

/// What is written before a job.
#[derive(Clone, Debug, Default)]
struct Parameters {
    weights: [u32; 4],
    probation: bool,
    hinting: bool,
    dead_counts: bool,
    targets: bool,
    shift: u32,
    base: u32,
    stamp: u32,
    epoch: u32,
    now: u32,
    prefetch_tier: u32,
    lookahead: [u32; 4],
    guard_wf: [u32; 8],
    threshold: [u32; 8],
    trial: [u32; 8],
}

/// What a policy scores with.
struct Policy {
    weights: [u32; 4],
    probation: bool,
    hinting: bool,
}

fn q5(x: u64) -> u64 {
    let e = x.ilog2();
    32 * u64::from(e) + ((x << 5 >> e) & 31)
}

impl Parameters {
    fn r(&self, access: u32) -> u64 {
        let age = access.wrapping_sub(self.base);
        if age >= 1 << 31 { 0 } else { u64::from(age >> self.shift).min(16_383) }
    }

    fn p(&self, entry: &Entry, policy: &Policy) -> u32 {
        let f = (32.0 * f64::from(entry.frequency().max(1)).log2()).round() as u64;
        let (target, now) = (entry.target(), self.now);
        let dt = if target >= now { target - now } else { (now - target) >> 2 };
        let near = 1023 - (2 * q5(u64::from(dt.min((1 << 24) - 2)) + 1)).min(1023);
        let r = self.r(entry.access());
        let unproven = entry.frequency() <= 1 && entry.child() == 0 && !entry.flag(PREFIX);
        let (r, f, s) = if entry.access() == self.stamp {
            (r, f, if policy.hinting { 1023 } else { 0 })
        } else if entry.flag(TARGET_VALID) && policy.hinting {
            (self.r(self.epoch), 0, near)
        } else if unproven && policy.probation {
            (r >> 4, f, 0)
        } else {
            (r, f, 0)
        };
        let d = [0, 128, 255][if entry.flag(BRANCH) { 2 } else { usize::from(entry.flag(PREFIX)) }];
        let [wr, wf, ws, wd] = policy.weights.map(u64::from);
        (wr * r + ((wf * f + ws * s + wd * d) >> self.shift.saturating_sub(4))).min(65_535) as u32
    }

    fn active(&self) -> Policy {
        Policy { weights: self.weights, probation: self.probation, hinting: self.hinting }
    }

    /// What the entry is worth to policy k.
    fn worth(&self, entry: &Entry, k: usize) -> u32 {
        let [wr, _, ws, wd] = self.weights;
        let hears = (1..=5).contains(&k);
        let weights = if k == 0 { [1, 0, 0, 0] } else { [wr, self.guard_wf[k], ws, wd] };
        let p = self.p(entry, &Policy { weights, probation: k > 0, hinting: hears && self.targets });
        if hears && entry.flag(DEAD) { p >> 4 } else { p }
    }

    fn is_in(&self, entry: &Entry, k: usize) -> bool {
        entry.state() != 0 && entry.out() >> k & 1 == 0 && self.worth(entry, k) >= self.threshold[k]
    }

    fn dead(&self, entry: &Entry) -> bool {
        self.dead_counts && entry.flag(DEAD)
    }

    fn eligible(entry: &Entry) -> bool {
        entry.placed() && !entry.flag(HOT) && entry.references() == 0 && !entry.flag(RETAINED)
    }

    fn victim_rank(&self, entry: &Entry) -> u32 {
        u32::from(!self.dead(entry)) << 28 | self.p(entry, &self.active()) << 12 | (4095 - entry.depth())
    }

    fn candidate(&self, entry: &Entry) -> bool {
        let (target, now) = (u64::from(entry.target()), u64::from(self.now));
        entry.placed()
            && entry.tier() as u32 > self.prefetch_tier
            && entry.flag(TARGET_VALID)
            && now <= target
            && target <= now + u64::from(self.lookahead[entry.tier()])
    }

    fn prefetch_rank(&self, entry: &Entry) -> u32 {
        (entry.target().wrapping_sub(self.now)).min((1 << 20) - 1) << 12 | entry.depth()
    }
}

type Item = (u32, u32);

/// A list and its bound.
#[derive(Default)]
struct List {
    items: Vec<Item>,
    bound: Option<Item>,
}

impl List {
    fn fill(&mut self, mut items: Vec<Item>) {
        items.sort_unstable();
        items.truncate(K);
        self.bound = items.last().copied().filter(|_| items.len() == K);
        self.items = items;
    }

    fn offer(&mut self, item: Item) {
        if self.bound.is_some_and(|bound| item > bound) || self.items.contains(&item) {
            return;
        }
        self.items.push(item);
        self.items.sort_unstable();
        if self.items.len() > K {
            self.items.truncate(K);
            self.bound = self.items.last().copied();
        }
    }
}

/// The device under test and its model.
struct Bench {
    hepc: Model,
    rng: ChaCha8Rng,
    entries: Vec<Entry>,
    parameters: Parameters,
    lists: [List; 5],
    /// Of 256 clocks, how many the directory's port is taken by others.
    held: u32,
    at: String,
}

impl Bench {
    fn tick(&mut self) {
        let held = self.rng.random_range(0..256) < self.held;
        self.hepc.set("held", held.into()).tick();
    }

    fn access(&mut self, write: bool, address: u32, data: u32) -> u32 {
        self.hepc.set("bus_select", 1).set("bus_write", write.into());
        self.hepc.set("bus_address", (0x60_0000 | address).into()).set("bus_data", data.into());
        let mut clocks = 0;
        while self.hepc.eval().get("bus_ready") == 0 {
            assert_eq!(self.hepc.get("bus_read"), 0, "{}: read data without ready", self.at);
            self.tick();
            clocks += 1;
            assert!(clocks < 10_000, "{}: no answer at {address:#x}", self.at);
        }
        let read = self.hepc.get("bus_read") as u32;
        self.tick();
        self.hepc.set("bus_select", 0);
        for _ in 0..self.rng.random_range(0..3) {
            self.tick();
        }
        read
    }

    fn write(&mut self, address: u32, data: u32) {
        self.access(true, address, data);
    }

    fn read(&mut self, address: u32) -> u32 {
        self.access(false, address, 0)
    }

    /// Waits until it is idle; clocks from now.
    fn settle(&mut self) -> u64 {
        let begin = self.hepc.clocks();
        while self.read(BUSY) != 0 {
            assert!(self.hepc.clocks() - begin < 100_000, "{}: stays busy", self.at);
        }
        self.hepc.clocks() - begin
    }

    fn load(&mut self, index: usize) {
        let Entry(words) = self.entries[index];
        let pair = |n: usize| u64::from(words[n + 1]) << 32 | u64::from(words[n]);
        self.hepc.set("load", 1).set("load_index", index as u64);
        self.hepc
            .set("load0", pair(0))
            .set("load1", pair(2))
            .set("load2", pair(4))
            .set("load3", pair(6));
        self.hepc.tick().set("load", 0);
    }

    fn check_entries(&mut self) {
        // Who looked at BUSY asks for an entry two clocks behind its answer at the earliest (`GAP` in hdl/src/hepc/jobs.rs).
        self.hepc.set("held", 0).tick().tick().set("show", 1);
        for (index, entry) in self.entries.iter().enumerate() {
            self.hepc.set("load_index", index as u64).tick().tick().eval();
            let mut words = [0; 8];
            for (pair, port) in ["shown0", "shown1", "shown2", "shown3"].into_iter().enumerate() {
                let value = self.hepc.get(port);
                (words[2 * pair], words[2 * pair + 1]) = (value as u32, (value >> 32) as u32);
            }
            assert_eq!(Entry(words), *entry, "{}: entry {index}", self.at);
        }
        self.hepc.set("show", 0);
    }

    fn configure(&mut self) {
        let p = self.parameters.clone();
        for (n, weight) in p.weights.into_iter().enumerate() {
            self.write(n as u32, weight);
        }
        let bits = [p.probation, p.hinting, p.dead_counts, p.targets];
        let mode = bits.iter().rev().fold(0, |mode, bit| mode << 1 | u32::from(*bit));
        let r_epoch = p.r(p.epoch) as u32;
        let rest = [mode, p.shift, p.shift.saturating_sub(4), p.base, p.stamp, r_epoch, p.now, p.prefetch_tier];
        for (address, value) in [4, 5, 6, 7, 8, 9, 0xA, 0xB].into_iter().zip(rest) {
            self.write(address, value);
        }
        for (tier, lookahead) in p.lookahead.into_iter().enumerate() {
            self.write(0xC + tier as u32, lookahead);
        }
        for k in 0..8 {
            self.write(0x10 + k, p.guard_wf[k as usize]);
            self.write(0x18 + k, p.threshold[k as usize]);
            self.write(0x20 + k, p.trial[k as usize]);
        }
    }

    /// Row 0 is scored ahead: nothing is seen of that, until a sweep comes.
    fn prescore(&mut self) {
        self.write(PRESCORE, 0);
        self.settle();
        let held = self.held;
        self.check_entries();
        self.held = held;
        self.check_lists();
        if self.rng.random() {
            // It is forgotten with the next write, so what it was made of may change.
            let retain = self.rng.random_range(0..4);
            self.entries[1].0[7] = self.entries[1].0[7] & !0xF_FFFF | retain;
            self.load(1);
            self.parameters.now = self.parameters.now.wrapping_add(1);
            self.write(0xA, self.parameters.now);
        }
    }

    /// A sweep here and there; clocks it took.
    fn sweep(&mut self) -> u64 {
        let p = self.parameters.clone();
        let mut found: [Vec<Item>; 5] = Default::default();
        for (index, entry) in self.entries.iter_mut().enumerate().filter(|(_, entry)| entry.placed()) {
            if 16 * u64::from(entry.retain()) <= u64::from(p.now) {
                entry.0[2] &= !(RETAINED << 24);
                entry.0[7] &= !0xF_FFFF;
            }
            entry.0[3] = entry.0[3] & 0xFFFF | p.p(entry, &p.active()) << 16;
            if Parameters::eligible(entry) {
                found[entry.tier()].push((p.victim_rank(entry), index as u32));
            }
            if p.candidate(entry) {
                found[4].push((p.prefetch_rank(entry), index as u32));
            }
        }
        for (list, found) in self.lists.iter_mut().zip(found) {
            list.fill(found);
        }
        self.write(SWEEP, 0);
        if self.rng.random_range(0..4) == 0 {
            // Asked for while the sweep goes on, an item waits for its end.
            let (list, n) = (self.rng.random_range(0..5), self.rng.random_range(0..K));
            let want = self.lists[list].items.get(n).map_or(NONE, |item| item.1);
            let address = 0x1000 + 256 * list as u32 + n as u32;
            assert_eq!(self.read(address), want, "{}: list {list}, item {n}, after the sweep", self.at);
        }
        self.settle()
    }

    fn check_lists(&mut self) {
        for list in 0..5 {
            let items = self.lists[list as usize].items.clone();
            for n in 0..K as u32 + 2 {
                let (rank, index) = items.get(n as usize).copied().unwrap_or((NONE, NONE));
                let shown = (self.read(0x2000 + 256 * list + n), self.read(0x1000 + 256 * list + n));
                assert_eq!(shown, (rank, index), "{}: list {list}, item {n}", self.at);
            }
            self.check_head(list);
        }
    }

    fn check_head(&mut self, list: u32) {
        let items = &self.lists[list as usize].items;
        let (count, head) = (items.len() as u32, items.first().copied());
        assert_eq!(self.read(0x103 + 16 * list), count, "{}: items of list {list}", self.at);
        let shown = (self.read(0x101 + 16 * list), self.read(0x100 + 16 * list));
        assert_eq!(shown, head.unwrap_or((NONE, NONE)), "{}: head of list {list}", self.at);
    }

    fn pop(&mut self, list: u32) {
        let items = &mut self.lists[list as usize].items;
        if !items.is_empty() {
            items.remove(0);
        }
        self.write(0x102 + 16 * list, 0);
    }

    /// An index, mostly of an entry in use.
    fn pick(&mut self) -> u32 {
        self.rng.random_range(0..self.entries.len()) as u32
    }

    fn offer(&mut self) {
        for _ in 0..self.rng.random_range(1..30) {
            // Some of what was popped, some that is held, some of all.
            let index = self.pick();
            let entry = self.entries[index as usize];
            if Parameters::eligible(&entry) {
                self.lists[entry.tier()].offer((self.parameters.victim_rank(&entry), index));
            }
            self.write(OFFER, index);
        }
    }

    fn check_score(&mut self) {
        let index = self.pick();
        let (entry, p) = (self.entries[index as usize], self.parameters.clone());
        self.write(SCORE, index);
        let shown = [0x30, 0x31, 0x32].map(|address| self.read(address));
        let who = u32::from(Parameters::eligible(&entry))
            | (entry.tier() as u32) << 1
            | u32::from(p.candidate(&entry)) << 3
            | u32::from(p.dead(&entry)) << 4
            | u32::from(entry.placed()) << 5;
        let want = [p.p(&entry, &p.active()), p.victim_rank(&entry), who];
        assert_eq!(shown, want, "{}: score of {index}, {entry:?}", self.at);
        if p.candidate(&entry) {
            assert_eq!(self.read(0x33), p.prefetch_rank(&entry), "{}: prefetch rank of {index}", self.at);
        }
    }

    /// How many policies it is in.
    fn check_worths(&mut self) -> u32 {
        let index = self.pick();
        let entry = self.entries[index as usize];
        self.write(WORTHS, index);
        let mut count = 0;
        for k in 0..8 {
            let is_in = self.parameters.is_in(&entry, k);
            let want = self.parameters.worth(&entry, k) | u32::from(is_in) << 31;
            assert_eq!(self.read(0x38 + k as u32), want, "{}: {index} to policy {k}, {entry:?}", self.at);
            count += u32::from(is_in);
        }
        count
    }

    fn mark(&mut self) -> u64 {
        let p = self.parameters.clone();
        for entry in self.entries.iter_mut().filter(|entry| entry.state() != 0) {
            let out = (0..8).map(|k| u32::from(!p.is_in(entry, k)) << k).sum::<u32>();
            entry.0[7] |= out << 20;
        }
        self.write(MARK, 0);
        self.settle()
    }

    /// Their sum.
    fn check_counts(&mut self) -> u32 {
        self.write(COUNT, 0);
        self.settle();
        let mut sum = 0;
        for k in 0..8 {
            let p = &self.parameters;
            let counts = |entry: &&Entry| p.is_in(entry, k) && p.worth(entry, k) >= p.trial[k];
            let want = self.entries.iter().filter(counts).count() as u32;
            assert_eq!(self.read(0x48 + k as u32), want, "{}: count of policy {k}", self.at);
            sum += want;
        }
        sum
    }
}

/// A number near the corners: small, near `around`, or anything.
fn number(rng: &mut ChaCha8Rng, around: u32) -> u32 {
    match rng.random_range(0..5) {
        0 => rng.random_range(0..40),
        1 => around.wrapping_add(rng.random_range(0..80)).wrapping_sub(40),
        2 => around.wrapping_add(rng.random::<u32>() >> rng.random_range(0..32)),
        3 => around.wrapping_sub(rng.random::<u32>() >> rng.random_range(0..32)),
        _ => rng.random(),
    }
}

fn parameters(rng: &mut ChaCha8Rng) -> Parameters {
    let any = |rng: &mut ChaCha8Rng, most: u32| {
        if rng.random() { rng.random_range(0..=most) } else { most >> rng.random_range(0..8) }
    };
    let base = number(rng, 0);
    Parameters {
        weights: [any(rng, 255), any(rng, 447), any(rng, 255), any(rng, 255)],
        probation: rng.random(),
        hinting: rng.random(),
        dead_counts: rng.random(),
        targets: rng.random(),
        shift: rng.random_range(0..16),
        base,
        stamp: number(rng, base),
        epoch: number(rng, base),
        now: number(rng, 1 << 23),
        prefetch_tier: rng.random_range(0..4),
        lookahead: std::array::from_fn(|_| number(rng, 0)),
        guard_wf: std::array::from_fn(|_| any(rng, 511)),
        threshold: std::array::from_fn(|_| any(rng, 65_536) >> rng.random_range(0..16)),
        trial: std::array::from_fn(|_| any(rng, 65_536) >> rng.random_range(0..16)),
    }
}

/// An entry; `alike` makes ties.
fn entry(rng: &mut ChaCha8Rng, p: &Parameters, alike: bool) -> Entry {
    let mut words: [u32; 8] = std::array::from_fn(|_| rng.random());
    let flags = rng.random::<u32>() & rng.random::<u32>();
    words[2] = words[2] & 0xFF_FFFF | flags << 24;
    words[4] = if rng.random_range(0..8) == 0 { p.stamp } else { number(rng, p.base) };
    words[5] = number(rng, p.now);
    if rng.random() {
        words[6] &= !(255 << 16);
    }
    if rng.random() {
        words[6] &= !(255 << 24);
    }
    if alike {
        words[4] = p.base.wrapping_add(rng.random_range(0..4));
        words[5] = p.now.wrapping_add(rng.random_range(0..4));
        words[6] &= !(0xFFF << 12 | 0xFFC);
    }
    let retain = if rng.random() { rng.random_range(0..1 << 20) } else { number(rng, p.now >> 4) & 0xF_FFFF };
    words[7] = words[7] & 0xFFF0_0000 | retain;
    if rng.random() {
        words[7] &= !(255 << 20);
    }
    Entry(words)
}

#[test]
fn does_what_the_text_says_of_every_entry() {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test hepc");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let parameters_now = parameters(&mut rng);
    let mut hepc = Model::new(&HEPC, seed as u32);
    hepc.reset();
    let mut bench = Bench {
        hepc,
        rng,
        entries: Vec::new(),
        parameters: parameters_now,
        lists: Default::default(),
        held: 0,
        at: String::new(),
    };
    let (mut items, mut insiders, mut counted, mut slowest) = (0, 0, 0, 0);
    for round in 0..60 {
        bench.at = format!("seed {seed}, round {round}");
        bench.held = [0, 0, 40, 200][round % 4];
        bench.parameters = parameters(&mut bench.rng);
        let (p, alike) = (bench.parameters.clone(), round % 5 == 4);
        bench.entries = (0..ENTRIES + STASH).map(|_| entry(&mut bench.rng, &p, alike)).collect();
        for index in 0..bench.entries.len() {
            bench.load(index);
        }
        bench.configure();
        for sweep in 0..3 {
            if sweep != 0 {
                bench.prescore();
            }
            let clocks = bench.sweep();
            if bench.held == 0 && !alike {
                slowest = slowest.max(clocks);
            }
            bench.check_lists();
            items += bench.lists.iter().map(|list| list.items.len()).sum::<usize>();
            for _ in 0..20 {
                for list in 0..5 {
                    if bench.rng.random() {
                        bench.pop(list);
                    }
                }
                // New values for some, so that they are not yet held.
                for _ in 0..8 {
                    let index = bench.pick() as usize;
                    bench.entries[index] = entry(&mut bench.rng, &p, alike);
                    bench.load(index);
                }
                bench.offer();
                bench.check_lists();
                bench.check_score();
                insiders += bench.check_worths();
            }
            bench.check_entries();
            counted += bench.check_counts();
            bench.mark();
            bench.check_entries();
            counted += bench.check_counts();
        }
    }
    println!("a sweep of {ENTRIES} entries and a stash of {STASH} in {LANES} lanes: {slowest} clocks at most");
    assert!(items > 5_000 && insiders > 1_000 && counted > 10_000, "{items} {insiders} {counted}");
    let rows = ((ENTRIES + STASH) / LANES) as u64;
    assert!(slowest < rows + rows / 10, "{slowest} clocks");
}

/// A bench whose parameters are 0 but WR, which is 1: a score is ENTRY_ACCESS.
fn plain(entries: Vec<Entry>) -> Bench {
    let mut hepc = Model::new(&HEPC, 1);
    hepc.reset();
    let mut bench = Bench {
        hepc,
        rng: ChaCha8Rng::seed_from_u64(1),
        entries,
        parameters: Parameters::default(),
        lists: Default::default(),
        held: 0,
        at: String::new(),
    };
    (0..ENTRIES + STASH).for_each(|index| bench.load(index));
    bench.configure();
    bench.write(0, 1);
    bench
}

/// In the order in which a sweep meets them, each entry of one lane is a better victim than all before: the list takes one a clock, and
/// so does the sweep.
#[test]
fn a_lane_has_every_turn_that_no_other_wants() {
    let rows = (ENTRIES + STASH) / LANES;
    let mut entries = vec![Entry::default(); ENTRIES + STASH];
    for n in 0..rows {
        entries[(n + 1) * STRIDE % rows * LANES] = Entry([0, 0, 0, 0, 4_000 - n as u32, 0, 0, 1 << 30]);
    }
    let mut bench = plain(entries);
    bench.write(SWEEP, 0);
    let clocks = bench.settle();
    assert!(clocks < (rows + rows / 10) as u64, "{clocks} clocks for {rows} rows");
    let best: Vec<u32> = (0..K as u32).map(|n| bench.read(0x1000 + n)).collect();
    let expected: Vec<u32> = (0..K).map(|n| ((rows - n) * STRIDE % rows * LANES) as u32).collect();
    assert_eq!(best, expected);
}

/// Each entry that a sweep meets, in whatever lane, is a better victim than all before: a list takes one a clock, the rows bring as many
/// as there are lanes, so sieves are crowded and hold up the rows. None is lost.
#[test]
fn a_sweep_waits_for_sieves_that_are_crowded_and_none_is_lost() {
    let rows = (ENTRIES + STASH) / LANES;
    let mut entries = vec![Entry::default(); ENTRIES + STASH];
    let mut order = Vec::new();
    for n in 0..rows {
        let row = (n + 1) * STRIDE % rows;
        for lane in 0..LANES {
            order.push((row * LANES + lane) as u32);
            entries[row * LANES + lane] = Entry([0, 0, 0, 0, (8_000 - order.len()) as u32, 0, 0, 1 << 30]);
        }
    }
    let mut bench = plain(entries);
    bench.write(SWEEP, 0);
    let begin = bench.hepc.clocks();
    bench.settle();
    // Whoever asks a list waits for what it still has to take.
    bench.read(0x1000);
    let clocks = bench.hepc.clocks() - begin;
    let best: Vec<u32> = (0..K as u32).map(|n| bench.read(0x1000 + n)).collect();
    let expected: Vec<u32> = order.iter().rev().take(K).copied().collect();
    assert_eq!(best, expected);
    let items = (rows * LANES) as u64;
    assert!(clocks > items, "{clocks} clocks for {items} items: a list cannot have taken them all");
    assert!(clocks < items + items / 10, "{clocks} clocks for {items} items: a list takes one a clock");
}

/// Clocks of a sweep that rests in so many of sixteen clocks, and the list it makes.
fn swept_at(level: u64) -> (u64, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let entries = (0..ENTRIES + STASH).map(|_| Entry([0, 0, 0, 0, rng.random_range(1..10_000), 0, 0, 1 << 30]));
    let mut bench = plain(entries.collect());
    bench
        .hepc
        .set("bus_select", 1)
        .set("bus_write", 1)
        .set("bus_address", (0x60_0000 | SWEEP).into());
    let mut clocks = 0;
    for command in [true, false] {
        if !command {
            bench
                .hepc
                .set("bus_write", 0)
                .set("bus_address", (0x60_0000 | BUSY).into())
                .set("bus_select", 1);
        }
        loop {
            bench.hepc.set("rests", u64::from(clocks % 16 < level)).eval();
            let (ready, busy) = (bench.hepc.get("bus_ready"), bench.hepc.get("bus_read"));
            bench.hepc.tick();
            clocks += 1;
            if ready == 1 && command {
                bench.hepc.set("bus_select", 0).tick();
                clocks += 1;
                break;
            }
            // The bus rests a clock between requests.
            bench.hepc.set("bus_select", u64::from(ready == 0));
            if ready == 1 && busy == 0 {
                break;
            }
        }
    }
    bench.hepc.set("bus_select", 0).set("rests", 1).tick();
    // What takes one row does not rest.
    bench.write(SCORE, 0);
    let begin = bench.hepc.clocks();
    bench.read(0x30);
    assert!(bench.hepc.clocks() - begin < 30, "a SCORE waits for sweeps to be let on");
    (clocks, (0..K as u32).map(|n| bench.read(0x1000 + n)).collect())
}

#[test]
fn a_sweep_rests_as_it_is_told_and_finds_the_same() {
    let rows = ((ENTRIES + STASH) / LANES) as u64;
    let (unhindered, list) = swept_at(0);
    for level in [1, 8, 15] {
        let (clocks, same) = swept_at(level);
        assert_eq!(same, list, "level {level}");
        let asked = rows * 16 / (16 - level);
        assert!((asked..asked + unhindered - rows + 64).contains(&clocks), "level {level}: {clocks} of {asked}");
    }
}

/// Entry 0's score as the memory holds it so many clocks after a SWEEP is answered, in a device that has scored it ahead or not.
fn score_after(clocks: u64, ahead: bool, forgotten: bool) -> u64 {
    let mut bench = plain(vec![Entry([0, 0, 0, 0, 7, 0, 0, 1 << 30]); ENTRIES + STASH]);
    if ahead {
        bench.write(PRESCORE, 0);
        bench.settle();
    }
    if forgotten {
        bench.write(0xA, 0);
    }
    bench
        .hepc
        .set("bus_select", 1)
        .set("bus_write", 1)
        .set("bus_address", (0x60_0000 | SWEEP).into());
    while bench.hepc.eval().get("bus_ready") == 0 {
        bench.hepc.tick();
    }
    (0..clocks).for_each(|_| {
        bench.hepc.tick().set("bus_select", 0);
    });
    bench.hepc.set("bus_select", 0).reset();
    bench.hepc.set("show", 1).set("load_index", 0).tick().tick().eval();
    bench.hepc.get("shown1") >> 48
}

#[test]
fn a_score_made_ahead_is_written_at_once_and_not_if_anything_else_was_written() {
    assert_eq!(score_after(1, true, false), 7);
    assert_eq!(score_after(1, false, false), 0);
    assert_eq!(score_after(1, true, true), 0);
}
