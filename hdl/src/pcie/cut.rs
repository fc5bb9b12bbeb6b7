//! How much of a burst goes into the next packet: no more than the link's partner takes, and to the next multiple of that.
//!
//! As the sizes of packets are powers of two of at most 512 bytes, none crosses a multiple of 4 KiB.

use rust_hdl::prelude::*;

/// min(left, to the next line).
#[derive(LogicBlock, Default)]
pub struct Cut {
    /// Address of what is left, a multiple of 8.
    pub address: Signal<In, Bits<32>>,
    /// Words of 8 bytes that are left, 1 to 256.
    pub left: Signal<In, Bits<9>>,
    /// Bytes of a line: 128, 256 or 512.
    pub line: Signal<In, Bits<10>>,
    /// Words of the packet, 1 to 64.
    pub words: Signal<Out, Bits<7>>,
    line_words: Signal<Local, Bits<7>>,
    mask: Signal<Local, Bits<7>>,
    at: Signal<Local, Bits<7>>,
    to_line: Signal<Local, Bits<7>>,
    to_line_wide: Signal<Local, Bits<9>>,
}

impl Logic for Cut {
    #[hdl_gen]
    fn update(&mut self) {
        self.line_words.next = self.line.val().get_bits::<7>(3);
        self.mask.next = self.line_words.val() - 1;
        self.at.next = self.address.val().get_bits::<7>(3) & self.mask.val();
        self.to_line.next = self.line_words.val() - self.at.val();
        self.to_line_wide.next = bit_cast::<9, 7>(self.to_line.val());
        self.words.next = self.to_line.val();
        if self.left.val() < self.to_line_wide.val() {
            self.words.next = self.left.val().get_bits::<7>(0);
        }
    }
}
