//! `kvctl selftest`: is this a working KV-CPU? One row a test, for emulator, RTL and boards alike.
//!
//! The tests go from the ground up: identity and data lines, registers, directory memory, directory,
//! bytes, rings, interrupts, T3, invalidation, faults, reset. Each starts from a reset device and
//! **destroys what the device held**. What a failing row means is in `docs/selftest.md`.

mod access;
mod bench;
mod csr;
mod directory;
mod fault;
mod identity;
mod interrupt;
mod luf;
mod march;
mod report;
mod ring;
mod transfer;

pub use report::{Failure, Report, Row, Verdict};

use std::sync::Arc;
use std::time::Duration;

use kvcpu_mmio::Backing;

use bench::{Bench, Check, Findings, Problem};

/// How to test.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long anything may take.
    pub deadline: Duration,
    /// Sample where the whole set takes long: gaps, directory memory, directory.
    pub quick: bool,
    /// Only tests whose name contains one of these; all if empty.
    pub only: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { deadline: Duration::from_secs(5), quick: false, only: Vec::new() }
    }
}

/// One test.
struct Test {
    name: &'static str,
    run: fn(&Bench, &mut Findings) -> Check,
    hint: &'static str,
}

const fn test(name: &'static str, run: fn(&Bench, &mut Findings) -> Check, hint: &'static str) -> Test {
    Test { name, run, hint }
}

const TESTS: [Test; 34] = [
    test(
        "identity",
        identity::identity,
        "all ones: no device answers, check link, BAR assignment, memory enable; another value: wrong bitstream or byte order",
    ),
    test(
        "scratch",
        identity::scratch,
        "the bits that differ are data lines: check byte enables and the bus adapter's width conversion",
    ),
    test(
        "csr-reset",
        csr::reset_values,
        "compare the register's reset value in the RTL's generated header; a stale header shows in many registers at once",
    ),
    test(
        "csr-read-only",
        csr::read_only,
        "see the decoder's write enable for this register, then BAD_ACCESS_ADDR's capture",
    ),
    test(
        "csr-read-write",
        csr::read_write,
        "bits that stick are outside the write mask or stuck; compare the field table in mmio/gen/registers.md",
    ),
    test(
        "csr-alias",
        csr::aliases,
        "the value found is another register's: an address bit of the decoder is not looked at",
    ),
    test("csr-write-only", csr::write_only, "the read multiplexer shows a register that it should not"),
    test(
        "csr-write-1-to-clear",
        csr::write_one_to_clear,
        "see the set and clear terms of this bit; set must win over clear in the same clock",
    ),
    test(
        "csr-read-to-clear",
        csr::read_to_clear,
        "a read that counts twice is a read that the bus repeats: check the adapter's ready handshake",
    ),
    test("csr-gaps", access::gaps, "the decoder answers for addresses the map leaves out, or does not count them"),
    test("csr-unaligned", access::unaligned, "see how the bus adapter passes byte enables and address bits 1:0 on"),
    test(
        "csr-wide",
        access::wide,
        "see the low/high latches of 64-bit registers, and how the adapter splits 8-byte accesses",
    ),
    test("csr-locked", access::locked, "the lock term of this register misses CTRL.ENABLE or Q_CTRL.ENABLE"),
    test(
        "csr-msix",
        csr::msix,
        "BAR4 does not reach the MSI-X table, or its entries are not 16 bytes apart; on a bare bus it belongs to the system",
    ),
    test(
        "march",
        march::march,
        "one bit in many entries: a data line of the bank; many bits in one: an address line; at one entry: the RAM itself",
    ),
    test(
        "directory",
        directory::directory,
        "march passes? then hash or compare: look the key's two buckets up in BAR2 with `kvctl regs read ENTRY_ID@n`",
    ),
    test(
        "directory-full",
        directory::directory_full,
        "lost entries: the cuckoo search moved one without writing it back; too few: see CNT_KICKS and RTBD_STASH_USED",
    ),
    test(
        "dma-t0",
        transfer::loopback_t0,
        "T0 is GPU memory: check peer-to-peer routing and TIER_BASE@0, then DMA_ERR and DMA_ERR_IOVA",
    ),
    test(
        "dma-t1",
        transfer::loopback_t1,
        "T1 is card memory: check its calibration and width; does dma-t2 pass? then the bus side is fine",
    ),
    test(
        "dma-t2",
        transfer::loopback_t2,
        "T2 is host memory: check DMA_ERR, the IOMMU mapping, max payload size and byte order",
    ),
    test(
        "moves",
        transfer::moves,
        "the dma rows pass? then frame addresses: compare CNT_MOVE_BYTES, TIER_BASE and BLOCK_SHIFT",
    ),
    test("t3", transfer::t3, "see SVC_ERR, SVC_SQ_TAIL and SVC_CQ_HEAD: requests not taken, or answers not read"),
    test("rings", ring::rings, "see Q_ERR and DMA_ERR; a wrong phase is a wrap counted at the wrong index"),
    test(
        "ring-full",
        ring::ring_full,
        "the device must look for space before it begins a command: see STATUS.BLOCKED_ON and CQ_DOORBELL",
    ),
    test(
        "interrupt-force",
        interrupt::force,
        "INT_STATUS set but no signal: MSI-X enable, the table's address and data, or Bus Master Enable",
    ),
    test(
        "interrupt-mask",
        interrupt::mask,
        "a message must be kept in the pending bit array while masked, and sent once when unmasked",
    ),
    test(
        "interrupt-completion",
        interrupt::completion,
        "interrupt-force passes? then the queue does not raise its source after it posts",
    ),
    test(
        "luf-lazy",
        luf::lazy,
        "violations: a frame left the quarantine before its epoch; counts: see AGENT_ACK and INV_EPOCH",
    ),
    test(
        "luf-acknowledge",
        luf::acknowledge,
        "not blocked: the free list ignores epochs; not released: AGENT_ACK does not wake the command",
    ),
    test(
        "fault-bus-master",
        fault::bus_master,
        "an error that hangs or loses the block: see DMA_ERR, STATUS.MOVES_IN_FLIGHT and the completion's status",
    ),
    test(
        "fault-unmapped",
        fault::unmapped,
        "no fault: the IOMMU is off or maps everything; a hang: the engine waits for a completion that was an error",
    ),
    test(
        "fault-doorbell",
        fault::doorbell,
        "an index past the ring must be ignored: see Q_ERR.BAD_DOORBELL and SQ_HEAD",
    ),
    test("fault-halt", fault::halt, "see Q_ERR and Q_STATUS; a queue must halt alone and start again with indexes 0"),
    test("reset", fault::reset, "what survives is not in the reset tree; the engines must be idle before READY"),
];

/// The tests' names, in their order.
pub fn names() -> impl Iterator<Item = &'static str> {
    TESTS.iter().map(|test| test.name)
}

/// Tests what is behind `backing`. What it held is lost; afterwards it is reset.
pub fn run(backing: &Arc<dyn Backing>, options: &Options) -> Report {
    let bench = Bench::new(backing.clone(), options.deadline, options.quick);
    let wanted = |test: &&Test| options.only.is_empty() || options.only.iter().any(|part| test.name.contains(&**part));
    let rows = TESTS.iter().filter(wanted).map(|test| row(&bench, test)).collect();
    let report = Report { device: backing.name(), rows };
    if let Err(problem) = bench.reset() {
        tracing::warn!(?problem, "the device could not be reset after the selftest");
    }
    report
}

fn row(bench: &Bench, test: &Test) -> Row {
    let mut findings = Findings::default();
    let result = bench.reset().and_then(|()| (test.run)(bench, &mut findings));
    let (checked, missing) = match result {
        Ok(checked) => (checked, None),
        Err(Problem::Fail(failure)) => {
            findings.end(failure);
            (String::new(), None)
        }
        Err(Problem::NotAvailable(why)) => (String::new(), Some(why)),
    };
    let verdict = match (findings.take(), missing) {
        (Some((failures, total)), _) => Verdict::Fail(failures, total),
        (None, Some(why)) => Verdict::NotAvailable(why),
        (None, None) => Verdict::Pass,
    };
    tracing::info!(test = test.name, passed = verdict == Verdict::Pass, "selftest");
    Row { name: test.name, checked, verdict, hint: test.hint }
}
