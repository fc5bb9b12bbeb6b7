//! A register at a pin, which has a value of its own in reset: what is active low rests high.

use rust_hdl::prelude::*;

/// `q` is `d` of the clock before.
#[derive(LogicBlock)]
pub struct Pin<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Next value.
    pub d: Signal<In, T>,
    /// Value.
    pub q: Signal<Out, T>,
    _rest: T,
}

impl<T: Synth> Pin<T> {
    /// That rests so.
    pub fn new(rest: T) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            d: Default::default(),
            q: Default::default(),
            _rest: rest,
        }
    }
}

impl<T: Synth> Logic for Pin<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.q.next = if self.reset.val() { self._rest } else { self.d.val() };
        }
    }

    fn connect(&mut self) {
        self.q.connect();
    }

    fn hdl(&self) -> Verilog {
        let rest = self._rest.verilog();
        Verilog::Custom(format!("always @(posedge clock) q <= reset ? {rest:x} : d;\n"))
    }
}
