//! `kvctl mem bench`: what a fault takes, by what fills the block, beside the kernel's own fault of an anonymous page.
//!
//! All of one block size is measured in turns in one run, as the machine may be busy. The clock's own time is in every number.

use std::time::Instant;

use clap::Args;
use indicatif::{BinaryBytes, ProgressBar};
use kvcpu_pager::{Arena, BlockSize, Options, Sealed, Sealing, Source, Static, Zero};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::bytes;
use super::pages::{PAGE_BYTES, Pages};
use crate::cli::Error;
use crate::output::{self, Report};

/// Blocks that are touched in a turn.
const BLOCKS: usize = 256;
/// Turns.
const TURNS: usize = 10;
/// From one block that is touched to the next: no fill ahead can guess it, and it has no factor in common with the blocks.
const STRIDE: usize = 97;
/// What is sealed is made of: it compresses as text does.
const WORDS: [&str; 8] = ["the ", "block ", "is ", "mapped ", "and ", "read ", "by a ", "thread "];

/// Options of `kvctl mem bench`.
#[derive(Args, Clone, Debug)]
pub(super) struct BenchArgs {
    /// Bytes of a block
    #[arg(long, value_name = "SIZE,...", value_parser = block_size, value_delimiter = ',', default_value = "4K,64K")]
    block_bytes: Vec<BlockSize>,
}

fn block_size(text: &str) -> Result<BlockSize, String> {
    BlockSize::new(bytes(text)?).map_err(|error| error.to_string())
}

pub(super) fn run(args: &BenchArgs) -> Result<Measured, Error> {
    let bar = ProgressBar::new((args.block_bytes.len() * TURNS) as u64);
    let mut rows = Vec::new();
    for size in &args.block_bytes {
        rows.extend(measure(*size, &bar)?);
    }
    bar.finish_and_clear();
    Ok(Measured { rows })
}

/// The arenas of one block size, by name.
fn arenas(size: BlockSize) -> Result<Vec<(&'static str, Arena)>, Error> {
    let plain = text(BLOCKS * size.bytes());
    let bytes = plain.len() as u64;
    let sealed = |sealing| Ok::<_, Error>(Box::new(Sealed::new(&plain, sealing, size, 0)?));
    let repeated = Static::new(&plain[..size.bytes()], bytes).ok_or("a payload without bytes")?;
    let sources: [(&str, Box<dyn Source>); 5] = [
        ("Zero", Box::new(Zero { bytes })),
        ("Static", Box::new(repeated)),
        ("Compressed", sealed(Sealing::Compressed)?),
        ("Encrypted", sealed(Sealing::Encrypted)?),
        ("CompressedEncrypted", sealed(Sealing::CompressedEncrypted)?),
    ];
    let arena = |(name, source)| {
        let options = Options { block_bytes: size.bytes(), fault_around: 0, ..Options::default() };
        Ok((name, Arena::new(source, options)?))
    };
    sources.into_iter().map(arena).collect()
}

fn measure(size: BlockSize, bar: &ProgressBar) -> Result<Vec<Row>, Error> {
    let arenas = arenas(size)?;
    let mut kernel = Vec::with_capacity(BLOCKS * TURNS);
    let mut ours = vec![Vec::with_capacity(BLOCKS * TURNS); arenas.len()];
    let order = || (0..BLOCKS).map(|n| n * STRIDE % BLOCKS);
    for _ in 0..TURNS {
        let mut pages = Pages::new(BLOCKS)?;
        order().for_each(|page| timed(&mut kernel, || pages.touch(page)));
        for ((_, arena), ns) in arenas.iter().zip(&mut ours) {
            arena.invalidate(0..arena.bytes())?;
            for block in order() {
                timed(ns, || arena.peek((block * size.bytes()) as u64))?;
            }
        }
        bar.inc(1);
    }
    let floor = Row::new("anonymous page, the kernel's", PAGE_BYTES, kernel, None);
    let of = floor.p50_ns;
    let rows = arenas.iter().zip(ours).map(|((name, _), ns)| Row::new(name, size.bytes(), ns, Some(of)));
    let rows: Vec<_> = rows.collect();
    Ok(std::iter::once(floor).chain(rows).collect())
}

fn timed<T>(ns: &mut Vec<u64>, of: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let given = of();
    ns.push(begin.elapsed().as_nanos() as u64);
    given
}

fn text(bytes: usize) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut text = Vec::with_capacity(bytes + 8);
    while text.len() < bytes {
        text.extend_from_slice(WORDS[random.next_u32() as usize % WORDS.len()].as_bytes());
    }
    text.truncate(bytes);
    text
}

/// Faults of one kind.
struct Row {
    name: &'static str,
    block_bytes: usize,
    p50_ns: u64,
    p99_ns: u64,
    /// Medians: this against the kernel's fault, and against as many of them as the block has pages.
    ratios: Option<(f64, f64)>,
}

impl Row {
    fn new(name: &'static str, block_bytes: usize, mut ns: Vec<u64>, floor: Option<u64>) -> Row {
        ns.sort_unstable();
        let below = |hundredths| ns[(ns.len() - 1) * hundredths / 100];
        let (p50_ns, p99_ns) = (below(50), below(99));
        let ratios = floor.map(|floor| {
            let of = p50_ns as f64 / floor.max(1) as f64;
            (of, of / (block_bytes / PAGE_BYTES) as f64)
        });
        Row { name, block_bytes, p50_ns, p99_ns, ratios }
    }
}

/// What was measured.
pub(super) struct Measured {
    rows: Vec<Row>,
}

impl Report for Measured {
    fn text(&self) -> String {
        let header = ["filled from", "block", "p50 us", "p99 us", "p50 / kernel's", "p50 / kernel's for its pages"];
        let mut table = output::table(&header);
        for Row { name, block_bytes, p50_ns, p99_ns, ratios } in &self.rows {
            let us = |ns: u64| format!("{:.2}", ns as f64 / 1e3);
            let of = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            let block = BinaryBytes(*block_bytes as u64).to_string();
            let (one, pages) = (of(ratios.map(|(one, _)| one)), of(ratios.map(|(_, pages)| pages)));
            table.add_row([name.to_string(), block, us(*p50_ns), us(*p99_ns), one, pages]);
        }
        table.to_string()
    }

    fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "source": row.name, "block_bytes": row.block_bytes, "p50_ns": row.p50_ns, "p99_ns": row.p99_ns,
                "p50_ratio": row.ratios.map(|(one, _)| one), "p50_ratio_pages": row.ratios.map(|(_, pages)| pages),
            })
        };
        json!({ "command": "mem_bench", "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}
