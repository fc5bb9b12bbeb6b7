//! Random cases with seeds: how many, which, and what to print when one fails.
//!
//! `KVCPU_CASES=n` multiplies nothing: it is the number of cases of each random test. `KVCPU_SEED=s` runs that
//! one case only. A case that fails is cut down to few operations before it is printed.

use std::fmt::Debug;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// How long a failing stream is cut down.
const SHRINK_FOR: Duration = Duration::from_secs(20);

/// A number from the environment, decimal or 0x hexadecimal.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The seeds of a random test: `KVCPU_SEED` alone, or `KVCPU_CASES` (otherwise `default`) of them.
pub fn seeds(default: u64) -> impl Iterator<Item = u64> {
    let (first, count) = match number("KVCPU_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("KVCPU_CASES").unwrap_or(default)),
    };
    (first..).take(count as usize)
}

/// The random numbers of a seed. `stream` keeps different tests apart.
pub fn rng(stream: u64, seed: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// How to run one case again.
pub fn replay(binary: &str, test: &str, seed: u64) -> String {
    format!("KVCPU_SEED={seed} cargo test -p kvcpu-tests --test {binary} {test}")
}

/// Runs `run` on the operations of every seed. On a failure the operations are cut down while they still fail,
/// and the test panics with what is left, the seed and the command that replays it.
pub fn streams<S: Debug, Op: Clone + Debug>(
    (binary, test): (&str, &str),
    default: u64,
    make: impl Fn(u64) -> (S, Vec<Op>),
    run: impl Fn(&S, &[Op]) -> Result<(), String>,
) {
    for seed in seeds(default) {
        let (setup, ops) = make(seed);
        let Err(first) = run(&setup, &ops) else { continue };
        let (ops, error) = shrink(ops, first, |ops| run(&setup, ops));
        let mut listing = String::new();
        for (number, op) in ops.iter().enumerate() {
            let _ = writeln!(listing, "  {number:3} {op:?}");
        }
        panic!("{error}\n{setup:#?}\n{listing}replay: {}", replay(binary, test, seed));
    }
}

/// Leaves out runs of operations, long ones first, as long as it still fails.
///
/// Gives up cutting after a while; what is left fails in any case.
pub fn shrink<Op: Clone>(
    mut ops: Vec<Op>,
    mut error: String,
    run: impl Fn(&[Op]) -> Result<(), String>,
) -> (Vec<Op>, String) {
    let (mut chunk, start) = (ops.len().div_ceil(2), Instant::now());
    while chunk > 0 && start.elapsed() < SHRINK_FOR {
        let mut at = 0;
        while at < ops.len() && start.elapsed() < SHRINK_FOR {
            let mut fewer = ops.clone();
            fewer.drain(at..(at + chunk).min(ops.len()));
            match run(&fewer) {
                Err(still) => (ops, error) = (fewer, still),
                Ok(()) => at += chunk,
            }
        }
        chunk /= 2;
    }
    (ops, error)
}
