//! Simple dual-port RAM on one clock that maps to block RAM.
//!
//! A read of the word being written gives the old or the new one: who needs to know must forward. In return no logic is
//! spent on the collision: `no_rw_check` for yosys; stock `RAM` costs a comparator and a bypass.

use rust_hdl::prelude::*;
use std::collections::BTreeMap;

/// `2^A` words of `D`; one read and one write a clock, a clock after the address.
#[derive(LogicBlock, Default)]
pub struct Ram<D: Synth, const A: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Word to read.
    pub read_address: Signal<In, Bits<A>>,
    /// What stood there, a clock later.
    pub read_data: Signal<Out, D>,
    /// Word to write.
    pub write_address: Signal<In, Bits<A>>,
    /// What to write there.
    pub write_data: Signal<In, D>,
    /// Whether to write.
    pub write_enable: Signal<In, Bit>,
    _words: BTreeMap<Bits<A>, D>,
}

impl<D: Synth, const A: usize> Logic for Ram<D, A> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            // Reads before it writes, as the exported RAM does.
            self.read_data.next = self._words.get(&self.read_address.val()).copied().unwrap_or_default();
            if self.write_enable.val() {
                self._words.insert(self.write_address.val(), self.write_data.val());
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (high, last) = (D::BITS - 1, (1u64 << A) - 1);
        Verilog::Custom(format!(
            "(* no_rw_check *) reg [{high}:0] mem [0:{last}];\n\
             always @(posedge clock) begin\n    \
                 read_data <= mem[read_address];\n    \
                 if (write_enable) mem[write_address] <= write_data;\n\
             end\n"
        ))
    }
}
