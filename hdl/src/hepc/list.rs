//! A victim list, or the prefetch list: the best K of what is offered, sorted, with its bound. `docs/hepc.md`, Sweep and
//! Offers.
//!
//! ```text
//!            offered item, to all cells at once
//!            │         │         │              each cell compares, and keeps its own,
//!         ┌──▼──┐   ┌──▼──┐   ┌──▼──┐           takes the item, or takes its left neighbour's
//! head ◄──┤  0  ├──►┤  1  ├──►┤ K-1 ├──► dropped
//!         └─────┘◄──┴─────┘◄──┴─────┘           pop: each takes its right neighbour's
//! ```
//!
//! An item is {rank, index}, lowest first. Cells hold it inverted, so that an empty cell is 0, the reset value, and worse
//! than all items. An item a clock; a systolic chain of cells would clock faster, but a list that is right in the next clock needs no
//! wait before a decision.

use crate::prim::Register;
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

    /// A sweep begins: forgets items and bound.
    pub clear: Signal<In, Bit>,
    /// A sweep has ended: a full list's last item becomes the bound.
    pub finish: Signal<In, Bit>,
    /// Forgets the head.
    pub pop: Signal<In, Bit>,
    /// An item is offered; not beside `clear`, `finish` or `pop`, which go first.
    pub offer: Signal<In, Bit>,
    /// Its rank.
    pub rank: Signal<In, Bits<RANK_BITS>>,
    /// Its entry.
    pub index: Signal<In, Bits<INDEX_BITS>>,

    /// There is a head.
    pub head_valid: Signal<Out, Bit>,
    /// Its rank.
    pub head_rank: Signal<Out, Bits<RANK_BITS>>,
    /// Its entry.
    pub head_index: Signal<Out, Bits<INDEX_BITS>>,
    /// There is a bound, and only items not above it are taken.
    pub bounded: Signal<Out, Bit>,
    /// Rank above which nothing is taken.
    pub bound_rank: Signal<Out, Bits<RANK_BITS>>,

    /// The last item of a full list, inverted: {rank, index}; 0 if it is not full.
    pub last_item: Signal<Out, Bits<ITEM_BITS>>,
    /// Items in it.
    pub count: Signal<Out, Bits<8>>,
    /// An item's place, 0 the head's.
    pub position: Signal<In, Bits<8>>,
    /// The item there a clock before, inverted: {rank, index}; 0 if there is none.
    pub shown: Signal<Out, Bits<ITEM_BITS>>,

    cells: [Register<Bits<ITEM_BITS>>; K],
    better: [Signal<Local, Bit>; K],
    found: [Signal<Local, Bit>; K],
    bound: Register<Bits<ITEM_BITS>>,
    has_bound: Register<Bit>,
    held: Register<Bits<8>>,
    looked_at: Register<Bits<ITEM_BITS>>,
    there: [Signal<Local, Bits<ITEM_BITS>>; K],
    so_far: [Signal<Local, Bits<ITEM_BITS>>; K],
    number: [Constant<Bits<8>>; K],
    joined: Signal<Local, Bits<ITEM_BITS>>,
    item: Signal<Local, Bits<ITEM_BITS>>,
    head: Signal<Local, Bits<ITEM_BITS>>,
    last: Signal<Local, Bits<ITEM_BITS>>,
    last_but_one: Signal<Local, Bits<ITEM_BITS>>,
    bound_shown: Signal<Local, Bits<ITEM_BITS>>,
    better_than_last: Signal<Local, Bit>,
    better_than_last_but_one: Signal<Local, Bit>,
    known: Signal<Local, Bit>,
    allowed: Signal<Local, Bit>,
    take: Signal<Local, Bit>,
    index_bits: Constant<Bits<6>>,
}

impl<const K: usize, const M: usize> Default for List<K, M> {
    fn default() -> Self {
        assert!((2..=128).contains(&K) && M + 1 == K, "a list of 2 to 128, and M one less");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    cells: std::array::from_fn(|_| Default::default()),
                    better: std::array::from_fn(|_| Default::default()),
                    found: std::array::from_fn(|_| Default::default()),
                    there: std::array::from_fn(|_| Default::default()),
                    so_far: std::array::from_fn(|_| Default::default()),
                    number: std::array::from_fn(|i| Constant::new((i as u64).into())),
                    index_bits: Constant::new((INDEX_BITS as u64).into()),
                }
            };
        }
        rest!(
            clock reset clear finish pop offer rank index head_valid head_rank head_index bounded bound_rank last_item count
            position shown bound has_bound held looked_at joined item head last last_but_one bound_shown better_than_last better_than_last_but_one known allowed take
        )
    }
}

impl<const K: usize, const M: usize> Logic for List<K, M> {
    #[hdl_gen]
    fn update(&mut self) {
        self.bound.clock.next = self.clock.val();
        self.bound.reset.next = self.reset.val();
        self.has_bound.clock.next = self.clock.val();
        self.has_bound.reset.next = self.reset.val();
        self.held.clock.next = self.clock.val();
        self.held.reset.next = self.reset.val();
        self.looked_at.clock.next = self.clock.val();
        self.looked_at.reset.next = self.reset.val();
        self.bound.d.next = self.bound.q.val();
        self.has_bound.d.next = self.has_bound.q.val();
        self.held.d.next = self.held.q.val();

        self.joined.next = (bit_cast::<ITEM_BITS, RANK_BITS>(self.rank.val()) << self.index_bits.val())
            | bit_cast::<ITEM_BITS, INDEX_BITS>(self.index.val());
        self.item.next = !self.joined.val();
        for i in 0..K {
            self.better[i].next = self.item.val() > self.cells[i].q.val();
            self.last.next = self.cells[i].q.val();
            self.better_than_last.next = self.item.val() > self.cells[i].q.val();
        }
        for i in 0..M {
            self.last_but_one.next = self.cells[i].q.val();
            self.better_than_last_but_one.next = self.item.val() > self.cells[i].q.val();
        }
        self.found[0].next = self.item.val() == self.cells[0].q.val();
        self.known.next = self.found[0].val();
        for i in 0..M {
            self.found[i + 1].next = self.found[i].val() | (self.item.val() == self.cells[i + 1].q.val());
            self.known.next = self.found[i + 1].val();
        }
        self.allowed.next = !self.has_bound.q.val() | (self.item.val() >= self.bound.q.val());
        self.take.next = self.offer.val() & self.allowed.val() & !self.known.val();

        for i in 0..K {
            self.cells[i].clock.next = self.clock.val();
            self.cells[i].reset.next = self.reset.val() | self.clear.val();
            self.cells[i].d.next = self.cells[i].q.val();
        }
        if self.clear.val() {
            self.has_bound.d.next = false;
            self.held.d.next = 0.into();
        } else if self.finish.val() {
            self.has_bound.d.next = self.last.val() != 0;
            self.bound.d.next = self.last.val();
        } else if self.pop.val() {
            for i in 0..K {
                // The last one's; the others are overwritten below.
                self.cells[i].d.next = 0.into();
            }
            for i in 0..M {
                self.cells[i].d.next = self.cells[i + 1].q.val();
            }
            if self.held.q.val() != 0 {
                self.held.d.next = self.held.q.val() - 1;
            }
        } else if self.take.val() {
            if self.better[0].val() {
                self.cells[0].d.next = self.item.val();
            }
            for i in 0..M {
                if self.better[i].val() {
                    self.cells[i + 1].d.next = self.cells[i].q.val();
                } else if self.better[i + 1].val() {
                    self.cells[i + 1].d.next = self.item.val();
                }
            }
            if self.last.val() != 0 {
                // One too many: the list is cut, and what is last now is the bound.
                self.has_bound.d.next = true;
                self.bound.d.next = self.last.val();
                if self.better_than_last.val() {
                    self.bound.d.next = self.item.val();
                }
                if self.better_than_last_but_one.val() {
                    self.bound.d.next = self.last_but_one.val();
                }
            } else {
                self.held.d.next = self.held.q.val() + 1;
            }
        }

        self.head.next = !self.cells[0].q.val();
        self.head_valid.next = self.cells[0].q.val() != 0;
        self.head_rank.next = bit_cast::<RANK_BITS, ITEM_BITS>(self.head.val() >> self.index_bits.val());
        self.head_index.next = bit_cast::<INDEX_BITS, ITEM_BITS>(self.head.val());
        self.bounded.next = self.has_bound.q.val();
        self.bound_shown.next = !self.bound.q.val();
        self.bound_rank.next = bit_cast::<RANK_BITS, ITEM_BITS>(self.bound_shown.val() >> self.index_bits.val());

        self.last_item.next = self.last.val();
        self.count.next = self.held.q.val();
        for i in 0..K {
            self.there[i].next = 0.into();
            if self.position.val() == self.number[i].val() {
                self.there[i].next = self.cells[i].q.val();
            }
        }
        self.so_far[0].next = self.there[0].val();
        self.looked_at.d.next = self.there[0].val();
        for i in 0..M {
            self.so_far[i + 1].next = self.so_far[i].val() | self.there[i + 1].val();
            self.looked_at.d.next = self.so_far[i + 1].val();
        }
        self.shown.next = self.looked_at.q.val();
    }
}
