//! The order of bytes in payloads.
//!
//! A TLP's header is the same on every hard block; of its payload, Xilinx's 7 series has byte 0 of each 4-byte word in bits 31:24,
//! UltraScale+ in bits 7:0.

use rust_hdl::prelude::*;

/// Two words of 4 bytes, the bytes of each turned round if `big`.
#[derive(LogicBlock, Default)]
pub struct Swap {
    /// Byte 0 is in bits 31:24.
    pub big: Signal<In, Bit>,
    /// Words.
    pub data: Signal<In, Bits<64>>,
    /// The same with byte 0 in bits 7:0, or the other way round.
    pub swapped: Signal<Out, Bits<64>>,
}

impl Logic for Swap {
    fn update(&mut self) {
        let data = self.data.val();
        let byte = |number: usize| bit_cast::<64, 8>(data.get_bits::<8>(8 * number));
        let turned = (0..8).fold(Bits::<64>::default(), |all, number| all | (byte(number ^ 3) << (8 * number as u64)));
        self.swapped.next = if self.big.val() { turned } else { data };
    }

    fn connect(&mut self) {
        self.swapped.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(
            "always @(*) swapped = big ? {data[39:32], data[47:40], data[55:48], data[63:56], data[7:0], data[15:8], \
             data[23:16], data[31:24]} : data;\n"
                .into(),
        )
    }
}
