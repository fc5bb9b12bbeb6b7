//! The DMA unit between two awkward AXI slaves: docs/control.md, DMA.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bench;
mod frames;
mod speed;

use bench::{Bench, Done, Job, NONE, Space, awkward, crc32c, seed};
use kvcpu_sim::axi::Manner;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

const SPACES: [Space; 2] = [Space::Host, Space::Card];

/// What a descriptor runs into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    Source,
    Destination,
    ReadBack,
    Flip,
}

impl Trouble {
    fn result(self) -> u64 {
        match self {
            Trouble::None => 0,
            Trouble::Source => 1,
            Trouble::Destination => 2,
            Trouble::ReadBack => 3,
            Trouble::Flip => 4,
        }
    }
}

/// A descriptor of its own ranges of memory, whose addresses tell its number.
fn draw(number: u64, rng: &mut ChaCha8Rng) -> (Job, Trouble) {
    let bytes = match rng.random_range(0..20) {
        0 => 0,
        1..8 => 8 * rng.random_range(1..20),
        8..19 => 8 * rng.random_range(1..1200),
        _ => 8 * rng.random_range(1..6000),
    };
    let mut place = |base: u64| base - 0x2_0000 + 0x4_0000 * number + 8 * rng.random_range(0..1024);
    let (from, to) = (place(0x1_0000_0000), place(0xA5A5_0000_0000));
    let trouble = match rng.random_range(0..12) {
        _ if bytes == 0 => Trouble::None,
        0 => Trouble::Source,
        1 => Trouble::Destination,
        2 => Trouble::ReadBack,
        3 => Trouble::Flip,
        _ => Trouble::None,
    };
    let job = Job {
        from: (SPACES[rng.random_range(0..2)], from),
        to: (SPACES[rng.random_range(0..2)], to),
        bytes,
        id: number,
    };
    (job, trouble)
}

/// Puts the job's words there, and the trouble.
fn prepare(bench: &mut Bench, job: &Job, trouble: Trouble, rng: &mut ChaCha8Rng) {
    bench.fill(job.from, job.bytes, rng);
    bench.fill((job.to.0, job.to.1 - 16), job.bytes + 32, rng);
    if job.bytes == 0 {
        return;
    }
    let at = 8 * rng.random_range(0..job.bytes / 8);
    let (from, to) = (job.from.1 + at, job.to.1 + at);
    let end = 8 * rng.random_range(1..100);
    match trouble {
        Trouble::None => {}
        Trouble::Source => bench.space(job.from.0).memory.unmap(from..from + end),
        Trouble::Destination => bench.space(job.to.0).memory.unwritable.push(to..to + end),
        Trouble::ReadBack => bench.space(job.to.0).memory.unreadable.push(to..to + end),
        Trouble::Flip => drop(bench.space(job.to.0).memory.flipped.insert(to, 1 << rng.random_range(0..64))),
    }
}

/// A job that was queued.
struct Queued {
    job: Job,
    trouble: Trouble,
    words: Vec<u64>,
    around: [Vec<u64>; 2],
}

fn around(bench: &mut Bench, job: &Job) -> [Vec<u64>; 2] {
    let (space, to) = job.to;
    [bench.words((space, to - 16), 16), bench.words((space, to + job.bytes), 16)]
}

fn check(bench: &mut Bench, queued: &Queued, done: Done) {
    let Queued { job, trouble, words, .. } = queued;
    let at = format!("seed {}, {job:x?}, {trouble:?}", bench.seed);
    assert_eq!((done.id, done.result), (job.id, trouble.result()), "{at}");
    assert!(around(bench, job) == queued.around, "{at}: wrote beside it");
    if matches!(trouble, Trouble::None | Trouble::ReadBack | Trouble::Flip) {
        assert_eq!(done.crc, crc32c(words), "{at}");
        let arrived = bench.words(job.to, job.bytes);
        let differ = words.iter().zip(&arrived).filter(|(word, arrived)| word != arrived).count();
        assert_eq!(differ, usize::from(*trouble == Trouble::Flip), "{at}");
    }
}

#[test]
fn copies_on_both_channels_beside_the_ring_port() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut results, mut most_reads, mut interleaved, mut ring) = ([0; 5], 0, 0, 0);
    for round in 0..12 {
        let mut bench = Bench::new(seed + round, &awkward(&mut rng));
        bench.card.manner = awkward(&mut rng);
        let ring_base = 0x7FFF_FFF0_0000;
        bench.host.memory.unmap(ring_base + 0x1_0000..ring_base + 0x2_0000);
        let mut queues = [VecDeque::new(), VecDeque::new()];
        let mut next = 0;
        while next < 40 || queues.iter().any(|queue: &VecDeque<Queued>| !queue.is_empty()) {
            let channel = rng.random_range(0..2);
            match rng.random_range(0..8) {
                0..3 if next < 40 => {
                    let (job, trouble) = draw(next, &mut rng);
                    if bench.room(channel) > 0 {
                        prepare(&mut bench, &job, trouble, &mut rng);
                        let (words, around) = (bench.words(job.from, job.bytes), around(&mut bench, &job));
                        bench.go(channel, &job);
                        queues[channel as usize].push_back(Queued { job, trouble, words, around });
                        next += 1;
                    }
                }
                3..6 => {
                    if let Some(done) = bench.pop() {
                        let of = queues.iter_mut().find(|queue| queue.front().is_some_and(|q| q.job.id == done.id));
                        let queued = of.expect("a completion in the order of its channel").pop_front().unwrap();
                        check(&mut bench, &queued, done);
                        results[done.result as usize] += 1;
                    }
                }
                6 => {
                    ring_access(&mut bench, ring_base, &mut rng);
                    ring += 1;
                }
                _ => bench.ticks(rng.random_range(0..300)),
            }
            assert!(bench.model.clocks() < 5_000_000, "seed {seed}, round {round}: no end");
        }
        assert_eq!((bench.room(0), bench.room(1), bench.read(0x40)), (16, 16, NONE));
        bench.ticks(400);
        for slave in [&bench.host, &bench.card] {
            let counts = slave.counts();
            assert_eq!(counts.outstanding, 0, "{counts:?}");
            most_reads = most_reads.max(counts.most_reads);
            interleaved += counts.interleaved;
        }
    }
    println!("results {results:?}; at most {most_reads} reads at once, {interleaved} beats interleaved, {ring} rings");
    assert!(results.iter().all(|count| *count > 5) && most_reads >= 16 && interleaved > 100 && ring > 100);
}

/// Reads or writes some words, perhaps across 4 KiB or where nothing is.
fn ring_access(bench: &mut Bench, base: u64, rng: &mut ChaCha8Rng) {
    let is_fault = rng.random_bool(0.1);
    let page = if is_fault { 0x1_1000 } else { 0x1000 * rng.random_range(1..8) };
    let address = base + page - 8 * rng.random_range(0..8);
    let (words, write) = (rng.random_range(1..9), rng.random_bool(0.5));
    let fill: Vec<u64> = (0..8).map(|_| rng.random()).collect();
    let mut expected = bench.words((Space::Host, address - 8), 80);
    for (slot, word) in (0..).zip(&fill) {
        bench.buffer_put(slot, *word);
    }
    let status = bench.ring(address, words, write);
    assert_eq!(status, if is_fault { 2 } else { 1 }, "seed {}", bench.seed);
    if is_fault {
        return;
    }
    let mut buffer = fill.clone();
    let (here, there) = (0..words as usize, 1..words as usize + 1);
    if write {
        expected[there].copy_from_slice(&fill[here]);
    } else {
        buffer[here].copy_from_slice(&expected[there]);
    }
    assert_eq!(bench.words((Space::Host, address - 8), 80), expected, "seed {}", bench.seed);
    for (slot, word) in (0..).zip(&buffer) {
        assert_eq!(bench.buffer_get(slot), *word, "seed {}", bench.seed);
    }
}

fn job(from: Space, to: Space, bytes: u64, id: u64) -> Job {
    Job { from: (from, 0x1_0000), to: (to, 0x8_0000_0000 + 0x10_0000 * id), bytes, id }
}

#[test]
fn without_bus_master_only_card_to_card() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::new(seed, &awkward(&mut rng));
    bench.fill((Space::Host, 0x1_0000), 8192, &mut rng);
    bench.fill((Space::Card, 0x1_0000), 8192, &mut rng);
    bench.model.set("bus_master", 0);
    for (channel, from, to, result) in [
        (0, Space::Host, Space::Card, 5),
        (1, Space::Card, Space::Host, 5),
        (0, Space::Host, Space::Host, 5),
        (1, Space::Card, Space::Card, 0),
    ] {
        let done = bench.copy(channel, &job(from, to, 8192, 1));
        assert_eq!(done.result, result, "{from:?} to {to:?}");
    }
    assert_eq!((bench.ring(0x1000, 3, false), bench.ring(0x1000, 3, true)), (3, 3));
    let counts = bench.host.counts();
    assert_eq!((counts.read_bursts, counts.written_bursts), (0, 0), "on the host's bus");

    // In the middle of copying to the host; then all is well again.
    bench.model.set("bus_master", 1);
    bench.go(1, &job(Space::Card, Space::Host, 8192, 2));
    bench.until("first burst", |bench| bench.host.counts().written_bursts > 0);
    bench.model.set("bus_master", 0);
    assert_eq!(bench.done().result, 5);
    bench.model.set("bus_master", 1);
    assert_eq!(bench.copy(1, &job(Space::Card, Space::Host, 8192, 3)).result, 0);
    assert_eq!(bench.ring(0x1000, 3, true), 1);
}

#[test]
fn abort_forgets_all_and_work_goes_on() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::new(seed, &awkward(&mut rng));
    for space in SPACES {
        bench.fill((space, 0x1_0000), 0x8000, &mut rng);
    }
    let (mut busy, ring_base) = (0, 0x100_0000);
    bench.host.memory.unmap(ring_base + 0x1_0000..ring_base + 0x2_0000);
    for round in 0..40 {
        bench.host.manner = awkward(&mut rng);
        bench.card.manner = awkward(&mut rng);
        for id in 0..6 {
            let (from, to) = (SPACES[rng.random_range(0..2)], SPACES[rng.random_range(0..2)]);
            bench.go(id % 2, &job(from, to, 8 * rng.random_range(1..3000), id));
        }
        bench.ring_begin(0x2000, 8, round % 2 == 0);
        bench.ticks(rng.random_range(0..8000));
        busy += bench.host.counts().outstanding + bench.card.counts().outstanding;
        bench.write(0xA0, 0);
        bench.until("end of ABORT", |bench| bench.read(0xA0) == 0);
        for slave in [&bench.host, &bench.card] {
            assert_eq!(slave.counts().outstanding, 0, "seed {seed}, round {round}");
        }
        assert_eq!((bench.room(0), bench.room(1), bench.read(0x40), bench.read(0x84)), (16, 16, NONE, 1));
        bench.ticks(300);
        assert_eq!(bench.read(0x40), NONE, "a completion of what was forgotten");
        for channel in 0..2 {
            let job = job(Space::Host, Space::Card, 4096, 100 + channel);
            let done = bench.copy(channel, &job);
            let words = bench.words(job.from, job.bytes);
            assert_eq!(done, Done { id: job.id, result: 0, crc: crc32c(&words) }, "seed {seed}, round {round}");
            assert!(bench.words(job.to, job.bytes) == words);
        }
        ring_access(&mut bench, ring_base, &mut rng);
    }
    assert!(busy > 100, "{busy}");
}

#[test]
fn reset_in_the_middle() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::new(seed, &awkward(&mut rng));
    for round in 0..10 {
        for id in 0..4 {
            bench.go(id % 2, &job(SPACES[id as usize % 2], SPACES[round % 2], 16384, id));
        }
        bench.ring_begin(0x2000, 8, round % 2 == 0);
        bench.ticks(rng.random_range(0..4000));
        // The buses with it.
        let fresh = Bench::new(seed + round as u64, &awkward(&mut rng));
        (bench.host, bench.card) = (fresh.host, fresh.card);
        bench.fill((Space::Host, 0x1_0000), 4096, &mut rng);
        bench.reset();
        assert_eq!((bench.room(0), bench.room(1), bench.read(0x40), bench.read(0x84)), (16, 16, NONE, 1));
        let job = job(Space::Host, Space::Card, 4096, 7);
        let words = bench.words(job.from, job.bytes);
        assert_eq!(bench.copy(round as u64 % 2, &job), Done { id: 7, result: 0, crc: crc32c(&words) });
        assert!(bench.words(job.to, job.bytes) == words);
    }
}

#[test]
fn a_copy_across_4_gib() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::new(seed, &awkward(&mut rng));
    for (id, from, to) in
        [(0, 0x1_FFFF_F008, 0x7_0000_0000), (1, 0x1_0000, 0x2_FFFF_E010), (2, 0x3_FFFF_FFF8, 0x9_0000_0008)]
    {
        let job = Job { from: (Space::Host, from), to: (Space::Card, to), bytes: 0x4000, id };
        bench.fill(job.from, job.bytes, &mut rng);
        let words = bench.words(job.from, job.bytes);
        assert_eq!(bench.copy(id % 2, &job), Done { id, result: 0, crc: crc32c(&words) }, "seed {seed}, {job:x?}");
        assert!(bench.words(job.to, job.bytes) == words, "seed {seed}, {job:x?}");
    }
}

#[test]
fn queues_and_completions_fill_up() {
    let seed = seed();
    let mut bench = Bench::new(seed, &Manner::quick(5));
    // One at work that takes long, so that the others wait.
    bench.host.manner.answer = 0.01;
    for id in 0..16 {
        assert_eq!(bench.room(0), 16 - id);
        bench.go(0, &job(Space::Host, Space::Card, if id == 0 { 4096 } else { 8 }, id));
    }
    assert_eq!(bench.room(0), 0);
    bench.go(0, &job(Space::Host, Space::Card, 8, 99));
    bench.host.manner.answer = 1.0;
    for id in 16..48 {
        let channel = id % 2;
        bench.until("room", |bench| bench.room(channel) > 0);
        bench.go(channel, &job(Space::Host, Space::Card, 8, id));
        bench.ticks(300);
    }
    // 32 wait to be taken, the others to be noted.
    assert_eq!(bench.room(0) + bench.room(1), 32 - 16);
    let mut ids: Vec<u64> = (0..48).map(|_| bench.done().id).collect();
    let of_one: Vec<u64> = ids.iter().copied().filter(|id| *id >= 16 && id % 2 == 1).collect();
    assert!(of_one.is_sorted());
    ids.retain(|id| !of_one.contains(id));
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!((ids.len() + of_one.len(), bench.read(0x40)), (48, NONE));
}

#[test]
fn unused_addresses_read_0() {
    let mut bench = Bench::new(seed(), &Manner::quick(5));
    for address in [0x07, 0x17, 0x20, 0x44, 0x85, 0xA1, 0xFF, 0x106, 0x140] {
        bench.write(address, 0x1234_5678);
        assert_eq!(bench.read(address), 0, "{address:#x}");
    }
    assert_eq!((bench.room(0), bench.room(1), bench.read(0x40), bench.read(0x84)), (16, 16, NONE, 1));
}
