//! An AXI4 slave that is as awkward as AXI allows: random latency, random back-pressure, bursts of different ids answered in
//! any order, their read beats interleaved. Bursts of one id stay in order.
//!
//! ```text
//!   AR ─► reads ── latency ─► any id ─► Bus::read ─► beat by beat ─► R
//!   AW ─► open ─┐
//!   W ──────────┴─ latency ─► any id ─► Bus::write ─► B
//! ```
//!
//! A burst reaches memory as a whole, when its first beat or its response is given; so a write counts from its response on,
//! and not before. A burst that faults is answered with DECERR in every beat, and reads noise.

use crate::bus::Bus;
use crate::ports::{MasterPorts, Wires};
use crate::rules::{Burst, Channel};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// AXI's "no slave at this address".
const DECERR: u64 = 3;
/// Bursts taken before the first is answered, in each direction.
const OUTSTANDING: usize = 16;
/// Beats taken ahead of their addresses.
const EARLY_BEATS: usize = 64;
/// Clocks of a lull, longer than any buffer of the device lasts.
const LULL: std::ops::Range<u32> = 16..64;
/// Of 8 beats so many come from the burst of the beat before, if it has any left.
const STICK: u32 = 6;

/// How slow a slave is.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    /// Clocks from a burst's last address or data to its first answer, at least.
    pub(crate) latency: RangeInclusive<u32>,
    /// Probability that a channel rests in a clock, of 65,536.
    pub(crate) rest: u16,
    /// Probability that it begins a lull, likewise.
    pub(crate) lull: u16,
}

/// A burst that was read, or is being answered.
struct Read {
    burst: Burst,
    due: u64,
    /// The words and the response, once memory was asked.
    data: Option<(Vec<u64>, u64)>,
    sent: usize,
}

/// A burst whose data has come, or is coming.
struct Write {
    burst: Burst,
    due: u64,
    data: Vec<u64>,
    strobes: Vec<u8>,
}

/// The slave at one of the device's masters.
pub(crate) struct Slave {
    ports: MasterPorts,
    timing: Timing,
    rng: ChaCha8Rng,
    reads: Vec<Read>,
    open: VecDeque<Write>,
    early: VecDeque<[u64; 3]>,
    writes: Vec<Write>,
    /// Id of the burst that gave the last beat.
    last: u64,
    /// Clocks that each channel's lull has left: AR, AW, W, R, B.
    lulls: [u32; 5],
    ar: Channel<5>,
    aw: Channel<5>,
    w: Channel<3>,
    name: &'static str,
}

impl Slave {
    pub(crate) fn new(name: &'static str, ports: MasterPorts, timing: Timing, rng: ChaCha8Rng) -> Slave {
        Slave {
            ports,
            timing,
            rng,
            reads: Vec::new(),
            open: VecDeque::new(),
            early: VecDeque::new(),
            writes: Vec::new(),
            last: 0,
            lulls: [0; 5],
            ar: Channel::new("AR"),
            aw: Channel::new("AW"),
            w: Channel::new("W"),
            name,
        }
    }

    /// Forgets everything, as the reset device does.
    pub(crate) fn reset(&mut self, wires: &mut Wires) {
        self.reads.clear();
        self.open.clear();
        self.early.clear();
        self.writes.clear();
        self.ar.reset();
        self.aw.reset();
        self.w.reset();
        let p = &self.ports;
        for port in [p.arready, p.awready, p.wready, p.rvalid, p.bvalid] {
            wires.set(port, false);
        }
    }

    /// After a clock: takes what was handed over, and sets the inputs of the next.
    pub(crate) fn clock(&mut self, wires: &mut Wires, now: u64, bus: &mut dyn Bus) -> Result<(), String> {
        self.take(wires, now).map_err(|why| format!("{} {why}", self.name))?;
        let draws = self.rng.random::<[u16; 5]>();
        let [ar, aw, w, r, b] = std::array::from_fn(|channel| self.is_awake(channel, draws[channel]));
        let p = &self.ports;
        wires.set(p.arready, ar && self.reads.len() < OUTSTANDING);
        wires.set(p.awready, aw && self.open.len() + self.writes.len() < OUTSTANDING);
        wires.set(p.wready, w && self.early.len() < EARLY_BEATS);
        if r && !wires.drove(p.rvalid) && !self.reads.is_empty() {
            self.answer_read(wires, now, bus);
        }
        if b && !wires.drove(self.ports.bvalid) && !self.writes.is_empty() {
            self.answer_write(wires, now, bus);
        }
        Ok(())
    }

    /// Whether a channel does something in this clock.
    fn is_awake(&mut self, channel: usize, draw: u16) -> bool {
        if self.lulls[channel] == 0 && draw > u16::MAX - self.timing.lull {
            self.lulls[channel] = self.rng.random_range(LULL);
        }
        let in_lull = self.lulls[channel] > 0;
        self.lulls[channel] = self.lulls[channel].saturating_sub(1);
        !in_lull && draw >= self.timing.rest
    }

    fn due(&mut self, now: u64) -> u64 {
        now + u64::from(self.rng.random_range(self.timing.latency.clone()))
    }

    fn take(&mut self, wires: &mut Wires, now: u64) -> Result<(), String> {
        let p = self.ports;
        let get = |port| wires.get(port);
        let ar = || [p.arid, p.araddr, p.arlen, p.arsize, p.arburst].map(get);
        if let Some(ar) = self.ar.clock(wires.is(p.arvalid), wires.drove(p.arready), ar)? {
            let (burst, due) = (Burst::new("AR", ar)?, self.due(now));
            self.reads.push(Read { burst, due, data: None, sent: 0 });
        }
        let aw = || [p.awid, p.awaddr, p.awlen, p.awsize, p.awburst].map(get);
        if let Some(aw) = self.aw.clock(wires.is(p.awvalid), wires.drove(p.awready), aw)? {
            let burst = Burst::new("AW", aw)?;
            self.open.push_back(Write { burst, due: 0, data: Vec::new(), strobes: Vec::new() });
        }
        let w = || [p.wdata, p.wstrb, p.wlast].map(get);
        if let Some(w) = self.w.clock(wires.is(p.wvalid), wires.drove(p.wready), w)? {
            self.early.push_back(w);
        }
        if !self.early.is_empty() {
            self.pair(now)?;
        }
        if wires.drove(p.rvalid) && wires.is(p.rready) {
            wires.set(p.rvalid, false);
        }
        if wires.drove(p.bvalid) && wires.is(p.bready) {
            wires.set(p.bvalid, false);
        }
        Ok(())
    }

    /// Gives the beats that have come to the bursts they belong to.
    fn pair(&mut self, now: u64) -> Result<(), String> {
        while let Some(write) = self.open.front_mut()
            && let Some([data, strobe, last]) = self.early.pop_front()
        {
            write.data.push(data);
            write.strobes.push(strobe as u8);
            let (beat, beats) = (write.data.len(), write.burst.beats);
            if (last == 1) != (beat == beats) {
                let address = write.burst.address;
                return Err(format!("W: wlast is {last} in beat {beat} of {beats} of the burst at {address:#x}"));
            }
            if beat == beats
                && let Some(mut write) = self.open.pop_front()
            {
                write.due = self.due(now);
                self.writes.push(write);
            }
        }
        Ok(())
    }

    /// A beat of a burst that is due; only the oldest of each id may be.
    fn answer_read(&mut self, wires: &mut Wires, now: u64, bus: &mut dyn Bus) {
        let ready = oldest_due(self.reads.iter().map(|read| (read.burst.id, read.due)), now);
        let again = ready
            .iter()
            .copied()
            .find(|&at| self.reads[at].burst.id == self.last && self.reads[at].sent > 0);
        let stick = self.rng.random_range(0..8) < STICK;
        let Some(at) = again.filter(|_| stick).or_else(|| ready.choose(&mut self.rng).copied()) else { return };
        let read = &mut self.reads[at];
        let burst = read.burst;
        let (data, response) = read.data.get_or_insert_with(|| {
            let mut data = vec![0; burst.beats];
            let response = match bus.read(burst.address, &mut data) {
                Ok(()) => 0,
                Err(_) => {
                    self.rng.fill(&mut data[..]);
                    DECERR
                }
            };
            (data, response)
        });
        let p = &self.ports;
        wires.set(p.rvalid, true);
        wires.set(p.rid, burst.id);
        wires.set(p.rdata, data[read.sent]);
        wires.set(p.rresp, *response);
        read.sent += 1;
        wires.set(p.rlast, read.sent == burst.beats);
        if read.sent == burst.beats {
            self.reads.remove(at);
        }
        self.last = burst.id;
    }

    fn answer_write(&mut self, wires: &mut Wires, now: u64, bus: &mut dyn Bus) {
        let ready = oldest_due(self.writes.iter().map(|write| (write.burst.id, write.due)), now);
        let Some(&at) = ready.choose(&mut self.rng) else { return };
        let Write { burst, data, strobes, .. } = self.writes.remove(at);
        let response = if bus.write(burst.address, &data, &strobes).is_ok() { 0 } else { DECERR };
        let p = &self.ports;
        wires.set(p.bvalid, true);
        wires.set(p.bid, burst.id);
        wires.set(p.bresp, response);
    }
}

/// Places of the bursts (id, due) that may be answered: the oldest of each id, if it is due.
fn oldest_due(bursts: impl Iterator<Item = (u64, u64)>, now: u64) -> Vec<usize> {
    let (mut seen, mut ready) = (0u64, Vec::new());
    for (at, (id, due)) in bursts.enumerate() {
        if seen >> id & 1 == 0 && due <= now {
            ready.push(at);
        }
        seen |= 1 << id;
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_pass_each_other_and_no_burst_passes_its_own_id() {
        let bursts = [(1, 9), (0, 5), (1, 2), (3, 4), (0, 1)];
        assert_eq!(oldest_due(bursts.into_iter(), 3), [0; 0]);
        assert_eq!(oldest_due(bursts.into_iter(), 5), [1, 3]);
        assert_eq!(oldest_due(bursts.into_iter(), 9), [0, 1, 3]);
    }
}
