//! The ring port: reads or writes a few words of host memory. `docs/control.md`, DMA.
//!
//! ```text
//!  bus ──► buffer, 8 words of 64 bits ──► W
//!  bus ◄──   (two RAMs, low and high) ◄── R
//! ```
//!
//! While it is busy the buffer is its own: writes of the bus to it are forgotten, and what the bus reads means nothing.

use super::{BEATS_BITS, Bursts, WORDS_BITS};
use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// An access at a time.
#[derive(LogicBlock, Default)]
pub struct Ring {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset; the bus must be reset with it.
    pub reset: Signal<In, Bit>,
    /// Begins no burst, and ends the access when what is on the bus has been answered. To be held until `idle`.
    pub stop: Signal<In, Bit>,
    /// The host's memory may be used.
    pub bus_master: Signal<In, Bit>,
    /// There is no access.
    pub idle: Signal<Out, Bit>,
    /// STATUS.
    pub status: Signal<Out, Bits<2>>,

    /// A command is written.
    pub command: Signal<In, Bit>,
    /// 0, 1 address; 2 READ; 3 WRITE.
    pub select: Signal<In, Bits<2>>,
    /// A word of the buffer is written.
    pub write: Signal<In, Bit>,
    /// Which.
    pub write_slot: Signal<In, Bits<4>>,
    /// Which is read.
    pub read_slot: Signal<In, Bits<4>>,
    /// What is written.
    pub data: Signal<In, Bits<32>>,
    /// The word of the buffer that `read_slot` named a clock before.
    pub read: Signal<Out, Bits<32>>,

    /// A burst is to be read.
    pub read_burst: Signal<Out, Bit>,
    /// It was taken in the clock before.
    pub read_taken: Signal<In, Bit>,
    /// A burst is to be written.
    pub write_burst: Signal<Out, Bit>,
    /// It was taken in the clock before.
    pub write_taken: Signal<In, Bit>,
    /// Address of either.
    pub address: Signal<Out, Bits<64>>,
    /// Beats of either.
    pub beats: Signal<Out, Bits<BEATS_BITS>>,
    /// The next word to write.
    pub word: Signal<Out, Bits<64>>,
    /// It is taken in this clock.
    pub word_taken: Signal<In, Bit>,
    /// A word was read.
    pub in_valid: Signal<In, Bit>,
    /// The word.
    pub in_data: Signal<In, Bits<64>>,
    /// It was answered with an error.
    pub in_error: Signal<In, Bit>,
    /// It ends its burst.
    pub in_last: Signal<In, Bit>,
    /// A burst was written.
    pub written: Signal<In, Bit>,
    /// It was answered with an error.
    pub written_error: Signal<In, Bit>,

    low: Ram<Bits<32>, 3>,
    high: Ram<Bits<32>, 3>,
    bursts: Bursts,
    address_low: Register<Bits<32>>,
    address_high: Register<Bits<32>>,
    /// 0 idle, 1 reads, 2 writes.
    state: Register<Bits<2>>,
    /// 0 none, 2 fault, 3 bus master off.
    error: Register<Bits<2>>,
    /// Word of the buffer that is next.
    index: Register<Bits<3>>,
    /// Bursts on the bus.
    due: Register<Bits<4>>,
    odd: Register<Bit>,
    starts: Signal<Local, Bit>,
    busy: Signal<Local, Bit>,
    halted: Signal<Local, Bit>,
    wanted: Signal<Local, Bit>,
    to_write: Signal<Local, Bit>,
    next_index: Signal<Local, Bits<3>>,
    taken: Signal<Local, Bit>,
    answered: Signal<Local, Bit>,
    due_kept: Signal<Local, Bits<4>>,
    pair: Signal<Local, Bits<3>>,
    write_pair: Signal<Local, Bits<3>>,
    words: Signal<Local, Bits<4>>,
}

impl Logic for Ring {
    #[hdl_gen]
    fn update(&mut self) {
        self.bursts.clock.next = self.clock.val();
        self.address_low.clock.next = self.clock.val();
        self.address_high.clock.next = self.clock.val();
        self.state.clock.next = self.clock.val();
        self.error.clock.next = self.clock.val();
        self.index.clock.next = self.clock.val();
        self.due.clock.next = self.clock.val();
        self.odd.clock.next = self.clock.val();
        self.bursts.reset.next = self.reset.val();
        self.address_low.reset.next = self.reset.val();
        self.address_high.reset.next = self.reset.val();
        self.state.reset.next = self.reset.val();
        self.error.reset.next = self.reset.val();
        self.index.reset.next = self.reset.val();
        self.due.reset.next = self.reset.val();
        self.odd.reset.next = self.reset.val();
        self.low.clock.next = self.clock.val();
        self.high.clock.next = self.clock.val();
        self.address_low.d.next = self.address_low.q.val();
        self.address_high.d.next = self.address_high.q.val();
        self.state.d.next = self.state.q.val();
        self.error.d.next = self.error.q.val();
        self.busy.next = self.state.q.val() != 0;
        self.to_write.next = self.state.q.val() == 2;
        self.halted.next = self.stop.val() | (self.error.q.val() != 0);

        // Commands.
        self.starts.next = self.command.val() & self.select.val().get_bit(1) & !self.busy.val() & !self.stop.val();
        if self.command.val() & (self.select.val() == 0) {
            self.address_low.d.next = self.data.val();
        }
        if self.command.val() & (self.select.val() == 1) {
            self.address_high.d.next = self.data.val();
        }
        self.words.next = bit_cast::<4, 32>(self.data.val());
        self.bursts.load.next = self.starts.val();
        self.bursts.load_address.next =
            (bit_cast::<64, 32>(self.address_high.q.val()) << 32) | bit_cast::<64, 32>(self.address_low.q.val());
        self.bursts.load_words.next = bit_cast::<WORDS_BITS, 4>(self.words.val());

        // Bursts.
        self.wanted.next = self.bursts.valid.val() & self.busy.val() & !self.halted.val();
        self.read_burst.next = self.wanted.val() & !self.to_write.val() & self.bus_master.val();
        self.write_burst.next = self.wanted.val() & self.to_write.val() & self.bus_master.val();
        self.taken.next = self.read_taken.val() | self.write_taken.val();
        self.bursts.taken.next = self.taken.val();
        self.address.next = self.bursts.address.val();
        self.beats.next = self.bursts.beats.val();
        self.answered.next = (self.in_valid.val() & self.in_last.val()) | self.written.val();
        self.due_kept.next = self.due.q.val();
        if self.taken.val() {
            self.due_kept.next = self.due.q.val() + 1;
        }
        self.due.d.next = self.due_kept.val();
        if self.answered.val() {
            self.due.d.next = self.due_kept.val() - 1;
        }

        // The buffer. The RAMs are asked for the word that will be next.
        self.next_index.next = self.index.q.val();
        if self.starts.val() {
            self.next_index.next = 0.into();
        } else if self.in_valid.val() | self.word_taken.val() {
            self.next_index.next = self.index.q.val() + 1;
        }
        self.index.d.next = self.next_index.val();
        self.pair.next = bit_cast::<3, 4>(self.read_slot.val() >> 1);
        self.write_pair.next = bit_cast::<3, 4>(self.write_slot.val() >> 1);
        self.odd.d.next = self.read_slot.val().get_bit(0);
        self.low.read_address.next = self.pair.val();
        self.high.read_address.next = self.pair.val();
        self.low.write_address.next = self.write_pair.val();
        self.high.write_address.next = self.write_pair.val();
        self.low.write_data.next = self.data.val();
        self.high.write_data.next = self.data.val();
        self.low.write_enable.next = self.write.val() & !self.write_slot.val().get_bit(0);
        self.high.write_enable.next = self.write.val() & self.write_slot.val().get_bit(0);
        if self.busy.val() {
            self.low.read_address.next = self.next_index.val();
            self.high.read_address.next = self.next_index.val();
            self.low.write_address.next = self.index.q.val();
            self.high.write_address.next = self.index.q.val();
            self.low.write_data.next = bit_cast::<32, 64>(self.in_data.val());
            self.high.write_data.next = self.in_data.val().get_bits::<32>(32);
            self.low.write_enable.next = self.in_valid.val();
            self.high.write_enable.next = self.in_valid.val();
        }
        self.read.next = self.low.read_data.val();
        if self.odd.q.val() {
            self.read.next = self.high.read_data.val();
        }
        self.word.next =
            (bit_cast::<64, 32>(self.high.read_data.val()) << 32) | bit_cast::<64, 32>(self.low.read_data.val());

        if self.starts.val() {
            self.error.d.next = 0.into();
            self.state.d.next = 1.into();
            if self.select.val() == 3 {
                self.state.d.next = 2.into();
            }
        } else if self.busy.val() {
            if self.error.q.val() == 0 {
                if self.wanted.val() & !self.bus_master.val() {
                    self.error.d.next = 3.into();
                }
                if (self.in_valid.val() & self.in_error.val()) | (self.written.val() & self.written_error.val()) {
                    self.error.d.next = 2.into();
                }
            }
            if (self.due.q.val() == 0) & !self.taken.val() & (self.halted.val() | !self.bursts.more.val()) {
                self.state.d.next = 0.into();
            }
        }
        self.idle.next = self.state.q.val() == 0;
        self.status.next = self.error.q.val();
        if self.state.q.val() != 0 {
            self.status.next = 0.into();
        } else if self.error.q.val() == 0 {
            self.status.next = 1.into();
        }
    }
}
