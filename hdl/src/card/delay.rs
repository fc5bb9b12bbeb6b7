//! Flip-flops in a row: what goes in comes out some clocks later.

use rust_hdl::prelude::*;

/// A row of at least two; 0 comes out of it until it is filled.
#[derive(LogicBlock)]
pub struct Delay<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: forgets all.
    pub reset: Signal<In, Bit>,
    /// Goes in.
    pub d: Signal<In, T>,
    /// Comes out.
    pub q: Signal<Out, T>,
    _line: Vec<T>,
}

impl<T: Synth> Delay<T> {
    /// Of so many clocks.
    ///
    /// # Panics
    ///
    /// If there are fewer than two.
    pub fn new(clocks: usize) -> Self {
        assert!(clocks >= 2, "a single flip-flop is a Register");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            d: Default::default(),
            q: Default::default(),
            _line: vec![T::default(); clocks - 1],
        }
    }
}

impl<T: Synth> Logic for Delay<T> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if self.reset.val() {
                self._line.fill(T::default());
                self.q.next = T::default();
            } else {
                self._line.rotate_right(1);
                self.q.next = std::mem::replace(&mut self._line[0], self.d.val());
            }
        }
    }

    fn connect(&mut self) {
        self.q.connect();
    }

    fn hdl(&self) -> Verilog {
        let bits = self._line.len() * T::BITS;
        let all = bits + T::BITS;
        Verilog::Custom(format!(
            "reg [{}:0] line;\nalways @(posedge clock) {{q, line}} <= reset ? {all}'h0 : {{line, d}};\n",
            bits - 1
        ))
    }
}
