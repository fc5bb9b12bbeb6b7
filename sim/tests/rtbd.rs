//! The directory's hash and look-up against docs/rtbd.md, done plainly.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::{HASH, LOOKUP, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Clocks from a key to its result.
const LATENCY: usize = 6;
/// Clocks from a read of a slot to its key.
const READ_LATENCY: usize = 3;
/// The test geometry.
const BUCKETS: usize = 256;
const ENTRIES: usize = 4 * BUCKETS;
const STASH: usize = 8;

// Parts of a key that are written.
const TAG_LO: u64 = 1;
const TAG_HI: u64 = 2;
const REQUEST_TENANT: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    tag: u64,
    request: u16,
    tenant: u8,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    state: u64,
    tier: u64,
    frame: u64,
}

/// A write: parts of a slot's key, and with TAG_LO whether it is in use, and its place.
#[derive(Clone, Copy, Debug)]
struct Write {
    index: usize,
    parts: u64,
    data: u32,
    state: u64,
    tier: u64,
    frame: u64,
}

impl Write {
    /// TAG_LO of this entry, with its state and place.
    fn low(index: usize, entry: Entry) -> Write {
        let Entry { key, state, tier, frame } = entry;
        Write { index, parts: TAG_LO, data: key.tag as u32, state, tier, frame }
    }

    /// TAG_HI, or request and tenant.
    fn rest(index: usize, parts: u64, key: Key) -> Write {
        let data = if parts == TAG_HI { key.tag >> 32 } else { u64::from(key.request) | u64::from(key.tenant) << 16 };
        Write { index, parts, data: data as u32, state: 0, tier: 0, frame: 0 }
    }

    fn set(self, model: &mut Model) {
        model
            .set("slot", self.index as u64)
            .set("write", self.parts)
            .set("write_data", self.data.into());
        model
            .set("write_state", self.state)
            .set("write_tier", self.tier)
            .set("write_frame", self.frame);
    }
}

/// The rows of `mmio/src/h3.rs`: high halves of SplitMix64's numbers.
fn rows() -> [u32; 88] {
    let mut state = 0x4B56_4350_u64;
    std::array::from_fn(|_| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 32) as u32
    })
}

impl Key {
    fn bits(self) -> u128 {
        u128::from(self.tag) | u128::from(self.request) << 64 | u128::from(self.tenant) << 80
    }

    fn of_bits(bits: u128) -> Key {
        Key { tag: bits as u64, request: (bits >> 64) as u16, tenant: (bits >> 80) as u8 }
    }

    fn random(rng: &mut ChaCha8Rng) -> Key {
        Key { tag: rng.random(), request: rng.random(), tenant: rng.random() }
    }

    fn hash(self, rows: &[u32; 88]) -> u32 {
        (0..88).filter(|bit| self.bits() >> bit & 1 == 1).fold(0, |hash, bit| hash ^ rows[bit])
    }

    /// Whether both halves of the hash name the same bucket.
    fn is_torn(self, rows: &[u32; 88]) -> bool {
        let hash = self.hash(rows) as usize;
        hash % BUCKETS == (hash >> 16) % BUCKETS
    }

    fn buckets(self, rows: &[u32; 88]) -> [usize; 2] {
        let hash = self.hash(rows) as usize;
        let (b0, b1) = (hash % BUCKETS, (hash >> 16) % BUCKETS);
        [b0, if b1 == b0 { b0 ^ 1 } else { b1 }]
    }

    fn set(self, model: &mut Model) {
        model
            .set("tag", self.tag)
            .set("request", self.request.into())
            .set("tenant", self.tenant.into());
    }
}

fn seed() -> u64 {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test rtbd");
    seed
}

#[test]
fn the_hash_is_the_xor_of_the_rows_of_the_set_bits() {
    let (seed, rows) = (seed(), rows());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut hash = Model::new(&HASH, seed as u32);
    let single = (0..88).map(|bit| Key::of_bits(1 << bit));
    let corners = [Key::of_bits(0), Key::of_bits((1 << 88) - 1)];
    let random: Vec<Key> = (0..20_000).map(|_| Key::random(&mut rng)).collect();
    for key in single.chain(corners).chain(random) {
        key.set(&mut hash);
        hash.tick();
        let expected = key.hash(&rows);
        assert_eq!(hash.get("hash"), expected.into(), "seed {seed}: {key:x?}");
        let same = (expected ^ expected >> 16) & 0xFF == 0;
        assert_eq!(hash.get("same"), same.into(), "seed {seed}: {key:x?}");
    }
}

/// What a look-up must answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Answer {
    hit: u64,
    index: u64,
    state: u64,
    tier: u64,
    frame: u64,
}

impl Answer {
    fn of(model: &Model) -> Answer {
        let [hit, index, state, tier, frame] = ["hit", "index", "state", "tier", "frame"].map(|name| model.get(name));
        Answer { hit, index, state, tier, frame }
    }
}

/// The directory as a plain table, and keys that are worth looking at.
struct Plain {
    rows: [u32; 88],
    slots: Vec<Entry>,
    keys: Vec<Key>,
    /// Written in this clock or the four before.
    recent: VecDeque<Key>,
}

impl Plain {
    fn new(rng: &mut ChaCha8Rng) -> Plain {
        let free = Entry { key: Key::of_bits(0), state: 0, tier: 0, frame: 0 };
        let mut plain =
            Plain { rows: rows(), slots: vec![free; ENTRIES + STASH], keys: Vec::new(), recent: VecDeque::new() };
        plain.renew(rng);
        plain
    }

    /// Draws other keys: few, so that the same slots are met again and again.
    fn renew(&mut self, rng: &mut ChaCha8Rng) {
        self.keys.clear();
        for _ in 0..3 {
            let key = Key::random(rng);
            let mut torn = Key::random(rng);
            while !torn.is_torn(&self.rows) {
                torn = Key::random(rng);
            }
            let other_tenant = Key { tenant: key.tenant ^ 1 << rng.random_range(0..8), ..key };
            let other_request = Key { request: key.request ^ 1 << rng.random_range(0..16), ..key };
            self.keys.extend([key, Key { request: 0, ..key }, other_tenant, other_request, torn]);
        }
        self.keys.push(Key::of_bits(0));
    }

    /// The slots in find order.
    fn candidates(&self, key: Key) -> impl Iterator<Item = usize> {
        let [b0, b1] = key.buckets(&self.rows);
        (4 * b0..4 * b0 + 4).chain(4 * b1..4 * b1 + 4).chain(ENTRIES..ENTRIES + STASH)
    }

    fn find(&self, key: Key) -> Answer {
        let holds = |index: &usize| self.slots[*index].state != 0 && self.slots[*index].key == key;
        self.candidates(key).find(holds).map_or(Answer::default(), |index| {
            let Entry { state, tier, frame, .. } = self.slots[index];
            Answer { hit: 1, index: index as u64, state, tier, frame }
        })
    }

    /// A key to look up.
    fn wanted(&self, rng: &mut ChaCha8Rng) -> Key {
        match rng.random_range(0..16) {
            0 => Key::random(rng),
            1 => Key::of_bits(self.keys.choose(rng).unwrap().bits() ^ 1 << rng.random_range(0..88)),
            2..8 if !self.recent.is_empty() => *self.recent.iter().choose(rng).unwrap(),
            _ => *self.keys.choose(rng).unwrap(),
        }
    }

    /// A slot to read.
    fn read(&self, rng: &mut ChaCha8Rng) -> usize {
        let first = *[0, ENTRIES].choose(rng).unwrap();
        match self.candidates(*self.keys.choose(rng).unwrap()).choose(rng) {
            Some(slot) if rng.random() => slot,
            _ => rng.random_range(first..ENTRIES + STASH),
        }
    }

    /// A slot to change, and how.
    fn change(&self, rng: &mut ChaCha8Rng) -> Vec<Write> {
        let key = *self.keys.choose(rng).unwrap();
        let index = match rng.random_range(0..8) {
            0 => rng.random_range(0..ENTRIES + STASH),
            1 => ENTRIES + rng.random_range(0..STASH),
            _ => self.candidates(key).choose(rng).unwrap(),
        };
        let (kept, place) = (self.slots[index], (rng.random_range(0..4), rng.random_range(0..1 << 16)));
        let entry = |key, state| Entry { key, state, tier: place.0, frame: place.1 };
        match rng.random_range(0..8) {
            // Freed, its key left standing.
            0 | 1 => vec![Write::low(index, Entry { state: 0, ..kept })],
            // Moved, or become a ghost.
            2 => vec![Write::low(index, entry(kept.key, rng.random_range(1..4)))],
            // A key of one other bit, which must not pass for it.
            3 => {
                let near = Key::of_bits(key.bits() ^ 1 << rng.random_range(0..88));
                self.key_written(rng, index, entry(near, 2))
            }
            // Parts of the key of a slot that may be in use.
            4 => vec![Write::rest(index, *[TAG_HI, REQUEST_TENANT].choose(rng).unwrap(), key)],
            // All of them at once.
            5 => vec![Write { parts: rng.random_range(1..8), data: rng.random_range(0..2), ..Write::low(index, kept) }],
            _ => {
                let state = rng.random_range(1..4);
                self.key_written(rng, index, entry(key, state))
            }
        }
    }

    /// A key in all its parts; mostly the slot is not in use meanwhile.
    fn key_written(&self, rng: &mut ChaCha8Rng, index: usize, entry: Entry) -> Vec<Write> {
        let mut rest = [TAG_HI, REQUEST_TENANT];
        rest.shuffle(rng);
        let state = if rng.random_range(0..4) == 0 { entry.state } else { 0 };
        let mut writes = vec![Write::low(index, Entry { state, ..entry })];
        writes.extend(rest.map(|part| Write::rest(index, part, entry.key)));
        writes.push(Write::low(index, entry));
        writes
    }

    fn write(&mut self, model: &mut Model, write: Write) {
        write.set(model);
        let Write { index, parts, data, state, tier, frame } = write;
        let Entry { key, .. } = &mut self.slots[index];
        if parts & TAG_HI != 0 {
            key.tag = key.tag & u64::from(u32::MAX) | u64::from(data) << 32;
        }
        if parts & REQUEST_TENANT != 0 {
            (key.request, key.tenant) = (data as u16, (data >> 16) as u8);
        }
        if parts & TAG_LO != 0 {
            let key = Key { tag: key.tag >> 32 << 32 | u64::from(data), ..*key };
            self.slots[index] = Entry { key, state, tier, frame };
        }
        self.recent.push_back(self.slots[index].key);
    }
}

/// How often what was meant to be met was met.
#[derive(Debug, Default)]
struct Met {
    misses: u32,
    ways: [u32; 8],
    stash: [u32; STASH],
    torn: u32,
    ghosts: u32,
    stale: u32,
    twice: u32,
    strangers: u32,
    after: u32,
    offered_beside: u32,
    read: u32,
    read_stash: u32,
}

impl Met {
    fn count(&mut self, plain: &Plain, key: Key, answer: Answer, written: Option<usize>) {
        let (mut holders, mut stale) = (0, false);
        for (order, index) in plain.candidates(key).enumerate() {
            let is_first = answer.hit == 1 && answer.index == index as u64;
            match order {
                0..8 if is_first => self.ways[order] += 1,
                _ if is_first => self.stash[order - 8] += 1,
                _ => {}
            }
            let Entry { key: kept, state, .. } = plain.slots[index];
            holders += u32::from(kept == key && state != 0);
            stale |= kept == key && state == 0;
            // Distance 1, in reach, and in use.
            self.strangers += u32::from(state != 0 && (kept.bits() ^ key.bits()).count_ones() == 1);
        }
        self.misses += u32::from(holders == 0);
        self.stale += u32::from(stale && holders == 0 && key.bits() != 0);
        self.twice += u32::from(holders > 1);
        self.torn += u32::from(holders > 0 && key.is_torn(&plain.rows));
        self.ghosts += u32::from(answer.state == 3);
        self.after += u32::from(answer.hit == 1 && written == Some(answer.index as usize));
    }

    fn least(&self) -> u32 {
        let Met { misses, ways, stash, torn, ghosts, stale, twice, strangers, after, offered_beside, read, read_stash } =
            self;
        let counts = [misses, torn, ghosts, stale, twice, strangers, after, offered_beside, read, read_stash];
        *counts.into_iter().chain(ways).chain(stash).min().unwrap()
    }
}

/// Waits until it is ready; returns in how many clocks.
fn wait(model: &mut Model) -> usize {
    model.set("in_valid", 0).set("write", 0).set("read", 0);
    let mut clocks = 0;
    while model.eval().get("ready") == 0 {
        model.tick();
        clocks += 1;
    }
    clocks
}

#[test]
fn every_clock_a_key_is_found_where_it_was_last_written() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut model = Model::new(&LOOKUP, seed as u32);
    model.reset();
    assert_eq!(wait(&mut model), BUCKETS);
    let (mut plain, mut met) = (Plain::new(&mut rng), Met::default());
    let mut expected: VecDeque<Option<Answer>> = VecDeque::from([None; LATENCY]);
    let (mut script, mut written) = (VecDeque::new(), None);
    // The key that was read, and clocks since.
    let mut reading: Option<(Key, usize)> = None;
    for clock in 0..400_000 {
        if clock % 2_000 == 0 {
            plain.renew(&mut rng);
        }
        // Phases of many writes, and of none.
        let eager = [6, 4, 2, 0][clock / 500 % 4];
        if script.is_empty() {
            script.extend(plain.change(&mut rng));
        }
        let last_written = written.take();
        let slot = plain.read(&mut rng);
        let reads = rng.random_range(0..8) == 0;
        model.set("read", reads.into());
        if rng.random_range(0..8) < eager
            && let Some(write) = script.pop_front()
        {
            plain.write(&mut model, write);
            written = Some(write.index);
            reading = None;
        } else {
            // What stands there does not count, but for the slot.
            plain.change(&mut rng)[0].set(&mut model);
            model.set("write", 0).set("slot", slot as u64);
            if reads {
                reading = Some((plain.slots[slot].key, 0));
                met.read += 1;
                met.read_stash += u32::from(slot >= ENTRIES);
            }
        }
        let key = plain.wanted(&mut rng);
        let offered = rng.random_range(0..16) > 0;
        let taken = offered && !reads && written.is_none();
        met.offered_beside += u32::from(offered && !taken);
        let answer = taken.then(|| plain.find(key));
        model.set("in_valid", offered.into());
        key.set(&mut model);
        if let Some(answer) = answer {
            met.count(&plain, key, answer, last_written);
        }
        expected.push_back(answer);
        model.tick();
        expected.pop_front();
        let want = expected[0];
        assert_eq!(model.get("out_valid"), want.is_some().into(), "seed {seed}, clock {clock}");
        assert_eq!(Answer::of(&model), want.unwrap_or_default(), "seed {seed}, clock {clock}");
        if let Some((key, since)) = &mut reading {
            *since += 1;
            if *since >= READ_LATENCY {
                let read = u128::from(model.get("out_tag")) | u128::from(model.get("out_id")) << 64;
                assert_eq!(read, key.bits(), "seed {seed}, clock {clock}");
            }
        }
        if plain.recent.len() > 5 || written.is_none() {
            plain.recent.pop_front();
        }
    }
    assert!(met.least() > 1_000, "{met:?}");
}

#[test]
fn a_reset_forgets_all_and_takes_nothing_until_ready() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut model = Model::new(&LOOKUP, seed as u32);
    let mut plain = Plain::new(&mut rng);
    for round in 0..8 {
        model.reset();
        wait(&mut model);
        let mut held = Vec::new();
        for index in (round..ENTRIES + STASH).step_by(2) {
            // A key that is at home in this bucket.
            let mut key = Key::random(&mut rng);
            while index < ENTRIES && !key.buckets(&plain.rows).contains(&(index / 4)) {
                key = Key::random(&mut rng);
            }
            let entry = Entry { key, state: 1, tier: 2, frame: index as u64 };
            for write in plain.key_written(&mut rng, index, entry) {
                plain.write(&mut model, write);
                model.tick();
            }
            model.set("write", 0);
            held.push(key);
            model.set("in_valid", 1);
            key.set(&mut model);
            model.tick();
        }
        // Look-ups and a write are under way, and go on being offered.
        model.set("reset", 1).tick();
        model.set("reset", 0);
        let mut clocks = 0;
        while model.eval().get("ready") == 0 {
            assert_eq!(model.get("out_valid"), 0, "seed {seed}, round {round}");
            let key = *held.choose(&mut rng).unwrap();
            let entry = Entry { key, state: 1, tier: 0, frame: 0 };
            plain.write(&mut model, Write::low(rng.random_range(0..ENTRIES + STASH), entry));
            model.set("read", rng.random_range(0..2));
            key.set(&mut model);
            model.tick();
            clocks += 1;
        }
        assert_eq!(clocks, BUCKETS);
        model.set("write", 0).set("read", 0);
        for (asked, key) in held.iter().enumerate() {
            key.set(&mut model);
            model.tick();
            assert_eq!(model.get("out_valid"), u64::from(asked + 1 >= LATENCY), "seed {seed}, round {round}");
            assert_eq!(Answer::of(&model), Answer::default(), "seed {seed}, round {round}, {key:x?}");
        }
    }
}
