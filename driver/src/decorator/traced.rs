//! A backing that logs every access by register name, and counts.
//!
//! It sees what the driver's own trace does not: accesses that go round the typed accessors, and those
//! of other users of the same backing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory};

use super::place;

/// Accesses so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessCounts {
    /// Reads of either size.
    pub reads: u64,
    /// Writes of either size.
    pub writes: u64,
    /// DMA allocations.
    pub dma_allocs: u64,
    /// DMA unmappings.
    pub dma_frees: u64,
    /// Clocks that simulated time was told to pass.
    pub cycles: u64,
}

/// Logs and counts every access to `B`, at level trace, target `kvcpu::backing`.
#[derive(Debug)]
pub struct Traced<B: ?Sized> {
    reads: AtomicU64,
    writes: AtomicU64,
    dma_allocs: AtomicU64,
    dma_frees: AtomicU64,
    cycles: AtomicU64,
    inner: Arc<B>,
}

impl<B: Backing + ?Sized> Traced<B> {
    /// Around `inner`.
    pub fn new(inner: Arc<B>) -> Traced<B> {
        Traced {
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            dma_allocs: AtomicU64::new(0),
            dma_frees: AtomicU64::new(0),
            cycles: AtomicU64::new(0),
            inner,
        }
    }

    /// What is inside.
    pub fn inner(&self) -> &Arc<B> {
        &self.inner
    }

    /// Accesses so far.
    pub fn counts(&self) -> AccessCounts {
        AccessCounts {
            reads: self.reads.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            dma_allocs: self.dma_allocs.load(Ordering::Relaxed),
            dma_frees: self.dma_frees.load(Ordering::Relaxed),
            cycles: self.cycles.load(Ordering::Relaxed),
        }
    }
}

/// Logs one access. The name is only looked up if someone listens.
fn log<T: Into<u64> + Copy>(verb: &str, bar: Bar, offset: u32, value: &Result<T, BackingError>) {
    if !tracing::enabled!(target: "kvcpu::backing", tracing::Level::TRACE) {
        return;
    }
    let at = place(bar, offset);
    match value {
        Ok(value) => {
            let value: u64 = (*value).into();
            tracing::trace!(target: "kvcpu::backing", "{verb} {at} {value:#x}");
        }
        Err(error) => tracing::trace!(target: "kvcpu::backing", "{verb} {at} failed: {error}"),
    }
}

impl<B: Backing + ?Sized> Backing for Traced<B> {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let value = self.inner.read32(bar, offset);
        log("read32", bar, offset, &value);
        value
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let result = self.inner.write32(bar, offset, value);
        log("write32", bar, offset, &result.clone().map(|()| value));
        result
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let value = self.inner.read64(bar, offset);
        log("read64", bar, offset, &value);
        value
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let result = self.inner.write64(bar, offset, value);
        log("write64", bar, offset, &result.clone().map(|()| value));
        result
    }

    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        self.dma_allocs.fetch_add(1, Ordering::Relaxed);
        let memory = self.inner.dma_alloc(bytes);
        let iova = memory.as_ref().map(|memory| memory.iova()).ok();
        tracing::trace!(target: "kvcpu::backing", bytes, iova, "dma_alloc");
        memory
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        self.dma_frees.fetch_add(1, Ordering::Relaxed);
        let result = self.inner.dma_free(iova);
        tracing::trace!(target: "kvcpu::backing", iova, ?result, "dma_free");
        result
    }

    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        self.inner.irq_fd(vector)
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        tracing::trace!(target: "kvcpu::backing", on, "bus_master");
        self.inner.bus_master(on)
    }

    fn reset(&self) -> Result<(), BackingError> {
        tracing::trace!(target: "kvcpu::backing", "reset");
        self.inner.reset()
    }

    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        self.cycles.fetch_add(cycles, Ordering::Relaxed);
        self.inner.advance(cycles)
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}
