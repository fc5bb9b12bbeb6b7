//! Compares a key with what a slot keeps, in two clocks: the tree of gates is cut by a register for every 8 bits.
//!
//! ```text
//!  kept ─┬─ 8 bits ─► = ─► part 0  ─┐
//!  key  ─┤     ...                  ├─► all ──► same
//!        └─ 8 bits ─► = ─► part 10 ─┤
//!  kept, in use ─────────► part 11 ─┘
//! ```
//!
//! A block RAM needs a good half of a clock to give its word; two levels of gates are what then fits before a register.

use super::{KEPT_BITS, KEY_BITS};
use rust_hdl::prelude::*;

/// `same` is of the clock before, and has a gate or two behind its registers.
#[derive(LogicBlock, Default)]
pub struct Equal {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// What the slot keeps: in use, and a key.
    pub kept: Signal<In, Bits<KEPT_BITS>>,
    /// The key looked for.
    pub key: Signal<In, Bits<KEY_BITS>>,
    /// The slot was in use, and the key in it was this.
    pub same: Signal<Out, Bit>,
}

impl Logic for Equal {
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
        let parts = KEY_BITS / 8;
        let mut text = format!("reg [{parts}:0] parts;\nalways @(posedge clock) begin\n");
        for part in 0..parts {
            let (high, low) = (8 * part + 7, 8 * part);
            text += &format!("    parts[{part}] <= kept[{high}:{low}] == key[{high}:{low}];\n");
        }
        Verilog::Custom(format!("{text}    parts[{parts}] <= kept[{KEY_BITS}];\nend\nalways @(*) same = &parts;\n"))
    }
}
