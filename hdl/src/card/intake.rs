//! An address channel: takes a burst's address, and says how each of its words will be answered.
//!
//! ```text
//!  AxADDR ─┬─► within the memory? ─┬─► response ─┐
//!  AxSIZE, AxBURST ─► supported? ──┘             ├─► Skid ─► burst
//!          └─► number of its first word, AxLEN ──┘
//! ```
//!
//! A burst never crosses 4 KiB, and the memory's size is a multiple of 16 KiB: so a burst is within it or beyond it as a whole.

use super::{UNIT_BITS, UNIT_BYTES, WORD_BITS};
use crate::prim::Skid;
use rust_hdl::prelude::*;

/// Bits of a burst: its id, response, beats less one, first word.
const BURST_BITS: usize = 2 + 2 + 8 + WORD_BITS;

/// Takes a burst a clock.
#[derive(LogicBlock)]
pub struct Intake {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// AxID.
    pub id: Signal<In, Bits<2>>,
    /// AxADDR; its three lowest bits do not count.
    pub address: Signal<In, Bits<64>>,
    /// AxLEN.
    pub len: Signal<In, Bits<8>>,
    /// AxSIZE: what is not 3 is answered with SLVERR.
    pub size: Signal<In, Bits<3>>,
    /// AxBURST: what is not INCR is answered with SLVERR.
    pub burst: Signal<In, Bits<2>>,
    /// AxVALID.
    pub valid: Signal<In, Bit>,
    /// AxREADY.
    pub ready: Signal<Out, Bit>,

    /// There is a burst.
    pub out_valid: Signal<Out, Bit>,
    /// It is taken in this clock.
    pub out_taken: Signal<In, Bit>,
    /// Its id.
    pub out_id: Signal<Out, Bits<2>>,
    /// Its answer: OKAY, SLVERR, or DECERR beyond the memory.
    pub out_response: Signal<Out, Bits<2>>,
    /// Its beats less one.
    pub out_len: Signal<Out, Bits<8>>,
    /// Number of its first word.
    pub out_word: Signal<Out, Bits<WORD_BITS>>,

    skid: Skid<Bits<BURST_BITS>>,
    unit: Signal<Local, Bits<UNIT_BITS>>,
    word: Signal<Local, Bits<WORD_BITS>>,
    beyond: Signal<Local, Bit>,
    unsupported: Signal<Local, Bit>,
    response: Signal<Local, Bits<2>>,
    units: Constant<Bits<UNIT_BITS>>,
}

impl Intake {
    /// Of a memory of so many units of 16 KiB.
    ///
    /// # Panics
    ///
    /// If there are none, or more than words have numbers.
    pub fn new(units: u64) -> Self {
        let most = (8 << WORD_BITS) / UNIT_BYTES;
        assert!((1..=most).contains(&units), "a memory has 1 to {most} units of {UNIT_BYTES} bytes, not {units}");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self { $($name: Default::default(),)* units: Constant::new(units.into()) }
            };
        }
        rest!(
            clock reset id address len size burst valid ready out_valid out_taken out_id out_response out_len out_word
            skid unit word beyond unsupported response
        )
    }
}

impl Logic for Intake {
    #[hdl_gen]
    fn update(&mut self) {
        self.skid.clock.next = self.clock.val();
        self.skid.reset.next = self.reset.val();
        self.unit.next = self.address.val().get_bits::<UNIT_BITS>(14);
        self.beyond.next = self.unit.val() >= self.units.val();
        self.unsupported.next = (self.size.val() != 3) | (self.burst.val() != 1);
        self.response.next = 0.into();
        if self.beyond.val() {
            self.response.next = 3.into();
        } else if self.unsupported.val() {
            self.response.next = 2.into();
        }
        self.word.next = self.address.val().get_bits::<WORD_BITS>(3);
        self.skid.in_valid.next = self.valid.val();
        self.ready.next = self.skid.in_ready.val();
        self.skid.in_data.next = (bit_cast::<BURST_BITS, 2>(self.id.val()) << 32)
            | (bit_cast::<BURST_BITS, 2>(self.response.val()) << 30)
            | (bit_cast::<BURST_BITS, 8>(self.len.val()) << 22)
            | bit_cast::<BURST_BITS, WORD_BITS>(self.word.val());
        self.out_valid.next = self.skid.out_valid.val();
        self.skid.out_ready.next = self.out_taken.val();
        self.out_id.next = self.skid.out_data.val().get_bits::<2>(32);
        self.out_response.next = self.skid.out_data.val().get_bits::<2>(30);
        self.out_len.next = self.skid.out_data.val().get_bits::<8>(22);
        self.out_word.next = bit_cast::<WORD_BITS, BURST_BITS>(self.skid.out_data.val());
    }
}
