//! Lazy invalidation: batches, acknowledgements, and no frame reused too early. `docs/luf.md`.

use kvcpu_driver::{Commands, Config, Insert, TierConfig, sqe};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
use kvcpu_mmio::regs::{control, luf};

use super::bench::{Bench, Check, Findings, Problem, key};
use crate::regs::Path;

/// Blocks that fit, frames for the quarantine, and blocks inserted.
const LIMIT: u32 = 8;
const ROOM: u32 = 8;
const BLOCKS: u64 = 64;
/// STATUS.BLOCKED_ON: an invalidation.
const INVALIDATION: u64 = 2;

fn config(bench: &Bench) -> Result<Config, Problem> {
    let t1 = TierConfig::blocks(LIMIT).quarantine(ROOM);
    let config = bench.config([TierConfig::OFF, t1, TierConfig::OFF, TierConfig::OFF])?;
    Ok(Config { agents: 1, luf_check: true, ..config })
}

fn block(tag: u64) -> Insert {
    Insert { flags: EntryFlags::READ_ONLY, ..Insert::new(key(5, tag), 1) }
}

/// Evictions of read-only blocks share invalidations; without LAZY each sends its own.
pub(super) fn lazy(bench: &Bench, findings: &mut Findings) -> Check {
    let device = bench.configured(config(bench)?)?;
    let mut commands = device.single_shot();
    let mut quarantined = 0;
    for tag in 0..BLOCKS {
        commands.insert(&block(tag))?;
        quarantined = quarantined.max(device.occupancy()?.tiers[1].quarantined);
    }
    let counters = device.counters()?;
    let evicted = BLOCKS - u64::from(LIMIT);
    findings.number("CNT_SHOOTDOWNS_NEEDED", evicted, counters.shootdowns_needed);
    let most = evicted / u64::from(ROOM) + 1;
    let sent = counters.shootdowns_sent;
    findings.fact("CNT_SHOOTDOWNS_SENT", &format!("1 to {most}"), (1..=most).contains(&sent), sent);
    findings.fact("TIER_QUARANTINED@1", "frames waiting at some moment", quarantined > 0, quarantined);
    device.write(&luf::LUF_CTRL, luf::LUF_CTRL::CHECK.mask())?;
    let before = device.counters()?;
    for tag in BLOCKS..2 * BLOCKS {
        commands.insert(&block(tag))?;
    }
    let eager = device.counters()?.delta(&before);
    findings.number("CNT_SHOOTDOWNS_NEEDED, eager", BLOCKS, eager.shootdowns_needed);
    findings.number("CNT_SHOOTDOWNS_SENT, eager", BLOCKS, eager.shootdowns_sent);
    findings.number("LUF_VIOLATIONS", 0, device.read(&luf::LUF_VIOLATIONS)?);
    let error = control::ERR_STATUS::LUF.get(device.read(&control::ERR_STATUS)?);
    findings.number("ERR_STATUS.LUF", 0, error);
    Ok(format!("{evicted} evictions in {sent} invalidations, then {BLOCKS} eager ones; no early reuse"))
}

/// A command that needs a frame waits until every agent has acknowledged.
pub(super) fn acknowledge(bench: &Bench, findings: &mut Findings) -> Check {
    // Nobody acknowledges but this test.
    let device = bench.configured(Config { driver_agents: 0, ..config(bench)? })?;
    let ack = Path::of(&luf::AGENT_ACK, 0, 0);
    bench.bad_accesses()?;
    bench.write(&ack, 1)?;
    bench.expect_bad(findings, (ack.register.bar, ack.offset()), true, 4)?;
    // The first frame that is wanted back is wanted by the insert after LIMIT + ROOM.
    for tag in 0..u64::from(LIMIT + ROOM) {
        bench.start(&sqe::insert(&block(tag)))?;
        let status = bench.end()?.status;
        findings.number(format_args!("status of INSERT {tag}"), 0, status);
    }
    bench.start(&sqe::insert(&block(BLOCKS)))?;
    bench.wait(&control::STATUS, &control::STATUS::BLOCKED_ON, INVALIDATION)?;
    let epoch = bench.get(&luf::INV_EPOCH)?;
    findings.number("INV_EPOCH", 1, epoch);
    bench.write(&ack, epoch)?;
    let status = bench.end()?.status;
    findings.number("status of the INSERT that waited", 0, status);
    findings.number("LUF_VIOLATIONS", 0, device.read(&luf::LUF_VIOLATIONS)?);
    Ok("an INSERT waited for AGENT_ACK and went on; an acknowledgement ahead of INV_EPOCH was refused".into())
}
