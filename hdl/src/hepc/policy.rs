//! What an entry is worth to one policy, from stage 2 of its worths to stage 6. `docs/hepc.md`, Policies and the guard.
//!
//! ```text
//!  F * WF ─► 3 ─► + S and D's products, scaled ─► 4 ─► + R's, saturated ─► 5 ─► shifted if dead, compared ─► 6
//! ```
//!
//! The products of R, S and D come from outside, as policies share them.

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

    /// F, at stage 2.
    pub f: Signal<In, Bits<7>>,
    /// Weight of F.
    pub wf: Signal<In, Bits<9>>,
    /// WR * R, at stage 4.
    pub r: Signal<In, Bits<24>>,
    /// WS * S + WD * D, at stage 3.
    pub merit: Signal<In, Bits<20>>,
    /// max(SHIFT - 4, 0).
    pub scale: Signal<In, Bits<4>>,
    /// Dead to this policy, at stage 5.
    pub dead: Signal<In, Bit>,
    /// What those worth staying are worth at least.
    pub threshold: Signal<In, Bits<THRESHOLD_BITS>>,
    /// What to compare with besides.
    pub trial: Signal<In, Bits<THRESHOLD_BITS>>,

    /// What it is worth, at stage 6.
    pub worth: Signal<Out, Bits<16>>,
    /// That is at least the threshold.
    pub above: Signal<Out, Bit>,
    /// That is at least the trial.
    pub reaching: Signal<Out, Bit>,

    f3: Register<Bits<32>>,
    scaled4: Register<Bits<20>>,
    p5: Register<Bits<16>>,
    worth6: Register<Bits<16>>,
    above6: Register<Bit>,
    reaching6: Register<Bit>,
    f_factor: Signal<Local, Bits<16>>,
    wf_factor: Signal<Local, Bits<16>>,
    merits: Signal<Local, Bits<20>>,
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
            clock reset f wf r merit scale dead threshold trial worth above reaching f3 scaled4 p5 worth6 above6 reaching6
            f_factor wf_factor merits sum over value value_wide
        )
    }
}

impl Logic for Policy {
    #[hdl_gen]
    fn update(&mut self) {
        self.f3.clock.next = self.clock.val();
        self.scaled4.clock.next = self.clock.val();
        self.p5.clock.next = self.clock.val();
        self.worth6.clock.next = self.clock.val();
        self.above6.clock.next = self.clock.val();
        self.reaching6.clock.next = self.clock.val();
        self.f3.reset.next = self.reset.val();
        self.scaled4.reset.next = self.reset.val();
        self.p5.reset.next = self.reset.val();
        self.worth6.reset.next = self.reset.val();
        self.above6.reset.next = self.reset.val();
        self.reaching6.reset.next = self.reset.val();

        // 3.
        self.f_factor.next = bit_cast::<16, 7>(self.f.val());
        self.wf_factor.next = bit_cast::<16, 9>(self.wf.val());
        self.f3.d.next = self.f_factor.val() * self.wf_factor.val();

        // 4, 5: of the sizes of a lane.
        self.merits.next = bit_cast::<20, 32>(self.f3.q.val()) + self.merit.val();
        self.scaled4.d.next = self.merits.val() >> self.scale.val();
        self.sum.next = self.r.val() + bit_cast::<24, 20>(self.scaled4.q.val());
        self.over.next = self.sum.val().get_bits::<8>(16);
        self.p5.d.next = bit_cast::<16, 24>(self.sum.val());
        if self.over.val() != 0 {
            self.p5.d.next = self.p_max.val();
        }

        // 6.
        self.value.next = self.p5.q.val();
        if self.dead.val() {
            self.value.next = self.p5.q.val() >> 4;
        }
        self.value_wide.next = bit_cast::<THRESHOLD_BITS, 16>(self.value.val());
        self.worth6.d.next = self.value.val();
        self.above6.d.next = self.value_wide.val() >= self.threshold.val();
        self.reaching6.d.next = self.value_wide.val() >= self.trial.val();

        self.worth.next = self.worth6.q.val();
        self.above.next = self.above6.q.val();
        self.reaching.next = self.reaching6.q.val();
    }
}
