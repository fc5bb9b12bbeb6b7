//! Who sends next: a packet at a time.
//!
//! ```text
//!  0 completions ─┐ first
//!  1 messages ────┤
//!  2 reads ───────┼──► skid ──► tx
//!  3 writes ──────┘ last
//! ```
//!
//! A packet is filled up with beats of which no byte counts to a multiple of one, two or four beats, so that what makes wider beats of
//! them always has whole ones: LitePCIe's converter leaves the byte enables of an earlier beat where there is none.
//!
//! Reads cannot keep writes out for long: eight of them are under way at most. What was sent stays in order behind this block, so a
//! message stands behind the writes that were answered before it.

use crate::prim::{Register, Skid};
use rust_hdl::prelude::*;

/// The sending side.
#[derive(LogicBlock, Default)]
pub struct Sender {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Beats that make one beat of the hard block, less one: 0, 1 or 3. Constant.
    pub fill: Signal<In, Bits<2>>,
    /// Of each: eight bytes of a packet stand. Once a packet has begun, all of it will come.
    pub valid: [Signal<In, Bit>; 4],
    /// They are taken.
    pub ready: [Signal<Out, Bit>; 4],
    /// They.
    pub data: [Signal<In, Bits<64>>; 4],
    /// Only the lower four of them count.
    pub half: [Signal<In, Bit>; 4],
    /// They are the packet's last.
    pub last: [Signal<In, Bit>; 4],
    /// Eight bytes stand.
    pub tx_valid: Signal<Out, Bit>,
    /// They are taken.
    pub tx_ready: Signal<In, Bit>,
    /// They are the packet's last.
    pub tx_last: Signal<Out, Bit>,
    /// They.
    pub tx_data: Signal<Out, Bits<64>>,
    /// Which of them count.
    pub tx_keep: Signal<Out, Bits<8>>,
    skid: Skid<Bits<67>>,
    /// A packet is on its way.
    midway: Register<Bit>,
    /// Beats of it so far, mod 4.
    beats: Register<Bits<2>>,
    /// All of it was taken; it is being filled up.
    fills: Register<Bit>,
    /// Whose.
    who: Register<Bits<2>>,
    pick: Signal<Local, Bits<2>>,
    pick_valid: Signal<Local, Bit>,
    pick_data: Signal<Local, Bits<64>>,
    pick_half: Signal<Local, Bit>,
    pick_last: Signal<Local, Bit>,
    free: Signal<Local, Bit>,
    moves: Signal<Local, Bit>,
    is_whole: Signal<Local, Bit>,
    marks: Signal<Local, Bits<3>>,
}

impl Logic for Sender {
    #[hdl_gen]
    fn update(&mut self) {
        self.skid.clock.next = self.clock.val();
        self.midway.clock.next = self.clock.val();
        self.beats.clock.next = self.clock.val();
        self.fills.clock.next = self.clock.val();
        self.who.clock.next = self.clock.val();
        self.skid.reset.next = self.reset.val();
        self.midway.reset.next = self.reset.val();
        self.beats.reset.next = self.reset.val();
        self.fills.reset.next = self.reset.val();
        self.who.reset.next = self.reset.val();
        self.pick.next = 3.into();
        if self.midway.q.val() {
            self.pick.next = self.who.q.val();
        } else if self.valid[0].val() {
            self.pick.next = 0.into();
        } else if self.valid[1].val() {
            self.pick.next = 1.into();
        } else if self.valid[2].val() {
            self.pick.next = 2.into();
        }
        self.pick_valid.next = self.valid[3].val();
        self.pick_data.next = self.data[3].val();
        self.pick_half.next = self.half[3].val();
        self.pick_last.next = self.last[3].val();
        if self.pick.val() == 0 {
            self.pick_valid.next = self.valid[0].val();
            self.pick_data.next = self.data[0].val();
            self.pick_half.next = self.half[0].val();
            self.pick_last.next = self.last[0].val();
        } else if self.pick.val() == 1 {
            self.pick_valid.next = self.valid[1].val();
            self.pick_data.next = self.data[1].val();
            self.pick_half.next = self.half[1].val();
            self.pick_last.next = self.last[1].val();
        } else if self.pick.val() == 2 {
            self.pick_valid.next = self.valid[2].val();
            self.pick_data.next = self.data[2].val();
            self.pick_half.next = self.half[2].val();
            self.pick_last.next = self.last[2].val();
        }
        self.free.next = self.skid.in_ready.val() & !self.fills.q.val();
        self.ready[0].next = self.free.val() & (self.pick.val() == 0);
        self.ready[1].next = self.free.val() & (self.pick.val() == 1);
        self.ready[2].next = self.free.val() & (self.pick.val() == 2);
        self.ready[3].next = self.free.val() & (self.pick.val() == 3);
        self.moves.next = self.skid.in_ready.val() & (self.pick_valid.val() | self.fills.q.val());
        self.is_whole.next = (self.beats.q.val() & self.fill.val()) == self.fill.val();
        self.midway.d.next = self.midway.q.val();
        self.who.d.next = self.who.q.val();
        self.beats.d.next = self.beats.q.val();
        self.fills.d.next = self.fills.q.val();
        self.marks.next = 0.into();
        if self.fills.q.val() {
            self.marks.next = 4.into();
            if self.is_whole.val() {
                self.marks.next = 5.into();
            }
        } else if self.pick_half.val() {
            self.marks.next = 2.into();
            if self.pick_last.val() & self.is_whole.val() {
                self.marks.next = 3.into();
            }
        } else if self.pick_last.val() & self.is_whole.val() {
            self.marks.next = 1.into();
        }
        if self.moves.val() {
            self.beats.d.next = self.beats.q.val() + 1;
            if self.fills.q.val() {
                self.fills.d.next = !self.is_whole.val();
            } else {
                self.who.d.next = self.pick.val();
                self.midway.d.next = !self.pick_last.val();
                self.fills.d.next = self.pick_last.val() & !self.is_whole.val();
            }
            if self.is_whole.val() & (self.fills.q.val() | self.pick_last.val()) {
                self.beats.d.next = 0.into();
            }
        }
        self.skid.in_valid.next = self.pick_valid.val() | self.fills.q.val();
        self.skid.in_data.next = (bit_cast::<67, 3>(self.marks.val()) << 64) | bit_cast::<67, 64>(self.pick_data.val());
        self.skid.out_ready.next = self.tx_ready.val();
        self.tx_valid.next = self.skid.out_valid.val();
        self.tx_data.next = bit_cast::<64, 67>(self.skid.out_data.val());
        self.tx_last.next = self.skid.out_data.val().get_bit(64);
        self.tx_keep.next = 255.into();
        if self.skid.out_data.val().get_bit(65) {
            self.tx_keep.next = 15.into();
        } else if self.skid.out_data.val().get_bit(66) {
            self.tx_keep.next = 0.into();
        }
    }
}
