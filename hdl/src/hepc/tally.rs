//! How many entries each policy's trial is reached by, L entries a clock.
//!
//! ```text
//!  L x 8 bits ──► bits of each policy added ──► + count
//! ```
//!
//! Written in Verilog: sums of bits are left to synthesis, which makes trees of them.

use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Bits of a count: entries and stash of the largest directory.
pub(super) const COUNT_BITS: usize = 17;

/// Eight counts.
#[derive(LogicBlock)]
pub(super) struct Tally<const L: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// All counts become 0; nothing else counts in this clock.
    pub clear: Signal<In, Bit>,
    /// The policies that a lane's entry counts for.
    pub reached: [Signal<In, Bits<8>>; L],
    /// Policy k's count, in bits 17k+16:17k, two clocks later.
    pub counts: Signal<Out, Bits<136>>,
    _sums: [u64; 8],
    _counts: [u64; 8],
}

impl<const L: usize> Default for Tally<L> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            clear: Default::default(),
            reached: std::array::from_fn(|_| Default::default()),
            counts: Default::default(),
            _sums: [0; 8],
            _counts: [0; 8],
        }
    }
}

impl<const L: usize> Logic for Tally<L> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            for policy in 0..8 {
                self._counts[policy] = if self.clear.val() { 0 } else { self._counts[policy] + self._sums[policy] };
                let reached = |lane: &usize| self.reached[*lane].val().get_bit(policy);
                self._sums[policy] = if self.clear.val() { 0 } else { (0..L).filter(reached).count() as u64 };
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
        let mut text = String::new();
        for policy in 0..8 {
            let bits: Vec<String> = (0..L).map(|lane| format!("reached${lane}[{policy}]")).collect();
            let (low, sum) = (policy * COUNT_BITS, bits.join(" + "));
            let _ = write!(
                text,
                "reg [4:0] sum{policy};\n\
                 always @(posedge clock) begin\n    \
                     sum{policy} <= clear ? 5'b0 : 5'b0 + {sum};\n    \
                     counts[{low} +: {COUNT_BITS}] <= clear ? {COUNT_BITS}'b0 : counts[{low} +: {COUNT_BITS}] + sum{policy};\n\
                 end\n"
            );
        }
        Verilog::Custom(text)
    }
}
