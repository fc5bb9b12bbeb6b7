//! A register with enable: what it holds stays until it is told to take something else.
//!
//! `Register` with `d` led back to itself says the same, but then finding the flip-flops' enable is left to synthesis.

use rust_hdl::prelude::*;

/// `q` is `d` of the last clock with `enable`; 0 after a clock with `reset`.
#[derive(Clone, Debug, LogicBlock, Default)]
pub struct Kept<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset, active high; goes before `enable`.
    pub reset: Signal<In, Bit>,
    /// Takes `d`.
    pub enable: Signal<In, Bit>,
    /// Next value.
    pub d: Signal<In, T>,
    /// Value.
    pub q: Signal<Out, T>,
}

impl<T: Synth> Logic for Kept<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if self.reset.val() {
                self.q.next = T::default();
            } else if self.enable.val() {
                self.q.next = self.d.val();
            }
        }
    }

    fn connect(&mut self) {
        self.q.connect();
    }

    fn hdl(&self) -> Verilog {
        let zero = T::default().verilog();
        Verilog::Custom(format!(
            "always @(posedge clock) begin\n    \
                 if (reset) q <= {zero:x};\n    \
                 else if (enable) q <= d;\n\
             end\n"
        ))
    }
}
