//! Block RAM of any multiple of 16 KiB, 64 bits wide, with byte strobes.
//!
//! ```text
//!  word ─┬─► bank 0: 8 blocks of 2,048 bytes ─► kept ─┐
//!        ├─► bank 1 ──────────────────────────► kept ─┼─► one of 4 ─┐
//!        ├─► ...                                      ┘             ├─► one of these ─► data     four clocks behind the number
//!        ├─► bank 4 ...                               ┐─► one of 4 ─┘
//!        └─► which bank ──────► ──────────────► ──────┴──► ─────────┘
//!  word, data, strobes ─► register ─► strobes of the bank that is meant ─► it       two clocks behind the word
//! ```
//!
//! A bank is 2,048 words: eight DP16KD of an ECP5 in the shape 2,048 by 9, of which each holds a byte of each word, so that a strobe is the
//! write enable of a block. N KiB take N / 2 of them. A DP16KD without its own output register takes most of a clock, so each bank's
//! word is kept before one of them is chosen, in two steps: the blocks are spread over the whole of the chip. Reading a word in the clock in which it is written gives old or new bytes, or neither.

use super::WORD_BITS;
use rust_hdl::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// Words of a bank.
const BANK_WORDS: u64 = 2048;
/// Clocks from the number of a word to the word.
pub(super) const READ_CLOCKS: usize = 4;

/// A word read and a word written each clock.
#[derive(LogicBlock)]
pub struct Banks {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Number of the word to read.
    pub read_word: Signal<In, Bits<WORD_BITS>>,
    /// What stood there, four clocks later; of no meaning beyond the memory.
    pub read_data: Signal<Out, Bits<64>>,
    /// Number of the word to write, within the memory if there is a strobe.
    pub write_word: Signal<In, Bits<WORD_BITS>>,
    /// What to write there.
    pub write_data: Signal<In, Bits<64>>,
    /// Which bytes.
    pub write_strobes: Signal<In, Bits<8>>,
    _banks: u64,
    _words: BTreeMap<u64, u64>,
    _reads: VecDeque<Bits<64>>,
    _writes: VecDeque<(u64, u64, u64)>,
}

impl Banks {
    /// So many banks of 16 KiB.
    ///
    /// # Panics
    ///
    /// If there are none, or more than words have numbers.
    pub fn new(banks: u64) -> Self {
        let most = (1 << WORD_BITS) / BANK_WORDS;
        assert!((1..=most).contains(&banks), "1 to {most} banks of 16 KiB, not {banks}");
        Self {
            clock: Default::default(),
            read_word: Default::default(),
            read_data: Default::default(),
            write_word: Default::default(),
            write_data: Default::default(),
            write_strobes: Default::default(),
            _banks: banks,
            _words: BTreeMap::new(),
            _reads: [0u64.into(); READ_CLOCKS - 1].into(),
            _writes: [(0, 0, 0); 2].into(),
        }
    }
}

impl Logic for Banks {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let number = self.read_word.val().to_u64();
            self._reads.push_back(self._words.get(&number).copied().unwrap_or_default().into());
            self.read_data.next = self._reads.pop_front().unwrap_or_default();
            let write =
                (self.write_word.val().to_u64(), self.write_data.val().to_u64(), self.write_strobes.val().to_u64());
            self._writes.push_back(write);
            let (word, data, strobes) = self._writes.pop_front().unwrap_or_default();
            let mask = (0..8)
                .filter(|byte| strobes >> byte & 1 == 1)
                .fold(0, |mask, byte| mask | 0xFF << (8 * byte));
            let kept = self._words.entry(word).or_default();
            *kept = (*kept & !mask) | (data & mask);
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (banks, groups) = (self._banks, self._banks.div_ceil(4));
        // Bits of a group's number.
        let bits = (u64::BITS - (groups - 1).leading_zeros()).max(1);
        let lanes: String = (0..8)
            .map(|lane| {
                let (high, low) = (8 * lane + 7, 8 * lane);
                format!("            if (here[{lane}]) mem[place][{high}:{low}] <= placed[{high}:{low}];\n")
            })
            .collect();
        Verilog::Custom(format!(
            "wire [{kept}:0] kept;\n\
             reg [{four}:0] four;\n\
             reg [{top}:0] bank1;\n\
             reg [{top}:0] bank2;\n\
             reg [{group_high}:0] group;\n\
             reg [{read_top}:0] word;\n\
             reg [63:0] data;\n\
             reg [7:0] strobes;\n\
             reg [10:0] place;\n\
             reg [63:0] placed;\n\
             always @(posedge clock) begin\n    \
                 bank1 <= read_word[{read_top}:11];\n    \
                 bank2 <= bank1;\n    \
                 group <= bank2[{top}:2];\n    \
                 read_data <= four[64*group +: 64];\n    \
                 word <= write_word;\n    \
                 data <= write_data;\n    \
                 strobes <= write_strobes;\n    \
                 place <= word[10:0];\n    \
                 placed <= data;\n\
             end\n\
             genvar bank;\n\
             generate\n    \
                 for (bank = 0; bank < {banks}; bank = bank + 1) begin: banks\n        \
                     (* no_rw_check *) reg [63:0] mem [0:2047];\n        \
                     reg [63:0] read;\n        \
                     reg [63:0] read_kept;\n        \
                     assign kept[64*bank +: 64] = read_kept;\n        \
                     reg [7:0] here;\n        \
                     always @(posedge clock) begin\n            \
                         here <= word[{read_top}:11] == bank ? strobes : 8'h0;\n            \
                         read <= mem[read_word[10:0]];\n            \
                         read_kept <= read;\n\
             {lanes}        \
                     end\n    \
                 end\n    \
                 for (bank = {banks}; bank < 4*{groups}; bank = bank + 1) begin: absent\n        \
                     assign kept[64*bank +: 64] = 64'h0;\n    \
                 end\n    \
                 for (bank = 0; bank < {groups}; bank = bank + 1) begin: fours\n        \
                     always @(posedge clock) four[64*bank +: 64] <= kept[256*bank + 64*bank2[1:0] +: 64];\n    \
                 end\n\
             endgenerate\n",
            kept = 256 * groups - 1,
            four = 64 * groups - 1,
            group_high = bits - 1,
            top = bits + 1,
            read_top = bits + 12,
        ))
    }
}
