//! What the device has asked the host for: eight places, and the completions that fill them.
//!
//! ```text
//!  a request ─► the next place: words, address, id ─┐
//!  completions ─ by tag ─► RAM: 8 places of 32 words ┴─► the oldest's words
//! ```
//!
//! A tag is a place's number below a count of that place, mod 4, which goes on where a request runs out of time: its answer, should it
//! still come, has a tag that is not used again before three more requests of that place have run out. A word of a completion counts
//! only if byte count and address are those that its place waits for; any other is dropped, and the place runs out of time.
//!
//! Time is counted in spans of `patience` clocks. What was asked for in one span and is not there when the next one ends fails, all of
//! it at once: after one to two spans, no matter what else the host has to answer.

use crate::prim::{Ram, Register};
use rust_hdl::prelude::*;

/// Places by number.
#[derive(LogicBlock)]
pub struct Places {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Clocks of a span.
    pub patience: Signal<In, Bits<24>>,

    /// The place of the next request.
    pub fresh: Signal<In, Bits<3>>,
    /// Its tag.
    pub next_tag: Signal<Out, Bits<5>>,
    /// The place is taken.
    pub asks: Signal<In, Bit>,
    /// The request has failed before it was sent.
    pub drops: Signal<In, Bit>,
    /// Words that it asks for, 1 to 32.
    pub words: Signal<In, Bits<7>>,
    /// Which word within 128 bytes the first is.
    pub from: Signal<In, Bits<4>>,
    /// Id of its burst.
    pub burst: Signal<In, Bits<2>>,
    /// It is the last of its burst.
    pub ends: Signal<In, Bit>,

    /// A word of a completion.
    pub word_valid: Signal<In, Bit>,
    /// It.
    pub word: Signal<In, Bits<64>>,
    /// It is known to be bad.
    pub spoilt: Signal<In, Bit>,
    /// Bytes from it on, as its completion has them.
    pub bytes: Signal<In, Bits<12>>,
    /// Lower bits of its address, likewise.
    pub lower_address: Signal<In, Bits<7>>,
    /// A request has failed.
    pub failed: Signal<In, Bit>,
    /// Which one these are of.
    pub tag: Signal<In, Bits<8>>,

    /// The place that is looked at.
    pub oldest: Signal<In, Bits<3>>,
    /// Nothing more comes for it.
    pub oldest_whole: Signal<Out, Bit>,
    /// Not all of it came.
    pub oldest_bad: Signal<Out, Bit>,
    /// Its burst ends with it.
    pub oldest_ends: Signal<Out, Bit>,
    /// Its words.
    pub oldest_words: Signal<Out, Bits<7>>,
    /// Its id.
    pub oldest_id: Signal<Out, Bits<2>>,
    /// The word of it that is read.
    pub at: Signal<In, Bits<5>>,
    /// What it is, a clock later.
    pub data: Signal<Out, Bits<64>>,

    ram: Ram<Bits<64>, 8>,
    /// Of each place.
    counts: [Register<Bits<2>>; 8],
    asked: [Register<Bits<7>>; 8],
    got: [Register<Bits<7>>; 8],
    froms: [Register<Bits<4>>; 8],
    ids: [Register<Bits<2>>; 8],
    last: Register<Bits<8>>,
    awaited: Register<Bits<8>>,
    bad: Register<Bits<8>>,
    /// Those that were awaited as the span began.
    old: Register<Bits<8>>,
    waited: Register<Bits<24>>,

    next_count: Signal<Local, Bits<2>>,
    next_bit: Signal<Local, Bits<8>>,
    place: Signal<Local, Bits<3>>,
    place_bit: Signal<Local, Bits<8>>,
    place_count: Signal<Local, Bits<2>>,
    place_got: Signal<Local, Bits<7>>,
    place_then: Signal<Local, Bits<7>>,
    place_asked: Signal<Local, Bits<7>>,
    place_left: Signal<Local, Bits<7>>,
    place_from: Signal<Local, Bits<4>>,
    place_at: Signal<Local, Bits<4>>,
    oldest_bit: Signal<Local, Bits<8>>,
    known: Signal<Local, Bit>,
    fits: Signal<Local, Bit>,
    takes: Signal<Local, Bit>,
    fails: Signal<Local, Bit>,
    span_ends: Signal<Local, Bit>,
    begun: Signal<Local, Bits<8>>,
    dropped: Signal<Local, Bits<8>>,
    filled: Signal<Local, Bits<8>>,
    spoils: Signal<Local, Bits<8>>,
    gone: Signal<Local, Bits<8>>,
    final_one: Signal<Local, Bits<8>>,
    numbers: [Constant<Bits<3>>; 8],
    bits: [Constant<Bits<8>>; 8],
    one: Constant<Bits<8>>,
}

impl Default for Places {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    numbers: std::array::from_fn(|number| Constant::new((number as u64).into())),
                    bits: std::array::from_fn(|number| Constant::new((1u64 << number).into())),
                    one: Constant::new(1u64.into()),
                }
            };
        }
        rest!(
            clock reset patience fresh next_tag asks drops words from burst ends word_valid word spoilt bytes lower_address failed tag
            oldest oldest_whole oldest_bad oldest_ends oldest_words oldest_id at data ram counts asked got froms ids last awaited bad
            old waited next_count next_bit place place_bit place_count place_got place_then place_asked place_left place_from place_at
            oldest_bit known fits takes fails span_ends begun dropped filled spoils gone final_one
        )
    }
}

impl Logic for Places {
    #[hdl_gen]
    fn update(&mut self) {
        self.ram.clock.next = self.clock.val();
        for i in 0..8 {
            self.counts[i].clock.next = self.clock.val();
            self.asked[i].clock.next = self.clock.val();
            self.got[i].clock.next = self.clock.val();
            self.froms[i].clock.next = self.clock.val();
            self.ids[i].clock.next = self.clock.val();
            self.counts[i].reset.next = self.reset.val();
            self.asked[i].reset.next = self.reset.val();
            self.got[i].reset.next = self.reset.val();
            self.froms[i].reset.next = self.reset.val();
            self.ids[i].reset.next = self.reset.val();
        }
        self.last.clock.next = self.clock.val();
        self.awaited.clock.next = self.clock.val();
        self.bad.clock.next = self.clock.val();
        self.old.clock.next = self.clock.val();
        self.waited.clock.next = self.clock.val();
        self.last.reset.next = self.reset.val();
        self.awaited.reset.next = self.reset.val();
        self.bad.reset.next = self.reset.val();
        self.old.reset.next = self.reset.val();
        self.waited.reset.next = self.reset.val();

        // What is looked up by a place's number.
        self.next_bit.next = self.one.val() << self.fresh.val();
        self.oldest_bit.next = self.one.val() << self.oldest.val();
        self.place.next = self.tag.val().get_bits::<3>(0);
        self.place_bit.next = self.one.val() << self.place.val();
        self.next_count.next = 0.into();
        self.place_count.next = 0.into();
        self.place_asked.next = 0.into();
        self.place_got.next = 0.into();
        self.place_from.next = 0.into();
        self.oldest_words.next = 0.into();
        self.oldest_id.next = 0.into();
        for i in 0..8 {
            if self.fresh.val() == self.numbers[i].val() {
                self.next_count.next = self.counts[i].q.val();
            }
            if self.place.val() == self.numbers[i].val() {
                self.place_count.next = self.counts[i].q.val();
                self.place_asked.next = self.asked[i].q.val();
                self.place_got.next = self.got[i].q.val();
                self.place_from.next = self.froms[i].q.val();
            }
            if self.oldest.val() == self.numbers[i].val() {
                self.oldest_words.next = self.asked[i].q.val();
                self.oldest_id.next = self.ids[i].q.val();
            }
        }
        self.next_tag.next = (bit_cast::<5, 2>(self.next_count.val()) << 3) | bit_cast::<5, 3>(self.fresh.val());
        self.oldest_whole.next = (self.awaited.q.val() & self.oldest_bit.val()) == 0;
        self.oldest_bad.next = (self.bad.q.val() & self.oldest_bit.val()) != 0;
        self.oldest_ends.next = (self.last.q.val() & self.oldest_bit.val()) != 0;

        // A request.
        self.begun.next = 0.into();
        self.dropped.next = 0.into();
        self.final_one.next = 0.into();
        if self.asks.val() {
            self.begun.next = self.next_bit.val();
            if self.drops.val() {
                self.dropped.next = self.next_bit.val();
            }
            if self.ends.val() {
                self.final_one.next = self.next_bit.val();
            }
        }

        // Completions.
        self.place_then.next = self.place_got.val() + 1;
        self.place_left.next = self.place_asked.val() - self.place_got.val();
        self.place_at.next = self.place_from.val() + self.place_got.val().get_bits::<4>(0);
        self.known.next = (self.tag.val().get_bits::<3>(5) == 0)
            & (self.tag.val().get_bits::<2>(3) == self.place_count.val())
            & ((self.awaited.q.val() & self.place_bit.val()) != 0);
        self.fits.next = (self.bytes.val() == (bit_cast::<12, 7>(self.place_left.val()) << 3))
            & (self.lower_address.val() == (bit_cast::<7, 4>(self.place_at.val()) << 3));
        self.takes.next = self.word_valid.val() & self.known.val() & self.fits.val();
        self.fails.next = self.failed.val() & self.known.val();
        self.filled.next = 0.into();
        self.spoils.next = 0.into();
        if self.fails.val() {
            self.filled.next = self.place_bit.val();
            self.spoils.next = self.place_bit.val();
        } else if self.takes.val() {
            if self.place_left.val() == 1 {
                self.filled.next = self.place_bit.val();
            }
            if self.spoilt.val() {
                self.spoils.next = self.place_bit.val();
            }
        }
        self.ram.write_enable.next = self.takes.val();
        self.ram.write_address.next =
            (bit_cast::<8, 3>(self.place.val()) << 5) | bit_cast::<8, 5>(self.place_got.val().get_bits::<5>(0));
        self.ram.write_data.next = self.word.val();
        self.ram.read_address.next = (bit_cast::<8, 3>(self.oldest.val()) << 5) | bit_cast::<8, 5>(self.at.val());
        self.data.next = self.ram.read_data.val();

        // Time.
        self.span_ends.next = self.waited.q.val() == self.patience.val();
        self.waited.d.next = self.waited.q.val() + 1;
        self.gone.next = 0.into();
        self.old.d.next = self.old.q.val() & !self.begun.val();
        if self.span_ends.val() {
            self.waited.d.next = 0.into();
            self.gone.next = self.old.q.val() & self.awaited.q.val();
            self.old.d.next = self.awaited.q.val();
        }

        // What becomes of the places.
        self.awaited.d.next =
            (self.awaited.q.val() & !self.filled.val() & !self.gone.val()) | (self.begun.val() & !self.dropped.val());
        self.bad.d.next =
            (self.bad.q.val() & !self.begun.val()) | self.dropped.val() | self.spoils.val() | self.gone.val();
        self.last.d.next = (self.last.q.val() & !self.begun.val()) | self.final_one.val();
        for i in 0..8 {
            self.counts[i].d.next = self.counts[i].q.val();
            self.asked[i].d.next = self.asked[i].q.val();
            self.got[i].d.next = self.got[i].q.val();
            self.froms[i].d.next = self.froms[i].q.val();
            self.ids[i].d.next = self.ids[i].q.val();
            if (self.gone.val() & self.bits[i].val()) != 0 {
                self.counts[i].d.next = self.counts[i].q.val() + 1;
            }
            if (self.begun.val() & self.bits[i].val()) != 0 {
                self.asked[i].d.next = self.words.val();
                self.got[i].d.next = 0.into();
                self.froms[i].d.next = self.from.val();
                self.ids[i].d.next = self.burst.val();
            } else if self.takes.val() & (self.place.val() == self.numbers[i].val()) {
                self.got[i].d.next = self.place_then.val();
            }
        }
    }
}
