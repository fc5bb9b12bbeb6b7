//! Frames in card memory, behind the unit's third requester: docs/rtl/frames.md.

use crate::bench::{Bench, Job, Space, awkward, seed};
use kvcpu_mmio::Geometry;
use kvcpu_sim::axi::Manner;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// Of `kvcpu_frames`.
const GEOMETRY: Geometry = Geometry::TEST;
/// Says whether an access was answered with an error; a write forgets it.
const CARD_FAULT: u64 = 0x34_0000;
/// Beginnings of the five parts.
const PARTS: [u64; 5] = [0x20_0000, 0x24_0000, 0x28_0000, 0x2C_0000, 0x30_0000];

/// A word of a part, of some few, so that they meet again: its address on the bus, and in card memory.
fn draw(rng: &mut ChaCha8Rng) -> (u64, u64) {
    let (part, tier) = (rng.random_range(0..5), rng.random_range(0..4));
    let frame = *[0, 1, 2, 3, 17, u64::from(GEOMETRY.entries()) - 1].choose(rng).unwrap();
    let place = tier << GEOMETRY.entries_log2 | frame;
    let bus = if part == 4 { place } else { tier << 16 | frame };
    let card = GEOMETRY.tables_base() + 8 * ((part << (GEOMETRY.entries_log2 + 2)) + place);
    assert!(card < GEOMETRY.tables_base() + GEOMETRY.tables_bytes());
    (PARTS[part as usize] + bus, card)
}

fn fault(bench: &mut Bench) -> u64 {
    bench.frames_access(CARD_FAULT, None).0
}

/// A transfer on the card's bus, far from the tables.
fn job(id: u64, rng: &mut ChaCha8Rng) -> Job {
    let from = (if rng.random() { Space::Card } else { Space::Host }, 0x1_0000);
    let to = (if rng.random() { Space::Card } else { Space::Host }, 0x8_0000_0000 + 0x10_0000 * id);
    Job { from, to, bytes: 8 * rng.random_range(1..2000), id }
}

#[test]
fn loads_see_stores_beside_transfers_and_aborts() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut loads, mut kept, mut at_once, mut aborts) = (0, 0, 0, 0);
    for round in 0..8 {
        let mut bench = Bench::new(seed + round, &awkward(&mut rng));
        bench.card.manner = awkward(&mut rng);
        // Some transfers fail.
        bench.card.memory.unmap(0x8_0000_1000..0x8_0000_2000);
        let mut known: HashMap<u64, (u64, u64)> = HashMap::new();
        for access in 0..1500 {
            let (bus, card) = draw(&mut rng);
            if rng.random() {
                let data = u64::from(rng.random::<u32>());
                let (_, clocks) = bench.frames_access(bus, Some(data));
                known.insert(bus, (card, data));
                at_once += u64::from(clocks == 1);
            } else if let Some((_, data)) = known.get(&bus) {
                let (read, clocks) = bench.frames_access(bus, None);
                assert_eq!(read, *data, "seed {seed}, round {round}, access {access}, {bus:#x}");
                loads += 1;
                kept += u64::from(clocks == 2);
            }
            match rng.random_range(0..20) {
                0 => {
                    let channel = rng.random_range(0..2);
                    if bench.room(channel) > 0 {
                        let job = job(rng.random_range(0..8), &mut rng);
                        bench.go(channel, &job);
                    }
                }
                1 => drop(bench.pop()),
                2 => bench.ticks(rng.random_range(0..300)),
                3 if access % 8 == 0 => {
                    bench.write(0xA0, 0);
                    aborts += 1;
                }
                _ => {}
            }
        }
        assert_eq!(fault(&mut bench), 0, "a transfer's error is none of the tables'");
        bench.until("rest", |bench| bench.frames.eval().get("awake") == 0);
        for (bus, (card, data)) in known {
            assert_eq!(bench.card.memory.word(card), data, "seed {seed}, {bus:#x} at {card:#x}");
        }
    }
    println!("{loads} loads, {kept} of them kept; {at_once} stores at once; {aborts} aborts");
    assert!(loads > 3000 && kept > 300 && loads - kept > 1000 && at_once > 500 && aborts > 20);
}

#[test]
fn an_error_is_kept_until_it_is_forgotten_and_nothing_hangs() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::new(seed, &awkward(&mut rng));
    let (base, entries) = (GEOMETRY.tables_base(), u64::from(GEOMETRY.entries()));
    // Frames 8 to 15 of tier 1: the free list cannot be read, epochs cannot be written.
    let words = |part: u64| base + 8 * ((part * 4 + 1) * entries + 8)..base + 8 * ((part * 4 + 1) * entries + 16);
    bench.card.memory.unreadable.push(words(0));
    bench.card.memory.unwritable.push(words(1));
    let at = |part: usize, frame: u64| PARTS[part] + (1 << 16) + frame;
    for round in 0..20 {
        let frame = 8 + round % 8;
        assert_eq!(fault(&mut bench), 0);
        assert_eq!(bench.frames_access(at(0, frame), None).0, 0, "what could not be read is 0");
        assert_eq!(fault(&mut bench), 1);
        // It stays beside what is good.
        bench.frames_access(at(2, frame), Some(round));
        assert_eq!(bench.frames_access(at(2, frame), None).0, round);
        assert_eq!(fault(&mut bench), 1);
        bench.frames_access(CARD_FAULT, Some(0));
        assert_eq!(fault(&mut bench), 0);
        // What was made up is not kept: the next load asks the memory again.
        assert_eq!(bench.frames_access(at(0, frame), None).0, 0);
        assert_eq!(fault(&mut bench), 1);
        bench.frames_access(CARD_FAULT, Some(0));

        bench.frames_access(at(1, frame), Some(round));
        bench.until("the store's answer", |bench| fault(bench) == 1);
        // To forget waits for what is under way.
        bench.frames_access(at(1, frame), Some(round));
        bench.frames_access(CARD_FAULT, Some(0));
        bench.ticks(1000);
    }
    assert_eq!(fault(&mut bench), 0);
}

#[test]
fn reset_in_the_middle() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::new(seed, &awkward(&mut rng));
    for round in 0..20 {
        for _ in 0..rng.random_range(0..6) {
            let (bus, _) = draw(&mut rng);
            bench.frames_access(bus, Some(rng.random::<u32>().into()));
        }
        // A load that will not be answered.
        bench.frames.set("bus_select", 1).set("bus_write", 0).set("bus_address", draw(&mut rng).0);
        bench.ticks(rng.random_range(0..40));
        // The buses with it.
        let fresh = Bench::new(seed + round, &awkward(&mut rng));
        (bench.host, bench.card) = (fresh.host, fresh.card);
        bench.reset();
        assert_eq!((bench.frames.get("awake"), fault(&mut bench)), (0, 0));
        // What the memory holds counts, not what was kept.
        let (bus, card) = draw(&mut rng);
        bench.card.memory.put(card, round);
        assert_eq!(bench.frames_access(bus, None).0, round);
    }
}

#[test]
fn clocks() {
    let mut bench = Bench::new(1, &Manner::quick(20));
    let store = bench.frames_access(PARTS[0], Some(5)).1;
    bench.ticks(100);
    let kept = bench.frames_access(PARTS[0], None).1;
    let load = bench.frames_access(PARTS[0] + 1, None).1;
    bench.frames_access(PARTS[1], Some(5));
    let behind = bench.frames_access(PARTS[1] + 1, None).1;
    println!("store {store}, kept {kept}, load {load}, load behind a store {behind}; memory answers in 20");
    assert!(store == 1 && kept == 2 && load <= 32 && behind <= 60, "{store} {kept} {load} {behind}");
}
