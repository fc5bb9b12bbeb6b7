//! Clocks that each memory takes: 1 MiB one after the other (208 KiB of block RAM), and single words.
//! `cargo test --release -p kvcpu-sim --test card speed -- --nocapture` prints them; docs/rtl/card.md has them.

use crate::bench::{Bench, RAM_BYTES, SLOW};
use crate::master::Request;

/// Beats of a burst, as the device's channels have them.
const BEATS: u64 = 64;
/// Single words that are timed.
const SINGLES: u64 = 512;

fn write(number: u64, beats: u64) -> Request {
    Request::write(0, 8 * beats * number, (0..beats).map(|beat| (number << 32 | beat, 0xFF)).collect())
}

/// Clocks until all that waits is answered.
fn clocks(bench: &mut Bench) -> u64 {
    let start = bench.master.now;
    bench.settle();
    bench.master.now - start
}

/// Least and most clocks of single words, one after the other, each `stride` bytes behind the last.
fn singles(bench: &mut Bench, stride: u64, writes: bool) -> (u64, u64, u64) {
    let mut taken = Vec::new();
    for number in 0..SINGLES {
        let address = stride * number % RAM_BYTES;
        if writes {
            bench.master.writes.push_back(Request::write(2, address, vec![(number, 0xFF)]));
        } else {
            bench.master.reads.push_back(Request::read(2, address, 1));
        }
        taken.push(clocks(bench));
    }
    taken.sort_unstable();
    (taken[0], taken[taken.len() / 2], taken[taken.len() - 1])
}

fn measure(name: &str, mut bench: Bench, bytes: u64) -> [f64; 3] {
    // Power-up is over.
    bench.master.writes.push_back(write(0, 1));
    bench.settle();
    let (bursts, words) = (bytes / 8 / BEATS, bytes / 8);
    (0..bursts).for_each(|burst| bench.master.writes.push_back(write(burst, BEATS)));
    let written = clocks(&mut bench);
    (0..bursts).for_each(|burst| bench.master.reads.push_back(Request::read(0, 8 * BEATS * burst, BEATS)));
    let read = clocks(&mut bench);
    for burst in 0..bursts / 2 {
        bench.master.writes.push_back(write(burst, BEATS));
        bench.master.reads.push_back(Request::read(0, 8 * BEATS * (burst + bursts / 2), BEATS));
    }
    let both = clocks(&mut bench);
    println!(
        "{name}: {words} words written in {written} clocks, read in {read}, half written while half was read in {both}"
    );
    for (way, writes) in [("read", false), ("written", true)] {
        for (where_, stride) in [("one behind the other", 8), ("a row each", 4096)] {
            let (least, median, most) = singles(&mut bench, stride, writes);
            println!("{name}: a word {way}, {where_}: {least} to {most} clocks, {median} as a rule");
        }
    }
    [written, read, both].map(|clocks| words as f64 / clocks as f64)
}

#[test]
fn speed_of_block_ram() {
    let [written, read, both] = measure("block RAM", Bench::ram(1), RAM_BYTES);
    assert!(written > 0.99 && read > 0.99 && both > 1.95, "{written} {read} {both} words a clock");
}

#[test]
fn speed_of_sdram() {
    // A word takes four clocks at the least.
    let [written, read, both] = measure("SDRAM", Bench::sdram(&SLOW, 1), 1 << 20).map(|rate| 4.0 * rate);
    println!("SDRAM: {:.1}% of the bus written, {:.1}% read, {:.1}% both", 100.0 * written, 100.0 * read, 100.0 * both);
    assert!(written > 0.93 && read > 0.93 && both > 0.75, "{written} {read} {both} of the bus");
}
