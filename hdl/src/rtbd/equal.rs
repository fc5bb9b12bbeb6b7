//! Compares a key with what a slot keeps, in two clocks: the tree of gates is cut by a register for every `W` bits.
//!
//! ```text
//!  kept ─┬─ W bits ─► = ─► part 0  ─┐
//!  key  ─┤     ...                  ├─► all ──► same
//!        └─ W bits ─► = ─► part n ──┤
//!  kept, in use ─────────► part n+1 ┘
//! ```
//!
//! A block RAM needs a good half of a clock to give its word, and its word has a way to go: one level of gates, 2 bits, is what
//! then fits before a register. Behind registers two levels, 8 bits, need fewer of them.

use super::{KEPT_BITS, KEY_BITS};
use rust_hdl::prelude::*;

/// `same` is of the clock before, and has a few gates behind its registers.
#[derive(LogicBlock, Default)]
pub struct Equal<const W: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// What the slot keeps: in use, and a key.
    pub kept: Signal<In, Bits<KEPT_BITS>>,
    /// The key looked for.
    pub key: Signal<In, Bits<KEY_BITS>>,
    /// The slot was in use, and the key in it was this.
    pub same: Signal<Out, Bit>,
}

impl<const W: usize> Logic for Equal<W> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let kept = self.kept.val();
            self.same.next = kept.get_bit(KEY_BITS) && kept.get_bits::<KEY_BITS>(0) == self.key.val();
        }
    }

    fn connect(&mut self) {
        self.same.connect();
    }

    fn hdl(&self) -> Verilog {
        let parts = KEY_BITS / W;
        let mut text = format!("reg [{parts}:0] parts;\nalways @(posedge clock) begin\n");
        for part in 0..parts {
            let (high, low) = (W * part + W - 1, W * part);
            text += &format!("    parts[{part}] <= kept[{high}:{low}] == key[{high}:{low}];\n");
        }
        Verilog::Custom(format!("{text}    parts[{parts}] <= kept[{KEY_BITS}];\nend\nalways @(*) same = &parts;\n"))
    }
}
