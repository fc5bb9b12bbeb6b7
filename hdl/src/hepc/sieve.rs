//! Items of one lane that beat the last of their list wait here for their turn at the list.
//!
//! ```text
//!  item ──► better than the last? ──► FIFO ──► head
//!  last item of its list, a clock before
//! ```
//!
//! A list only gets better during a sweep, so what does not beat an older last item does not beat the present one either.
//! Most items of a sweep stop here: of n in random order, K * (1 + ln(n / K)) pass.

use super::ITEM_BITS;
use crate::prim::{Fifo, Register};
use rust_hdl::prelude::*;

/// Bits of an item and the number of its list.
const WAITING_BITS: usize = ITEM_BITS + 2;

/// A filter and 32 places.
#[derive(LogicBlock)]
pub(super) struct Sieve {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: empties it.
    pub reset: Signal<In, Bit>,

    /// An item comes.
    pub in_valid: Signal<In, Bit>,
    /// The item: {rank, index}.
    pub item: Signal<In, Bits<ITEM_BITS>>,
    /// Its list.
    pub list: Signal<In, Bits<2>>,
    /// The last item of its list, inverted, 0 if there is room, in the clock before the item.
    pub last: Signal<In, Bits<ITEM_BITS>>,
    /// Lets all pass: whether it is too bad for the list is a matter of the list's bound.
    pub open: Signal<In, Bit>,

    /// An item waits.
    pub head_valid: Signal<Out, Bit>,
    /// The first of them.
    pub head: Signal<Out, Bits<ITEM_BITS>>,
    /// Its list.
    pub head_list: Signal<Out, Bits<2>>,
    /// It is taken.
    pub taken: Signal<In, Bit>,
    /// There is something in it, or on its way to the head.
    pub holding: Signal<Out, Bit>,
    /// Half full: no more than 16 items may follow.
    pub crowded: Signal<Out, Bit>,

    waiting: Fifo<Bits<WAITING_BITS>, 5, 6>,
    last_held: Register<Bits<ITEM_BITS>>,
    count: Register<Bits<6>>,
    inverted: Signal<Local, Bits<ITEM_BITS>>,
    rank: Signal<Local, Bits<32>>,
    index: Signal<Local, Bits<17>>,
    last_rank: Signal<Local, Bits<32>>,
    last_index: Signal<Local, Bits<17>>,
    better: Signal<Local, Bit>,
    push: Signal<Local, Bit>,
    list_place: Constant<Bits<6>>,
}

impl Default for Sieve {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    list_place: Constant::new((ITEM_BITS as u64).into()),
                }
            };
        }
        rest!(
            clock reset in_valid item list last open head_valid head head_list taken holding crowded waiting last_held
            count inverted rank index last_rank last_index better push
        )
    }
}

impl Logic for Sieve {
    #[hdl_gen]
    fn update(&mut self) {
        self.waiting.clock.next = self.clock.val();
        self.waiting.reset.next = self.reset.val();
        self.last_held.clock.next = self.clock.val();
        self.last_held.reset.next = self.reset.val();
        self.count.clock.next = self.clock.val();
        self.count.reset.next = self.reset.val();

        self.last_held.d.next = self.last.val();
        self.inverted.next = !self.item.val();
        self.rank.next = self.inverted.val().get_bits::<32>(17);
        self.index.next = self.inverted.val().get_bits::<17>(0);
        self.last_rank.next = self.last_held.q.val().get_bits::<32>(17);
        self.last_index.next = self.last_held.q.val().get_bits::<17>(0);
        self.better.next = (self.rank.val() > self.last_rank.val())
            | ((self.rank.val() == self.last_rank.val()) & (self.index.val() > self.last_index.val()));
        self.push.next = self.in_valid.val() & (self.open.val() | self.better.val());
        self.waiting.in_valid.next = self.push.val();
        self.waiting.in_data.next = (bit_cast::<WAITING_BITS, 2>(self.list.val()) << self.list_place.val())
            | bit_cast::<WAITING_BITS, ITEM_BITS>(self.item.val());

        self.waiting.out_ready.next = self.taken.val();
        self.head_valid.next = self.waiting.out_valid.val();
        self.head.next = bit_cast::<ITEM_BITS, WAITING_BITS>(self.waiting.out_data.val());
        self.head_list.next = self.waiting.out_data.val().get_bits::<2>(49);

        self.count.d.next = self.count.q.val();
        if self.push.val() & !self.taken.val() {
            self.count.d.next = self.count.q.val() + 1;
        } else if self.taken.val() & !self.push.val() {
            self.count.d.next = self.count.q.val() - 1;
        }
        self.holding.next = self.count.q.val() != 0;
        self.crowded.next = self.count.q.val().get_bits::<2>(4) != 0;
    }
}
