//! Tuning of the eviction weights: weights that cannot work go back to the defaults, and WF follows what the guard's shadows say.
//! `docs/firmware.md`, Tuning. It leaves WS alone, as no two policies differ in it, and the choice of a policy to the guard.
//!
//! ```text
//!  policy    2      3        4  7     5                     WF/16, WF/4, WF*3/4, WF, WF*7/4: each has hits
//!            ·      ·        ·  ·     ·                     one of 2, 3 best for 8 windows: WF down a quarter
//!        ────┴──────┴────────┴──┴─────┴────► WF             5 best for 8 windows: WF up a third
//! ```
//!
//! The policies are compared over the same references, so a step too many shows as a better policy on the other side, and is
//! taken back the way it came, by no more evidence than it took to make it.

#[cfg(test)]
mod tests;
mod weights;

use crate::Platform;
use kvcpu_mmio::regs::hepc::{ACCESS_CLOCK, GUARD, GUARD_CAPACITY, GUARD_HITS, GUARD_SELECT, WEIGHTS};
use kvcpu_mmio::{Bar, Register};
use weights::{DEFAULTS, POLICIES, step, wanted, works};

/// Windows in a row that must say the same before WF moves: half of what the guard's hits remember.
const PATIENCE: i8 = 8;
/// The registers that tuning sees, all of the block `hepc`; a [`Platform`] has them.
pub trait Hepc {
    /// Reads a 32-bit register of BAR0.
    fn read_hepc(&mut self, register: &Register) -> u32;
    /// Writes one.
    fn write_hepc(&mut self, register: &Register, value: u32);
}

impl<P: Platform + ?Sized> Hepc for P {
    fn read_hepc(&mut self, register: &Register) -> u32 {
        self.read(Bar::Regs, register.offset)
    }

    fn write_hepc(&mut self, register: &Register, value: u32) {
        self.write(Bar::Regs, register.offset, value);
    }
}

/// The tuning.
#[derive(Clone, Debug, Default)]
pub struct Tune {
    /// WEIGHTS as last seen or written, if the device and its guard were enabled.
    seen: Option<u32>,
    /// ACCESS_CLOCK when the present window began.
    began: u32,
    /// Windows in a row that wanted a greater WF; below 0: that wanted a smaller.
    streak: i8,
    changes: u16,
    /// The last round wrote GUARD_SELECT or WEIGHTS.
    meddled: bool,
}

impl Tune {
    /// The window by default, in sixteenths of GUARD_CAPACITY: the guard's hits decay once in it.
    pub const WINDOW: u32 = 16;

    /// Changes of WEIGHTS so far, mod 2^16.
    pub fn changes(&self) -> u16 {
        self.changes
    }

    /// Whether the last round wrote anything.
    pub fn meddled(&self) -> bool {
        self.meddled
    }

    /// Looks at the device, and changes WEIGHTS if that is due: says from what to what.
    ///
    /// Few accesses unless a window ends, which is once in `window_sixteenths`/16 * GUARD_CAPACITY accesses of the workload.
    pub fn round<P: Hepc + ?Sized>(&mut self, device: &mut P, window_sixteenths: u32) -> Option<(u32, u32)> {
        self.meddled = false;
        let capacity = device.read_hepc(&GUARD_CAPACITY);
        if capacity == 0 || GUARD::ENABLE.get(device.read_hepc(&GUARD).into()) == 0 {
            // Disabled; or the host has chosen a policy, and nothing would catch what a change of weights makes of it.
            self.seen = None;
            return None;
        }
        let (weights, clock) = (device.read_hepc(&WEIGHTS), device.read_hepc(&ACCESS_CLOCK));
        if self.seen != Some(weights) {
            (self.seen, self.began, self.streak) = (Some(weights), clock, 0);
        }
        if !works(weights) {
            return self.change(device, weights, DEFAULTS);
        }
        if clock.wrapping_sub(self.began) < capacity.saturating_mul(window_sixteenths) / 16 {
            return None;
        }
        self.meddled = true;
        let hits = hits(device)?;
        self.began = clock;
        let want = wanted(weights, &hits);
        self.streak = if want == 0 || want.signum() != self.streak.signum() { want } else { self.streak + want };
        if self.streak.abs() < PATIENCE {
            return None;
        }
        self.streak = 0;
        let to = step(weights, want > 0);
        if to == weights { None } else { self.change(device, weights, to) }
    }

    /// A host that writes WEIGHTS between the look and here wins; only between two accesses it can lose.
    fn change<P: Hepc + ?Sized>(&mut self, device: &mut P, from: u32, to: u32) -> Option<(u32, u32)> {
        if device.read_hepc(&WEIGHTS) != from {
            return None;
        }
        self.meddled = true;
        device.write_hepc(&WEIGHTS, to);
        self.seen = Some(to);
        self.changes = self.changes.wrapping_add(1);
        Some((from, to))
    }
}

/// The hits of all policies; `None` if the host uses GUARD_SELECT meanwhile, which then stays as the host wants it.
fn hits<P: Hepc + ?Sized>(device: &mut P) -> Option<[u32; POLICIES]> {
    let select = device.read_hepc(&GUARD_SELECT);
    let mut hits = [0; POLICIES];
    for (policy, hits) in (0..).zip(&mut hits) {
        device.write_hepc(&GUARD_SELECT, policy);
        *hits = device.read_hepc(&GUARD_HITS);
        if device.read_hepc(&GUARD_SELECT) != policy {
            return None;
        }
    }
    device.write_hepc(&GUARD_SELECT, select);
    Some(hits)
}
