//! Skid buffer: cuts both the valid and the ready path of a stream, at full rate.
//!
//! ```text
//! in ──►[spare]──┐
//!   └────────────┴►[out]──► out      in_ready = spare is empty
//! ```
//!
//! `out_valid`, `out_data` and `in_ready` are registered. When `out` is stalled, the word that was already on its way
//! goes to `spare`.

use super::Register;
use rust_hdl::prelude::*;

/// A stream of `D` in, the same out, one clock later.
#[derive(LogicBlock, Default)]
pub struct Skid<D: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset; what was buffered is lost.
    pub reset: Signal<In, Bit>,
    /// A word is offered.
    pub in_valid: Signal<In, Bit>,
    /// It is taken in this clock if it is offered.
    pub in_ready: Signal<Out, Bit>,
    /// The word.
    pub in_data: Signal<In, D>,
    /// A word is offered on.
    pub out_valid: Signal<Out, Bit>,
    /// It is taken in this clock if it is offered.
    pub out_ready: Signal<In, Bit>,
    /// The word.
    pub out_data: Signal<Out, D>,
    out_full: Register<Bit>,
    out: Register<D>,
    spare_full: Register<Bit>,
    spare: Register<D>,
}

impl<D: Synth> Logic for Skid<D> {
    #[hdl_gen]
    fn update(&mut self) {
        self.out_full.clock.next = self.clock.val();
        self.out.clock.next = self.clock.val();
        self.spare_full.clock.next = self.clock.val();
        self.spare.clock.next = self.clock.val();
        self.out_full.reset.next = self.reset.val();
        self.out.reset.next = self.reset.val();
        self.spare_full.reset.next = self.reset.val();
        self.spare.reset.next = self.reset.val();
        self.out_full.d.next = self.out_full.q.val();
        self.out.d.next = self.out.q.val();
        self.spare_full.d.next = self.spare_full.q.val();
        self.spare.d.next = self.spare.q.val();

        self.in_ready.next = !self.spare_full.q.val();
        self.out_valid.next = self.out_full.q.val();
        self.out_data.next = self.out.q.val();
        if !self.out_full.q.val() | self.out_ready.val() {
            // The output is free after this clock: the spare word goes first.
            if self.spare_full.q.val() {
                self.out_full.d.next = true;
                self.out.d.next = self.spare.q.val();
                self.spare_full.d.next = false;
            } else {
                self.out_full.d.next = self.in_valid.val();
                self.out.d.next = self.in_data.val();
            }
        } else if self.in_valid.val() & !self.spare_full.q.val() {
            self.spare_full.d.next = true;
            self.spare.d.next = self.in_data.val();
        }
    }
}
