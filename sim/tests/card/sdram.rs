//! SDRAM: random traffic through refreshes, row changes and turns of the bus, with every rule of the data sheet held against it.

use crate::bench::{Bench, FAST, Kind, Places, SDRAM_BYTES, SLOW, read_all, run, seed};
use crate::master::{Manner, Request};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Bytes of a row of all banks.
const ROWS: u64 = 4096;

fn places(rng: &mut ChaCha8Rng) -> Places {
    Places {
        // Not all of the chip, so that words meet again.
        bytes: *[64 << 10, SDRAM_BYTES].choose(rng).unwrap(),
        hot: *[0.0, 0.5, 0.95].choose(rng).unwrap(),
        // Within a row, in other banks, in other rows of the same bank.
        stride: *[64, 1024, ROWS, ROWS + 1024, 8 << 20].choose(rng).unwrap(),
        wrong: 0.0,
        beats: *[1, 16, 256].choose(rng).unwrap(),
    }
}

#[test]
fn sdram_is_a_memory_and_keeps_every_rule_of_its_chip() {
    is_a_memory(&SLOW);
}

#[test]
fn sdram_with_a_latency_of_three_is_a_memory_too() {
    is_a_memory(&FAST);
}

fn is_a_memory(kind: &Kind) {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::sdram(kind, seed);
    for _ in 0..120 {
        let places = places(&mut rng);
        run(&mut bench, &places, 4000, &mut rng);
    }
    let told = bench.wired.as_ref().unwrap().chip.told();
    let counts = bench.master.counts;
    println!("{counts:?}\n{told:?}");
    assert!(counts.read_words > 20_000 && counts.written_words > 20_000);
    assert!(counts.checked.certain > 20_000 && counts.checked.raced > 500);
    assert!(told.refreshes > 250 && told.actives > 5_000 && told.precharges > told.refreshes + 1_000);
    assert!(told.masked > 20_000);
    read_all(&mut bench, 64 << 10);
}

#[test]
fn sdram_answers_what_it_cannot_do_beat_by_beat() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::sdram(&SLOW, seed);
    for beats in [1, 4, 16, 64, 256].repeat(3) {
        let places = Places { bytes: SDRAM_BYTES, hot: 0.7, stride: ROWS, wrong: 0.4, beats };
        run(&mut bench, &places, 8000, &mut rng);
    }
    let counts = bench.master.counts;
    println!("{counts:?}");
    assert!(counts.errors > 500 && counts.checked.certain > 2_000);
}

#[test]
fn a_reset_closes_the_rows_of_a_chip_that_keeps_its_power() {
    resets(&SLOW);
}

#[test]
fn a_reset_closes_the_rows_with_a_latency_of_three_too() {
    resets(&FAST);
}

/// Resets at any moment, short, as long as a button is held down, and one in the power-up sequence of another: rows do not stay open, no burst is cut
/// wrongly, and then all works as from the beginning.
fn resets(kind: &Kind) {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::sdram(kind, seed);
    let mut open = 0;
    for round in 0..48 {
        let is_write = rng.random();
        for _ in 0..20 {
            let data = (0..256).map(|_| (rng.random(), 0xFF)).collect();
            let address = 4096 * rng.random_range(0..64);
            if is_write {
                bench.master.writes.push_back(Request::write(1, address, data));
            } else {
                bench.master.reads.push_back(Request::read(1, address, 256));
            }
        }
        bench.master.manner = Manner::EAGER;
        // Some find it in the power-up sequence, or in a refresh.
        let begins = if rng.random_range(0..4) == 0 { 0 } else { 28_000 };
        for _ in 0..begins + rng.random_range(100..2000) {
            bench.clock();
            bench.check();
        }
        open += bench.master.open();
        bench.reset(*[1, 2, 31, 32, 33, 40_000].choose(&mut rng).unwrap());
        bench.check();
        // What the chip held is gone, and the record with it.
        bench.master.forget();
        if round % 4 == 0 {
            let places = places(&mut rng);
            run(&mut bench, &places, 3000, &mut rng);
        }
    }
    let told = bench.wired.as_ref().unwrap().chip.told();
    println!("{told:?}");
    assert!(open > 40, "{open} bursts were open in 48 resets");
    assert!(told.reads > 1_000 && told.writes > 1_000);
}
