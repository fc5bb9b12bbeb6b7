//! A device and its endpoint as a [`Backing`]: what a program does to it becomes packets, as on a slot.

use super::host::{DEVICE, Host, LinkOptions, MESSAGES, Reply};
use super::packet::Packet;
use super::pair::Pair;
use super::pins::Pins;
use crate::bus::{Bus, HostMemory};
use crate::card::Card;
use crate::ports::{Common, In, LinkPorts, MasterPorts, PortError};
use crate::slave::{Slave, Timing};
use crate::{Design, RtlOptions};
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use rustix::event::{EventfdFlags, eventfd};
use std::fmt;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Length of a reset.
const RESET_CLOCKS: u32 = 16;
/// What the data of a message is, beside the vector.
const MESSAGE: u32 = 0x4000;

/// Why a simulation could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The geometry is impossible.
    #[error("geometry: {0}")]
    Geometry(&'static str),
    /// A design has not the ports that it should have.
    #[error(transparent)]
    Ports(#[from] PortError),
}

/// All of it, clock by clock.
struct Inner {
    pair: Pair,
    link: LinkPorts,
    common: Common,
    pins: Pins,
    host: Host,
    card_slave: Slave,
    card: Card,
    fds: [Option<OwnedFd>; VECTORS as usize],
    /// Messages of each vector.
    sent: [u64; VECTORS as usize],
    clocks_per_access: u32,
    watchdog: u64,
    limit: u64,
    broken: Option<String>,
}

/// The device on a slot.
pub struct PcieRtl {
    inner: Mutex<Inner>,
    memory: HostMemory,
}

impl PcieRtl {
    /// The device out of reset behind the endpoint `kvcpu_pcie`. `geometry` must be the one that the design was made for.
    pub fn new(
        device: &'static Design,
        geometry: Geometry,
        options: &RtlOptions,
        link: LinkOptions,
    ) -> Result<PcieRtl, LinkError> {
        geometry.check().map_err(LinkError::Geometry)?;
        let memory = HostMemory::default();
        let inner = Inner::new(device, &geometry, options, link, Box::new(memory.clone()))?;
        Ok(PcieRtl { inner: Mutex::new(inner), memory })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clocks so far.
    pub fn clocks(&self) -> u64 {
        self.inner().pair.device.clocks()
    }

    /// Packets that the device sent so far: reads, writes and messages, completions.
    pub fn packets(&self) -> [u64; 3] {
        self.inner().host.counts
    }

    /// Messages of each vector so far.
    pub fn messages(&self) -> [u64; VECTORS as usize] {
        self.inner().sent
    }

    /// MSI-X Enable and Function Mask of the configuration space.
    pub fn set_msix(&self, enable: bool, mask: bool) {
        let mut inner = self.inner();
        let link = inner.link;
        inner.pair.endpoint_wires.set(link.msix_enable, enable);
        inner.pair.endpoint_wires.set(link.msix_mask, mask);
    }

    /// From now on reads of these addresses are never answered.
    pub fn set_silent(&self, addresses: Range<u64>) {
        self.inner().host.options.silent = addresses;
    }

    /// From now on reads of these addresses are answered so many clocks late.
    pub fn set_late(&self, addresses: Range<u64>, clocks: u64) {
        self.inner().host.options.late = (addresses, clocks);
    }

    /// A request of any form; what answers it, if it reads.
    pub fn request(
        &self,
        bar: u32,
        offset: u64,
        enables: (u8, u8),
        words: u32,
        data: Option<Vec<u32>>,
    ) -> Result<Option<Reply>, BackingError> {
        self.inner().request(bar, offset, enables, words, data)
    }

    /// Any packet.
    pub fn send(&self, packet: Packet) -> Result<(), BackingError> {
        let mut inner = self.inner();
        inner.host.send(packet);
        inner.settle()
    }
}

impl Inner {
    fn new(
        device: &'static Design,
        geometry: &Geometry,
        options: &RtlOptions,
        link: LinkOptions,
        bus: Box<dyn Bus>,
    ) -> Result<Inner, PortError> {
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
        let mut inner = Inner {
            pair,
            link: LinkPorts::of(endpoint, "")?,
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

    fn pulse_reset(&mut self) {
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

    fn check(&self) -> Result<(), BackingError> {
        self.broken.as_ref().map_or(Ok(()), |why| Err(BackingError::Gone(why.clone())))
    }

    fn fail(&mut self, why: String) -> BackingError {
        let why = format!("clock {}: {why}", self.pair.device.clocks());
        self.broken = Some(why.clone());
        BackingError::Gone(why)
    }

    fn set_bus_master(&mut self, on: bool) {
        let (link, common) = (self.link, self.common);
        self.pair.endpoint_wires.set(link.bus_master, on);
        self.pair.device_wires.set(common.bus_master, on);
    }

    /// A clock; whether there may be something to see.
    fn clock(&mut self) -> Result<bool, BackingError> {
        self.step().map_err(|why| self.fail(why))
    }

    fn step(&mut self) -> Result<bool, String> {
        let now = self.pair.device.clocks();
        if now >= self.limit {
            return Err("no more clocks: RtlOptions::limit".into());
        }
        self.pair.clock()?;
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

    fn run(&mut self, clocks: u64) -> Result<(), BackingError> {
        self.check()?;
        (0..clocks).try_for_each(|_| self.clock().map(drop))
    }

    /// Until the link has taken all that the host has to send, and a little more.
    fn settle(&mut self) -> Result<(), BackingError> {
        self.check()?;
        for _ in 0..self.watchdog {
            if self.host.is_idle() && self.pins.is_idle() {
                return self.run(self.clocks_per_access.into());
            }
            self.clock()?;
        }
        Err(self.fail(format!("a request was not taken within {} clocks", self.watchdog)))
    }

    fn request(
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
        if !reads {
            self.settle()?;
            return Ok(None);
        }
        for _ in 0..self.watchdog {
            if let Some(reply) = self.host.reply(tag) {
                self.run(self.clocks_per_access.into())?;
                return Ok(Some(reply));
            }
            self.clock()?;
        }
        Err(self.fail(format!("no completion within {} clocks of a read of BAR{bar}, {offset:#x}", self.watchdog)))
    }

    /// An access of 4 or 8 bytes at any address: as a processor's, one that is not aligned may touch a word more.
    fn access(&mut self, bar: Bar, offset: u32, bytes: u32, value: Option<u64>) -> Result<u64, BackingError> {
        let skip = offset % 4;
        let words = (skip + bytes).div_ceil(4);
        let mask = ((1u32 << bytes) - 1) << skip;
        let enable = |word: u32| (mask >> (4 * word) & 15) as u8;
        let enables = (enable(0), if words > 1 { enable(words - 1) } else { 0 });
        let number = u32::from(bar.index());
        let wide = u128::from(value.unwrap_or(0)) << (8 * skip);
        let data = value.map(|_| (0..words).map(|word| (wide >> (32 * word)) as u32).collect());
        match self.request(number, (offset - skip).into(), enables, words, data)? {
            None => Ok(0),
            Some(Reply::Data(data)) => {
                let all = data.iter().rev().fold(0u128, |all, word| all << 32 | u128::from(*word));
                Ok((all >> (8 * skip)) as u64 & (u64::MAX >> (64 - 8 * bytes)))
            }
            // What a root complex makes of it.
            Some(Reply::Status(_)) => Ok(u64::MAX >> (64 - 8 * bytes)),
        }
    }

    fn unmask(&mut self, vector: u16) -> Result<(), BackingError> {
        let entry = u32::from(vector) * 16;
        self.access(Bar::Msix, entry, 8, Some(message_address(vector)))?;
        self.access(Bar::Msix, entry + 8, 4, Some((MESSAGE | u32::from(vector)).into()))?;
        self.access(Bar::Msix, entry + 12, 4, Some(0)).map(drop)
    }
}

fn message_address(vector: u16) -> u64 {
    MESSAGES.start + 0x1000 + 16 * u64::from(vector)
}

impl fmt::Debug for PcieRtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcieRtl").field("clocks", &self.clocks()).finish_non_exhaustive()
    }
}

impl Backing for PcieRtl {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        Ok(self.inner().access(bar, offset, 4, None)? as u32)
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.inner().access(bar, offset, 4, Some(value.into())).map(drop)
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.inner().access(bar, offset, 8, None)
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.inner().access(bar, offset, 8, Some(value)).map(drop)
    }

    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        self.memory.alloc(bytes)
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        self.memory.free(iova)
    }

    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        let mut inner = self.inner();
        let Some(slot) = inner.fds.get_mut(usize::from(vector)) else {
            return Err(BackingError::no_vector(vector, VECTORS));
        };
        if let Some(fd) = slot {
            return Ok(fd.as_raw_fd());
        }
        let made = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        let fd = made.map_err(|error| BackingError::Irq(format!("eventfd: {error}")))?;
        let number = fd.as_raw_fd();
        *slot = Some(fd);
        inner.unmask(vector)?;
        Ok(number)
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        let mut inner = self.inner();
        inner.check()?;
        if !on {
            // As a driver's write to the configuration space it stands behind the writes before it.
            inner.settle()?;
        }
        inner.set_bus_master(on);
        // What had begun before the bit was cleared may still come.
        inner.host.bus_master = on;
        Ok(())
    }

    fn reset(&self) -> Result<(), BackingError> {
        let mut inner = self.inner();
        inner.check()?;
        inner.pulse_reset();
        // The system restores the table that it owns.
        let wired: Vec<u16> = (0..VECTORS).filter(|&vector| inner.fds[usize::from(vector)].is_some()).collect();
        wired.into_iter().try_for_each(|vector| inner.unmask(vector))
    }

    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        let mut inner = self.inner();
        inner.check()?;
        for _ in 0..cycles {
            if inner.clock()? {
                break;
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        "rtl behind pcie".into()
    }
}
