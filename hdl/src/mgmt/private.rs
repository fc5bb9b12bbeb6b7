//! The core's private registers: time, sensor, watchdog, boot, sleep. `docs/firmware.md`, The core's address space.
//!
//! ```text
//!  clocks ─► µs ─► TIME, SLEEP
//!             └─► ms ─► watchdog ─ bites ─┐
//!  BOOT_CONTROL ─ RESET ──────────────────┴─► reset of the core, 16 clocks; which bank is active then
//! ```
//!
//! Power-up starts the bank that was active when CONFIRM was last written; the bit that keeps it is outside, with the flash.
//!
//! An access in the wrong direction is not answered, and the core stops. WATCHDOG n bites n to n + 1 ms after it was written.
//!
//! A watchdog that bites on trial takes the banks back; any other reset with SWAP set changes them, and puts the image on trial.

use crate::prim::Register;
use rust_hdl::prelude::*;

/// The registers, and what resets the core.
#[derive(LogicBlock)]
pub struct Private {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset: power-up.
    pub reset: Signal<In, Bit>,

    /// An access stands.
    pub select: Signal<In, Bit>,
    /// It writes.
    pub write: Signal<In, Bit>,
    /// Which register, in words.
    pub index: Signal<In, Bits<3>>,
    /// What is written.
    pub data: Signal<In, Bits<32>>,
    /// The access is done in this clock.
    pub done: Signal<Out, Bit>,
    /// What is read, with `done`.
    pub read: Signal<Out, Bits<32>>,

    /// Temperature, m°C.
    pub sensor: Signal<In, Bits<32>>,
    /// Samples taken.
    pub samples: Signal<In, Bits<32>>,
    /// The core is to be reset.
    pub core_reset: Signal<Out, Bit>,
    /// The active flash bank.
    pub bank: Signal<Out, Bit>,
    /// What the non-volatile bit holds: the bank that is active after power-up.
    pub kept: Signal<In, Bit>,
    /// CONFIRM: that bit is to become `bank`.
    pub keeps: Signal<Out, Bit>,

    clocks: Register<Bits<16>>,
    micros: Register<Bits<10>>,
    now: Register<Bits<64>>,
    time_high: Register<Bits<32>>,
    sleep: Register<Bits<32>>,
    sleeping: Register<Bit>,
    /// The watchdog runs, and in how many ms it bites.
    guarded: Register<Bit>,
    left: Register<Bits<16>>,
    /// What it was last given.
    given: Register<Bits<16>>,
    /// The bank after power-up is taken over.
    chosen: Register<Bit>,
    active: Register<Bit>,
    trial: Register<Bit>,
    swap: Register<Bit>,
    cause: Register<Bits<3>>,
    bites: Register<Bits<8>>,
    /// Clocks for which the core is still in reset, less one.
    resetting: Register<Bits<4>>,
    held: Register<Bit>,
    answered: Register<Bit>,
    answer: Register<Bits<32>>,
    micro: Signal<Local, Bit>,
    milli: Signal<Local, Bit>,
    known: Signal<Local, Bit>,
    begins: Signal<Local, Bit>,
    writes: Signal<Local, Bit>,
    bite: Signal<Local, Bit>,
    asked: Signal<Local, Bit>,
    again: Signal<Local, Bit>,
    wanted: Signal<Local, Bits<16>>,
    excess: Signal<Local, Bits<16>>,
    boot: Signal<Local, Bits<32>>,
    clocks_last: Constant<Bits<16>>,
}

impl Private {
    /// Of a device clocked at `clock_hz`, a multiple of 1 MHz.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn new(clock_hz: u32) -> Self {
        assert!(clock_hz > 0 && clock_hz.is_multiple_of(1_000_000), "a µs is a whole number of clocks");
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    clocks_last: Constant::new(u64::from(clock_hz / 1_000_000 - 1).into()),
                }
            };
        }
        rest!(
            clock reset select write index data done read sensor samples core_reset bank kept keeps clocks micros now time_high sleep sleeping guarded left given
            chosen active trial swap cause bites resetting held answered answer micro milli known begins writes bite asked again wanted excess boot
        )
    }
}

impl Logic for Private {
    #[hdl_gen]
    fn update(&mut self) {
        self.clocks.clock.next = self.clock.val();
        self.micros.clock.next = self.clock.val();
        self.now.clock.next = self.clock.val();
        self.time_high.clock.next = self.clock.val();
        self.sleep.clock.next = self.clock.val();
        self.sleeping.clock.next = self.clock.val();
        self.guarded.clock.next = self.clock.val();
        self.left.clock.next = self.clock.val();
        self.given.clock.next = self.clock.val();
        self.chosen.clock.next = self.clock.val();
        self.active.clock.next = self.clock.val();
        self.trial.clock.next = self.clock.val();
        self.swap.clock.next = self.clock.val();
        self.cause.clock.next = self.clock.val();
        self.bites.clock.next = self.clock.val();
        self.resetting.clock.next = self.clock.val();
        self.held.clock.next = self.clock.val();
        self.answered.clock.next = self.clock.val();
        self.answer.clock.next = self.clock.val();
        self.clocks.reset.next = self.reset.val();
        self.micros.reset.next = self.reset.val();
        self.now.reset.next = self.reset.val();
        self.time_high.reset.next = self.reset.val();
        self.sleep.reset.next = self.reset.val();
        self.sleeping.reset.next = self.reset.val();
        self.guarded.reset.next = self.reset.val();
        self.left.reset.next = self.reset.val();
        self.given.reset.next = self.reset.val();
        self.chosen.reset.next = self.reset.val();
        self.active.reset.next = self.reset.val();
        self.trial.reset.next = self.reset.val();
        self.swap.reset.next = self.reset.val();
        self.cause.reset.next = self.reset.val();
        self.bites.reset.next = self.reset.val();
        self.resetting.reset.next = self.reset.val();
        self.held.reset.next = self.reset.val();
        self.answered.reset.next = self.reset.val();
        self.answer.reset.next = self.reset.val();

        // Time.
        self.micro.next = self.clocks.q.val() == self.clocks_last.val();
        self.milli.next = self.micro.val() & (self.micros.q.val() == 999);
        self.clocks.d.next = self.clocks.q.val() + 1;
        self.micros.d.next = self.micros.q.val();
        self.now.d.next = self.now.q.val();
        if self.micro.val() {
            self.clocks.d.next = 0.into();
            self.micros.d.next = self.micros.q.val() + 1;
            self.now.d.next = self.now.q.val() + 1;
        }
        if self.milli.val() {
            self.micros.d.next = 0.into();
        }

        // An access is answered in the clock after it is seen; SLEEP when it is over.
        self.known.next = (self.index.val() != 4) & (self.index.val() != 6) & (self.index.val() != 7);
        self.begins.next = (self.known.val() ^ self.write.val())
            & self.select.val()
            & !self.answered.q.val()
            & !self.sleeping.q.val()
            & !self.held.q.val();
        self.writes.next = self.begins.val() & self.write.val();
        self.answered.d.next = self.begins.val();
        self.sleeping.d.next = self.sleeping.q.val();
        self.sleep.d.next = self.sleep.q.val();
        if self.micro.val() & (self.sleep.q.val() != 0) {
            self.sleep.d.next = self.sleep.q.val() - 1;
        }
        if self.writes.val() & (self.index.val() == 7) {
            self.answered.d.next = false;
            self.sleeping.d.next = true;
            self.sleep.d.next = self.data.val();
        }
        if self.sleeping.q.val() & (self.sleep.q.val() == 0) {
            self.sleeping.d.next = false;
            self.answered.d.next = true;
        }
        self.boot.next = (bit_cast::<32, 8>(self.bites.q.val()) << 16) | (bit_cast::<32, 3>(self.cause.q.val()) << 8);
        self.time_high.d.next = self.time_high.q.val();
        self.answer.d.next = 0.into();
        if self.begins.val() {
            if self.index.val() == 0 {
                self.answer.d.next = self.now.q.val().get_bits::<32>(0);
                self.time_high.d.next = self.now.q.val().get_bits::<32>(32);
            } else if self.index.val() == 1 {
                self.answer.d.next = self.time_high.q.val();
            } else if self.index.val() == 2 {
                self.answer.d.next = self.sensor.val();
            } else if self.index.val() == 3 {
                self.answer.d.next = self.samples.val();
            } else if self.index.val() == 5 {
                self.answer.d.next = self.boot.val();
                if self.active.q.val() & self.trial.q.val() {
                    self.answer.d.next = self.boot.val() | 3;
                } else if self.active.q.val() {
                    self.answer.d.next = self.boot.val() | 1;
                } else if self.trial.q.val() {
                    self.answer.d.next = self.boot.val() | 2;
                }
            }
        }
        self.done.next = self.answered.q.val();
        self.read.next = self.answer.q.val();

        // The watchdog, and what else resets the core.
        self.wanted.next = self.data.val().get_bits::<16>(0);
        self.excess.next = self.data.val().get_bits::<16>(16);
        if self.excess.val() != 0 {
            self.wanted.next = 0xFFFF.into();
        } else if self.data.val() == 0 {
            self.wanted.next = 1.into();
        }
        self.guarded.d.next = self.guarded.q.val();
        self.left.d.next = self.left.q.val();
        self.given.d.next = self.given.q.val();
        if self.milli.val() & (self.left.q.val() != 0) {
            self.left.d.next = self.left.q.val() - 1;
        }
        self.bite.next = self.milli.val() & self.guarded.q.val() & (self.left.q.val() == 0);
        if self.writes.val() & (self.index.val() == 4) {
            self.guarded.d.next = true;
            self.left.d.next = self.wanted.val();
            self.given.d.next = self.wanted.val();
        }
        self.chosen.d.next = true;
        self.active.d.next = self.active.q.val();
        if !self.chosen.q.val() {
            self.active.d.next = self.kept.val();
        }
        self.trial.d.next = self.trial.q.val();
        self.swap.d.next = self.swap.q.val();
        self.cause.d.next = self.cause.q.val();
        self.bites.d.next = self.bites.q.val();
        self.asked.next = self.writes.val() & (self.index.val() == 6) & self.data.val().get_bit(2);
        if self.writes.val() & (self.index.val() == 6) {
            if self.data.val().get_bit(0) {
                self.trial.d.next = false;
            }
            if self.data.val().get_bit(1) {
                self.swap.d.next = true;
            }
        }
        self.again.next = self.bite.val() | self.asked.val();
        if self.bite.val() & self.trial.q.val() {
            self.active.d.next = !self.active.q.val();
            self.trial.d.next = false;
            self.swap.d.next = false;
        } else if self.again.val() & (self.swap.q.val() | (self.asked.val() & self.data.val().get_bit(1))) {
            self.active.d.next = !self.active.q.val();
            self.trial.d.next = true;
            self.swap.d.next = false;
        }
        if self.bite.val() {
            self.cause.d.next = 1.into();
            if self.trial.q.val() {
                self.cause.d.next = 3.into();
            }
            if self.bites.q.val() != 255 {
                self.bites.d.next = self.bites.q.val() + 1;
            }
        } else if self.asked.val() {
            self.cause.d.next = 2.into();
        }
        self.held.d.next = self.held.q.val() & (self.resetting.q.val() != 0);
        self.resetting.d.next = self.resetting.q.val() - 1;
        if self.again.val() {
            self.held.d.next = true;
            self.resetting.d.next = 15.into();
            // An image that hangs at once is to be bitten too.
            self.left.d.next = self.given.q.val();
            self.sleeping.d.next = false;
            self.answered.d.next = false;
        }
        self.core_reset.next = self.reset.val() | self.held.q.val() | !self.chosen.q.val();
        self.keeps.next = self.writes.val() & (self.index.val() == 6) & self.data.val().get_bit(0);
        self.bank.next = self.active.q.val();
    }
}
