//! The unit between two slaves, driven over its bus; on the card, the frames at its third requester, as in the device.

use kvcpu_sim::axi::{Manner, Slave};
use kvcpu_sim::{DMA, FRAMES, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Id of no completion.
pub(crate) const NONE: u64 = 0xFFFF_FFFF;
/// Clocks after which whatever is waited for will not come.
const PATIENCE: u64 = 2_000_000;

/// A memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Host,
    Card,
}

/// A descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) from: (Space, u64),
    pub(crate) to: (Space, u64),
    pub(crate) bytes: u64,
    pub(crate) id: u64,
}

/// A completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) id: u64,
    pub(crate) result: u64,
    pub(crate) crc: u64,
}

/// What the unit says to the frames, and they to it: ports of the unit and of the frames. All are registers.
const TO_FRAMES: [(&str, &str); 8] = [
    ("tables_read_taken", "read_taken"),
    ("tables_write_taken", "write_taken"),
    ("tables_word_taken", "word_taken"),
    ("tables_in_valid", "in_valid"),
    ("tables_in_data", "in_data"),
    ("tables_in_error", "in_error"),
    ("tables_written", "written"),
    ("tables_written_error", "written_error"),
];
const FROM_FRAMES: [(&str, &str); 5] = [
    ("tables_read", "read_burst"),
    ("tables_write", "write_burst"),
    ("tables_address", "address"),
    ("tables_beats", "beats"),
    ("tables_word", "word"),
];

pub(crate) struct Bench {
    pub(crate) model: Model,
    pub(crate) frames: Model,
    pub(crate) host: Slave,
    pub(crate) card: Slave,
    pub(crate) seed: u64,
}

/// The seed of this run; printed with the command that replays it.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test dma");
    seed
}

/// Slow, late, out of order, interleaved; how much so is drawn.
pub(crate) fn awkward(rng: &mut ChaCha8Rng) -> Manner {
    let latency = rng.random_range(0..60);
    Manner {
        ready: *[0.2, 0.6, 0.95, 1.0].choose(rng).unwrap(),
        answer: *[0.2, 0.6, 0.95, 1.0].choose(rng).unwrap(),
        latency: latency..latency + rng.random_range(1..200),
        interleaves: rng.random_bool(0.7),
    }
}

impl Bench {
    pub(crate) fn new(seed: u64, manner: &Manner) -> Bench {
        let mut bench = Bench {
            model: Model::new(&DMA, seed as u32),
            frames: Model::new(&FRAMES, !seed as u32),
            host: Slave::new("m_host", manner.clone(), seed),
            card: Slave::new("m_card", manner.clone(), !seed),
            seed,
        };
        bench.reset();
        bench.model.set("bus_master", 1);
        bench
    }

    /// Resets all but the slaves, which are to be made anew.
    pub(crate) fn reset(&mut self) {
        self.frames.set("bus_select", 0);
        self.model.reset();
        self.frames.reset();
    }

    pub(crate) fn space(&mut self, space: Space) -> &mut Slave {
        match space {
            Space::Host => &mut self.host,
            Space::Card => &mut self.card,
        }
    }

    pub(crate) fn tick(&mut self) {
        self.host.drive(&mut self.model);
        self.card.drive(&mut self.model);
        for (unit, frames) in TO_FRAMES {
            self.frames.set(frames, self.model.get(unit));
        }
        for (unit, frames) in FROM_FRAMES {
            self.model.set(unit, self.frames.get(frames));
        }
        self.model.eval();
        self.host.observe(&self.model);
        self.card.observe(&self.model);
        self.model.tick();
        self.frames.tick();
    }

    pub(crate) fn ticks(&mut self, clocks: u64) {
        for _ in 0..clocks {
            self.tick();
        }
    }

    /// Clocks until `is_over`, which may use the bus.
    pub(crate) fn until(&mut self, what: &str, mut is_over: impl FnMut(&mut Bench) -> bool) {
        let start = self.model.clocks();
        while !is_over(self) {
            self.tick();
            assert!(self.model.clocks() - start < PATIENCE, "seed {}: {what} does not come", self.seed);
        }
    }

    fn access(&mut self, address: u64, write: Option<u64>) -> u64 {
        self.model.set("bus_select", 1).set("bus_write", write.is_some().into());
        self.model.set("bus_address", 0x70_0000 + address).set("bus_data", write.unwrap_or(0));
        for _ in 0..100 {
            self.tick();
            if self.model.get("bus_ready") == 1 {
                let read = self.model.get("bus_read");
                // The request rests in the clock after the answer.
                self.tick();
                self.model.set("bus_select", 0);
                self.tick();
                assert_eq!((self.model.get("bus_ready"), self.model.get("bus_read")), (0, 0), "an answer to nothing");
                return read;
            }
            assert_eq!(self.model.get("bus_read"), 0, "bus_read without bus_ready");
        }
        panic!("seed {}: no answer on the bus at {address:#x}", self.seed)
    }

    pub(crate) fn read(&mut self, address: u64) -> u64 {
        self.access(address, None)
    }

    pub(crate) fn write(&mut self, address: u64, word: u64) {
        self.access(address, Some(word));
    }

    /// An access to the frames: what it read, and the clocks until it was answered.
    pub(crate) fn frames_access(&mut self, address: u64, write: Option<u64>) -> (u64, u64) {
        self.frames.set("bus_select", 1).set("bus_write", write.is_some().into());
        self.frames.set("bus_address", address).set("bus_data", write.unwrap_or(0));
        let start = self.model.clocks();
        self.until("an answer to the frames", |bench| bench.frames.eval().get("bus_ready") == 1);
        let read = self.frames.get("bus_read");
        let clocks = self.model.clocks() - start;
        // The request rests in the clock after the answer.
        self.tick();
        self.frames.set("bus_select", 0);
        self.tick();
        assert_eq!((self.frames.get("bus_ready"), self.frames.get("bus_read")), (0, 0), "an answer to nothing");
        (read, clocks)
    }

    pub(crate) fn room(&mut self, channel: u64) -> u64 {
        self.read(16 * channel + 6)
    }

    pub(crate) fn go(&mut self, channel: u64, job: &Job) {
        let is_card = |(space, _): (Space, u64)| u64::from(space == Space::Card);
        let spaces = is_card(job.from) | is_card(job.to) << 1;
        let (from, to) = (job.from.1, job.to.1);
        for (number, word) in (0..).zip([from, from >> 32, to, to >> 32, job.bytes, spaces, job.id]) {
            self.write(16 * channel + number, word & 0xFFFF_FFFF);
        }
    }

    /// The oldest completion, taken.
    pub(crate) fn pop(&mut self) -> Option<Done> {
        let id = self.read(0x40);
        if id == NONE {
            return None;
        }
        let done = Done { id, result: self.read(0x41), crc: self.read(0x42) };
        self.write(0x43, 0);
        Some(done)
    }

    /// The next completion.
    pub(crate) fn done(&mut self) -> Done {
        let mut done = None;
        self.until("completion", |bench| {
            done = bench.pop();
            done.is_some()
        });
        done.unwrap()
    }

    /// Copies, and waits.
    pub(crate) fn copy(&mut self, channel: u64, job: &Job) -> Done {
        self.go(channel, job);
        self.done()
    }

    /// Begins to read or write `words` words with the ring port.
    pub(crate) fn ring_begin(&mut self, address: u64, words: u64, write: bool) {
        self.write(0x80, address & 0xFFFF_FFFF);
        self.write(0x81, address >> 32);
        self.write(if write { 0x83 } else { 0x82 }, words);
    }

    /// Its status, once it is not busy.
    pub(crate) fn ring_end(&mut self) -> u64 {
        let mut status = 0;
        self.until("ring port", |bench| {
            status = bench.read(0x84);
            status != 0
        });
        status
    }

    pub(crate) fn ring(&mut self, address: u64, words: u64, write: bool) -> u64 {
        self.ring_begin(address, words, write);
        self.ring_end()
    }

    pub(crate) fn buffer_put(&mut self, slot: u64, word: u64) {
        self.write(0x90 + 2 * slot, word & 0xFFFF_FFFF);
        self.write(0x91 + 2 * slot, word >> 32);
    }

    pub(crate) fn buffer_get(&mut self, slot: u64) -> u64 {
        self.read(0x90 + 2 * slot) | self.read(0x91 + 2 * slot) << 32
    }

    /// Random words from `address` on.
    pub(crate) fn fill(&mut self, (space, address): (Space, u64), bytes: u64, rng: &mut ChaCha8Rng) {
        for word in (address..address + bytes).step_by(8) {
            self.space(space).memory.put(word, rng.random());
        }
    }

    pub(crate) fn words(&mut self, (space, address): (Space, u64), bytes: u64) -> Vec<u64> {
        let memory = &self.space(space).memory;
        (address..address + bytes).step_by(8).map(|word| memory.word(word)).collect()
    }
}

/// CRC-32C as RFC 3720 words it, a bit at a time.
pub(crate) fn crc32c(words: &[u64]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    let state = bytes.fold(u32::MAX, |state, byte| {
        (0..8).fold(state ^ u32::from(byte), |state, _| (state >> 1) ^ if state & 1 == 1 { 0x82F6_3B78 } else { 0 })
    });
    u64::from(!state)
}
