//! The slave itself: accepts at random, answers late, different ids in any order, one id in its own.

use super::{Burst, Memory, Rules};
use crate::Model;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// SLVERR.
const ERROR: u64 = 2;

/// How a slave behaves; probabilities are per clock.
#[derive(Clone, Debug)]
pub struct Manner {
    /// That AW, W, AR are each ready.
    pub ready: f64,
    /// That an answer that is due is given.
    pub answer: f64,
    /// Clocks from the end of a request to its answer, at the least.
    pub latency: Range<u64>,
    /// Beats of different ids may follow one another within a burst.
    pub interleaves: bool,
}

impl Manner {
    /// Always ready, and answers after so many clocks.
    pub fn quick(latency: u64) -> Manner {
        Manner { ready: 1.0, answer: 1.0, latency: latency..latency + 1, interleaves: false }
    }
}

/// What went over the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bursts accepted on AR.
    pub read_bursts: u64,
    /// Bursts accepted on AW.
    pub written_bursts: u64,
    /// Beats of R.
    pub read_words: u64,
    /// Beats of W.
    pub written_words: u64,
    /// Clock, counted from 0, of the last beat of W.
    pub last_written: u64,
    /// Bursts that wait for beats of R or for B.
    pub outstanding: u64,
    /// The most that were waiting for beats of R at once.
    pub most_reads: u64,
    /// Beats of R that came within a burst of another id.
    pub interleaved: u64,
}

/// A slave on the ports `prefix`_* of a model with 64-bit data.
#[derive(Debug)]
pub struct Slave {
    /// Its memory.
    pub memory: Memory,
    /// Its manner; may change at any time.
    pub manner: Manner,
    prefix: String,
    rng: ChaCha8Rng,
    clock: u64,
    counts: Counts,
    aw: Rules,
    w: Rules,
    ar: Rules,
    /// Accepted on AW, and on W, in order.
    to_write: VecDeque<Burst>,
    words: VecDeque<Vec<u64>>,
    /// Of each id: when B is due, and BRESP.
    written: BTreeMap<u64, VecDeque<(u64, u64)>>,
    /// Of each id: when R is due, and what is left.
    to_read: BTreeMap<u64, VecDeque<(u64, Burst)>>,
    /// The id whose burst is under way.
    reading: Option<u64>,
    b: Option<[u64; 2]>,
    r: Option<[u64; 4]>,
}

impl Slave {
    /// With an empty memory.
    pub fn new(prefix: &str, manner: Manner, seed: u64) -> Slave {
        let address = ["id", "addr", "len", "size", "burst"];
        Slave {
            memory: Memory::default(),
            manner,
            prefix: prefix.to_owned(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            clock: 0,
            counts: Counts::default(),
            aw: Rules::new(prefix, "aw", &address),
            w: Rules::new(prefix, "w", &["data", "strb", "last"]),
            ar: Rules::new(prefix, "ar", &address),
            to_write: VecDeque::new(),
            words: VecDeque::new(),
            written: BTreeMap::new(),
            to_read: BTreeMap::new(),
            reading: None,
            b: None,
            r: None,
        }
    }

    /// What went over the bus so far.
    pub fn counts(&self) -> Counts {
        let writes = self.to_write.len() + self.written.values().map(VecDeque::len).sum::<usize>();
        let reads = self.to_read.values().map(VecDeque::len).sum::<usize>();
        let standing = usize::from(self.b.is_some()) + usize::from(self.r.is_some());
        Counts { outstanding: (writes + reads + standing) as u64, ..self.counts }
    }

    /// Sets the inputs of a clock.
    pub fn drive(&mut self, model: &mut Model) {
        let port = |signal: &str| format!("{}_{signal}", self.prefix);
        for channel in ["awready", "wready", "arready"] {
            model.set(&port(channel), self.rng.random_bool(self.manner.ready).into());
        }
        if self.b.is_none() && self.rng.random_bool(self.manner.answer) {
            self.b = self.next_answer();
        }
        if self.r.is_none() && self.rng.random_bool(self.manner.answer) {
            self.r = self.next_word();
        }
        let port = |signal: &str| format!("{}_{signal}", self.prefix);
        model.set(&port("bvalid"), self.b.is_some().into());
        model.set(&port("rvalid"), self.r.is_some().into());
        // Without VALID the rest means nothing, and is not 0 either.
        let [id, resp] = self.b.unwrap_or_else(|| self.rng.random());
        model.set(&port("bid"), id).set(&port("bresp"), resp);
        let [id, data, resp, last] = self.r.unwrap_or_else(|| self.rng.random());
        model.set(&port("rid"), id).set(&port("rdata"), data);
        model.set(&port("rresp"), resp).set(&port("rlast"), last);
    }

    /// Takes what is transferred in this clock, before its edge.
    pub fn observe(&mut self, model: &Model) {
        if let Some(payload) = self.aw.observe(model) {
            self.counts.written_bursts += 1;
            self.to_write.push_back(Burst::checked(&payload));
        }
        if let Some(payload) = self.w.observe(model) {
            self.counts.written_words += 1;
            self.counts.last_written = self.clock;
            self.words.push_back(payload);
        }
        self.write_bursts();
        if let Some(payload) = self.ar.observe(model) {
            let burst = Burst::checked(&payload);
            let due = self.due();
            self.counts.read_bursts += 1;
            self.to_read.entry(burst.id).or_default().push_back((due, burst));
            let waiting = self.to_read.values().map(VecDeque::len).sum::<usize>() as u64;
            self.counts.most_reads = self.counts.most_reads.max(waiting);
        }
        if self.b.is_some() && model.get(&format!("{}_bready", self.prefix)) == 1 {
            self.b = None;
        }
        if self.r.is_some() && model.get(&format!("{}_rready", self.prefix)) == 1 {
            self.r = None;
            self.counts.read_words += 1;
        }
        self.clock += 1;
    }

    fn due(&mut self) -> u64 {
        self.clock + self.rng.random_range(self.manner.latency.clone())
    }

    /// Writes the bursts whose words have all come.
    fn write_bursts(&mut self) {
        while let Some(&burst) = self.to_write.front() {
            for (number, word) in (1..=burst.beats).zip(&self.words) {
                assert_eq!(word[2] == 1, number == burst.beats, "{}_wlast in {burst:x?}", self.prefix);
            }
            if (self.words.len() as u64) < burst.beats {
                break;
            }
            let words: Vec<Vec<u64>> = self.words.drain(..burst.beats as usize).collect();
            let addresses = (burst.address..).step_by(8);
            // No short cut: all beats are written, whatever became of the first.
            let good = addresses
                .zip(words)
                .fold(true, |good, (address, word)| self.memory.write(address, word[0], word[1]) && good);
            let due = self.due();
            self.written.entry(burst.id).or_default().push_back((due, if good { 0 } else { ERROR }));
            self.to_write.pop_front();
        }
    }

    fn next_answer(&mut self) -> Option<[u64; 2]> {
        let due = self
            .written
            .iter()
            .filter(|(_, queue)| queue.front().is_some_and(|(due, _)| *due <= self.clock));
        let id = due.map(|(id, _)| *id).choose(&mut self.rng)?;
        let (_, resp) = self.written.get_mut(&id)?.pop_front()?;
        Some([id, resp])
    }

    fn next_word(&mut self) -> Option<[u64; 4]> {
        let under_way = self.reading.filter(|_| !self.manner.interleaves);
        let due = self.to_read.iter().filter(|(id, queue)| {
            queue.front().is_some_and(|(due, _)| *due <= self.clock) && under_way.is_none_or(|reading| reading == **id)
        });
        let id = due.map(|(id, _)| *id).choose(&mut self.rng)?;
        let queue = self.to_read.get_mut(&id)?;
        let (_, burst) = queue.front_mut()?;
        let word = self.memory.read(burst.address);
        burst.address += 8;
        burst.beats -= 1;
        let last = burst.beats == 0;
        if last {
            queue.pop_front();
        }
        self.counts.interleaved += u64::from(self.reading.is_some_and(|reading| reading != id));
        self.reading = Some(id).filter(|_| !last);
        let resp = if word.is_some() { 0 } else { ERROR };
        Some([id, word.unwrap_or(0xDEAD_DEAD_DEAD_DEAD), resp, last.into()])
    }
}
