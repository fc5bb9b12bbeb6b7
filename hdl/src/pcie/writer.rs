//! Writes of the device as memory write requests.
//!
//! ```text
//!  AW ─► held ─► Cut ─► header ─┐
//!  W ─► skid ─► swap ───────────┴─► packets        B: all of the burst is on its way
//!
//!  0 idle ─► 1 cuts ─► 2 header ─► 3 address, and of a short header the first half word ─► 4 words ─► 5 a half word ─┬─► 6 B ─► 0
//!                ▲                          └─ may not be sent ─► 7 takes the words of the packet ──────────────────┤
//!                └────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Every word is written as a whole: the device has no other writes, so strobes are not looked at. The words of a burst must come
//! without the help of anything behind this block, as nothing else can be sent while a packet is on its way.
//! A posted write has no answer on PCIe, so B says only that it cannot be overtaken any more; or SLVERR, if a packet of the burst had
//! not begun when Bus Master Enable went off, and was not sent.

use super::cut::Cut;
use super::swap::Swap;
use crate::prim::{Register, Skid};
use rust_hdl::prelude::*;

/// The writing half of the slave that the device's `m_host` meets.
#[derive(LogicBlock)]
pub struct Writer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Byte 0 of a payload's word is in bits 31:24.
    pub big: Signal<In, Bit>,
    /// All headers have 64-bit addresses.
    pub extended: Signal<In, Bit>,
    /// Requester id.
    pub id: Signal<In, Bits<16>>,
    /// Bus Master Enable.
    pub bus_master: Signal<In, Bit>,
    /// Bytes that a packet may have.
    pub line: Signal<In, Bits<10>>,
    /// AW.
    pub awvalid: Signal<In, Bit>,
    /// It is taken.
    pub awready: Signal<Out, Bit>,
    /// Id.
    pub awid: Signal<In, Bits<2>>,
    /// Address, a multiple of 8.
    pub awaddr: Signal<In, Bits<64>>,
    /// Beats less one.
    pub awlen: Signal<In, Bits<8>>,
    /// W.
    pub wvalid: Signal<In, Bit>,
    /// It is taken.
    pub wready: Signal<Out, Bit>,
    /// Data.
    pub wdata: Signal<In, Bits<64>>,
    /// B.
    pub bvalid: Signal<Out, Bit>,
    /// It is taken.
    pub bready: Signal<In, Bit>,
    /// Id.
    pub bid: Signal<Out, Bits<2>>,
    /// SLVERR if not all of it was sent.
    pub bresp: Signal<Out, Bits<2>>,
    /// To the sender.
    pub valid: Signal<Out, Bit>,
    /// Taken.
    pub ready: Signal<In, Bit>,
    /// Eight bytes.
    pub data: Signal<Out, Bits<64>>,
    /// Only four of them.
    pub half: Signal<Out, Bit>,
    /// The last.
    pub last: Signal<Out, Bit>,

    cut: Cut,
    swap: Swap,
    words: Skid<Bits<64>>,
    state: Register<Bits<3>>,
    id_held: Register<Bits<2>>,
    low: Register<Bits<32>>,
    high: Register<Bits<32>>,
    left: Register<Bits<9>>,
    packet: Register<Bits<7>>,
    /// Words of the packet that have not been taken.
    to_take: Register<Bits<7>>,
    held: Register<Bits<32>>,
    /// Not all of the burst was sent.
    dropped: Register<Bit>,
    is_long: Signal<Local, Bit>,
    first: Signal<Local, Bits<32>>,
    length: Signal<Local, Bits<32>>,
    beats: Signal<Local, Bits<9>>,
    packet_wide: Signal<Local, Bits<9>>,
    packet_bytes: Signal<Local, Bits<32>>,
    left_then: Signal<Local, Bits<9>>,
    stands: Signal<Local, Bit>,
    moves: Signal<Local, Bit>,
    takes: Signal<Local, Bit>,
    drops: Signal<Local, Bit>,
    ends: Signal<Local, Bit>,
    short_kind: Constant<Bits<32>>,
    long_kind: Constant<Bits<32>>,
    all_bytes: Constant<Bits<64>>,
}

impl Default for Writer {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    short_kind: Constant::new(0x4000_0000u64.into()),
                    long_kind: Constant::new(0x6000_0000u64.into()),
                    all_bytes: Constant::new(0xFF_0000_0000u64.into()),
                }
            };
        }
        rest!(
            clock reset big extended id bus_master line awvalid awready awid awaddr awlen wvalid wready wdata bvalid bready bid bresp valid ready data half
            last cut swap words state id_held low high left packet to_take held dropped is_long first length beats packet_wide
            packet_bytes left_then stands moves takes drops ends
        )
    }
}

impl Logic for Writer {
    #[hdl_gen]
    fn update(&mut self) {
        self.words.clock.next = self.clock.val();
        self.state.clock.next = self.clock.val();
        self.id_held.clock.next = self.clock.val();
        self.low.clock.next = self.clock.val();
        self.high.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.packet.clock.next = self.clock.val();
        self.to_take.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.dropped.clock.next = self.clock.val();
        self.words.reset.next = self.reset.val();
        self.state.reset.next = self.reset.val();
        self.id_held.reset.next = self.reset.val();
        self.low.reset.next = self.reset.val();
        self.high.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.packet.reset.next = self.reset.val();
        self.to_take.reset.next = self.reset.val();
        self.held.reset.next = self.reset.val();
        self.dropped.reset.next = self.reset.val();
        self.cut.address.next = self.low.q.val();
        self.cut.left.next = self.left.q.val();
        self.cut.line.next = self.line.val();
        self.words.in_valid.next = self.wvalid.val();
        self.words.in_data.next = self.wdata.val();
        self.wready.next = self.words.in_ready.val();
        self.swap.big.next = self.big.val();
        self.swap.data.next = self.words.out_data.val();

        self.awready.next = self.state.q.val() == 0;
        self.bvalid.next = self.state.q.val() == 6;
        self.bid.next = self.id_held.q.val();
        self.bresp.next = 0.into();
        if self.dropped.q.val() {
            self.bresp.next = 2.into();
        }
        self.is_long.next = self.extended.val() | (self.high.q.val() != 0);
        self.length.next = bit_cast::<32, 7>(self.packet.q.val()) << 1;
        self.first.next = self.length.val() | self.short_kind.val();
        if self.is_long.val() {
            self.first.next = self.length.val() | self.long_kind.val();
        }
        self.beats.next = bit_cast::<9, 8>(self.awlen.val()) + 1;
        self.packet_wide.next = bit_cast::<9, 7>(self.packet.q.val());
        self.packet_bytes.next = bit_cast::<32, 7>(self.packet.q.val()) << 3;
        self.left_then.next = self.left.q.val() - self.packet_wide.val();

        // What stands for the sender.
        self.stands.next = false;
        self.data.next =
            (bit_cast::<64, 16>(self.id.val()) << 48) | self.all_bytes.val() | bit_cast::<64, 32>(self.first.val());
        self.half.next = false;
        self.last.next = false;
        self.takes.next = false;
        if self.state.q.val() == 2 {
            self.stands.next = self.bus_master.val();
        } else if self.state.q.val() == 3 {
            self.stands.next = self.is_long.val() | self.words.out_valid.val();
            self.takes.next = !self.is_long.val();
            self.data.next = (bit_cast::<64, 32>(self.low.q.val()) << 32) | bit_cast::<64, 32>(self.high.q.val());
            if !self.is_long.val() {
                self.data.next = (self.swap.swapped.val() << 32) | bit_cast::<64, 32>(self.low.q.val());
            }
        } else if self.state.q.val() == 4 {
            self.stands.next = self.words.out_valid.val();
            self.takes.next = true;
            self.data.next = self.swap.swapped.val();
            self.last.next = self.is_long.val() & (self.to_take.q.val() == 1);
            if !self.is_long.val() {
                self.data.next = (self.swap.swapped.val() << 32) | bit_cast::<64, 32>(self.held.q.val());
            }
        } else if self.state.q.val() == 5 {
            self.stands.next = true;
            self.half.next = true;
            self.last.next = true;
            self.data.next = bit_cast::<64, 32>(self.held.q.val());
        }
        self.valid.next = self.stands.val();
        self.moves.next = self.stands.val() & self.ready.val();
        self.drops.next = (self.state.q.val() == 7) & self.words.out_valid.val();
        self.words.out_ready.next = (self.takes.val() & self.moves.val()) | self.drops.val();
        self.ends.next = (self.moves.val() & self.last.val()) | (self.drops.val() & (self.to_take.q.val() == 1));

        self.state.d.next = self.state.q.val();
        self.id_held.d.next = self.id_held.q.val();
        self.low.d.next = self.low.q.val();
        self.high.d.next = self.high.q.val();
        self.left.d.next = self.left.q.val();
        self.packet.d.next = self.packet.q.val();
        self.to_take.d.next = self.to_take.q.val();
        self.held.d.next = self.held.q.val();
        self.dropped.d.next = self.dropped.q.val();
        if self.drops.val() {
            self.to_take.d.next = self.to_take.q.val() - 1;
        } else if self.takes.val() & self.moves.val() {
            self.to_take.d.next = self.to_take.q.val() - 1;
            self.held.d.next = self.swap.swapped.val().get_bits::<32>(32);
        }
        if self.state.q.val() == 0 {
            self.id_held.d.next = self.awid.val();
            self.low.d.next = self.awaddr.val().get_bits::<32>(0);
            self.high.d.next = self.awaddr.val().get_bits::<32>(32);
            self.left.d.next = self.beats.val();
            self.dropped.d.next = false;
            if self.awvalid.val() {
                self.state.d.next = 1.into();
            }
        } else if self.state.q.val() == 1 {
            self.packet.d.next = self.cut.words.val();
            self.to_take.d.next = self.cut.words.val();
            self.state.d.next = 2.into();
        } else if (self.state.q.val() == 2) & !self.bus_master.val() {
            self.state.d.next = 7.into();
            self.dropped.d.next = true;
        } else if (self.state.q.val() == 2) & self.moves.val() {
            self.state.d.next = 3.into();
        } else if (self.state.q.val() == 3) & self.moves.val() {
            self.state.d.next = 4.into();
            if !self.is_long.val() & (self.to_take.q.val() == 1) {
                self.state.d.next = 5.into();
            }
        } else if (self.state.q.val() == 4) & self.moves.val() {
            if !self.is_long.val() & (self.to_take.q.val() == 1) {
                self.state.d.next = 5.into();
            }
        } else if (self.state.q.val() == 6) & self.bready.val() {
            self.state.d.next = 0.into();
        }
        if self.ends.val() {
            self.low.d.next = self.low.q.val() + self.packet_bytes.val();
            self.left.d.next = self.left_then.val();
            self.state.d.next = 1.into();
            if self.left_then.val() == 0 {
                self.state.d.next = 6.into();
            }
        }
    }
}
