//! Device, endpoint and root complex, clock by clock.

use super::host::{DEVICE, Host, LinkOptions, MESSAGES, Reply};
use super::pair::Pair;
use super::pins::Pins;
use crate::bus::Bus;
use crate::card::Card;
use crate::ports::{Common, HostPorts, In, LinkPorts, MasterPorts, PortError};
use crate::slave::{Slave, Timing};
use crate::{Design, RtlOptions};
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::{BackingError, Geometry};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::os::fd::OwnedFd;

/// Length of a reset.
const RESET_CLOCKS: u32 = 16;
/// What the data of a message is, beside the vector.
pub(super) const MESSAGE: u32 = 0x4000;

/// All of it, clock by clock.
pub(super) struct Slot {
    pub(super) pair: Pair,
    pub(super) link: LinkPorts,
    reads: HostPorts,
    pub(super) common: Common,
    pub(super) pins: Pins,
    pub(super) host: Host,
    card_slave: Slave,
    card: Card,
    pub(super) fds: [Option<OwnedFd>; VECTORS as usize],
    /// Messages of each vector.
    pub(super) sent: [u64; VECTORS as usize],
    clocks_per_access: u32,
    watchdog: u64,
    limit: u64,
    broken: Option<String>,
}

impl Slot {
    pub(super) fn new(
        device: &'static Design,
        geometry: &Geometry,
        options: &RtlOptions,
        link: LinkOptions,
        bus: Box<dyn Bus>,
    ) -> Result<Slot, PortError> {
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(number);
            rng
        };
        let endpoint = &crate::PCIE;
        let pair = Pair::new(endpoint, device, [stream(0).next_u32(), stream(1).next_u32()])?;
        let share = |probability: f64| (probability.clamp(0.0, 0.99) * 65_536.0) as u16;
        let timing = Timing {
            latency: options.card_latency.clone(),
            rest: share(options.back_pressure),
            lull: share(options.lulls),
        };
        let card_ports = MasterPorts::of(device, "m_card_")?;
        let mut inner = Slot {
            pair,
            link: LinkPorts::of(endpoint, "")?,
            reads: HostPorts::of(endpoint, "s_host_")?,
            common: Common::of(device, "")?,
            pins: Pins::new(endpoint, stream(2), &link, options.back_pressure)?,
            host: Host::new(link, bus, stream(3), options.host_latency.clone()),
            card_slave: Slave::new("m_card", card_ports, timing, stream(4)),
            card: Card::new(geometry, options.card_bytes, stream(5).next_u64()),
            fds: Default::default(),
            sent: [0; VECTORS as usize],
            clocks_per_access: options.clocks_per_access,
            watchdog: options.watchdog,
            limit: options.limit,
            broken: None,
        };
        let (ports, link) = (inner.link, inner.host.options.clone());
        let settings: [(In, u64); 8] = [
            (ports.big, link.big.into()),
            (ports.extended, link.extended.into()),
            (ports.fill, (link.beats - 1).into()),
            (ports.patience, link.patience.into()),
            (ports.id, DEVICE.into()),
            (ports.max_payload, link.max_payload.into()),
            (ports.max_request, link.max_request.into()),
            (ports.msix_enable, 1),
        ];
        for (port, value) in settings {
            inner.pair.endpoint_wires.set(port, value);
        }
        inner.pulse_reset();
        Ok(inner)
    }

    pub(super) fn pulse_reset(&mut self) {
        let (link, common) = (self.link, self.common);
        self.pins.reset(&mut self.pair.endpoint_wires);
        self.card_slave.reset(&mut self.pair.device_wires);
        self.host.reset();
        self.pair.endpoint_wires.set(link.reset, true);
        self.pair.device_wires.set(common.reset, true);
        for _ in 0..RESET_CLOCKS {
            // What stands on the wires between them before the first clock of a reset is noise.
            let _ = self.pair.clock();
        }
        self.pair.endpoint_wires.set(link.reset, false);
        self.pair.device_wires.set(common.reset, false);
    }

    pub(super) fn check(&self) -> Result<(), BackingError> {
        self.broken.as_ref().map_or(Ok(()), |why| Err(BackingError::Gone(why.clone())))
    }

    pub(super) fn fail(&mut self, why: String) -> BackingError {
        let why = format!("clock {}: {why}", self.pair.device.clocks());
        self.broken = Some(why.clone());
        BackingError::Gone(why)
    }

    pub(super) fn set_bus_master(&mut self, on: bool) {
        let (link, common) = (self.link, self.common);
        self.pair.endpoint_wires.set(link.bus_master, on);
        self.pair.device_wires.set(common.bus_master, on);
        self.host.set_bus_master(on);
    }

    /// A clock; whether there may be something to see.
    pub(super) fn clock(&mut self) -> Result<bool, BackingError> {
        self.step().map_err(|why| self.fail(why))
    }

    pub(super) fn step(&mut self) -> Result<bool, String> {
        let now = self.pair.device.clocks();
        if now >= self.limit {
            return Err("no more clocks: RtlOptions::limit".into());
        }
        self.pair.clock()?;
        self.watch(now)?;
        if self.pins.is_idle()
            && let Some(packet) = self.host.next(now)
        {
            self.pins.send(&packet);
        }
        if let Some(packet) = self.pins.clock(&mut self.pair.endpoint_wires)? {
            self.host.take(packet, now)?;
        }
        self.card_slave.clock(&mut self.pair.device_wires, now, &mut self.card)?;
        let mut event = std::mem::take(&mut self.host.completed);
        for (address, data) in std::mem::take(&mut self.host.messages) {
            let vector = (data ^ MESSAGE) as usize;
            if vector >= usize::from(VECTORS) || address != message_address(vector as u16) {
                return Err(format!("a message of {data:#x} to {address:#x}"));
            }
            self.sent[vector] += 1;
            event = true;
            if let Some(fd) = &self.fds[vector] {
                // EAGAIN means the counter is full: the reader is woken all the same.
                let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
            }
        }
        Ok(event)
    }

    /// What passes on AR and R in this clock.
    fn watch(&mut self, now: u64) -> Result<(), String> {
        let (p, wires) = (self.reads, &self.pair.endpoint_wires);
        if wires.drove(p.arvalid) && wires.is(p.arready) {
            self.host.reads.asked(wires.given(p.araddr), wires.given(p.arlen) + 1);
        }
        if wires.drove(p.rready) && wires.is(p.rvalid) {
            let patience = self.host.options.patience.into();
            self.host.reads.read(wires.get(p.rdata), wires.get(p.rresp) == 0, patience, now)?;
        }
        Ok(())
    }

    pub(super) fn run(&mut self, clocks: u64) -> Result<(), BackingError> {
        self.check()?;
        (0..clocks).try_for_each(|_| self.clock().map(drop))
    }

    /// Until the link has taken all that the host has to send, and a little more.
    pub(super) fn settle(&mut self) -> Result<(), BackingError> {
        self.check()?;
        for _ in 0..self.watchdog {
            if self.host.is_idle() && self.pins.is_idle() {
                return self.run(self.clocks_per_access.into());
            }
            self.clock()?;
        }
        Err(self.fail(format!("a request was not taken within {} clocks", self.watchdog)))
    }

    pub(super) fn request(
        &mut self,
        bar: u32,
        offset: u64,
        enables: (u8, u8),
        words: u32,
        data: Option<Vec<u32>>,
    ) -> Result<Option<Reply>, BackingError> {
        self.check()?;
        let reads = data.is_none();
        let tag = self.host.ask(bar, offset, enables, words, data);
        if reads {
            return self.reply(tag).map(Some);
        }
        self.settle()?;
        Ok(None)
    }

    /// Until a request is answered, and a little more.
    pub(super) fn reply(&mut self, tag: u8) -> Result<Reply, BackingError> {
        self.check()?;
        for _ in 0..self.watchdog {
            if let Some(reply) = self.host.reply(tag) {
                self.run(self.clocks_per_access.into())?;
                return Ok(reply);
            }
            self.clock()?;
        }
        Err(self.fail(format!("no completion within {} clocks of the host's read {tag}", self.watchdog)))
    }
}

/// Where the messages of a vector go.
pub(super) fn message_address(vector: u16) -> u64 {
    MESSAGES.start + 0x1000 + 16 * u64::from(vector)
}
