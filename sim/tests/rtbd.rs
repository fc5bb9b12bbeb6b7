//! The directory's hash and look-up against docs/rtbd.md, done plainly.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::{HASH, LOOKUP, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Clocks from a key to its result.
const LATENCY: usize = 6;
/// The test geometry.
const BUCKETS: usize = 256;
const ENTRIES: usize = 4 * BUCKETS;
const STASH: usize = 8;

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

impl Entry {
    fn set(self, model: &mut Model, index: usize) {
        self.key.set(model, "write_");
        model.set("write_index", index as u64).set("write_state", self.state);
        model.set("write_tier", self.tier).set("write_frame", self.frame);
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

    fn set(self, model: &mut Model, prefix: &str) {
        model.set(&format!("{prefix}tag"), self.tag);
        model.set(&format!("{prefix}request"), self.request.into());
        model.set(&format!("{prefix}tenant"), self.tenant.into());
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
        key.set(&mut hash, "");
        hash.tick();
        assert_eq!(hash.get("hash"), key.hash(&rows).into(), "seed {seed}: {key:x?}");
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

    /// A slot to write and what to write there.
    fn change(&self, rng: &mut ChaCha8Rng) -> (usize, Entry) {
        let key = *self.keys.choose(rng).unwrap();
        let index = match rng.random_range(0..8) {
            0 => rng.random_range(0..ENTRIES + STASH),
            1 => ENTRIES + rng.random_range(0..STASH),
            _ => self.candidates(key).choose(rng).unwrap(),
        };
        let (kept, place) = (self.slots[index], (rng.random_range(0..4), rng.random_range(0..1 << 16)));
        let entry = |key, state| Entry { key, state, tier: place.0, frame: place.1 };
        let change = match rng.random_range(0..8) {
            // Freed, its key left standing.
            0 | 1 => Entry { state: 0, ..kept },
            // Moved, or become a ghost.
            2 => entry(kept.key, rng.random_range(1..4)),
            // A key of one other bit, which must not pass for it.
            3 => entry(Key::of_bits(key.bits() ^ 1 << rng.random_range(0..88)), rng.random_range(1..4)),
            _ => entry(key, rng.random_range(1..4)),
        };
        (index, change)
    }

    fn write(&mut self, model: &mut Model, index: usize, entry: Entry) {
        entry.set(model, index);
        model.set("write", 1);
        self.slots[index] = entry;
        self.recent.push_back(entry.key);
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
    beside: u32,
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
        self.beside += u32::from(answer.hit == 1 && written == Some(answer.index as usize));
    }

    fn least(&self) -> u32 {
        let Met { misses, ways, stash, torn, ghosts, stale, twice, strangers, beside } = self;
        let counts = [misses, torn, ghosts, stale, twice, strangers, beside];
        *counts.into_iter().chain(ways).chain(stash).min().unwrap()
    }
}

/// Waits until it is ready; returns in how many clocks.
fn wait(model: &mut Model) -> usize {
    model.set("in_valid", 0).set("write", 0);
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
    for clock in 0..400_000 {
        if clock % 2_000 == 0 {
            plain.renew(&mut rng);
        }
        // Phases of many writes, and of none.
        let eager = [8, 8, 2, 0][clock / 500 % 4];
        let (mut written, mut beside) = (None, None);
        let (index, entry) = plain.change(&mut rng);
        if rng.random_range(0..8) < eager {
            plain.write(&mut model, index, entry);
            (written, beside) = (Some(index), Some(entry.key));
        } else {
            // What stands there does not count.
            entry.set(&mut model, index);
            model.set("write", 0);
        }
        let key = match beside {
            Some(beside) if rng.random_range(0..4) == 0 => beside,
            _ => plain.wanted(&mut rng),
        };
        let answer = (rng.random_range(0..16) > 0).then(|| plain.find(key));
        model.set("in_valid", answer.is_some().into());
        key.set(&mut model, "");
        if let Some(answer) = answer {
            met.count(&plain, key, answer, written);
        }
        expected.push_back(answer);
        model.tick();
        expected.pop_front();
        let want = expected[0];
        assert_eq!(model.get("out_valid"), want.is_some().into(), "seed {seed}, clock {clock}");
        assert_eq!(Answer::of(&model), want.unwrap_or_default(), "seed {seed}, clock {clock}");
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
            plain.write(&mut model, index, Entry { key, state: 1, tier: 2, frame: index as u64 });
            held.push(key);
            model.set("in_valid", 1);
            key.set(&mut model, "");
            model.tick();
        }
        // Look-ups and a write are under way, and go on being offered.
        model.set("reset", 1).tick();
        model.set("reset", 0);
        let mut clocks = 0;
        while model.eval().get("ready") == 0 {
            assert_eq!(model.get("out_valid"), 0, "seed {seed}, round {round}");
            let key = *held.choose(&mut rng).unwrap();
            plain.write(&mut model, rng.random_range(0..ENTRIES + STASH), Entry { key, state: 1, tier: 0, frame: 0 });
            key.set(&mut model, "");
            model.tick();
            clocks += 1;
        }
        assert_eq!(clocks, BUCKETS);
        model.set("write", 0);
        for (asked, key) in held.iter().enumerate() {
            key.set(&mut model, "");
            model.tick();
            assert_eq!(model.get("out_valid"), u64::from(asked + 1 >= LATENCY), "seed {seed}, round {round}");
            assert_eq!(Answer::of(&model), Answer::default(), "seed {seed}, round {round}, {key:x?}");
        }
    }
}
