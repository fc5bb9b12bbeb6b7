//! Interrupts: each vector, the masks, and one that a completion causes. `docs/queue.md`.

use std::time::Duration;

use kvcpu_driver::{Commands, Device, Source};
use kvcpu_mmio::Bar;
use kvcpu_mmio::regs::{irq, msix};

use super::bench::{Bench, Check, Findings, Problem};
use super::ring;
use crate::regs::Path;

/// How long an interrupt that must not come is waited for.
const QUIET: Duration = Duration::from_millis(10);

const SOURCES: [Source; 9] = [
    Source::Queue(0),
    Source::Queue(1),
    Source::Queue(2),
    Source::Queue(3),
    Source::Service,
    Source::Error,
    Source::Command,
    Source::Invalidate,
    Source::Management,
];

fn name(source: Source) -> String {
    format!("MSI-X vector {} ({source:?})", source.vector())
}

/// Drops what came before, so that the next signal is the one that was asked for.
fn settle(device: &Device, source: Source) -> Result<(), Problem> {
    device.clear_interrupt(source)?;
    device.wait_interrupt(source, Duration::ZERO)?;
    Ok(())
}

/// INT_FORCE of each source signals its vector's eventfd, and no other.
pub(super) fn force(bench: &Bench, findings: &mut Findings) -> Check {
    let device = bench.probe()?;
    device.enable_interrupts(&SOURCES)?;
    for source in SOURCES {
        settle(&device, source)?;
    }
    for source in SOURCES {
        device.force_interrupt(source)?;
        let status = device.read(&irq::INT_STATUS)? & source.bit();
        findings.number(format_args!("INT_STATUS bit {}", source.vector()), source.bit(), status);
        let came = device.wait_interrupt(source, bench.deadline)?;
        findings.fact(name(source), "a signal", came, format_args!("none within {:?}", bench.deadline));
        for other in SOURCES.into_iter().filter(|other| *other != source) {
            let stray = device.wait_interrupt(other, Duration::ZERO)?;
            findings.fact(name(other), "no signal for another source", !stray, "one");
        }
        let status = device.read(&irq::INT_STATUS)? & source.bit();
        findings.number(format_args!("INT_STATUS bit {}, cleared", source.vector()), 0, status);
        if !came {
            break;
        }
    }
    Ok(format!("{} sources, forced one by one", SOURCES.len()))
}

/// Nothing comes from a source that is disabled or masked; it comes when that ends.
pub(super) fn mask(bench: &Bench, findings: &mut Findings) -> Check {
    let device = bench.probe()?;
    for source in SOURCES {
        device.enable_interrupts(&[source])?;
        settle(&device, source)?;
        let quiet = |why: &str, findings: &mut Findings| -> Result<(), Problem> {
            let came = device.wait_interrupt(source, QUIET)?;
            findings.fact(name(source), &format!("no signal while {why}"), !came, "one");
            Ok(())
        };
        device.disable_interrupts(&[source])?;
        device.force_interrupt(source)?;
        quiet("disabled", findings)?;
        device.force_interrupt(source)?;
        device.enable_interrupts(&[source])?;
        let came = device.wait_interrupt(source, bench.deadline)?;
        findings.fact(name(source), "a signal when enabled with its status set", came, "none");
        let control = Path::of(&msix::MSIX_CONTROL, source.vector().into(), 0);
        bench.write(&control, msix::MSIX_CONTROL::MASKED.mask())?;
        device.force_interrupt(source)?;
        let pending = bench.read32(Bar::Msix, msix::PBA_OFFSET)? >> source.vector() & 1;
        findings.number(format_args!("pending bit {} while masked", source.vector()), 1, pending);
        quiet("masked", findings)?;
        bench.write(&control, 0)?;
        let came = device.wait_interrupt(source, bench.deadline)?;
        findings.fact(name(source), "a signal when unmasked", came, "none");
        let pending = bench.read32(Bar::Msix, msix::PBA_OFFSET)? >> source.vector() & 1;
        findings.number(format_args!("pending bit {} after it was sent", source.vector()), 0, pending);
        device.disable_interrupts(&[source])?;
        if !came {
            break;
        }
    }
    Ok(format!("{} sources, INT_ENABLE and the MSI-X mask", SOURCES.len()))
}

/// A completion on a ring, and a single-shot command, interrupt.
pub(super) fn completion(bench: &Bench, findings: &mut Findings) -> Check {
    let device = ring::device(bench)?;
    let queues = device.geometry().queues;
    for qid in 0..queues {
        let source = Source::Queue(qid as u16);
        device.enable_interrupts(&[source])?;
        let mut hand = ring::Hand::start(bench, &device, qid)?;
        settle(&device, source)?;
        hand.submit(1)?;
        let came = device.wait_interrupt(source, bench.deadline)?;
        findings.fact(name(source), "a signal for a completion", came, "none");
        hand.take(findings)?;
        hand.stop()?;
    }
    device.enable_interrupts(&[Source::Command])?;
    settle(&device, Source::Command)?;
    device.single_shot().nop()?;
    let came = device.wait_interrupt(Source::Command, bench.deadline)?;
    findings.fact(name(Source::Command), "a signal for a single-shot command", came, "none");
    Ok(format!("{queues} queues and the single-shot path"))
}
