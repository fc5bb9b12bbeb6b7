//! The reading half of an AXI4 slave: bursts become words to read, words that were read become beats.
//!
//! ```text
//!  AR ─► Intake ─► next word, beats left ─► word, tag ─► memory, however long it takes ─► data, tag ─► FIFO of 16 ─► R
//!                            ▲                                                                        │
//!                            └──────────── words on their way: at most 16 ◄───────────────────────────┘
//! ```
//!
//! A word is asked for only when the FIFO has room for it that is promised to no other, so the memory never waits for R. A word a
//! clock passes if the memory takes at most 12 clocks. A burst that cannot be answered is read like any other, somewhere in the memory,
//! and its beats are told to be errors.

use super::{Intake, TAG_BITS, WORD_BITS};
use crate::prim::{Fifo, Register};
use rust_hdl::prelude::*;

/// Bits of a beat: data, id, response, last.
const BEAT_BITS: usize = 64 + TAG_BITS;

/// A word a clock; keeps the order of AR.
#[derive(LogicBlock)]
pub struct Reader {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: forgets all bursts.
    pub reset: Signal<In, Bit>,

    /// ARID.
    pub arid: Signal<In, Bits<2>>,
    /// ARADDR.
    pub araddr: Signal<In, Bits<64>>,
    /// ARLEN.
    pub arlen: Signal<In, Bits<8>>,
    /// ARSIZE.
    pub arsize: Signal<In, Bits<3>>,
    /// ARBURST.
    pub arburst: Signal<In, Bits<2>>,
    /// ARVALID.
    pub arvalid: Signal<In, Bit>,
    /// ARREADY.
    pub arready: Signal<Out, Bit>,
    /// RID.
    pub rid: Signal<Out, Bits<2>>,
    /// RDATA.
    pub rdata: Signal<Out, Bits<64>>,
    /// RRESP.
    pub rresp: Signal<Out, Bits<2>>,
    /// RLAST.
    pub rlast: Signal<Out, Bit>,
    /// RVALID.
    pub rvalid: Signal<Out, Bit>,
    /// RREADY.
    pub rready: Signal<In, Bit>,

    /// A word is to be read.
    pub valid: Signal<Out, Bit>,
    /// It is taken in this clock; only with `valid`.
    pub taken: Signal<In, Bit>,
    /// Its number.
    pub word: Signal<Out, Bits<WORD_BITS>>,
    /// What comes back with it.
    pub tag: Signal<Out, Bits<TAG_BITS>>,
    /// A word was read: the oldest of those taken.
    pub in_valid: Signal<In, Bit>,
    /// The word.
    pub in_data: Signal<In, Bits<64>>,
    /// Its tag.
    pub in_tag: Signal<In, Bits<TAG_BITS>>,

    intake: Intake,
    fifo: Fifo<Bits<BEAT_BITS>, 4, 5>,
    busy: Register<Bit>,
    id: Register<Bits<2>>,
    response: Register<Bits<2>>,
    /// The word: its page of 4 KiB, and its number there.
    page: Register<Bits<13>>,
    place: Register<Bits<9>>,
    /// Beats behind it.
    left: Register<Bits<8>>,
    /// Words taken that have not left on R.
    promised: Register<Bits<5>>,
    promised_now: Signal<Local, Bits<5>>,
    last: Signal<Local, Bit>,
    load: Signal<Local, Bit>,
    /// A beat left in the clock before.
    leaves: Register<Bit>,
}

impl Reader {
    /// For a memory of so many units of 16 KiB.
    pub fn new(units: u64) -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self { $($name: Default::default(),)* intake: Intake::new(units) }
            };
        }
        rest!(
            clock reset arid araddr arlen arsize arburst arvalid arready rid rdata rresp rlast rvalid rready valid taken word tag
            in_valid in_data in_tag fifo busy id response page place left promised promised_now last load leaves
        )
    }
}

impl Logic for Reader {
    #[hdl_gen]
    fn update(&mut self) {
        self.intake.clock.next = self.clock.val();
        self.fifo.clock.next = self.clock.val();
        self.busy.clock.next = self.clock.val();
        self.id.clock.next = self.clock.val();
        self.response.clock.next = self.clock.val();
        self.page.clock.next = self.clock.val();
        self.place.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.promised.clock.next = self.clock.val();
        self.leaves.clock.next = self.clock.val();
        self.intake.reset.next = self.reset.val();
        self.fifo.reset.next = self.reset.val();
        self.busy.reset.next = self.reset.val();
        self.id.reset.next = self.reset.val();
        self.response.reset.next = self.reset.val();
        self.page.reset.next = self.reset.val();
        self.place.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.promised.reset.next = self.reset.val();
        self.leaves.reset.next = self.reset.val();

        self.intake.id.next = self.arid.val();
        self.intake.address.next = self.araddr.val();
        self.intake.len.next = self.arlen.val();
        self.intake.size.next = self.arsize.val();
        self.intake.burst.next = self.arburst.val();
        self.intake.valid.next = self.arvalid.val();
        self.arready.next = self.intake.ready.val();

        // The word at hand, and the one behind it.
        self.valid.next = self.busy.q.val() & !self.promised.q.val().get_bit(4);
        self.last.next = self.left.q.val() == 0;
        self.word.next =
            (bit_cast::<WORD_BITS, 13>(self.page.q.val()) << 9) | bit_cast::<WORD_BITS, 9>(self.place.q.val());
        self.tag.next = (bit_cast::<TAG_BITS, 2>(self.id.q.val()) << 3)
            | (bit_cast::<TAG_BITS, 2>(self.response.q.val()) << 1)
            | bit_cast::<TAG_BITS, 1>(self.last.val().into());
        self.load.next = !self.busy.q.val() | (self.taken.val() & self.last.val());
        self.intake.out_taken.next = self.load.val();
        self.busy.d.next = self.busy.q.val();
        self.id.d.next = self.id.q.val();
        self.response.d.next = self.response.q.val();
        self.page.d.next = self.page.q.val();
        self.place.d.next = self.place.q.val();
        self.left.d.next = self.left.q.val();
        if self.load.val() {
            self.busy.d.next = self.intake.out_valid.val();
            self.id.d.next = self.intake.out_id.val();
            self.response.d.next = self.intake.out_response.val();
            self.page.d.next = self.intake.out_word.val().get_bits::<13>(9);
            self.place.d.next = bit_cast::<9, WORD_BITS>(self.intake.out_word.val());
            self.left.d.next = self.intake.out_len.val();
        } else if self.taken.val() {
            self.place.d.next = self.place.q.val() + 1;
            self.left.d.next = self.left.q.val() - 1;
        }

        // R.
        self.fifo.in_valid.next = self.in_valid.val();
        self.fifo.in_data.next =
            (bit_cast::<BEAT_BITS, TAG_BITS>(self.in_tag.val()) << 64) | bit_cast::<BEAT_BITS, 64>(self.in_data.val());
        self.fifo.out_ready.next = self.rready.val();
        self.rvalid.next = self.fifo.out_valid.val();
        self.rdata.next = bit_cast::<64, BEAT_BITS>(self.fifo.out_data.val());
        self.rlast.next = self.fifo.out_data.val().get_bit(64);
        self.rresp.next = self.fifo.out_data.val().get_bits::<2>(65);
        self.rid.next = self.fifo.out_data.val().get_bits::<2>(67);
        self.leaves.d.next = self.fifo.out_valid.val() & self.rready.val();
        self.promised_now.next = self.promised.q.val();
        if self.leaves.q.val() {
            self.promised_now.next = self.promised.q.val() - 1;
        }
        self.promised.d.next = self.promised_now.val();
        if self.taken.val() {
            self.promised.d.next = self.promised_now.val() + 1;
        }
    }
}
