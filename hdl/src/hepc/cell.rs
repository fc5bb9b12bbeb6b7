//! A place of a list: an item, its comparison with what is offered, and where it moves.
//!
//! ```text
//!  left neighbour's ─┐
//!  item of stage 2 ──┴► item ──► right neighbour
//!                        │
//!  item of stage 1 ─────[>]──► better ──► beats, at stage 2
//! ```

use super::ITEM_BITS;
use crate::prim::{Kept, Register};
use rust_hdl::prelude::*;

/// Bits of what is compared: an item, and whether it counts as a little better.
pub(super) const COMPARED_BITS: usize = ITEM_BITS + 1;

/// One of K.
#[derive(LogicBlock, Default)]
pub(super) struct Cell {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: empties it.
    pub reset: Signal<In, Bit>,

    /// The item of stage 1, as it is compared.
    pub compared: Signal<In, Bits<COMPARED_BITS>>,
    /// The item of stage 2.
    pub item: Signal<In, Bits<ITEM_BITS>>,
    /// The former is better than the latter.
    pub better_than_item: Signal<In, Bit>,
    /// The item of stage 2 is taken.
    pub take: Signal<In, Bit>,
    /// Stage 2 stays as it is.
    pub stay: Signal<In, Bit>,
    /// The list turns.
    pub turning: Signal<In, Bit>,

    /// What the left neighbour holds.
    pub left: Signal<In, Bits<ITEM_BITS>>,
    /// What it says of itself.
    pub left_better: Signal<In, Bit>,
    /// Likewise.
    pub left_beats: Signal<In, Bit>,
    /// Likewise.
    pub left_moves: Signal<In, Bit>,

    /// What it holds; 0 if nothing.
    pub held: Signal<Out, Bits<ITEM_BITS>>,
    /// The item of stage 1 is better.
    pub better: Signal<Out, Bit>,
    /// The item of stage 2 is.
    pub beats: Signal<Out, Bit>,
    /// What it holds goes to the right.
    pub moves: Signal<Out, Bit>,
    /// The item of stage 2 is what it holds: a little better would be better.
    pub same: Signal<Out, Bit>,

    value: Kept<Bits<ITEM_BITS>>,
    beaten: Kept<Bit>,
    reached: Register<Bit>,
    against: Signal<Local, Bits<COMPARED_BITS>>,
    is_better: Signal<Local, Bit>,
    gives: Signal<Local, Bit>,
}

impl Logic for Cell {
    #[hdl_gen]
    fn update(&mut self) {
        self.value.clock.next = self.clock.val();
        self.beaten.clock.next = self.clock.val();
        self.reached.clock.next = self.clock.val();
        self.value.reset.next = self.reset.val();
        self.beaten.reset.next = self.reset.val();
        self.reached.reset.next = self.reset.val();

        self.against.next = bit_cast::<COMPARED_BITS, ITEM_BITS>(self.value.q.val()) << 1;
        // `<` is a carry chain; of `>` synthesis makes one and an equality.
        self.is_better.next = self.against.val() < self.compared.val();
        self.gives.next = self.take.val() & self.beaten.q.val();

        // Compared with what will be here.
        self.beaten.enable.next = !self.stay.val();
        self.beaten.d.next = self.is_better.val();
        if self.left_moves.val() {
            self.beaten.d.next = self.left_better.val();
        } else if self.gives.val() {
            self.beaten.d.next = self.better_than_item.val();
        }
        self.reached.d.next = self.beaten.q.val();

        self.value.enable.next = self.gives.val() | self.turning.val();
        self.value.d.next = self.item.val();
        if self.left_beats.val() | self.turning.val() {
            self.value.d.next = self.left.val();
        }

        self.held.next = self.value.q.val();
        self.better.next = self.is_better.val();
        self.beats.next = self.beaten.q.val();
        self.moves.next = self.gives.val();
        self.same.next = self.beaten.q.val() ^ self.reached.q.val();
    }
}
