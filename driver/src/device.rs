//! A device: found, identified, shared between threads.
//!
//! A [`Device`] is a handle; clones name the same device. Register accesses take no lock. Queue
//! pairs belong to one thread each; the service loop runs on whichever thread waits.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::regs::control::{self, CAP_ENGINES, CAP_RTBD, MAP_VERSION};
use kvcpu_mmio::regs::{dma, hepc};
use kvcpu_mmio::{Backing, BackingError, Geometry};

use crate::config::DEADLINE;
use crate::programming::Active;
use crate::service::Service;
use crate::{Config, DmaBuffer, DriverError, QueueConfig, QueuePair, SingleShot, Weights, firmware};

/// What the identity registers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Major version of the register map.
    pub map_major: u16,
    /// Minor version of the register map.
    pub map_minor: u16,
    /// Build of the device.
    pub build_id: u32,
    /// Frequency in which latencies are counted.
    pub timebase_hz: u32,
    /// DMA channels.
    pub dma_channels: u8,
}

/// A KV-CPU device behind a backing.
pub struct Device<B: Backing + ?Sized + 'static = dyn Backing> {
    pub(crate) inner: Arc<Inner<B>>,
}

/// What all handles share.
pub(crate) struct Inner<B: Backing + ?Sized + 'static> {
    backing: Arc<B>,
    identity: Identity,
    geometry: Geometry,
    deadline_ns: AtomicU64,
    /// A bit for each queue that a `QueuePair` owns.
    pub(crate) queues_taken: AtomicU32,
    /// Held from when a single-shot command is written until it is done or given up; the id of the last.
    pub(crate) single_shot: Mutex<u16>,
    /// Taken before `lent`, as that is before `irq`. Held while a command is in the firmware's mailbox, or an update is under way: SEQUENCE of the last one; 0 before the first.
    pub(crate) mailbox: Mutex<u64>,
    /// Held while the firmware has the device to itself, and while it is configured.
    pub(crate) lent: Mutex<()>,
    /// Firmware was seen: FW_STATUS reads 0 for no longer than a reset of the device explains.
    pub(crate) has_firmware: AtomicBool,
    /// Held while INT_ENABLE is read and written back.
    pub(crate) irq: Mutex<()>,
    /// Whether there is anything to serve: T3 or agents.
    pub(crate) serves: AtomicBool,
    pub(crate) service: Mutex<Service>,
    pub(crate) active: Mutex<Option<Active>>,
}

/// Locks; what a panicking thread left is still the device's state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the device master the bus. Where it leads to no host memory there is nothing to let: memory for the device is refused there too.
pub(crate) fn let_master<B: Backing + ?Sized>(backing: &B) -> Result<(), BackingError> {
    match backing.bus_master(true) {
        Err(BackingError::Unsupported(_)) => Ok(()),
        other => other,
    }
}

impl<B: Backing + ?Sized + 'static> Device<B> {
    /// Identifies what is behind `backing`, reads its geometry and lets it master the bus, if it has one to host memory. Changes
    /// nothing else: a device that is in use stays so until it is configured.
    pub fn probe(backing: Arc<B>) -> Result<Device<B>, DriverError> {
        let name = || backing.name();
        let read = |register: &kvcpu_mmio::Register| backing.read32(register.bar, register.offset);
        match read(&control::MAGIC)? {
            control::MAGIC_VALUE => {}
            u32::MAX => {
                return Err(DriverError::Gone { name: name(), why: "MAGIC reads all ones".into() });
            }
            found => return Err(DriverError::NotKvCpu { name: name(), found }),
        }
        let seen = |register: &kvcpu_mmio::Register| match read(register)? {
            // No register read here can be all ones: the device went away since MAGIC was read.
            u32::MAX => Err(DriverError::Gone { name: name(), why: format!("{} reads all ones", register.name) }),
            value => Ok(value),
        };
        let version = u64::from(seen(&MAP_VERSION)?);
        let (major, minor) = (MAP_VERSION::MAJOR.get(version) as u16, MAP_VERSION::MINOR.get(version) as u16);
        if major != control::MAP_MAJOR {
            return Err(DriverError::Version { name: name(), major, minor });
        }
        let rtbd = u64::from(seen(&control::CAP_RTBD)?);
        let engines = u64::from(seen(&control::CAP_ENGINES)?);
        let geometry = Geometry {
            entries_log2: CAP_RTBD::ENTRIES_LOG2.get(rtbd) as u32,
            lanes: CAP_RTBD::LANES.get(rtbd) as u32,
            victim_k: CAP_RTBD::VICTIM_K.get(rtbd) as u32,
            stash: CAP_RTBD::STASH.get(rtbd) as u32,
            queues: CAP_ENGINES::QUEUES.get(engines) as u32,
            agents: CAP_ENGINES::AGENTS.get(engines) as u32,
            t1_kib: seen(&control::CAP_T1_KIB)?,
            min_block_shift: CAP_ENGINES::MIN_BLOCK_SHIFT.get(engines) as u32,
            max_block_shift: CAP_ENGINES::MAX_BLOCK_SHIFT.get(engines) as u32,
        };
        geometry.check().map_err(|reason| DriverError::Geometry { name: name(), reason })?;
        if CAP_ENGINES::TIERS.get(engines) != TIERS as u64 {
            return Err(DriverError::Geometry { name: name(), reason: "it has not four tiers" });
        }
        let identity = Identity {
            map_major: major,
            map_minor: minor,
            build_id: read(&control::BUILD_ID)?,
            timebase_hz: read(&control::TIMEBASE_HZ)?,
            dma_channels: CAP_ENGINES::DMA_CHANNELS.get(engines) as u8,
        };
        let_master(&*backing)?;
        tracing::debug!(name = name(), ?identity, ?geometry, "probed");
        let inner = Inner {
            backing,
            identity,
            geometry,
            deadline_ns: AtomicU64::new(DEADLINE.as_nanos() as u64),
            queues_taken: AtomicU32::new(0),
            single_shot: Mutex::new(0),
            mailbox: Mutex::new(0),
            lent: Mutex::new(()),
            has_firmware: AtomicBool::new(false),
            irq: Mutex::new(()),
            serves: AtomicBool::new(false),
            service: Mutex::new(Service::default()),
            active: Mutex::new(None),
        };
        let device = Device { inner: Arc::new(inner) };
        firmware::look(&device)?;
        Ok(device)
    }

    /// The backing.
    pub fn backing(&self) -> &Arc<B> {
        &self.inner.backing
    }

    /// What the device is made of.
    pub fn geometry(&self) -> &Geometry {
        &self.inner.geometry
    }

    /// What the identity registers say.
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The configuration in force, if the device was configured by this driver.
    pub fn config(&self) -> Option<Config> {
        lock(&self.inner.active).as_ref().map(|active| active.config.clone())
    }

    /// Size of a block; what BLOCK_SHIFT reads if the device was configured by someone else, and 0
    /// if that cannot be read.
    pub fn block_bytes(&self) -> u32 {
        match &*lock(&self.inner.active) {
            Some(active) => active.config.block_bytes() as u32,
            None => self.read(&dma::BLOCK_SHIFT).map_or(0, |shift| 1 << (shift & 31)),
        }
    }

    /// How long anything may take without a sign of progress.
    pub fn deadline(&self) -> Duration {
        Duration::from_nanos(self.inner.deadline_ns.load(Ordering::Relaxed))
    }

    /// Sets that; queue pairs made before keep theirs.
    pub fn set_deadline(&self, deadline: Duration) {
        let nanos = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        self.inner.deadline_ns.store(nanos, Ordering::Relaxed);
    }

    /// Host memory for the device, zeroed.
    pub fn dma_alloc(&self, bytes: usize) -> Result<DmaBuffer, DriverError> {
        DmaBuffer::new(self.backing(), bytes)
    }

    /// Queue pair `qid` with the sizes of the configuration. It belongs to its owner until dropped.
    pub fn queue_pair(&self, qid: u16) -> Result<QueuePair<B>, DriverError> {
        let config = self.config().map(|config| config.queue).unwrap_or_default();
        self.queue_pair_with(qid, config)
    }

    /// Queue pair `qid` with its own sizes and tenant.
    pub fn queue_pair_with(&self, qid: u16, config: QueueConfig) -> Result<QueuePair<B>, DriverError> {
        QueuePair::new(self.clone(), qid, config)
    }

    /// The single-shot command registers.
    pub fn single_shot(&self) -> SingleShot<B> {
        SingleShot::new(self.clone())
    }

    /// The weights of the score.
    pub fn weights(&self) -> Result<Weights, DriverError> {
        Ok(Weights::from_register(self.read(&hepc::WEIGHTS)?))
    }

    /// Sets the weights of the score, from the next sweep on.
    pub fn set_weights(&self, weights: Weights) -> Result<(), DriverError> {
        self.write(&hepc::WEIGHTS, weights.to_register())
    }
}

impl<B: Backing + ?Sized + 'static> Clone for Device<B> {
    fn clone(&self) -> Device<B> {
        Device { inner: self.inner.clone() }
    }
}

impl<B: Backing + ?Sized + 'static> fmt::Debug for Device<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("name", &self.inner.backing.name())
            .field("identity", &self.inner.identity)
            .field("geometry", &self.inner.geometry)
            .finish_non_exhaustive()
    }
}

impl<B: Backing + ?Sized + 'static> Drop for Inner<B> {
    /// Stops the device before its memory goes, if this driver started it.
    fn drop(&mut self) {
        if lock(&self.active).is_some()
            && let Err(error) = self.backing.write32(control::CTRL.bar, control::CTRL.offset, 0)
        {
            tracing::debug!(%error, "device could not be disabled");
        }
    }
}
