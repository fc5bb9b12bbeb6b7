//! What the guard does with an entry: its worths, and what WORTHS, MARK and COUNT make of them.
//!
//! ```text
//!  facts of the lane that counts ─► worths ──────────┬─► WORTHS: kept
//!                                                    ├─► COUNT: tally
//!  in use, OUT of the lane ─► 3 clocks ──────────────┼─► MARK: OUT
//!  its lane, its row ───────► 3 clocks ──────────────┴─► where it is written
//! ```
//!
//! One entry at a time, since the worths are there once. Facts come four clocks before the rest of what the judge says.

use super::INDEX_BITS;
use super::gather::Gather;
use super::jobs::Job;
use super::judge::{PARAMETER_BITS, STANDING_BITS};
use super::parameters::{LIMITS_BITS, WFS_BITS};
use super::tally::Tally;
use super::worths::{FACTS_BITS, WORTHS_BITS, Worths};
use crate::prim::{Kept, Register};
use rust_hdl::prelude::*;

/// What was judged: an entry's lane, and row.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
pub(super) struct Place {
    /// A bit for each lane; none: nothing was judged.
    pub lanes: Bits<16>,
    /// The row.
    pub row: Bits<INDEX_BITS>,
}

/// The guard's side of `L` lanes.
#[derive(LogicBlock)]
pub(super) struct Weighing<const L: usize> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// Parameters, as the bus numbers them.
    pub parameters: Signal<In, Bits<PARAMETER_BITS>>,
    /// WF of the policies.
    pub wfs: Signal<In, Bits<WFS_BITS>>,
    /// Their thresholds.
    pub thresholds: Signal<In, Bits<LIMITS_BITS>>,
    /// Their trials.
    pub trials: Signal<In, Bits<LIMITS_BITS>>,
    /// What works.
    pub works: Signal<In, Job>,
    /// COUNT begins.
    pub clear: Signal<In, Bit>,

    /// A lane has facts.
    pub facts_valid: [Signal<In, Bit>; L],
    /// They.
    pub facts: [Signal<In, Bits<FACTS_BITS>>; L],
    /// A lane has judged, four clocks later.
    pub valid: [Signal<In, Bit>; L],
    /// How the entry stands with the policies.
    pub standing: [Signal<In, Bits<STANDING_BITS>>; L],
    /// Where it is.
    pub judged: Signal<In, Place>,

    /// MARK writes there; nothing, if no lane is set.
    pub marked: Signal<Out, Place>,
    /// The policies that it is out of.
    pub outside: Signal<Out, Bits<8>>,

    /// The policy asked about.
    pub policy: Signal<In, Bits<3>>,
    /// Its worth in the answer of WORTHS.
    pub worth_answer: Signal<Out, Bits<32>>,
    /// Its count in the answer of COUNT.
    pub count_answer: Signal<Out, Bits<32>>,

    weighs: Signal<Local, Bit>,
    gathered: Gather<L, FACTS_BITS>,
    stands: Gather<L, STANDING_BITS>,
    worth: Worths,
    place9: Register<Place>,
    place10: Register<Place>,
    place11: Register<Place>,
    standing10: Register<Bits<STANDING_BITS>>,
    standing11: Register<Bits<STANDING_BITS>>,
    there: Signal<Local, Bit>,
    used: Signal<Local, Bit>,
    out: Signal<Local, Bits<8>>,
    insiders: Signal<Local, Bits<8>>,
    weighed: Kept<Bits<WORTHS_BITS>>,
    clearing: Register<Bit>,
    tally: Tally,
    worth_at: Signal<Local, Bits<7>>,
    worth_shifted: Signal<Local, Bits<128>>,
    is_in: Signal<Local, Bits<8>>,
    in_policy: Constant<Bits<32>>,
}

impl<const L: usize> Default for Weighing<L> {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*; $($lanes:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    $($lanes: std::array::from_fn(|_| Default::default()),)*
                    in_policy: Constant::new((1u64 << 31).into()),
                }
            };
        }
        rest!(
            clock reset parameters wfs thresholds trials works clear judged marked outside policy worth_answer count_answer weighs gathered stands
            worth place9 place10 place11 standing10 standing11 there used out insiders weighed clearing tally worth_at worth_shifted is_in;
            facts_valid facts valid standing
        )
    }
}

impl<const L: usize> Logic for Weighing<L> {
    #[hdl_gen]
    fn update(&mut self) {
        self.gathered.clock.next = self.clock.val();
        self.stands.clock.next = self.clock.val();
        self.worth.clock.next = self.clock.val();
        self.place9.clock.next = self.clock.val();
        self.place10.clock.next = self.clock.val();
        self.place11.clock.next = self.clock.val();
        self.standing10.clock.next = self.clock.val();
        self.standing11.clock.next = self.clock.val();
        self.weighed.clock.next = self.clock.val();
        self.clearing.clock.next = self.clock.val();
        self.tally.clock.next = self.clock.val();
        self.worth.reset.next = self.reset.val();
        self.place9.reset.next = self.reset.val();
        self.place10.reset.next = self.reset.val();
        self.place11.reset.next = self.reset.val();
        self.standing10.reset.next = self.reset.val();
        self.standing11.reset.next = self.reset.val();
        self.weighed.reset.next = self.reset.val();
        self.clearing.reset.next = self.reset.val();

        // The worths of the entry that has facts.
        self.weighs.next = self.works.val().weighing | self.works.val().marking | self.works.val().counting;
        self.gathered.enable.next = self.weighs.val();
        self.stands.enable.next = self.weighs.val();
        for i in 0..L {
            self.gathered.valid[i].next = self.facts_valid[i].val();
            self.gathered.answers[i].next = self.facts[i].val();
            self.stands.valid[i].next = self.valid[i].val();
            self.stands.answers[i].next = self.standing[i].val();
        }
        self.worth.facts.next = self.gathered.kept.val();
        self.worth.wr.next = self.parameters.val().get_bits::<8>(0);
        self.worth.ws.next = self.parameters.val().get_bits::<8>(64);
        self.worth.wd.next = self.parameters.val().get_bits::<8>(96);
        self.worth.targets.next = self.parameters.val().get_bit(131);
        self.worth.scale.next = self.parameters.val().get_bits::<4>(192);
        self.worth.r_epoch.next = self.parameters.val().get_bits::<14>(288);
        self.worth.wfs.next = self.wfs.val();
        self.worth.thresholds.next = self.thresholds.val();
        self.worth.trials.next = self.trials.val();

        // They are there three clocks after the judge is done.
        self.place9.d.next = self.judged.val();
        self.place10.d.next = self.place9.q.val();
        self.place11.d.next = self.place10.q.val();
        self.standing10.d.next = self.stands.kept.val();
        self.standing11.d.next = self.standing10.q.val();
        self.there.next = self.place11.q.val().lanes != 0;
        self.used.next = self.standing11.q.val().get_bit(8);
        self.out.next = self.standing11.q.val().get_bits::<8>(0);
        self.insiders.next = 0.into();
        if self.used.val() {
            self.insiders.next = self.worth.above.val() & !self.out.val();
        }

        // MARK.
        self.outside.next = self.out.val() | !self.worth.above.val();
        self.marked.next = self.place11.q.val();
        if !self.used.val() {
            self.marked.next.lanes = 0.into();
        }

        // COUNT.
        self.clearing.d.next = self.clear.val();
        self.tally.clear.next = self.clearing.q.val();
        self.tally.reached.next = 0.into();
        if self.works.val().counting & self.there.val() {
            self.tally.reached.next = self.insiders.val() & self.worth.reaching.val();
        }
        self.count_answer.next = 0.into();
        if self.policy.val() == 0 {
            self.count_answer.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(0));
        }
        if self.policy.val() == 1 {
            self.count_answer.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(17));
        }
        if self.policy.val() == 2 {
            self.count_answer.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(34));
        }
        if self.policy.val() == 3 {
            self.count_answer.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(51));
        }
        if self.policy.val() == 4 {
            self.count_answer.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(68));
        }
        if self.policy.val() == 5 {
            self.count_answer.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(85));
        }
        if self.policy.val() == 6 {
            self.count_answer.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(102));
        }
        if self.policy.val() == 7 {
            self.count_answer.next = bit_cast::<32, 17>(self.tally.counts.val().get_bits::<17>(119));
        }

        // WORTHS.
        self.weighed.enable.next = self.works.val().weighing & self.there.val();
        self.weighed.d.next = (bit_cast::<WORTHS_BITS, 8>(self.insiders.val()) << 128)
            | bit_cast::<WORTHS_BITS, 128>(self.worth.worths.val());
        self.worth_at.next = bit_cast::<7, 3>(self.policy.val()) << 4;
        self.worth_shifted.next = bit_cast::<128, WORTHS_BITS>(self.weighed.q.val()) >> self.worth_at.val();
        self.is_in.next = self.weighed.q.val().get_bits::<8>(128) >> self.policy.val();
        self.worth_answer.next = bit_cast::<32, 16>(self.worth_shifted.val().get_bits::<16>(0));
        if self.is_in.val().get_bit(0) {
            self.worth_answer.next =
                bit_cast::<32, 16>(self.worth_shifted.val().get_bits::<16>(0)) | self.in_policy.val();
        }
    }
}
