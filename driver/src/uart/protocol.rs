//! Commands of the uartbone protocol, byte by byte, and where the board has what.
//!
//! As `Stream2Wishbone` of LiteX 2024.12 (litex/soc/cores/uart.py) takes them: a code, a count of words, a word address, and the words of a write; all with the
//! highest byte first. Commands 3 and 4, which stay at one address, are left out: nothing here needs them.

use kvcpu_mmio::regs::control;

/// Byte address of BAR0.
pub(super) const BAR0: u32 = 0;
/// Byte address of BAR2.
pub(super) const BAR2: u32 = 0x80_0000;
/// A word that lies in neither, so that no register is touched: all ones.
pub(super) const NOTHING: u32 = 0x7FFF_FFFC;
/// Silence after which a board has forgotten a command that was begun: three times what `hdl/src/uart/mod.rs` gives it, as a simulated board is slower.
pub(super) const SILENCE_MS: u64 = 300;

/// Words of which each board knows the value, so that an answer to one is not taken for an answer to the other: MAGIC, and [`NOTHING`].
pub(super) const KNOWN: [(u32, u32); 2] = [(BAR0 + control::MAGIC.offset, control::MAGIC_VALUE), (NOTHING, u32::MAX)];

const WRITE_INCREMENTING: u8 = 1;
const READ_INCREMENTING: u8 = 2;

/// Bytes before the words of a write.
const HEAD: usize = 6;

fn head(code: u8, address: u32, words: usize) -> [u8; HEAD] {
    let [a, b, c, d] = (address / 4).to_be_bytes();
    [code, words as u8, a, b, c, d]
}

/// Reads `words` words from the byte address on.
pub(super) fn read(address: u32, words: usize) -> [u8; HEAD] {
    head(READ_INCREMENTING, address, words)
}

/// Writes words from the byte address on.
pub(super) fn write(address: u32, words: &[u32]) -> Vec<u8> {
    let mut bytes = head(WRITE_INCREMENTING, address, words.len()).to_vec();
    bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_litex() {
        assert_eq!(read(BAR2 + 8, 2), [2, 2, 0, 0x20, 0, 2]);
        assert_eq!(write(0x10, &[0x0102_0304]), [1, 1, 0, 0, 0, 4, 1, 2, 3, 4]);
    }
}
