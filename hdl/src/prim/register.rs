//! A register with synchronous reset.
//!
//! rust-hdl's own `DFF` has an initial value and no reset pin; a device that is reset in the middle of anything needs
//! one. Resets to 0, `T::default()`.

use rust_hdl::prelude::*;

/// `q` is `d` of the clock before; 0 after a clock with `reset`.
#[derive(Clone, Debug, LogicBlock, Default)]
pub struct Register<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset, active high.
    pub reset: Signal<In, Bit>,
    /// Next value.
    pub d: Signal<In, T>,
    /// Value.
    pub q: Signal<Out, T>,
}

impl<T: Synth> Logic for Register<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.q.next = if self.reset.val() { T::default() } else { self.d.val() };
        }
    }

    fn connect(&mut self) {
        self.q.connect();
    }

    fn hdl(&self) -> Verilog {
        let zero = T::default().verilog();
        Verilog::Custom(format!("always @(posedge clock) q <= reset ? {zero:x} : d;\n"))
    }
}
