//! Bytes to a serial line: 8 data bits, no parity, a stop bit.
//!
//! ```text
//!  in ─► shift register ─► FF ─► tx     start bit, 8 of data, low bit first, stop bit: 10 bits a byte, and a clock
//! ```
//!
//! The line is kept inverted, so that a register that is reset to 0 is a line at rest.

use super::{LEAST_CLOCKS, MOST_CLOCKS};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// From bytes to bits.
#[derive(LogicBlock)]
pub struct Transmitter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset; a byte under way is cut off.
    pub reset: Signal<In, Bit>,
    /// A byte is offered.
    pub in_valid: Signal<In, Bit>,
    /// It is taken in this clock if it is offered.
    pub in_ready: Signal<Out, Bit>,
    /// The byte.
    pub in_data: Signal<In, Bits<8>>,
    /// The line.
    pub tx: Signal<Out, Bit>,

    busy: Register<Bit>,
    /// The line, inverted.
    low: Register<Bit>,
    /// Clocks that the bit on the line has left.
    count: Register<Bits<16>>,
    /// Bits sent before it.
    sent: Register<Bits<4>>,
    data: Register<Bits<8>>,
    whole: Constant<Bits<16>>,
}

impl Transmitter {
    /// For a line of `bit_clocks` clocks a bit.
    ///
    /// # Panics
    ///
    /// If those are not [`LEAST_CLOCKS`] to [`MOST_CLOCKS`].
    pub fn new(bit_clocks: u32) -> Self {
        assert!((LEAST_CLOCKS..=MOST_CLOCKS).contains(&bit_clocks), "{bit_clocks} clocks a bit");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self { $($name: Default::default(),)* whole: Constant::new(u64::from(bit_clocks - 1).into()) }
            };
        }
        rest!(clock reset in_valid in_ready in_data tx busy low count sent data)
    }
}

impl Logic for Transmitter {
    #[hdl_gen]
    fn update(&mut self) {
        self.busy.clock.next = self.clock.val();
        self.low.clock.next = self.clock.val();
        self.count.clock.next = self.clock.val();
        self.sent.clock.next = self.clock.val();
        self.data.clock.next = self.clock.val();
        self.busy.reset.next = self.reset.val();
        self.low.reset.next = self.reset.val();
        self.count.reset.next = self.reset.val();
        self.sent.reset.next = self.reset.val();
        self.data.reset.next = self.reset.val();

        self.in_ready.next = !self.busy.q.val();
        self.busy.d.next = self.busy.q.val();
        self.low.d.next = self.low.q.val();
        self.count.d.next = self.whole.val();
        self.sent.d.next = self.sent.q.val();
        self.data.d.next = self.data.q.val();
        if !self.busy.q.val() {
            self.busy.d.next = self.in_valid.val();
            self.low.d.next = self.in_valid.val();
            self.sent.d.next = 0.into();
            self.data.d.next = self.in_data.val();
        } else if self.count.q.val() != 0 {
            self.count.d.next = self.count.q.val() - 1;
        } else {
            self.sent.d.next = self.sent.q.val() + 1;
            if self.sent.q.val() == 9 {
                self.busy.d.next = false;
            } else if self.sent.q.val() == 8 {
                self.low.d.next = false;
            } else {
                self.low.d.next = !self.data.q.val().get_bit(0);
                self.data.d.next = self.data.q.val() >> 1;
            }
        }
        self.tx.next = !self.low.q.val();
    }
}
