//! Cuts a run of words into bursts.
//!
//! ```text
//!  address, words ──► left, low, high ──► min(left, to the next 512 bytes) ──► burst: address, beats
//!                            ▲───────────── taken: on to the next ──┘
//! ```
//!
//! A burst ends at a multiple of 512 bytes at the latest: at most 64 beats of 8 bytes, never across 4 KiB. The next is
//! there two clocks after one is taken; the carry from the low to the high half of the address has a clock of its own.

use super::{BEATS_BITS, WORDS_BITS};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// The bursts of one run at a time.
#[derive(LogicBlock, Default)]
pub struct Bursts {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: nothing is left.
    pub reset: Signal<In, Bit>,
    /// A run begins; what was left of the one before is forgotten.
    pub load: Signal<In, Bit>,
    /// Its address, a multiple of 8.
    pub load_address: Signal<In, Bits<64>>,
    /// Its words.
    pub load_words: Signal<In, Bits<WORDS_BITS>>,
    /// There is a burst.
    pub valid: Signal<Out, Bit>,
    /// It is taken; only with `valid`.
    pub taken: Signal<In, Bit>,
    /// Its address.
    pub address: Signal<Out, Bits<64>>,
    /// Its beats, 1 to 64.
    pub beats: Signal<Out, Bits<BEATS_BITS>>,
    /// Some burst of the run has not been taken.
    pub more: Signal<Out, Bit>,
    low: Register<Bits<32>>,
    high: Register<Bits<32>>,
    left: Register<Bits<WORDS_BITS>>,
    length: Register<Bits<BEATS_BITS>>,
    standing: Register<Bit>,
    cutting: Register<Bit>,
    carry: Register<Bit>,
    line: Signal<Local, Bits<23>>,
    next_line: Signal<Local, Bits<23>>,
    inverted: Signal<Local, Bits<6>>,
    to_line: Signal<Local, Bits<BEATS_BITS>>,
    to_line_wide: Signal<Local, Bits<WORDS_BITS>>,
    taken_words: Signal<Local, Bits<WORDS_BITS>>,
}

impl Logic for Bursts {
    #[hdl_gen]
    fn update(&mut self) {
        self.low.clock.next = self.clock.val();
        self.high.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.length.clock.next = self.clock.val();
        self.standing.clock.next = self.clock.val();
        self.cutting.clock.next = self.clock.val();
        self.carry.clock.next = self.clock.val();
        self.low.reset.next = self.reset.val();
        self.high.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.length.reset.next = self.reset.val();
        self.standing.reset.next = self.reset.val();
        self.cutting.reset.next = self.reset.val();
        self.carry.reset.next = self.reset.val();
        self.low.d.next = self.low.q.val();
        self.high.d.next = self.high.q.val();
        self.left.d.next = self.left.q.val();
        self.length.d.next = self.length.q.val();
        self.standing.d.next = self.standing.q.val();
        self.cutting.d.next = false;
        self.carry.d.next = false;

        self.line.next = self.low.q.val().get_bits::<23>(9);
        self.next_line.next = self.line.val() + 1;
        self.inverted.next = !self.low.q.val().get_bits::<6>(3);
        self.to_line.next = bit_cast::<BEATS_BITS, 6>(self.inverted.val()) + 1;
        self.to_line_wide.next = bit_cast::<WORDS_BITS, BEATS_BITS>(self.to_line.val());
        self.taken_words.next = bit_cast::<WORDS_BITS, BEATS_BITS>(self.length.q.val());
        if self.load.val() {
            self.low.d.next = bit_cast::<32, 64>(self.load_address.val());
            self.high.d.next = self.load_address.val().get_bits::<32>(32);
            self.left.d.next = self.load_words.val();
            self.standing.d.next = false;
            self.cutting.d.next = true;
        } else if self.taken.val() {
            self.low.d.next = bit_cast::<32, 23>(self.next_line.val()) << 9;
            self.carry.d.next = self.next_line.val() == 0;
            self.left.d.next = self.left.q.val() - self.taken_words.val();
            self.standing.d.next = false;
            self.cutting.d.next = true;
        } else if self.cutting.q.val() {
            if self.carry.q.val() {
                self.high.d.next = self.high.q.val() + 1;
            }
            self.length.d.next = self.to_line.val();
            if self.left.q.val() < self.to_line_wide.val() {
                self.length.d.next = bit_cast::<BEATS_BITS, WORDS_BITS>(self.left.q.val());
            }
            self.standing.d.next = self.left.q.val() != 0;
        }
        self.valid.next = self.standing.q.val();
        self.beats.next = self.length.q.val();
        self.address.next = (bit_cast::<64, 32>(self.high.q.val()) << 32) | bit_cast::<64, 32>(self.low.q.val());
        self.more.next = self.standing.q.val() | self.cutting.q.val();
    }
}
