//! The writing half of an AXI4 slave: bursts and their beats become words to write, the last of each an answer.
//!
//! ```text
//!  AW ─► Intake ─► next word ─┬─► word, data, strobes ─► memory
//!  W ──► Skid ────────────────┘        └─ last ─► FIFO of 16 ─► B
//! ```
//!
//! The answer is given when the memory took the last word; the memory must read what it took before whatever it is asked for later.
//! Beats may come before their address, and wait. A burst that cannot be answered well is written nowhere: it has no strobes.

use super::{Intake, WORD_BITS};
use crate::prim::{Fifo, Register, Skid};
use rust_hdl::prelude::*;

/// Bits of a beat: data, strobes, last.
const BEAT_BITS: usize = 64 + 8 + 1;

/// A word a clock; keeps the order of AW.
#[derive(LogicBlock)]
pub struct Writer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: forgets all bursts.
    pub reset: Signal<In, Bit>,

    /// AWID.
    pub awid: Signal<In, Bits<2>>,
    /// AWADDR.
    pub awaddr: Signal<In, Bits<64>>,
    /// AWLEN; WLAST counts.
    pub awlen: Signal<In, Bits<8>>,
    /// AWSIZE.
    pub awsize: Signal<In, Bits<3>>,
    /// AWBURST.
    pub awburst: Signal<In, Bits<2>>,
    /// AWVALID.
    pub awvalid: Signal<In, Bit>,
    /// AWREADY.
    pub awready: Signal<Out, Bit>,
    /// WDATA.
    pub wdata: Signal<In, Bits<64>>,
    /// WSTRB.
    pub wstrb: Signal<In, Bits<8>>,
    /// WLAST.
    pub wlast: Signal<In, Bit>,
    /// WVALID.
    pub wvalid: Signal<In, Bit>,
    /// WREADY.
    pub wready: Signal<Out, Bit>,
    /// BID.
    pub bid: Signal<Out, Bits<2>>,
    /// BRESP.
    pub bresp: Signal<Out, Bits<2>>,
    /// BVALID.
    pub bvalid: Signal<Out, Bit>,
    /// BREADY.
    pub bready: Signal<In, Bit>,

    /// A word is to be written.
    pub valid: Signal<Out, Bit>,
    /// It is taken in this clock; only with `valid`.
    pub taken: Signal<In, Bit>,
    /// Its number.
    pub word: Signal<Out, Bits<WORD_BITS>>,
    /// Its new contents.
    pub data: Signal<Out, Bits<64>>,
    /// Which bytes of them count.
    pub strobes: Signal<Out, Bits<8>>,

    intake: Intake,
    beats: Skid<Bits<BEAT_BITS>>,
    answers: Fifo<Bits<4>, 4, 5>,
    busy: Register<Bit>,
    id: Register<Bits<2>>,
    response: Register<Bits<2>>,
    /// The word: its page of 4 KiB, and its number there.
    page: Register<Bits<13>>,
    place: Register<Bits<9>>,
    last: Signal<Local, Bit>,
    load: Signal<Local, Bit>,
}

impl Writer {
    /// For a memory of so many units of 16 KiB.
    pub fn new(units: u64) -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self { $($name: Default::default(),)* intake: Intake::new(units) }
            };
        }
        rest!(
            clock reset awid awaddr awlen awsize awburst awvalid awready wdata wstrb wlast wvalid wready bid bresp bvalid bready
            valid taken word data strobes beats answers busy id response page place last load
        )
    }
}

impl Logic for Writer {
    #[hdl_gen]
    fn update(&mut self) {
        self.intake.clock.next = self.clock.val();
        self.beats.clock.next = self.clock.val();
        self.answers.clock.next = self.clock.val();
        self.busy.clock.next = self.clock.val();
        self.id.clock.next = self.clock.val();
        self.response.clock.next = self.clock.val();
        self.page.clock.next = self.clock.val();
        self.place.clock.next = self.clock.val();
        self.intake.reset.next = self.reset.val();
        self.beats.reset.next = self.reset.val();
        self.answers.reset.next = self.reset.val();
        self.busy.reset.next = self.reset.val();
        self.id.reset.next = self.reset.val();
        self.response.reset.next = self.reset.val();
        self.page.reset.next = self.reset.val();
        self.place.reset.next = self.reset.val();

        self.intake.id.next = self.awid.val();
        self.intake.address.next = self.awaddr.val();
        self.intake.len.next = self.awlen.val();
        self.intake.size.next = self.awsize.val();
        self.intake.burst.next = self.awburst.val();
        self.intake.valid.next = self.awvalid.val();
        self.awready.next = self.intake.ready.val();
        self.beats.in_valid.next = self.wvalid.val();
        self.wready.next = self.beats.in_ready.val();
        self.beats.in_data.next = (bit_cast::<BEAT_BITS, 1>(self.wlast.val().into()) << 72)
            | (bit_cast::<BEAT_BITS, 8>(self.wstrb.val()) << 64)
            | bit_cast::<BEAT_BITS, 64>(self.wdata.val());

        // The word at hand, and the one behind it.
        self.valid.next = self.busy.q.val() & self.beats.out_valid.val() & self.answers.in_ready.val();
        self.beats.out_ready.next = self.taken.val();
        self.last.next = self.beats.out_data.val().get_bit(72);
        self.word.next =
            (bit_cast::<WORD_BITS, 13>(self.page.q.val()) << 9) | bit_cast::<WORD_BITS, 9>(self.place.q.val());
        self.data.next = bit_cast::<64, BEAT_BITS>(self.beats.out_data.val());
        self.strobes.next = 0.into();
        if self.response.q.val() == 0 {
            self.strobes.next = self.beats.out_data.val().get_bits::<8>(64);
        }
        self.load.next = !self.busy.q.val() | (self.taken.val() & self.last.val());
        self.intake.out_taken.next = self.load.val();
        self.busy.d.next = self.busy.q.val();
        self.id.d.next = self.id.q.val();
        self.response.d.next = self.response.q.val();
        self.page.d.next = self.page.q.val();
        self.place.d.next = self.place.q.val();
        if self.load.val() {
            self.busy.d.next = self.intake.out_valid.val();
            self.id.d.next = self.intake.out_id.val();
            self.response.d.next = self.intake.out_response.val();
            self.page.d.next = self.intake.out_word.val().get_bits::<13>(9);
            self.place.d.next = bit_cast::<9, WORD_BITS>(self.intake.out_word.val());
        } else if self.taken.val() {
            self.place.d.next = self.place.q.val() + 1;
        }

        // B.
        self.answers.in_valid.next = self.taken.val() & self.last.val();
        self.answers.in_data.next = (bit_cast::<4, 2>(self.id.q.val()) << 2) | bit_cast::<4, 2>(self.response.q.val());
        self.answers.out_ready.next = self.bready.val();
        self.bvalid.next = self.answers.out_valid.val();
        self.bresp.next = bit_cast::<2, 4>(self.answers.out_data.val());
        self.bid.next = self.answers.out_data.val().get_bits::<2>(2);
    }
}
