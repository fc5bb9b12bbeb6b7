//! A clock that stands still while its block has nothing to do.
//!
//! ```text
//!           ┌─────────┐ awake  ┌──────────────────┐ open
//!  enable,──┤ + a few ├───────►│ flip-flop, edge  ├──────┐
//!  awake    │  clocks │        │ between clocks   │     [&]──► gated
//!           └─────────┘        └──────────────────┘ clock┘
//! ```
//!
//! `enable` and `awake` must come from registers, through logic that settles in half a clock; the block is clocked at the end of the clock in which it is 1, and a few clocks more, so what
//! is still in a pipeline arrives. Nothing of the block may depend on being clocked without: without the macro
//! `KVCPU_GATES`, `gated` is `clock`, since an FPGA's clock tree has few gates. Simulations define it: there a block costs nothing while it rests.

use rust_hdl::prelude::*;

/// Clocks that a block goes on for after the last `enable`: more than any pipeline behind a gate is long.
const LINGER: u32 = 15;

/// A gated clock.
#[derive(LogicBlock, Default)]
pub struct Gate {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The block has something to do,
    pub enable: Signal<In, Bit>,
    /// or says so itself.
    pub awake: Signal<In, Bit>,
    /// The block's clock.
    pub gated: Signal<Out, Clock>,
}

impl Logic for Gate {
    fn update(&mut self) {
        self.gated.next = self.clock.val();
    }

    fn connect(&mut self) {
        self.gated.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(format!(
            "`ifdef KVCPU_GATES\n\
             reg [3:0] left;\n\
             reg open;\n\
             always @(posedge clock) begin\n    \
                 if (enable | awake) left <= {LINGER};\n    \
                 else if (left != 0) left <= left - 1;\n\
             end\n\
             always @(negedge clock) open <= enable | awake | (left != 0);\n\
             always @(*) gated = clock & open;\n\
             `else\n\
             always @(*) gated = clock;\n\
             `endif\n"
        ))
    }
}
