//! The selftest must fail where something is broken: for every row there is a fault that only a working
//! check sees, injected around the emulator or into its bus.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kvcpu_driver::decorator::{FaultPlan, Faulty};
use kvcpu_emulator::{BusFault, Emulator, HostBus, HostMemory};
use kvcpu_mmio::map::by_name;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry, Register};
use kvctl::selftest::{Options, Report, Verdict, names, run};
use rustix::event::{EventfdFlags, eventfd};

/// One thing that is wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A bit of a register, or at an offset, reads as this.
    Stuck(&'static str, u64, bool),
    StuckAt(Bar, u32, u64, bool),
    /// Writes to a register are lost.
    Deaf(&'static str),
    /// Writes of a register that have this bit are lost.
    DeafTo(&'static str, u64),
    /// A register reads what was written to it, whatever the device thinks.
    Shadow(&'static str),
    /// Instance 1 of a register is instance 0.
    Alias(&'static str),
    /// Reads give this where there is nothing.
    Floating,
    /// The low bits of an address are not looked at.
    Aligned,
    /// The halves of an 8-byte access are exchanged.
    Swapped,
    /// Eventfds that nobody signals; or none at all.
    NoSignals,
    NoEventfds,
    /// The backing does not do what it is told.
    NoReset,
    /// There is no function-level reset.
    NoFunctionReset,
    NoBusMasterOff,
    NoUnmap,
    /// On the bus: a bit of every block that is written flips, and flips back when it is read; or the
    /// phase of completions is wrong.
    BadWrite,
    BadPhase,
}

struct Broken {
    fault: Fault,
    inner: Emulator,
    shadow: Mutex<Option<u64>>,
    silent: OwnedFd,
}

fn broken(fault: Fault) -> Arc<dyn Backing> {
    let inner = Emulator::with_bus(Geometry::TEST, |memory| match fault {
        Fault::BadWrite | Fault::BadPhase => Box::new(BrokenBus { fault, memory }),
        _ => Box::new(memory),
    });
    let silent = eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
    Arc::new(Broken { fault, inner: inner.expect("a geometry"), shadow: Mutex::new(None), silent })
}

fn register(name: &str) -> &'static Register {
    by_name(name).unwrap_or_else(|| panic!("no register {name}"))
}

fn at(name: &str, bar: Bar, offset: u32) -> bool {
    let register = register(name);
    let (first, end) = (register.offset, register.offset + register.bytes() * register.elements);
    let in_block =
        (0..register.instances).any(|n| (first + n * register.stride..end + n * register.stride).contains(&offset));
    register.bar == bar && in_block
}

impl Broken {
    fn spoil(&self, bar: Bar, offset: u32, value: u64) -> u64 {
        match self.fault {
            Fault::Stuck(name, bit, on) if at(name, bar, offset) => {
                if on {
                    value | bit
                } else {
                    value & !bit
                }
            }
            Fault::StuckAt(of, wrong, bit, on) if bar == of && offset == wrong => {
                if on {
                    value | bit
                } else {
                    value & !bit
                }
            }
            Fault::Shadow(name) if at(name, bar, offset) => self.shadow.lock().expect("whole").unwrap_or(value),
            Fault::Floating if bar == Bar::Regs && kvcpu_mmio::map::by_offset(bar, offset & !3).is_none() => u64::MAX,
            _ => value,
        }
    }

    /// Where a write goes, if anywhere.
    fn write_to(&self, bar: Bar, offset: u32, value: u64) -> Option<u32> {
        match self.fault {
            Fault::Deaf(name) if at(name, bar, offset) => None,
            Fault::DeafTo(name, bit) if at(name, bar, offset) && value & bit != 0 => None,
            Fault::Shadow(name) if at(name, bar, offset) => {
                *self.shadow.lock().expect("whole") = Some(value);
                Some(offset)
            }
            Fault::Alias(name) if offset == register(name).at(1) => Some(register(name).at(0)),
            Fault::Aligned => Some(offset & !3),
            _ => Some(offset),
        }
    }
}

impl Backing for Broken {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        let to = if matches!(self.fault, Fault::Aligned) { offset & !3 } else { offset };
        Ok(self.spoil(bar, offset, self.inner.read32(bar, to)?.into()) as u32)
    }
    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        match self.write_to(bar, offset, value.into()) {
            Some(to) => self.inner.write32(bar, to, value),
            None => Ok(()),
        }
    }
    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        let value = self.inner.read64(bar, offset)?;
        let value = if matches!(self.fault, Fault::Swapped) { value.rotate_left(32) } else { value };
        Ok(self.spoil(bar, offset, value))
    }
    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        match self.write_to(bar, offset, value) {
            Some(to) => self.inner.write64(bar, to, value),
            None => Ok(()),
        }
    }
    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        self.inner.dma_alloc(bytes)
    }
    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        if matches!(self.fault, Fault::NoUnmap) { Ok(()) } else { self.inner.dma_free(iova) }
    }
    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        match self.fault {
            Fault::NoSignals => Ok(self.silent.as_raw_fd()),
            Fault::NoEventfds => Err(BackingError::Unsupported("interrupts")),
            _ => self.inner.irq_fd(vector),
        }
    }
    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        self.inner.bus_master(on || matches!(self.fault, Fault::NoBusMasterOff))
    }
    fn reset(&self) -> Result<(), BackingError> {
        *self.shadow.lock().expect("whole") = None;
        match self.fault {
            Fault::NoReset => Ok(()),
            Fault::NoFunctionReset => Err(BackingError::Unsupported("a reset")),
            _ => self.inner.reset(),
        }
    }
    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        self.inner.advance(cycles)
    }
    fn name(&self) -> String {
        format!("emulator with {:?}", self.fault)
    }
}

struct BrokenBus {
    fault: Fault,
    memory: HostMemory,
}

impl HostBus for BrokenBus {
    fn read(&self, iova: u64, out: &mut [u64]) -> Result<(), BusFault> {
        self.memory.read(iova, out)?;
        self.flip(out);
        Ok(())
    }
    fn write(&self, iova: u64, data: &[u64]) -> Result<(), BusFault> {
        match (self.fault, data) {
            (Fault::BadPhase, [low, high]) => self.memory.write(iova, &[*low, high ^ 1 << 48]),
            _ => {
                let mut data = data.to_vec();
                self.flip(&mut data);
                self.memory.write(iova, &data)
            }
        }
    }
}

impl BrokenBus {
    /// A line of the bus that is the wrong way round: the device's own CRC check cannot see it, only
    /// software can.
    fn flip(&self, block: &mut [u64]) {
        // A block, not a queue entry.
        if matches!(self.fault, Fault::BadWrite) && block.len() > 64 {
            block[17] ^= 1 << 5;
        }
    }
}

fn options(only: &[&str]) -> Options {
    let only = only.iter().map(|name| (*name).to_owned()).collect();
    Options { deadline: Duration::from_millis(20), quick: true, only }
}

/// The faults, the row that must see each, and the place it must name.
const FAULTS: [(&str, Fault, &str); 38] = [
    ("identity", Fault::Stuck("MAGIC", 1, true), "MAGIC"),
    ("identity", Fault::Stuck("MAP_VERSION", 1 << 18, true), "MAP_VERSION.MAJOR"),
    ("identity", Fault::Stuck("STATUS", 1, false), "STATUS.READY"),
    ("scratch", Fault::Stuck("SCRATCH", 1 << 31, false), "SCRATCH"),
    ("scratch", Fault::Deaf("SCRATCH"), "SCRATCH"),
    ("csr-reset", Fault::NoReset, "SCRATCH after function-level reset"),
    ("csr-reset", Fault::Stuck("TIER_LOOKAHEAD", 4, true), "TIER_LOOKAHEAD@3 after CTRL.RESET"),
    ("csr-read-only", Fault::Shadow("STEP"), "STEP"),
    ("csr-read-only", Fault::Deaf("RTBD_GHOSTS"), "BAR0+0x3008"),
    ("csr-read-write", Fault::Stuck("TIER_BASE", 1 << 40, false), "TIER_BASE@0"),
    ("csr-read-write", Fault::Stuck("RECENCY_SHIFT", 1 << 5, true), "RECENCY_SHIFT"),
    ("csr-alias", Fault::Alias("TIER_HIGH"), "TIER_HIGH@0"),
    ("csr-write-only", Fault::Stuck("SQ_DOORBELL", 1, true), "SQ_DOORBELL@0"),
    ("csr-write-1-to-clear", Fault::Deaf("INT_STATUS"), "INT_STATUS bit 0x1"),
    ("csr-write-1-to-clear", Fault::Stuck("Q_ERR", 1 << 3, false), "Q_ERR@0 bit 0x8"),
    ("csr-read-to-clear", Fault::Stuck("BAD_ACCESS_COUNT", 2, false), "BAD_ACCESS_COUNT after 3"),
    ("csr-gaps", Fault::Floating, "gap at BAR0+0x38"),
    ("csr-unaligned", Fault::Aligned, "unaligned read"),
    ("csr-wide", Fault::Swapped, "MAGIC and MAP_VERSION"),
    ("csr-locked", Fault::Shadow("BLOCK_SHIFT"), "BLOCK_SHIFT"),
    ("csr-msix", Fault::Stuck("MSIX_DATA", 1 << 9, true), "MSIX_DATA@"),
    ("march", Fault::StuckAt(Bar::Rtbd, 256 * 32 + 8, 1 << 3, false), "entry 256, word 2"),
    ("directory", Fault::StuckAt(Bar::Regs, kvcpu_mmio::regs::command::CMD_CQE.offset, 1, true), "INSERT 94:"),
    ("directory-full", Fault::Stuck("CNT_DIRECTORY_FULL", 4, true), "CNT_DIRECTORY_FULL"),
    ("dma-t0", Fault::BadWrite, "CRC-32C of COPY into"),
    ("dma-t1", Fault::BadWrite, "CRC-32C of COPY into"),
    ("dma-t2", Fault::BadWrite, "CRC-32C of COPY into"),
    ("moves", Fault::Stuck("CNT_MOVE_BYTES", 1, true), "CNT_MOVE_BYTES[0]"),
    ("t3", Fault::Deaf("SVC_CQ_DOORBELL"), "STATUS"),
    ("rings", Fault::BadPhase, "completion 0 of queue 0"),
    ("ring-full", Fault::Stuck("STATUS", 4, false), "STATUS.BLOCKED"),
    ("interrupt-force", Fault::NoSignals, "vector 0"),
    ("interrupt-completion", Fault::NoSignals, "vector 0"),
    ("interrupt-mask", Fault::Deaf("MSIX_CONTROL"), "pending bit 0"),
    ("luf-lazy", Fault::Deaf("AGENT_ACK"), "STATUS"),
    ("luf-acknowledge", Fault::Deaf("AGENT_ACK"), "CMD_STATUS.DONE"),
    ("fault-bus-master", Fault::NoBusMasterOff, "COPY with bus mastering off"),
    ("fault-unmapped", Fault::NoUnmap, "COPY to an unmapped"),
];

/// Faults of the last rows, which need no backing of their own.
const LAST: [(&str, Fault, &str); 3] = [
    ("fault-doorbell", Fault::Stuck("Q_ERR", 1, false), "Q_ERR after"),
    ("fault-halt", Fault::Stuck("Q_STATUS", 2, false), "Q_STATUS.HALTED"),
    ("reset", Fault::DeafTo("CTRL", 2), "CTRL"),
];

fn verdict<'r>(report: &'r Report, name: &str) -> &'r Verdict {
    &report.row(name).unwrap_or_else(|| panic!("no row {name}")).verdict
}

#[test]
fn each_row_sees_its_fault_in_time_and_says_where() {
    for (name, fault, place) in FAULTS.into_iter().chain(LAST) {
        let begin = Instant::now();
        let report = run(&broken(fault), &options(&[name]));
        let Verdict::Fail(failures, total) = verdict(&report, name) else {
            panic!("{name} does not see {fault:?}: {report:?}");
        };
        assert!(*total >= failures.len() && !failures.is_empty(), "{name}");
        assert!(failures.iter().any(|f| f.register.contains(place)), "{name} with {fault:?} names {failures:?}");
        assert!(failures.iter().all(|f| !f.register.is_empty() && f.expected != f.found), "{failures:?}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{name} hung on {fault:?}");
    }
}

#[test]
fn every_row_has_a_fault() {
    for name in names() {
        assert!(FAULTS.iter().chain(&LAST).any(|(row, ..)| *row == name), "no fault proves {name}");
    }
}

#[test]
fn failures_name_the_register_the_values_and_what_to_probe() {
    let report = run(&broken(Fault::Stuck("SCRATCH", 1 << 31, false)), &options(&["scratch"]));
    let Verdict::Fail(failures, _) = verdict(&report, "scratch") else { panic!("{report:?}") };
    assert_eq!((&*failures[0].register, &*failures[0].found), ("SCRATCH", "0x0"));
    assert_eq!(failures[0].expected, "0x80000000");
    use kvctl::output::Report as _;
    assert!(report.text().contains("next: the bits that differ are data lines"), "{}", report.text());
    let json = report.json();
    assert_eq!((&json["failed"], &json["rows"][0]["result"]), (&1.into(), &"fail".into()));
    assert_eq!(json["rows"][0]["failures"][0]["register"], "SCRATCH");
}

#[test]
fn a_good_device_passes_whichever_its_geometry() {
    let small = Geometry { entries_log2: 6, stash: 2, queues: 1, agents: 1, lanes: 2, victim_k: 3, ..Geometry::TEST };
    for geometry in [Geometry::TEST, Geometry::BOARD, Geometry::FULL, small] {
        let backing: Arc<dyn Backing> = Arc::new(Emulator::new(geometry).expect("a geometry"));
        let report = run(&backing, &Options { deadline: Duration::from_secs(10), ..options(&[]) });
        assert_eq!(report.failed(), 0, "{geometry:?}: {report:?}");
    }
}

#[test]
fn what_a_backing_cannot_do_is_not_available() {
    let report = run(&broken(Fault::NoEventfds), &options(&["interrupt", "scratch"]));
    assert_eq!((report.failed(), report.passed()), (0, 1));
    assert!(matches!(verdict(&report, "interrupt-force"), Verdict::NotAvailable(why) if why.contains("interrupts")));
    let report = run(&broken(Fault::NoFunctionReset), &options(&["csr-reset", "scratch", "march", "rings"]));
    assert_eq!((report.failed(), report.passed()), (0, 4), "the device's own reset does: {report:?}");
    let checked = &report.row("csr-reset").expect("it was asked for").checked;
    assert!(checked.contains("does not offer a function-level reset"), "{checked}");
}

#[test]
fn a_dead_or_silent_device_fails_every_row_that_needs_it_and_hangs_none() {
    let begin = Instant::now();
    for silent in [false, true] {
        let emulator = Arc::new(Emulator::new(Geometry::TEST).expect("a geometry"));
        let faulty = Arc::new(Faulty::new(emulator, FaultPlan::default()));
        if silent {
            faulty.silence()
        } else {
            faulty.die()
        }
        let backing: Arc<dyn Backing> = faulty;
        let report = run(&backing, &options(&[]));
        if silent {
            for name in ["directory", "dma-t1", "rings", "luf-lazy"] {
                assert!(matches!(verdict(&report, name), Verdict::Fail(..)), "{name}: {report:?}");
            }
            assert_eq!(*verdict(&report, "scratch"), Verdict::Pass);
        } else {
            assert_eq!(report.failed(), report.rows.len(), "{report:?}");
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(60));
}
