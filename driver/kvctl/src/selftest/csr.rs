//! The battery over the whole map: what every register holds after reset, keeps, and refuses.
//! `docs/csr.md`.

use kvcpu_mmio::regs::{control, irq, luf, msix, queue};
use kvcpu_mmio::{Access, Bar, Register};

use super::bench::{Bench, Check, Findings, Problem, in_bar0, readable};
use crate::regs::Path;

/// BAD_ACCESS_ADDR.CAUSE: not writable.
const NOT_WRITABLE: u64 = 4;

/// The bits of a register that may be set for a test: its writable ones, but for those that start
/// something.
pub(super) fn harmless(register: &Register) -> u64 {
    let starts = match register.name {
        name if name == control::CTRL.name => u64::MAX,
        name if name == queue::Q_CTRL.name => queue::Q_CTRL::ENABLE.mask(),
        name if name == luf::AGENT_ACK.name => u64::MAX,
        _ => 0,
    };
    register.writable() & !starts
}

fn rw(register: &Register) -> bool {
    in_bar0(register) && register.access == Access::RW
}

/// Set by the geometry; the map gives no value.
fn capability(register: &Register) -> bool {
    let capabilities = [&control::CAP_RTBD, &control::CAP_ENGINES, &control::CAP_T1_KIB];
    capabilities.iter().any(|other| other.name == register.name)
}

/// Both resets give every register its reset value, whatever it held; where there is but the device's own, that one.
pub(super) fn reset_values(bench: &Bench, findings: &mut Findings) -> Check {
    let places = bench.places(|r| in_bar0(r) && readable(r) && !r.volatile && !capability(r))?;
    let mut has_both = true;
    for kind in ["function-level reset", "CTRL.RESET"] {
        scribble(bench)?;
        if kind == "CTRL.RESET" {
            bench.set(&control::CTRL, control::CTRL::RESET.mask())?;
        } else if !bench.reset_function()? {
            has_both = false;
            continue;
        }
        bench.wait(&control::STATUS, &control::STATUS::READY, 1)?;
        for path in &places {
            findings.number(format_args!("{path} after {kind}"), path.register.reset, bench.read(path)?);
        }
    }
    let after =
        if has_both { "each of both resets" } else { "CTRL.RESET; this backing does not offer a function-level reset" };
    Ok(format!("{} registers after {after}", places.len()))
}

/// Puts something else than the reset value wherever that is possible.
fn scribble(bench: &Bench) -> Result<(), Problem> {
    for path in bench.places(rw)? {
        let value = !path.register.reset & harmless(path.register);
        bench.write(&path, value)?;
    }
    // A doorbell of a queue that does not run, a bad access, every interrupt.
    bench.set(&queue::SQ_DOORBELL, 1)?;
    bench.set(&control::MAGIC, 0)?;
    bench.set(&irq::INT_FORCE, irq::INT_FORCE.writable())
}

/// Read-only and read-to-clear registers ignore writes, and count them.
pub(super) fn read_only(bench: &Bench, findings: &mut Findings) -> Check {
    let places = bench.places(|r| in_bar0(r) && matches!(r.access, Access::RO | Access::RC))?;
    bench.bad_accesses()?;
    for path in &places {
        let records = path.register.name.starts_with("BAD_ACCESS");
        let before = if records { 0 } else { bench.read(path)? };
        for half in 0..u32::from(path.register.width / 32) {
            let at = path.offset() + 4 * half;
            let word = (before >> (32 * half)) as u32;
            bench.write32(path.register.bar, at, !word)?;
            bench.expect_bad(findings, (path.register.bar, at), true, NOT_WRITABLE)?;
        }
        if !records && !path.register.volatile {
            findings.number(path, before, bench.read(path)?);
        }
    }
    Ok(format!("{} registers, both halves of wide ones", places.len()))
}

/// Read-write registers keep exactly the bits that their fields cover.
pub(super) fn read_write(bench: &Bench, findings: &mut Findings) -> Check {
    let places = bench.places(rw)?;
    bench.bad_accesses()?;
    for path in &places {
        let register = path.register;
        let (keeps, starts) = (harmless(register), register.writable() & !harmless(register));
        if starts == u64::MAX || keeps == 0 {
            continue;
        }
        let walking = (0..register.width).map(|bit| 1u64 << bit);
        let fixed = [0, u64::MAX, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA];
        for pattern in fixed.into_iter().chain(walking) {
            bench.write(path, pattern & !starts)?;
            findings.number(format_args!("{path} after {pattern:#x}"), pattern & keeps, bench.read(path)?);
        }
        bench.write(path, register.reset)?;
    }
    let (count, _) = bench.bad_accesses()?;
    findings.number("BAD_ACCESS_COUNT after good writes", 0, count);
    Ok(format!("{} registers, every bit", places.len()))
}

/// Each read-write register has storage of its own.
pub(super) fn aliases(bench: &Bench, findings: &mut Findings) -> Check {
    let places = bench.places(|r| rw(r) && harmless(r) != 0)?;
    let own = |number: usize, register: &Register| {
        // Odd multiples of a large odd number: neighbours differ in low and in high bits.
        (number as u64 * 2 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) & harmless(register)
    };
    for (number, path) in places.iter().enumerate() {
        bench.write(path, own(number, path.register))?;
    }
    for (number, path) in places.iter().enumerate() {
        findings.number(path, own(number, path.register), bench.read(path)?);
    }
    Ok(format!("{} registers written with values of their own, then read", places.len()))
}

/// Write-only registers read 0, which is no bad access.
pub(super) fn write_only(bench: &Bench, findings: &mut Findings) -> Check {
    let places = bench.places(|r| in_bar0(r) && r.access == Access::WO)?;
    bench.bad_accesses()?;
    for path in &places {
        findings.number(path, 0, bench.read(path)?);
    }
    let (count, _) = bench.bad_accesses()?;
    findings.number("BAD_ACCESS_COUNT after reads of write-only registers", 0, count);
    Ok(format!("{} registers", places.len()))
}

/// Error and status bits: set by their event, kept by 0, cleared by 1 and only by it.
pub(super) fn write_one_to_clear(bench: &Bench, findings: &mut Findings) -> Check {
    let mut bits = 0;
    let mut check = |path: Path, bit: u64, raise: &dyn Fn() -> Result<(), Problem>| -> Result<(), Problem> {
        bits += 1;
        raise()?;
        for (written, expected) in [(0, bit), (path.register.writable() & !bit, bit), (bit, 0)] {
            bench.write(&path, written)?;
            let found = bench.read(&path)? & bit;
            findings.number(format_args!("{path} bit {bit:#x} after {written:#x} was written"), expected, found);
        }
        Ok(())
    };
    for source in 0..8 {
        let force = || bench.set(&irq::INT_FORCE, 1 << source);
        check(Path::of(&irq::INT_STATUS, 0, 0), 1 << source, &force)?;
    }
    check(Path::of(&control::ERR_STATUS, 0, 0), control::ERR_STATUS::BAD_ACCESS.mask(), &|| {
        bench.set(&control::MAGIC, 0)
    })?;
    for doorbell in bench.places(|r| r.name == queue::SQ_DOORBELL.name)? {
        let errors = Path::of(&queue::Q_ERR, doorbell.instance, 0);
        check(errors, queue::Q_ERR::NOT_RUNNING.mask(), &|| bench.write(&doorbell, 1))?;
        let ctrl = Path::of(&queue::Q_CTRL, doorbell.instance, 0);
        let enable = queue::Q_CTRL::ENABLE.mask();
        check(errors, queue::Q_ERR::BAD_CONFIG.mask(), &|| bench.write(&ctrl, enable))?;
        check(Path::of(&control::ERR_STATUS, 0, 0), control::ERR_STATUS::QUEUE.mask(), &|| bench.write(&doorbell, 1))?;
    }
    let service = &kvcpu_mmio::regs::service::SVC_ERR;
    check(Path::of(service, 0, 0), kvcpu_mmio::regs::service::SVC_ERR::NOT_RUNNING.mask(), &|| {
        bench.set(&kvcpu_mmio::regs::service::SVC_CQ_DOORBELL, 0)
    })?;
    check(Path::of(&control::ERR_STATUS, 0, 0), control::ERR_STATUS::CONFIG.mask(), &|| {
        // No tier has frames.
        bench.set(&control::CTRL, control::CTRL::ENABLE.mask())
    })?;
    Ok(format!("{bits} bits, each raised by its event"))
}

/// BAD_ACCESS_COUNT counts, and reading clears it.
pub(super) fn read_to_clear(bench: &Bench, findings: &mut Findings) -> Check {
    bench.get(&control::BAD_ACCESS_COUNT)?;
    for count in [0u64, 1, 3] {
        for _ in 0..count {
            bench.set(&control::MAGIC, 0)?;
        }
        let found = bench.get(&control::BAD_ACCESS_COUNT)?;
        findings.number(format_args!("BAD_ACCESS_COUNT after {count} bad accesses"), count, found);
        findings.number("BAD_ACCESS_COUNT, read again", 0, bench.get(&control::BAD_ACCESS_COUNT)?);
    }
    Ok("counts 0, 1 and 3, then 0".into())
}

/// The MSI-X table keeps what is written, vector by vector, while all of it is masked; the pending
/// bits are read-only.
pub(super) fn msix(bench: &Bench, findings: &mut Findings) -> Check {
    let places = bench.places(|r| r.bar == Bar::Msix && r.name != msix::MSIX_CONTROL.name)?;
    let masks = bench.places(|r| r.name == msix::MSIX_CONTROL.name)?;
    let mut before = Vec::new();
    for path in places.iter().chain(&masks) {
        before.push((*path, bench.read(path)?));
    }
    for path in &masks {
        bench.write(path, u64::from(u32::MAX))?;
        findings.number(path, msix::MSIX_CONTROL.writable(), bench.read(path)?);
    }
    let own = |number: usize| (number as u64 * 2 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for (number, path) in places.iter().enumerate() {
        bench.write(path, own(number) & path.register.writable())?;
    }
    for (number, path) in places.iter().enumerate() {
        findings.number(path, own(number) & path.register.writable(), bench.read(path)?);
    }
    bench.bad_accesses()?;
    bench.write32(Bar::Msix, msix::PBA_OFFSET, u32::MAX)?;
    // Counted only if the device sees accesses to BAR4, which an endpoint in front of it may answer by itself.
    let seen = bench.bad_accesses()?;
    if seen.0 != 0 {
        Bench::judge_bad(findings, seen, (Bar::Msix, msix::PBA_OFFSET), true, NOT_WRITABLE);
    }
    findings.number("pending bits", 0, bench.read32(Bar::Msix, msix::PBA_OFFSET)?);
    for (path, value) in before {
        bench.write(&path, value)?;
    }
    Ok(format!("{} vectors while masked", masks.len()))
}
