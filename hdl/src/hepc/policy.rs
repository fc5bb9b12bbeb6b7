//! What an entry is worth to one policy, from stage 5 of its score to stage 8. `docs/hepc.md`, Policies and the guard.
//!
//! ```text
//!  F * WF ─► 6 ─► 7 + S and D's products, scaled, + R's, saturated ─► P ─► 8 shifted if dead; compared
//! ```
//!
//! The products of R, S and D come from outside at stage 6, as policies share them.

use crate::prim::Register;
use rust_hdl::prelude::*;

/// Bits of a threshold: one more than P's, so that nothing reaches it.
pub(super) const THRESHOLD_BITS: usize = 17;

/// The part of a policy that it shares with no other.
#[derive(LogicBlock)]
pub(super) struct Policy {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// F, at stage 5.
    pub f: Signal<In, Bits<7>>,
    /// Weight of F.
    pub wf: Signal<In, Bits<9>>,
    /// WR * R, at stage 6.
    pub r: Signal<In, Bits<24>>,
    /// WS * S + WD * D, at stage 6.
    pub merit: Signal<In, Bits<24>>,
    /// max(SHIFT - 4, 0).
    pub scale: Signal<In, Bits<4>>,
    /// Dead to this policy, at stage 7.
    pub dead: Signal<In, Bit>,
    /// What those worth staying are worth at least.
    pub threshold: Signal<In, Bits<THRESHOLD_BITS>>,
    /// What to compare with besides.
    pub trial: Signal<In, Bits<THRESHOLD_BITS>>,

    /// What it is worth, at stage 8.
    pub worth: Signal<Out, Bits<16>>,
    /// That is at least the threshold.
    pub above: Signal<Out, Bit>,
    /// That is at least the trial.
    pub reaching: Signal<Out, Bit>,

    f6: Register<Bits<32>>,
    p7: Register<Bits<16>>,
    worth8: Register<Bits<16>>,
    above8: Register<Bit>,
    reaching8: Register<Bit>,
    f_factor: Signal<Local, Bits<16>>,
    wf_factor: Signal<Local, Bits<16>>,
    merits: Signal<Local, Bits<24>>,
    scaled: Signal<Local, Bits<24>>,
    sum: Signal<Local, Bits<24>>,
    over: Signal<Local, Bits<8>>,
    value: Signal<Local, Bits<16>>,
    value_wide: Signal<Local, Bits<THRESHOLD_BITS>>,
    p_max: Constant<Bits<16>>,
}

impl Default for Policy {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    p_max: Constant::new(0xFFFFu64.into()),
                }
            };
        }
        rest!(
            clock reset f wf r merit scale dead threshold trial worth above reaching f6 p7 worth8 above8 reaching8 f_factor
            wf_factor merits scaled sum over value value_wide
        )
    }
}

impl Logic for Policy {
    #[hdl_gen]
    fn update(&mut self) {
        self.f6.clock.next = self.clock.val();
        self.p7.clock.next = self.clock.val();
        self.worth8.clock.next = self.clock.val();
        self.above8.clock.next = self.clock.val();
        self.reaching8.clock.next = self.clock.val();
        self.f6.reset.next = self.reset.val();
        self.p7.reset.next = self.reset.val();
        self.worth8.reset.next = self.reset.val();
        self.above8.reset.next = self.reset.val();
        self.reaching8.reset.next = self.reset.val();

        // 6.
        self.f_factor.next = bit_cast::<16, 7>(self.f.val());
        self.wf_factor.next = bit_cast::<16, 9>(self.wf.val());
        self.f6.d.next = self.f_factor.val() * self.wf_factor.val();

        // 7: below 2^23, as in a lane.
        self.merits.next = bit_cast::<24, 32>(self.f6.q.val()) + self.merit.val();
        self.scaled.next = self.merits.val() >> self.scale.val();
        self.sum.next = self.r.val() + self.scaled.val();
        self.over.next = self.sum.val().get_bits::<8>(16);
        self.p7.d.next = bit_cast::<16, 24>(self.sum.val());
        if self.over.val() != 0 {
            self.p7.d.next = self.p_max.val();
        }

        // 8.
        self.value.next = self.p7.q.val();
        if self.dead.val() {
            self.value.next = self.p7.q.val() >> 4;
        }
        self.value_wide.next = bit_cast::<THRESHOLD_BITS, 16>(self.value.val());
        self.worth8.d.next = self.value.val();
        self.above8.d.next = self.value_wide.val() >= self.threshold.val();
        self.reaching8.d.next = self.value_wide.val() >= self.trial.val();

        self.worth.next = self.worth8.q.val();
        self.above.next = self.above8.q.val();
        self.reaching.next = self.reaching8.q.val();
    }
}
