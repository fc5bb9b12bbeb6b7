//! Whose turn it is: of the lanes that have an item for a list, one a clock.
//!
//! ```text
//!  wants ──► first of the favoured, or first of all ──► chosen, item
//! ```
//!
//! The favoured change from clock to clock, so that no lane's FIFO fills while others' are empty. Written in Verilog: the choice is the
//! lowest bit set, the item an AND-OR over the lanes; a loop of conditions would be a chain of them.

use super::ITEM_BITS;
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Chooses among `L` lanes.
#[derive(LogicBlock)]
pub(super) struct Choose<const L: usize> {
    /// The lanes that go first, a bit each: all from one on.
    pub favoured: Signal<In, Bits<L>>,
    /// A lane has an item.
    pub wants: [Signal<In, Bit>; L],
    /// The item.
    pub items: [Signal<In, Bits<ITEM_BITS>>; L],
    /// It is the one.
    pub chosen: [Signal<Out, Bit>; L],
    /// Some lane has one.
    pub valid: Signal<Out, Bit>,
    /// The item.
    pub item: Signal<Out, Bits<ITEM_BITS>>,
}

impl<const L: usize> Default for Choose<L> {
    fn default() -> Self {
        Self {
            favoured: Default::default(),
            wants: std::array::from_fn(|_| Default::default()),
            items: std::array::from_fn(|_| Default::default()),
            chosen: std::array::from_fn(|_| Default::default()),
            valid: Default::default(),
            item: Default::default(),
        }
    }
}

impl<const L: usize> Logic for Choose<L> {
    fn update(&mut self) {
        let wants = |lane: &usize| self.wants[*lane].val();
        let favoured = |lane: &usize| wants(lane) && self.favoured.val().get_bit(*lane);
        let chosen = (0..L).find(favoured).or_else(|| (0..L).find(wants));
        for lane in 0..L {
            self.chosen[lane].next = chosen == Some(lane);
        }
        self.valid.next = chosen.is_some();
        self.item.next = chosen.map_or_else(Default::default, |lane| self.items[lane].val());
    }

    fn connect(&mut self) {
        for chosen in &mut self.chosen {
            chosen.connect();
        }
        self.valid.connect();
        self.item.connect();
    }

    fn hdl(&self) -> Verilog {
        let high = L - 1;
        let all = |name: &str| {
            let lanes: Vec<String> = (0..L).rev().map(|lane| format!("{name}${lane}")).collect();
            lanes.join(", ")
        };
        // The lowest bit set of `from`, if it is this lane's.
        let lowest = |from: &str, lane: usize| match lane {
            0 => format!("{from}[0]"),
            _ => format!("({from}[{lane}] & ~|{from}[{}:0])", lane - 1),
        };
        let mut text = format!(
            "reg [{high}:0] all, first, one;\n\
             always @(*) begin\n    \
                 all = {{{wants}}};\n    \
                 first = all & favoured;\n",
            wants = all("wants"),
        );
        for lane in 0..L {
            let (first, any) = (lowest("first", lane), lowest("all", lane));
            let _ = writeln!(text, "    one[{lane}] = {first} | (~|first & {any});");
        }
        let _ = write!(
            text,
            "    {{{chosen}}} = one;\n    \
                 valid = |all;\n    \
                 item = {ITEM_BITS}'b0",
            chosen = all("chosen"),
        );
        for lane in 0..L {
            let _ = write!(text, "\n        | ({{{ITEM_BITS}{{one[{lane}]}}}} & items${lane})");
        }
        Verilog::Custom(text + ";\nend\n")
    }
}
