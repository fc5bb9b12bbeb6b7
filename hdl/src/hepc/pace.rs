//! The steps of an item into a list: one clock for a fresh one, four for one that may be in it.
//!
//! ```text
//!  fresh:  compared ─────────────────────────────────────────────────► taken in
//!  other:  compared, a little better ─► compared ─► the same? ─► taken in, or not
//!  step    offer                        again       asked        over
//! ```
//!
//! A register a step: what an item is compared as comes at the front of the longest comparison, and is known early so.

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

    again: Register<Bit>,
    asked: Register<Bit>,
    over: Register<Bit>,
    stage: Register<Bit>,
    starts: Signal<Local, Bit>,
}

impl Logic for Pace {
    #[hdl_gen]
    fn update(&mut self) {
        self.again.clock.next = self.clock.val();
        self.asked.clock.next = self.clock.val();
        self.over.clock.next = self.clock.val();
        self.stage.clock.next = self.clock.val();
        self.again.reset.next = self.reset.val();
        self.asked.reset.next = self.reset.val();
        self.over.reset.next = self.reset.val();
        self.stage.reset.next = self.reset.val();

        self.starts.next =
            self.offer.val() & !self.away.val() & !self.again.q.val() & !self.asked.q.val() & !self.over.q.val();
        self.again.d.next = self.starts.val() & !self.fresh.val();
        self.asked.d.next = self.again.q.val();
        self.over.d.next = self.asked.q.val();
        // After `again` nothing looks at what is compared, until the next item starts.
        self.favours.next = !self.fresh.val() & !self.again.q.val();
        self.taken.next = (self.starts.val() & self.fresh.val()) | self.again.q.val();
        self.stay.next = self.asked.q.val();
        self.stage.d.next = (self.starts.val() & self.fresh.val()) | self.asked.q.val();
        self.staged.next = self.stage.q.val();
        self.holding.next = self.stage.q.val() | self.again.q.val() | self.asked.q.val() | self.over.q.val();
    }
}
