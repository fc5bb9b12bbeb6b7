//! Items of one lane that beat the last of their list wait here for their turn at the list.
//!
//! ```text
//!  item ──► better than the last? ──► FIFO ──► head, and which list wants it
//!  last item of its list, a clock before
//! ```
//!
//! A list only gets better during a sweep, so what does not beat an older last item does not beat the present one either.
//! Most items of a sweep stop here: of n in random order, K * (1 + ln(n / K)) pass once the list is full. The head stands in registers, so that what a list
//! takes does not come from a RAM. What leaves is counted a clock later: whether a list takes the head is a way long enough without a
//! count behind it. Only whether something waits is known at once.

use super::ITEM_BITS;
use super::places::Places;
use crate::prim::{Kept, Register};
use rust_hdl::prelude::*;

/// Bits of an item and the number of its list.
const WAITING_BITS: usize = ITEM_BITS + 2;
/// Places.
const PLACES: usize = 48;
/// Items that may still come when it is found crowded: rows taken before (10), in that clock, and before the pass stops.
const COMING: usize = 12;

/// A filter and 48 places.
#[derive(LogicBlock)]
pub(super) struct Sieve {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: empties it.
    pub reset: Signal<In, Bit>,

    /// An item comes.
    pub in_valid: Signal<In, Bit>,
    /// The item, inverted: {rank, index}.
    pub item: Signal<In, Bits<ITEM_BITS>>,
    /// Its list.
    pub list: Signal<In, Bits<2>>,
    /// The last item of its list, inverted, 0 if there is room, in the clock before the item.
    pub last: Signal<In, Bits<ITEM_BITS>>,
    /// Lets all pass: whether it is too bad for the list is a matter of the list's bound.
    pub open: Signal<In, Bit>,

    /// An item waits for list k, in bit k.
    pub wanted: Signal<Out, Bits<4>>,
    /// In the next clock the head will be for list k: the one before is taken in this one.
    pub wanted_next: Signal<Out, Bits<4>>,
    /// The first of them, inverted.
    pub head: Signal<Out, Bits<ITEM_BITS>>,
    /// It is taken.
    pub taken: Signal<In, Bit>,
    /// There is something in it.
    pub holding: Signal<Out, Bit>,
    /// No more than 12 items may follow.
    pub crowded: Signal<Out, Bit>,

    last_held: Register<Bits<ITEM_BITS>>,
    better: Signal<Local, Bit>,
    pushed: Register<Bit>,
    push_item: Register<Bits<ITEM_BITS>>,
    push_list: Register<Bits<2>>,
    places: Places<WAITING_BITS, PLACES>,
    written: Register<Bits<6>>,
    gone: Kept<Bits<6>>,
    /// Items in the FIFO, and one more if one left it in the clock before.
    count: Register<Bits<6>>,
    /// One did.
    loaded: Register<Bit>,
    /// There is an item in the FIFO.
    waiting: Register<Bit>,
    load: Signal<Local, Bit>,
    only_one: Signal<Local, Bit>,
    more: Signal<Local, Bit>,
    read_list: Signal<Local, Bits<2>>,
    next_wanted: Signal<Local, Bits<4>>,
    head_wanted: Kept<Bits<4>>,
    head_item: Kept<Bits<ITEM_BITS>>,
    one: Constant<Bits<4>>,
    list_place: Constant<Bits<6>>,
    last_place: Constant<Bits<6>>,
    enough: Constant<Bits<6>>,
}

impl Default for Sieve {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    one: Constant::new(1u64.into()),
                    list_place: Constant::new((ITEM_BITS as u64).into()),
                    last_place: Constant::new((PLACES as u64 - 1).into()),
                    enough: Constant::new(((PLACES - COMING) as u64).into()),
                }
            };
        }
        rest!(
            clock reset in_valid item list last open wanted wanted_next head taken holding crowded last_held better pushed push_item push_list places
            written gone count loaded waiting load only_one more read_list next_wanted head_wanted head_item
        )
    }
}

impl Logic for Sieve {
    #[hdl_gen]
    fn update(&mut self) {
        self.last_held.clock.next = self.clock.val();
        self.pushed.clock.next = self.clock.val();
        self.push_item.clock.next = self.clock.val();
        self.push_list.clock.next = self.clock.val();
        self.places.clock.next = self.clock.val();
        self.written.clock.next = self.clock.val();
        self.gone.clock.next = self.clock.val();
        self.count.clock.next = self.clock.val();
        self.loaded.clock.next = self.clock.val();
        self.waiting.clock.next = self.clock.val();
        self.head_wanted.clock.next = self.clock.val();
        self.head_item.clock.next = self.clock.val();
        self.last_held.reset.next = self.reset.val();
        self.pushed.reset.next = self.reset.val();
        self.push_item.reset.next = self.reset.val();
        self.push_list.reset.next = self.reset.val();
        self.written.reset.next = self.reset.val();
        self.gone.reset.next = self.reset.val();
        self.count.reset.next = self.reset.val();
        self.loaded.reset.next = self.reset.val();
        self.waiting.reset.next = self.reset.val();
        self.head_wanted.reset.next = self.reset.val();
        self.head_item.reset.next = self.reset.val();

        // The filter.
        self.last_held.d.next = self.last.val();
        self.better.next = self.last_held.q.val() < self.item.val();
        self.pushed.d.next = self.in_valid.val() & (self.open.val() | self.better.val());
        self.push_item.d.next = self.item.val();
        self.push_list.d.next = self.list.val();

        // The FIFO.
        self.load.next = self.waiting.q.val() & (self.taken.val() | (self.head_wanted.q.val() == 0));
        self.places.write_enable.next = self.pushed.q.val();
        self.places.write_address.next = self.written.q.val();
        self.places.write_data.next = (bit_cast::<WAITING_BITS, 2>(self.push_list.q.val()) << self.list_place.val())
            | bit_cast::<WAITING_BITS, ITEM_BITS>(self.push_item.q.val());
        self.places.read_address.next = self.gone.q.val();
        self.written.d.next = self.written.q.val();
        if self.pushed.q.val() {
            self.written.d.next = self.written.q.val() + 1;
            if self.written.q.val() == self.last_place.val() {
                self.written.d.next = 0.into();
            }
        }
        self.gone.enable.next = self.load.val();
        self.gone.d.next = self.gone.q.val() + 1;
        if self.gone.q.val() == self.last_place.val() {
            self.gone.d.next = 0.into();
        }
        self.loaded.d.next = self.load.val();
        self.count.d.next = self.count.q.val();
        if self.pushed.q.val() & !self.loaded.q.val() {
            self.count.d.next = self.count.q.val() + 1;
        } else if self.loaded.q.val() & !self.pushed.q.val() {
            self.count.d.next = self.count.q.val() - 1;
        }
        self.only_one.next =
            (!self.loaded.q.val() & (self.count.q.val() == 1)) | (self.loaded.q.val() & (self.count.q.val() == 2));
        self.more.next = (self.count.q.val() > 2) | (!self.loaded.q.val() & (self.count.q.val() == 2));
        self.waiting.d.next = self.pushed.q.val() | self.more.val() | (self.only_one.val() & !self.load.val());

        // The head.
        self.head_wanted.enable.next = self.taken.val() | (self.head_wanted.q.val() == 0);
        self.head_item.enable.next = self.taken.val() | (self.head_wanted.q.val() == 0);
        self.read_list.next = self.places.read_data.val().get_bits::<2>(49);
        self.next_wanted.next = 0.into();
        if self.waiting.q.val() {
            self.next_wanted.next = self.one.val() << self.read_list.val();
        }
        self.head_wanted.d.next = self.next_wanted.val();
        self.head_item.d.next = bit_cast::<ITEM_BITS, WAITING_BITS>(self.places.read_data.val());
        self.wanted.next = self.head_wanted.q.val();
        self.wanted_next.next = 0.into();
        if self.taken.val() {
            self.wanted_next.next = self.next_wanted.val();
        }
        self.head.next = self.head_item.q.val();
        self.holding.next = self.pushed.q.val() | self.waiting.q.val() | (self.head_wanted.q.val() != 0);
        self.crowded.next = self.count.q.val() >= self.enough.val();
    }
}
