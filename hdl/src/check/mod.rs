mod bus;
mod explore;
mod machine;
mod placement;
mod setup;

use crate::micro::program::Program;
use anyhow::Result;

/// .
pub fn run(program: &Program) -> Result<()> {
    let words = machine::decode(&program.words)?;
    let (explored, met) = placement::check(&words, &program.statics)?;
    println!("{} {} {met:?}", explored.choices, explored.ends);
    Ok(())
}
