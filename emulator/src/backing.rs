//! The emulator as a [`Backing`]: the device model behind a lock, host memory, and eventfds.

use crate::bus::{HostBus, HostMemory, Region};
use crate::core::Core;
use kvcpu_mmio::geometry::VECTORS;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry, dma_bytes};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// First IOVA handed out: not 0, so that a forgotten address faults.
const FIRST_IOVA: u64 = 0x1_0000_0000;
/// Unmapped space after each allocation, so that running past the end faults.
const GUARD_BYTES: u64 = 0x1000;

/// Why an emulator could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("geometry: {0}")]
pub struct EmulatorError(&'static str);

/// The device model as a backing.
pub struct Emulator {
    core: Mutex<Core>,
    memory: HostMemory,
    next_iova: AtomicU64,
}

impl Emulator {
    /// A device of this geometry, out of reset.
    pub fn new(geometry: Geometry) -> Result<Emulator, EmulatorError> {
        Emulator::with_bus(geometry, |memory| Box::new(memory))
    }

    /// A device whose accesses to host memory go through a decorator, for fault injection.
    pub fn with_bus(
        geometry: Geometry,
        decorate: impl FnOnce(HostMemory) -> Box<dyn HostBus>,
    ) -> Result<Emulator, EmulatorError> {
        geometry.check().map_err(EmulatorError)?;
        let memory = HostMemory::default();
        let core = Mutex::new(Core::new(geometry, decorate(memory.clone())));
        Ok(Emulator { core, memory, next_iova: AtomicU64::new(FIRST_IOVA) })
    }

    /// Reads 4 bytes as the management core does (`docs/firmware.md`).
    pub fn management_read32(&self, bar: Bar, offset: u32) -> u32 {
        self.core().read32(bar, offset)
    }

    /// Writes 4 bytes as the management core does: the read-only registers of the block `mgmt` too.
    pub fn management_write32(&self, bar: Bar, offset: u32, value: u32) {
        self.core().management_write32(bar, offset, value);
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backing for Emulator {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        Ok(self.core().read32(bar, offset))
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.core().write32(bar, offset, value);
        Ok(())
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        Ok(self.core().read64(bar, offset))
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.core().write64(bar, offset, value);
        Ok(())
    }

    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        let bytes = dma_bytes(bytes)?;
        let iova = self.next_iova.fetch_add(bytes as u64 + GUARD_BYTES, Ordering::Relaxed);
        let region = Arc::new(Region::new(iova, bytes / 8));
        self.memory.map(region.clone());
        Ok(region)
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        if self.memory.unmap(iova) { Ok(()) } else { Err(BackingError::not_mapped(iova)) }
    }

    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        if vector >= VECTORS {
            return Err(BackingError::no_vector(vector, VECTORS));
        }
        let mut core = self.core();
        let fd = core
            .irq
            .eventfd(vector)
            .map_err(|e| BackingError::Irq(format!("eventfd: {e}")))?
            .as_raw_fd();
        Ok(fd)
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        self.core().set_bus_master(on);
        Ok(())
    }

    fn reset(&self) -> Result<(), BackingError> {
        let mut core = self.core();
        core.reset();
        core.irq.drop_pending();
        Ok(())
    }

    fn advance(&self, _cycles: u64) -> Result<(), BackingError> {
        Ok(())
    }

    fn name(&self) -> String {
        "emulator".into()
    }
}
