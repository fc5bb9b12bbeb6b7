//! Reads of the device as memory read requests: a burst in pieces, a packet for each.
//!
//! ```text
//!  AR ─► held ─► Cut ─► header, tag ─► packets
//!
//!  0 idle ─► 1 cuts; waits for a place ─► 2 header ─► 3 address ─┬─► 0
//!                ▲                          └─ may not be sent ──┤
//!                └───────────────────────────────────────────────┘
//! ```
//!
//! What has not begun when Bus Master Enable goes off is not sent; it takes its place all the same, as failed.

use super::cut::Cut;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// From AR to packets.
#[derive(LogicBlock)]
pub struct Ask {
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
    /// There is no place for what another request asks for.
    pub full: Signal<In, Bit>,
    /// Tag of the next request.
    pub tag: Signal<In, Bits<5>>,
    /// A place is taken: a request has been sent, or cannot be.
    pub asks: Signal<Out, Bit>,
    /// It cannot.
    pub drops: Signal<Out, Bit>,
    /// Words that it asks for, 1 to 32.
    pub words: Signal<Out, Bits<7>>,
    /// Which word within 128 bytes the first is.
    pub from: Signal<Out, Bits<4>>,
    /// Id of its burst.
    pub burst: Signal<Out, Bits<2>>,
    /// It is the last of its burst.
    pub ends: Signal<Out, Bit>,
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

    cut: Cut,
    state: Register<Bits<2>>,
    id_held: Register<Bits<2>>,
    low: Register<Bits<32>>,
    high: Register<Bits<32>>,
    left: Register<Bits<9>>,
    packet: Register<Bits<7>>,
    is_long: Signal<Local, Bit>,
    first: Signal<Local, Bits<32>>,
    length: Signal<Local, Bits<32>>,
    beats: Signal<Local, Bits<9>>,
    packet_wide: Signal<Local, Bits<9>>,
    packet_bytes: Signal<Local, Bits<32>>,
    left_then: Signal<Local, Bits<9>>,
    moves: Signal<Local, Bit>,
    sends: Signal<Local, Bit>,
    long_kind: Constant<Bits<32>>,
    all_bytes: Constant<Bits<64>>,
}

impl Default for Ask {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    long_kind: Constant::new(0x2000_0000u64.into()),
                    all_bytes: Constant::new(0xFF_0000_0000u64.into()),
                }
            };
        }
        rest!(
            clock reset extended id bus_master line arvalid arready arid araddr arlen full tag asks drops words from burst ends valid ready beat half last
            cut state id_held low high left packet is_long first length beats packet_wide packet_bytes left_then moves sends
        )
    }
}

impl Logic for Ask {
    #[hdl_gen]
    fn update(&mut self) {
        self.state.clock.next = self.clock.val();
        self.id_held.clock.next = self.clock.val();
        self.low.clock.next = self.clock.val();
        self.high.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.packet.clock.next = self.clock.val();
        self.state.reset.next = self.reset.val();
        self.id_held.reset.next = self.reset.val();
        self.low.reset.next = self.reset.val();
        self.high.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.packet.reset.next = self.reset.val();
        self.cut.address.next = self.low.q.val();
        self.cut.left.next = self.left.q.val();
        self.cut.line.next = self.line.val();
        self.arready.next = self.state.q.val() == 0;
        self.is_long.next = self.extended.val() | (self.high.q.val() != 0);
        self.length.next = bit_cast::<32, 7>(self.packet.q.val()) << 1;
        self.first.next = self.length.val();
        if self.is_long.val() {
            self.first.next = self.length.val() | self.long_kind.val();
        }
        self.beats.next = bit_cast::<9, 8>(self.arlen.val()) + 1;
        self.packet_wide.next = bit_cast::<9, 7>(self.packet.q.val());
        self.packet_bytes.next = bit_cast::<32, 7>(self.packet.q.val()) << 3;
        self.left_then.next = self.left.q.val() - self.packet_wide.val();
        self.valid.next = ((self.state.q.val() == 2) & self.bus_master.val()) | (self.state.q.val() == 3);
        self.beat.next = (bit_cast::<64, 16>(self.id.val()) << 48)
            | (bit_cast::<64, 5>(self.tag.val()) << 40)
            | self.all_bytes.val()
            | bit_cast::<64, 32>(self.first.val());
        self.half.next = false;
        self.last.next = false;
        if self.state.q.val() == 3 {
            self.last.next = true;
            self.half.next = !self.is_long.val();
            self.beat.next = bit_cast::<64, 32>(self.low.q.val());
            if self.is_long.val() {
                self.beat.next = (bit_cast::<64, 32>(self.low.q.val()) << 32) | bit_cast::<64, 32>(self.high.q.val());
            }
        }
        self.moves.next = self.valid.val() & self.ready.val();
        self.sends.next = self.moves.val() & (self.state.q.val() == 3);
        self.drops.next = (self.state.q.val() == 2) & !self.bus_master.val();
        self.asks.next = self.sends.val() | self.drops.val();
        self.words.next = self.packet.q.val();
        self.from.next = self.low.q.val().get_bits::<4>(3);
        self.burst.next = self.id_held.q.val();
        self.ends.next = self.left_then.val() == 0;
        self.state.d.next = self.state.q.val();
        self.id_held.d.next = self.id_held.q.val();
        self.low.d.next = self.low.q.val();
        self.high.d.next = self.high.q.val();
        self.left.d.next = self.left.q.val();
        self.packet.d.next = self.packet.q.val();
        if self.state.q.val() == 0 {
            self.id_held.d.next = self.arid.val();
            self.low.d.next = self.araddr.val().get_bits::<32>(0);
            self.high.d.next = self.araddr.val().get_bits::<32>(32);
            self.left.d.next = self.beats.val();
            if self.arvalid.val() {
                self.state.d.next = 1.into();
            }
        } else if self.state.q.val() == 1 {
            self.packet.d.next = self.cut.words.val();
            if !self.full.val() {
                self.state.d.next = 2.into();
            }
        } else if self.moves.val() & (self.state.q.val() == 2) {
            self.state.d.next = 3.into();
        } else if self.asks.val() {
            self.low.d.next = self.low.q.val() + self.packet_bytes.val();
            self.left.d.next = self.left_then.val();
            self.state.d.next = 1.into();
            if self.left_then.val() == 0 {
                self.state.d.next = 0.into();
            }
        }
    }
}
