//! The answer of the one lane that had the entry asked for, kept until the next.
//!
//! ```text
//!  L answers ──► AND with valid, OR ──► kept
//! ```
//!
//! Written in Verilog: a loop of conditions would be a chain of `L` of them.

use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Keeps one of `L` answers of `W` bits.
#[derive(LogicBlock)]
pub(super) struct Gather<const L: usize, const W: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Answers of this clock are wanted.
    pub enable: Signal<In, Bit>,
    /// A lane has an answer; one at a time.
    pub valid: [Signal<In, Bit>; L],
    /// The answer.
    pub answers: [Signal<In, Bits<W>>; L],
    /// The last answer wanted.
    pub kept: Signal<Out, Bits<W>>,
}

impl<const L: usize, const W: usize> Default for Gather<L, W> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            enable: Default::default(),
            valid: std::array::from_fn(|_| Default::default()),
            answers: std::array::from_fn(|_| Default::default()),
            kept: Default::default(),
        }
    }
}

impl<const L: usize, const W: usize> Logic for Gather<L, W> {
    fn update(&mut self) {
        if self.clock.pos_edge()
            && self.enable.val()
            && let Some(lane) = (0..L).find(|lane| self.valid[*lane].val())
        {
            self.kept.next = self.answers[lane].val();
        }
    }

    fn connect(&mut self) {
        self.kept.connect();
    }

    fn hdl(&self) -> Verilog {
        let valid: Vec<String> = (0..L).map(|lane| format!("valid${lane}")).collect();
        let mut text =
            format!("always @(posedge clock) begin\n    if (enable & ({})) kept <= {W}'b0", valid.join(" | "));
        for lane in 0..L {
            let _ = write!(text, "\n        | ({{{W}{{valid${lane}}}}} & answers${lane})");
        }
        Verilog::Custom(text + ";\nend\n")
    }
}
