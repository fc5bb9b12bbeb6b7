//! The directory on the bus, with a sweep beside it, against a plain table. docs/control.md, Directory; docs/rtbd.md.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_mmio::h3::{KEY_BITS, ROWS};
use kvcpu_sim::{DIRECTORY, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// The test geometry.
const BUCKETS: usize = 256;
const ENTRIES: usize = 4 * BUCKETS;
const STASH: usize = 8;
const SLOTS: usize = ENTRIES + STASH;
const LANES: usize = 4;
const TABLE_ROWS: usize = SLOTS / LANES;
/// Indexes that the touched list holds.
const TOUCHED: usize = 512;
const NONE: u32 = u32::MAX;

const KEY_TAG_LO: u32 = 0x50_0000;
const KEY_TAG_HI: u32 = 0x50_0001;
const KEY_ID: u32 = 0x50_0002;
const FIND: u32 = 0x50_0003;
const FIND_PLACE: u32 = 0x50_0004;
const COMMIT: u32 = 0x50_0005;
const HASH: u32 = 0x50_0006;
const BUCKETS_OF: u32 = 0x50_0007;
const CLEAR: u32 = 0x50_0008;
const TOUCHED_COUNT: u32 = 0x50_0009;
const TOUCHED_POP: u32 = 0x50_000A;
const TOUCHED_CLEAR: u32 = 0x50_000B;

/// Words that a sweep writes, and what of them it changes: flags, score, OUT.
const SWEPT: [(usize, u32); 3] = [(2, 0xFF00_0000), (3, 0xFFFF_0000), (7, 0x0FF0_0000)];

/// Bits of an entry's first words that are its key, which the sweep does not see.
const KEY_MASKS: [u32; 3] = [u32::MAX, u32::MAX, 0xFF_FFFF];

type Entry = [u32; 8];

fn word_of(index: usize, word: usize) -> u32 {
    0x40_0000 | (index as u32) << 3 | word as u32
}

/// Words 0 to 2 of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key([u32; 3]);

impl Key {
    fn of(entry: &Entry) -> Key {
        Key([entry[0], entry[1], entry[2] & 0xFF_FFFF])
    }

    fn random(rng: &mut ChaCha8Rng) -> Key {
        Key([rng.random(), rng.random(), rng.random::<u32>() & 0xFF_FFFF])
    }

    fn hash(self) -> u32 {
        let is_set = |bit: &usize| self.0[bit / 32] >> (bit % 32) & 1 == 1;
        (0..KEY_BITS).filter(is_set).fold(0, |hash, bit| hash ^ ROWS[bit])
    }

    fn buckets(self) -> [usize; 2] {
        let (b0, b1) = (self.hash() as usize % BUCKETS, (self.hash() >> 16) as usize % BUCKETS);
        [b0, if b1 == b0 { b0 ^ 1 } else { b1 }]
    }

    /// A key both of whose hashes name the same bucket.
    fn torn(rng: &mut ChaCha8Rng) -> Key {
        loop {
            let key = Key::random(rng);
            if key.hash() as usize % BUCKETS == (key.hash() >> 16) as usize % BUCKETS {
                return key;
            }
        }
    }

    fn slots(self) -> impl Iterator<Item = usize> {
        let [b0, b1] = self.buckets();
        (4 * b0..4 * b0 + 4).chain(4 * b1..4 * b1 + 4).chain(ENTRIES..SLOTS)
    }
}

/// A request of the bus, and which values its word had while it stood.
#[derive(Debug)]
struct Request {
    write: bool,
    address: u32,
    data: u32,
    seen: Vec<u32>,
}

impl Request {
    /// Entry and word that it reads or writes.
    fn target(&self) -> Option<(usize, usize)> {
        let slot = (self.address as usize - 0x40_0000) >> 3;
        (self.address < 0x50_0000 && slot < SLOTS).then_some((slot, self.address as usize & 7))
    }
}

/// A row that the sweep read, how long ago, and which words may be anything.
#[derive(Debug)]
struct Sight {
    row: usize,
    age: u32,
    want: [Entry; LANES],
    doubtful: [u8; LANES],
}

/// What the sweep does in a clock, of 16.
#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    reads: u32,
    writes: u32,
}

/// How often what was meant to be met was met.
#[derive(Debug, Default)]
struct Met {
    denied: u32,
    sights: u32,
    sweeps: u32,
    changed_while_read: u32,
    hits: u32,
    stash_hits: u32,
    misses: u32,
    waited: u32,
}

struct Bench {
    seed: u64,
    rng: ChaCha8Rng,
    model: Model,
    entries: Vec<Entry>,
    /// What the look-up knows of each beside its key: PLACE and STATE as they were committed; free since TAG_LO was stored.
    committed: Vec<[u32; 2]>,
    touched: VecDeque<u32>,
    lost: bool,
    place: u32,
    traffic: Traffic,
    sights: VecDeque<Sight>,
    /// What is written in this clock, of a row: reads of it may have it or not.
    doubts: Vec<(usize, [u8; LANES])>,
    request: Option<Request>,
    /// Rows that the sweep prefers, to meet the bus there.
    hot_row: usize,
    /// Clocks since a request stood.
    idle: u32,
    met: Met,
}

impl Bench {
    fn new(seed: u64) -> Bench {
        let mut bench = Bench {
            seed,
            rng: ChaCha8Rng::seed_from_u64(seed),
            model: Model::new(&DIRECTORY, seed as u32),
            entries: vec![[0; 8]; SLOTS],
            committed: vec![[0; 2]; SLOTS],
            touched: VecDeque::new(),
            lost: false,
            place: 0,
            traffic: Traffic::default(),
            sights: VecDeque::new(),
            doubts: Vec::new(),
            request: None,
            hot_row: 0,
            idle: 0,
            met: Met::default(),
        };
        bench.model.reset();
        bench
    }

    fn forget(&mut self) {
        self.entries.fill([0; 8]);
        self.committed.fill([0; 2]);
        self.touched.clear();
        self.lost = false;
    }

    fn any_row(&mut self) -> usize {
        match self.rng.random_range(0..4) {
            0 => self.rng.random_range(0..TABLE_ROWS),
            1 => self.rng.random_range(TABLE_ROWS - 2..TABLE_ROWS),
            _ => self.hot_row,
        }
    }

    /// What the sweep writes of a row: anything, or only what it may change while a request stands.
    fn sweep(&mut self, row: usize) -> (u32, [Entry; LANES]) {
        let lanes: u32 = self.rng.random_range(0..1 << LANES);
        let harmless = self.request.is_some() || self.rng.random();
        let mut written = [[0; 8]; LANES];
        for (lane, entry) in written.iter_mut().enumerate() {
            for (word, mask) in SWEPT {
                // Of ID it writes the flags only, whatever it gives for the key.
                let mask = if harmless || word == 2 { mask } else { u32::MAX };
                entry[word] = self.entries[row * LANES + lane][word] & !mask | self.rng.random::<u32>() & mask;
            }
        }
        (lanes, written)
    }

    /// A clock; the answer, if the request ended in it.
    fn clock(&mut self) -> Option<u32> {
        let reads = self.rng.random_range(0..16) < self.traffic.reads;
        let writes = self.rng.random_range(0..16) < self.traffic.writes;
        let (row, write_row) = (self.any_row(), self.any_row());
        let (lanes, written) = self.sweep(write_row);
        self.model.set("row_read", reads.into()).set("row", row as u64);
        self.model.set("row_write", writes.into()).set("row_write_row", write_row as u64);
        self.model.set("row_write_lanes", u64::from(lanes) | 0xFFF0);
        let key_bits = self.rng.random::<u32>() & KEY_MASKS[2];
        for (lane, entry) in written.iter().enumerate() {
            self.model
                .set(&format!("place_id_{lane}"), u64::from(entry[3]) << 32 | u64::from(entry[2] ^ key_bits));
            self.model.set(&format!("state_{lane}"), entry[7].into());
        }
        self.model.eval();

        let (ready, value) = (self.model.get("bus_ready") == 1, self.model.get("bus_read") as u32);
        assert!(ready || value == 0, "seed {}: {value:x} without ready", self.seed);
        assert!(!ready || self.request.is_some(), "seed {}: ready without a request", self.seed);
        self.end_store(ready);
        self.look();

        let taken = self.model.get("row_taken") == 1;
        assert!(reads || !taken, "seed {}: taken without row_read", self.seed);
        assert!(taken || !reads || self.idle < 2, "seed {}: not taken, though the bus rests", self.seed);
        self.met.denied += u32::from(reads && !taken);
        self.idle = if self.request.is_some() { 0 } else { self.idle + 1 };
        if taken {
            let want = std::array::from_fn(|lane| self.entries[row * LANES + lane]);
            let mut doubtful = [0; LANES];
            for (_, words) in self.doubts.iter().filter(|(written, _)| *written == row) {
                for (lane, words) in words.iter().enumerate() {
                    doubtful[lane] |= words;
                }
            }
            self.sights.push_back(Sight { row, age: 0, want, doubtful });
        }
        self.doubts.clear();
        if writes {
            self.met.sweeps += 1;
            // It is in the RAM a clock later.
            self.doubts
                .push((write_row, std::array::from_fn(|lane| if lanes >> lane & 1 == 1 { 0x8C } else { 0 })));
            for lane in (0..LANES).filter(|lane| lanes >> lane & 1 == 1) {
                let slot = write_row * LANES + lane;
                for (word, _) in SWEPT {
                    let kept = self.entries[slot][word] & KEY_MASKS.get(word).unwrap_or(&0);
                    let value = kept | written[lane][word] & !KEY_MASKS.get(word).unwrap_or(&0);
                    self.entries[slot][word] = value;
                    if let Some(request) = &mut self.request
                        && request.target() == Some((slot, word))
                    {
                        request.seen.push(value);
                    }
                }
            }
        }
        self.model.tick();
        ready.then_some(value)
    }

    /// A word is written in the clock of `ready`: reads of that clock may have it or not.
    fn end_store(&mut self, ready: bool) {
        let Some(request) = self.request.as_ref().filter(|request| ready && request.write) else { return };
        let Some((slot, word)) = request.target() else { return };
        self.entries[slot][word] = request.data;
        if word == 0 {
            self.committed[slot] = [0; 2];
        }
        let mut words = [0; LANES];
        words[slot % LANES] = 1 << word;
        self.doubts.push((slot / LANES, words));
    }

    /// The row that was taken two clocks before.
    fn look(&mut self) {
        for sight in &mut self.sights {
            sight.age += 1;
        }
        if let Some(sight) = self.sights.pop_front_if(|sight| sight.age == 2) {
            for word in 0..8 {
                self.model.set("look", word as u64).eval();
                for lane in 0..LANES {
                    if sight.doubtful[lane] >> word & 1 == 0 {
                        let seen = self.model.get(&format!("seen_{lane}")) as u32;
                        let (seed, row) = (self.seed, sight.row);
                        let want = sight.want[lane][word] & !KEY_MASKS.get(word).unwrap_or(&0);
                        assert_eq!(seen, want, "seed {seed}: row {row} lane {lane} word {word}");
                        self.met.sights += 1;
                    }
                }
            }
        }
    }

    /// Sets the request up.
    fn ask(&mut self, write: bool, address: u32, data: u32) {
        let mut request = Request { write, address, data, seen: Vec::new() };
        request.seen.extend(request.target().map(|(slot, word)| self.entries[slot][word]));
        self.model.set("bus_select", 1).set("bus_write", write.into());
        self.model.set("bus_address", address.into()).set("bus_data", data.into());
        self.request = Some(request);
    }

    /// After the answer: the bus rests.
    fn rest(&mut self) -> Request {
        self.model.set("bus_select", 0);
        let request = self.request.take().unwrap();
        // What stands there does not count.
        self.model.set("bus_write", self.rng.random_range(0..2));
        self.model.set("bus_address", self.rng.random_range(0x40_0000..0x60_0000));
        self.model.set("bus_data", self.rng.random());
        for _ in 0..self.rng.random_range(1..4) {
            assert_eq!(self.clock(), None);
        }
        request
    }

    /// An access, its answer, and in how many clocks it came.
    fn access(&mut self, write: bool, address: u32, data: u32) -> (u32, u32, Request) {
        self.ask(write, address, data);
        for clocks in 0..5_000 {
            if let Some(value) = self.clock() {
                return (value, clocks, self.rest());
            }
        }
        panic!("seed {}: {address:x} is not answered", self.seed);
    }

    fn write(&mut self, address: u32, data: u32) {
        let (value, ..) = self.access(true, address, data);
        assert_eq!(value, 0, "seed {}: writing {address:x}", self.seed);
    }

    fn read(&mut self, address: u32) -> u32 {
        self.access(false, address, 0).0
    }

    /// Reads a word and checks it.
    fn check(&mut self, slot: usize, word: usize) {
        let (value, clocks, request) = self.access(false, word_of(slot, word), 0);
        self.met.waited += u32::from(clocks > 5);
        self.met.changed_while_read += u32::from(request.seen.len() > 1);
        let seed = self.seed;
        assert!(request.seen.contains(&value), "seed {seed}: slot {slot} word {word}: {value:x}, {request:x?}");
    }

    fn set_key(&mut self, key: Key) {
        for (register, word) in [KEY_TAG_LO, KEY_TAG_HI, KEY_ID].into_iter().zip(key.0) {
            self.write(register, word);
        }
    }

    /// Sets KEY and checks what is made of it.
    fn hash(&mut self, key: Key) -> [usize; 2] {
        self.set_key(key);
        assert_eq!(self.read(HASH), key.hash(), "seed {}: {key:x?}", self.seed);
        let buckets = self.read(BUCKETS_OF);
        let buckets = [buckets as usize & 0xFFFF, buckets as usize >> 16];
        assert_eq!(buckets, key.buckets(), "seed {}: {key:x?}", self.seed);
        buckets
    }

    fn find(&mut self, key: Key) {
        self.set_key(key);
        let holds = |slot: &usize| self.committed[*slot][1] >> 30 != 0 && Key::of(&self.entries[*slot]) == key;
        let want = key.slots().find(holds);
        self.place = want.map_or(0, |slot| {
            let [place, state] = self.committed[slot];
            state & 0xF000_0000 | place & 0xFFFF
        });
        let found = self.read(FIND);
        assert_eq!(found, want.map_or(NONE, |slot| slot as u32), "seed {}: {key:x?}", self.seed);
        assert_eq!(self.read(FIND_PLACE), self.place, "seed {}: {key:x?}", self.seed);
        match want {
            None => self.met.misses += 1,
            Some(ENTRIES..) => self.met.stash_hits += 1,
            Some(_) => self.met.hits += 1,
        }
    }

    fn commit(&mut self, slot: usize) {
        // State, tier and frame, which the sweep does not change while the request stands.
        let entry = self.entries[slot];
        self.write(COMMIT, slot as u32);
        self.committed[slot] = [entry[3], entry[7]];
        self.touch(slot);
    }

    fn touch(&mut self, slot: usize) {
        if self.touched.len() < TOUCHED {
            self.touched.push_back(slot as u32);
        } else {
            self.lost = true;
        }
    }

    /// Writes an entry in words of any order, and commits it.
    fn put(&mut self, slot: usize, key: Key, state: u32) {
        let mut words: Vec<usize> = (0..8).collect();
        words.shuffle(&mut self.rng);
        // The sweep rests while entries are written, or what it wrote of state and place would stand.
        let traffic = self.traffic;
        self.traffic.writes = 0;
        for word in words {
            let value = match word {
                0 | 1 => key.0[word],
                2 => key.0[2] | self.rng.random::<u32>() << 24,
                7 => state << 30 | self.rng.random::<u32>() >> 2,
                _ => self.rng.random(),
            };
            self.write(word_of(slot, word), value);
        }
        self.commit(slot);
        self.traffic = traffic;
    }

    fn check_touched(&mut self) {
        let count = self.touched.len() as u32 | u32::from(self.lost) << 31;
        assert_eq!(self.read(TOUCHED_COUNT), count, "seed {}", self.seed);
    }

    fn pop(&mut self) {
        let want = self.touched.pop_front().unwrap_or(NONE);
        assert_eq!(self.read(TOUCHED_POP), want, "seed {}", self.seed);
    }

    /// CLEAR, and waits; the sweep rests. Returns in how many clocks it was done.
    fn clear(&mut self) -> u64 {
        let traffic = std::mem::take(&mut self.traffic);
        self.sights.clear();
        let begin = self.model.clocks();
        self.write(CLEAR, self.model.clocks() as u32);
        self.forget();
        while self.read(CLEAR) == 1 {}
        self.traffic = traffic;
        self.model.clocks() - begin
    }

    /// All entries, over the wide port.
    fn check_all(&mut self) {
        self.traffic = Traffic::default();
        self.clock();
        self.clock();
        self.clock();
        for row in 0..TABLE_ROWS {
            self.traffic = Traffic { reads: 16, writes: 0 };
            for word in 0..8 {
                let slot = row * LANES + self.rng.random_range(0..LANES);
                self.check(slot, word);
            }
        }
        self.traffic = Traffic::default();
        for row in 0..TABLE_ROWS {
            self.model.set("row_read", 1).set("row", row as u64).eval();
            assert_eq!(self.model.get("row_taken"), 1);
            self.model.tick();
            self.model.set("row_read", 0).tick();
            let want = std::array::from_fn(|lane| self.entries[row * LANES + lane]);
            self.sights.clear();
            self.sights.push_back(Sight { row, age: 1, want, doubtful: [0; LANES] });
            self.look();
        }
    }
}

fn seed() -> u64 {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test directory");
    seed
}

#[test]
fn the_bus_and_the_sweep_see_one_table() {
    let mut bench = Bench::new(seed());
    assert_eq!(bench.read(CLEAR), 1);
    while bench.read(CLEAR) == 1 {}
    let mut keys = Vec::new();
    for step in 0..40_000 {
        if step % 4_000 == 3_999 {
            let clocks = bench.clear();
            assert!((256..300).contains(&clocks), "{clocks}");
        }
        if step % 200 == 0 {
            keys = (0..12).map(|_| Key::random(&mut bench.rng)).collect();
            keys.extend((0..4).map(|_| Key::torn(&mut bench.rng)));
        }
        if step % 1_000 == 0 {
            let turns = [(0, 0), (16, 0), (8, 4), (16, 8), (4, 14)];
            let (reads, writes) = turns[step / 1_000 % turns.len()];
            bench.traffic = Traffic { reads, writes };
        }
        let key = *keys.choose(&mut bench.rng).unwrap();
        let slot = match bench.rng.random_range(0..8) {
            0 => bench.rng.random_range(0..SLOTS),
            1..4 => bench.rng.random_range(ENTRIES..SLOTS),
            _ => key.slots().choose(&mut bench.rng).unwrap(),
        };
        bench.hot_row = slot / LANES;
        match bench.rng.random_range(0..20) {
            0..6 => {
                let word = bench.rng.random_range(0..8);
                bench.check(slot, word);
            }
            6..9 => {
                let (word, value) = (bench.rng.random_range(0..8), bench.rng.random());
                bench.write(word_of(slot, word), value);
                bench.check(slot, word);
            }
            9 => bench.commit(slot),
            10 | 11 => {
                let [b0, b1] = bench.hash(key);
                let slot = 4 * *[b0, b1].choose(&mut bench.rng).unwrap() + bench.rng.random_range(0..4);
                let state = bench.rng.random_range(0..4);
                bench.put(slot, key, state);
                bench.find(key);
            }
            12 => {
                bench.put(slot, key, 1);
                bench.find(key);
            }
            13..16 => bench.find(key),
            16 => bench.check_touched(),
            17 => bench.pop(),
            18 => {
                // An index that does not exist, and an address that is not used.
                let slot = bench.rng.random_range(SLOTS..1 << 17);
                bench.write(word_of(slot, 3), 0x1234_5678);
                bench.write(COMMIT, slot as u32);
                assert_eq!(bench.read(word_of(slot, 3)), 0);
                let unused = bench.rng.random_range(0x50_000C..0x60_0000);
                bench.write(unused, 0x8765_4321);
                assert_eq!(bench.read(unused), 0);
                for written in [KEY_TAG_LO, KEY_TAG_HI, KEY_ID, COMMIT, TOUCHED_CLEAR] {
                    assert_eq!(bench.read(written), 0);
                }
            }
            _ => {
                bench.write(TOUCHED_CLEAR, 0);
                bench.touched.clear();
                bench.lost = false;
                assert_eq!(bench.read(FIND_PLACE), bench.place);
            }
        }
    }
    bench.check_all();
    let Met { denied, sights, sweeps, changed_while_read, hits, stash_hits, misses, waited } = bench.met;
    let least = [denied, sights, sweeps, changed_while_read, hits, stash_hits, misses, waited]
        .into_iter()
        .min();
    assert!(least > Some(400), "{:?}", bench.met);
}

#[test]
fn the_touched_list_holds_512_and_tells_of_more() {
    let mut bench = Bench::new(seed());
    for round in 0..2 {
        for count in 0..600 {
            bench.commit((count * 7 + round) % SLOTS);
            if count % 64 == 0 || (510..514).contains(&count) {
                bench.check_touched();
            }
        }
        for _ in 0..100 {
            bench.pop();
        }
        // Popped, it has room again, but what was lost stays lost.
        for count in 0..120 {
            bench.commit(count);
        }
        while !bench.touched.is_empty() {
            bench.pop();
        }
        bench.check_touched();
        bench.pop();
        bench.check_touched();
        assert_eq!(bench.read(TOUCHED_COUNT), 1 << 31);
        bench.write(TOUCHED_CLEAR, 0);
        bench.lost = false;
        bench.check_touched();
        bench.commit(ENTRIES + 3);
        bench.check_touched();
        bench.pop();
    }
}

#[test]
fn clear_and_reset_leave_nothing_and_accesses_wait() {
    let mut bench = Bench::new(seed());
    for round in 0..4 {
        let keys: Vec<Key> = (0..40).map(|_| Key::random(&mut bench.rng)).collect();
        for (place, key) in keys.iter().enumerate() {
            let slot = if place < STASH { ENTRIES + place } else { 4 * key.buckets()[place % 2] + place % 4 };
            bench.put(slot, *key, 1 + place as u32 % 3);
        }
        for row in 0..TABLE_ROWS {
            bench.write(word_of(row * LANES + row % LANES, row % 8), NONE);
        }
        bench.find(keys[0]);
        let waits = |bench: &mut Bench| {
            bench.forget();
            // The first access waits until all is cleared.
            let (found, clocks, _) = bench.access(false, FIND, 0);
            assert_eq!(found, NONE);
            assert!((240..280).contains(&clocks), "seed {}: {clocks}", bench.seed);
        };
        if round % 2 == 0 {
            bench.write(CLEAR, 1);
            assert_eq!(bench.read(CLEAR), 1);
            waits(&mut bench);
            assert_eq!(bench.read(HASH), keys[0].hash());
        } else {
            // In the middle of an access.
            bench.ask(false, FIND, 0);
            for _ in 0..round {
                assert_eq!(bench.clock(), None);
            }
            bench.model.set("bus_select", 0).reset();
            bench.request = None;
            assert_eq!(bench.read(CLEAR), 1);
            waits(&mut bench);
            assert_eq!(bench.read(HASH), 0);
        }
        assert_eq!(bench.read(CLEAR), 0);
        bench.check_touched();
        bench.pop();
        for key in keys {
            bench.find(key);
        }
        bench.check_all();
    }
}

#[test]
fn the_sweep_goes_first_where_it_writes_and_last_where_it_reads() {
    let mut bench = Bench::new(seed());
    while bench.read(CLEAR) == 1 {}
    let row = 17;
    let hold = |bench: &mut Bench, write: bool, slot: usize| {
        bench.ask(write, word_of(slot, 3), 0x55AA);
        let mut ready = false;
        for _ in 0..100 {
            bench.model.set("row_write", 1).set("row_write_row", row).set("row_write_lanes", 0);
            bench.model.tick();
            ready |= bench.model.get("bus_ready") == 1;
            if ready {
                break;
            }
        }
        bench.model.set("row_write", 0);
        while bench.clock().is_none() {}
        bench.rest();
        ready
    };
    // Reading the row that is being written waits; any other does not. A write waits.
    assert!(!hold(&mut bench, false, 4 * 17 + 2));
    assert!(hold(&mut bench, false, 4 * 18 + 2));
    assert!(!hold(&mut bench, true, 4 * 18 + 2));
    assert_eq!(bench.read(word_of(4 * 18 + 2, 3)), 0x55AA);

    // A bus read takes the read port for one clock.
    bench.ask(false, word_of(4 * 18 + 2, 3), 0);
    let mut denied = 0;
    for _ in 0..=6 {
        bench.model.set("row_read", 1).eval();
        denied += u32::from(bench.model.get("row_taken") == 0);
        bench.model.tick();
    }
    assert_eq!(denied, 1);
    assert_eq!(bench.model.get("bus_ready"), 0);
}

#[test]
fn answers_come_in_as_many_clocks_as_said() {
    let mut bench = Bench::new(seed());
    while bench.read(CLEAR) == 1 {}
    bench.set_key(Key([1, 2, 3]));
    let mut clocks = |write, address| bench.access(write, address, 5).1;
    assert_eq!(clocks(true, KEY_TAG_LO), 2);
    assert_eq!(clocks(false, HASH), 2);
    assert_eq!(clocks(false, TOUCHED_COUNT), 2);
    assert_eq!(clocks(true, word_of(9, 1)), 2);
    assert_eq!(clocks(false, word_of(9, 1)), 6);
    assert_eq!(clocks(true, COMMIT), 6);
    assert_eq!(clocks(false, FIND), 8);
}
