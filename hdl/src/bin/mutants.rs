//! Writes the design of all mutants (`rtl/`), its control store (`images.hex`) and the list of them (`mutants.json`).
//! `cargo xtask mutants` runs this.

use anyhow::{Context, Result};
use clap::Parser;
use kvcpu_hdl::mutate::{micro, verilog};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};

/// The device that lockstep simulates.
const TOP: &str = "kvcpu_small";

/// Makes mutants of the small device
#[derive(Parser)]
struct Options {
    /// Which mutants
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder to write to
    #[arg(long)]
    out: PathBuf,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let rtl = options.out.join("rtl");
    std::fs::create_dir_all(&rtl).with_context(|| format!("cannot make {}", rtl.display()))?;
    let out = options.out.canonicalize()?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let path = here.join("rtl").join(TOP).with_extension("v");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (text, mut mutants) = verilog::mutate(&text, TOP, &mut rng)?;
    let first = mutants.len() as u16 + 1;
    let (of_program, programs) = micro::mutate(&here.join("micro"), first, &mut rng)?;
    mutants.extend(of_program);
    let images = out.join("images.hex");
    let (text, words) = micro::store(&text, TOP, first, &programs, &images)?;
    // What is the same need not be verilated again.
    let design = rtl.join(TOP).with_extension("v");
    if !std::fs::read_to_string(&design).is_ok_and(|old| old == text) {
        std::fs::write(design, text)?;
    }
    std::fs::write(images, words)?;
    std::fs::write(out.join("mutants.json"), serde_json::to_string_pretty(&mutants)?)?;
    println!("{} mutants in {}", mutants.len(), out.display());
    Ok(())
}
