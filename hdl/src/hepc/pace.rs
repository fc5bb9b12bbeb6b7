//! The steps of an item into a list: one clock for a fresh one, four for one that may be in it.
//!
//! ```text
//!  fresh:  compared ─────────────────────────────────────────────────► taken in
//!  other:  compared, a little better ─► compared ─► the same? ─► taken in, or not
//!  phase   0                            1           2            3
//! ```

use crate::prim::Register;
use rust_hdl::prelude::*;

/// Says which step it is.
#[derive(LogicBlock, Default)]
pub(super) struct Pace {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: forgets what is on its way.
    pub reset: Signal<In, Bit>,
    /// An item is offered.
    pub offer: Signal<In, Bit>,
    /// It is not in the list.
    pub fresh: Signal<In, Bit>,
    /// The list is turned, or about to be: nothing starts.
    pub away: Signal<In, Bit>,
    /// It is compared as a little better.
    pub favours: Signal<Out, Bit>,
    /// It is taken.
    pub taken: Signal<Out, Bit>,
    /// Stage 2 stays as it is.
    pub stay: Signal<Out, Bit>,
    /// Stage 2 has an item that goes in now.
    pub staged: Signal<Out, Bit>,
    /// An item is on its way.
    pub holding: Signal<Out, Bit>,

    phase: Register<Bits<2>>,
    stage: Register<Bit>,
    starts: Signal<Local, Bit>,
}

impl Logic for Pace {
    #[hdl_gen]
    fn update(&mut self) {
        self.phase.clock.next = self.clock.val();
        self.stage.clock.next = self.clock.val();
        self.phase.reset.next = self.reset.val();
        self.stage.reset.next = self.reset.val();

        self.starts.next = self.offer.val() & !self.away.val() & (self.phase.q.val() == 0);
        self.phase.d.next = self.phase.q.val() + 1;
        if self.phase.q.val() == 0 {
            self.phase.d.next = 0.into();
            if self.starts.val() & !self.fresh.val() {
                self.phase.d.next = 1.into();
            }
        }
        self.favours.next = !self.fresh.val() & (self.phase.q.val() == 0);
        self.taken.next = (self.starts.val() & self.fresh.val()) | (self.phase.q.val() == 1);
        self.stay.next = self.phase.q.val() == 2;
        self.stage.d.next = (self.starts.val() & self.fresh.val()) | (self.phase.q.val() == 2);
        self.staged.next = self.stage.q.val();
        self.holding.next = self.stage.q.val() | (self.phase.q.val() != 0);
    }
}
