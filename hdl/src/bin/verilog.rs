//! Writes hdl/rtl, or with `--check` compares it. `cargo xtask verilog` runs this.

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use kvcpu_hdl::export::DESIGNS;
use std::path::Path;

/// Exports every design to Verilog
#[derive(Parser)]
struct Options {
    /// Compare with what is checked in, and write nothing
    #[arg(long)]
    check: bool,
}

/// rust-hdl makes a design on the stack, and unoptimised code copies it there: the full geometry takes more than the 8 MiB of a
/// main thread.
const STACK: usize = 512 << 20;

fn main() -> Result<()> {
    let options = Options::parse();
    let export = std::thread::Builder::new().stack_size(STACK).spawn(move || export(&options))?;
    export.join().map_err(|_| anyhow!("the export panicked"))?
}

fn export(options: &Options) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rtl");
    let mut stale = Vec::new();
    for design in DESIGNS {
        let path = folder.join(design.name).with_extension("v");
        let text = (design.verilog)(design.name)?;
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        stale.push(design.name);
        if !options.check {
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("hdl/rtl/{}.v: written", design.name);
        }
    }
    let is_known = |name: &str| DESIGNS.iter().any(|design| name.strip_suffix(".v") == Some(design.name));
    for entry in std::fs::read_dir(&folder)? {
        let name = entry?.file_name();
        if !is_known(&name.to_string_lossy()) {
            bail!("hdl/rtl/{} is not made by any design; delete it", name.display());
        }
    }
    match (options.check, stale.is_empty()) {
        (true, false) => bail!("hdl/rtl is stale: {}; run `cargo xtask verilog`", stale.join(", ")),
        _ => println!("hdl/rtl: {} designs, {} changed", DESIGNS.len(), stale.len()),
    }
    Ok(())
}
