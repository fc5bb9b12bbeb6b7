//! RAM of the keys of one way, true dual-port: two look-ups' halves a clock, or a write.
//!
//! ```text
//!  a_address ─┬─► TAG_LO, in use ─┬─► a_kept, a clock later
//!   write ────┤   TAG_HI          │
//!             └─► request, tenant ┴─► b_kept, a clock later
//!  b_address ────► (the same)
//! ```
//!
//! What port B gives in the clock of a write, and port A too, is not defined: no logic is spent on the collision, and whoever
//! writes takes no word of that clock.
//!
//! **In use** stands beside TAG_LO and is written with it. So a slot is taken out of use as its key begins to change, and put into use
//! again by writing TAG_LO once more; neither needs to know the rest of the key.

use super::{KEPT_BITS, KEY_BITS};
use rust_hdl::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Parts that are written alone: TAG_LO with the bit that says in use; TAG_HI; request and tenant. Highest bit, lowest bit.
const PARTS: [(usize, usize); 3] = [(31, 0), (63, 32), (KEY_BITS - 1, 64)];

/// Keys of `2^B` slots.
#[derive(LogicBlock, Default)]
pub struct KeyRam<const B: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Slot that port A reads or writes.
    pub a_address: Signal<In, Bits<B>>,
    /// What stood there, a clock later: in use, and a key.
    pub a_kept: Signal<Out, Bits<KEPT_BITS>>,
    /// Slot that port B reads.
    pub b_address: Signal<In, Bits<B>>,
    /// What stood there, a clock later.
    pub b_kept: Signal<Out, Bits<KEPT_BITS>>,
    /// Which parts are written: TAG_LO and in use, TAG_HI, request and tenant, from the lowest bit.
    pub write: Signal<In, Bits<3>>,
    /// What to write there.
    pub data: Signal<In, Bits<KEPT_BITS>>,
    _slots: BTreeMap<Bits<B>, Bits<KEPT_BITS>>,
}

impl<const B: usize> Logic for KeyRam<B> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let kept = |address| self._slots.get(&address).copied().unwrap_or_default();
            self.a_kept.next = kept(self.a_address.val());
            self.b_kept.next = kept(self.b_address.val());
            let write = self.write.val();
            let mut written = Bits::<KEPT_BITS>::default();
            for (part, (high, low)) in PARTS.into_iter().enumerate().filter(|(part, _)| write.get_bit(*part)) {
                let ones: Bits<KEPT_BITS> = ((1u64 << (high + 1 - low)) - 1).into();
                written = written | (ones << low as u64);
                if part == 0 {
                    let used: Bits<KEPT_BITS> = 1u64.into();
                    written = written | (used << KEY_BITS as u64);
                }
            }
            let slot = self._slots.entry(self.a_address.val()).or_default();
            *slot = (*slot & !written) | (self.data.val() & written);
        }
    }

    fn connect(&mut self) {
        self.a_kept.connect();
        self.b_kept.connect();
    }

    fn hdl(&self) -> Verilog {
        let last = (1u64 << B) - 1;
        let mut text = String::new();
        for (part, (high, low)) in PARTS.into_iter().enumerate() {
            let used = if part == 0 { format!("[{KEY_BITS}], ") } else { String::new() };
            let of = |port: &str| match part {
                0 => format!("{{{port}{used}{port}[{high}:{low}]}}"),
                _ => format!("{port}[{high}:{low}]"),
            };
            let width = high - low + usize::from(part == 0);
            let _ = write!(
                text,
                "(* no_rw_check *) reg [{width}:0] part{part} [0:{last}];\n\
                 always @(posedge clock) begin\n    \
                     {} <= part{part}[a_address];\n    \
                     if (write[{part}]) part{part}[a_address] <= {};\n\
                 end\n\
                 always @(posedge clock) {} <= part{part}[b_address];\n",
                of("a_kept"),
                of("data"),
                of("b_kept"),
            );
        }
        Verilog::Custom(text)
    }
}
