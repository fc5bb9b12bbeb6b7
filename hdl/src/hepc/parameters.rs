//! What the bus writes and a job goes by: four shelves, each all of its words at once.
//!
//! ```text
//!  bus write ─► register, a clock later ─┬─► 0x00.. parameters ─► judges, worths
//!                                        ├─► 0x10.. WF of policies ──────┐
//!                                        ├─► 0x18.. thresholds ──────────┼─► worths
//!                                        └─► 0x20.. trials ──────────────┘
//! ```
//!
//! The clock between spares the bus the way to many registers. No job can begin in it: the unit takes no request while it answers one.

use super::judge::PARAMETER_BITS;
use crate::prim::{Register, Shelf};
use rust_hdl::prelude::*;

/// Bits of the policies' WF: 9 each.
pub(super) const WFS_BITS: usize = 72;
/// Bits of their thresholds, or trials: 17 each.
pub(super) const LIMITS_BITS: usize = 136;

/// The four shelves.
#[derive(LogicBlock, Default)]
pub(super) struct Parameters {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// The bus writes something; what is no parameter is not for here.
    pub write: Signal<In, Bit>,
    /// Word address.
    pub address: Signal<In, Bits<24>>,
    /// What it writes.
    pub data: Signal<In, Bits<32>>,

    /// Word n of 0x00.. in bits 32n+31:32n.
    pub all: Signal<Out, Bits<PARAMETER_BITS>>,
    /// Policy k's WF in bits 9k+8:9k.
    pub wfs: Signal<Out, Bits<WFS_BITS>>,
    /// Policy k's THRESHOLD >> SHIFT in bits 17k+16:17k.
    pub thresholds: Signal<Out, Bits<LIMITS_BITS>>,
    /// Policy k's TRIAL in bits 17k+16:17k.
    pub trials: Signal<Out, Bits<LIMITS_BITS>>,

    words: Shelf<32, 4, PARAMETER_BITS>,
    wf: Shelf<9, 3, WFS_BITS>,
    threshold: Shelf<17, 3, LIMITS_BITS>,
    trial: Shelf<17, 3, LIMITS_BITS>,
    to_words: Register<Bit>,
    to_wf: Register<Bit>,
    to_threshold: Register<Bit>,
    to_trial: Register<Bit>,
    group: Signal<Local, Bits<12>>,
    above: Signal<Local, Bit>,
    low: Register<Bits<4>>,
    value: Register<Bits<32>>,
    policy: Signal<Local, Bits<3>>,
}

impl Logic for Parameters {
    #[hdl_gen]
    fn update(&mut self) {
        self.words.clock.next = self.clock.val();
        self.wf.clock.next = self.clock.val();
        self.threshold.clock.next = self.clock.val();
        self.trial.clock.next = self.clock.val();
        self.to_words.clock.next = self.clock.val();
        self.to_wf.clock.next = self.clock.val();
        self.to_threshold.clock.next = self.clock.val();
        self.to_trial.clock.next = self.clock.val();
        self.low.clock.next = self.clock.val();
        self.value.clock.next = self.clock.val();
        self.words.reset.next = self.reset.val();
        self.wf.reset.next = self.reset.val();
        self.threshold.reset.next = self.reset.val();
        self.trial.reset.next = self.reset.val();
        self.to_words.reset.next = self.reset.val();
        self.to_wf.reset.next = self.reset.val();
        self.to_threshold.reset.next = self.reset.val();
        self.to_trial.reset.next = self.reset.val();
        self.low.reset.next = self.reset.val();
        self.value.reset.next = self.reset.val();

        // The clock between.
        self.group.next = self.address.val().get_bits::<12>(4);
        self.above.next = self.address.val().get_bit(3);
        self.to_words.d.next = self.write.val() & (self.group.val() == 0);
        self.to_wf.d.next = self.write.val() & (self.group.val() == 1) & !self.above.val();
        self.to_threshold.d.next = self.write.val() & (self.group.val() == 1) & self.above.val();
        self.to_trial.d.next = self.write.val() & (self.group.val() == 2) & !self.above.val();
        self.low.d.next = self.address.val().get_bits::<4>(0);
        self.value.d.next = self.data.val();

        // Which shelf, and which of its words.
        self.policy.next = bit_cast::<3, 4>(self.low.q.val());
        self.words.address.next = self.low.q.val();
        self.words.data.next = self.value.q.val();
        self.words.write.next = self.to_words.q.val();
        self.wf.address.next = self.policy.val();
        self.wf.data.next = bit_cast::<9, 32>(self.value.q.val());
        self.wf.write.next = self.to_wf.q.val();
        self.threshold.address.next = self.policy.val();
        self.threshold.data.next = bit_cast::<17, 32>(self.value.q.val());
        self.threshold.write.next = self.to_threshold.q.val();
        self.trial.address.next = self.policy.val();
        self.trial.data.next = bit_cast::<17, 32>(self.value.q.val());
        self.trial.write.next = self.to_trial.q.val();

        self.all.next = self.words.all.val();
        self.wfs.next = self.wf.all.val();
        self.thresholds.next = self.threshold.all.val();
        self.trials.next = self.trial.all.val();
    }
}
