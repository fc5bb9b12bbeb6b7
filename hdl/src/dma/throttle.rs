//! Keeps a channel to a share of its bus: behind a burst of n beats the next waits until n beats are due. `docs/rtl/dma.md`.
//!
//! ```text
//!  taken, beats ──► left = 16 beats ── a clock: less 16 - level ──► 0
//!                        └─ more than that, and level not 0 ──► rests
//! ```

use super::BEATS_BITS;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// Bits of sixteenths of 64 beats.
const LEFT_BITS: usize = BEATS_BITS + 4;

/// One channel's.
#[derive(LogicBlock, Default)]
pub struct Throttle {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,
    /// Sixteenths of the time in which no burst begins.
    pub level: Signal<In, Bits<4>>,
    /// A burst was taken in the clock before.
    pub taken: Signal<In, Bit>,
    /// Its beats.
    pub beats: Signal<In, Bits<BEATS_BITS>>,
    /// No burst is to begin.
    pub rests: Signal<Out, Bit>,
    /// Some are not due yet: the clock is to go on.
    pub drains: Signal<Out, Bit>,
    left: Register<Bits<LEFT_BITS>>,
    resting: Register<Bit>,
    /// 15 - level.
    on: Signal<Local, Bits<4>>,
    share: Signal<Local, Bits<LEFT_BITS>>,
    more: Signal<Local, Bit>,
}

impl Logic for Throttle {
    #[hdl_gen]
    fn update(&mut self) {
        self.left.clock.next = self.clock.val();
        self.left.reset.next = self.reset.val();
        self.resting.clock.next = self.clock.val();
        self.resting.reset.next = self.reset.val();

        self.on.next = !self.level.val();
        self.share.next = bit_cast::<LEFT_BITS, 4>(self.on.val()) + 1;
        self.more.next = self.left.q.val() > self.share.val();
        self.left.d.next = 0.into();
        if self.taken.val() & (self.level.val() != 0) {
            self.left.d.next = bit_cast::<LEFT_BITS, BEATS_BITS>(self.beats.val()) << 4;
        } else if self.more.val() {
            self.left.d.next = self.left.q.val() - self.share.val();
        }
        self.resting.d.next = (self.taken.val() | self.more.val()) & (self.level.val() != 0);
        self.rests.next = self.resting.q.val();
        self.drains.next = self.left.q.val() != 0;
    }
}
