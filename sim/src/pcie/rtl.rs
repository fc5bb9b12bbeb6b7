//! A device and its endpoint as a [`Backing`]: what a program does to it becomes packets, as on a slot.

use super::host::{Form, LinkOptions, Reply};
use super::packet::Packet;
use super::slot::{MESSAGE, Slot, message_address};
use crate::bus::HostMemory;
use crate::ports::PortError;
use crate::{Design, RtlOptions};
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry};
use rustix::event::{EventfdFlags, eventfd};
use std::fmt;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// The device on a slot.
pub struct PcieRtl {
    inner: Mutex<Slot>,
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
        let inner = Slot::new(device, &geometry, options, link, Box::new(memory.clone()))?;
        Ok(PcieRtl { inner: Mutex::new(inner), memory })
    }

    fn inner(&self) -> MutexGuard<'_, Slot> {
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

    /// From now on this becomes of reads of these addresses.
    pub fn set_form(&self, addresses: Range<u64>, form: Form) {
        self.inner().host.options.form = (addresses, form);
    }

    /// Reads of the device that the host has not answered.
    pub fn unanswered(&self) -> usize {
        self.inner().host.unanswered()
    }

    /// Sends a request of whole words and does not wait; the tag of one that reads.
    pub fn post(&self, bar: u32, offset: u64, words: u32, data: Option<Vec<u32>>) -> u8 {
        self.inner().host.ask(bar, offset, (15, if words > 1 { 15 } else { 0 }), words, data)
    }

    /// What answered a request that was posted, once something has.
    pub fn reply(&self, tag: u8) -> Option<Reply> {
        self.inner().host.reply(tag)
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

    /// A request that is neither a read nor a write; what answers it.
    pub fn send_odd(&self, packet: Packet) -> Result<Reply, BackingError> {
        let mut inner = self.inner();
        let tag = inner.host.send_odd(packet);
        inner.reply(tag)
    }

    /// Any packet that nobody answers.
    pub fn send(&self, packet: Packet) -> Result<(), BackingError> {
        let mut inner = self.inner();
        inner.host.send(packet);
        inner.settle()
    }
}

impl Slot {
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
