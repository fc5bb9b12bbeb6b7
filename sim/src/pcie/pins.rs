//! The streams of packets at the endpoint's ports, with pauses in both. Both are in whole beats of the hard block, which are several of
//! theirs: what fills up the last one is noise in one direction, and has no byte that counts in the other.

use super::host::LinkOptions;
use super::packet::{Beat, Packet};
use crate::Design;
use crate::ports::{PortError, StreamPorts, Wires};
use crate::rules::Channel;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Both directions.
pub(crate) struct Pins {
    ports: StreamPorts,
    rng: ChaCha8Rng,
    big: bool,
    /// Beats of a beat of the hard block.
    beats: usize,
    /// Beats of the packet that is coming.
    sent: usize,
    /// Probability that a direction rests in a clock.
    rest: f64,
    to_device: VecDeque<Beat>,
    from_device: Vec<Beat>,
    tx: Channel<3>,
}

impl Pins {
    pub(crate) fn new(
        design: &'static Design,
        rng: ChaCha8Rng,
        link: &LinkOptions,
        rest: f64,
    ) -> Result<Pins, PortError> {
        let ports = StreamPorts::of(design, "")?;
        let (to_device, from_device) = Default::default();
        Ok(Pins {
            ports,
            rng,
            big: link.big,
            beats: link.beats as usize,
            sent: 0,
            rest,
            to_device,
            from_device,
            tx: Channel::new("tx"),
        })
    }

    /// Nothing is on its way to the device.
    pub(crate) fn is_idle(&self) -> bool {
        self.to_device.is_empty()
    }

    pub(crate) fn send(&mut self, packet: &Packet) {
        let mut beats = packet.beats(self.big);
        while !beats.len().is_multiple_of(self.beats) {
            beats.iter_mut().for_each(|beat| beat.last = false);
            beats.push(Beat { data: self.rng.random(), half: false, last: true });
        }
        self.to_device.extend(beats);
    }

    pub(crate) fn reset(&mut self, wires: &mut Wires) {
        self.to_device.clear();
        self.from_device.clear();
        self.sent = 0;
        self.tx.reset();
        wires.set(self.ports.rx_valid, false);
        wires.set(self.ports.tx_ready, false);
    }

    /// After a clock: takes what was handed over, and sets the inputs of the next. A packet that the device sent, once all of it came.
    pub(crate) fn clock(&mut self, wires: &mut Wires) -> Result<Option<Packet>, String> {
        let p = self.ports;
        let payload = || [wires.get(p.tx_data), wires.get(p.tx_last), wires.get(p.tx_keep)];
        let taken = self.tx.clock(wires.is(p.tx_valid), wires.drove(p.tx_ready), payload)?;
        let stands = wires.drove(p.rx_valid);
        if stands && wires.is(p.rx_ready) {
            self.to_device.pop_front();
        }
        if !stands || wires.is(p.rx_ready) {
            let offers = self.to_device.front().filter(|_| !self.rng.random_bool(self.rest));
            wires.set(p.rx_valid, offers.is_some());
            wires.set(p.rx_last, offers.map_or_else(|| self.rng.random(), |beat| beat.last));
            wires.set(p.rx_data, offers.map_or_else(|| self.rng.random(), |beat| beat.data));
        }
        wires.set(p.tx_ready, !self.rng.random_bool(self.rest));
        let Some([data, last, keep]) = taken else { return Ok(None) };
        let last = last != 0;
        self.sent += 1;
        match keep {
            0xFF | 0x0F if self.from_device.last().is_none_or(|beat| !beat.last) => {
                self.from_device.push(Beat { data, half: keep == 0x0F, last: false });
            }
            0 if self.sent > 1 => self.from_device.iter_mut().for_each(|beat| beat.last = true),
            _ => return Err(format!("tx: keep is {keep:#x} in beat {}", self.sent)),
        }
        if !last {
            return Ok(None);
        }
        if !self.sent.is_multiple_of(self.beats) || self.sent - self.from_device.len() >= self.beats {
            let (sent, beats) = (self.sent, self.from_device.len());
            return Err(format!("tx: {beats} beats became {sent}, in beats of {}", self.beats));
        }
        let mut beats = std::mem::take(&mut self.from_device);
        let count = beats.len();
        beats.iter_mut().enumerate().for_each(|(number, beat)| beat.last = number + 1 == count);
        self.sent = 0;
        let packet = Packet::parse(&beats, self.big).map_err(|why| format!("tx: {why}"))?;
        Ok(Some(packet))
    }
}
