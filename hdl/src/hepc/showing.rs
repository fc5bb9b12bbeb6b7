//! A list as the bus reads it: the item asked for is turned to the front, then shown.
//!
//! ```text
//!  item n of list l ─► turns? ─► wish ─► lists ─► view of l ─► shown ─► index, rank, number of items
//!                                                   there? ──► shows: the bus need not wait any more
//! ```
//!
//! What a list shows stands in registers before it is read: the choice among lists is a clock of its own, by a register too. So a list is
//! looked at from the request's second clock on; an item is turned to from there, and not while items go in, which are compared with
//! the last.

use super::ITEM_BITS;
use super::ranking::View;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// The item wanted at the front.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
pub(super) struct Wish {
    /// Its place; 0 the head's.
    pub place: Bits<8>,
    /// Its list, in bit l; a bit for each number that the bus can name.
    pub lists: Bits<16>,
}

/// What is read of lists of `K`.
#[derive(LogicBlock)]
pub(super) struct Showing<const K: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// A request stands that is not answered yet.
    pub open: Signal<In, Bit>,
    /// It is about a list.
    pub of_lists: Signal<In, Bit>,
    /// It is about an item of one.
    pub of_items: Signal<In, Bit>,
    /// The list.
    pub list: Signal<In, Bits<4>>,
    /// The item's place.
    pub place: Signal<In, Bits<8>>,
    /// Items go in.
    pub listing: Signal<In, Bit>,
    /// The item wanted is at the list's front.
    pub there: Signal<In, Bit>,
    /// What the list shows.
    pub view: Signal<In, View>,

    /// The item wanted at the front.
    pub wish: Signal<Out, Wish>,
    /// It is not shown yet.
    pub waits: Signal<Out, Bit>,
    /// Its index, or all ones.
    pub index: Signal<Out, Bits<32>>,
    /// Its rank, or all ones.
    pub rank: Signal<Out, Bits<32>>,
    /// Items in the list.
    pub count: Signal<Out, Bits<8>>,

    wanted: Register<Wish>,
    looked: Register<Bit>,
    shows: Register<Bit>,
    shown: Register<View>,
    beyond: Signal<Local, Bit>,
    turns: Signal<Local, Bit>,
    upright: Signal<Local, Bits<ITEM_BITS>>,
    list_size: Constant<Bits<8>>,
    one: Constant<Bits<16>>,
    none: Constant<Bits<32>>,
}

impl<const K: usize> Default for Showing<K> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    list_size: Constant::new((K as u64).into()),
                    one: Constant::new(1u64.into()),
                    none: Constant::new(0xFFFF_FFFFu64.into()),
                }
            };
        }
        rest!(
            clock reset open of_lists of_items list place listing there view wish waits index rank count wanted looked shows shown beyond
            turns upright
        )
    }
}

impl<const K: usize> Logic for Showing<K> {
    #[hdl_gen]
    fn update(&mut self) {
        self.wanted.clock.next = self.clock.val();
        self.looked.clock.next = self.clock.val();
        self.shows.clock.next = self.clock.val();
        self.shown.clock.next = self.clock.val();
        self.wanted.reset.next = self.reset.val();
        self.looked.reset.next = self.reset.val();
        self.shows.reset.next = self.reset.val();
        self.shown.reset.next = self.reset.val();

        self.beyond.next = self.of_items.val() & (self.place.val() >= self.list_size.val());
        self.turns.next = self.open.val() & self.of_items.val() & !self.beyond.val() & !self.listing.val();
        self.wanted.d.next.lists = self.one.val() << self.list.val();
        self.wanted.d.next.place = 0.into();
        if self.turns.val() {
            self.wanted.d.next.place = self.place.val();
        }
        self.looked.d.next = self.turns.val() | (self.open.val() & self.of_lists.val());
        self.shows.d.next = self.open.val() & !self.listing.val() & self.there.val() & self.looked.q.val();
        self.shown.d.next = self.view.val();

        self.wish.next = self.wanted.q.val();
        self.waits.next = (self.of_lists.val() | self.of_items.val()) & !self.beyond.val() & !self.shows.q.val();
        self.upright.next = !self.shown.q.val().front;
        self.index.next = self.none.val();
        self.rank.next = self.none.val();
        if self.shown.q.val().exists & !self.beyond.val() {
            self.index.next = bit_cast::<32, 17>(self.upright.val().get_bits::<17>(0));
            self.rank.next = self.upright.val().get_bits::<32>(17);
        }
        self.count.next = self.shown.q.val().count;
    }
}
