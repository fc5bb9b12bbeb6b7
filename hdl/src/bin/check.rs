//! Carries out a model check of the microprogram; `cargo xtask formal` runs it, on mutants too.

use anyhow::{Result, bail};
use clap::Parser;
use kvcpu_hdl::check::{NAMES, run};
use kvcpu_hdl::micro::program::load;
use std::path::PathBuf;

/// Checks the microprogram
#[derive(Parser)]
struct Options {
    /// Which check
    #[arg(value_parser = NAMES)]
    name: String,
    /// Folder of the microprogram, if it is not hdl/micro
    #[arg(long)]
    micro: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let folder = options
        .micro
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/micro")));
    let program = load(&folder)?;
    let checked = run(&options.name, &program).inspect_err(|wrong| println!("counterexample: {wrong:#}"))?;
    for (about, choices, ends) in &checked.cases {
        println!("{about}: {choices} choices, each with all its alternatives; {ends} ends");
    }
    for (situation, met) in &checked.met {
        println!("{met:>10} {situation}");
    }
    if let Some((situation, _)) = checked.met.iter().find(|(_, met)| *met == 0) {
        bail!("never met: {situation}");
    }
    Ok(())
}
