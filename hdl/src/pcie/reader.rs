//! Reads of the device: who may ask, and what comes back in the order in which it was asked for.
//!
//! ```text
//!  AR ─► Ask, if one of 8 places is free ─────────────────────────────► packets
//!
//!  completions ─ by tag ─► RAM: 8 places of 64 words ─► oldest whole ─► FIFO ─► R
//! ```
//!
//! The host may answer requests in any order, and each in pieces that are in order and end at multiples of 64 bytes, so a piece is
//! whole words. Tags count to 32, so that an answer that comes after its request was given up is not taken for that of a later one;
//! three bits of a tag are its place. What is not answered for `patience` clocks, or with an error, reads as SLVERR.

use super::ask::Ask;
use crate::prim::{Fifo, Ram, Register};
use rust_hdl::prelude::*;

/// The reading half of the slave that the device's `m_host` meets.
#[derive(LogicBlock)]
pub struct Reader {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// All headers have 64-bit addresses.
    pub extended: Signal<In, Bit>,
    /// Requester id.
    pub id: Signal<In, Bits<16>>,
    /// Bytes that a request may ask for.
    pub line: Signal<In, Bits<10>>,
    /// Clocks without any completion after which the oldest request is given up.
    pub patience: Signal<In, Bits<24>>,
    /// AR.
    pub arvalid: Signal<In, Bit>,
    /// Taken.
    pub arready: Signal<Out, Bit>,
    /// Id.
    pub arid: Signal<In, Bits<2>>,
    /// Address, a multiple of 8.
    pub araddr: Signal<In, Bits<64>>,
    /// Beats less one.
    pub arlen: Signal<In, Bits<8>>,
    /// R.
    pub rvalid: Signal<Out, Bit>,
    /// Taken.
    pub rready: Signal<In, Bit>,
    /// Id.
    pub rid: Signal<Out, Bits<2>>,
    /// Data.
    pub rdata: Signal<Out, Bits<64>>,
    /// SLVERR if the host did not give it.
    pub rresp: Signal<Out, Bits<2>>,
    /// The last of the burst.
    pub rlast: Signal<Out, Bit>,

    /// A word of a completion.
    pub word_valid: Signal<In, Bit>,
    /// It.
    pub word: Signal<In, Bits<64>>,
    /// A request has failed.
    pub failed: Signal<In, Bit>,
    /// Which one these are of.
    pub tag: Signal<In, Bits<8>>,

    /// To the sender.
    pub valid: Signal<Out, Bit>,
    /// Taken.
    pub ready: Signal<In, Bit>,
    /// Eight bytes.
    pub beat: Signal<Out, Bits<64>>,
    /// Only four of them.
    pub half: Signal<Out, Bit>,
    /// The last.
    pub last: Signal<Out, Bit>,

    ask: Ask,

    /// Requests ever sent and ever handed over, mod 32: the tag of the next, and of the oldest.
    sent: Register<Bits<5>>,
    handed: Register<Bits<5>>,
    under_way: Signal<Local, Bits<5>>,
    /// Of each place: words asked for and got, id, whether the burst ends with it; whole; failed.
    words: [Register<Bits<7>>; 8],
    got: [Register<Bits<7>>; 8],
    ids: [Register<Bits<2>>; 8],
    ends: Register<Bits<8>>,
    whole: Register<Bits<8>>,
    bad: Register<Bits<8>>,
    next_place: Signal<Local, Bits<3>>,
    next_bit: Signal<Local, Bits<8>>,

    sets: Signal<Local, Bits<8>>,
    sets_bad: Signal<Local, Bits<8>>,
    gone: Signal<Local, Bits<8>>,
    clears: Signal<Local, Bits<8>>,
    sets_end: Signal<Local, Bits<8>>,

    place: Signal<Local, Bits<3>>,
    place_bit: Signal<Local, Bits<8>>,
    since: Signal<Local, Bits<5>>,
    known: Signal<Local, Bit>,
    takes: Signal<Local, Bit>,
    fails: Signal<Local, Bit>,
    place_got: Signal<Local, Bits<7>>,
    place_then: Signal<Local, Bits<7>>,
    place_words: Signal<Local, Bits<7>>,
    ram: Ram<Bits<64>, 9>,

    oldest: Signal<Local, Bits<3>>,
    oldest_bit: Signal<Local, Bits<8>>,
    oldest_words: Signal<Local, Bits<7>>,
    oldest_id: Signal<Local, Bits<2>>,
    at: Register<Bits<7>>,
    at_then: Signal<Local, Bits<7>>,
    /// Words on their way from the RAM to R.
    outside: Register<Bits<4>>,
    reads: Signal<Local, Bit>,
    leaves: Signal<Local, Bit>,
    was_read: Register<Bit>,
    marks: Register<Bits<5>>,
    fifo: Fifo<Bits<69>, 3, 4>,
    waited: Register<Bits<24>>,
    idle: Signal<Local, Bit>,
    gives_up: Signal<Local, Bit>,

    numbers: [Constant<Bits<3>>; 8],
    one: Constant<Bits<8>>,
}

impl Default for Reader {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    numbers: std::array::from_fn(|number| Constant::new((number as u64).into())),
                    one: Constant::new(1u64.into()),
                }
            };
        }
        rest!(
            clock reset extended id line patience arvalid arready arid araddr arlen rvalid rready rid rdata rresp rlast word_valid word failed tag
            valid ready beat half last ask sent handed under_way words got ids ends whole bad next_place next_bit place
            place_bit since known takes fails place_got place_then place_words ram oldest oldest_bit oldest_words oldest_id at
            at_then outside reads leaves was_read marks fifo waited idle gives_up sets sets_bad gone clears sets_end
        )
    }
}

impl Logic for Reader {
    #[hdl_gen]
    fn update(&mut self) {
        self.sent.clock.next = self.clock.val();
        self.handed.clock.next = self.clock.val();
        for i in 0..8 {
            self.words[i].clock.next = self.clock.val();
        }
        for i in 0..8 {
            self.got[i].clock.next = self.clock.val();
        }
        for i in 0..8 {
            self.ids[i].clock.next = self.clock.val();
        }
        self.ends.clock.next = self.clock.val();
        self.whole.clock.next = self.clock.val();
        self.bad.clock.next = self.clock.val();
        self.at.clock.next = self.clock.val();
        self.outside.clock.next = self.clock.val();
        self.was_read.clock.next = self.clock.val();
        self.marks.clock.next = self.clock.val();
        self.fifo.clock.next = self.clock.val();
        self.waited.clock.next = self.clock.val();
        self.sent.reset.next = self.reset.val();
        self.handed.reset.next = self.reset.val();
        for i in 0..8 {
            self.words[i].reset.next = self.reset.val();
        }
        for i in 0..8 {
            self.got[i].reset.next = self.reset.val();
        }
        for i in 0..8 {
            self.ids[i].reset.next = self.reset.val();
        }
        self.ends.reset.next = self.reset.val();
        self.whole.reset.next = self.reset.val();
        self.bad.reset.next = self.reset.val();
        self.at.reset.next = self.reset.val();
        self.outside.reset.next = self.reset.val();
        self.was_read.reset.next = self.reset.val();
        self.marks.reset.next = self.reset.val();
        self.fifo.reset.next = self.reset.val();
        self.waited.reset.next = self.reset.val();
        self.ram.clock.next = self.clock.val();

        // Requests, while there are places.
        self.ask.clock.next = self.clock.val();
        self.ask.reset.next = self.reset.val();
        self.ask.extended.next = self.extended.val();
        self.ask.id.next = self.id.val();
        self.ask.line.next = self.line.val();
        self.ask.arvalid.next = self.arvalid.val();
        self.arready.next = self.ask.arready.val();
        self.ask.arid.next = self.arid.val();
        self.ask.araddr.next = self.araddr.val();
        self.ask.arlen.next = self.arlen.val();
        self.ask.ready.next = self.ready.val();
        self.valid.next = self.ask.valid.val();
        self.beat.next = self.ask.beat.val();
        self.half.next = self.ask.half.val();
        self.last.next = self.ask.last.val();
        self.under_way.next = self.sent.q.val() - self.handed.q.val();
        self.ask.full.next = self.under_way.val() == 8;
        self.ask.tag.next = self.sent.q.val();
        self.sent.d.next = self.sent.q.val();
        if self.ask.asks.val() {
            self.sent.d.next = self.sent.q.val() + 1;
        }

        // Completions: into the place of their tag, if it is that of a request under way.
        self.next_place.next = self.sent.q.val().get_bits::<3>(0);
        self.next_bit.next = self.one.val() << self.next_place.val();
        self.oldest.next = self.handed.q.val().get_bits::<3>(0);
        self.oldest_bit.next = self.one.val() << self.oldest.val();
        self.place.next = self.tag.val().get_bits::<3>(0);
        self.place_bit.next = self.one.val() << self.place.val();
        self.since.next = self.tag.val().get_bits::<5>(0) - self.handed.q.val();
        self.known.next = (self.tag.val().get_bits::<3>(5) == 0)
            & (self.since.val() < self.under_way.val())
            & ((self.whole.q.val() & self.place_bit.val()) == 0);
        self.takes.next = self.word_valid.val() & self.known.val();
        self.fails.next = self.failed.val() & self.known.val();
        self.place_got.next = 0.into();
        self.place_words.next = 0.into();
        self.oldest_words.next = 0.into();
        self.oldest_id.next = 0.into();
        for i in 0..8 {
            if self.place.val() == self.numbers[i].val() {
                self.place_got.next = self.got[i].q.val();
                self.place_words.next = self.words[i].q.val();
            }
            if self.oldest.val() == self.numbers[i].val() {
                self.oldest_words.next = self.words[i].q.val();
                self.oldest_id.next = self.ids[i].q.val();
            }
        }
        self.place_then.next = self.place_got.val() + 1;
        for i in 0..8 {
            self.words[i].d.next = self.words[i].q.val();
            self.got[i].d.next = self.got[i].q.val();
            self.ids[i].d.next = self.ids[i].q.val();
            if self.ask.asks.val() & (self.next_place.val() == self.numbers[i].val()) {
                self.words[i].d.next = self.ask.words.val();
                self.got[i].d.next = 0.into();
                self.ids[i].d.next = self.ask.burst.val();
            }
            if self.takes.val() & (self.place.val() == self.numbers[i].val()) {
                self.got[i].d.next = self.place_then.val();
            }
        }
        self.ram.write_enable.next = self.takes.val();
        self.ram.write_address.next =
            (bit_cast::<9, 3>(self.place.val()) << 6) | bit_cast::<9, 6>(self.place_got.val().get_bits::<6>(0));
        self.ram.write_data.next = self.word.val();

        // What waits too extended is given up.
        self.idle.next = (self.under_way.val() == 0) | ((self.whole.q.val() & self.oldest_bit.val()) != 0);
        self.gives_up.next = !self.idle.val() & (self.waited.q.val() == self.patience.val());
        self.waited.d.next = self.waited.q.val() + 1;
        if self.idle.val() | self.word_valid.val() | self.failed.val() | self.gives_up.val() {
            self.waited.d.next = 0.into();
        }

        self.sets.next = 0.into();
        self.sets_bad.next = 0.into();
        if self.takes.val() & (self.place_then.val() == self.place_words.val()) {
            self.sets.next = self.place_bit.val();
        } else if self.fails.val() {
            self.sets.next = self.place_bit.val();
            self.sets_bad.next = self.place_bit.val();
        }
        self.gone.next = 0.into();
        if self.gives_up.val() {
            self.gone.next = self.oldest_bit.val();
        }
        self.clears.next = 0.into();
        self.sets_end.next = 0.into();
        if self.ask.asks.val() {
            self.clears.next = self.next_bit.val();
            if self.ask.ends.val() {
                self.sets_end.next = self.next_bit.val();
            }
        }
        self.whole.d.next = (self.whole.q.val() & !self.clears.val()) | self.sets.val() | self.gone.val();
        self.bad.d.next = (self.bad.q.val() & !self.clears.val()) | self.sets_bad.val() | self.gone.val();
        self.ends.d.next = (self.ends.q.val() & !self.clears.val()) | self.sets_end.val();

        // The oldest, once it is whole.
        self.at_then.next = self.at.q.val() + 1;
        self.reads.next = (self.under_way.val() != 0)
            & ((self.whole.q.val() & self.oldest_bit.val()) != 0)
            & !self.outside.q.val().get_bit(3);
        self.ram.read_address.next =
            (bit_cast::<9, 3>(self.oldest.val()) << 6) | bit_cast::<9, 6>(self.at.q.val().get_bits::<6>(0));
        self.at.d.next = self.at.q.val();
        self.handed.d.next = self.handed.q.val();
        self.was_read.d.next = self.reads.val();
        self.marks.d.next = bit_cast::<5, 2>(self.oldest_id.val());
        if (self.bad.q.val() & self.oldest_bit.val()) != 0 {
            self.marks.d.next = bit_cast::<5, 2>(self.oldest_id.val()) | 8;
        }
        if self.reads.val() {
            self.at.d.next = self.at_then.val();
            if self.at_then.val() == self.oldest_words.val() {
                self.at.d.next = 0.into();
                self.handed.d.next = self.handed.q.val() + 1;
                if (self.ends.q.val() & self.oldest_bit.val()) != 0 {
                    self.marks.d.next = bit_cast::<5, 2>(self.oldest_id.val()) | 16;
                    if (self.bad.q.val() & self.oldest_bit.val()) != 0 {
                        self.marks.d.next = bit_cast::<5, 2>(self.oldest_id.val()) | 24;
                    }
                }
            }
        }
        self.fifo.in_valid.next = self.was_read.q.val();
        self.fifo.in_data.next =
            (bit_cast::<69, 5>(self.marks.q.val()) << 64) | bit_cast::<69, 64>(self.ram.read_data.val());
        self.fifo.out_ready.next = self.rready.val();
        self.leaves.next = self.fifo.out_valid.val() & self.rready.val();
        self.outside.d.next = self.outside.q.val();
        if self.reads.val() & !self.leaves.val() {
            self.outside.d.next = self.outside.q.val() + 1;
        } else if !self.reads.val() & self.leaves.val() {
            self.outside.d.next = self.outside.q.val() - 1;
        }
        self.rvalid.next = self.fifo.out_valid.val();
        self.rdata.next = bit_cast::<64, 69>(self.fifo.out_data.val());
        self.rid.next = self.fifo.out_data.val().get_bits::<2>(64);
        self.rresp.next = self.fifo.out_data.val().get_bits::<2>(66);
        self.rlast.next = self.fifo.out_data.val().get_bit(68);
    }
}
