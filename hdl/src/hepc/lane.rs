//! One scoring pipeline: an entry a clock in, its P eight clocks later. `docs/hepc.md`, Score.
//!
//! ```text
//!  entry ─► 1 to 4: terms ─┬► 5 select ─► 6 products ─► 7 F + S + D ─► 8 + R ────► P
//!                          └► facts          R F S D       scaled        saturated
//! ```
//!
//! What is the same for all entries of a sweep (weights, SHIFT, base, stamp, R of the epoch, STEP, what the policy hears)
//! comes from outside and holds still while entries are under way. No stage has more than one
//! wide carry chain or three shifts, and the products stand between registers, as DSP blocks want them.

use super::terms::{Facts, Terms};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// Scores entries.
#[derive(LogicBlock)]
pub struct Lane {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// Weight of R.
    pub wr: Signal<In, Bits<8>>,
    /// Weight of F, as the policy makes it of WF.
    pub wf: Signal<In, Bits<9>>,
    /// Weight of S.
    pub ws: Signal<In, Bits<8>>,
    /// Weight of D.
    pub wd: Signal<In, Bits<8>>,
    /// The policy puts blocks used once, that nothing follows, on probation.
    pub probation: Signal<In, Bit>,
    /// The policy hears hints, and some entry has a target.
    pub hinting: Signal<In, Bit>,
    /// SHIFT.
    pub shift: Signal<In, Bits<4>>,
    /// max(SHIFT - 4, 0).
    pub scale: Signal<In, Bits<4>>,
    /// Access stamp at which R is 0.
    pub base: Signal<In, Bits<32>>,
    /// CLOCK when the chain in service began.
    pub stamp: Signal<In, Bits<32>>,
    /// R(epoch).
    pub r_epoch: Signal<In, Bits<14>>,
    /// STEP.
    pub now: Signal<In, Bits<32>>,

    /// An entry is offered.
    pub in_valid: Signal<In, Bit>,
    /// ENTRY_ACCESS.
    pub access: Signal<In, Bits<32>>,
    /// ENTRY_TARGET.
    pub target: Signal<In, Bits<32>>,
    /// ENTRY_HISTORY.FREQUENCY.
    pub frequency: Signal<In, Bits<4>>,
    /// ENTRY_HISTORY.CHILD is not 0.
    pub child: Signal<In, Bit>,
    /// Flag PREFIX.
    pub prefix: Signal<In, Bit>,
    /// Flag BRANCH.
    pub branch: Signal<In, Bit>,
    /// Flag TARGET_VALID.
    pub target_valid: Signal<In, Bit>,

    /// The entry of eight clocks before was valid.
    pub out_valid: Signal<Out, Bit>,
    /// Its P.
    pub p: Signal<Out, Bits<16>>,

    /// Its terms, four clocks after it: what other policies' scores are made of.
    pub facts: Signal<Out, Facts>,

    /// Stages 1 to 4.
    terms: Terms,

    // Stage 5.
    valid5: Register<Bit>,
    r5: Register<Bits<14>>,
    f5: Register<Bits<7>>,
    s5: Register<Bits<10>>,
    d5: Register<Bits<8>>,

    // Stage 6.
    valid6: Register<Bit>,
    r6: Register<Bits<32>>,
    f6: Register<Bits<32>>,
    s6: Register<Bits<32>>,
    d6: Register<Bits<32>>,
    r_factor: Signal<Local, Bits<16>>,
    f_factor: Signal<Local, Bits<16>>,
    s_factor: Signal<Local, Bits<16>>,
    d_factor: Signal<Local, Bits<16>>,
    wr_factor: Signal<Local, Bits<16>>,
    wf_factor: Signal<Local, Bits<16>>,
    ws_factor: Signal<Local, Bits<16>>,
    wd_factor: Signal<Local, Bits<16>>,

    // Stage 7.
    valid7: Register<Bit>,
    r7: Register<Bits<24>>,
    scaled7: Register<Bits<20>>,
    merits: Signal<Local, Bits<20>>,

    // Stage 8.
    valid8: Register<Bit>,
    p8: Register<Bits<16>>,
    sum: Signal<Local, Bits<24>>,
    over: Signal<Local, Bits<8>>,

    s_max: Constant<Bits<10>>,
    p_max: Constant<Bits<16>>,
}

impl Default for Lane {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    s_max: Constant::new(1023u64.into()),
                    p_max: Constant::new(0xFFFFu64.into()),
                }
            };
        }
        rest!(
            clock reset wr wf ws wd probation hinting shift scale base stamp r_epoch now in_valid access target
            frequency child prefix branch target_valid out_valid p facts terms valid5 r5 f5 s5 d5 valid6 r6 f6 s6 d6
            r_factor f_factor s_factor d_factor wr_factor wf_factor ws_factor wd_factor valid7 r7 scaled7 merits valid8 p8
            sum over
        )
    }
}

impl Logic for Lane {
    #[hdl_gen]
    fn update(&mut self) {
        self.terms.clock.next = self.clock.val();
        self.valid5.clock.next = self.clock.val();
        self.r5.clock.next = self.clock.val();
        self.f5.clock.next = self.clock.val();
        self.s5.clock.next = self.clock.val();
        self.d5.clock.next = self.clock.val();
        self.valid6.clock.next = self.clock.val();
        self.r6.clock.next = self.clock.val();
        self.f6.clock.next = self.clock.val();
        self.s6.clock.next = self.clock.val();
        self.d6.clock.next = self.clock.val();
        self.valid7.clock.next = self.clock.val();
        self.r7.clock.next = self.clock.val();
        self.scaled7.clock.next = self.clock.val();
        self.valid8.clock.next = self.clock.val();
        self.p8.clock.next = self.clock.val();
        self.terms.reset.next = self.reset.val();
        self.valid5.reset.next = self.reset.val();
        self.r5.reset.next = self.reset.val();
        self.f5.reset.next = self.reset.val();
        self.s5.reset.next = self.reset.val();
        self.d5.reset.next = self.reset.val();
        self.valid6.reset.next = self.reset.val();
        self.r6.reset.next = self.reset.val();
        self.f6.reset.next = self.reset.val();
        self.s6.reset.next = self.reset.val();
        self.d6.reset.next = self.reset.val();
        self.valid7.reset.next = self.reset.val();
        self.r7.reset.next = self.reset.val();
        self.scaled7.reset.next = self.reset.val();
        self.valid8.reset.next = self.reset.val();
        self.p8.reset.next = self.reset.val();

        // 1 to 4.
        self.terms.shift.next = self.shift.val();
        self.terms.base.next = self.base.val();
        self.terms.stamp.next = self.stamp.val();
        self.terms.now.next = self.now.val();
        self.terms.in_valid.next = self.in_valid.val();
        self.terms.access.next = self.access.val();
        self.terms.target.next = self.target.val();
        self.terms.frequency.next = self.frequency.val();
        self.terms.child.next = self.child.val();
        self.terms.prefix.next = self.prefix.val();
        self.terms.branch.next = self.branch.val();
        self.terms.target_valid.next = self.target_valid.val();
        self.facts.next = self.terms.facts.val();

        // 5: the first case that fits.
        self.valid5.d.next = self.terms.facts.val().valid;
        self.d5.d.next = self.terms.facts.val().d;
        self.r5.d.next = self.terms.facts.val().r;
        self.f5.d.next = self.terms.facts.val().f;
        self.s5.d.next = 0.into();
        if self.terms.facts.val().serving {
            if self.hinting.val() {
                self.s5.d.next = self.s_max.val();
            }
        } else if self.hinting.val() & self.terms.facts.val().targeted {
            self.r5.d.next = self.r_epoch.val();
            self.f5.d.next = 0.into();
            self.s5.d.next = self.terms.facts.val().s;
        } else if self.probation.val() & self.terms.facts.val().unproven {
            self.r5.d.next = self.terms.facts.val().r >> 4;
        }

        // 6: products.
        self.valid6.d.next = self.valid5.q.val();
        self.r_factor.next = bit_cast::<16, 14>(self.r5.q.val());
        self.f_factor.next = bit_cast::<16, 7>(self.f5.q.val());
        self.s_factor.next = bit_cast::<16, 10>(self.s5.q.val());
        self.d_factor.next = bit_cast::<16, 8>(self.d5.q.val());
        self.wr_factor.next = bit_cast::<16, 8>(self.wr.val());
        self.wf_factor.next = bit_cast::<16, 9>(self.wf.val());
        self.ws_factor.next = bit_cast::<16, 8>(self.ws.val());
        self.wd_factor.next = bit_cast::<16, 8>(self.wd.val());
        self.r6.d.next = self.r_factor.val() * self.wr_factor.val();
        self.f6.d.next = self.f_factor.val() * self.wf_factor.val();
        self.s6.d.next = self.s_factor.val() * self.ws_factor.val();
        self.d6.d.next = self.d_factor.val() * self.wd_factor.val();

        // 7: at most 511 * 125 + 255 * 1023 + 255 * 255, below 2^19.
        self.valid7.d.next = self.valid6.q.val();
        self.r7.d.next = bit_cast::<24, 32>(self.r6.q.val());
        self.merits.next = bit_cast::<20, 32>(self.f6.q.val())
            + bit_cast::<20, 32>(self.s6.q.val())
            + bit_cast::<20, 32>(self.d6.q.val());
        self.scaled7.d.next = self.merits.val() >> self.scale.val();

        // 8: R at most 255 * 16383, the sum below 2^23.
        self.valid8.d.next = self.valid7.q.val();
        self.sum.next = self.r7.q.val() + bit_cast::<24, 20>(self.scaled7.q.val());
        self.over.next = self.sum.val().get_bits::<8>(16);
        self.p8.d.next = bit_cast::<16, 24>(self.sum.val());
        if self.over.val() != 0 {
            self.p8.d.next = self.p_max.val();
        }

        self.out_valid.next = self.valid8.q.val();
        self.p.next = self.p8.q.val();
    }
}
