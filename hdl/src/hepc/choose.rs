//! Whose turn it is: of the lanes that have an item for a list, one a clock.
//!
//! ```text
//!  wants ─► less what is taken ─► first of the favoured, or first of all ─┬─► register ─► chosen ─► item
//!  wants next ───────────────────────────────── first, if there is no other┘
//! ```
//!
//! The favoured change from clock to clock, so that no lane's FIFO fills while others' are empty. A lane whose head is taken in this
//! clock, by whatever list, comes last: what is behind the head is known late. Written in Verilog: the choice is the lowest bit set, the
//! item an AND-OR over the lanes; a loop of conditions would be a chain of them.

use super::ITEM_BITS;
use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// Chooses among `L` lanes.
#[derive(LogicBlock)]
pub(super) struct Choose<const L: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: none is chosen.
    pub reset: Signal<In, Bit>,
    /// The lanes that go first, a bit each: all from one on.
    pub favoured: Signal<In, Bits<L>>,
    /// A lane has an item, and keeps it until it is taken.
    pub wants: [Signal<In, Bit>; L],
    /// It will have one in the next clock: its head is taken in this one, by whatever list.
    pub wants_next: [Signal<In, Bit>; L],
    /// The item.
    pub items: [Signal<In, Bits<ITEM_BITS>>; L],
    /// What is chosen is taken.
    pub takes: Signal<In, Bit>,
    /// It is this lane's.
    pub chosen: [Signal<Out, Bit>; L],
    /// It is some lane's.
    pub valid: Signal<Out, Bit>,
    /// The item.
    pub item: Signal<Out, Bits<ITEM_BITS>>,
    _whose: Option<usize>,
}

impl<const L: usize> Default for Choose<L> {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            favoured: Default::default(),
            wants: std::array::from_fn(|_| Default::default()),
            wants_next: std::array::from_fn(|_| Default::default()),
            items: std::array::from_fn(|_| Default::default()),
            takes: Default::default(),
            chosen: std::array::from_fn(|_| Default::default()),
            valid: Default::default(),
            item: Default::default(),
            _whose: None,
        }
    }
}

impl<const L: usize> Logic for Choose<L> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let wants = |lane: &usize| self.wants[*lane].val() && !(self.takes.val() && self._whose == Some(*lane));
            let favoured = |lane: &usize| wants(lane) && self.favoured.val().get_bit(*lane);
            let wants_next = |lane: &usize| self.wants_next[*lane].val();
            let next = (0..L).find(favoured).or_else(|| (0..L).find(wants)).or_else(|| (0..L).find(wants_next));
            self._whose = next.filter(|_| !self.reset.val());
        }
        for lane in 0..L {
            self.chosen[lane].next = self._whose == Some(lane);
        }
        self.valid.next = self._whose.is_some();
        self.item.next = self._whose.map_or_else(Default::default, |lane| self.items[lane].val());
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
            "reg [{high}:0] left, first, late, next, whose;\n\
             always @(*) begin\n    \
                 left = {{{wants}}} & ~(whose & {{{L}{{takes}}}});\n    \
                 first = left & favoured;\n    \
                 late = {{{wants_next}}};\n",
            wants = all("wants"),
            wants_next = all("wants_next"),
        );
        for lane in 0..L {
            let (first, any, late) = (lowest("first", lane), lowest("left", lane), lowest("late", lane));
            let _ = writeln!(text, "    next[{lane}] = {first} | (~|first & {any}) | (~|left & {late});");
        }
        let _ = write!(
            text,
            "    {{{chosen}}} = whose;\n    \
                 valid = |whose;\n    \
                 item = {ITEM_BITS}'b0",
            chosen = all("chosen"),
        );
        for lane in 0..L {
            let _ = write!(text, "\n        | ({{{ITEM_BITS}{{whose[{lane}]}}}} & items${lane})");
        }
        Verilog::Custom(format!("{text};\nend\nalways @(posedge clock) whose <= reset ? {L}'b0 : next;\n"))
    }
}
