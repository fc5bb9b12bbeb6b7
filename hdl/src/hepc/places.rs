//! The words of a sieve: written on the clock, read in the same clock. Small enough for LUTs, which FPGAs can use so.

use rust_hdl::prelude::*;
use std::collections::BTreeMap;

/// `N` words of `W` bits.
#[derive(LogicBlock, Default)]
pub(super) struct Places<const W: usize, const N: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Word to read.
    pub read_address: Signal<In, Bits<6>>,
    /// What stands there.
    pub read_data: Signal<Out, Bits<W>>,
    /// Word to write.
    pub write_address: Signal<In, Bits<6>>,
    /// What to write there.
    pub write_data: Signal<In, Bits<W>>,
    /// Whether to write.
    pub write_enable: Signal<In, Bit>,
    _words: BTreeMap<Bits<6>, Bits<W>>,
}

impl<const W: usize, const N: usize> Logic for Places<W, N> {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.write_enable.val() {
            self._words.insert(self.write_address.val(), self.write_data.val());
        }
        self.read_data.next = self._words.get(&self.read_address.val()).copied().unwrap_or_default();
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (high, last) = (W - 1, N - 1);
        Verilog::Custom(format!(
            "reg [{high}:0] mem [0:{last}];\n\
             always @(posedge clock) if (write_enable) mem[write_address] <= write_data;\n\
             wire [{high}:0] word = mem[read_address];\n\
             always @(*) read_data = word;\n"
        ))
    }
}
