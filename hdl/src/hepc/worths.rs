//! What an entry is worth to all eight policies, six clocks after its facts. `docs/hepc.md`, Policies and the guard.
//!
//! ```text
//!             ┌► 1 as those hear it that hear hints ─┐                                   ┌► Policy 1..5
//!  facts ─────┼► 1 as the others do ─────────────────┼► 2 products of R, S, D ─► 3 sums ─┼► Policy 6, 7   ─► 6 worth, compared
//!             └► 1 R alone ──────────────────────────┘                                   └► Policy 0
//! ```
//!
//! Policies differ in the product of F, in whether they hear hints and, policy 0, in everything else. So there are two
//! cases of R, F and S, and eight small products of F.

use super::policy::{Policy, THRESHOLD_BITS};
use crate::prim::Register;
use rust_hdl::prelude::*;

/// Bits of the facts of an entry: {dead, serving, targeted, unproven, R 14, F 7, S 10, D 8}.
pub(super) const FACTS_BITS: usize = 43;
/// Bits of an answer of WORTHS.
pub(super) const WORTHS_BITS: usize = 136;

/// Stage 1: R, F and S as those policies take them that hear hints, and those that do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
struct Cases {
    r: Bits<14>,
    r_heard: Bits<14>,
    r_deaf: Bits<14>,
    f_heard: Bits<7>,
    f_deaf: Bits<7>,
    s: Bits<10>,
    d: Bits<8>,
}

/// Stage 2: their products, and F.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
struct Products {
    r: Bits<24>,
    r_heard: Bits<24>,
    r_deaf: Bits<24>,
    s: Bits<20>,
    d: Bits<20>,
    f_heard: Bits<7>,
    f_deaf: Bits<7>,
}

/// Stages 3 and 4: R's, and what is added to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
struct Sums {
    r: Bits<24>,
    r_heard: Bits<24>,
    r_deaf: Bits<24>,
    merit: Bits<20>,
    merit_deaf: Bits<20>,
}

/// Eight policies side by side.
#[derive(LogicBlock)]
pub(super) struct Worths {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// Weight of R.
    pub wr: Signal<In, Bits<8>>,
    /// Weight of S.
    pub ws: Signal<In, Bits<8>>,
    /// Weight of D.
    pub wd: Signal<In, Bits<8>>,
    /// Some entry has a target.
    pub targets: Signal<In, Bit>,
    /// max(SHIFT - 4, 0).
    pub scale: Signal<In, Bits<4>>,
    /// R(epoch).
    pub r_epoch: Signal<In, Bits<14>>,
    /// Weights of F, policy k's in bits 9k+8:9k; policy 0 has none.
    pub wfs: Signal<In, Bits<72>>,
    /// Thresholds, policy k's in bits 17k+16:17k.
    pub thresholds: Signal<In, Bits<136>>,
    /// Trials, likewise.
    pub trials: Signal<In, Bits<136>>,

    /// Facts of an entry.
    pub facts: Signal<In, Bits<FACTS_BITS>>,

    /// What it is worth six clocks later, to policy k in bits 16k+15:16k.
    pub worths: Signal<Out, Bits<128>>,
    /// To whom it is worth the threshold.
    pub above: Signal<Out, Bits<8>>,
    /// To whom it is worth the trial.
    pub reaching: Signal<Out, Bits<8>>,

    cases: Register<Cases>,
    products: Register<Products>,
    sums: Register<Sums>,
    waited: Register<Sums>,
    /// DEAD of the entries at stages 1 to 5.
    died: Register<Bits<5>>,
    policies: [Policy; 8],
    dead: Signal<Local, Bit>,
    serving: Signal<Local, Bit>,
    targeted: Signal<Local, Bit>,
    unproven: Signal<Local, Bit>,
    r: Signal<Local, Bits<14>>,
    f: Signal<Local, Bits<7>>,
    dead_now: Signal<Local, Bit>,
    factors: [Signal<Local, Bits<16>>; 8],
    made: [Signal<Local, Bits<32>>; 5],
    s_max: Constant<Bits<10>>,
}

impl Default for Worths {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    policies: std::array::from_fn(|_| Default::default()),
                    factors: std::array::from_fn(|_| Default::default()),
                    made: std::array::from_fn(|_| Default::default()),
                    s_max: Constant::new(1023u64.into()),
                }
            };
        }
        rest!(
            clock reset wr ws wd targets scale r_epoch wfs thresholds trials facts dead serving targeted unproven r f worths above reaching cases
            products sums waited died dead_now
        )
    }
}

impl Logic for Worths {
    #[hdl_gen]
    fn update(&mut self) {
        self.cases.clock.next = self.clock.val();
        self.products.clock.next = self.clock.val();
        self.sums.clock.next = self.clock.val();
        self.waited.clock.next = self.clock.val();
        self.died.clock.next = self.clock.val();
        self.cases.reset.next = self.reset.val();
        self.products.reset.next = self.reset.val();
        self.sums.reset.next = self.reset.val();
        self.waited.reset.next = self.reset.val();
        self.died.reset.next = self.reset.val();

        // 1: the first case that fits.
        self.dead.next = self.facts.val().get_bit(42);
        self.serving.next = self.facts.val().get_bit(41);
        self.targeted.next = self.facts.val().get_bit(40);
        self.unproven.next = self.facts.val().get_bit(39);
        self.r.next = self.facts.val().get_bits::<14>(25);
        self.f.next = self.facts.val().get_bits::<7>(18);
        self.cases.d.next.r = self.r.val();
        self.cases.d.next.d = self.facts.val().get_bits::<8>(0);
        self.cases.d.next.r_heard = self.r.val();
        self.cases.d.next.f_heard = self.f.val();
        self.cases.d.next.s = 0.into();
        self.cases.d.next.r_deaf = self.r.val();
        self.cases.d.next.f_deaf = self.f.val();
        if self.serving.val() {
            if self.targets.val() {
                self.cases.d.next.s = self.s_max.val();
            }
        } else {
            if self.targets.val() & self.targeted.val() {
                self.cases.d.next.r_heard = self.r_epoch.val();
                self.cases.d.next.f_heard = 0.into();
                self.cases.d.next.s = self.facts.val().get_bits::<10>(8);
            } else if self.unproven.val() {
                self.cases.d.next.r_heard = self.r.val() >> 4;
            }
            if self.unproven.val() {
                self.cases.d.next.r_deaf = self.r.val() >> 4;
            }
        }
        self.died.d.next = (self.died.q.val() << 1) | bit_cast::<5, 1>(self.dead.val().into());

        // 2: products.
        self.factors[0].next = bit_cast::<16, 8>(self.wr.val());
        self.factors[1].next = bit_cast::<16, 8>(self.ws.val());
        self.factors[2].next = bit_cast::<16, 8>(self.wd.val());
        self.factors[3].next = bit_cast::<16, 14>(self.cases.q.val().r_heard);
        self.factors[4].next = bit_cast::<16, 14>(self.cases.q.val().r_deaf);
        self.factors[5].next = bit_cast::<16, 10>(self.cases.q.val().s);
        self.factors[6].next = bit_cast::<16, 8>(self.cases.q.val().d);
        self.factors[7].next = bit_cast::<16, 14>(self.cases.q.val().r);
        self.made[0].next = self.factors[3].val() * self.factors[0].val();
        self.made[1].next = self.factors[4].val() * self.factors[0].val();
        self.made[2].next = self.factors[5].val() * self.factors[1].val();
        self.made[3].next = self.factors[6].val() * self.factors[2].val();
        self.made[4].next = bit_cast::<32, 16>(self.factors[7].val());
        self.products.d.next.r_heard = bit_cast::<24, 32>(self.made[0].val());
        self.products.d.next.r_deaf = bit_cast::<24, 32>(self.made[1].val());
        self.products.d.next.s = bit_cast::<20, 32>(self.made[2].val());
        self.products.d.next.d = bit_cast::<20, 32>(self.made[3].val());
        self.products.d.next.r = bit_cast::<24, 32>(self.made[4].val());

        self.products.d.next.f_heard = self.cases.q.val().f_heard;
        self.products.d.next.f_deaf = self.cases.q.val().f_deaf;

        // 3: what policies add up themselves is F's product.
        self.sums.d.next.r = self.products.q.val().r;
        self.sums.d.next.r_heard = self.products.q.val().r_heard;
        self.sums.d.next.r_deaf = self.products.q.val().r_deaf;
        self.sums.d.next.merit = self.products.q.val().s + self.products.q.val().d;
        self.sums.d.next.merit_deaf = self.products.q.val().d;
        self.waited.d.next = self.sums.q.val();

        // 3 to 6: each policy by itself.
        self.dead_now.next = self.died.q.val().get_bit(4);
        for i in 0..8 {
            self.policies[i].clock.next = self.clock.val();
            self.policies[i].reset.next = self.reset.val();
            self.policies[i].f.next = self.products.q.val().f_heard;
            self.policies[i].wf.next = self.wfs.val().get_bits::<9>(i * 9);
            self.policies[i].r.next = self.waited.q.val().r_heard;
            self.policies[i].merit.next = self.sums.q.val().merit;
            self.policies[i].scale.next = self.scale.val();
            self.policies[i].dead.next = self.dead_now.val();
            self.policies[i].threshold.next = self.thresholds.val().get_bits::<THRESHOLD_BITS>(i * 17);
            self.policies[i].trial.next = self.trials.val().get_bits::<THRESHOLD_BITS>(i * 17);
        }
        for i in 6..8 {
            self.policies[i].f.next = self.products.q.val().f_deaf;
            self.policies[i].r.next = self.waited.q.val().r_deaf;
            self.policies[i].merit.next = self.sums.q.val().merit_deaf;
            self.policies[i].dead.next = false;
        }
        self.policies[0].wf.next = 0.into();
        self.policies[0].r.next = self.waited.q.val().r;
        self.policies[0].merit.next = 0.into();
        self.policies[0].dead.next = false;

        // Side by side.
        self.worths.next = (bit_cast::<128, 16>(self.policies[0].worth.val()) << 0)
            | (bit_cast::<128, 16>(self.policies[1].worth.val()) << 16)
            | (bit_cast::<128, 16>(self.policies[2].worth.val()) << 32)
            | (bit_cast::<128, 16>(self.policies[3].worth.val()) << 48)
            | (bit_cast::<128, 16>(self.policies[4].worth.val()) << 64)
            | (bit_cast::<128, 16>(self.policies[5].worth.val()) << 80)
            | (bit_cast::<128, 16>(self.policies[6].worth.val()) << 96)
            | (bit_cast::<128, 16>(self.policies[7].worth.val()) << 112);
        self.above.next = (bit_cast::<8, 1>(self.policies[0].above.val().into()) << 0)
            | (bit_cast::<8, 1>(self.policies[1].above.val().into()) << 1)
            | (bit_cast::<8, 1>(self.policies[2].above.val().into()) << 2)
            | (bit_cast::<8, 1>(self.policies[3].above.val().into()) << 3)
            | (bit_cast::<8, 1>(self.policies[4].above.val().into()) << 4)
            | (bit_cast::<8, 1>(self.policies[5].above.val().into()) << 5)
            | (bit_cast::<8, 1>(self.policies[6].above.val().into()) << 6)
            | (bit_cast::<8, 1>(self.policies[7].above.val().into()) << 7);
        self.reaching.next = (bit_cast::<8, 1>(self.policies[0].reaching.val().into()) << 0)
            | (bit_cast::<8, 1>(self.policies[1].reaching.val().into()) << 1)
            | (bit_cast::<8, 1>(self.policies[2].reaching.val().into()) << 2)
            | (bit_cast::<8, 1>(self.policies[3].reaching.val().into()) << 3)
            | (bit_cast::<8, 1>(self.policies[4].reaching.val().into()) << 4)
            | (bit_cast::<8, 1>(self.policies[5].reaching.val().into()) << 5)
            | (bit_cast::<8, 1>(self.policies[6].reaching.val().into()) << 6)
            | (bit_cast::<8, 1>(self.policies[7].reaching.val().into()) << 7);
    }
}
