//! The memories of the sequencer: control store, registers, and where calls return to.

use super::isa::{REGISTER_BITS, STORE_BITS, WORD_BITS};
use super::program::load;
use rust_hdl::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// log2 of the open calls of both threads.
pub(super) const STACK_BITS: usize = 6;

/// The control store of program `P`: a word a clock, a clock after its address, held without `enable`.
#[derive(LogicBlock)]
pub(super) struct Store<const P: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Reads.
    pub enable: Signal<In, Bit>,
    /// Word.
    pub address: Signal<In, Bits<STORE_BITS>>,
    /// What it says.
    pub word: Signal<Out, Bits<WORD_BITS>>,
    _words: Vec<u64>,
}

/// Folder of each program: the device's, and the sequencer's own test.
const PROGRAMS: [&str; 2] = ["micro", "micro/test"];

impl<const P: usize> Default for Store<P> {
    /// # Panics
    ///
    /// If the microprogram does not compile; `cargo run -p kvcpu-hdl --bin micro` says why.
    fn default() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAMS[P]);
        let words = match load(&folder) {
            Ok(program) => program.words,
            Err(error) => panic!("the microprogram does not compile:\n{error:#}"),
        };
        Self {
            clock: Default::default(),
            enable: Default::default(),
            address: Default::default(),
            word: Default::default(),
            _words: words,
        }
    }
}

impl<const P: usize> Logic for Store<P> {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.enable.val() {
            let word = self._words.get(self.address.val().index()).copied().unwrap_or_default();
            self.word.next = word.into();
        }
    }

    fn connect(&mut self) {
        self.word.connect();
    }

    fn hdl(&self) -> Verilog {
        let (high, last) = (WORD_BITS - 1, room(self._words.len()) - 1);
        let words = self._words.iter().map(|word| format!("{WORD_BITS}'h{word:015x}"));
        Verilog::Custom(format!(
            "reg [{high}:0] mem [0:{last}];\n{}always @(posedge clock) if (enable) word <= mem[address];\n",
            initial(words)
        ))
    }
}

/// Words of the control store of a program of so many: whole block RAMs, 2,048 words of 9 bits each.
pub fn room(words: usize) -> usize {
    words.next_multiple_of(2048)
}

/// What a memory holds at first. Yosys takes a time that grows with the square of a block's assignments, so there are many blocks.
pub(crate) fn initial(words: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for (number, word) in words.enumerate() {
        if number % 128 == 0 {
            text += if number == 0 { "initial begin\n" } else { "end\ninitial begin\n" };
        }
        let _ = writeln!(text, "    mem[{number}] = {word};");
    }
    text + "end\n"
}

/// The registers: two read a clock, held without `enable`, and one written.
#[derive(LogicBlock, Default)]
pub(super) struct Registers {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Reads.
    pub enable: Signal<In, Bit>,
    /// First register to read.
    pub a_address: Signal<In, Bits<REGISTER_BITS>>,
    /// Second register to read.
    pub b_address: Signal<In, Bits<REGISTER_BITS>>,
    /// The first, a clock later; as it was before a write in the clock of the read.
    pub a: Signal<Out, Bits<32>>,
    /// The second.
    pub b: Signal<Out, Bits<32>>,
    /// Writes.
    pub write: Signal<In, Bit>,
    /// Register to write.
    pub d_address: Signal<In, Bits<REGISTER_BITS>>,
    /// What to write.
    pub d: Signal<In, Bits<32>>,
    _words: BTreeMap<usize, u64>,
}

impl Logic for Registers {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let word = |address: usize| self._words.get(&address).copied().unwrap_or_default();
            if self.enable.val() {
                self.a.next = word(self.a_address.val().index()).into();
                self.b.next = word(self.b_address.val().index()).into();
            }
            if self.write.val() {
                self._words.insert(self.d_address.val().index(), self.d.val().index() as u64);
            }
        }
    }

    fn connect(&mut self) {
        self.a.connect();
        self.b.connect();
    }

    fn hdl(&self) -> Verilog {
        let last = (1 << REGISTER_BITS) - 1;
        Verilog::Custom(format!(
            "(* no_rw_check *) reg [31:0] a_mem [0:{last}];\n\
             (* no_rw_check *) reg [31:0] b_mem [0:{last}];\n\
             always @(posedge clock) begin\n    \
                 if (enable) a <= a_mem[a_address];\n    \
                 if (enable) b <= b_mem[b_address];\n    \
                 if (write) a_mem[d_address] <= d;\n    \
                 if (write) b_mem[d_address] <= d;\n\
             end\n"
        ))
    }
}

/// Where the calls of both threads return to. Small enough for LUTs, which are faster than a block RAM.
#[derive(LogicBlock, Default)]
pub(super) struct Stack {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Call to read.
    pub read_address: Signal<In, Bits<STACK_BITS>>,
    /// Where it returns to, a clock later.
    pub read_data: Signal<Out, Bits<STORE_BITS>>,
    /// Call to write.
    pub write_address: Signal<In, Bits<STACK_BITS>>,
    /// Where it returns to.
    pub write_data: Signal<In, Bits<STORE_BITS>>,
    /// Writes.
    pub write_enable: Signal<In, Bit>,
    _words: BTreeMap<usize, u64>,
}

impl Logic for Stack {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let word = self._words.get(&self.read_address.val().index()).copied();
            self.read_data.next = word.unwrap_or_default().into();
            if self.write_enable.val() {
                self._words.insert(self.write_address.val().index(), self.write_data.val().index() as u64);
            }
        }
    }

    fn connect(&mut self) {
        self.read_data.connect();
    }

    fn hdl(&self) -> Verilog {
        let (high, last) = (STORE_BITS - 1, (1 << STACK_BITS) - 1);
        Verilog::Custom(format!(
            "(* no_rw_check, ram_style = \"distributed\" *) reg [{high}:0] mem [0:{last}];\n\
             always @(posedge clock) begin\n    \
                 read_data <= mem[read_address];\n    \
                 if (write_enable) mem[write_address] <= write_data;\n\
             end\n"
        ))
    }
}
