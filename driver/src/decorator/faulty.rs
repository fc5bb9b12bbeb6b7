//! A backing in which things go wrong, by plan or on demand.
//!
//! Host memory stays readable whatever happens, as it would: a dead device only stops writing to
//! it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kvcpu_mmio::regs::{command, queue};
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, map};

use super::FaultPlan;
use super::plan::mix;

/// Injects faults into what passes to `B`.
#[derive(Debug)]
pub struct Faulty<B: ?Sized> {
    plan: FaultPlan,
    accesses: AtomicU64,
    reads: AtomicU64,
    allocs: AtomicU64,
    dead: AtomicBool,
    silent: AtomicBool,
    regions: Mutex<Regions>,
    inner: Arc<B>,
}

/// DMA regions by bus address.
#[derive(Debug, Default)]
struct Regions {
    mapped: Vec<u64>,
    /// Unmapped by a fault; the driver's own unmapping is still to come.
    torn: Vec<u64>,
}

impl<B: Backing + ?Sized> Faulty<B> {
    /// Around `inner`.
    pub fn new(inner: Arc<B>, plan: FaultPlan) -> Faulty<B> {
        Faulty {
            plan,
            accesses: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            allocs: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            regions: Mutex::new(Regions::default()),
            inner,
        }
    }

    /// What is inside.
    pub fn inner(&self) -> &Arc<B> {
        &self.inner
    }

    /// The plan.
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// Register accesses so far.
    pub fn accesses(&self) -> u64 {
        self.accesses.load(Ordering::Relaxed)
    }

    /// From now on the device is gone.
    pub fn die(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// From now on doorbells are swallowed.
    pub fn silence(&self) {
        self.silent.store(true, Ordering::Release);
    }

    /// Ends death and silence. What was swallowed stays lost.
    pub fn revive(&self) {
        self.dead.store(false, Ordering::Release);
        self.silent.store(false, Ordering::Release);
    }

    /// Bus addresses of the regions that are mapped, oldest first.
    pub fn regions(&self) -> Vec<u64> {
        self.lock().mapped.clone()
    }

    /// Unmaps a region behind the driver's back.
    pub fn unmap(&self, iova: u64) -> Result<(), BackingError> {
        let mut regions = self.lock();
        regions.mapped.retain(|mapped| *mapped != iova);
        regions.torn.push(iova);
        self.inner.dma_free(iova)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Regions> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an access and starts the faults that are due; returns whether the device is gone.
    fn access(&self) -> bool {
        let now = self.accesses.fetch_add(1, Ordering::Relaxed);
        let due = |at: Option<u64>| at == Some(now);
        if due(self.plan.die_at) {
            self.die();
        }
        if due(self.plan.silent_at) {
            self.silence();
        }
        if due(self.plan.unmap_at) {
            let regions = self.regions();
            if !regions.is_empty() {
                let victim = regions[(mix(self.plan.seed, 2) % regions.len() as u64) as usize];
                tracing::debug!(iova = victim, "fault: region unmapped");
                // The region was listed a moment ago; if it went since, there is nothing to tear.
                let _ = self.unmap(victim);
            }
        }
        self.dead.load(Ordering::Acquire)
    }

    /// The bit to flip in this read, if it is the one.
    fn flip(&self, bits: u64) -> u64 {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        match self.plan.flip_read {
            Some(at) if at == read => 1 << (mix(self.plan.seed, 3) % bits),
            _ => 0,
        }
    }

    /// Whether a write is a doorbell that a silent device does not hear.
    fn unheard(&self, bar: Bar, offset: u32) -> bool {
        const DOORBELLS: [&str; 3] = [queue::SQ_DOORBELL.name, queue::CQ_DOORBELL.name, command::CMD_GO.name];
        self.silent.load(Ordering::Acquire)
            && map::by_offset(bar, offset & !3).is_some_and(|at| DOORBELLS.contains(&at.register.name))
    }
}

impl<B: Backing + ?Sized> Backing for Faulty<B> {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        let dead = self.access();
        let flip = self.flip(32) as u32;
        if dead { Ok(u32::MAX) } else { Ok(self.inner.read32(bar, offset)? ^ flip) }
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        if self.access() || self.unheard(bar, offset) {
            return Ok(());
        }
        self.inner.write32(bar, offset, value)
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        let dead = self.access();
        let flip = self.flip(64);
        if dead { Ok(u64::MAX) } else { Ok(self.inner.read64(bar, offset)? ^ flip) }
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        if self.access() || self.unheard(bar, offset) {
            return Ok(());
        }
        self.inner.write64(bar, offset, value)
    }

    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        let now = self.allocs.fetch_add(1, Ordering::Relaxed);
        if self.plan.refuse_alloc == Some(now) {
            return Err(BackingError::Dma(format!("allocation {now} of {bytes} bytes refused by plan")));
        }
        let memory = self.inner.dma_alloc(bytes)?;
        self.lock().mapped.push(memory.iova());
        Ok(memory)
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        let mut regions = self.lock();
        if let Some(at) = regions.torn.iter().position(|torn| *torn == iova) {
            regions.torn.swap_remove(at);
            return Ok(());
        }
        regions.mapped.retain(|mapped| *mapped != iova);
        self.inner.dma_free(iova)
    }

    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        self.inner.irq_fd(vector)
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        if self.dead.load(Ordering::Acquire) {
            return Ok(());
        }
        self.inner.bus_master(on)
    }

    fn reset(&self) -> Result<(), BackingError> {
        if self.dead.load(Ordering::Acquire) {
            return Ok(());
        }
        self.inner.reset()
    }

    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        if self.dead.load(Ordering::Acquire) {
            return Ok(());
        }
        self.inner.advance(cycles)
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}
