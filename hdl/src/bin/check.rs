//! .
use anyhow::Result;
use kvcpu_hdl::micro::program::load;
use std::path::Path;
fn main() -> Result<()> {
    let program = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("micro"))?;
    kvcpu_hdl::check::run(&program)
}
