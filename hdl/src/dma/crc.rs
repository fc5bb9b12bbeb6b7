//! CRC-32C of a stream of 64-bit words, a word a clock: Castagnoli's polynomial as in RFC 3720, reflected, all ones first
//! and last, bytes in little-endian order.
//!
//! ```text
//!  {state, word}, 96 bits ──► & column j ──► XOR of all bits ──► state[j]     j = 0..31
//! ```
//!
//! The step is linear, so each bit of the next state is the parity of some of the bits of state and word, about half:
//! three or four levels of 4-input gates. They are written out, for 64 steps of a bit would be left as deep as they are.

use rust_hdl::prelude::*;
use std::fmt::Write as _;

/// The polynomial, reflected.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// `value` is the CRC-32C of the words since `start`.
#[derive(LogicBlock, Default)]
pub struct Crc {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Begins anew; goes before `valid`.
    pub start: Signal<In, Bit>,
    /// There is a word.
    pub valid: Signal<In, Bit>,
    /// The word; byte 0 is in bits 7:0.
    pub data: Signal<In, Bits<64>>,
    /// CRC-32C of what came before this clock, **not** inverted at the end.
    pub state: Signal<Out, Bits<32>>,
}

/// The state after `word`.
fn step(state: u32, word: u64) -> u32 {
    let mut rest = u64::from(state) ^ word;
    for _ in 0..64 {
        let odd = rest & 1;
        rest = (rest >> 1) ^ (odd * u64::from(POLYNOMIAL));
    }
    rest as u32
}

/// The bits of {state, word} whose parity is bit `bit` of the next state.
fn column(bit: usize) -> u128 {
    let row = |input: usize| match input {
        0..64 => step(0, 1 << input),
        _ => step(1 << (input - 64), 0),
    };
    (0..96)
        .filter(|input| row(*input) >> bit & 1 == 1)
        .fold(0, |column, input| column | 1 << input)
}

impl Logic for Crc {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            if self.start.val() {
                self.state.next = u64::from(u32::MAX).into();
            } else if self.valid.val() {
                let (state, word) = (self.state.val().to_u64() as u32, self.data.val().to_u64());
                self.state.next = u64::from(step(state, word)).into();
            }
        }
    }

    fn connect(&mut self) {
        self.state.connect();
    }

    fn hdl(&self) -> Verilog {
        let mut text = String::from(
            "always @(posedge clock) begin\n    if (start) state <= 32'hffffffff;\n    else if (valid) begin\n",
        );
        for bit in 0..32 {
            let column = column(bit);
            let _ = writeln!(text, "        state[{bit}] <= ^({{state, data}} & 96'h{column:024x});");
        }
        text.push_str("    end\nend\n");
        Verilog::Custom(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_examples_of_rfc_3720() {
        let crc = |words: [u64; 4]| !words.into_iter().fold(u32::MAX, step);
        assert_eq!(crc([0; 4]), 0x8A91_36AA);
        assert_eq!(crc([u64::MAX; 4]), 0x62A8_AB43);
        assert_eq!(
            crc([0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908, 0x1716_1514_1312_1110, 0x1F1E_1D1C_1B1A_1918]),
            0x46DD_794E
        );
    }

    #[test]
    fn the_columns_are_the_step() {
        let (state, word) = (0x1234_5678, 0x9ABC_DEF0_0FED_CBA9);
        let inputs = u128::from(state) << 64 | u128::from(word);
        let parity = |bit: usize| (inputs & column(bit)).count_ones() & 1;
        assert_eq!((0..32).fold(0, |sum, bit| sum | parity(bit) << bit), step(state, word));
    }
}
