//! FIFO in block RAM, valid/ready on both sides, first word falls through.
//!
//! ```text
//! in ──► RAM (2^A words) ──► fetched word ──► out
//! ```
//!
//! The RAM's read port always looks at the word that will be next, so that a word can leave each clock. Holds 2^A words.

use super::{Ram, Register};
use rust_hdl::prelude::*;

/// `2^A` words of `D`; pointers of `B` = A + 1 bits (`A + 1` cannot be said of a const parameter).
#[derive(LogicBlock)]
pub struct Fifo<D: Synth, const A: usize, const B: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset; what was in it is lost.
    pub reset: Signal<In, Bit>,
    /// A word is offered.
    pub in_valid: Signal<In, Bit>,
    /// There is room.
    pub in_ready: Signal<Out, Bit>,
    /// The word.
    pub in_data: Signal<In, D>,
    /// There is a word.
    pub out_valid: Signal<Out, Bit>,
    /// It is taken.
    pub out_ready: Signal<In, Bit>,
    /// The word.
    pub out_data: Signal<Out, D>,
    ram: Ram<D, A>,
    /// Words ever written, and ever taken, mod 2^B.
    written: Register<Bits<B>>,
    taken: Register<Bits<B>>,
    /// `written`, a clock late: only those words have reached the RAM.
    readable: Register<Bits<B>>,
    next_taken: Signal<Local, Bits<B>>,
    held: Signal<Local, Bits<B>>,
    full: Signal<Local, Bit>,
    empty: Signal<Local, Bit>,
    write: Signal<Local, Bit>,
    size: Constant<Bits<B>>,
}

impl<D: Synth, const A: usize, const B: usize> Default for Fifo<D, A, B> {
    fn default() -> Self {
        assert_eq!(B, A + 1, "pointers are one bit wider than addresses");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            in_valid: Default::default(),
            in_ready: Default::default(),
            in_data: Default::default(),
            out_valid: Default::default(),
            out_ready: Default::default(),
            out_data: Default::default(),
            ram: Default::default(),
            written: Default::default(),
            taken: Default::default(),
            readable: Default::default(),
            next_taken: Default::default(),
            held: Default::default(),
            full: Default::default(),
            empty: Default::default(),
            write: Default::default(),
            size: Constant::new((1u64 << A).into()),
        }
    }
}

impl<D: Synth, const A: usize, const B: usize> Logic for Fifo<D, A, B> {
    #[hdl_gen]
    fn update(&mut self) {
        self.ram.clock.next = self.clock.val();
        self.written.clock.next = self.clock.val();
        self.taken.clock.next = self.clock.val();
        self.readable.clock.next = self.clock.val();
        self.written.reset.next = self.reset.val();
        self.taken.reset.next = self.reset.val();
        self.readable.reset.next = self.reset.val();

        self.held.next = self.written.q.val() - self.taken.q.val();
        self.full.next = self.held.val() == self.size.val();
        self.in_ready.next = !self.full.val();
        self.write.next = self.in_valid.val() & !self.full.val();
        self.written.d.next = self.written.q.val();
        if self.write.val() {
            self.written.d.next = self.written.q.val() + 1;
        }
        self.ram.write_enable.next = self.write.val();
        self.ram.write_address.next = bit_cast::<A, B>(self.written.q.val());
        self.ram.write_data.next = self.in_data.val();

        self.readable.d.next = self.written.q.val();
        self.empty.next = self.readable.q.val() == self.taken.q.val();
        self.out_valid.next = !self.empty.val();
        self.out_data.next = self.ram.read_data.val();
        self.next_taken.next = self.taken.q.val();
        if self.out_ready.val() & !self.empty.val() {
            self.next_taken.next = self.taken.q.val() + 1;
        }
        self.taken.d.next = self.next_taken.val();
        self.ram.read_address.next = bit_cast::<A, B>(self.next_taken.val());
    }
}
