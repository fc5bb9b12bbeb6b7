//! What the sequencer computes in a clock.
//!
//! ```text
//!  made ─┐        ┌─► logic ──────┐
//!  a, b ─┴─► a, b ┼─► adder ──────┼─► one of them ─► result
//!                 ├─► shifter ────┤
//!                 └─► comparison ─┴─► compared
//! ```
//!
//! An operand may be what the word just before has made.

use super::decode::Does;
use rust_hdl::prelude::*;

/// The arithmetic of a word.
#[derive(LogicBlock)]
pub(super) struct Alu {
    /// What to do.
    pub does: Signal<In, Does>,
    /// First operand.
    pub a: Signal<In, Bits<32>>,
    /// Second operand.
    pub b: Signal<In, Bits<32>>,
    /// The first operand is what was made just before,
    pub a_late: Signal<In, Bit>,
    /// or the second is.
    pub b_late: Signal<In, Bit>,
    /// What was made.
    pub made: Signal<In, Bits<32>>,
    /// First operand, in truth.
    pub first: Signal<Out, Bits<32>>,
    /// Second operand, in truth.
    pub second: Signal<Out, Bits<32>>,
    /// The value of d, but for a load.
    pub result: Signal<Out, Bits<32>>,
    /// a + b, or a - b if it subtracts.
    pub sum: Signal<Out, Bits<32>>,
    /// They are equal, or in order.
    pub compared: Signal<Out, Bit>,

    group: Signal<Local, Bits<2>>,
    x: Signal<Local, Bits<32>>,
    y: Signal<Local, Bits<32>>,
    y_added: Signal<Local, Bits<33>>,
    wide_sum: Signal<Local, Bits<33>>,
    amount: Signal<Local, Bits<5>>,
    wide_amount: Signal<Local, Bits<64>>,
    wide: Signal<Local, Bits<64>>,
    moved: Signal<Local, Bits<64>>,
    left: Signal<Local, Bits<32>>,
    near_amount: Signal<Local, Bits<32>>,
    joined: Signal<Local, Bits<32>>,
    shifted: Signal<Local, Bits<32>>,
    truth: Signal<Local, Bits<32>>,
    low: Signal<Local, Bits<32>>,
    high: Signal<Local, Bits<32>>,
    a_flipped: Signal<Local, Bits<32>>,
    b_flipped: Signal<Local, Bits<32>>,
    equal: Signal<Local, Bit>,
    less: Signal<Local, Bit>,
    top_bit: Constant<Bits<32>>,
    all_ones: Constant<Bits<33>>,
    high_ones: Constant<Bits<64>>,
}

impl Default for Alu {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    top_bit: Constant::new(0x8000_0000u64.into()),
                    all_ones: Constant::new(0x1_FFFF_FFFFu64.into()),
                    high_ones: Constant::new(0xFFFF_FFFF_0000_0000u64.into()),
                }
            };
        }
        rest!(
            does a b a_late b_late made first second result sum compared group x y y_added wide_sum amount wide_amount wide moved left near_amount joined
            shifted truth low high a_flipped b_flipped equal less
        )
    }
}

impl Logic for Alu {
    #[hdl_gen]
    fn update(&mut self) {
        self.group.next = self.does.val().group;
        self.x.next = self.a.val();
        if self.a_late.val() {
            self.x.next = self.made.val();
        }
        self.y.next = self.b.val();
        if self.b_late.val() {
            self.y.next = self.made.val();
        }
        self.first.next = self.x.val();
        self.second.next = self.y.val();

        self.joined.next = self.y.val();
        if self.does.val().logic == 1 {
            self.joined.next = self.x.val() & self.y.val();
        } else if self.does.val().logic == 2 {
            self.joined.next = self.x.val() | self.y.val();
        } else if self.does.val().logic == 3 {
            self.joined.next = self.x.val() ^ self.y.val();
        }

        // One carry chain for both: a - b = a + !b + 1, with the 1 as a carry out of the bit before.
        self.y_added.next = bit_cast::<33, 32>(self.y.val()) << 1;
        if self.does.val().subtracts {
            self.y_added.next = (bit_cast::<33, 32>(self.y.val()) << 1) ^ self.all_ones.val();
        }
        self.wide_sum.next = ((bit_cast::<33, 32>(self.x.val()) << 1) | 1) + self.y_added.val();
        self.sum.next = self.wide_sum.val().get_bits::<32>(1);

        self.amount.next = self.y.val().get_bits::<5>(0);
        self.near_amount.next = bit_cast::<32, 5>(self.amount.val());
        self.wide_amount.next = bit_cast::<64, 5>(self.amount.val());
        self.wide.next = bit_cast::<64, 32>(self.x.val());
        if self.does.val().sign & self.x.val().get_bit(31) {
            self.wide.next = bit_cast::<64, 32>(self.x.val()) | self.high_ones.val();
        }
        self.moved.next = self.wide.val() >> self.wide_amount.val();
        self.left.next = self.x.val() << self.near_amount.val();
        self.shifted.next = self.moved.val().get_bits::<32>(0);
        if self.does.val().left {
            self.shifted.next = self.left.val();
        }

        self.a_flipped.next = self.x.val();
        self.b_flipped.next = self.y.val();
        if self.does.val().signed {
            self.a_flipped.next = self.x.val() ^ self.top_bit.val();
            self.b_flipped.next = self.y.val() ^ self.top_bit.val();
        }
        self.equal.next = self.x.val() == self.y.val();
        self.less.next = self.a_flipped.val() < self.b_flipped.val();
        self.compared.next = self.equal.val();
        if self.does.val().order {
            self.compared.next = self.less.val();
        }
        self.truth.next = 0.into();
        if self.compared.val() {
            self.truth.next = 1.into();
        }

        self.low.next = self.joined.val();
        if self.group.val().get_bit(0) {
            self.low.next = self.sum.val();
        }
        self.high.next = self.shifted.val();
        if self.group.val().get_bit(0) {
            self.high.next = self.truth.val();
        }
        self.result.next = self.low.val();
        if self.group.val().get_bit(1) {
            self.result.next = self.high.val();
        }
    }
}
