//! The Verilated top as a [`Backing`].
//!
//! The device moves only while it is clocked, and three things clock it: a register access, until it is answered and
//! [`RtlOptions::clocks_per_access`] more; [`Backing::advance`], until an interrupt or what may be a completion; and nothing else. There is no thread, so that a run of one
//! thread is the same each time its seed is. The driver's waits call `advance` before each look at memory, at a register or
//! at an eventfd, and sleep on an eventfd for a millisecond at most before they call it again. A program that looks at DMA
//! memory or an eventfd by itself has to call `advance` too.

use crate::Design;
use crate::bus::{Bus, HostMemory};
use crate::lite::Access;
use crate::ports::PortError;
use crate::simulation::Simulation;
use crate::watch::{Seen, Watch};
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES};
use kvcpu_mmio::regs::mgmt::MANAGEMENT_BIT;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// Address bit that tells BAR2 from BAR0.
const BAR2: u32 = 1 << 23;

/// How the simulation behaves where AXI and PCIe leave it free.
#[derive(Clone, Debug, PartialEq)]
pub struct RtlOptions {
    /// Of all that is random: what registers and memories hold at first, latencies, order, back-pressure.
    pub seed: u64,
    /// Clocks that host memory takes to answer a burst, at least.
    pub host_latency: RangeInclusive<u32>,
    /// Clocks that the card's memory takes.
    pub card_latency: RangeInclusive<u32>,
    /// Bytes of the card's memory if it is to have less than the geometry needs, so that what lies beyond is answered with an error.
    pub card_bytes: Option<u64>,
    /// The design of `hdl/rtl` that is the card's memory, such as `kvcpu_sdram`, in place of the simulation's own: then neither `card_latency`
    /// nor `card_bytes` counts, and the channels of `m_card` rest only when it does. An SDRAM has its chip behind it.
    pub card_design: Option<String>,
    /// Probability that a channel of a memory rests in a clock, 0 to 0.99.
    pub back_pressure: f64,
    /// Probability that a channel of a memory begins to rest for 16 to 63 clocks, 0 to 0.5.
    pub lulls: f64,
    /// Clocks that pass after each register access.
    pub clocks_per_access: u32,
    /// Clocks that a register access may take before the device counts as dead.
    pub watchdog: u64,
    /// Clocks after which the device counts as dead, whatever it does: a bound that does not depend on real time.
    pub limit: u64,
    /// Inputs beside the device's own, by name, and what they are tied to.
    pub straps: Vec<(String, u64)>,
    /// Where to write a waveform (VCD), which needs the feature `trace`.
    pub waveform: Option<PathBuf>,
}

impl Default for RtlOptions {
    fn default() -> RtlOptions {
        RtlOptions {
            seed: 0,
            // About what a root complex and a DDR3 controller take of a 100 MHz clock.
            host_latency: 40..=120,
            card_latency: 10..=30,
            card_bytes: None,
            card_design: None,
            back_pressure: 0.1,
            lulls: 0.0,
            clocks_per_access: 32,
            watchdog: 50_000_000,
            limit: u64::MAX,
            straps: Vec::new(),
            waveform: None,
        }
    }
}

/// Why a simulation could not be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RtlError {
    /// The geometry is impossible.
    #[error("geometry: {0}")]
    Geometry(&'static str),
    /// The design has not the ports of the device's top.
    #[error(transparent)]
    Ports(#[from] PortError),
    /// There is no such design, or it has not the ports of a card memory.
    #[error("card_design: {0} is no design of hdl/rtl with the ports s_card_*; kvcpu_card_ram and kvcpu_sdram are")]
    Card(String),
    /// The option is out of its range.
    #[error("{0}")]
    Option(&'static str),
    /// The waveform cannot be written.
    #[error("no waveform in {0}: build kvcpu-sim with the feature `trace`, and see whether the folder can be written")]
    Waveform(PathBuf),
}

/// The device in RTL, with host memory, card memory and the PCIe endpoint's MSI-X round it.
pub struct Rtl {
    design: &'static Design,
    simulation: Mutex<Simulation>,
    memory: HostMemory,
}

impl Rtl {
    /// The device out of reset. `geometry` must be the one that the design was made for.
    pub fn new(design: &'static Design, geometry: Geometry, options: RtlOptions) -> Result<Rtl, RtlError> {
        Rtl::with_bus(design, geometry, options, |memory| Box::new(memory))
    }

    /// A device whose bursts to host memory go through a decorator, for fault injection.
    pub fn with_bus(
        design: &'static Design,
        geometry: Geometry,
        options: RtlOptions,
        decorate: impl FnOnce(HostMemory) -> Box<dyn Bus>,
    ) -> Result<Rtl, RtlError> {
        geometry.check().map_err(RtlError::Geometry)?;
        if options.host_latency.is_empty() || options.card_latency.is_empty() {
            return Err(RtlError::Option("a latency's range holds nothing; write it as smallest..=largest"));
        }
        if !(0.0..=0.99).contains(&options.back_pressure) {
            return Err(RtlError::Option(
                "back-pressure is a probability from 0 to 0.99; at 1 nothing would ever move",
            ));
        }
        if !(0.0..=0.5).contains(&options.lulls) {
            return Err(RtlError::Option("lulls begin with a probability from 0 to 0.5"));
        }
        let memory = HostMemory::default();
        let mut simulation = Simulation::new(design, &geometry, &options, decorate(memory.clone()))?;
        if let Some(path) = options.waveform
            && !simulation.model.trace(&path)
        {
            return Err(RtlError::Waveform(path));
        }
        Ok(Rtl { design, simulation: Mutex::new(simulation), memory })
    }

    /// Clocks since the simulation began.
    pub fn clocks(&self) -> u64 {
        self.simulation().model.clocks()
    }

    /// From now on watches these outputs of the design, and no others.
    pub fn watch(&self, outputs: &[&str]) -> Result<(), PortError> {
        self.simulation().watch = Watch::new(self.design, outputs)?;
        Ok(())
    }

    /// What was seen of the watched outputs since this was last asked: as they were first, and an item for each clock that changed them.
    pub fn seen(&self) -> Vec<Seen> {
        self.simulation().watch.take()
    }

    /// Reads 4 bytes as the management core does (`docs/firmware.md`).
    pub fn management_read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        Ok(self.manage(bar, offset, None)? as u32)
    }

    /// Writes 4 bytes as the management core does: the read-only registers of the block `mgmt` too.
    pub fn management_write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.manage(bar, offset, Some(value.into())).map(drop)
    }

    fn manage(&self, bar: Bar, offset: u32, write: Option<u64>) -> Result<u64, BackingError> {
        match address(bar, offset)? {
            Some(address) => self.simulation().access(Access { address: address | MANAGEMENT_BIT, bytes: 4, write }),
            None => Err(BackingError::BadAccess { bar, offset, reason: "the management core has no way to BAR4" }),
        }
    }

    fn simulation(&self) -> MutexGuard<'_, Simulation> {
        self.simulation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, bar: Bar, offset: u32, bytes: u32) -> Result<u64, BackingError> {
        let mut simulation = self.simulation();
        match address(bar, offset)? {
            Some(address) => simulation.access(Access { address, bytes, write: None }),
            None => Ok(simulation.msix.read(offset, bytes)),
        }
    }

    fn write(&self, bar: Bar, offset: u32, bytes: u32, value: u64) -> Result<(), BackingError> {
        let mut simulation = self.simulation();
        match address(bar, offset)? {
            Some(address) => simulation.access(Access { address, bytes, write: Some(value) }).map(drop),
            None => {
                simulation.msix.write(offset, bytes, value);
                Ok(())
            }
        }
    }
}

/// Where an access goes: the slave's address, or `None` for BAR4, which the endpoint answers.
fn address(bar: Bar, offset: u32) -> Result<Option<u32>, BackingError> {
    let (size, base) = match bar {
        Bar::Regs => (BAR0_BYTES, 0),
        Bar::Rtbd => (BAR2_BYTES, BAR2),
        Bar::Msix => return Ok(None),
    };
    if offset < size {
        Ok(Some(base | offset))
    } else {
        Err(BackingError::BadAccess { bar, offset, reason: "it lies outside the BAR" })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bar, offset) = (if self.address & BAR2 == 0 { 0 } else { 2 }, self.address & !(BAR2 | MANAGEMENT_BIT));
        let bytes = self.bytes;
        match self.write {
            Some(value) => write!(f, "a write of {value:#x} ({bytes} bytes) to BAR{bar} offset {offset:#x}"),
            None => write!(f, "a read of {bytes} bytes from BAR{bar} offset {offset:#x}"),
        }
    }
}

impl fmt::Debug for Rtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rtl").field("clocks", &self.clocks()).finish_non_exhaustive()
    }
}

impl Backing for Rtl {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        Ok(self.read(bar, offset, 4)? as u32)
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.write(bar, offset, 4, value.into())
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.read(bar, offset, 8)
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.write(bar, offset, 8, value)
    }

    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        self.memory.alloc(bytes)
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        self.memory.free(iova)
    }

    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        match self.simulation().msix.eventfd(vector) {
            Some(Ok(fd)) => Ok(fd),
            Some(Err(error)) => Err(BackingError::Irq(format!("eventfd: {error}"))),
            None => Err(BackingError::no_vector(vector, VECTORS)),
        }
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        self.simulation().set_bus_master(on)
    }

    fn reset(&self) -> Result<(), BackingError> {
        self.simulation().reset()
    }

    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        self.simulation().run_until_event(cycles)
    }

    fn name(&self) -> String {
        "rtl".into()
    }
}
