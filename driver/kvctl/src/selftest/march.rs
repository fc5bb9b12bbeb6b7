//! The directory's memory: a march test over BAR2 in maintenance mode.
//!
//! March C- (van de Goor, "Using March Tests to Test SRAMs", 1993) finds stuck bits, transition faults,
//! address decoder faults and most coupling faults: up(w0); up(r0,w1); up(r1,w0); down(r0,w1);
//! down(r1,w0); up(r0). It is run with two backgrounds, so that neighbouring bits differ once.

use kvcpu_mmio::Bar;
use kvcpu_mmio::geometry::ENTRY_BYTES;
use kvcpu_mmio::regs::{control, rtbd};

use super::bench::{Bench, Check, Findings, Problem};

/// CONFIG_ERR: the directory is in maintenance mode.
const MAINTENANCE: u64 = 9;

/// The whole of BAR2.
pub(super) fn march(bench: &Bench, findings: &mut Findings) -> Check {
    let entries = bench.probe()?.geometry().entries();
    bench.set(&rtbd::RTBD_CTRL, rtbd::RTBD_CTRL::MAINT.mask())?;
    bench.bad_accesses()?;
    let words: Vec<u32> = (0..entries)
        .filter(|index| !bench.quick || index % 256 == 0 || index.is_power_of_two() || index + 1 == entries)
        .flat_map(|index| (0..ENTRY_BYTES).step_by(4).map(move |byte| index * ENTRY_BYTES + byte))
        .collect();
    for background in [0, 0x5555_5555] {
        elements(bench, &words, background, findings)?;
    }
    let (count, _) = bench.bad_accesses()?;
    findings.number("BAD_ACCESS_COUNT during the march", 0, count);
    bench.set(&control::CTRL, control::CTRL::ENABLE.mask())?;
    findings.number("CTRL in maintenance mode", 0, bench.get(&control::CTRL)?);
    let cause = bench.get(&control::CONFIG_ERR)?;
    // No tier has frames either, and BLOCK_SHIFT's reset value is too great for a small geometry; which is named is the device's choice.
    findings.fact("CONFIG_ERR", "1, 6 or 9", cause == MAINTENANCE || cause == 6 || cause == 1, cause);
    bench.write32(Bar::Rtbd, words[0], u32::MAX)?;
    bench.set(&rtbd::RTBD_CTRL, 0)?;
    for offset in [words[0], words[words.len() - 1]] {
        findings.number(name(offset, "after maintenance"), 0, bench.read32(Bar::Rtbd, offset)?);
    }
    findings.number("RTBD_USED after maintenance", 0, bench.get(&rtbd::RTBD_USED)?);
    Ok(format!("{} words, March C- with two backgrounds", words.len()))
}

fn elements(bench: &Bench, words: &[u32], zero: u32, findings: &mut Findings) -> Result<(), Problem> {
    let one = !zero;
    let mut visit = |offset: u32, read: Option<u32>, write: Option<u32>| -> Result<(), Problem> {
        if let Some(expected) = read {
            let found = bench.read32(Bar::Rtbd, offset)?;
            if found != expected {
                findings.number(name(offset, "march"), expected, found);
            }
        }
        match write {
            Some(value) => bench.write32(Bar::Rtbd, offset, value),
            None => Ok(()),
        }
    };
    for (read, write) in [(None, Some(zero)), (Some(zero), Some(one)), (Some(one), Some(zero))] {
        words.iter().try_for_each(|&offset| visit(offset, read, write))?;
    }
    for (read, write) in [(Some(zero), Some(one)), (Some(one), Some(zero))] {
        words.iter().rev().try_for_each(|&offset| visit(offset, read, write))?;
    }
    words.iter().try_for_each(|&offset| visit(offset, Some(zero), None))
}

fn name(offset: u32, when: &str) -> String {
    format!("BAR2+{offset:#x} (entry {}, word {}) {when}", offset / ENTRY_BYTES, offset % ENTRY_BYTES / 4)
}
