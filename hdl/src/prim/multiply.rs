//! Multiplier 16 x 16 -> 32 with a register before and after, as the DSP blocks of FPGAs have them.
//!
//! rust-hdl multiplies 16 by 16 bits only; synthesis trims what the operands do not use.

use super::Register;
use rust_hdl::prelude::*;

/// `product` is `a * b` of two clocks before.
#[derive(LogicBlock, Default)]
pub struct Multiply {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Factor.
    pub a: Signal<In, Bits<16>>,
    /// Factor.
    pub b: Signal<In, Bits<16>>,
    /// Product, two clocks later.
    pub product: Signal<Out, Bits<32>>,
    a_held: Register<Bits<16>>,
    b_held: Register<Bits<16>>,
    held: Register<Bits<32>>,
}

impl Logic for Multiply {
    #[hdl_gen]
    fn update(&mut self) {
        self.a_held.clock.next = self.clock.val();
        self.b_held.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.a_held.reset.next = self.reset.val();
        self.b_held.reset.next = self.reset.val();
        self.held.reset.next = self.reset.val();
        self.a_held.d.next = self.a.val();
        self.b_held.d.next = self.b.val();
        self.held.d.next = self.a_held.q.val() * self.b_held.q.val();
        self.product.next = self.held.q.val();
    }
}
