//! Whose turn it is: of the lanes that have an item for a list, one a clock.
//!
//! ```text
//!  wants ──► first of the favoured, or first of all ──► taken, item
//! ```
//!
//! The favoured change from clock to clock, so that no lane's FIFO fills while others' are empty. Written in Verilog: the choice is an
//! isolated lowest bit, the item an AND-OR over the lanes; a loop of conditions would be a chain of them.

use super::ITEM_BITS;
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Chooses among `L` lanes.
#[derive(LogicBlock)]
pub(super) struct Choose<const L: usize> {
    /// The lanes from this on go first.
    pub favoured: Signal<In, Bits<4>>,
    /// A lane has an item.
    pub wants: [Signal<In, Bit>; L],
    /// The item.
    pub items: [Signal<In, Bits<ITEM_BITS>>; L],
    /// It is taken.
    pub taken: [Signal<Out, Bit>; L],
    /// Some lane has one.
    pub valid: Signal<Out, Bit>,
    /// The item taken.
    pub item: Signal<Out, Bits<ITEM_BITS>>,
}

impl<const L: usize> Default for Choose<L> {
    fn default() -> Self {
        Self {
            favoured: Default::default(),
            wants: std::array::from_fn(|_| Default::default()),
            items: std::array::from_fn(|_| Default::default()),
            taken: std::array::from_fn(|_| Default::default()),
            valid: Default::default(),
            item: Default::default(),
        }
    }
}

impl<const L: usize> Logic for Choose<L> {
    fn update(&mut self) {
        let favoured = (0..L).find(|lane| self.favoured.val() == *lane as u64).unwrap_or(L);
        let wants = |lane: &usize| self.wants[*lane].val();
        let chosen = (favoured..L).find(wants).or_else(|| (0..L).find(wants));
        for lane in 0..L {
            self.taken[lane].next = chosen == Some(lane);
        }
        self.valid.next = chosen.is_some();
        self.item.next = chosen.map_or_else(Default::default, |lane| self.items[lane].val());
    }

    fn connect(&mut self) {
        for taken in &mut self.taken {
            taken.connect();
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
        let mut text = format!(
            "reg [{high}:0] all, first, chosen;\n\
             always @(*) begin\n    \
                 all = {{{wants}}};\n    \
                 first = all & ({{{L}{{1'b1}}}} << favoured);\n    \
                 chosen = |first ? first & (~first + 1'b1) : all & (~all + 1'b1);\n    \
                 {{{taken}}} = chosen;\n    \
                 valid = |all;\n    \
                 item = {ITEM_BITS}'b0",
            wants = all("wants"),
            taken = all("taken"),
        );
        for lane in 0..L {
            let _ = write!(text, "\n        | ({{{ITEM_BITS}{{chosen[{lane}]}}}} & items${lane})");
        }
        Verilog::Custom(text + ";\nend\n")
    }
}
