//! The descriptors of a channel: six words are put together, and GO queues them with an id.
//!
//! ```text
//!  words 0..5 ──► registers ─┐ GO
//!  id ───────────────────────┴──► FIFO of 16 ──► the one at work, or next
//! ```
//!
//! A descriptor has its place until it is done. GO without a place is forgotten.

use super::{DESCRIPTOR_BITS, WORDS_BITS};
use crate::prim::{Fifo, Register};
use rust_hdl::prelude::*;

/// 16 descriptors.
#[derive(LogicBlock, Default)]
pub struct Queue {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Forgets all descriptors.
    pub forget: Signal<In, Bit>,
    /// A word is written.
    pub write: Signal<In, Bit>,
    /// Which: 0..5 as in docs/control.md, 6 GO.
    pub select: Signal<In, Bits<3>>,
    /// The word.
    pub data: Signal<In, Bits<32>>,
    /// Descriptors that still fit.
    pub room: Signal<Out, Bits<5>>,
    /// There is a descriptor.
    pub valid: Signal<Out, Bit>,
    /// It is done: on to the next.
    pub pop: Signal<In, Bit>,
    /// Address of the source.
    pub source: Signal<Out, Bits<64>>,
    /// Address of the destination.
    pub destination: Signal<Out, Bits<64>>,
    /// Words of 64 bits to copy.
    pub words: Signal<Out, Bits<WORDS_BITS>>,
    /// The source is card memory.
    pub from_card: Signal<Out, Bit>,
    /// The destination is card memory.
    pub to_card: Signal<Out, Bit>,
    /// Its id.
    pub id: Signal<Out, Bits<16>>,
    source_low: Register<Bits<32>>,
    source_high: Register<Bits<32>>,
    destination_low: Register<Bits<32>>,
    destination_high: Register<Bits<32>>,
    length: Register<Bits<WORDS_BITS>>,
    spaces: Register<Bits<2>>,
    fifo: Fifo<Bits<DESCRIPTOR_BITS>, 4, 5>,
    /// The one at work is done, a clock late: the FIFO's next address is far from its RAM.
    popping: Register<Bit>,
    held: Register<Bits<5>>,
    /// The FIFO shows a descriptor, a clock late: what begins with it is far from comparing pointers.
    there: Register<Bit>,
    pushed: Signal<Local, Bit>,
    after_pop: Signal<Local, Bits<5>>,
    size: Signal<Local, Bits<5>>,
}

impl Logic for Queue {
    #[hdl_gen]
    fn update(&mut self) {
        self.source_low.clock.next = self.clock.val();
        self.source_high.clock.next = self.clock.val();
        self.destination_low.clock.next = self.clock.val();
        self.destination_high.clock.next = self.clock.val();
        self.length.clock.next = self.clock.val();
        self.spaces.clock.next = self.clock.val();
        self.source_low.reset.next = self.reset.val();
        self.source_high.reset.next = self.reset.val();
        self.destination_low.reset.next = self.reset.val();
        self.destination_high.reset.next = self.reset.val();
        self.length.reset.next = self.reset.val();
        self.spaces.reset.next = self.reset.val();
        self.fifo.clock.next = self.clock.val();
        self.popping.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.there.clock.next = self.clock.val();
        self.fifo.reset.next = self.reset.val() | self.forget.val();
        self.popping.reset.next = self.reset.val() | self.forget.val();
        self.held.reset.next = self.reset.val() | self.forget.val();
        self.there.reset.next = self.reset.val() | self.forget.val();
        self.source_low.d.next = self.source_low.q.val();
        self.source_high.d.next = self.source_high.q.val();
        self.destination_low.d.next = self.destination_low.q.val();
        self.destination_high.d.next = self.destination_high.q.val();
        self.length.d.next = self.length.q.val();
        self.spaces.d.next = self.spaces.q.val();
        self.pushed.next = false;
        if self.write.val() {
            if self.select.val() == 0 {
                self.source_low.d.next = self.data.val();
            } else if self.select.val() == 1 {
                self.source_high.d.next = self.data.val();
            } else if self.select.val() == 2 {
                self.destination_low.d.next = self.data.val();
            } else if self.select.val() == 3 {
                self.destination_high.d.next = self.data.val();
            } else if self.select.val() == 4 {
                self.length.d.next = self.data.val().get_bits::<WORDS_BITS>(3);
            } else if self.select.val() == 5 {
                self.spaces.d.next = bit_cast::<2, 32>(self.data.val());
            } else if self.select.val() == 6 {
                self.pushed.next = !self.held.q.val().get_bit(4);
            }
        }
        self.fifo.in_valid.next = self.pushed.val();
        self.fifo.in_data.next = bit_cast::<DESCRIPTOR_BITS, 32>(self.source_low.q.val())
            | (bit_cast::<DESCRIPTOR_BITS, 32>(self.source_high.q.val()) << 32)
            | (bit_cast::<DESCRIPTOR_BITS, 32>(self.destination_low.q.val()) << 64)
            | (bit_cast::<DESCRIPTOR_BITS, 32>(self.destination_high.q.val()) << 96)
            | (bit_cast::<DESCRIPTOR_BITS, WORDS_BITS>(self.length.q.val()) << 128)
            | (bit_cast::<DESCRIPTOR_BITS, 2>(self.spaces.q.val()) << 147)
            | (bit_cast::<DESCRIPTOR_BITS, 16>(bit_cast::<16, 32>(self.data.val())) << 149);
        self.popping.d.next = self.pop.val();
        self.fifo.out_ready.next = self.popping.q.val();

        self.after_pop.next = self.held.q.val();
        if self.popping.q.val() {
            self.after_pop.next = self.held.q.val() - 1;
        }
        self.held.d.next = self.after_pop.val();
        if self.pushed.val() {
            self.held.d.next = self.after_pop.val() + 1;
        }
        self.size.next = 16.into();
        self.room.next = self.size.val() - self.held.q.val();
        self.there.d.next = self.fifo.out_valid.val() & !self.pop.val() & !self.popping.q.val();
        self.valid.next = self.there.q.val();
        self.source.next = bit_cast::<64, DESCRIPTOR_BITS>(self.fifo.out_data.val());
        self.destination.next = self.fifo.out_data.val().get_bits::<64>(64);
        self.words.next = self.fifo.out_data.val().get_bits::<WORDS_BITS>(128);
        self.from_card.next = self.fifo.out_data.val().get_bit(147);
        self.to_card.next = self.fifo.out_data.val().get_bit(148);
        self.id.next = self.fifo.out_data.val().get_bits::<16>(149);
    }
}
