//! Words written one at a time and read all at once: a block's parameters.

use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// 2^A words of `W` bits; `T` = W * 2^A (it cannot be said of const parameters).
#[derive(LogicBlock)]
pub struct Shelf<const W: usize, const A: usize, const T: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: all 0.
    pub reset: Signal<In, Bit>,
    /// A word is written.
    pub write: Signal<In, Bit>,
    /// Which.
    pub address: Signal<In, Bits<A>>,
    /// What it becomes.
    pub data: Signal<In, Bits<W>>,
    /// All words, word 0 lowest.
    pub all: Signal<Out, Bits<T>>,
    _words: Vec<Bits<W>>,
}

impl<const W: usize, const A: usize, const T: usize> Default for Shelf<W, A, T> {
    fn default() -> Self {
        assert_eq!(T, W << A, "the bits of all words");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            write: Default::default(),
            address: Default::default(),
            data: Default::default(),
            all: Default::default(),
            _words: vec![Default::default(); 1 << A],
        }
    }
}

impl<const W: usize, const A: usize, const T: usize> Logic for Shelf<W, A, T> {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            for (number, word) in self._words.iter_mut().enumerate() {
                if self.reset.val() {
                    *word = Default::default();
                } else if self.write.val() && self.address.val() == number as u64 {
                    *word = self.data.val();
                }
            }
            let all = self._words.iter().rev();
            self.all.next = all.fold(Bits::<T>::default(), |all, word| (all << (W as u64)) | bit_cast::<T, W>(*word));
        }
    }

    fn connect(&mut self) {
        self.all.connect();
    }

    fn hdl(&self) -> Verilog {
        // An enable for each word; one indexed assignment would become shifters.
        let mut text = "always @(posedge clock) begin\n".to_owned();
        for word in 0..1 << A {
            let low = word * W;
            let _ = writeln!(
                text,
                "    if (reset) all[{low} +: {W}] <= {W}'b0;\n    \
                     else if (write & (address == {A}'d{word})) all[{low} +: {W}] <= data;"
            );
        }
        Verilog::Custom(text + "end\n")
    }
}
