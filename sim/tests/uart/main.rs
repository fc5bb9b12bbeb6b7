//! The serial line, block by block against plain Rust, and the board as a whole at its pins. `docs/uart.md`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod board;
mod bridge;
mod line;
mod link;
mod program;
mod protocol;
mod slave;

/// The seed of a test's streams; prints how to have it again.
fn seed(test: &str) -> u64 {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}; replay with KVCPU_SEED={seed} cargo test --release -p kvcpu-sim --test uart {test}");
    seed
}
