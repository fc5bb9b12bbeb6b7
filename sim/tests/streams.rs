//! FIFO and skid buffer: nothing lost, nothing twice, in order, at full rate, empty after a reset.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_sim::{Design, FIFO, Model, SKID};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Words that each holds.
const BUFFERS: [(&Design, usize); 2] = [(&FIFO, 16), (&SKID, 2)];

/// Runs `clocks` clocks with the producer and the consumer ready in so many of 8 clocks; returns the words that came out.
fn run(model: &mut Model, held: &mut VecDeque<u64>, rng: &mut ChaCha8Rng, clocks: u32, eager: [u32; 2]) -> u32 {
    let mut out = 0;
    for _ in 0..clocks {
        let word = u64::from(rng.random::<u16>());
        model.set("in_valid", (rng.random_range(0..8) < eager[0]).into()).set("in_data", word);
        model.set("out_ready", (rng.random_range(0..8) < eager[1]).into());
        model.eval();
        if model.get("out_valid") == 1 {
            assert_eq!(Some(&model.get("out_data")), held.front(), "clock {}", model.clocks());
            if model.get("out_ready") == 1 {
                held.pop_front();
                out += 1;
            }
        }
        if model.get("in_valid") & model.get("in_ready") == 1 {
            held.push_back(word);
        }
        model.tick();
    }
    out
}

#[test]
fn words_come_out_once_and_in_order() {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test -p kvcpu-sim --test streams");
    for (design, room) in BUFFERS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut model = Model::new(design, seed as u32);
        for _ in 0..50 {
            model.reset();
            let mut held = VecDeque::new();
            for _ in 0..10 {
                let eager = [rng.random_range(0..=8), rng.random_range(0..=8)];
                run(&mut model, &mut held, &mut rng, 100, eager);
                assert!(held.len() <= room, "{} holds {}", design.name, held.len());
            }
            // What is in it comes out, and then nothing.
            run(&mut model, &mut held, &mut rng, 40, [0, 8]);
            assert!(held.is_empty(), "{}: {} words lost", design.name, held.len());
        }
    }
}

#[test]
fn a_word_passes_each_clock() {
    for (design, room) in BUFFERS {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut model = Model::new(design, 1);
        model.reset();
        let mut held = VecDeque::new();
        let out = run(&mut model, &mut held, &mut rng, 1000, [8, 8]);
        assert!(out >= 1000 - 3, "{}: {out} of 1000", design.name);
        run(&mut model, &mut held, &mut rng, 100, [8, 0]);
        assert_eq!(held.len(), room, "{} fills up", design.name);
    }
}
