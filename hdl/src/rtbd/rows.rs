//! The entries of one lane, by row: those of buckets in block RAM, those of the stash in a small RAM.
//!
//! ```text
//!          1              2
//!  row ─┬► buckets ─┐
//!       └► stash ───┴► which ──► entry
//! ```
//!
//! Rows of buckets are 0 to 2^R - 1, those of the stash begin at 2^R. Block RAM takes most of a clock to give its word,
//! so the choice has the other one, and a register behind it.

use super::{ENTRY_BITS, ENTRY_WORDS, INDEX_BITS, SWEPT_BITS, WordRam};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// 2^R rows of buckets, and up to 16 of the stash.
#[derive(LogicBlock)]
pub struct Rows<const R: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset; what is in the RAMs stays.
    pub reset: Signal<In, Bit>,
    /// Row to read.
    pub row: Signal<In, Bits<INDEX_BITS>>,
    /// The entry there, two clocks later.
    pub entry: Signal<Out, Bits<ENTRY_BITS>>,
    /// Row to write.
    pub write_row: Signal<In, Bits<INDEX_BITS>>,
    /// Which of its words are written.
    pub words: Signal<In, Bits<ENTRY_WORDS>>,
    /// What to write there.
    pub data: Signal<In, Bits<ENTRY_BITS>>,
    /// `swept` is written instead.
    pub sweep: Signal<In, Bit>,
    /// Words ID, PLACE and STATE, from the lowest.
    pub swept: Signal<In, Bits<SWEPT_BITS>>,
    /// The row of the stash that has the low bits of `write_row` is written too.
    pub fill: Signal<In, Bit>,

    buckets: WordRam<R>,
    stash: WordRam<4>,
    above: Signal<Local, Bits<INDEX_BITS>>,
    of_stash: Register<Bit>,
    out: Register<Bits<ENTRY_BITS>>,
    write_above: Signal<Local, Bits<INDEX_BITS>>,
    to_stash: Signal<Local, Bit>,
    written: Signal<Local, Bits<ENTRY_BITS>>,
    rows_log2: Constant<Bits<5>>,
}

impl<const R: usize> Default for Rows<R> {
    fn default() -> Self {
        assert!((4..INDEX_BITS).contains(&R), "a row of the stash is chosen by the low four bits");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            row: Default::default(),
            entry: Default::default(),
            write_row: Default::default(),
            words: Default::default(),
            data: Default::default(),
            sweep: Default::default(),
            swept: Default::default(),
            fill: Default::default(),
            buckets: Default::default(),
            stash: Default::default(),
            above: Default::default(),
            of_stash: Default::default(),
            out: Default::default(),
            write_above: Default::default(),
            to_stash: Default::default(),
            written: Default::default(),
            rows_log2: Constant::new((R as u64).into()),
        }
    }
}

impl<const R: usize> Logic for Rows<R> {
    #[hdl_gen]
    fn update(&mut self) {
        self.buckets.clock.next = self.clock.val();
        self.stash.clock.next = self.clock.val();
        self.of_stash.clock.next = self.clock.val();
        self.out.clock.next = self.clock.val();
        self.of_stash.reset.next = self.reset.val();
        self.out.reset.next = self.reset.val();

        self.above.next = self.row.val() >> self.rows_log2.val();
        self.of_stash.d.next = self.above.val() != 0;
        self.buckets.read_address.next = bit_cast::<R, INDEX_BITS>(self.row.val());
        self.stash.read_address.next = bit_cast::<4, INDEX_BITS>(self.row.val());
        self.out.d.next = self.buckets.read_data.val();
        if self.of_stash.q.val() {
            self.out.d.next = self.stash.read_data.val();
        }
        self.entry.next = self.out.q.val();

        self.write_above.next = self.write_row.val() >> self.rows_log2.val();
        self.to_stash.next = self.write_above.val() != 0;
        self.buckets.write_address.next = bit_cast::<R, INDEX_BITS>(self.write_row.val());
        self.stash.write_address.next = bit_cast::<4, INDEX_BITS>(self.write_row.val());
        self.written.next = self.data.val();
        if self.sweep.val() {
            self.written.next = (bit_cast::<ENTRY_BITS, 32>(self.swept.val().get_bits::<32>(64)) << 224)
                | (bit_cast::<ENTRY_BITS, 64>(self.swept.val().get_bits::<64>(0)) << 64);
        }
        self.buckets.write_data.next = self.written.val();
        self.stash.write_data.next = self.written.val();
        self.buckets.words.next = self.words.val();
        self.stash.words.next = 0.into();
        if self.to_stash.val() {
            self.buckets.words.next = 0.into();
        }
        if self.to_stash.val() | self.fill.val() {
            self.stash.words.next = self.words.val();
        }
    }
}
