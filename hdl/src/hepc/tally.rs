//! How many entries each policy's trial is reached by, an entry a clock.
//!
//! ```text
//!  8 bits ──► + count, each
//! ```

use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Bits of a count: entries and stash of the largest directory.
pub(super) const COUNT_BITS: usize = 17;

/// Eight counts.
#[derive(LogicBlock, Default)]
pub(super) struct Tally {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// All counts become 0; nothing else counts in this clock.
    pub clear: Signal<In, Bit>,
    /// The policies that an entry counts for.
    pub reached: Signal<In, Bits<8>>,
    /// Policy k's count, in bits 17k+16:17k, a clock later.
    pub counts: Signal<Out, Bits<136>>,
    _counts: [u64; 8],
}

impl Logic for Tally {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            for policy in 0..8 {
                let reached = u64::from(self.reached.val().get_bit(policy));
                self._counts[policy] = if self.clear.val() { 0 } else { self._counts[policy] + reached };
            }
            let counts = self._counts.iter().rev();
            self.counts.next = counts.fold(Bits::<136>::default(), |all, count| {
                (all << (COUNT_BITS as u64)) | bit_cast::<136, COUNT_BITS>((*count).into())
            });
        }
    }

    fn connect(&mut self) {
        self.counts.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut text = "always @(posedge clock) begin\n".to_owned();
        for policy in 0..8 {
            let low = policy * COUNT_BITS;
            let _ = writeln!(
                text,
                "    if (clear) counts[{low} +: {COUNT_BITS}] <= {COUNT_BITS}'b0;\n    \
                     else if (reached[{policy}]) counts[{low} +: {COUNT_BITS}] <= counts[{low} +: {COUNT_BITS}] + 1'b1;"
            );
        }
        Verilog::Custom(text + "end\n")
    }
}
