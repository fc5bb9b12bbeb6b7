//! Closes the chip's rows when a reset comes in the middle of work, however long that lasts.
//!
//! ```text
//!  reset ────┐ controller works   32 clocks without a command
//!  state ────┴─► up ─────────────────────────────────────────► closes: PRECHARGE ALL ─► not up
//! ```
//!
//! A reset does not reach the chip: it has rows open, perhaps a burst under way, and a row may stand open for 100 us (tRAS at the most) while the power-up sequence gives
//! no command for 200 us, and a button may be held down for longer. So these registers are not reset, but 0 when the hardware is configured: then, and
//! as long as the chip is not known to have power for its time, nothing may be told to it.

use rust_hdl::prelude::*;

/// Beside the controller.
#[derive(LogicBlock, Default)]
pub struct Closer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The controller is reset in this clock.
    pub reset: Signal<In, Bit>,
    /// The controller waits for the chip's power.
    pub waits: Signal<In, Bit>,
    /// In this clock all rows are closed, even in reset.
    pub closes: Signal<Out, Bit>,
    /// Clock enable: from the first reset's end on, for ever. If it fell, a burst under way would stand still, and rows stay open.
    pub cke: Signal<Out, Bit>,

    enable: DFF<Bit>,
    /// Rows may be open.
    up: DFF<Bit>,
    /// Clocks until every command that was given allows PRECHARGE ALL: more than a controller's counters hold.
    pause: DFF<Bits<5>>,
    works: Signal<Local, Bit>,
    closing: Signal<Local, Bit>,
}

impl Logic for Closer {
    #[hdl_gen]
    fn update(&mut self) {
        self.enable.clock.next = self.clock.val();
        self.up.clock.next = self.clock.val();
        self.pause.clock.next = self.clock.val();

        self.works.next = !self.reset.val() & !self.waits.val();
        self.closing.next = self.up.q.val() & !self.works.val() & (self.pause.q.val() == 0);
        self.up.d.next = self.works.val() | (self.up.q.val() & !self.closing.val());
        self.pause.d.next = self.pause.q.val();
        if self.works.val() {
            self.pause.d.next = 31.into();
        } else if self.pause.q.val() != 0 {
            self.pause.d.next = self.pause.q.val() - 1;
        }
        self.enable.d.next = self.enable.q.val() | !self.reset.val();
        self.closes.next = self.closing.val();
        self.cke.next = self.enable.q.val();
    }
}
