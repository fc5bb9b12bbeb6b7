//! Keeps from the bridge what may be shifted: behind a byte that was lost, nothing counts until the line has been silent.
//!
//! ```text
//!  byte ──────────────┬─► deaf? ─► byte, is it the first behind a loss? ─► FIFO
//!  bad frame ─┐       │     ▲
//!  no room ───┴─ loss ┴─────┴─ until the line was high for `idle_clocks`
//! ```
//!
//! The protocol has no marks of its own: without one byte, all that follow mean something else, and a write would go elsewhere. So a loss drops the command that it
//! fell into, and all that the sender sent in ignorance of it. That the first byte behind it says so ends the command under way, even if the FIFO
//! had so much in it that the bridge saw no silence.

use crate::prim::Register;
use rust_hdl::prelude::*;

/// Between receiver and FIFO.
#[derive(LogicBlock)]
pub struct Guard {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: nothing was lost.
    pub reset: Signal<In, Bit>,
    /// The line is low.
    pub is_low: Signal<In, Bit>,
    /// A byte has come: a pulse of a clock.
    pub in_valid: Signal<In, Bit>,
    /// One was lost on the line: a pulse of a clock.
    pub bad_frame: Signal<In, Bit>,
    /// The byte counts.
    pub out_valid: Signal<Out, Bit>,
    /// There is room for it; without, it is lost.
    pub out_ready: Signal<In, Bit>,
    /// It is the first behind a loss: a command's code.
    pub out_first: Signal<Out, Bit>,

    is_deaf: Register<Bit>,
    /// Something was lost, and no byte behind it has told that yet.
    is_cut: Register<Bit>,
    /// Clocks of silence that are left.
    timer: Register<Bits<32>>,
    counts: Signal<Local, Bit>,
    lost: Signal<Local, Bit>,
    idle: Constant<Bits<32>>,
}

impl Guard {
    /// So many clocks with the line high are silence.
    pub fn new(idle_clocks: u32) -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self { $($name: Default::default(),)* idle: Constant::new(u64::from(idle_clocks).into()) }
            };
        }
        rest!(clock reset is_low in_valid bad_frame out_valid out_ready out_first is_deaf is_cut timer counts lost)
    }
}

impl Logic for Guard {
    #[hdl_gen]
    fn update(&mut self) {
        self.is_deaf.clock.next = self.clock.val();
        self.is_cut.clock.next = self.clock.val();
        self.timer.clock.next = self.clock.val();
        self.is_deaf.reset.next = self.reset.val();
        self.is_cut.reset.next = self.reset.val();
        self.timer.reset.next = self.reset.val();

        self.counts.next = self.in_valid.val() & !self.is_deaf.q.val();
        self.lost.next = self.bad_frame.val() | (self.counts.val() & !self.out_ready.val());
        self.timer.d.next = self.timer.q.val() - 1;
        self.is_deaf.d.next = self.is_deaf.q.val();
        self.is_cut.d.next = self.is_cut.q.val();
        if self.lost.val() {
            self.is_deaf.d.next = true;
            self.is_cut.d.next = true;
            self.timer.d.next = self.idle.val();
        } else if self.is_low.val() {
            self.timer.d.next = self.idle.val();
        } else if self.timer.q.val() == 0 {
            self.is_deaf.d.next = false;
        }
        if self.counts.val() & self.out_ready.val() {
            self.is_cut.d.next = false;
        }
        self.out_valid.next = self.counts.val();
        self.out_first.next = self.is_cut.q.val();
    }
}
