//! Reads of the device: who may ask, and what comes back in the order in which it was asked for.
//!
//! ```text
//!  AR ─► Ask, if one of 8 places is free ─► packets
//!             │
//!             ▼
//!          Places ◄─ completions             the oldest place, once nothing more comes for it ─► FIFO ─► R
//! ```
//!
//! The host may answer requests in any order, and each in pieces that are in order and end at multiples of 64 bytes, so a piece is
//! whole words. No request asks for more than 256 bytes: eight of them are 2 KiB in 32 pieces at most, for which the hard block has
//! room (`docs/pcie.md`); it takes as many as come, and loses what it has no room for. What the host refuses, spoils or does not
//! give in time reads as SLVERR, and so does what is not asked for because the device may not.

use super::ask::Ask;
use super::places::Places;
use crate::prim::{Fifo, Register};
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
    /// Bus Master Enable.
    pub bus_master: Signal<In, Bit>,
    /// Bytes that a request may ask for.
    pub line: Signal<In, Bits<10>>,
    /// Clocks of a span: a request is given up after one to two of them.
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
    places: Places,
    fifo: Fifo<Bits<69>, 3, 4>,
    /// Requests ever sent and ever handed over, mod 16: below them stand the next one's place, and the oldest's.
    sent: Register<Bits<4>>,
    handed: Register<Bits<4>>,
    under_way: Signal<Local, Bits<4>>,
    at: Register<Bits<7>>,
    at_then: Signal<Local, Bits<7>>,
    /// Words on their way from the RAM to R.
    outside: Register<Bits<4>>,
    reads: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    leaves: Signal<Local, Bit>,
    was_read: Register<Bit>,
    /// Of the word that was read: last of its burst, SLVERR, id.
    marks: Register<Bits<5>>,
    id_marks: Signal<Local, Bits<5>>,
    bad_marks: Signal<Local, Bits<5>>,
    most: Constant<Bits<10>>,
}

impl Default for Reader {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    most: Constant::new(256u64.into()),
                }
            };
        }
        rest!(
            clock reset extended id bus_master line patience arvalid arready arid araddr arlen rvalid rready rid rdata rresp rlast
            word_valid word spoilt bytes lower_address failed tag valid ready beat half last ask places fifo sent handed under_way
            at at_then outside reads ends leaves was_read marks id_marks bad_marks
        )
    }
}

impl Logic for Reader {
    #[hdl_gen]
    fn update(&mut self) {
        self.ask.clock.next = self.clock.val();
        self.places.clock.next = self.clock.val();
        self.fifo.clock.next = self.clock.val();
        self.sent.clock.next = self.clock.val();
        self.handed.clock.next = self.clock.val();
        self.at.clock.next = self.clock.val();
        self.outside.clock.next = self.clock.val();
        self.was_read.clock.next = self.clock.val();
        self.marks.clock.next = self.clock.val();
        self.ask.reset.next = self.reset.val();
        self.places.reset.next = self.reset.val();
        self.fifo.reset.next = self.reset.val();
        self.sent.reset.next = self.reset.val();
        self.handed.reset.next = self.reset.val();
        self.at.reset.next = self.reset.val();
        self.outside.reset.next = self.reset.val();
        self.was_read.reset.next = self.reset.val();
        self.marks.reset.next = self.reset.val();

        // Requests, while there are places.
        self.under_way.next = self.sent.q.val() - self.handed.q.val();
        self.ask.extended.next = self.extended.val();
        self.ask.id.next = self.id.val();
        self.ask.bus_master.next = self.bus_master.val();
        self.ask.line.next = self.line.val();
        if self.line.val().get_bit(9) {
            self.ask.line.next = self.most.val();
        }
        self.ask.arvalid.next = self.arvalid.val();
        self.arready.next = self.ask.arready.val();
        self.ask.arid.next = self.arid.val();
        self.ask.araddr.next = self.araddr.val();
        self.ask.arlen.next = self.arlen.val();
        self.ask.full.next = self.under_way.val() == 8;
        self.ask.tag.next = self.places.next_tag.val();
        self.ask.ready.next = self.ready.val();
        self.valid.next = self.ask.valid.val();
        self.beat.next = self.ask.beat.val();
        self.half.next = self.ask.half.val();
        self.last.next = self.ask.last.val();
        self.sent.d.next = self.sent.q.val();
        if self.ask.asks.val() {
            self.sent.d.next = self.sent.q.val() + 1;
        }

        // Their places.
        self.places.patience.next = self.patience.val();
        self.places.fresh.next = self.sent.q.val().get_bits::<3>(0);
        self.places.asks.next = self.ask.asks.val();
        self.places.drops.next = self.ask.drops.val();
        self.places.words.next = self.ask.words.val();
        self.places.from.next = self.ask.from.val();
        self.places.burst.next = self.ask.burst.val();
        self.places.ends.next = self.ask.ends.val();
        self.places.word_valid.next = self.word_valid.val();
        self.places.word.next = self.word.val();
        self.places.spoilt.next = self.spoilt.val();
        self.places.bytes.next = self.bytes.val();
        self.places.lower_address.next = self.lower_address.val();
        self.places.failed.next = self.failed.val();
        self.places.tag.next = self.tag.val();
        self.places.oldest.next = self.handed.q.val().get_bits::<3>(0);
        self.places.at.next = self.at.q.val().get_bits::<5>(0);

        // The oldest.
        self.at_then.next = self.at.q.val() + 1;
        self.reads.next =
            (self.under_way.val() != 0) & self.places.oldest_whole.val() & !self.outside.q.val().get_bit(3);
        self.ends.next = self.reads.val() & (self.at_then.val() == self.places.oldest_words.val());
        self.at.d.next = self.at.q.val();
        self.handed.d.next = self.handed.q.val();
        if self.reads.val() {
            self.at.d.next = self.at_then.val();
        }
        if self.ends.val() {
            self.at.d.next = 0.into();
            self.handed.d.next = self.handed.q.val() + 1;
        }
        self.was_read.d.next = self.reads.val();
        self.id_marks.next = bit_cast::<5, 2>(self.places.oldest_id.val());
        self.bad_marks.next = self.id_marks.val();
        if self.places.oldest_bad.val() {
            self.bad_marks.next = self.id_marks.val() | 8;
        }
        self.marks.d.next = self.bad_marks.val();
        if self.ends.val() & self.places.oldest_ends.val() {
            self.marks.d.next = self.bad_marks.val() | 16;
        }
        self.fifo.in_valid.next = self.was_read.q.val();
        self.fifo.in_data.next =
            (bit_cast::<69, 5>(self.marks.q.val()) << 64) | bit_cast::<69, 64>(self.places.data.val());
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
