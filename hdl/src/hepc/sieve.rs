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
use crate::prim::{Ram, Register};
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

    places: Ram<Bits<WAITING_BITS>, 5>,
    last_held: Register<Bits<ITEM_BITS>>,
    written: Register<Bits<5>>,
    gone: Register<Bits<5>>,
    gone_next: Signal<Local, Bits<5>>,
    /// The word that the RAM gives in this clock had been written when it was read.
    waiting: Register<Bit>,
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
            clock reset in_valid item list last open head_valid head head_list taken holding crowded places last_held written gone gone_next waiting
            count inverted rank index last_rank last_index better push
        )
    }
}

impl Logic for Sieve {
    #[hdl_gen]
    fn update(&mut self) {
        self.places.clock.next = self.clock.val();
        self.written.clock.next = self.clock.val();
        self.written.reset.next = self.reset.val();
        self.gone.clock.next = self.clock.val();
        self.gone.reset.next = self.reset.val();
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
        self.written.d.next = self.written.q.val();
        if self.push.val() {
            self.written.d.next = self.written.q.val() + 1;
        }
        self.places.write_enable.next = self.push.val();
        self.places.write_address.next = self.written.q.val();
        self.places.write_data.next = (bit_cast::<WAITING_BITS, 2>(self.list.val()) << self.list_place.val())
            | bit_cast::<WAITING_BITS, ITEM_BITS>(self.item.val());

        self.gone_next.next = self.gone.q.val();
        if self.taken.val() {
            self.gone_next.next = self.gone.q.val() + 1;
        }
        self.gone.d.next = self.gone_next.val();
        self.places.read_address.next = self.gone_next.val();
        self.waiting.d.next = self.gone_next.val() != self.written.q.val();
        self.head_valid.next = self.waiting.q.val();
        self.head.next = bit_cast::<ITEM_BITS, WAITING_BITS>(self.places.read_data.val());
        self.head_list.next = self.places.read_data.val().get_bits::<2>(49);

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
