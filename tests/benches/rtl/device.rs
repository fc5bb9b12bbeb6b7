//! The whole device behind the driver: decisions, commands, registers, the step, and the simulation's own speed. docs/rtl/top.md.

use crate::Row;
use kvcpu_driver::{Commands, Config, Device, Insert, QueueConfig, TierConfig, sqe};
use kvcpu_mmio::queue::Sqe;
use kvcpu_mmio::regs::rtbd_entry::EntryState;
use kvcpu_mmio::regs::{control, counter, hepc, rtbd_entry};
use kvcpu_mmio::{Backing, Bar, Geometry};
use kvcpu_sim::{Rtl, RtlOptions, top};
use kvcpu_tests::setup::{device, key, tiers};
use kvcpu_tests::step::clocks_to_the_first_score;
use std::time::Duration;

/// Blocks of the tier that is full; the tier below has room for twice as many.
const BLOCKS: u32 = 8;
/// Decisions that are counted, each in a device of its own.
const DECISIONS: u64 = 16;
/// Commands of a batch.
const BATCH: u32 = 24;
/// Register accesses of a kind.
const ACCESSES: u32 = 200;
/// Clocks in which a device without work makes a step ready.
const PAUSE: u64 = 2_000;
/// Clocks that are timed.
const IDLE_CLOCKS: u64 = 300_000;
/// Clocks a second that were asked for, at the full geometry and at all others.
const SPEEDS: [f64; 2] = [100_000.0, 1_000_000.0];

pub(crate) fn rows(seed: u64) -> Vec<Row> {
    let geometries = [
        ("small, 64 entries", Geometry::SMALL),
        ("test, 1,024 entries", Geometry::TEST),
        ("board, 8,192 entries", Geometry::BOARD),
        ("full, 65,536 entries", Geometry::FULL),
    ];
    let there = geometries.into_iter().filter(|(_, geometry)| top(*geometry).is_some());
    there.flat_map(|(name, geometry)| rows_of(seed, name, geometry)).collect()
}

fn rows_of(seed: u64, name: &str, geometry: Geometry) -> Vec<Row> {
    let mut decisions: Vec<u64> = (0..DECISIONS).map(|number| decision(seed + number, geometry)).collect();
    decisions.sort_unstable();
    let (least, median, most) = (decisions[0], decisions[decisions.len() / 2], decisions[decisions.len() - 1]);
    let mut rows = vec![
        Row::asked(
            "decision: trigger to DMA descriptor",
            "at most 10 clocks, list not empty",
            (format!("{least} to {most} clocks, median {median}"), most <= 10),
            format!("{name}: CNT_DECISION_MAX of the first INSERT into a full tier, {DECISIONS} devices"),
        ),
        Row::asked(
            "STEP_ADVANCE to first scored entry",
            "at most 8 clocks",
            {
                let [at_once, ready] = [0, PAUSE].map(|pause| step(seed, geometry, pause));
                (format!("{ready} if CMD_SQE was written {PAUSE} clocks before, {at_once} if just before"), ready <= 8)
            },
            format!("{name}, single shot: the clock in which CMD_GO is taken to that in which a score is written"),
        ),
    ];
    rows.push(Row::plain(
        "decisions in a batch of INSERTs",
        batch(seed, geometry),
        format!("{name}: CNT_DECISION_HIST, {BATCH} INSERTs into a full tier, by a queue; the tier below is full after {BLOCKS}"),
    ));
    rows.push(Row::plain(
        "clocks a command",
        commands(seed, geometry),
        format!("{name}: queue, batches of {BATCH}, doorbell included; host memory answers in 40 to 120 clocks"),
    ));
    rows.push(Row::plain(
        "clocks a register access",
        accesses(seed, geometry),
        format!("{name}: idle device, {ACCESSES} of each"),
    ));
    rows.push(speed(seed, name, geometry));
    rows
}

fn rtl(seed: u64, geometry: Geometry) -> Rtl {
    let options = RtlOptions { seed, clocks_per_access: 0, ..RtlOptions::default() };
    Rtl::new(top(geometry).unwrap(), geometry, options).unwrap()
}

/// Lets so many clocks pass, whatever there is to see meanwhile.
fn pass(rtl: &Rtl, clocks: u64) {
    let end = rtl.clocks() + clocks;
    while rtl.clocks() < end {
        rtl.advance(end - rtl.clocks()).unwrap();
    }
}

/// T1 of a few blocks above a T2 with room; blocks of 256 bytes, or as small as the geometry has them.
fn config(geometry: Geometry) -> Config {
    let tiers = tiers([0, BLOCKS, 0, 0]);
    let below = TierConfig::blocks(2 * BLOCKS);
    // The simulation takes real time that the device would not.
    Config {
        block_shift: tiers.block_shift.max(geometry.min_block_shift),
        tiers: [tiers.tiers[0], tiers.tiers[1], below, tiers.tiers[3]],
        deadline: Duration::from_secs(120),
        ..tiers
    }
}

/// A device whose T1 is full, and whose lists were made by a sweep since.
fn full(seed: u64, geometry: Geometry) -> Device<Rtl> {
    let (device, _) = device(rtl(seed, geometry), config(geometry));
    let mut commands = device.single_shot();
    for tag in 0..u64::from(BLOCKS) {
        commands.insert(&Insert::new(key(tag), 1)).unwrap();
    }
    commands.step_advance(1).unwrap();
    device
}

/// Clocks of the first decision.
fn decision(seed: u64, geometry: Geometry) -> u64 {
    let device = full(seed, geometry);
    device.single_shot().insert(&Insert::new(key(100), 1)).unwrap();
    let counters = device.counters().unwrap();
    assert_eq!(
        (counters.decision_hist.iter().sum::<u64>(), counters.dry_sweeps),
        (1, 0),
        "one decision, lists not empty"
    );
    counters.decision_max
}

/// How long the decisions of a batch of INSERTs take: those with room below first, then two each.
fn batch(seed: u64, geometry: Geometry) -> String {
    let device = full(seed, geometry);
    let mut queue = device.queue_pair_with(1, QueueConfig::default()).unwrap();
    let sqes: Vec<Sqe> = (0..u64::from(BATCH)).map(|n| sqe::insert(&Insert::new(key(200 + n), 1))).collect();
    queue.run(&sqes, &mut Vec::new()).unwrap();
    let histogram = device.counters().unwrap().decision_hist;
    let taken = histogram.iter().enumerate().filter(|(_, count)| **count != 0);
    let of =
        |(bucket, count): (usize, &u64)| format!("{count} of {} to {} clocks", 1u64 << bucket, (2u64 << bucket) - 1);
    taken.map(of).collect::<Vec<_>>().join(", ")
}

/// Clocks from that in which the write of CMD_GO, for a STEP_ADVANCE, is taken until a score is written. `pause` clocks pass between CMD_SQE
/// and CMD_GO.
fn step(seed: u64, geometry: Geometry, pause: u64) -> u64 {
    let blocks = TierConfig::blocks(geometry.entries() / 2);
    let (device, _) = device(
        rtl(seed, geometry),
        Config { tiers: [config(geometry).tiers[0], blocks, TierConfig::OFF, TierConfig::OFF], ..config(geometry) },
    );
    // Until there is an entry in the first row of the directory, which a sweep that is ready has scored ahead.
    let mut tags = 1..u64::from(geometry.entries() / 2);
    let in_front = || (0..geometry.lanes).any(|index| device.entry(index).unwrap().state != EntryState::Free);
    while !in_front() {
        device.single_shot().insert(&Insert::new(key(tags.next().unwrap()), 1)).unwrap();
    }
    let mut single_shot = device.single_shot();
    let step = single_shot.prepare(sqe::step_advance(3)).unwrap();
    pass(device.backing(), pause);
    clocks_to_the_first_score(device.backing(), step)
}

fn commands(seed: u64, geometry: Geometry) -> String {
    let device = full(seed, geometry);
    let mut queue = device.queue_pair_with(1, QueueConfig::default()).unwrap();
    let mut clocks = |name: &str, sqe: &dyn Fn(u64) -> Sqe| {
        let sqes: Vec<Sqe> = (0..u64::from(BATCH)).map(sqe).collect();
        let begin = device.backing().clocks();
        queue.run(&sqes, &mut Vec::new()).unwrap();
        format!("{name} {}", (device.backing().clocks() - begin) / u64::from(BATCH))
    };
    let held = u64::from(BLOCKS);
    [
        clocks("NOP", &|_| sqe::nop()),
        clocks("LOOKUP", &|n| sqe::lookup(key(n % held))),
        clocks("TOUCH", &|n| sqe::touch(key(n % held), None)),
        clocks("TOUCH of a chain", &|n| sqe::touch(key(n % held), (n % held).checked_sub(1))),
        clocks("INSERT that moves a block of 256 bytes out", &|n| sqe::insert(&Insert::new(key(200 + n), 1))),
        clocks("STEP_ADVANCE", &|n| sqe::step_advance(10 + n as u32)),
    ]
    .join(", ")
}

fn accesses(seed: u64, geometry: Geometry) -> String {
    let (device, _) = device(rtl(seed, geometry), config(geometry));
    let backing = device.backing();
    let clocks = |name: &str, access: &dyn Fn() -> u64| {
        let mut taken: Vec<u64> = (0..ACCESSES)
            .map(|_| {
                let begin = backing.clocks();
                std::hint::black_box(access());
                backing.clocks() - begin
            })
            .collect();
        taken.sort_unstable();
        format!("{name} {} to {}", taken[0], taken[taken.len() - 1])
    };
    [
        clocks("read of SCRATCH", &|| backing.read32(Bar::Regs, control::SCRATCH.offset).unwrap().into()),
        clocks("read of a counter, 8 bytes", &|| backing.read64(Bar::Regs, counter::CNT_COMMANDS.offset).unwrap()),
        clocks("write of SCRATCH", &|| backing.write32(Bar::Regs, control::SCRATCH.offset, 1).map(|()| 0).unwrap()),
        clocks("read of an entry's word", &|| {
            backing.read32(Bar::Rtbd, rtbd_entry::ENTRY_PLACE.offset).unwrap().into()
        }),
        clocks("read of a list's head", &|| backing.read32(Bar::Regs, hepc::LIST_INDEX.offset).unwrap().into()),
    ]
    .join(", ")
}

/// Time that this thread has had of a core: others on the machine take none of it, but they slow it down.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: u64 = text.split_whitespace().next().unwrap().parse().unwrap();
    nanoseconds as f64 / 1e9
}

/// Clocks a second of the simulation, which is this machine's, not the device's.
fn speed(seed: u64, name: &str, geometry: Geometry) -> Row {
    let device = full(seed, geometry);
    let mut commands = device.single_shot();
    let rate = |work: &mut dyn FnMut()| {
        let (start, clocks) = (cpu_seconds(), device.backing().clocks());
        work();
        (device.backing().clocks() - clocks) as f64 / (cpu_seconds() - start)
    };
    let idle = rate(&mut || pass(device.backing(), IDLE_CLOCKS));
    let busy = rate(&mut || {
        for tag in 300..300 + u64::from(BATCH) {
            commands.insert(&Insert::new(key(tag), 1)).unwrap();
        }
    });
    let [full, other] = SPEEDS;
    let (asked, least) = if geometry == Geometry::FULL {
        ("at least 100,000 clocks/s", full)
    } else {
        ("at least 1,000,000 clocks/s (test)", other)
    };
    let counted = format!("{:.0} thousand idle, {:.0} thousand inserting", idle / 1e3, busy / 1e3);
    Row::asked(
        "simulation, one core",
        asked,
        (counted, busy >= least),
        format!("{name}: time on the core, of whatever machine this is"),
    )
}
