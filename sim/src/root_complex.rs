//! The root complex: what the device's master on the host's side reaches, and whether it may.
//!
//! ```text
//!   m_host ─► slave (order, latency) ─► Bus Master Enable ─► Bus: faults, if asked for ─► IOMMU ─► host memory
//! ```

use crate::bus::{Bus, BusFault};
use crate::ports::Wires;
use crate::slave::Slave;

/// Words of a completion, and so of the longest burst that is looked at as one.
const COMPLETION_WORDS: usize = 2;

/// Host memory for whom Bus Master Enable counts.
struct Port {
    bus: Box<dyn Bus>,
    bus_master: bool,
    /// A burst that may be a completion was written.
    completed: bool,
}

impl Port {
    fn check(&self, address: u64) -> Result<(), BusFault> {
        if self.bus_master { Ok(()) } else { Err(BusFault { address }) }
    }
}

impl Bus for Port {
    fn read(&mut self, address: u64, out: &mut [u64]) -> Result<(), BusFault> {
        self.check(address)?;
        self.bus.read(address, out)
    }

    fn write(&mut self, address: u64, data: &[u64], strobes: &[u8]) -> Result<(), BusFault> {
        self.check(address)?;
        self.completed |= data.len() <= COMPLETION_WORDS;
        self.bus.write(address, data, strobes)
    }
}

/// The slave at `m_host`.
pub(crate) struct RootComplex {
    slave: Slave,
    port: Port,
}

impl RootComplex {
    pub(crate) fn new(slave: Slave, bus: Box<dyn Bus>) -> RootComplex {
        RootComplex { slave, port: Port { bus, bus_master: false, completed: false } }
    }

    /// Bus Master Enable: while off, all that the device asks is answered with DECERR.
    pub(crate) fn set_bus_master(&mut self, on: bool) {
        self.port.bus_master = on;
    }

    /// Whether the device has written a burst as short as a completion since last asked.
    pub(crate) fn take_completed(&mut self) -> bool {
        std::mem::take(&mut self.port.completed)
    }

    pub(crate) fn reset(&mut self, wires: &mut Wires) {
        self.slave.reset(wires);
    }

    pub(crate) fn clock(&mut self, wires: &mut Wires, now: u64) -> Result<(), String> {
        self.slave.clock(wires, now, &mut self.port)
    }
}
