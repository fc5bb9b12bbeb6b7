//! Bytes: into each tier and back, from tier to tier, and to T3 through the service queue.

use kvcpu_driver::{Commands, Config, Device, DmaBuffer, Insert, QueuePair, TierConfig};
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_store::MemStore;

use super::bench::{Bench, Check, Findings, Problem, failure, key, noise};
use crate::cli::parse::show_key;
use crate::replay::Served;

/// Frames of each tier that are filled.
const FRAMES: u32 = 6;
/// Tags start here, so that a key's words are all different.
const FIRST_TAG: u64 = 0xC0FF_EE00_0000_1000;

/// A queue pair and two buffers: one the device reads, one it writes.
pub(super) struct Copier {
    pub(super) queue: QueuePair,
    pub(super) from: DmaBuffer,
    pub(super) to: DmaBuffer,
}

impl Copier {
    pub(super) fn new(device: &Device) -> Result<Copier, Problem> {
        let bytes = device.block_bytes() as usize;
        let (from, to) = (device.dma_alloc(bytes)?, device.dma_alloc(bytes)?);
        Ok(Copier { queue: device.queue_pair(0)?, from, to })
    }

    /// Fills a block.
    pub(super) fn put(&mut self, findings: &mut Findings, key: Key, data: &[u8]) -> Result<(), Problem> {
        self.from.write(0, data)?;
        let crc = self.queue.copy_in(key, &self.from, 0)?;
        findings.number(format_args!("CRC-32C of COPY into {}", show_key(&key)), crc32c::crc32c(data), crc);
        Ok(())
    }

    /// Reads a block and compares it. The buffer is filled with the opposite first, so that a copy which
    /// does not happen shows.
    pub(super) fn check(&mut self, findings: &mut Findings, key: Key, data: &[u8]) -> Result<(), Problem> {
        let opposite: Vec<u8> = data.iter().map(|byte| !byte).collect();
        self.to.write(0, &opposite)?;
        let crc = self.queue.copy_out(key, &self.to, 0)?;
        let mut found = vec![0; data.len()];
        self.to.read(0, &mut found)?;
        if let Some(at) = found.iter().zip(data).position(|(found, data)| found != data) {
            findings.add(
                format_args!("byte {at:#x} of {}", show_key(&key)),
                format_args!("{:#04x}", data[at]),
                format_args!("{:#04x}", found[at]),
            );
        }
        findings.number(format_args!("CRC-32C of COPY out of {}", show_key(&key)), crc32c::crc32c(data), crc);
        Ok(())
    }
}

fn patterns(bytes: usize) -> Vec<Vec<u8>> {
    let address = (0..bytes as u32 / 4).flat_map(u32::to_le_bytes).collect();
    let walking = (0..bytes).map(|at| 1u8 << (at % 8)).collect();
    vec![vec![0; bytes], vec![0xFF; bytes], vec![0x55; bytes], vec![0xAA; bytes], address, walking, noise(1, bytes)]
}

/// COPY in and out of one tier: several frames, several patterns.
fn loopback(bench: &Bench, findings: &mut Findings, tier: u8) -> Check {
    let mut tiers = [TierConfig::OFF; 4];
    tiers[usize::from(tier)] = TierConfig::blocks(FRAMES);
    let config = bench.config(tiers)?;
    let bytes = config.block_bytes();
    let device = bench.configured(config)?;
    let mut copier = Copier::new(&device)?;
    let patterns = patterns(bytes);
    for frame in 0..FRAMES {
        let key = key(3, FIRST_TAG + u64::from(frame));
        copier.queue.insert(&Insert::new(key, tier))?;
        for pattern in &patterns {
            copier.put(findings, key, pattern)?;
            copier.check(findings, key, pattern)?;
        }
        copier.put(findings, key, &noise(key.tag, bytes))?;
    }
    for frame in 0..FRAMES {
        let key = key(3, FIRST_TAG + u64::from(frame));
        copier.check(findings, key, &noise(key.tag, bytes))?;
    }
    let counted = device.counters()?.copy_in_bytes[usize::from(tier)];
    let expected = u64::from(FRAMES) * (patterns.len() as u64 + 1) * bytes as u64;
    findings.number(format_args!("CNT_COPY_IN_BYTES[{tier}]"), expected, counted);
    Ok(format!("{FRAMES} frames of {bytes} bytes, {} patterns each, CRC-32C both ways", patterns.len() + 1))
}

pub(super) fn loopback_t0(bench: &Bench, findings: &mut Findings) -> Check {
    loopback(bench, findings, 0)
}

pub(super) fn loopback_t1(bench: &Bench, findings: &mut Findings) -> Check {
    loopback(bench, findings, 1)
}

pub(super) fn loopback_t2(bench: &Bench, findings: &mut Findings) -> Check {
    loopback(bench, findings, 2)
}

/// Blocks keep their bytes on the way down through the tiers and up again.
pub(super) fn moves(bench: &Bench, findings: &mut Findings) -> Check {
    let tier = TierConfig::blocks(FRAMES).lookahead(16);
    let config = bench.config([tier, tier, tier, TierConfig::OFF])?;
    walk(bench, findings, config, &[(0, 1), (1, 2)], 2)
}

/// The same to T3, which the host keeps in memory.
pub(super) fn t3(bench: &Bench, findings: &mut Findings) -> Check {
    let tier = TierConfig::blocks(FRAMES).lookahead(16);
    let config = bench.config([TierConfig::OFF, tier, TierConfig::OFF, tier])?;
    walk(bench, findings, config, &[(1, 3)], 3)
}

/// Fills the first tier, demotes along `down`, prefetches up from `last`, and checks at each stop.
fn walk(bench: &Bench, findings: &mut Findings, config: Config, down: &[(u8, u8)], last: u8) -> Check {
    let device = bench.probe()?;
    let bytes = config.block_bytes();
    if config.uses_t3() {
        let store = MemStore::new(bytes, config.tiers[3].frames).map_err(|e| failure("T3 store", "a store", e))?;
        device.set_t3_backend(Box::new(Served::new(store)));
    }
    device.configure(Config { deadline: bench.deadline, ..config })?;
    let mut copier = Copier::new(&device)?;
    let keys: Vec<Key> = (0..u64::from(FRAMES)).map(|n| key(4, FIRST_TAG + n)).collect();
    for key in &keys {
        copier.queue.insert(&Insert::new(*key, down[0].0))?;
        copier.put(findings, *key, &noise(key.tag, bytes))?;
    }
    let mut expected = [0; 16];
    for (from, to) in down {
        for key in &keys {
            copier.queue.demote((*key).into(), *to)?;
        }
        arrive(&mut copier, findings, &keys, *to, bytes)?;
        expected[usize::from(4 * from + to)] = (keys.len() * bytes) as u64;
    }
    for key in &keys {
        copier.queue.prefetch((*key).into(), 1)?;
    }
    arrive(&mut copier, findings, &keys, 1, bytes)?;
    expected[usize::from(4 * last + 1)] = (keys.len() * bytes) as u64;
    let counted = device.counters()?.move_bytes;
    for (element, (expected, counted)) in expected.into_iter().zip(counted).enumerate() {
        findings.number(format_args!("CNT_MOVE_BYTES[{element}]"), expected, counted);
    }
    for error in device.take_service_errors() {
        findings.add("service queue", "no errors", error);
    }
    let path: Vec<String> = down.iter().map(|(from, to)| format!("T{from} to T{to}")).collect();
    Ok(format!("{} blocks, {}, T{last} to T1", keys.len(), path.join(", ")))
}

/// After a fence every block is in `tier` with its bytes; those of T3 the device must refuse to copy.
fn arrive(copier: &mut Copier, findings: &mut Findings, keys: &[Key], tier: u8, bytes: usize) -> Result<(), Problem> {
    copier.queue.fence()?;
    for key in keys {
        let found = copier.queue.lookup(*key)?;
        let there = found.placed().is_some_and(|place| place.tier == tier && !place.in_flight);
        findings.fact(format_args!("LOOKUP {}", show_key(key)), &format!("T{tier}"), there, format_args!("{found:?}"));
        if tier != 3 {
            copier.check(findings, *key, &noise(key.tag, bytes))?;
            continue;
        }
        let status = copier.queue.copy_out(*key, &copier.to, 0).err().and_then(|error| error.status());
        let refused = status == Some(Status::NotAddressable);
        findings.fact("COPY of a block in T3", "NotAddressable", refused, format_args!("{status:?}"));
    }
    Ok(())
}
