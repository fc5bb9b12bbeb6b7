//! The key of a slot of the stash, in registers, so that all of them are compared at once.
//!
//! ```text
//!  data ──┬─► TAG_LO, in use ─┐
//!         ├─► TAG_HI ─────────┼─► kept
//!  write ─┴─► request, tenant ┘
//! ```

use super::KEPT_BITS;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// As a slot of `KeyRam`.
#[derive(LogicBlock, Default)]
pub struct StashKey {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: not in use, and the key is 0.
    pub reset: Signal<In, Bit>,
    /// Which parts are written: TAG_LO and in use, TAG_HI, request and tenant, from the lowest bit.
    pub write: Signal<In, Bits<3>>,
    /// What to write there.
    pub data: Signal<In, Bits<KEPT_BITS>>,
    /// In use, and a key.
    pub kept: Signal<Out, Bits<KEPT_BITS>>,

    used: Register<Bit>,
    lo: Register<Bits<32>>,
    hi: Register<Bits<32>>,
    id: Register<Bits<24>>,
}

impl Logic for StashKey {
    #[hdl_gen]
    fn update(&mut self) {
        self.used.clock.next = self.clock.val();
        self.lo.clock.next = self.clock.val();
        self.hi.clock.next = self.clock.val();
        self.id.clock.next = self.clock.val();
        self.used.reset.next = self.reset.val();
        self.lo.reset.next = self.reset.val();
        self.hi.reset.next = self.reset.val();
        self.id.reset.next = self.reset.val();

        self.used.d.next = self.used.q.val();
        self.lo.d.next = self.lo.q.val();
        self.hi.d.next = self.hi.q.val();
        self.id.d.next = self.id.q.val();
        if self.write.val().get_bit(0) {
            self.used.d.next = self.data.val().get_bit(88);
            self.lo.d.next = self.data.val().get_bits::<32>(0);
        }
        if self.write.val().get_bit(1) {
            self.hi.d.next = self.data.val().get_bits::<32>(32);
        }
        if self.write.val().get_bit(2) {
            self.id.d.next = self.data.val().get_bits::<24>(64);
        }
        self.kept.next = (bit_cast::<KEPT_BITS, 1>(self.used.q.val().into()) << 88)
            | (bit_cast::<KEPT_BITS, 24>(self.id.q.val()) << 64)
            | (bit_cast::<KEPT_BITS, 32>(self.hi.q.val()) << 32)
            | bit_cast::<KEPT_BITS, 32>(self.lo.q.val());
    }
}
