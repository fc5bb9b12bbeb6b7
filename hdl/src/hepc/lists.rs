//! The five lists, with the sieves before them.
//!
//! ```text
//!  victims of a lane ────► sieve ─┬─► ranking 0 ─┐
//!     ...                   ...   ├─► ranking 1 ─┤
//!  victims of a lane ────► sieve ─┼─► ranking 2 ─┼─► view of the one asked about
//!                                 └─► ranking 3 ─┤
//!  candidates of a lane ─► sieve ───► ranking 4 ─┘
//! ```
//!
//! Each of the L sieves of victims has one head, which goes to the list of its tier; those of prefetch candidates all go to one list.

use super::ITEM_BITS;
use super::flags::Flags;
use super::jobs::Job;
use super::ranking::{Orders, Ranking, View};
use super::showing::Wish;
use super::sieve::Sieve;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// `L` lanes, lists of `K`; `M` = K - 1.
#[derive(LogicBlock)]
pub(super) struct Lists<const L: usize, const K: usize, const M: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: empties all.
    pub reset: Signal<In, Bit>,

    /// What works.
    pub works: Signal<In, Job>,
    /// A sweep begins: lists and bounds are forgotten.
    pub clear: Signal<In, Bit>,
    /// It ends: bounds are set.
    pub finish: Signal<In, Bit>,
    /// The list asked about forgets its head.
    pub pop: Signal<In, Bit>,
    /// The item wanted at the front of the list asked about.
    pub wish: Signal<In, Wish>,

    /// A lane has an eligible victim.
    pub victim: [Signal<In, Bit>; L],
    /// It, inverted: {rank, index}.
    pub victim_item: [Signal<In, Bits<ITEM_BITS>>; L],
    /// Its tier.
    pub tier: [Signal<In, Bits<2>>; L],
    /// The tier of the entry behind it.
    pub tier_early: [Signal<In, Bits<2>>; L],
    /// A lane has a prefetch candidate.
    pub candidate: [Signal<In, Bit>; L],
    /// It, inverted.
    pub candidate_item: [Signal<In, Bits<ITEM_BITS>>; L],

    /// A sieve has little room.
    pub crowded: Signal<Out, Bit>,
    /// An item is on its way to a list.
    pub holding: Signal<Out, Bit>,
    /// A list turns, or is about to.
    pub turning: Signal<Out, Bit>,
    /// The item wanted of the list asked about is at its front.
    pub there: Signal<Out, Bit>,
    /// What that list shows.
    pub view: Signal<Out, View>,

    victims: [Sieve; L],
    candidates: [Sieve; L],
    ranking0: Ranking<L, K, M>,
    ranking1: Ranking<L, K, M>,
    ranking2: Ranking<L, K, M>,
    ranking3: Ranking<L, K, M>,
    prefetch: Ranking<L, K, M>,
    /// The lanes that do not go first, a bit each: none, the first, the first two, ...
    passed: Register<Bits<L>>,
    /// It sweeps: a clock late, which is long before an item comes; and when it ends none is on its way.
    fresh: Register<Bit>,
    clearing: Register<Bit>,
    finishing: Register<Bit>,
    /// List k forgets its head, in bit k; a bit for each number that the bus can name.
    popping: Register<Bits<16>>,
    victims_crowded: Flags<L>,
    candidates_crowded: Flags<L>,
    victims_holding: Flags<L>,
    candidates_holding: Flags<L>,
    listing: Signal<Local, Bit>,
    favoured: Signal<Local, Bits<L>>,
    /// The list asked about, in bit l.
    asked: Signal<Local, Bits<16>>,
    orders: Signal<Local, Orders>,
    first_lane: Constant<Bits<L>>,
    all_but_last: Constant<Bits<L>>,
}

impl<const L: usize, const K: usize, const M: usize> Default for Lists<L, K, M> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*; $($lanes:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    $($lanes: std::array::from_fn(|_| Default::default()),)*
                    first_lane: Constant::new(1u64.into()),
                    all_but_last: Constant::new(((1u64 << (L - 1)) - 1).into()),
                }
            };
        }
        rest!(
            clock reset works clear finish pop wish crowded holding turning there view passed fresh clearing finishing popping
            victims_crowded candidates_crowded victims_holding candidates_holding listing favoured asked orders
            ranking0 ranking1 ranking2 ranking3 prefetch;
            victim victim_item tier tier_early candidate candidate_item victims candidates
        )
    }
}

impl<const L: usize, const K: usize, const M: usize> Logic for Lists<L, K, M> {
    #[hdl_gen]
    fn update(&mut self) {
        self.ranking0.clock.next = self.clock.val();
        self.ranking1.clock.next = self.clock.val();
        self.ranking2.clock.next = self.clock.val();
        self.ranking3.clock.next = self.clock.val();
        self.prefetch.clock.next = self.clock.val();
        self.passed.clock.next = self.clock.val();
        self.fresh.clock.next = self.clock.val();
        self.clearing.clock.next = self.clock.val();
        self.finishing.clock.next = self.clock.val();
        self.popping.clock.next = self.clock.val();
        self.ranking0.reset.next = self.reset.val();
        self.ranking1.reset.next = self.reset.val();
        self.ranking2.reset.next = self.reset.val();
        self.ranking3.reset.next = self.reset.val();
        self.prefetch.reset.next = self.reset.val();
        self.passed.reset.next = self.reset.val();
        self.fresh.reset.next = self.reset.val();
        self.clearing.reset.next = self.reset.val();
        self.finishing.reset.next = self.reset.val();
        self.popping.reset.next = self.reset.val();

        // What begins and ends reaches many registers, and has a clock for it.
        self.clearing.d.next = self.clear.val();
        self.finishing.d.next = self.finish.val();
        self.asked.next = self.wish.val().lists;
        // A POP's address stands until it is answered, and `Showing` decodes it whether a request is open or not.
        self.popping.d.next = 0.into();
        if self.pop.val() {
            self.popping.d.next = self.asked.val();
        }
        self.passed.d.next = (self.passed.q.val() << 1) | self.first_lane.val();
        if self.passed.q.val() == self.all_but_last.val() {
            self.passed.d.next = 0.into();
        }
        self.favoured.next = !self.passed.q.val();
        self.orders.next.clear = self.clearing.q.val();
        self.orders.next.finish = self.finishing.q.val();
        self.fresh.d.next = self.works.val().sweeping;
        self.orders.next.fresh = self.fresh.q.val();
        self.orders.next.wanted = self.wish.val().place;
        self.ranking0.orders.next = self.orders.val();
        self.ranking0.favoured.next = self.favoured.val();
        self.ranking0.asked.next = self.asked.val().get_bit(0);
        self.ranking1.orders.next = self.orders.val();
        self.ranking1.favoured.next = self.favoured.val();
        self.ranking1.asked.next = self.asked.val().get_bit(1);
        self.ranking2.orders.next = self.orders.val();
        self.ranking2.favoured.next = self.favoured.val();
        self.ranking2.asked.next = self.asked.val().get_bit(2);
        self.ranking3.orders.next = self.orders.val();
        self.ranking3.favoured.next = self.favoured.val();
        self.ranking3.asked.next = self.asked.val().get_bit(3);
        self.prefetch.orders.next = self.orders.val();
        self.prefetch.favoured.next = self.favoured.val();
        self.prefetch.asked.next = self.asked.val().get_bit(4);
        self.ranking0.pop.next = self.popping.q.val().get_bit(0);
        self.ranking1.pop.next = self.popping.q.val().get_bit(1);
        self.ranking2.pop.next = self.popping.q.val().get_bit(2);
        self.ranking3.pop.next = self.popping.q.val().get_bit(3);
        self.prefetch.pop.next = self.popping.q.val().get_bit(4);

        self.listing.next = self.works.val().sweeping | self.works.val().offering;
        for i in 0..L {
            // Compared with the last item of a clock before, so with that of the tier of a clock before.
            self.victims[i].clock.next = self.clock.val();
            self.victims[i].reset.next = self.reset.val();
            self.victims[i].in_valid.next = self.victim[i].val() & self.listing.val();
            self.victims[i].item.next = self.victim_item[i].val();
            self.victims[i].list.next = self.tier[i].val();
            self.victims[i].open.next = self.works.val().offering;
            self.victims[i].last.next = self.ranking0.last_item.val();
            if self.tier_early[i].val() == 1 {
                self.victims[i].last.next = self.ranking1.last_item.val();
            }
            if self.tier_early[i].val() == 2 {
                self.victims[i].last.next = self.ranking2.last_item.val();
            }
            if self.tier_early[i].val() == 3 {
                self.victims[i].last.next = self.ranking3.last_item.val();
            }
            self.candidates[i].clock.next = self.clock.val();
            self.candidates[i].reset.next = self.reset.val();
            self.candidates[i].in_valid.next = self.candidate[i].val() & self.works.val().sweeping;
            self.candidates[i].item.next = self.candidate_item[i].val();
            self.candidates[i].list.next = 0.into();
            self.candidates[i].open.next = false;
            self.candidates[i].last.next = self.prefetch.last_item.val();
            self.victims_crowded.lanes[i].next = self.victims[i].crowded.val();
            self.candidates_crowded.lanes[i].next = self.candidates[i].crowded.val();
            self.victims_holding.lanes[i].next = self.victims[i].holding.val();
            self.candidates_holding.lanes[i].next = self.candidates[i].holding.val();

            // Turns at the lists.
            self.ranking0.wants[i].next = self.victims[i].wanted.val().get_bit(0);
            self.ranking0.wants_next[i].next = self.victims[i].wanted_next.val().get_bit(0);
            self.ranking1.wants[i].next = self.victims[i].wanted.val().get_bit(1);
            self.ranking1.wants_next[i].next = self.victims[i].wanted_next.val().get_bit(1);
            self.ranking2.wants[i].next = self.victims[i].wanted.val().get_bit(2);
            self.ranking2.wants_next[i].next = self.victims[i].wanted_next.val().get_bit(2);
            self.ranking3.wants[i].next = self.victims[i].wanted.val().get_bit(3);
            self.ranking3.wants_next[i].next = self.victims[i].wanted_next.val().get_bit(3);
            self.prefetch.wants[i].next = self.candidates[i].wanted.val().get_bit(0);
            self.prefetch.wants_next[i].next = self.candidates[i].wanted_next.val().get_bit(0);
            self.ranking0.items[i].next = self.victims[i].head.val();
            self.ranking1.items[i].next = self.victims[i].head.val();
            self.ranking2.items[i].next = self.victims[i].head.val();
            self.ranking3.items[i].next = self.victims[i].head.val();
            self.prefetch.items[i].next = self.candidates[i].head.val();
            self.victims[i].taken.next = self.ranking0.taken[i].val()
                | self.ranking1.taken[i].val()
                | self.ranking2.taken[i].val()
                | self.ranking3.taken[i].val();
            self.candidates[i].taken.next = self.prefetch.taken[i].val();
        }

        self.crowded.next = (self.victims_crowded.all.val() != 0) | (self.candidates_crowded.all.val() != 0);
        self.holding.next = (self.victims_holding.all.val() != 0)
            | (self.candidates_holding.all.val() != 0)
            | self.ranking0.holding.val()
            | self.ranking1.holding.val()
            | self.ranking2.holding.val()
            | self.ranking3.holding.val()
            | self.prefetch.holding.val();
        self.turning.next = !self.ranking0.there.val()
            | !self.ranking1.there.val()
            | !self.ranking2.there.val()
            | !self.ranking3.there.val()
            | !self.prefetch.there.val();

        // A list that does not exist is there, and empty.
        self.there.next = (!self.asked.val().get_bit(0) | self.ranking0.there.val())
            & (!self.asked.val().get_bit(1) | self.ranking1.there.val())
            & (!self.asked.val().get_bit(2) | self.ranking2.there.val())
            & (!self.asked.val().get_bit(3) | self.ranking3.there.val())
            & (!self.asked.val().get_bit(4) | self.prefetch.there.val());
        self.view.next.exists = false;
        self.view.next.count = 0.into();
        self.view.next.front = 0.into();
        if self.asked.val().get_bit(0) {
            self.view.next = self.ranking0.view.val();
        }
        if self.asked.val().get_bit(1) {
            self.view.next = self.ranking1.view.val();
        }
        if self.asked.val().get_bit(2) {
            self.view.next = self.ranking2.view.val();
        }
        if self.asked.val().get_bit(3) {
            self.view.next = self.ranking3.view.val();
        }
        if self.asked.val().get_bit(4) {
            self.view.next = self.prefetch.view.val();
        }
    }
}
