//! Starting a queue pair on new rings, and seeing whether it still runs.

use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{CQE_BYTES, SQE_BYTES};
use kvcpu_mmio::regs::queue;
use kvcpu_ring::{Completions, RingError, Submitter};

use crate::dma::RingMemory;
use crate::wait::Wait;
use crate::{Device, DmaBuffer, DriverError, QueueConfig};

/// The rings of a running queue.
pub(crate) struct Rings {
    pub(crate) sq: Submitter<RingMemory>,
    pub(crate) cq: Completions<RingMemory>,
    /// Keep the rings mapped.
    _memory: [DmaBuffer; 2],
}

/// Makes rings and starts queue `qid` on them.
pub(crate) fn start<B>(device: &Device<B>, qid: u16, config: &QueueConfig) -> Result<Rings, DriverError>
where
    B: Backing + ?Sized + 'static,
{
    let instance = u32::from(qid);
    let write = |register, value| device.write_at(register, instance, 0, value);
    write(&queue::Q_CTRL, 0)?;
    let (sq_entries, cq_entries) = (1 << config.sq_log2, 1 << config.cq_log2);
    let sq_memory = device.dma_alloc(sq_entries as usize * SQE_BYTES)?;
    let cq_memory = device.dma_alloc(cq_entries as usize * CQE_BYTES)?;
    let sq = Submitter::new(RingMemory::of(&sq_memory), sq_entries).map_err(broken)?;
    let cq = Completions::new(RingMemory::of(&cq_memory), cq_entries).map_err(broken)?;
    write(&queue::SQ_BASE, sq_memory.iova())?;
    write(&queue::CQ_BASE, cq_memory.iova())?;
    let size = queue::Q_SIZE::SQ_LOG2.set(0, config.sq_log2.into());
    write(&queue::Q_SIZE, queue::Q_SIZE::CQ_LOG2.set(size, config.cq_log2.into()))?;
    write(&queue::Q_ERR, queue::Q_ERR.writable())?;
    let mut ctrl = queue::Q_CTRL::ENABLE.mask();
    if let Some(tenant) = config.tenant {
        ctrl |= queue::Q_CTRL::TENANT_ENFORCE.mask();
        ctrl = queue::Q_CTRL::TENANT.set(ctrl, tenant.into());
    }
    write(&queue::Q_CTRL, ctrl)?;
    let mut wait = Wait::new(device, device.deadline(), None);
    loop {
        let status = device.read_at(&queue::Q_STATUS, instance, 0)?;
        if queue::Q_STATUS::RUNNING.get(status) == 1 {
            return Ok(Rings { sq, cq, _memory: [sq_memory, cq_memory] });
        }
        let last = device.read_at(&queue::Q_ERR, instance, 0)?;
        if last != 0 {
            return Err(DriverError::QueueHalted { qid, register: "Q_ERR", last });
        }
        if wait.tick()? {
            return Err(wait.timeout("starting a queue", "Q_STATUS", status));
        }
    }
}

/// The device published an index that cannot be.
pub(crate) fn broken(error: RingError) -> DriverError {
    DriverError::Ring { ring: "queue pair", error }
}

/// `QueueHalted` if the queue is not running.
pub(crate) fn check_running<B>(device: &Device<B>, qid: u16) -> Result<(), DriverError>
where
    B: Backing + ?Sized + 'static,
{
    let instance = u32::from(qid);
    let status = device.read_at(&queue::Q_STATUS, instance, 0)?;
    if queue::Q_STATUS::HALTED.get(status) == 1 {
        let last = device.read_at(&queue::Q_ERR, instance, 0)?;
        return Err(DriverError::QueueHalted { qid, register: "Q_ERR", last });
    }
    if queue::Q_STATUS::RUNNING.get(status) == 0 {
        return Err(DriverError::QueueHalted { qid, register: "Q_STATUS", last: status });
    }
    Ok(())
}
