//! Is there a KV-CPU at all, and do its data lines carry all values?

use kvcpu_mmio::Bar;
use kvcpu_mmio::geometry::{ENTRY_BYTES, TIERS};
use kvcpu_mmio::regs::control::{self, CAP_ENGINES, MAP_VERSION, STATUS};

use super::bench::{Bench, Check, Findings};

/// MAGIC, version, capabilities, readiness, and that BAR2 is as long as the geometry says.
pub(super) fn identity(bench: &Bench, findings: &mut Findings) -> Check {
    findings.number("MAGIC", control::MAGIC_VALUE.into(), bench.get(&control::MAGIC)?);
    let version = bench.get(&control::MAP_VERSION)?;
    findings.number("MAP_VERSION.MAJOR", control::MAP_MAJOR.into(), MAP_VERSION::MAJOR.get(version));
    let engines = bench.get(&control::CAP_ENGINES)?;
    findings.number("CAP_ENGINES.TIERS", TIERS as u64, CAP_ENGINES::TIERS.get(engines));
    findings.number("CAP_ENGINES.DMA_CHANNELS", 2, CAP_ENGINES::DMA_CHANNELS.get(engines));
    findings.number("STATUS.READY", 1, STATUS::READY.get(bench.get(&control::STATUS)?));
    let timebase = bench.get(&control::TIMEBASE_HZ)?;
    findings.fact("TIMEBASE_HZ", "a frequency", timebase != 0 && timebase != u64::from(u32::MAX), timebase);
    let again = bench.get(&control::MAGIC)?;
    findings.number("MAGIC, read again", control::MAGIC_VALUE.into(), again);
    let device = bench.probe()?;
    let geometry = *device.geometry();
    bench.bad_accesses()?;
    bench.read32(Bar::Rtbd, (geometry.entries() - 1) * ENTRY_BYTES)?;
    let (count, _) = bench.bad_accesses()?;
    findings.number("BAD_ACCESS_COUNT after a read of the last RTBD entry", 0, count);
    Ok(format!(
        "map {}.{}, build {:#x}, {} entries, {} lanes, {} queues, {} agents, {} KiB of T1",
        device.identity().map_major,
        device.identity().map_minor,
        device.identity().build_id,
        geometry.entries(),
        geometry.lanes,
        geometry.queues,
        geometry.agents,
        geometry.t1_kib,
    ))
}

/// SCRATCH keeps walking ones, walking zeros, and what it held while other registers are read.
pub(super) fn scratch(bench: &Bench, findings: &mut Findings) -> Check {
    let walking = (0..32).map(|bit| 1u64 << bit);
    let inverted = (0..32).map(|bit| u64::from(!(1u32 << bit)));
    let fixed = [0, 0xFFFF_FFFF, 0x5555_5555, 0xAAAA_AAAA, 0xDEAD_BEEF];
    let patterns: Vec<u64> = walking.chain(inverted).chain(fixed).collect();
    for &pattern in &patterns {
        bench.set(&control::SCRATCH, pattern)?;
        findings.number("SCRATCH", pattern, bench.get(&control::SCRATCH)?);
        // A bus that floats gives back what it last carried; this is something else.
        findings.number("MAGIC", control::MAGIC_VALUE.into(), bench.get(&control::MAGIC)?);
        findings.number("SCRATCH, read again", pattern, bench.get(&control::SCRATCH)?);
    }
    bench.set(&control::SCRATCH, 0)?;
    Ok(format!("{} patterns, every data line both ways", patterns.len()))
}
