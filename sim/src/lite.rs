//! The AXI4-Lite master that carries register accesses: one at a time, its address and data at random distances.
//!
//! Bytes travel on their lanes. An access that crosses an 8-byte boundary takes along what fits into the first word; a read
//! of it shifts down what comes.

use crate::ports::{LitePorts, Wires};
use crate::rules::Channel;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Longest hesitation of a channel, in clocks.
const HESITATION: u32 = 3;

/// A register access.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// As on `awaddr` and `araddr`.
    pub(crate) address: u32,
    /// 4 or 8.
    pub(crate) bytes: u32,
    /// What is written; `None` for a read.
    pub(crate) write: Option<u64>,
}

impl Access {
    /// Bits that its first byte is away from lane 0.
    fn shift(&self) -> u32 {
        8 * (self.address % 8)
    }

    fn bits(&self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes)
    }
}

/// An access under way: clocks until its channels begin, and who was taken.
struct Current {
    access: Access,
    address_in: u32,
    data_in: u32,
    address_taken: bool,
    data_taken: bool,
}

/// The master.
pub(crate) struct Lite {
    ports: LitePorts,
    rng: ChaCha8Rng,
    current: Option<Current>,
    answer: Option<u64>,
    b: Channel<1>,
    r: Channel<2>,
}

impl Lite {
    pub(crate) fn new(ports: LitePorts, rng: ChaCha8Rng) -> Lite {
        Lite { ports, rng, current: None, answer: None, b: Channel::new("B"), r: Channel::new("R") }
    }

    pub(crate) fn reset(&mut self, wires: &mut Wires) {
        (self.current, self.answer) = (None, None);
        self.b.reset();
        self.r.reset();
        let p = &self.ports;
        for port in [p.awvalid, p.wvalid, p.arvalid, p.bready, p.rready] {
            wires.set(port, false);
        }
    }

    /// Begins an access; the one before has been answered.
    pub(crate) fn begin(&mut self, access: Access) {
        let mut hesitate = || self.rng.random_range(0..=HESITATION);
        let (address_in, data_in) = (hesitate(), hesitate());
        let data_taken = access.write.is_none();
        self.current = Some(Current { access, address_in, data_in, address_taken: false, data_taken });
    }

    /// The answer of the access, once it is there: what was read, 0 for a write.
    pub(crate) fn take_answer(&mut self) -> Option<u64> {
        self.answer.take()
    }

    /// After a clock: takes what was handed over, and sets the inputs of the next.
    pub(crate) fn clock(&mut self, wires: &mut Wires) -> Result<(), String> {
        let p = self.ports;
        let b = self.b.clock(wires.is(p.bvalid), wires.drove(p.bready), || [wires.get(p.bresp)])?;
        let r = self
            .r
            .clock(wires.is(p.rvalid), wires.drove(p.rready), || [wires.get(p.rresp), wires.get(p.rdata)])?;
        let Some(current) = &mut self.current else {
            return if wires.is(p.bvalid) || wires.is(p.rvalid) {
                Err("an answer without an access".into())
            } else {
                Ok(())
            };
        };
        // Before this clock: AXI allows no answer in the clock of the last handshake.
        let taken = current.address_taken && current.data_taken;
        let writes = current.access.write.is_some();
        let (valid, ready) = if writes { (p.awvalid, p.awready) } else { (p.arvalid, p.arready) };
        if wires.drove(valid) && wires.is(ready) {
            wires.set(valid, false);
            current.address_taken = true;
        }
        if wires.drove(p.wvalid) && wires.is(p.wready) {
            wires.set(p.wvalid, false);
            current.data_taken = true;
        }
        let (mine, other) = if writes { (p.bvalid, p.rvalid) } else { (p.rvalid, p.bvalid) };
        if wires.is(other) || (wires.is(mine) && !taken) {
            return Err("an answer to what was not yet asked".into());
        }
        let answered =
            if writes { b.map(|[response]| (response, 0)) } else { r.map(|[response, data]| (response, data)) };
        if let Some((response, data)) = answered {
            if response != 0 {
                return Err(format!("response {response}; bad accesses too are answered with 0 (OKAY)"));
            }
            self.answer = Some(data >> current.access.shift() & current.access.bits());
            self.current = None;
            wires.set(p.bready, false);
            wires.set(p.rready, false);
            return Ok(());
        }
        self.drive(wires);
        Ok(())
    }

    fn drive(&mut self, wires: &mut Wires) {
        let p = &self.ports;
        let Some(current) = &mut self.current else { return };
        let Access { address, bytes, write } = current.access;
        let size = bytes.trailing_zeros();
        let (at, sized, valid) = match write {
            Some(_) => (p.awaddr, p.awsize, p.awvalid),
            None => (p.araddr, p.arsize, p.arvalid),
        };
        if !current.address_taken {
            if current.address_in == 0 {
                wires.set(at, address);
                wires.set(sized, size);
                wires.set(valid, true);
            }
            current.address_in = current.address_in.saturating_sub(1);
        }
        if let Some(value) = write
            && !current.data_taken
        {
            if current.data_in == 0 {
                let lanes = (0xFF >> (8 - bytes)) << (address % 8) & 0xFF_u64;
                wires.set(p.wdata, (value & current.access.bits()) << current.access.shift());
                wires.set(p.wstrb, lanes);
                wires.set(p.wvalid, true);
            }
            current.data_in = current.data_in.saturating_sub(1);
        }
        wires.set(p.bready, write.is_some() && self.rng.random());
        wires.set(p.rready, write.is_none() && self.rng.random());
    }
}
