//! An AXI4 master that two channels and the ring port share.
//!
//! ```text
//!  bursts to read  ──► Address ──────────────────────► AR
//!  bursts to write ──► Address ──────────────────────► AW
//!                         └─► next ─► current ─► draws ─┐
//!  words of each ─────────────────────────────► mux ──► register ──► FIFO ─► W
//!  answers of each ◄── by id ◄── register ◄─────────── R, B
//! ```
//!
//! Whoever has a burst to write has all its words at hand, so that W never waits for one requester with another behind
//! it. W does not wait for AW to be accepted, as AXI demands: a slave may want data first. Whoever has a burst to read has
//! room for it, so R and B are always ready. Words are drawn three clocks before the FIFO shows them.

use super::{Address, BEATS_BITS};
use crate::prim::{Fifo, Register};
use rust_hdl::prelude::*;

/// Of 64 bits, for three requesters; ids are their numbers.
#[derive(LogicBlock, Default)]
pub struct Master {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// A burst is to be read, of each requester; it has room for all of it.
    pub read: [Signal<In, Bit>; 3],
    /// Its address.
    pub read_address: [Signal<In, Bits<64>>; 3],
    /// Its beats.
    pub read_beats: [Signal<In, Bits<BEATS_BITS>>; 3],
    /// It was taken in the clock before.
    pub read_taken: [Signal<Out, Bit>; 3],
    /// A burst is to be written; all its words are there.
    pub write: [Signal<In, Bit>; 3],
    /// Its address.
    pub write_address: [Signal<In, Bits<64>>; 3],
    /// Its beats.
    pub write_beats: [Signal<In, Bits<BEATS_BITS>>; 3],
    /// It was taken in the clock before.
    pub write_taken: [Signal<Out, Bit>; 3],
    /// The next word.
    pub word: [Signal<In, Bits<64>>; 3],
    /// It is taken in this clock.
    pub word_taken: [Signal<Out, Bit>; 3],
    /// A word was read, for each.
    pub in_valid: [Signal<Out, Bit>; 3],
    /// The word, for whomever it is.
    pub in_data: Signal<Out, Bits<64>>,
    /// It was answered with an error.
    pub in_error: Signal<Out, Bit>,
    /// It ends its burst.
    pub in_last: Signal<Out, Bit>,
    /// A burst was written, of each.
    pub done: [Signal<Out, Bit>; 3],
    /// It was answered with an error.
    pub done_error: Signal<Out, Bit>,

    /// AWID.
    pub awid: Signal<Out, Bits<2>>,
    /// AWADDR.
    pub awaddr: Signal<Out, Bits<64>>,
    /// AWLEN.
    pub awlen: Signal<Out, Bits<8>>,
    /// AWVALID.
    pub awvalid: Signal<Out, Bit>,
    /// AWREADY.
    pub awready: Signal<In, Bit>,
    /// WDATA.
    pub wdata: Signal<Out, Bits<64>>,
    /// WLAST.
    pub wlast: Signal<Out, Bit>,
    /// WVALID.
    pub wvalid: Signal<Out, Bit>,
    /// WREADY.
    pub wready: Signal<In, Bit>,
    /// BID.
    pub bid: Signal<In, Bits<2>>,
    /// BRESP.
    pub bresp: Signal<In, Bits<2>>,
    /// BVALID.
    pub bvalid: Signal<In, Bit>,
    /// ARID.
    pub arid: Signal<Out, Bits<2>>,
    /// ARADDR.
    pub araddr: Signal<Out, Bits<64>>,
    /// ARLEN.
    pub arlen: Signal<Out, Bits<8>>,
    /// ARVALID.
    pub arvalid: Signal<Out, Bit>,
    /// ARREADY.
    pub arready: Signal<In, Bit>,
    /// RID.
    pub rid: Signal<In, Bits<2>>,
    /// RDATA.
    pub rdata: Signal<In, Bits<64>>,
    /// RRESP.
    pub rresp: Signal<In, Bits<2>>,
    /// RLAST.
    pub rlast: Signal<In, Bit>,
    /// RVALID.
    pub rvalid: Signal<In, Bit>,

    ar: Address,
    aw: Address,
    w: Fifo<Bits<65>, 3, 4>,
    next_full: Register<Bit>,
    next_who: Register<Bits<2>>,
    next_beats: Register<Bits<BEATS_BITS>>,
    who: Register<Bits<2>>,
    left: Register<Bits<BEATS_BITS>>,
    /// Words that were drawn and have not left.
    level: Register<Bits<4>>,
    level_kept: Signal<Local, Bits<4>>,
    draw: Signal<Local, Bit>,
    last: Signal<Local, Bit>,
    /// Whose word is taken in this clock.
    drawn: [Register<Bit>; 3],
    drawn_last: Register<Bit>,
    /// The word taken in the clock before, on its way to the FIFO.
    pushed: Register<Bit>,
    push_word: Register<Bits<65>>,
    chosen: Signal<Local, Bits<64>>,
    r_valid: Register<Bit>,
    r_id: Register<Bits<2>>,
    r_data: Register<Bits<64>>,
    r_error: Register<Bit>,
    r_last: Register<Bit>,
    b_valid: Register<Bit>,
    b_id: Register<Bits<2>>,
    b_error: Register<Bit>,
}

impl Logic for Master {
    #[hdl_gen]
    fn update(&mut self) {
        self.w.clock.next = self.clock.val();
        self.w.reset.next = self.reset.val();
        self.ar.clock.next = self.clock.val();
        self.aw.clock.next = self.clock.val();
        self.next_full.clock.next = self.clock.val();
        self.next_who.clock.next = self.clock.val();
        self.next_beats.clock.next = self.clock.val();
        self.who.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.level.clock.next = self.clock.val();
        self.drawn[0].clock.next = self.clock.val();
        self.drawn[1].clock.next = self.clock.val();
        self.drawn[2].clock.next = self.clock.val();
        self.drawn_last.clock.next = self.clock.val();
        self.pushed.clock.next = self.clock.val();
        self.push_word.clock.next = self.clock.val();
        self.r_valid.clock.next = self.clock.val();
        self.r_id.clock.next = self.clock.val();
        self.r_data.clock.next = self.clock.val();
        self.r_error.clock.next = self.clock.val();
        self.r_last.clock.next = self.clock.val();
        self.b_valid.clock.next = self.clock.val();
        self.b_id.clock.next = self.clock.val();
        self.b_error.clock.next = self.clock.val();
        self.ar.reset.next = self.reset.val();
        self.aw.reset.next = self.reset.val();
        self.next_full.reset.next = self.reset.val();
        self.next_who.reset.next = self.reset.val();
        self.next_beats.reset.next = self.reset.val();
        self.who.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.level.reset.next = self.reset.val();
        self.drawn[0].reset.next = self.reset.val();
        self.drawn[1].reset.next = self.reset.val();
        self.drawn[2].reset.next = self.reset.val();
        self.drawn_last.reset.next = self.reset.val();
        self.pushed.reset.next = self.reset.val();
        self.push_word.reset.next = self.reset.val();
        self.r_valid.reset.next = self.reset.val();
        self.r_id.reset.next = self.reset.val();
        self.r_data.reset.next = self.reset.val();
        self.r_error.reset.next = self.reset.val();
        self.r_last.reset.next = self.reset.val();
        self.b_valid.reset.next = self.reset.val();
        self.b_id.reset.next = self.reset.val();
        self.b_error.reset.next = self.reset.val();

        // AR and AW.
        for i in 0..3 {
            self.ar.request[i].next = self.read[i].val();
            self.ar.request_address[i].next = self.read_address[i].val();
            self.ar.request_beats[i].next = self.read_beats[i].val();
            self.read_taken[i].next = self.ar.taken[i].val();
            self.aw.request[i].next = self.write[i].val();
            self.aw.request_address[i].next = self.write_address[i].val();
            self.aw.request_beats[i].next = self.write_beats[i].val();
            self.write_taken[i].next = self.aw.taken[i].val();
        }
        self.ar.hold.next = false;
        self.aw.hold.next = self.next_full.q.val();
        self.ar.ready.next = self.arready.val();
        self.aw.ready.next = self.awready.val();
        self.arid.next = self.ar.id.val();
        self.araddr.next = self.ar.address.val();
        self.arlen.next = self.ar.len.val();
        self.arvalid.next = self.ar.valid.val();
        self.awid.next = self.aw.id.val();
        self.awaddr.next = self.aw.address.val();
        self.awlen.next = self.aw.len.val();
        self.awvalid.next = self.aw.valid.val();

        // W, in the order of AW.
        self.last.next = self.left.q.val() == 1;
        self.draw.next = (self.left.q.val() != 0) & !self.level.q.val().get_bit(3);
        self.drawn[0].d.next = self.draw.val() & (self.who.q.val() == 0);
        self.drawn[1].d.next = self.draw.val() & (self.who.q.val() == 1);
        self.drawn[2].d.next = self.draw.val() & (self.who.q.val() == 2);
        self.drawn_last.d.next = self.last.val();
        self.level_kept.next = self.level.q.val();
        if self.draw.val() {
            self.level_kept.next = self.level.q.val() + 1;
        }
        self.level.d.next = self.level_kept.val();
        if self.w.out_valid.val() & self.wready.val() {
            self.level.d.next = self.level_kept.val() - 1;
        }
        self.who.d.next = self.who.q.val();
        self.left.d.next = self.left.q.val();
        self.next_full.d.next = self.next_full.q.val();
        self.next_who.d.next = self.next_who.q.val();
        self.next_beats.d.next = self.next_beats.q.val();
        if self.draw.val() {
            self.left.d.next = self.left.q.val() - 1;
        }
        if self.next_full.q.val() & ((self.left.q.val() == 0) | (self.draw.val() & self.last.val())) {
            self.who.d.next = self.next_who.q.val();
            self.left.d.next = self.next_beats.q.val();
            self.next_full.d.next = false;
        }
        if self.aw.any_taken.val() {
            self.next_full.d.next = true;
            self.next_who.d.next = self.aw.who.val();
            self.next_beats.d.next = self.aw.beats.val();
        }
        self.chosen.next = self.word[0].val();
        if self.drawn[1].q.val() {
            self.chosen.next = self.word[1].val();
        } else if self.drawn[2].q.val() {
            self.chosen.next = self.word[2].val();
        }
        self.word_taken[0].next = self.drawn[0].q.val();
        self.word_taken[1].next = self.drawn[1].q.val();
        self.word_taken[2].next = self.drawn[2].q.val();
        self.pushed.d.next = self.drawn[0].q.val() | self.drawn[1].q.val() | self.drawn[2].q.val();
        self.push_word.d.next =
            (bit_cast::<65, 1>(self.drawn_last.q.val().into()) << 64) | bit_cast::<65, 64>(self.chosen.val());
        self.w.in_valid.next = self.pushed.q.val();
        self.w.in_data.next = self.push_word.q.val();
        self.w.out_ready.next = self.wready.val();
        self.wvalid.next = self.w.out_valid.val();
        self.wdata.next = bit_cast::<64, 65>(self.w.out_data.val());
        self.wlast.next = self.w.out_data.val().get_bit(64);

        // R and B.
        self.r_valid.d.next = self.rvalid.val();
        self.r_id.d.next = self.rid.val();
        self.r_data.d.next = self.rdata.val();
        self.r_error.d.next = self.rresp.val() != 0;
        self.r_last.d.next = self.rlast.val();
        self.b_valid.d.next = self.bvalid.val();
        self.b_id.d.next = self.bid.val();
        self.b_error.d.next = self.bresp.val() != 0;
        self.in_valid[0].next = self.r_valid.q.val() & (self.r_id.q.val() == 0);
        self.in_valid[1].next = self.r_valid.q.val() & (self.r_id.q.val() == 1);
        self.in_valid[2].next = self.r_valid.q.val() & (self.r_id.q.val() == 2);
        self.in_data.next = self.r_data.q.val();
        self.in_error.next = self.r_error.q.val();
        self.in_last.next = self.r_last.q.val();
        self.done[0].next = self.b_valid.q.val() & (self.b_id.q.val() == 0);
        self.done[1].next = self.b_valid.q.val() & (self.b_id.q.val() == 1);
        self.done[2].next = self.b_valid.q.val() & (self.b_id.q.val() == 2);
        self.done_error.next = self.b_error.q.val();
    }
}
