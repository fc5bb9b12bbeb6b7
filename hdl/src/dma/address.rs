//! An address channel of AXI4, AR or AW: who of three is next.
//!
//! ```text
//!  0 ──┐ in turn
//!  1 ──┴─┬─► skid ──► id, address, length
//!  2 ────┘ first
//! ```

use super::BEATS_BITS;
use crate::prim::{Register, Skid};
use rust_hdl::prelude::*;

/// A burst a clock from requesters 0, 1 (the channels) and 2 (the ring port).
#[derive(LogicBlock, Default)]
pub struct Address {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// A burst is wanted, of each; may be withdrawn while it is not taken. In the clock of `taken` it does not count.
    pub request: [Signal<In, Bit>; 3],
    /// Its address.
    pub request_address: [Signal<In, Bits<64>>; 3],
    /// Its beats.
    pub request_beats: [Signal<In, Bits<BEATS_BITS>>; 3],
    /// It was taken in the clock before.
    pub taken: [Signal<Out, Bit>; 3],
    /// None is taken while this is 1.
    pub hold: Signal<In, Bit>,
    /// One is taken in this clock.
    pub any_taken: Signal<Out, Bit>,
    /// By whom, if so.
    pub who: Signal<Out, Bits<2>>,
    /// Its beats.
    pub beats: Signal<Out, Bits<BEATS_BITS>>,
    /// AxVALID.
    pub valid: Signal<Out, Bit>,
    /// AxREADY.
    pub ready: Signal<In, Bit>,
    /// AxID: the requester's number.
    pub id: Signal<Out, Bits<2>>,
    /// AxADDR.
    pub address: Signal<Out, Bits<64>>,
    /// AxLEN: beats less one.
    pub len: Signal<Out, Bits<8>>,
    skid: Skid<Bits<74>>,
    /// Whose turn it is if both channels want.
    turn: Register<Bit>,
    held: [Register<Bit>; 3],
    open: [Signal<Local, Bit>; 3],
    pick: Signal<Local, Bits<2>>,
    pick_address: Signal<Local, Bits<64>>,
    pick_beats: Signal<Local, Bits<BEATS_BITS>>,
    pick_len: Signal<Local, Bits<BEATS_BITS>>,
    wanted: Signal<Local, Bit>,
    go: Signal<Local, Bit>,
}

impl Logic for Address {
    #[hdl_gen]
    fn update(&mut self) {
        self.skid.clock.next = self.clock.val();
        self.turn.clock.next = self.clock.val();
        self.held[0].clock.next = self.clock.val();
        self.held[1].clock.next = self.clock.val();
        self.held[2].clock.next = self.clock.val();
        self.skid.reset.next = self.reset.val();
        self.turn.reset.next = self.reset.val();
        self.held[0].reset.next = self.reset.val();
        self.held[1].reset.next = self.reset.val();
        self.held[2].reset.next = self.reset.val();
        for i in 0..3 {
            self.open[i].next = self.request[i].val() & !self.held[i].q.val();
            self.taken[i].next = self.held[i].q.val();
        }
        self.wanted.next = self.open[0].val() | self.open[1].val() | self.open[2].val();
        self.go.next = self.wanted.val() & self.skid.in_ready.val() & !self.hold.val();
        self.pick.next = 1.into();
        self.pick_address.next = self.request_address[1].val();
        self.pick_beats.next = self.request_beats[1].val();
        if self.open[2].val() {
            self.pick.next = 2.into();
            self.pick_address.next = self.request_address[2].val();
            self.pick_beats.next = self.request_beats[2].val();
        } else if self.open[0].val() & (!self.open[1].val() | !self.turn.q.val()) {
            self.pick.next = 0.into();
            self.pick_address.next = self.request_address[0].val();
            self.pick_beats.next = self.request_beats[0].val();
        }
        self.held[0].d.next = self.go.val() & (self.pick.val() == 0);
        self.held[1].d.next = self.go.val() & (self.pick.val() == 1);
        self.held[2].d.next = self.go.val() & (self.pick.val() == 2);
        self.turn.d.next = self.turn.q.val();
        if self.go.val() & (self.pick.val() == 0) {
            self.turn.d.next = true;
        } else if self.go.val() & (self.pick.val() == 1) {
            self.turn.d.next = false;
        }
        self.any_taken.next = self.go.val();
        self.who.next = self.pick.val();
        self.beats.next = self.pick_beats.val();

        self.pick_len.next = self.pick_beats.val() - 1;
        self.skid.in_valid.next = self.wanted.val() & !self.hold.val();
        self.skid.in_data.next = (bit_cast::<74, 2>(self.pick.val()) << 72)
            | (bit_cast::<74, BEATS_BITS>(self.pick_len.val()) << 64)
            | bit_cast::<74, 64>(self.pick_address.val());
        self.skid.out_ready.next = self.ready.val();
        self.valid.next = self.skid.out_valid.val();
        self.id.next = self.skid.out_data.val().get_bits::<2>(72);
        self.len.next = self.skid.out_data.val().get_bits::<8>(64);
        self.address.next = bit_cast::<64, 74>(self.skid.out_data.val());
    }
}
