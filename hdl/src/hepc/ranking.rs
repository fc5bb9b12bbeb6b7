//! A list with the lanes' turns before it.
//!
//! ```text
//!  heads of L sieves ──► choose ──► item ──► list
//! ```

use super::choose::Choose;
use super::{ITEM_BITS, List};
use crate::prim::{Kept, Register};
use rust_hdl::prelude::*;

/// The best `K` of what `L` lanes find; `M` = K - 1.
#[derive(LogicBlock)]
pub(super) struct Ranking<const L: usize, const K: usize, const M: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// A sweep begins.
    pub clear: Signal<In, Bit>,
    /// A sweep has ended.
    pub finish: Signal<In, Bit>,
    /// Forgets the head; only while nothing is on its way to the list.
    pub pop: Signal<In, Bit>,
    /// What the lanes have is not in the list.
    pub fresh: Signal<In, Bit>,
    /// The lanes from this on go first.
    pub favoured: Signal<In, Bits<4>>,
    /// A lane has an item for this list.
    pub wants: [Signal<In, Bit>; L],
    /// The item, inverted: {rank, index}.
    pub items: [Signal<In, Bits<ITEM_BITS>>; L],
    /// It is taken.
    pub taken: [Signal<Out, Bit>; L],
    /// An item is on its way to the list.
    pub holding: Signal<Out, Bit>,

    /// The last item of a full list, inverted; 0 if it is not full.
    pub last_item: Signal<Out, Bits<ITEM_BITS>>,
    /// Items in it.
    pub count: Signal<Out, Bits<8>>,
    /// The place of the item wanted at the front.
    pub position: Signal<In, Bits<8>>,
    /// It is there.
    pub there: Signal<Out, Bit>,
    /// It exists.
    pub exists: Signal<Out, Bit>,
    /// The item at the front, inverted: {rank, index}; 0 if there is none.
    pub front: Signal<Out, Bits<ITEM_BITS>>,

    choose: Choose<L>,
    list: List<K, M>,
    offered: Register<Bit>,
    item: Kept<Bits<ITEM_BITS>>,
    free: Signal<Local, Bit>,
}

impl<const L: usize, const K: usize, const M: usize> Default for Ranking<L, K, M> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    wants: std::array::from_fn(|_| Default::default()),
                    items: std::array::from_fn(|_| Default::default()),
                    taken: std::array::from_fn(|_| Default::default()),
                }
            };
        }
        rest!(
            clock reset clear finish pop fresh favoured holding last_item count position there exists front choose list offered item free
        )
    }
}

impl<const L: usize, const K: usize, const M: usize> Logic for Ranking<L, K, M> {
    #[hdl_gen]
    fn update(&mut self) {
        self.list.clock.next = self.clock.val();
        self.offered.clock.next = self.clock.val();
        self.item.clock.next = self.clock.val();
        self.list.reset.next = self.reset.val();
        self.offered.reset.next = self.reset.val();
        self.item.reset.next = self.reset.val();

        self.free.next = !self.offered.q.val() | self.list.taken.val();
        self.choose.favoured.next = self.favoured.val();
        for i in 0..L {
            self.choose.wants[i].next = self.wants[i].val();
            self.choose.items[i].next = self.items[i].val();
            self.taken[i].next = self.choose.chosen[i].val() & self.free.val();
        }
        self.offered.d.next = self.choose.valid.val() | !self.free.val();
        self.item.enable.next = self.free.val();
        self.item.d.next = self.choose.item.val();
        self.holding.next = self.offered.q.val() | self.list.holding.val();

        self.list.clear.next = self.clear.val();
        self.list.finish.next = self.finish.val();
        self.list.pop.next = self.pop.val();
        self.list.offer.next = self.offered.q.val();
        self.list.fresh.next = self.fresh.val();
        self.list.item.next = self.item.q.val();
        self.list.position.next = self.position.val();

        self.last_item.next = self.list.last_item.val();
        self.count.next = self.list.count.val();
        self.there.next = self.list.there.val();
        self.exists.next = self.list.exists.val();
        self.front.next = self.list.front.val();
    }
}
