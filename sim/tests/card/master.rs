//! An AXI4 master for a memory's `s_card` ports: offers what it is given, as eagerly as it is told, and holds every answer to AXI and to a
//! plain record of what was written.
//!
//! ```text
//!  requests ─► AR, AW, W ─► memory ─► R, B ─► Record: what may this byte be?
//! ```
//!
//! Writes of different ids that meet in a word are not given out together, as AXI leaves open which comes last.

use crate::record::{Checked, Record};
use kvcpu_sim::Design;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Clocks after which whatever is waited for will not come.
const PATIENCE: u64 = 100_000;

/// A burst to be given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) burst: u64,
    pub(crate) beats: u64,
    /// Data and strobes of each beat, if it is to be written.
    pub(crate) data: Option<Vec<(u64, u64)>>,
}

impl Request {
    pub(crate) fn read(id: u64, address: u64, beats: u64) -> Request {
        Request { id, address, size: 3, burst: 1, beats, data: None }
    }

    pub(crate) fn write(id: u64, address: u64, data: Vec<(u64, u64)>) -> Request {
        Request { id, address, size: 3, burst: 1, beats: data.len() as u64, data: Some(data) }
    }

    /// What a memory of so many bytes answers.
    fn response(&self, bytes: u64) -> u64 {
        match () {
            () if self.address >= bytes => 3,
            () if (self.size, self.burst) != (3, 1) => 2,
            () => 0,
        }
    }

    fn words(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.address / 8;
        first..first + self.beats
    }
}

/// Probabilities, per clock, that something is offered or taken, if it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) ar: f64,
    pub(crate) aw: f64,
    pub(crate) w: f64,
    pub(crate) r: f64,
    pub(crate) b: f64,
    /// Bursts of each direction that may be open.
    pub(crate) open: usize,
}

impl Manner {
    pub(crate) const EAGER: Manner = Manner { ar: 1.0, aw: 1.0, w: 1.0, r: 1.0, b: 1.0, open: 16 };
}

macro_rules! ports {
    ($name:ident: $($port:ident)*) => {
        #[derive(Debug)]
        struct $name { $($port: usize,)* }

        impl $name {
            fn of(design: &'static Design, inputs: bool) -> $name {
                let place = |name: &str| {
                    let wanted = format!("s_card_{name}");
                    design.side(inputs).position(|port| port.name == wanted).unwrap()
                };
                $name { $($port: place(stringify!($port)),)* }
            }
        }
    };
}

ports!(Inputs: awid awaddr awlen awsize awburst awvalid wdata wstrb wlast wvalid bready arid araddr arlen arsize arburst arvalid rready);
ports!(Outputs: awready wready bid bresp bvalid arready rid rdata rresp rlast rvalid);

/// A burst that is open.
#[derive(Clone, Debug)]
struct Open {
    request: Request,
    /// When it was taken.
    since: u64,
    /// Beats read so far; or 1 if all of its data was taken.
    beats: u64,
}

/// What went over the bus.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) read_words: u64,
    pub(crate) written_words: u64,
    pub(crate) answers: u64,
    pub(crate) errors: u64,
    /// Bytes read whose contents were known.
    pub(crate) checked: Checked,
    /// Clock of the last beat of R, and of the last answer.
    pub(crate) last_read: u64,
    pub(crate) last_answer: u64,
}

pub(crate) struct Master {
    pub(crate) manner: Manner,
    pub(crate) counts: Counts,
    pub(crate) now: u64,
    pub(crate) reads: VecDeque<Request>,
    pub(crate) writes: VecDeque<Request>,
    bytes: u64,
    rng: ChaCha8Rng,
    inputs: Inputs,
    outputs: Outputs,
    /// Writes whose address, or whose data, has not been taken yet.
    to_address: VecDeque<Request>,
    to_send: VecDeque<(u64, u64, bool)>,
    open_reads: Vec<Open>,
    open_writes: Vec<Open>,
    pub(crate) record: Record,
    stalled: [Option<[u64; 4]>; 2],
    quiet: u64,
}

impl Master {
    /// Of a memory of so many bytes.
    pub(crate) fn new(design: &'static Design, bytes: u64, seed: u64) -> Master {
        Master {
            manner: Manner::EAGER,
            counts: Counts::default(),
            now: 0,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            bytes,
            rng: ChaCha8Rng::seed_from_u64(seed),
            inputs: Inputs::of(design, true),
            outputs: Outputs::of(design, false),
            to_address: VecDeque::new(),
            to_send: VecDeque::new(),
            open_reads: Vec::new(),
            open_writes: Vec::new(),
            record: Record::default(),
            stalled: [None; 2],
            quiet: 0,
        }
    }

    /// Nothing waits, and nothing is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty() && self.open_reads.is_empty() && self.open_writes.is_empty()
    }

    /// Bursts that are open.
    pub(crate) fn open(&self) -> usize {
        self.open_reads.len() + self.open_writes.len()
    }

    /// After a reset of the memory's bus: what was open is forgotten. What was being written is not known any more.
    pub(crate) fn reset(&mut self, inputs: &mut [u64]) {
        let open = std::mem::take(&mut self.open_writes);
        for word in open.iter().flat_map(|open| open.request.words()) {
            self.record.forget(word);
        }
        self.reads.clear();
        self.writes.clear();
        self.to_address.clear();
        self.to_send.clear();
        self.open_reads.clear();
        self.stalled = [None; 2];
        for valid in [self.inputs.awvalid, self.inputs.wvalid, self.inputs.arvalid] {
            inputs[valid] = 0;
        }
    }

    /// Nothing is known of the memory any more.
    pub(crate) fn forget(&mut self) {
        self.record = Record::default();
    }

    /// Sets the inputs of a clock. What was offered and not taken stays.
    pub(crate) fn drive(&mut self, inputs: &mut [u64]) {
        let Manner { ar, aw, w, r, b, open } = self.manner;
        let port = &self.inputs;
        if inputs[port.arvalid] == 0
            && self.open_reads.len() < open
            && self.rng.random_bool(ar)
            && let Some(read) = self.reads.pop_front()
        {
            let Request { id, address, size, burst, beats, .. } = read;
            (inputs[port.arid], inputs[port.araddr], inputs[port.arlen]) = (id, address, beats - 1);
            (inputs[port.arsize], inputs[port.arburst], inputs[port.arvalid]) = (size, burst, 1);
            // The record counts from the clock in which it is offered.
            self.open_reads.push(Open { request: read, since: self.now, beats: 0 });
        }
        if self.open_writes.len() < open
            && self.writes.front().is_some_and(|next| self.may_write(next))
            && let Some(write) = self.writes.pop_front()
        {
            let data = write.data.clone().unwrap_or_default();
            if write.response(self.bytes) == 0 {
                for (word, (data, strobes)) in write.words().zip(&data) {
                    self.record.begins(word, *data, *strobes);
                }
            }
            let last = data.len() - 1;
            self.to_send
                .extend(data.iter().enumerate().map(|(beat, (data, strobes))| (*data, *strobes, beat == last)));
            self.to_address.push_back(write.clone());
            self.open_writes.push(Open { request: write, since: self.now, beats: 0 });
        }
        let port = &self.inputs;
        if inputs[port.awvalid] == 0
            && self.rng.random_bool(aw)
            && let Some(write) = self.to_address.pop_front()
        {
            let Request { id, address, size, burst, beats, .. } = write;
            (inputs[port.awid], inputs[port.awaddr], inputs[port.awlen]) = (id, address, beats - 1);
            (inputs[port.awsize], inputs[port.awburst], inputs[port.awvalid]) = (size, burst, 1);
        }
        if inputs[port.wvalid] == 0
            && self.rng.random_bool(w)
            && let Some((data, strobes, last)) = self.to_send.pop_front()
        {
            (inputs[port.wdata], inputs[port.wstrb], inputs[port.wlast]) = (data, strobes, last.into());
            inputs[port.wvalid] = 1;
        }
        inputs[port.rready] = self.rng.random_bool(r).into();
        inputs[port.bready] = self.rng.random_bool(b).into();
    }

    /// Whether no write of another id is open that meets it.
    fn may_write(&self, write: &Request) -> bool {
        let meets = |open: &&Open| {
            let (a, b) = (&open.request, write);
            a.address / 8 < b.address / 8 + b.beats && b.address / 8 < a.address / 8 + a.beats
        };
        self.open_writes.iter().filter(meets).all(|open| open.request.id == write.id)
    }

    /// Takes what is handed over in this clock.
    pub(crate) fn observe(&mut self, inputs: &mut [u64], outputs: &[u64]) {
        let (port, out) = (&self.inputs, &self.outputs);
        let mut moved = false;
        for (valid, ready) in [(port.arvalid, out.arready), (port.awvalid, out.awready), (port.wvalid, out.wready)] {
            if inputs[valid] == 1 && outputs[ready] == 1 {
                inputs[valid] = 0;
                moved = true;
            }
        }
        // What is offered stays until it is taken.
        let r = [out.rid, out.rdata, out.rresp, out.rlast].map(|port| outputs[port]);
        let b = [outputs[out.bid], outputs[out.bresp], 0, 0];
        let channels = [(outputs[out.rvalid], inputs[port.rready], r), (outputs[out.bvalid], inputs[port.bready], b)];
        for ((valid, ready, payload), stalled) in channels.into_iter().zip(&mut self.stalled) {
            if let Some(before) = stalled.take() {
                assert_eq!((valid, payload), (1, before), "an answer changed before it was taken");
            }
            *stalled = (valid == 1 && ready == 0).then_some(payload);
        }
        let taken = channels.map(|(valid, ready, _)| valid == 1 && ready == 1);
        if taken[0] {
            self.take_beat(r);
        }
        if taken[1] {
            self.take_answer(b[0], b[1], inputs[self.inputs.wvalid]);
        }
        self.now += 1;
        self.quiet = if moved || taken.contains(&true) || self.is_idle() { 0 } else { self.quiet + 1 };
        assert!(self.quiet < PATIENCE, "clock {}: nothing moves; open: {:?}", self.now, self.open_reads.first());
    }

    fn take_beat(&mut self, [id, data, response, last]: [u64; 4]) {
        let at = self.open_reads.iter().position(|open| open.request.id == id);
        let at = at.unwrap_or_else(|| panic!("a beat of id {id}, of which nothing is open"));
        let open = &mut self.open_reads[at];
        let wanted = open.request.response(self.bytes);
        let (word, since) = (open.request.address / 8 + open.beats, open.since);
        open.beats += 1;
        let ends = open.beats == open.request.beats;
        assert_eq!((response, last), (wanted, ends.into()), "beat {} of {:x?}", open.beats, open.request);
        self.counts.read_words += 1;
        self.counts.last_read = self.now;
        if ends {
            self.open_reads.remove(at);
        }
        if wanted == 0 {
            self.record.check(word, data, since, &mut self.counts.checked);
        } else {
            self.counts.errors += 1;
        }
    }

    /// `offered` is 1 if a beat of W stands.
    fn take_answer(&mut self, id: u64, response: u64, offered: u64) {
        let at = self.open_writes.iter().position(|open| open.request.id == id);
        let at = at.unwrap_or_else(|| panic!("an answer of id {id}, of which nothing is open"));
        let Request { address, beats, .. } = self.open_writes[at].request;
        // Beats are taken in the order of addresses, so all that is left belongs to bursts behind it.
        let behind: u64 = self.open_writes[at + 1..].iter().map(|open| open.request.beats).sum();
        assert!(
            self.to_send.len() as u64 + offered <= behind,
            "an answer before all data of the burst at {address:#x}"
        );
        let open = self.open_writes.remove(at);
        assert_eq!(response, open.request.response(self.bytes), "{:x?}", open.request);
        self.counts.answers += 1;
        self.counts.last_answer = self.now;
        if response != 0 {
            self.counts.errors += 1;
            return;
        }
        self.counts.written_words += beats;
        let oldest = self.open_reads.iter().map(|open| open.since).min().unwrap_or(self.now);
        for (word, (data, strobes)) in open.request.words().zip(open.request.data.unwrap_or_default()) {
            self.record.ends(word, data, strobes, self.now, oldest);
        }
    }
}
