//! The data bus: a word of 64 bits leaves as four columns with their masks, four columns that come become a word.
//!
//! ```text
//!  WRITE: data, strobes ─► shift, 16 and 2 bits a clock ─► Pins ─► sdram_dq_out, sdram_dqm, sdram_dq_oe
//!  READ: tag ─► Delay ───────────────────────────────────┐
//!        sdram_dq_in ─► register ─► the last three ─► word ─┴─► Reader
//! ```
//!
//! The lowest 16 bits come first. Masks are for writing only; a chip's masks reach what it reads two clocks later, which is before any data of
//! a READ that follows.

use super::Pin;
use crate::card::{Delay, TAG_BITS};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// Bits of a tag and whether there is one.
const VALID_TAG_BITS: usize = TAG_BITS + 1;

/// A word in four clocks.
#[derive(LogicBlock)]
pub struct Data {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// WRITE is in the register of the command pins after this clock.
    pub writes: Signal<In, Bit>,
    /// What it writes.
    pub word: Signal<In, Bits<64>>,
    /// Its bytes.
    pub strobes: Signal<In, Bits<8>>,
    /// READ is there after this clock.
    pub reads: Signal<In, Bit>,
    /// Its tag.
    pub tag: Signal<In, Bits<TAG_BITS>>,
    /// The chip is not ready yet, and its masks are to be high.
    pub masked: Signal<In, Bit>,

    /// A word was read.
    pub out_valid: Signal<Out, Bit>,
    /// It.
    pub out_data: Signal<Out, Bits<64>>,
    /// Its tag.
    pub out_tag: Signal<Out, Bits<TAG_BITS>>,

    /// To the chip.
    pub dq_out: Signal<Out, Bits<16>>,
    /// It is driven.
    pub dq_oe: Signal<Out, Bit>,
    /// From the chip.
    pub dq_in: Signal<In, Bits<16>>,
    /// Bytes that are not to be written.
    pub dqm: Signal<Out, Bits<2>>,

    out: Pin<Bits<16>>,
    oe: Pin<Bit>,
    mask: Pin<Bits<2>>,
    captured: Pin<Bits<16>>,
    /// Columns and bytes that follow, and how many.
    rest: Register<Bits<48>>,
    rest_bytes: Register<Bits<6>>,
    left: Register<Bits<2>>,
    /// The three columns before the one captured.
    earlier: Register<Bits<48>>,
    tags: Delay<Bits<VALID_TAG_BITS>>,
    bytes: Signal<Local, Bits<2>>,
    columns: Signal<Local, Bits<64>>,
}

impl Data {
    /// Of a chip of this CAS latency, whose data is in `dq_in` so many clocks later than it would be if wires took no time.
    pub fn new(cas: u64, wires: u64) -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    out: Pin::new(0u64.into()),
                    oe: Pin::new(false),
                    mask: Pin::new(3u64.into()),
                    captured: Pin::new(0u64.into()),
                    // A clock to the pins, one into `captured`, three for the other columns.
                    tags: Delay::new((cas + wires + 5) as usize),
                }
            };
        }
        rest!(
            clock reset writes word strobes reads tag masked out_valid out_data out_tag dq_out dq_oe dq_in dqm
            rest rest_bytes left earlier bytes columns
        )
    }
}

impl Logic for Data {
    #[hdl_gen]
    fn update(&mut self) {
        self.out.clock.next = self.clock.val();
        self.oe.clock.next = self.clock.val();
        self.mask.clock.next = self.clock.val();
        self.captured.clock.next = self.clock.val();
        self.rest.clock.next = self.clock.val();
        self.rest_bytes.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.earlier.clock.next = self.clock.val();
        self.tags.clock.next = self.clock.val();
        self.out.reset.next = self.reset.val();
        self.oe.reset.next = self.reset.val();
        self.mask.reset.next = self.reset.val();
        self.captured.reset.next = self.reset.val();
        self.rest.reset.next = self.reset.val();
        self.rest_bytes.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.earlier.reset.next = self.reset.val();
        self.tags.reset.next = self.reset.val();

        // Out.
        self.bytes.next = 3.into();
        self.rest.d.next = self.rest.q.val() >> 16;
        self.rest_bytes.d.next = self.rest_bytes.q.val() >> 2;
        self.left.d.next = 0.into();
        self.out.d.next = bit_cast::<16, 48>(self.rest.q.val());
        self.oe.d.next = false;
        if self.writes.val() {
            self.out.d.next = bit_cast::<16, 64>(self.word.val());
            self.oe.d.next = true;
            self.bytes.next = bit_cast::<2, 8>(self.strobes.val());
            self.rest.d.next = self.word.val().get_bits::<48>(16);
            self.rest_bytes.d.next = self.strobes.val().get_bits::<6>(2);
            self.left.d.next = 3.into();
        } else if self.left.q.val() != 0 {
            self.oe.d.next = true;
            self.bytes.next = bit_cast::<2, 6>(self.rest_bytes.q.val());
            self.left.d.next = self.left.q.val() - 1;
        }
        self.mask.d.next = !self.bytes.val();
        if self.masked.val() {
            self.mask.d.next = 3.into();
        }
        self.dq_out.next = self.out.q.val();
        self.dq_oe.next = self.oe.q.val();
        self.dqm.next = self.mask.q.val();

        // In.
        self.captured.d.next = self.dq_in.val();
        self.columns.next =
            (bit_cast::<64, 16>(self.captured.q.val()) << 48) | bit_cast::<64, 48>(self.earlier.q.val());
        self.earlier.d.next = self.columns.val().get_bits::<48>(16);
        self.tags.d.next = (bit_cast::<VALID_TAG_BITS, 1>(self.reads.val().into()) << 5)
            | bit_cast::<VALID_TAG_BITS, TAG_BITS>(self.tag.val());
        self.out_valid.next = self.tags.q.val().get_bit(5);
        self.out_tag.next = bit_cast::<TAG_BITS, VALID_TAG_BITS>(self.tags.q.val());
        self.out_data.next = self.columns.val();
    }
}
