//! One scoring pipeline: an entry a clock in, its P seven clocks later. `docs/hepc.md`, Score.
//!
//! ```text
//!             ┌► age ──────► R, unclipped ────────► clipped ──────┐
//!  entry ─► 1 ┤          2                 3                   4     ├► 5 select ─► 6 products ─► 7 sum ─► P
//!             └► distance ► clipped, + 1 ──► normalised ► q5 ───────┘        R F S D     + scale    saturate
//! ```
//!
//! What is the same for all entries of a sweep (weights, SHIFT, base, stamp, R of the epoch, STEP, what the policy hears)
//! comes from outside and holds still while entries are under way. No stage has more than one
//! wide carry chain or three shifts, and the products stand between registers, as DSP blocks want them.

use super::distance::Distance;
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

    /// The entry of seven clocks before was valid.
    pub out_valid: Signal<Out, Bit>,
    /// Its P.
    pub p: Signal<Out, Bits<16>>,

    /// Stages 1 to 4 of S.
    distance: Distance,

    // Stage 1.
    valid1: Register<Bit>,
    age1: Register<Bits<32>>,
    serving1: Register<Bit>,
    hinted1: Register<Bit>,
    unproven1: Register<Bit>,
    frequency1: Register<Bits<4>>,
    branch1: Register<Bit>,
    prefix1: Register<Bit>,

    // Stage 2.
    valid2: Register<Bit>,
    r2: Register<Bits<32>>,
    serving2: Register<Bit>,
    hinted2: Register<Bit>,
    unproven2: Register<Bit>,
    f2: Register<Bits<7>>,
    d2: Register<Bits<8>>,

    // Stage 3.
    valid3: Register<Bit>,
    r3: Register<Bits<14>>,
    serving3: Register<Bit>,
    hinted3: Register<Bit>,
    unproven3: Register<Bit>,
    f3: Register<Bits<7>>,
    d3: Register<Bits<8>>,

    // Stage 4.
    valid4: Register<Bit>,
    r4: Register<Bits<14>>,
    serving4: Register<Bit>,
    hinted4: Register<Bit>,
    unproven4: Register<Bit>,
    f4: Register<Bits<7>>,
    d4: Register<Bits<8>>,

    // Stage 5.
    valid5: Register<Bit>,
    r5: Register<Bits<14>>,
    f5: Register<Bits<7>>,
    s5: Register<Bits<10>>,
    d5: Register<Bits<8>>,
    near: Signal<Local, Bits<11>>,
    near_clipped: Signal<Local, Bits<10>>,

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
    p7: Register<Bits<16>>,
    merits: Signal<Local, Bits<24>>,
    scaled: Signal<Local, Bits<24>>,
    sum: Signal<Local, Bits<24>>,
    over: Signal<Local, Bits<8>>,

    r_max: Constant<Bits<14>>,
    s_max: Constant<Bits<11>>,
    p_max: Constant<Bits<16>>,
}

impl Default for Lane {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    r_max: Constant::new(16_383u64.into()),
                    s_max: Constant::new(1023u64.into()),
                    p_max: Constant::new(0xFFFFu64.into()),
                }
            };
        }
        rest!(
            clock reset wr wf ws wd probation hinting shift scale base stamp r_epoch now in_valid access target
            frequency child prefix branch target_valid out_valid p distance valid1 age1 serving1 hinted1 unproven1
            frequency1 branch1 prefix1 valid2 r2 serving2 hinted2 unproven2 f2 d2 valid3 r3 serving3 hinted3 unproven3
            f3 d3 valid4 r4 serving4 hinted4 unproven4 f4 d4 valid5 r5 f5 s5 d5 near near_clipped valid6 r6 f6 s6 d6
            r_factor f_factor s_factor d_factor wr_factor wf_factor ws_factor wd_factor valid7 p7 merits scaled sum
            over
        )
    }
}

impl Logic for Lane {
    #[hdl_gen]
    fn update(&mut self) {
        self.valid1.clock.next = self.clock.val();
        self.age1.clock.next = self.clock.val();
        self.serving1.clock.next = self.clock.val();
        self.hinted1.clock.next = self.clock.val();
        self.unproven1.clock.next = self.clock.val();
        self.frequency1.clock.next = self.clock.val();
        self.branch1.clock.next = self.clock.val();
        self.prefix1.clock.next = self.clock.val();
        self.valid2.clock.next = self.clock.val();
        self.r2.clock.next = self.clock.val();
        self.serving2.clock.next = self.clock.val();
        self.hinted2.clock.next = self.clock.val();
        self.unproven2.clock.next = self.clock.val();
        self.f2.clock.next = self.clock.val();
        self.d2.clock.next = self.clock.val();
        self.valid3.clock.next = self.clock.val();
        self.r3.clock.next = self.clock.val();
        self.serving3.clock.next = self.clock.val();
        self.hinted3.clock.next = self.clock.val();
        self.unproven3.clock.next = self.clock.val();
        self.f3.clock.next = self.clock.val();
        self.d3.clock.next = self.clock.val();
        self.valid4.clock.next = self.clock.val();
        self.r4.clock.next = self.clock.val();
        self.serving4.clock.next = self.clock.val();
        self.hinted4.clock.next = self.clock.val();
        self.unproven4.clock.next = self.clock.val();
        self.f4.clock.next = self.clock.val();
        self.d4.clock.next = self.clock.val();
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
        self.p7.clock.next = self.clock.val();
        self.valid1.reset.next = self.reset.val();
        self.age1.reset.next = self.reset.val();
        self.serving1.reset.next = self.reset.val();
        self.hinted1.reset.next = self.reset.val();
        self.unproven1.reset.next = self.reset.val();
        self.frequency1.reset.next = self.reset.val();
        self.branch1.reset.next = self.reset.val();
        self.prefix1.reset.next = self.reset.val();
        self.valid2.reset.next = self.reset.val();
        self.r2.reset.next = self.reset.val();
        self.serving2.reset.next = self.reset.val();
        self.hinted2.reset.next = self.reset.val();
        self.unproven2.reset.next = self.reset.val();
        self.f2.reset.next = self.reset.val();
        self.d2.reset.next = self.reset.val();
        self.valid3.reset.next = self.reset.val();
        self.r3.reset.next = self.reset.val();
        self.serving3.reset.next = self.reset.val();
        self.hinted3.reset.next = self.reset.val();
        self.unproven3.reset.next = self.reset.val();
        self.f3.reset.next = self.reset.val();
        self.d3.reset.next = self.reset.val();
        self.valid4.reset.next = self.reset.val();
        self.r4.reset.next = self.reset.val();
        self.serving4.reset.next = self.reset.val();
        self.hinted4.reset.next = self.reset.val();
        self.unproven4.reset.next = self.reset.val();
        self.f4.reset.next = self.reset.val();
        self.d4.reset.next = self.reset.val();
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
        self.p7.reset.next = self.reset.val();

        self.distance.clock.next = self.clock.val();
        self.distance.reset.next = self.reset.val();
        self.distance.target.next = self.target.val();
        self.distance.now.next = self.now.val();

        // 1: how old, and which case of the table.
        self.valid1.d.next = self.in_valid.val();
        self.age1.d.next = self.access.val() - self.base.val();
        self.serving1.d.next = self.access.val() == self.stamp.val();
        self.hinted1.d.next = self.hinting.val() & self.target_valid.val();
        self.unproven1.d.next =
            self.probation.val() & (self.frequency.val() < 2) & !self.child.val() & !self.prefix.val();
        self.frequency1.d.next = self.frequency.val();
        self.branch1.d.next = self.branch.val();
        self.prefix1.d.next = self.prefix.val();

        // 2: R before it is clipped, F and D.
        self.valid2.d.next = self.valid1.q.val();
        self.serving2.d.next = self.serving1.q.val();
        self.hinted2.d.next = self.hinted1.q.val();
        self.unproven2.d.next = self.unproven1.q.val();
        self.r2.d.next = 0.into();
        if !self.age1.q.val().get_bit(31) {
            self.r2.d.next = self.age1.q.val() >> self.shift.val();
        }
        self.f2.d.next = 0.into();
        if self.frequency1.q.val() == 2 {
            self.f2.d.next = 32.into();
        }
        if self.frequency1.q.val() == 3 {
            self.f2.d.next = 51.into();
        }
        if self.frequency1.q.val() == 4 {
            self.f2.d.next = 64.into();
        }
        if self.frequency1.q.val() == 5 {
            self.f2.d.next = 74.into();
        }
        if self.frequency1.q.val() == 6 {
            self.f2.d.next = 83.into();
        }
        if self.frequency1.q.val() == 7 {
            self.f2.d.next = 90.into();
        }
        if self.frequency1.q.val() == 8 {
            self.f2.d.next = 96.into();
        }
        if self.frequency1.q.val() == 9 {
            self.f2.d.next = 101.into();
        }
        if self.frequency1.q.val() == 10 {
            self.f2.d.next = 106.into();
        }
        if self.frequency1.q.val() == 11 {
            self.f2.d.next = 111.into();
        }
        if self.frequency1.q.val() == 12 {
            self.f2.d.next = 115.into();
        }
        if self.frequency1.q.val() == 13 {
            self.f2.d.next = 118.into();
        }
        if self.frequency1.q.val() == 14 {
            self.f2.d.next = 122.into();
        }
        if self.frequency1.q.val() == 15 {
            self.f2.d.next = 125.into();
        }
        self.d2.d.next = 0.into();
        if self.prefix1.q.val() {
            self.d2.d.next = 128.into();
        }
        if self.branch1.q.val() {
            self.d2.d.next = 255.into();
        }

        // 3: R.
        self.valid3.d.next = self.valid2.q.val();
        self.serving3.d.next = self.serving2.q.val();
        self.hinted3.d.next = self.hinted2.q.val();
        self.unproven3.d.next = self.unproven2.q.val();
        self.f3.d.next = self.f2.q.val();
        self.d3.d.next = self.d2.q.val();
        self.r3.d.next = bit_cast::<14, 32>(self.r2.q.val());
        if self.r2.q.val().get_bits::<18>(14) != 0 {
            self.r3.d.next = self.r_max.val();
        }

        // 4: waits for the distance.
        self.valid4.d.next = self.valid3.q.val();
        self.serving4.d.next = self.serving3.q.val();
        self.hinted4.d.next = self.hinted3.q.val();
        self.unproven4.d.next = self.unproven3.q.val();
        self.f4.d.next = self.f3.q.val();
        self.d4.d.next = self.d3.q.val();
        self.r4.d.next = self.r3.q.val();

        // 5: the first case that fits.
        self.valid5.d.next = self.valid4.q.val();
        self.near.next = self.s_max.val() - self.distance.twice_q5.val();
        self.near_clipped.next = bit_cast::<10, 11>(self.near.val());
        if self.distance.twice_q5.val().get_bit(10) {
            self.near_clipped.next = 0.into();
        }
        self.d5.d.next = self.d4.q.val();
        self.r5.d.next = self.r4.q.val();
        self.f5.d.next = self.f4.q.val();
        self.s5.d.next = 0.into();
        if self.serving4.q.val() {
            if self.hinting.val() {
                self.s5.d.next = bit_cast::<10, 11>(self.s_max.val());
            }
        } else if self.hinted4.q.val() {
            self.r5.d.next = self.r_epoch.val();
            self.f5.d.next = 0.into();
            self.s5.d.next = self.near_clipped.val();
        } else if self.unproven4.q.val() {
            self.r5.d.next = self.r4.q.val() >> 4;
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

        // 7: at most 255 * 16383 + 511 * 125 + 255 * 1023 + 255 * 255, below 2^23.
        self.valid7.d.next = self.valid6.q.val();
        self.merits.next = bit_cast::<24, 32>(self.f6.q.val())
            + bit_cast::<24, 32>(self.s6.q.val())
            + bit_cast::<24, 32>(self.d6.q.val());
        self.scaled.next = self.merits.val() >> self.scale.val();
        self.sum.next = bit_cast::<24, 32>(self.r6.q.val()) + self.scaled.val();
        self.over.next = self.sum.val().get_bits::<8>(16);
        self.p7.d.next = bit_cast::<16, 24>(self.sum.val());
        if self.over.val() != 0 {
            self.p7.d.next = self.p_max.val();
        }

        self.out_valid.next = self.valid7.q.val();
        self.p.next = self.p7.q.val();
    }
}
