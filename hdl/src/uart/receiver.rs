//! Bytes from a serial line: 8 data bits, no parity, a stop bit.
//!
//! ```text
//!        ┌────┐ ┌────┐
//!  rx ──►│ FF ├►│ FF ├─► start? ─► half a bit ─► sample ─┬─ a bit ─► sample, 8 times ─► stop bit ─► byte
//!        └────┘ └────┘                                    └─ high again: no start
//! ```
//!
//! Each bit is sampled once, in its middle, counted from the start bit's edge; so 10 bits may be off by less than half a bit in all, of which the edge, seen
//! up to a clock late, takes its part. A frame whose stop bit is low is dropped, and so is all until the line is high again: a break is one bad frame.
//! The line is kept inverted, so that registers that are reset to 0 see a line at rest.

use super::{LEAST_CLOCKS, MOST_CLOCKS};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// From bits to bytes.
#[derive(LogicBlock)]
pub struct Receiver {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset; a byte under way is lost.
    pub reset: Signal<In, Bit>,
    /// The line, of any clock; high at rest.
    pub rx: Signal<In, Bit>,
    /// A byte has come: a pulse of a clock.
    pub out_valid: Signal<Out, Bit>,
    /// The byte, until the next begins.
    pub out_data: Signal<Out, Bits<8>>,
    /// A frame had no stop bit: a pulse of a clock.
    pub bad_frame: Signal<Out, Bit>,
    /// The line is low.
    pub is_low: Signal<Out, Bit>,

    /// The line, inverted: as it was a clock ago, perhaps not settled, and two.
    low_unsettled: Register<Bit>,
    low: Register<Bit>,
    busy: Register<Bit>,
    /// Waits for the line to be high, after a bad frame.
    is_barred: Register<Bit>,
    /// Clocks to the next sample.
    count: Register<Bits<16>>,
    /// Samples taken: the start bit, 8 of data.
    samples: Register<Bits<4>>,
    data: Register<Bits<8>>,
    valid: Register<Bit>,
    bad: Register<Bit>,
    shifted: Signal<Local, Bits<8>>,
    half: Constant<Bits<16>>,
    whole: Constant<Bits<16>>,
    top: Constant<Bits<8>>,
}

impl Receiver {
    /// For a line of `bit_clocks` clocks a bit.
    ///
    /// # Panics
    ///
    /// If those are not [`LEAST_CLOCKS`] to [`MOST_CLOCKS`].
    pub fn new(bit_clocks: u32) -> Self {
        assert!((LEAST_CLOCKS..=MOST_CLOCKS).contains(&bit_clocks), "{bit_clocks} clocks a bit");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    half: Constant::new(u64::from(bit_clocks / 2 - 1).into()),
                    whole: Constant::new(u64::from(bit_clocks - 1).into()),
                    top: Constant::new(0x80u64.into()),
                }
            };
        }
        rest!(clock reset rx out_valid out_data bad_frame is_low low_unsettled low busy is_barred count samples data valid bad shifted)
    }
}

impl Logic for Receiver {
    #[hdl_gen]
    fn update(&mut self) {
        self.low_unsettled.clock.next = self.clock.val();
        self.low.clock.next = self.clock.val();
        self.busy.clock.next = self.clock.val();
        self.is_barred.clock.next = self.clock.val();
        self.count.clock.next = self.clock.val();
        self.samples.clock.next = self.clock.val();
        self.data.clock.next = self.clock.val();
        self.valid.clock.next = self.clock.val();
        self.bad.clock.next = self.clock.val();
        self.low_unsettled.reset.next = self.reset.val();
        self.low.reset.next = self.reset.val();
        self.busy.reset.next = self.reset.val();
        self.is_barred.reset.next = self.reset.val();
        self.count.reset.next = self.reset.val();
        self.samples.reset.next = self.reset.val();
        self.data.reset.next = self.reset.val();
        self.valid.reset.next = self.reset.val();
        self.bad.reset.next = self.reset.val();

        self.low_unsettled.d.next = !self.rx.val();
        self.low.d.next = self.low_unsettled.q.val();
        self.busy.d.next = self.busy.q.val();
        self.is_barred.d.next = self.is_barred.q.val() & self.low.q.val();
        self.count.d.next = self.count.q.val();
        self.samples.d.next = self.samples.q.val();
        self.data.d.next = self.data.q.val();
        self.valid.d.next = false;
        self.bad.d.next = false;
        // The low bit comes first.
        self.shifted.next = self.data.q.val() >> 1;
        if !self.busy.q.val() {
            self.count.d.next = self.half.val();
            self.samples.d.next = 0.into();
            self.busy.d.next = self.low.q.val() & !self.is_barred.q.val();
        } else if self.count.q.val() != 0 {
            self.count.d.next = self.count.q.val() - 1;
        } else {
            self.count.d.next = self.whole.val();
            self.samples.d.next = self.samples.q.val() + 1;
            if self.samples.q.val() == 0 {
                self.busy.d.next = self.low.q.val();
            } else if self.samples.q.val() == 9 {
                self.busy.d.next = false;
                self.valid.d.next = !self.low.q.val();
                self.bad.d.next = self.low.q.val();
                self.is_barred.d.next = self.low.q.val();
            } else {
                self.data.d.next = self.shifted.val();
                if !self.low.q.val() {
                    self.data.d.next = self.shifted.val() | self.top.val();
                }
            }
        }
        self.out_valid.next = self.valid.q.val();
        self.out_data.next = self.data.q.val();
        self.bad_frame.next = self.bad.q.val();
        self.is_low.next = self.low.q.val();
    }
}
