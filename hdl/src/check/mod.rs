//! Model checks of the microprogram: all that it can do in a small device, word by word. `docs/formal.md`.
//!
//! ```text
//!  hdl/micro ─► control words ─► machine.rs ◄─► bus.rs: small exact models of what is behind the bus
//!                                    ▲
//!  placement/, release/ ─────────────┘  what is open: chosen in every way (explore.rs); what must hold: looked at
//! ```

mod bus;
mod explore;
mod machine;
mod placement;
mod release;
mod setup;

use crate::micro::program::Program;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// What is checked.
struct Subject<'a> {
    program: Vec<machine::Instruction>,
    statics: &'a BTreeMap<String, u16>,
    /// The first register that only thread 1 uses.
    first_of_host: usize,
}

/// What a check has come to.
pub struct Checked {
    /// Each case: what it is about, the choices gone into with all their alternatives, and the ways to an end.
    pub cases: Vec<(&'static str, u64, u64)>,
    /// Situations that must be met, and how often they were.
    pub met: Vec<(&'static str, u64)>,
}

impl Checked {
    fn new(situations: &[&'static str]) -> Self {
        Self { cases: Vec::new(), met: situations.iter().map(|name| (*name, 0)).collect() }
    }

    fn add(&mut self, about: &'static str, explored: &explore::Explored) {
        self.cases.push((about, explored.choices, explored.ends));
    }

    /// Situations met on a way to its end.
    fn meet(&mut self, counts: &[u64]) {
        for ((_, met), count) in self.met.iter_mut().zip(counts) {
            *met += count;
        }
    }

    /// Situations met up to some point; of all ways, the most counts.
    fn meet_most(&mut self, counts: &[u64]) {
        for ((_, met), count) in self.met.iter_mut().zip(counts) {
            *met = (*met).max(*count);
        }
    }
}

/// Checks there are.
pub const NAMES: [&str; 2] = ["placement", "release"];

/// Carries one out. An error names the choices that lead to what must not be.
pub fn run(name: &str, program: &Program) -> Result<Checked> {
    let words = machine::decode(&program.words)?;
    let subject =
        Subject { first_of_host: machine::first_register(&words, program), program: words, statics: &program.statics };
    match name {
        "placement" => placement::check(&subject),
        "release" => release::check(&subject),
        _ => bail!("there is no check `{name}`"),
    }
}
