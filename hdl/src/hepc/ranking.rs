//! A list with the lanes' turns before it, and its part in what is said to all lists.
//!
//! ```text
//!  heads of L sieves ──► choose ─┬────────►┬─► item ──► list ──► view
//!                                └► spare ─┘             ▲
//!  orders to all lists, and whether it is asked about ───┘
//! ```
//!
//! What the list does not take stands at `item`; one that is chosen meanwhile goes to `spare`. So a lane hears from a register whether its
//! item is taken, not from the list.

use super::choose::Choose;
use super::{ITEM_BITS, List};
use crate::prim::{Kept, Register};
use rust_hdl::prelude::*;

/// What is said to all lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
pub(super) struct Orders {
    /// A sweep begins.
    pub clear: Bit,
    /// A sweep has ended.
    pub finish: Bit,
    /// What the lanes have is not in the list.
    pub fresh: Bit,
    /// The place of the item wanted at the front of the list asked about; of the others it is the head.
    pub wanted: Bits<8>,
}

/// What a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
pub(super) struct View {
    /// The item wanted exists.
    pub exists: Bit,
    /// Items in the list.
    pub count: Bits<8>,
    /// The item at the front, inverted: {rank, index}; 0 if there is none.
    pub front: Bits<ITEM_BITS>,
}

/// The best `K` of what `L` lanes find; `M` = K - 1.
#[derive(LogicBlock)]
pub(super) struct Ranking<const L: usize, const K: usize, const M: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// What is said to all lists.
    pub orders: Signal<In, Orders>,
    /// The lanes that go first, a bit each: all from one on.
    pub favoured: Signal<In, Bits<L>>,
    /// This is the list asked about.
    pub asked: Signal<In, Bit>,
    /// The list forgets its head; only while nothing is on its way to it.
    pub pop: Signal<In, Bit>,
    /// A lane has an item for this list.
    pub wants: [Signal<In, Bit>; L],
    /// It will have one in the next clock: its head is taken in this one, by whatever list.
    pub wants_next: [Signal<In, Bit>; L],
    /// The item, inverted: {rank, index}.
    pub items: [Signal<In, Bits<ITEM_BITS>>; L],
    /// It is taken.
    pub taken: [Signal<Out, Bit>; L],
    /// An item is on its way to the list.
    pub holding: Signal<Out, Bit>,

    /// The last item of a full list, inverted; 0 if it is not full.
    pub last_item: Signal<Out, Bits<ITEM_BITS>>,
    /// The item wanted is at the front.
    pub there: Signal<Out, Bit>,
    /// What it shows.
    pub view: Signal<Out, View>,

    choose: Choose<L>,
    list: List<K, M>,
    offered: Register<Bit>,
    item: Kept<Bits<ITEM_BITS>>,
    /// An item waits behind the one offered.
    spared: Register<Bit>,
    spare: Kept<Bits<ITEM_BITS>>,
    moves: Signal<Local, Bit>,
}

impl<const L: usize, const K: usize, const M: usize> Default for Ranking<L, K, M> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*; $($lanes:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    $($lanes: std::array::from_fn(|_| Default::default()),)*
                }
            };
        }
        rest!(
            clock reset orders favoured asked pop holding last_item there view choose list offered item spared spare moves;
            wants wants_next items taken
        )
    }
}

impl<const L: usize, const K: usize, const M: usize> Logic for Ranking<L, K, M> {
    #[hdl_gen]
    fn update(&mut self) {
        self.choose.clock.next = self.clock.val();
        self.list.clock.next = self.clock.val();
        self.offered.clock.next = self.clock.val();
        self.item.clock.next = self.clock.val();
        self.spared.clock.next = self.clock.val();
        self.spare.clock.next = self.clock.val();
        self.choose.reset.next = self.reset.val();
        self.list.reset.next = self.reset.val();
        self.offered.reset.next = self.reset.val();
        self.item.reset.next = self.reset.val();
        self.spared.reset.next = self.reset.val();
        self.spare.reset.next = self.reset.val();

        self.moves.next = !self.offered.q.val() | self.list.taken.val();
        self.choose.favoured.next = self.favoured.val();
        self.choose.takes.next = !self.spared.q.val();
        for i in 0..L {
            self.choose.wants[i].next = self.wants[i].val();
            self.choose.wants_next[i].next = self.wants_next[i].val();
            self.choose.items[i].next = self.items[i].val();
            self.taken[i].next = self.choose.chosen[i].val() & !self.spared.q.val();
        }
        self.offered.d.next = self.choose.valid.val() | self.spared.q.val() | !self.moves.val();
        self.item.enable.next = self.moves.val();
        self.item.d.next = self.choose.item.val();
        if self.spared.q.val() {
            self.item.d.next = self.spare.q.val();
        }
        self.spared.d.next = (self.choose.valid.val() | self.spared.q.val()) & !self.moves.val();
        self.spare.enable.next = !self.spared.q.val();
        self.spare.d.next = self.choose.item.val();
        self.holding.next = self.offered.q.val() | self.list.holding.val();

        self.list.clear.next = self.orders.val().clear;
        self.list.finish.next = self.orders.val().finish;
        self.list.pop.next = self.pop.val();
        self.list.offer.next = self.offered.q.val();
        self.list.fresh.next = self.orders.val().fresh;
        self.list.item.next = self.item.q.val();
        self.list.position.next = 0.into();
        if self.asked.val() {
            self.list.position.next = self.orders.val().wanted;
        }

        self.last_item.next = self.list.last_item.val();
        self.there.next = self.list.there.val();
        self.view.next.exists = self.list.exists.val();
        self.view.next.count = self.list.count.val();
        self.view.next.front = self.list.front.val();
    }
}
