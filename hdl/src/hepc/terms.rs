//! What a score is made of: an entry in, its case, R, F, S and D four clocks later. `docs/hepc.md`, Score.
//!
//! ```text
//!             ┌► age ──────► R, unclipped ────────► clipped ──────► R
//!  entry ─► 1 ┤          2                 3                   4    F, D, which case
//!             └► distance ► clipped, + 1 ──► normalised ► q5 ─────► S
//! ```
//!
//! Nothing here depends on the policy: what it hears and how it weighs is the business of who takes the terms.

#![allow(missing_docs, reason = "LogicStruct derives accessors")]

use super::distance::Distance;
use crate::prim::Register;
use rust_hdl::prelude::*;

/// The terms of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
pub struct Facts {
    /// An entry was offered.
    pub valid: Bit,
    /// ACCESS is the stamp of the chain in service.
    pub serving: Bit,
    /// TARGET_VALID.
    pub targeted: Bit,
    /// Used once at most, nothing follows, and not PREFIX.
    pub unproven: Bit,
    /// R(ACCESS).
    pub r: Bits<14>,
    /// F.
    pub f: Bits<7>,
    /// S of its target.
    pub s: Bits<10>,
    /// D.
    pub d: Bits<8>,
}

/// Stage 1: how old, and which case of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
struct Aged {
    valid: Bit,
    age: Bits<32>,
    serving: Bit,
    targeted: Bit,
    unproven: Bit,
    frequency: Bits<4>,
    branch: Bit,
    prefix: Bit,
}

/// Stage 2: R before it is clipped, F and D.
#[derive(Clone, Copy, Debug, Default, PartialEq, LogicStruct)]
struct Scaled {
    valid: Bit,
    r: Bits<32>,
    serving: Bit,
    targeted: Bit,
    unproven: Bit,
    f: Bits<7>,
    d: Bits<8>,
}

/// The first four stages of a score.
#[derive(LogicBlock)]
pub struct Terms {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Synchronous reset.
    pub reset: Signal<In, Bit>,

    /// SHIFT.
    pub shift: Signal<In, Bits<4>>,
    /// Access stamp at which R is 0.
    pub base: Signal<In, Bits<32>>,
    /// CLOCK when the chain in service began.
    pub stamp: Signal<In, Bits<32>>,
    /// STEP.
    pub now: Signal<In, Bits<32>>,

    /// An entry is offered.
    pub in_valid: Signal<In, Bit>,
    /// ENTRY_ACCESS.
    pub access: Signal<In, Bits<32>>,
    /// ENTRY_TARGET.
    pub target: Signal<In, Bits<32>>,
    /// ENTRY_HISTORY.FREQUENCY.
    pub frequency: Signal<In, Bits<4>>,
    /// ENTRY_HISTORY.CHILD is not 0.
    pub child: Signal<In, Bit>,
    /// Flag PREFIX.
    pub prefix: Signal<In, Bit>,
    /// Flag BRANCH.
    pub branch: Signal<In, Bit>,
    /// Flag TARGET_VALID.
    pub target_valid: Signal<In, Bit>,

    /// Its terms, four clocks later.
    pub facts: Signal<Out, Facts>,

    distance: Distance,
    aged: Register<Aged>,
    scaled: Register<Scaled>,
    clipped: Register<Facts>,
    waited: Register<Facts>,
    age: Signal<Local, Bits<32>>,
    r_unclipped: Signal<Local, Bits<32>>,
    near: Signal<Local, Bits<11>>,
    r_max: Constant<Bits<14>>,
    s_max: Constant<Bits<11>>,
}

impl Default for Terms {
    fn default() -> Self {
        macro_rules! rest {
            ($($name:ident)*) => {
                Self {
                    $($name: Default::default(),)*
                    r_max: Constant::new(16_383u64.into()),
                    s_max: Constant::new(1023u64.into()),
                }
            };
        }
        rest!(
            clock reset shift base stamp now in_valid access target frequency child prefix branch target_valid facts distance
            aged scaled clipped waited age r_unclipped near
        )
    }
}

impl Logic for Terms {
    #[hdl_gen]
    fn update(&mut self) {
        self.distance.clock.next = self.clock.val();
        self.aged.clock.next = self.clock.val();
        self.scaled.clock.next = self.clock.val();
        self.clipped.clock.next = self.clock.val();
        self.waited.clock.next = self.clock.val();
        self.distance.reset.next = self.reset.val();
        self.aged.reset.next = self.reset.val();
        self.scaled.reset.next = self.reset.val();
        self.clipped.reset.next = self.reset.val();
        self.waited.reset.next = self.reset.val();

        // 1.
        self.distance.target.next = self.target.val();
        self.distance.now.next = self.now.val();
        self.aged.d.next.valid = self.in_valid.val();
        self.aged.d.next.age = self.access.val() - self.base.val();
        self.aged.d.next.serving = self.access.val() == self.stamp.val();
        self.aged.d.next.targeted = self.target_valid.val();
        self.aged.d.next.unproven = (self.frequency.val() < 2) & !self.child.val() & !self.prefix.val();
        self.aged.d.next.frequency = self.frequency.val();
        self.aged.d.next.branch = self.branch.val();
        self.aged.d.next.prefix = self.prefix.val();

        // 2.
        self.scaled.d.next.valid = self.aged.q.val().valid;
        self.scaled.d.next.serving = self.aged.q.val().serving;
        self.scaled.d.next.targeted = self.aged.q.val().targeted;
        self.scaled.d.next.unproven = self.aged.q.val().unproven;
        self.age.next = self.aged.q.val().age;
        self.scaled.d.next.r = 0.into();
        if !self.age.val().get_bit(31) {
            self.scaled.d.next.r = self.age.val() >> self.shift.val();
        }
        self.scaled.d.next.f = 0.into();
        if self.aged.q.val().frequency == 2 {
            self.scaled.d.next.f = 32.into();
        }
        if self.aged.q.val().frequency == 3 {
            self.scaled.d.next.f = 51.into();
        }
        if self.aged.q.val().frequency == 4 {
            self.scaled.d.next.f = 64.into();
        }
        if self.aged.q.val().frequency == 5 {
            self.scaled.d.next.f = 74.into();
        }
        if self.aged.q.val().frequency == 6 {
            self.scaled.d.next.f = 83.into();
        }
        if self.aged.q.val().frequency == 7 {
            self.scaled.d.next.f = 90.into();
        }
        if self.aged.q.val().frequency == 8 {
            self.scaled.d.next.f = 96.into();
        }
        if self.aged.q.val().frequency == 9 {
            self.scaled.d.next.f = 101.into();
        }
        if self.aged.q.val().frequency == 10 {
            self.scaled.d.next.f = 106.into();
        }
        if self.aged.q.val().frequency == 11 {
            self.scaled.d.next.f = 111.into();
        }
        if self.aged.q.val().frequency == 12 {
            self.scaled.d.next.f = 115.into();
        }
        if self.aged.q.val().frequency == 13 {
            self.scaled.d.next.f = 118.into();
        }
        if self.aged.q.val().frequency == 14 {
            self.scaled.d.next.f = 122.into();
        }
        if self.aged.q.val().frequency == 15 {
            self.scaled.d.next.f = 125.into();
        }
        self.scaled.d.next.d = 0.into();
        if self.aged.q.val().prefix {
            self.scaled.d.next.d = 128.into();
        }
        if self.aged.q.val().branch {
            self.scaled.d.next.d = 255.into();
        }

        // 3: R is clipped.
        self.clipped.d.next.valid = self.scaled.q.val().valid;
        self.clipped.d.next.serving = self.scaled.q.val().serving;
        self.clipped.d.next.targeted = self.scaled.q.val().targeted;
        self.clipped.d.next.unproven = self.scaled.q.val().unproven;
        self.clipped.d.next.f = self.scaled.q.val().f;
        self.clipped.d.next.s = 0.into();
        self.clipped.d.next.d = self.scaled.q.val().d;
        self.r_unclipped.next = self.scaled.q.val().r;
        self.clipped.d.next.r = bit_cast::<14, 32>(self.r_unclipped.val());
        if self.r_unclipped.val().get_bits::<18>(14) != 0 {
            self.clipped.d.next.r = self.r_max.val();
        }

        // 4: waits for the distance, of which S is made.
        self.waited.d.next = self.clipped.q.val();
        self.near.next = self.s_max.val() - self.distance.twice_q5.val();
        self.facts.next = self.waited.q.val();
        self.facts.next.s = bit_cast::<10, 11>(self.near.val());
        if self.distance.twice_q5.val().get_bit(10) {
            self.facts.next.s = 0.into();
        }
    }
}
