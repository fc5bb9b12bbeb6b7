//! A lane's words on their way back to the directory.
//!
//! ```text
//!  words of the judge ──► kept ─────────────────┬─► words
//!  OUT of the judge, or of MARK a little later ─┴
//! ```

use super::WRITE_BITS;
use crate::prim::Kept;
use rust_hdl::prelude::*;

/// Words kept until they are written.
#[derive(LogicBlock)]
pub(super) struct Writing {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// The judge has words.
    pub valid: Signal<In, Bit>,
    /// They are these, with the OUT that the entry has: {ENTRY_STATE, ENTRY_PLACE, ENTRY_ID}.
    pub words: Signal<In, Bits<WRITE_BITS>>,
    /// OUT comes from here instead.
    pub marking: Signal<In, Bit>,
    /// The policies that it is out of.
    pub out: Signal<In, Bits<8>>,
    /// What is written, a clock later.
    pub data: Signal<Out, Bits<WRITE_BITS>>,

    kept: Kept<Bits<WRITE_BITS>>,
    kept_out: Kept<Bits<8>>,
    but_out: Constant<Bits<WRITE_BITS>>,
}

impl Default for Writing {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            valid: Default::default(),
            words: Default::default(),
            marking: Default::default(),
            out: Default::default(),
            data: Default::default(),
            kept: Default::default(),
            kept_out: Default::default(),
            // OUT is bits 27:20 of ENTRY_STATE.
            but_out: Constant::new(!(Bits::<WRITE_BITS>::from(0xFF) << 84)),
        }
    }
}

impl Logic for Writing {
    #[hdl_gen]
    fn update(&mut self) {
        self.kept.clock.next = self.clock.val();
        self.kept_out.clock.next = self.clock.val();
        self.kept.reset.next = self.reset.val();
        self.kept_out.reset.next = self.reset.val();
        self.kept.enable.next = self.valid.val();
        self.kept.d.next = self.words.val();
        self.kept_out.enable.next = self.valid.val() | self.marking.val();
        self.kept_out.d.next = self.words.val().get_bits::<8>(84);
        if self.marking.val() {
            self.kept_out.d.next = self.out.val();
        }
        self.data.next =
            (self.kept.q.val() & self.but_out.val()) | (bit_cast::<WRITE_BITS, 8>(self.kept_out.q.val()) << 84);
    }
}
