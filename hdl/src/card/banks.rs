//! Block RAM of any multiple of 16 KiB, 64 bits wide, with byte strobes.
//!
//! ```text
//!  word ─┬─► bank 0: 8 blocks of 2,048 bytes ─► kept ─┐
//!        ├─► bank 1 ─────────────────────────► kept ─┤
//!        ├─► ...                                     ├─► choice ─► data        three clocks behind the number
//!        └─► which bank ─────────► ──────────► ──────┘
//!  word, data, strobes ─► register ─► the bank that is meant
//! ```
//!
//! A bank is 2,048 words: eight DP16KD of an ECP5 in the shape 2,048 by 9, of which each holds a byte of each word, so that a strobe is the
//! write enable of a block. N KiB take N / 2 of them. A DP16KD without its own output register takes most of a clock, so each bank's
//! word is kept before one of them is chosen. Reading a word in the clock in which it is written gives old or new bytes, or neither.

use super::WORD_BITS;
use rust_hdl::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// Words of a bank.
const BANK_WORDS: u64 = 2048;

/// A word read and a word written each clock.
#[derive(LogicBlock)]
pub struct Banks {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Number of the word to read.
    pub read_word: Signal<In, Bits<WORD_BITS>>,
    /// What stood there, three clocks later; of no meaning beyond the memory.
    pub read_data: Signal<Out, Bits<64>>,
    /// Number of the word to write; beyond the memory nothing is written.
    pub write_word: Signal<In, Bits<WORD_BITS>>,
    /// What to write there.
    pub write_data: Signal<In, Bits<64>>,
    /// Which bytes.
    pub write_strobes: Signal<In, Bits<8>>,
    _banks: u64,
    _words: BTreeMap<u64, u64>,
    _reads: VecDeque<Bits<64>>,
    _write: (u64, u64, u64),
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
            _reads: [0u64.into(); 2].into(),
            _write: (0, 0, 0),
        }
    }
}

impl Logic for Banks {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let number = self.read_word.val().to_u64();
            self._reads.push_back(self._words.get(&number).copied().unwrap_or_default().into());
            self.read_data.next = self._reads.pop_front().unwrap_or_default();
            let (word, data, strobes) = self._write;
            if word < self._banks * BANK_WORDS {
                let mask = (0..8)
                    .filter(|byte| strobes >> byte & 1 == 1)
                    .fold(0, |mask, byte| mask | 0xFF << (8 * byte));
                let kept = self._words.entry(word).or_default();
                *kept = (*kept & !mask) | (data & mask);
            }
            self._write =
                (self.write_word.val().to_u64(), self.write_data.val().to_u64(), self.write_strobes.val().to_u64());
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (banks, high, last) = (self._banks, WORD_BITS - 1, 64 * self._banks - 1);
        // Bits of a bank's number.
        let bits = (u64::BITS - (banks - 1).leading_zeros()).max(1);
        let top = 10 + bits;
        let lanes: String = (0..8)
            .map(|lane| {
                let (high, low) = (8 * lane + 7, 8 * lane);
                format!("            if (here & strobes[{lane}]) mem[place][{high}:{low}] <= data[{high}:{low}];\n")
            })
            .collect();
        Verilog::Custom(format!(
            "reg [{last}:0] kept;\n\
             reg [{bits_high}:0] bank1;\n\
             reg [{bits_high}:0] bank2;\n\
             reg [{high}:0] word;\n\
             reg [63:0] data;\n\
             reg [7:0] strobes;\n\
             wire [10:0] place = word[10:0];\n\
             always @(posedge clock) begin\n    \
                 bank1 <= read_word[{top}:11];\n    \
                 bank2 <= bank1;\n    \
                 read_data <= kept[64*bank2 +: 64];\n    \
                 word <= write_word;\n    \
                 data <= write_data;\n    \
                 strobes <= write_strobes;\n\
             end\n\
             genvar bank;\n\
             generate\n    \
                 for (bank = 0; bank < {banks}; bank = bank + 1) begin: banks\n        \
                     (* no_rw_check *) reg [63:0] mem [0:2047];\n        \
                     reg [63:0] read;\n        \
                     wire here = word[{high}:11] == bank;\n        \
                     always @(posedge clock) begin\n            \
                         read <= mem[read_word[10:0]];\n            \
                         kept[64*bank +: 64] <= read;\n\
             {lanes}        \
                     end\n    \
                 end\n\
             endgenerate\n",
            bits_high = bits - 1,
        ))
    }
}
