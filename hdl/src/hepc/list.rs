//! A victim list, or the prefetch list: the best K of what is offered, sorted, with its bound. `docs/hepc.md`, Sweep and
//! Offers.
//!
//! ```text
//!          item ──► 1 compared with all cells at once ──► 2 a cell keeps its own, takes the item,
//!            │                                              or takes its left neighbour's
//!         ┌──▼──┐   ┌─────┐   ┌─────┐
//!  front ◄┤  0  ├──►┤  1  ├──►┤ K-1 ├──► dropped
//!         └──▲──┘   └─────┘   └──┬──┘
//!            └───────────────────┘  turning: the last one's to the first
//! ```
//!
//! An item is {rank, index}, lowest first. Cells hold it inverted, so that an empty cell is 0, the reset value, and worse
//! than all items. **Stage 1** compares, **stage 2** moves; an item compared while the one before it moves has its comparisons moved along,
//! so that fresh items go in one a clock. Whether an item is in the list already is seen by comparing it twice, once as a little
//! better than it is: that takes four clocks, and is left out for fresh ones.
//!
//! **Turning.** A cell moves in one direction only, which spares it half of its multiplexer. So a pop is a turn of K - 1 clocks, in the first
//! of which the head is not passed on, and an item that is wanted is turned to the front. Before the next offer the list turns home.

use super::cell::{COMPARED_BITS, Cell};
use super::pace::Pace;
use crate::prim::{Kept, Register};
use rust_hdl::prelude::*;

/// Bits of a rank (docs/hepc.md, Who may be a victim); the prefetch list's have 32.
pub const RANK_BITS: usize = 32;
/// Bits of an index: entries and stash of the largest directory.
pub const INDEX_BITS: usize = 17;
/// Bits of an item.
pub const ITEM_BITS: usize = RANK_BITS + INDEX_BITS;

/// The best `K` items; `M` = K - 1 (`K - 1` cannot be said of a const parameter).
#[derive(LogicBlock)]
pub struct List<const K: usize, const M: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: as `clear`.
    pub reset: Signal<In, Bit>,

    /// A sweep begins: forgets items and bound, and what is on its way.
    pub clear: Signal<In, Bit>,
    /// A sweep has ended: a full list's last item becomes the bound. Only while nothing is on its way.
    pub finish: Signal<In, Bit>,
    /// Forgets the head. Only while nothing is on its way, and the head is wanted and there.
    pub pop: Signal<In, Bit>,
    /// An item is offered, and stands until it is taken.
    pub offer: Signal<In, Bit>,
    /// It is not in the list.
    pub fresh: Signal<In, Bit>,
    /// The item, inverted: {rank, index}.
    pub item: Signal<In, Bits<ITEM_BITS>>,
    /// It is taken.
    pub taken: Signal<Out, Bit>,
    /// An item is on its way.
    pub holding: Signal<Out, Bit>,

    /// The place of the item wanted at the front, 0 the head's; 0 while items are offered.
    pub position: Signal<In, Bits<8>>,
    /// It is there.
    pub there: Signal<Out, Bit>,
    /// There are more items than places before the one wanted.
    pub exists: Signal<Out, Bit>,
    /// The item at the front, inverted: {rank, index}; 0 if there is none.
    pub front: Signal<Out, Bits<ITEM_BITS>>,
    /// The last item of a full list, likewise; 0 if it is not full, anything while it turns.
    pub last_item: Signal<Out, Bits<ITEM_BITS>>,
    /// Items in it.
    pub count: Signal<Out, Bits<8>>,
    /// There is a bound, and only items not above it are taken.
    pub bounded: Signal<Out, Bit>,
    /// The bound, inverted: {rank, index}.
    pub bound_item: Signal<Out, Bits<ITEM_BITS>>,

    cells: [Cell; K],
    /// This cell, or one before it, holds just what is offered.
    known_so_far: [Signal<Local, Bit>; K],
    bound: Kept<Bits<ITEM_BITS>>,
    has_bound: Register<Bit>,
    held: Register<Bits<8>>,
    turn: Register<Bits<8>>,
    /// It goes on in this clock.
    going: Register<Bit>,
    /// It goes on, or does not stand at 0.
    away: Register<Bit>,
    pace: Pace,
    staged_item: Kept<Bits<ITEM_BITS>>,
    allowed: Kept<Bit>,
    known: Register<Bit>,
    cut: Register<Bit>,
    compared: Signal<Local, Bits<COMPARED_BITS>>,
    against_staged: Signal<Local, Bits<COMPARED_BITS>>,
    against_bound: Signal<Local, Bits<COMPARED_BITS>>,
    bound_compared: Signal<Local, Bits<COMPARED_BITS>>,
    last: Signal<Local, Bits<ITEM_BITS>>,
    better_than_staged: Signal<Local, Bit>,
    full: Signal<Local, Bit>,
    take: Signal<Local, Bit>,
    turning: Signal<Local, Bit>,
    turned: Signal<Local, Bits<8>>,
    goes: Signal<Local, Bit>,
    place: Signal<Local, Bits<8>>,
    size: Constant<Bits<8>>,
    last_place: Constant<Bits<8>>,
    last_but_one: Constant<Bits<8>>,
}

impl<const K: usize, const M: usize> Default for List<K, M> {
    fn default() -> Self {
        assert!((2..=128).contains(&K) && M + 1 == K, "a list of 2 to 128, and M one less");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    cells: std::array::from_fn(|_| Default::default()),
                    known_so_far: std::array::from_fn(|_| Default::default()),
                    size: Constant::new((K as u64).into()),
                    last_place: Constant::new((M as u64).into()),
                    last_but_one: Constant::new((K as u64 - 2).into()),
                }
            };
        }
        rest!(
            clock reset clear finish pop offer fresh item taken holding position there exists front last_item count bounded
            bound_item bound has_bound held turn going away pace staged_item allowed known cut compared against_staged against_bound bound_compared last
            better_than_staged full take turning turned goes place
        )
    }
}

impl<const K: usize, const M: usize> Logic for List<K, M> {
    #[hdl_gen]
    fn update(&mut self) {
        self.bound.clock.next = self.clock.val();
        self.has_bound.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.turn.clock.next = self.clock.val();
        self.going.clock.next = self.clock.val();
        self.away.clock.next = self.clock.val();
        self.pace.clock.next = self.clock.val();
        self.staged_item.clock.next = self.clock.val();
        self.allowed.clock.next = self.clock.val();
        self.known.clock.next = self.clock.val();
        self.cut.clock.next = self.clock.val();
        self.bound.reset.next = self.reset.val();
        self.has_bound.reset.next = self.reset.val() | self.clear.val();
        self.held.reset.next = self.reset.val() | self.clear.val();
        self.turn.reset.next = self.reset.val() | self.clear.val();
        self.going.reset.next = self.reset.val() | self.clear.val();
        self.away.reset.next = self.reset.val() | self.clear.val();
        self.pace.reset.next = self.reset.val() | self.clear.val();
        self.staged_item.reset.next = self.reset.val();
        self.allowed.reset.next = self.reset.val();
        self.known.reset.next = self.reset.val();
        self.cut.reset.next = self.reset.val() | self.clear.val();

        self.pace.offer.next = self.offer.val();
        self.pace.fresh.next = self.fresh.val();
        self.pace.away.next = self.away.q.val();
        self.taken.next = self.pace.taken.val();
        self.holding.next = self.pace.holding.val();

        // 1: against all cells, the item before it, and the bound.
        self.compared.next = bit_cast::<COMPARED_BITS, ITEM_BITS>(self.item.val()) << 1;
        if self.pace.favours.val() {
            self.compared.next = (bit_cast::<COMPARED_BITS, ITEM_BITS>(self.item.val()) << 1) | 1;
        }
        self.bound_compared.next = (bit_cast::<COMPARED_BITS, ITEM_BITS>(self.item.val()) << 1) | 1;
        self.against_staged.next = bit_cast::<COMPARED_BITS, ITEM_BITS>(self.staged_item.q.val()) << 1;
        self.against_bound.next = bit_cast::<COMPARED_BITS, ITEM_BITS>(self.bound.q.val()) << 1;
        self.better_than_staged.next = self.against_staged.val() < self.compared.val();
        for i in 0..K {
            self.last.next = self.cells[i].held.val();
        }
        self.staged_item.enable.next = !self.pace.stay.val();
        self.staged_item.d.next = self.item.val();
        self.allowed.enable.next = !self.pace.stay.val();
        self.allowed.d.next = !self.has_bound.q.val() | (self.against_bound.val() < self.bound_compared.val());

        // 2: the item's place is the first cell that it beats. What is compared meanwhile is compared with what the cells will hold.
        self.take.next = self.pace.staged.val() & self.allowed.q.val() & !self.known.q.val();
        self.known_so_far[0].next = self.cells[0].same.val();
        self.known.d.next = self.pace.stay.val() & self.cells[0].same.val();
        for i in 0..M {
            self.known_so_far[i + 1].next = self.known_so_far[i].val() | self.cells[i + 1].same.val();
            self.known.d.next = self.pace.stay.val() & self.known_so_far[i + 1].val();
        }

        // Turning: towards the item wanted, but home for an offer.
        self.place.next = self.position.val();
        if self.offer.val() {
            self.place.next = 0.into();
        }
        self.there.next = (self.turn.q.val() == self.position.val()) & !self.going.q.val();
        self.exists.next = self.position.val() < self.held.q.val();
        self.turning.next = self.going.q.val() | self.pop.val();
        self.turned.next = self.turn.q.val();
        if self.going.q.val() {
            self.turned.next = self.turn.q.val() - 1;
            if self.turn.q.val() == 0 {
                self.turned.next = self.last_place.val();
            }
        }
        if self.pop.val() {
            self.turned.next = self.last_but_one.val();
        }
        self.turn.d.next = self.turned.val();
        self.goes.next = (self.turned.val() != self.place.val()) & !self.pace.holding.val();
        self.going.d.next = self.goes.val();
        self.away.d.next = self.goes.val() | (self.turned.val() != 0);

        for i in 0..K {
            self.cells[i].clock.next = self.clock.val();
            self.cells[i].reset.next = self.reset.val() | self.clear.val();
            self.cells[i].compared.next = self.compared.val();
            self.cells[i].item.next = self.staged_item.q.val();
            self.cells[i].better_than_item.next = self.better_than_staged.val();
            self.cells[i].take.next = self.take.val();
            self.cells[i].stay.next = self.pace.stay.val();
            self.cells[i].turning.next = self.turning.val();
        }
        self.cells[0].left.next = self.last.val();
        self.cells[0].left_better.next = false;
        self.cells[0].left_beats.next = false;
        self.cells[0].left_moves.next = false;
        for i in 0..M {
            self.cells[i + 1].left.next = self.cells[i].held.val();
            self.cells[i + 1].left_better.next = self.cells[i].better.val();
            self.cells[i + 1].left_beats.next = self.cells[i].beats.val();
            self.cells[i + 1].left_moves.next = self.cells[i].moves.val();
        }
        self.cells[1].reset.next = self.reset.val() | self.clear.val() | self.pop.val();

        // One too many: the list is cut, and what is last then is the bound. Until it stands in it, a clock later, the list is full, and what
        // the older bound lets pass is not better than the last.
        self.full.next = self.held.q.val() == self.size.val();
        self.cut.d.next = self.take.val() & self.full.val();
        self.bound.enable.next = self.cut.q.val() | self.finish.val();
        self.bound.d.next = self.last.val();
        self.has_bound.d.next = self.has_bound.q.val() | self.cut.q.val();
        if self.finish.val() {
            self.has_bound.d.next = self.full.val();
        }
        self.held.d.next = self.held.q.val();
        if self.take.val() & !self.full.val() {
            self.held.d.next = self.held.q.val() + 1;
        }
        if self.pop.val() & (self.held.q.val() != 0) {
            self.held.d.next = self.held.q.val() - 1;
        }

        self.front.next = self.cells[0].held.val();
        self.last_item.next = self.last.val();
        self.count.next = self.held.q.val();
        self.bounded.next = self.has_bound.q.val();
        self.bound_item.next = self.bound.q.val();
    }
}
