//! Compiles the microprogram and says what came of it; `cargo xtask verilog` puts it into the control store.

use anyhow::Result;
use clap::Parser;
use kvcpu_hdl::micro::program::load;
use std::path::Path;

/// Compiles the microprogram of the control unit
#[derive(Parser)]
struct Options {
    /// List every function that is not part of others, with its first word and its thread
    #[arg(long)]
    list: bool,
    /// List every word, and the function that it was written in
    #[arg(long)]
    words: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let program = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("micro"))?;
    if options.list {
        for (word, name, thread) in &program.functions {
            println!("{word:5} {thread} {name}");
        }
    }
    if options.words {
        for (number, (word, origin)) in program.words.iter().zip(&program.origins).enumerate() {
            println!("{number:5} {word:015x} {origin}");
        }
    }
    for name in &program.unused {
        println!("nothing calls `{name}`");
    }
    println!("{} control words, {} registers", program.words.len(), program.registers);
    Ok(())
}
