//! Accesses that are not plain: gaps, unaligned, wide, and locked while enabled. `docs/csr.md`.

use kvcpu_driver::{DriverError, TierConfig};
use kvcpu_mmio::geometry::{ENTRY_BYTES, MAX_ENTRIES};
use kvcpu_mmio::map::{BAR0_BYTES, by_offset};
use kvcpu_mmio::regs::{control, dma, hepc, luf, queue, rtbd, service, tier};
use kvcpu_mmio::{Access, Backing, BackingError, Bar, Register};

use super::bench::{Bench, Check, Findings, Problem, in_bar0};
use crate::regs::{self, Path};

const UNALIGNED: u64 = 1;
const UNKNOWN: u64 = 3;
const LOCKED: u64 = 5;

/// Everything the map leaves out, and what the geometry leaves out, reads 0, ignores writes, counts.
pub(super) fn gaps(bench: &Bench, findings: &mut Findings) -> Check {
    let geometry = *bench.probe()?.geometry();
    let gap = |offset: &u32| match by_offset(Bar::Regs, *offset) {
        None => true,
        Some(at) => !regs::exists(&geometry, &Path::of(at.register, at.instance, at.element)),
    };
    let beyond = [geometry.entries(), MAX_ENTRIES - 1].map(|index| (Bar::Rtbd, index * ENTRY_BYTES));
    // A BAR2 of no more than the directory has nothing there to be read.
    let inside =
        |place: &(Bar, u32)| !matches!(bench.backing.read32(place.0, place.1), Err(BackingError::BadAccess { .. }));
    let beyond = beyond.into_iter().filter(|_| geometry.entries() < MAX_ENTRIES);
    let beyond: Vec<_> = beyond.filter(inside).collect();
    let step = if bench.quick { 13 } else { 1 };
    let places = (0..BAR0_BYTES).step_by(4).filter(gap).step_by(step).map(|offset| (Bar::Regs, offset));
    let mut count = 0;
    bench.bad_accesses()?;
    for (bar, offset) in places.chain(beyond) {
        count += 1;
        let name = format!("gap at BAR{}+{offset:#x}", bar.index());
        findings.number(&name, 0, bench.read32(bar, offset)?);
        bench.expect_bad(findings, (bar, offset), false, UNKNOWN)?;
        bench.write32(bar, offset, u32::MAX)?;
        bench.expect_bad(findings, (bar, offset), true, UNKNOWN)?;
        findings.number(&name, 0, bench.read32(bar, offset)?);
        bench.bad_accesses()?;
        if findings.full() {
            break;
        }
    }
    Ok(format!("{count} words"))
}

/// Unaligned accesses read 0, change nothing, count; a wide one that fails counts once.
pub(super) fn unaligned(bench: &Bench, findings: &mut Findings) -> Check {
    let refused = |error: BackingError| match error {
        BackingError::BadAccess { reason, .. } => {
            Problem::NotAvailable(format!("the transport refuses unaligned accesses itself: {reason}"))
        }
        other => other.into(),
    };
    let at = control::SCRATCH.offset;
    let backing: &dyn Backing = &*bench.backing;
    bench.set(&control::SCRATCH, 0x1234_5678)?;
    bench.bad_accesses()?;
    for offset in at + 1..at + 4 {
        findings.number("unaligned read", 0, backing.read32(Bar::Regs, offset).map_err(refused)?);
        bench.expect_bad(findings, (Bar::Regs, offset), false, UNALIGNED)?;
        backing.write32(Bar::Regs, offset, u32::MAX).map_err(refused)?;
        bench.expect_bad(findings, (Bar::Regs, offset), true, UNALIGNED)?;
    }
    findings.number("wide read at 4", 0, backing.read64(Bar::Regs, 4).map_err(refused)?);
    bench.expect_bad(findings, (Bar::Regs, 4), false, UNALIGNED)?;
    backing.write64(Bar::Regs, at, u64::MAX).map_err(refused)?;
    bench.expect_bad(findings, (Bar::Regs, at), true, UNALIGNED)?;
    findings.number("SCRATCH after all that", 0x1234_5678, bench.get(&control::SCRATCH)?);
    // 0x2000 to 0x2FFF are reserved.
    findings.number("wide read of a gap", 0, backing.read64(Bar::Regs, 0x2000)?);
    bench.expect_bad(findings, (Bar::Regs, 0x2000), false, UNKNOWN)?;
    Ok("4-byte and 8-byte accesses off their boundaries".into())
}

/// 8-byte accesses take two registers at once, and halves of 64-bit registers cannot tear.
pub(super) fn wide(bench: &Bench, findings: &mut Findings) -> Check {
    let both = bench.backing.read64(Bar::Regs, control::MAGIC.offset)?;
    findings.number("MAGIC and MAP_VERSION", control::MAP_VERSION.reset << 32 | control::MAGIC.reset, both);
    bench.backing.write64(Bar::Regs, tier::TIER_HIGH.offset, 7 << 32 | 9)?;
    findings.number("TIER_HIGH of a wide write", 9, bench.get(&tier::TIER_HIGH)?);
    findings.number("TIER_LOW of a wide write", 7, bench.get(&tier::TIER_LOW)?);
    let places = bench.places(|r| in_bar0(r) && r.width == 64 && r.access == Access::RW)?;
    for path in &places {
        tearing(bench, path, findings)?;
    }
    Ok(format!("two registers at once; {} wide registers by halves", places.len()))
}

fn tearing(bench: &Bench, path: &Path, findings: &mut Findings) -> Result<(), Problem> {
    const A: u64 = 0x0123_4567_89AB_CDEF;
    const B: u64 = 0xFEDC_BA98_7654_3210;
    let (bar, low, high) = (path.register.bar, path.offset(), path.offset() + 4);
    let mut number = |what: &str, expected: u64, found: u64| {
        findings.number(format_args!("{path}: {what}"), expected, found);
    };
    bench.write(path, A)?;
    number("wide write, low half", A & 0xFFFF_FFFF, bench.read32(bar, low)?.into());
    number("wide write, high half", A >> 32, bench.read32(bar, high)?.into());
    bench.write32(bar, low, B as u32)?;
    number("low half written alone is held", A, bench.read(path)?);
    bench.write32(bar, high, (B >> 32) as u32)?;
    number("high half commits both", B, bench.read(path)?);
    bench.write32(bar, high, (A >> 32) as u32)?;
    let mixed = A & !0xFFFF_FFFF | B & 0xFFFF_FFFF;
    number("high half without low keeps low", mixed, bench.read(path)?);
    bench.read32(bar, low)?;
    bench.write(path, B)?;
    number("high half latched by reading low", A >> 32, bench.read32(bar, high)?.into());
    number("latch used once", B >> 32, bench.read32(bar, high)?.into());
    bench.write(path, path.register.reset)
}

/// What may not change while the device, or its queue, is enabled.
const DEVICE_LOCKED: [&Register; 13] = [
    &tier::TIER_FRAMES,
    &tier::TIER_LIMIT,
    &tier::TIER_BASE,
    &dma::BLOCK_SHIFT,
    &dma::DMA_CTRL,
    &luf::AGENT_MASK,
    &rtbd::RTBD_CTRL,
    &service::SVC_SQ_BASE,
    &service::SVC_CQ_BASE,
    &service::SVC_STAGE_BASE,
    &service::SVC_STAGE_SLOTS,
    &service::SVC_SIZE,
    &service::SVC_CTRL,
];
const QUEUE_LOCKED: [&Register; 3] = [&queue::SQ_BASE, &queue::CQ_BASE, &queue::Q_SIZE];
/// What always may.
const FREE: [&Register; 9] = [
    &tier::TIER_HIGH,
    &tier::TIER_LOW,
    &tier::TIER_LOOKAHEAD,
    &hepc::WEIGHTS,
    &hepc::RECENCY_SHIFT,
    &hepc::EVICT_THRESH,
    &hepc::LIST_SELECT,
    &luf::LUF_CTRL,
    &control::SCRATCH,
];

/// Configuration is locked while enabled, and only that. Without memory for its rings there is no queue to be enabled.
pub(super) fn locked(bench: &Bench, findings: &mut Findings) -> Check {
    let config = bench.config([TierConfig::OFF, TierConfig::blocks(8), TierConfig::OFF, TierConfig::OFF])?;
    let device = bench.configured(config)?;
    let queue = match device.queue_pair(0) {
        Err(DriverError::Backing(BackingError::Unsupported(_))) => None,
        other => Some(other?),
    };
    let among = |set: &[&Register], r: &Register| set.iter().any(|other| other.name == r.name);
    bench.bad_accesses()?;
    let places = bench.places(|r| among(&DEVICE_LOCKED, r) || among(&QUEUE_LOCKED, r) || among(&FREE, r))?;
    for path in &places {
        let register = path.register;
        let in_use = queue.is_some() && path.instance == 0;
        let locked = among(&DEVICE_LOCKED, register) || among(&QUEUE_LOCKED, register) && in_use;
        let old = bench.read(path)?;
        let new = old ^ 1;
        bench.write(path, new)?;
        if locked {
            let (count, last) = bench.bad_accesses()?;
            let name = format!("BAD_ACCESS_ADDR.CAUSE after a write to {path}");
            findings.number(name, LOCKED, if count == 1 { last.cause } else { 0 });
            findings.number(path, old, bench.read(path)?);
        } else {
            findings.number(path, new, bench.read(path)?);
        }
        bench.write(path, old)?;
        bench.bad_accesses()?;
    }
    let entry = (Bar::Rtbd, 0);
    bench.write32(entry.0, entry.1, u32::MAX)?;
    bench.expect_bad(findings, entry, true, LOCKED)?;
    findings.number("ENTRY_TAG_LO@0", 0, bench.read32(entry.0, entry.1)?);
    let enabled = match queue {
        Some(_) => "the device and queue 0 are enabled",
        None => "the device is enabled; no queue can be, as its rings need DMA memory",
    };
    Ok(format!("{} registers while {enabled}", places.len()))
}
