//! RAM of entries without their keys, a word beside the other, each of which can be written alone.
//!
//! ```text
//!  read_address ──┬───────┬─ ... ─┬──► read_data, a clock later
//!               flags  word 3  word 7
//!  write_address ─┴───────┴─ ... ─┴─── words: which are written
//! ```
//!
//! Of ENTRY_ID it has the flags; the rest of that word, and both of the tag, are read as 0, for `Keys` has them.
//!
//! As `prim::Ram`, it spends no logic on the collision: a read of the row being written gives the old or the new words.

use super::{ENTRY_BITS, ENTRY_WORDS, KEY_BITS};
use rust_hdl::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// `2^A` entries; one read and one write a clock, a clock after the address.
#[derive(LogicBlock, Default)]
pub struct WordRam<const A: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Entry to read.
    pub read_address: Signal<In, Bits<A>>,
    /// What stood there, a clock later.
    pub read_data: Signal<Out, Bits<ENTRY_BITS>>,
    /// Entry to write.
    pub write_address: Signal<In, Bits<A>>,
    /// Which of its words.
    pub words: Signal<In, Bits<ENTRY_WORDS>>,
    /// What to write there.
    pub write_data: Signal<In, Bits<ENTRY_BITS>>,
    _entries: BTreeMap<Bits<A>, Bits<ENTRY_BITS>>,
}

impl<const A: usize> Logic for WordRam<A> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            // Reads before it writes, as the exported RAM does.
            self.read_data.next = self._entries.get(&self.read_address.val()).copied().unwrap_or_default();
            let words = self.words.val();
            let written = (KEPT_FROM..ENTRY_WORDS).filter(|word| words.get_bit(*word)).fold(
                Bits::<ENTRY_BITS>::default(),
                |mask, word| {
                    let (high, low) = bits(word);
                    let ones: Bits<ENTRY_BITS> = ((1u64 << (high + 1 - low)) - 1).into();
                    mask | (ones << low as u64)
                },
            );
            let kept = self._entries.entry(self.write_address.val()).or_default();
            *kept = (*kept & !written) | (self.write_data.val() & written);
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let last = (1u64 << A) - 1;
        let mut text = format!("always @(posedge clock) read_data[{}:0] <= 0;\n", KEY_BITS - 1);
        for word in KEPT_FROM..ENTRY_WORDS {
            let (high, low) = bits(word);
            let _ = write!(
                text,
                "(* no_rw_check *) reg [{}:0] mem{word} [0:{last}];\n\
                 always @(posedge clock) begin\n    \
                     read_data[{high}:{low}] <= mem{word}[read_address];\n    \
                     if (words[{word}]) mem{word}[write_address] <= write_data[{high}:{low}];\n\
                 end\n",
                high - low
            );
        }
        Verilog::Custom(text)
    }
}

/// The first word of which something is kept here.
const KEPT_FROM: usize = KEY_BITS / 32;

/// Bits of the entry that are kept of this word: highest, lowest.
fn bits(word: usize) -> (usize, usize) {
    (32 * word + 31, KEY_BITS.max(32 * word))
}
