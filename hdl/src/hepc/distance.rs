//! How near an entry's next use is: 2 * q5(dt + 1), four clocks after target and STEP. `docs/hepc.md`, Score.
//!
//! ```text
//!  target, now ─► 1 differences ─► 2 clipped, + 1 ─► 3 shifted by 16, 8, 4 ─► 4 by 2, 1 ─► {exponent, fraction}
//! ```
//!
//! log2 by normalising: the number is shifted left until its leading one is on top; by how much gives the exponent, the
//! five bits behind it are the fraction.

use crate::prim::Register;
use rust_hdl::prelude::*;

/// Twice q5 of a distance.
#[derive(LogicBlock)]
pub(super) struct Distance {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// ENTRY_TARGET.
    pub target: Signal<In, Bits<32>>,
    /// STEP.
    pub now: Signal<In, Bits<32>>,
    /// 2 * q5(min(dt, 2^24 - 2) + 1), of four clocks before.
    pub twice_q5: Signal<Out, Bits<11>>,

    // Stage 1.
    distance1: Register<Bits<32>>,
    ahead: Signal<Local, Bits<32>>,
    late: Signal<Local, Bits<32>>,

    // Stage 2.
    x2: Register<Bits<24>>,
    far: Signal<Local, Bit>,
    plus_one: Signal<Local, Bits<24>>,

    // Stage 3.
    x3: Register<Bits<24>>,
    zeros3: Register<Bits<5>>,
    none16: Signal<Local, Bit>,
    none8: Signal<Local, Bit>,
    none4: Signal<Local, Bit>,
    by16: Signal<Local, Bits<24>>,
    by8: Signal<Local, Bits<24>>,
    by4: Signal<Local, Bits<24>>,
    zeros16: Signal<Local, Bits<5>>,
    zeros8: Signal<Local, Bits<5>>,
    zeros4: Signal<Local, Bits<5>>,

    // Stage 4.
    q4: Register<Bits<11>>,
    none2: Signal<Local, Bit>,
    none1: Signal<Local, Bit>,
    by2: Signal<Local, Bits<24>>,
    by1: Signal<Local, Bits<24>>,
    zeros2: Signal<Local, Bits<5>>,
    zeros1: Signal<Local, Bits<5>>,
    exponent: Signal<Local, Bits<5>>,
    fraction: Signal<Local, Bits<5>>,
    exponent_wide: Signal<Local, Bits<11>>,
    fraction_wide: Signal<Local, Bits<11>>,

    x_max: Constant<Bits<24>>,
    top: Constant<Bits<5>>,
}

impl Default for Distance {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    x_max: Constant::new(((1u64 << 24) - 1).into()),
                    top: Constant::new(23u64.into()),
                }
            };
        }
        rest!(
            clock reset target now twice_q5 distance1 ahead late x2 far plus_one x3 zeros3 none16 none8 none4 by16 by8 by4
            zeros16 zeros8 zeros4 q4 none2 none1 by2 by1 zeros2 zeros1 exponent fraction exponent_wide fraction_wide
        )
    }
}

impl Logic for Distance {
    #[hdl_gen]
    fn update(&mut self) {
        self.distance1.clock.next = self.clock.val();
        self.x2.clock.next = self.clock.val();
        self.x3.clock.next = self.clock.val();
        self.zeros3.clock.next = self.clock.val();
        self.q4.clock.next = self.clock.val();
        self.distance1.reset.next = self.reset.val();
        self.x2.reset.next = self.reset.val();
        self.x3.reset.next = self.reset.val();
        self.zeros3.reset.next = self.reset.val();
        self.q4.reset.next = self.reset.val();

        // 1: dt; the time since a target that has passed counts a quarter.
        self.ahead.next = self.target.val() - self.now.val();
        self.late.next = self.now.val() - self.target.val();
        if self.target.val() >= self.now.val() {
            self.distance1.d.next = self.ahead.val();
        } else {
            self.distance1.d.next = self.late.val() >> 2;
        }

        // 2: min(dt, 2^24 - 2) + 1.
        self.plus_one.next = bit_cast::<24, 32>(self.distance1.q.val()) + 1;
        self.far.next = self.distance1.q.val().get_bits::<8>(24) != 0;
        self.x2.d.next = self.plus_one.val();
        if self.far.val() | (self.plus_one.val() == 0) {
            self.x2.d.next = self.x_max.val();
        }

        // 3: the leading one is in the highest four bits.
        self.none16.next = self.x2.q.val().get_bits::<16>(8) == 0;
        self.by16.next = self.x2.q.val();
        self.zeros16.next = 0.into();
        if self.none16.val() {
            self.by16.next = self.x2.q.val() << 16;
            self.zeros16.next = 16.into();
        }
        self.none8.next = self.by16.val().get_bits::<8>(16) == 0;
        self.by8.next = self.by16.val();
        self.zeros8.next = self.zeros16.val();
        if self.none8.val() {
            self.by8.next = self.by16.val() << 8;
            self.zeros8.next = self.zeros16.val() | 8;
        }
        self.none4.next = self.by8.val().get_bits::<4>(20) == 0;
        self.by4.next = self.by8.val();
        self.zeros4.next = self.zeros8.val();
        if self.none4.val() {
            self.by4.next = self.by8.val() << 4;
            self.zeros4.next = self.zeros8.val() | 4;
        }
        self.x3.d.next = self.by4.val();
        self.zeros3.d.next = self.zeros4.val();

        // 4: 2 * q5 = 64 * exponent + 2 * fraction.
        self.none2.next = self.x3.q.val().get_bits::<2>(22) == 0;
        self.by2.next = self.x3.q.val();
        self.zeros2.next = self.zeros3.q.val();
        if self.none2.val() {
            self.by2.next = self.x3.q.val() << 2;
            self.zeros2.next = self.zeros3.q.val() | 2;
        }
        self.none1.next = !self.by2.val().get_bit(23);
        self.by1.next = self.by2.val();
        self.zeros1.next = self.zeros2.val();
        if self.none1.val() {
            self.by1.next = self.by2.val() << 1;
            self.zeros1.next = self.zeros2.val() | 1;
        }
        self.exponent.next = self.top.val() - self.zeros1.val();
        self.fraction.next = self.by1.val().get_bits::<5>(18);
        self.exponent_wide.next = bit_cast::<11, 5>(self.exponent.val()) << 6;
        self.fraction_wide.next = bit_cast::<11, 5>(self.fraction.val()) << 1;
        self.q4.d.next = self.exponent_wide.val() | self.fraction_wide.val();
        self.twice_q5.next = self.q4.q.val();
    }
}
