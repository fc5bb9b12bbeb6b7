//! A transformer whose weights are read straight from a sealed file's memory, of which half may be there at once.
//!
//! `cargo run --release -p kvcpu-pager --example forward`
//!
//! It writes a safetensors file of random weights, seals it compressed and encrypted, runs one prompt from plain memory and from the arena,
//! checks that all logits are the same bits, and prints what the arena counted and what it cost.

mod model;
mod run;
mod weights;

use kvcpu_pager::BlockSize;
use weights::Shape;

/// Some 10 MB of weights.
const SHAPE: Shape = Shape { layers: 6, d_model: 256, heads: 8, hidden: 704, vocabulary: 1024 };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let report = run::run(SHAPE, BlockSize::DEFAULT, 16, folder.path())?;
    let run::Report { file_bytes, sealed_bytes, plain, paged, counters, tokens } = report;
    println!("{SHAPE:?}: {file_bytes} bytes, sealed {sealed_bytes}; half of it may be in memory");
    println!("tokens {tokens:?}, the same logits bit for bit");
    println!(
        "faults {}, fills {} ({} ahead, {} prefetched), evicted {}, unmapped {} in {} batches",
        counters.faults,
        counters.fills,
        counters.ahead,
        counters.prefetched,
        counters.evicted,
        counters.unmapped,
        counters.batches
    );
    println!("plain memory {plain:.2?}, arena {paged:.2?}: {:.2} times", paged.as_secs_f64() / plain.as_secs_f64());
    Ok(())
}
