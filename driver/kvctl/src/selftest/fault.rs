//! What goes wrong on the bus is reported, undone, and over when its cause is. `docs/moves.md`.

use kvcpu_driver::{Commands, Device, Insert, SingleShot, TierConfig};
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_mmio::regs::dma::{self, DMA_ERR, DMA_ERR_ID};
use kvcpu_mmio::regs::queue::Q_STATUS;
use kvcpu_mmio::regs::{control, queue};

use super::bench::{Bench, Check, Findings, Problem, key, noise};
use super::ring;
use crate::regs::Path;

const KEY: Key = key(6, 0xFA17_0000_0000_0001);

/// A device with one block of known bytes in T1.
fn one_block(bench: &Bench) -> Result<(Device, SingleShot, Vec<u8>), Problem> {
    let tier = TierConfig::blocks(4);
    let device = bench.configured(bench.config([TierConfig::OFF, tier, tier, TierConfig::OFF])?)?;
    let data = noise(KEY.tag, device.block_bytes() as usize);
    let buffer = device.dma_alloc(data.len())?;
    buffer.write(0, &data)?;
    let mut commands = device.single_shot();
    commands.insert(&Insert::new(KEY, 1))?;
    commands.copy_in(KEY, &buffer, 0)?;
    Ok((device, commands, data))
}

/// The block is in T1 with its bytes.
fn intact(device: &Device, commands: &mut SingleShot, data: &[u8], findings: &mut Findings) -> Result<(), Problem> {
    let found = commands.lookup(KEY)?;
    findings.fact("LOOKUP afterwards", "T1", found.placed().is_some_and(|p| p.tier == 1), format_args!("{found:?}"));
    let buffer = device.dma_alloc(data.len())?;
    let crc = commands.copy_out(KEY, &buffer, 0)?;
    let mut bytes = vec![0; data.len()];
    buffer.read(0, &mut bytes)?;
    findings.fact("the block's bytes afterwards", "unchanged", bytes == data, "changed");
    findings.number("CRC-32C afterwards", crc32c::crc32c(data), crc);
    Ok(())
}

/// The DMA error registers name the fault, and can be cleared.
fn reported(
    device: &Device,
    findings: &mut Findings,
    bit: u64,
    key: Key,
    within: Option<(u64, u64)>,
) -> Result<(), Problem> {
    findings.number("DMA_ERR", bit, device.read(&dma::DMA_ERR)?);
    findings.number("DMA_ERR_TAG", key.tag, device.read(&dma::DMA_ERR_TAG)?);
    let id = device.read(&dma::DMA_ERR_ID)?;
    findings.number("DMA_ERR_ID.REQUEST", u64::from(key.request), DMA_ERR_ID::REQUEST.get(id));
    findings.number("DMA_ERR_ID.TENANT", u64::from(key.tenant), DMA_ERR_ID::TENANT.get(id));
    if let Some((first, bytes)) = within {
        let iova = device.read(&dma::DMA_ERR_IOVA)?;
        let inside = (first..first + bytes).contains(&iova);
        let expected = format!("{first:#x} to {:#x}", first + bytes - 1);
        findings.fact("DMA_ERR_IOVA", &expected, inside, format_args!("{iova:#x}"));
    }
    let error = control::ERR_STATUS::DMA.get(device.read(&control::ERR_STATUS)?);
    findings.number("ERR_STATUS.DMA", 1, error);
    device.write(&dma::DMA_ERR, bit)?;
    device.write(&control::ERR_STATUS, control::ERR_STATUS::DMA.mask())?;
    findings.number("DMA_ERR, cleared", 0, device.read(&dma::DMA_ERR)?);
    Ok(())
}

/// Bus mastering off: COPY and moves fail cleanly, nothing is lost, and it is over when it is on again.
pub(super) fn bus_master(bench: &Bench, findings: &mut Findings) -> Check {
    let (device, mut commands, data) = one_block(bench)?;
    let buffer = device.dma_alloc(data.len())?;
    device.backing().bus_master(false)?;
    let status = commands.copy_out(KEY, &buffer, 0).err().and_then(|error| error.status());
    let faulted = status == Some(Status::DmaFault);
    findings.fact("COPY with bus mastering off", "DmaFault", faulted, format_args!("{status:?}"));
    let place = Some((buffer.iova(), data.len() as u64));
    reported(&device, findings, DMA_ERR::BUS_MASTER_OFF.mask(), KEY, place)?;
    commands.demote(KEY.into(), 2)?;
    let fenced = commands.fence().err().and_then(|error| error.status());
    let failed = fenced == Some(Status::MoveFailed);
    findings.fact("FENCE after a move that failed", "MoveFailed", failed, format_args!("{fenced:?}"));
    reported(&device, findings, DMA_ERR::BUS_MASTER_OFF.mask(), KEY, None)?;
    device.backing().bus_master(true)?;
    intact(&device, &mut commands, &data, findings)?;
    findings.number("CNT_MOVES_FAILED", 1, device.counters()?.moves_failed);
    commands.fence()?;
    Ok("COPY and a move failed, were undone, and worked again".into())
}

/// A buffer that was unmapped: a fault that names its address, and nothing else.
pub(super) fn unmapped(bench: &Bench, findings: &mut Findings) -> Check {
    let (device, mut commands, data) = one_block(bench)?;
    let gone = device.dma_alloc(data.len())?;
    let iova = gone.iova();
    drop(gone);
    let result = commands.perform(kvcpu_driver::sqe::copy_out(KEY, iova, data.len() as u32));
    let status = result.err().and_then(|error| error.status());
    let faulted = status == Some(Status::DmaFault);
    findings.fact("COPY to an unmapped buffer", "DmaFault", faulted, format_args!("{status:?}"));
    let place = Some((iova, data.len() as u64));
    reported(&device, findings, DMA_ERR::IOVA_FAULT.mask(), KEY, place)?;
    intact(&device, &mut commands, &data, findings)?;
    Ok("COPY failed with its address, the block unchanged".into())
}

/// A doorbell beyond the ring is ignored and noted; the queue goes on.
pub(super) fn doorbell(bench: &Bench, findings: &mut Findings) -> Check {
    let device = ring::device(bench)?;
    let mut hand = ring::Hand::start(bench, &device, 0)?;
    for register in [&queue::SQ_DOORBELL, &queue::CQ_DOORBELL] {
        for index in [8, 0xFFFF] {
            device.write(register, index)?;
            let errors = device.read(&queue::Q_ERR)?;
            let name = format!("Q_ERR after {index:#x} to {}", register.name);
            findings.number(name, queue::Q_ERR::BAD_DOORBELL.mask(), errors);
            device.write(&queue::Q_ERR, errors)?;
        }
    }
    let running = Q_STATUS::RUNNING.get(device.read(&queue::Q_STATUS)?);
    findings.number("Q_STATUS.RUNNING", 1, running);
    hand.submit(2)?;
    hand.take(findings)?;
    hand.take(findings)?;
    hand.stop()?;
    Ok("indexes past both rings, then commands as usual".into())
}

/// A fault on fetching an entry halts its queue, no other; disable and enable start it again.
pub(super) fn halt(bench: &Bench, findings: &mut Findings) -> Check {
    let device = ring::device(bench)?;
    let mut hand = ring::Hand::start(bench, &device, 0)?;
    device.backing().bus_master(false)?;
    hand.submit(1)?;
    bench.wait(&queue::Q_STATUS, &Q_STATUS::HALTED, 1)?;
    device.backing().bus_master(true)?;
    findings.number("Q_ERR", queue::Q_ERR::FETCH_FAULT.mask(), device.read(&queue::Q_ERR)?);
    findings.number("Q_STATUS.RUNNING", 0, Q_STATUS::RUNNING.get(device.read(&queue::Q_STATUS)?));
    hand.stop()?;
    let all = queue::Q_ERR.writable();
    device.write(&queue::Q_ERR, all)?;
    for qid in (0..device.geometry().queues).rev() {
        let mut hand = ring::Hand::start(bench, &device, qid)?;
        hand.submit(1)?;
        hand.take(findings)?;
        hand.stop()?;
    }
    findings.number("Q_ERR, started again", 0, bench.read(&Path::of(&queue::Q_ERR, 0, 0))?);
    Ok("queue 0 halted on a fetch fault and was started again".into())
}

/// A reset ends everything but DMA mappings, and the device works as before.
pub(super) fn reset(bench: &Bench, findings: &mut Findings) -> Check {
    let (device, mut commands, data) = one_block(bench)?;
    let config = device.config();
    let buffer = device.dma_alloc(data.len())?;
    buffer.write(0, &data)?;
    let queue = device.queue_pair(0)?;
    device.write(&control::CTRL, control::CTRL::RESET.mask())?;
    bench.wait(&control::STATUS, &control::STATUS::READY, 1)?;
    findings.number("CTRL", 0, device.read(&control::CTRL)?);
    findings.number("STATUS.ENABLED", 0, control::STATUS::ENABLED.get(device.read(&control::STATUS)?));
    findings.number("Q_STATUS@0", 0, device.read(&queue::Q_STATUS)?);
    findings.number("directory entries", 0, device.occupancy()?.entries);
    let left = device.entries().count();
    findings.number("entries in BAR2 and stash", 0, left as u64);
    drop(queue);
    let status = commands.lookup(KEY).err().and_then(|error| error.status());
    let refused = status == Some(Status::NotEnabled);
    findings.fact("LOOKUP after reset", "NotEnabled", refused, format_args!("{status:?}"));
    device.configure(config.unwrap_or_default())?;
    commands.insert(&Insert::new(KEY, 1))?;
    commands.copy_in(KEY, &buffer, 0)?;
    intact(&device, &mut commands, &data, findings)?;
    Ok("CTRL.RESET with a block and a queue; then configured and used with the old buffer".into())
}
