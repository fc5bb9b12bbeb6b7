//! Block RAM: random traffic, resets, and how many beats pass.

use crate::bench::{Bench, Places, RAM_BYTES, read_all, run, seed};
use crate::master::Request;
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

fn places(rng: &mut ChaCha8Rng) -> Places {
    Places {
        bytes: RAM_BYTES,
        hot: *[0.0, 0.5, 0.95].choose(rng).unwrap(),
        stride: *[64, 16 << 10, 64 << 10].choose(rng).unwrap(),
        wrong: *[0.0, 0.05, 0.3].choose(rng).unwrap(),
        beats: *[1, 16, 256].choose(rng).unwrap(),
    }
}

#[test]
fn block_ram_is_a_memory_whatever_its_master_does() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bench = Bench::ram(seed);
    for _ in 0..60 {
        let places = places(&mut rng);
        run(&mut bench, &places, 3000, &mut rng);
    }
    read_all(&mut bench, RAM_BYTES);
    let counts = bench.master.counts;
    println!("{counts:?}");
    assert!(counts.read_words > 50_000 && counts.written_words > 20_000 && counts.errors > 1_000);
    assert!(counts.checked.certain > 100_000 && counts.checked.raced > 1_000);
}

#[test]
fn block_ram_keeps_its_contents_over_a_reset_in_the_middle() {
    let seed = seed();
    let mut rng = ChaCha8Rng::seed_from_u64(!seed);
    let mut bench = Bench::ram(seed);
    let mut open = 0;
    for _ in 0..30 {
        let places = places(&mut rng);
        run(&mut bench, &places, 500, &mut rng);
        for _ in 0..rng.random_range(4..40) {
            bench.master.reads.push_back(Request::read(1, 0, 256));
            let data = (0..64).map(|_| (rng.random(), 0xFF)).collect();
            bench.master.writes.push_back(Request::write(2, 8 * rng.random_range(0..64), data));
        }
        for _ in 0..rng.random_range(4..400) {
            bench.clock();
        }
        open += bench.master.open();
        bench.reset(2);
    }
    read_all(&mut bench, RAM_BYTES);
    assert!(open > 60, "{open} bursts were open in 30 resets");
}

#[test]
fn block_ram_passes_a_beat_a_clock_each_way() {
    let mut bench = Bench::ram(1);
    let words = RAM_BYTES / 8;
    for burst in 0..words / 64 {
        let data = (0..64).map(|word| (burst << 32 | word, 0xFF)).collect();
        bench.master.writes.push_back(Request::write(burst % 4, 512 * burst, data));
    }
    let start = bench.master.now;
    bench.settle();
    let written = bench.master.counts.last_answer - start;
    for burst in 0..words / 64 {
        bench.master.reads.push_back(Request::read(burst % 4, 512 * burst, 64));
        let data = (0..64).map(|word| (burst << 33 | word, 0xFF)).collect();
        bench
            .master
            .writes
            .push_back(Request::write(burst % 4, 512 * (words / 64 - 1 - burst), data));
    }
    let start = bench.master.now;
    bench.settle();
    let both = bench.master.now - start;
    for word in 0..1024 {
        bench.master.reads.push_back(Request::read(word % 4, 8 * word, 1));
    }
    let start = bench.master.now;
    bench.settle();
    let singles = bench.master.now - start;
    println!(
        "{words} words: written in {written} clocks, read and written at once in {both}; 1,024 bursts of one in {singles}"
    );
    assert!(written < words + 64 && both < words + 64 && singles < 1024 + 64);
}
