//! The directory as software sees it: fill it, find everything, overfill it, empty it. No bytes move.

use std::collections::HashSet;

use kvcpu_driver::{Commands, Config, Device, Insert, Lookup, SingleShot, Target, TierConfig};
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_mmio::regs::rtbd;

use super::bench::{Bench, Check, Findings, Problem, key};
use crate::cli::parse::show_key;

/// Requests the blocks are spread over.
const REQUESTS: u64 = 16;
/// Load that must be reached before an insert may fail: `docs/rtbd.md`.
const LOAD_PCT: u32 = 95;

fn name(number: u32) -> Key {
    let number = u64::from(number);
    // Spread over requests, with tags as a runtime makes them: small numbers, and hashes.
    let tag = if number.is_multiple_of(2) { number } else { number.wrapping_mul(0x9E37_79B9_7F4A_7C15) };
    key(1 + (number % REQUESTS) as u16, tag)
}

fn start(bench: &Bench, t1: u32, t2: u32) -> Result<(Device, SingleShot), Problem> {
    let tiers = [TierConfig::OFF, TierConfig::blocks(t1), TierConfig::blocks(t2), TierConfig::OFF];
    let config = bench.config(tiers)?;
    let block_shift = config.block_shift.min(12);
    let device = bench.configured(Config { metadata_only: true, block_shift, ..config })?;
    let commands = device.single_shot();
    Ok((device, commands))
}

/// Insert up to the promised load, look everything up, release request by request.
pub(super) fn directory(bench: &Bench, findings: &mut Findings) -> Check {
    let entries = bench.probe()?.geometry().entries();
    let full = (u64::from(entries) * u64::from(LOAD_PCT)).div_ceil(100) as u32;
    let count = if bench.quick { full.min(2000) } else { full };
    let (device, mut commands) = start(bench, 0, count)?;
    let mut frames = HashSet::new();
    for number in 0..count {
        let placement = commands.insert(&Insert::new(name(number), 2))?;
        if !frames.insert(placement.frame) || placement.tier != 2 || placement.existed {
            findings.add(
                format_args!("INSERT {}", show_key(&name(number))),
                "a frame of its own in T2",
                format_args!("{placement:?}"),
            );
        }
    }
    findings.number("RTBD_USED, filled", u64::from(count), device.read(&rtbd::RTBD_USED)?);
    for number in 0..count {
        let found = commands.lookup(name(number))?;
        if found.placed().is_none_or(|place| place.tier != 2) {
            findings.add(format_args!("LOOKUP {}", show_key(&name(number))), "T2", format_args!("{found:?}"));
        }
    }
    let again = commands.insert(&Insert::new(name(0), 2))?;
    findings.fact("INSERT of a block that is there", "EXISTED", again.existed, format_args!("{again:?}"));
    for stranger in [Key { tenant: 1, ..name(0) }, name(count + 1), Key { request: 0, ..name(2) }] {
        let found = commands.lookup(stranger)?;
        findings.fact(
            format_args!("LOOKUP {}", show_key(&stranger)),
            "a miss",
            found == Lookup::Miss,
            format_args!("{found:?}"),
        );
    }
    let mut released = 0;
    for request in 1..=REQUESTS as u16 {
        released += commands.release(Target::Request(key(0, 0).tenant, request))?.blocks;
    }
    findings.number("blocks released", count, released);
    findings.number("RTBD_USED, emptied", 0, device.read(&rtbd::RTBD_USED)?);
    findings.number("RTBD_GHOSTS, emptied", 0, device.read(&rtbd::RTBD_GHOSTS)?);
    let occupancy = device.occupancy()?;
    findings.number("TIER_USED@2, emptied", 0, occupancy.tiers[2].used);
    findings.number("TIER_FREE@2, emptied", count, occupancy.tiers[2].free);
    let load = 100 * u64::from(count) / u64::from(entries);
    Ok(format!("{count} blocks ({load}% of the entries) inserted, found, released"))
}

/// Beyond its capacity the directory says so, and loses nothing.
pub(super) fn directory_full(bench: &Bench, findings: &mut Findings) -> Check {
    let geometry = *bench.probe()?.geometry();
    let entries = geometry.entries();
    if bench.quick && entries > 2048 {
        return Err(Problem::NotAvailable("left out by --quick".into()));
    }
    let (device, mut commands) = start(bench, entries, entries)?;
    let mut held = 0;
    for number in 0..2 * entries {
        match commands.insert(&Insert::new(name(number), 1 + (number % 2) as u8)) {
            Ok(_) => held += 1,
            Err(error) if error.status() == Some(Status::DirectoryFull) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let promised = u64::from(entries) * u64::from(LOAD_PCT) / 100;
    findings.fact("blocks before DIRECTORY_FULL", &format!("at least {promised}"), u64::from(held) >= promised, held);
    findings.fact(
        "blocks before DIRECTORY_FULL",
        &format!("at most {}", geometry.slots()),
        held <= geometry.slots(),
        held,
    );
    findings.number("RTBD_USED", u64::from(held), device.read(&rtbd::RTBD_USED)?);
    for number in 0..held {
        let found = commands.lookup(name(number))?;
        if found.placed().is_none() {
            findings.add(format_args!("LOOKUP {}", show_key(&name(number))), "the block", format_args!("{found:?}"));
        }
    }
    findings.number("CNT_DIRECTORY_FULL", 1, device.counters()?.directory_full);
    Ok(format!("{held} blocks, then DIRECTORY_FULL, all of them still there"))
}
