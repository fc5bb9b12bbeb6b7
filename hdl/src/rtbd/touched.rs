//! The touched list: which entries were committed since it was last emptied, oldest first. `docs/control.md`, Directory.
//!
//! ```text
//!  index ──► Fifo of 512 ──► top
//!     └─ when it is full ──► lost
//! ```

use super::INDEX_BITS;
use crate::prim::{Fifo, Register};
use rust_hdl::prelude::*;

/// A push or a pop shows in `top` and `count` two clocks later; until then there is to be no other.
#[derive(LogicBlock)]
pub struct Touched {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: empties the list.
    pub reset: Signal<In, Bit>,
    /// An index joins.
    pub push: Signal<In, Bit>,
    /// The index.
    pub index: Signal<In, Bits<INDEX_BITS>>,
    /// The top is taken, if there is one.
    pub pop: Signal<In, Bit>,
    /// The oldest index, NONE without.
    pub top: Signal<Out, Bits<32>>,
    /// Indexes in the list; bit 31: some were lost since it was emptied.
    pub count: Signal<Out, Bits<32>>,

    list: Fifo<Bits<INDEX_BITS>, 9, 10>,
    held: Register<Bits<10>>,
    lost: Register<Bit>,
    popping: Register<Bit>,
    none: Constant<Bits<32>>,
}

impl Default for Touched {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            push: Default::default(),
            index: Default::default(),
            pop: Default::default(),
            top: Default::default(),
            count: Default::default(),
            list: Default::default(),
            held: Default::default(),
            lost: Default::default(),
            popping: Default::default(),
            none: Constant::new(u64::from(u32::MAX).into()),
        }
    }
}

impl Logic for Touched {
    #[hdl_gen]
    fn update(&mut self) {
        self.list.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.lost.clock.next = self.clock.val();
        self.popping.clock.next = self.clock.val();
        self.list.reset.next = self.reset.val();
        self.held.reset.next = self.reset.val();
        self.lost.reset.next = self.reset.val();
        self.popping.reset.next = self.reset.val();

        self.list.in_valid.next = self.push.val();
        self.list.in_data.next = self.index.val();
        self.popping.d.next = self.pop.val();
        self.list.out_ready.next = self.popping.q.val();
        self.held.d.next = self.held.q.val();
        self.lost.d.next = self.lost.q.val();
        if self.push.val() {
            if self.list.in_ready.val() {
                self.held.d.next = self.held.q.val() + 1;
            } else {
                self.lost.d.next = true;
            }
        } else if self.popping.q.val() & self.list.out_valid.val() {
            self.held.d.next = self.held.q.val() - 1;
        }
        self.top.next = self.none.val();
        if self.list.out_valid.val() {
            self.top.next = bit_cast::<32, INDEX_BITS>(self.list.out_data.val());
        }
        self.count.next = (bit_cast::<32, 1>(self.lost.q.val().into()) << 31) | bit_cast::<32, 10>(self.held.q.val());
    }
}
