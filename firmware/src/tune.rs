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

use crate::Platform;
use kvcpu_mmio::regs::hepc::{ACCESS_CLOCK, GUARD, GUARD_CAPACITY, GUARD_HITS, GUARD_SELECT, WEIGHTS};
use kvcpu_mmio::{Bar, Register};

/// Policies of the guard.
const POLICIES: usize = 8;
/// WEIGHTS after a reset of the device.
const DEFAULTS: u32 = WEIGHTS.reset as u32;

/// Largest WR that works: beside a greater one F and S do not fit P's 16 bits.
const WR_MOST: u8 = 2;
/// WF by default, for a WR of 1.
const WF_DEFAULT: u8 = DEFAULTS.to_le_bytes()[1];
/// Least WF for a WR of 1: 12 cost up to 0.4 points (mixed at 1k, seed 7), 6 up to 3.1 (scan at 4k, seed 4711).
const WF_LEAST: u8 = WF_DEFAULT * 2 / 3;
/// Largest WF: four times the default. 255 costs up to 0.8 points (mixed at 1k).
const WF_MOST: u8 = WF_DEFAULT * 4;
/// Largest WS: with the others at their most, P does not saturate (2 * 16383 + 168 * 125 + 11 * 1023 < 65536).
const WS_MOST: u8 = 11;

/// Windows in a row that must say the same before WF moves: half of what the guard's hits remember.
const PATIENCE: i8 = 8;
/// Policies that differ in less than so many hits are equal: the guard's own margin.
const LEAST_MARGIN: u32 = 8;
/// log2 of the share by which a policy must be better for a step towards the default WF or down.
const MARGIN: u32 = 5;
/// log2 of the same for a step up from the default: it has less to gain, and was measured to lose 0.24 points on scan at 4k.
const MARGIN_UP: u32 = 4;

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
}

impl Tune {
    /// The window by default, in sixteenths of GUARD_CAPACITY: the guard's hits decay once in it.
    pub const WINDOW: u32 = 16;

    /// Changes of WEIGHTS so far, mod 2^16.
    pub fn changes(&self) -> u16 {
        self.changes
    }

    /// Looks at the device, and changes WEIGHTS if that is due: says from what to what.
    ///
    /// Few accesses unless a window ends, which is once in `window_sixteenths`/16 * GUARD_CAPACITY accesses of the workload.
    pub fn round<P: Hepc + ?Sized>(&mut self, device: &mut P, window_sixteenths: u32) -> Option<(u32, u32)> {
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

/// The least and the default WF beside `wr`.
fn bounds(wr: u8) -> (u8, u8) {
    (WF_LEAST.saturating_mul(wr), WF_DEFAULT.saturating_mul(wr))
}

/// Whether tuning may begin at these weights.
fn works(weights: u32) -> bool {
    let [wr, wf, ws, wd] = weights.to_le_bytes();
    (1..=WR_MOST).contains(&wr) && (bounds(wr).0..=WF_MOST).contains(&wf) && ws <= WS_MOST && wd == 0
}

/// 1 if a greater WF looks better, -1 if a smaller does, else 0: always where hints matter, as WF moved against WS without a
/// policy that measures it lost up to 0.5 points with a quarter of the sessions known.
fn wanted(weights: u32, hits: &[u32; POLICIES]) -> i8 {
    let [wr, wf, ..] = weights.to_le_bytes();
    let default = bounds(wr).1;
    let here = hits[4].max(hits[7]);
    let beats = |other: u32, margin: u32| other.saturating_sub(here) >= (here >> margin).max(LEAST_MARGIN);
    let (below, above) = (hits[2].max(hits[3]), hits[5]);
    // Policies 1 and 6 differ in their hearing alone.
    if hits[1].abs_diff(hits[6]) >= (hits[6] >> MARGIN).max(LEAST_MARGIN) {
        return 0;
    }
    if above >= below && beats(above, if wf < default { MARGIN } else { MARGIN_UP }) {
        1
    } else if below > above && beats(below, MARGIN) {
        -1
    } else {
        0
    }
}

/// A step of WF, which stops at the default on its way, and at its bounds.
fn step(weights: u32, up: bool) -> u32 {
    let [wr, wf, ws, wd] = weights.to_le_bytes();
    let (least, default) = bounds(wr);
    let to = if up {
        let most = if wf < default { default } else { WF_MOST };
        wf.saturating_add((wf / 3).max(1)).min(most)
    } else {
        let least = if wf > default { default } else { least };
        (wf - wf / 4).max(least)
    };
    u32::from_le_bytes([wr, to, ws, wd])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registers, and a workload that hits best at `best` (WF).
    struct Fake {
        weights: u32,
        guard: u32,
        capacity: u32,
        clock: u32,
        select: u32,
        hits: [u32; POLICIES],
        /// The host writes GUARD_SELECT at every access.
        host_selects: bool,
        writes: u32,
    }

    impl Fake {
        fn new(weights: [u8; 4]) -> Fake {
            Fake {
                weights: u32::from_le_bytes(weights),
                guard: 0x41,
                capacity: 1000,
                clock: 0,
                select: 3,
                hits: [0; POLICIES],
                host_selects: false,
                writes: 0,
            }
        }

        fn wf(&self) -> u8 {
            self.weights.to_le_bytes()[1]
        }

        /// Lets windows pass in which policy `k` hits `of_k` times, the others 1000.
        fn windows(&mut self, tune: &mut Tune, windows: u32, k: usize, of_k: u32) {
            self.hits = [1000; POLICIES];
            self.hits[k] = of_k;
            for _ in 0..windows {
                self.clock = self.clock.wrapping_add(1000);
                tune.round(self, 16);
                assert!(tune.round(self, 16).is_none(), "once in a window");
            }
        }
    }

    impl Hepc for Fake {
        fn read_hepc(&mut self, register: &Register) -> u32 {
            match register.name {
                "WEIGHTS" => self.weights,
                "GUARD" => self.guard,
                "GUARD_CAPACITY" => self.capacity,
                "ACCESS_CLOCK" => self.clock,
                "GUARD_SELECT" => self.select,
                "GUARD_HITS" => {
                    let hits = self.hits[self.select as usize];
                    self.select = if self.host_selects { 2 } else { self.select };
                    hits
                }
                other => panic!("tuning reads {other}"),
            }
        }

        fn write_hepc(&mut self, register: &Register, value: u32) {
            self.writes += 1;
            match register.name {
                "WEIGHTS" => self.weights = value,
                "GUARD_SELECT" => self.select = value,
                other => panic!("tuning writes {other}"),
            }
        }
    }

    #[test]
    fn weights_that_cannot_work_become_the_defaults_at_once() {
        let bad =
            [[0, 24, 4, 0], [255, 24, 4, 0], [255; 4], [1, 255, 255, 255], [1, 0, 4, 0], [1, 24, 4, 2], [3, 24, 4, 0]];
        for weights in bad {
            let (mut fake, mut tune) = (Fake::new(weights), Tune::default());
            assert_eq!(tune.round(&mut fake, 16), Some((u32::from_le_bytes(weights), DEFAULTS)), "{weights:?}");
            assert_eq!((fake.weights, tune.changes(), tune.round(&mut fake, 16)), (DEFAULTS, 1, None));
        }
        for weights in [[1, 24, 4, 0], [1, 16, 0, 0], [1, 96, 11, 0], [2, 32, 4, 0], [2, 96, 4, 0]] {
            let (mut fake, mut tune) = (Fake::new(weights), Tune::default());
            assert_eq!((tune.round(&mut fake, 16), fake.writes), (None, 0), "{weights:?}");
        }
        const { assert!(2 * 16_383 + (2 * WF_MOST as u32 - WF_MOST as u32 / 4) * 125 + WS_MOST as u32 * 1023 < 65_536) };
    }

    #[test]
    fn wf_moves_when_a_neighbour_was_better_for_eight_windows() {
        let (mut fake, mut tune) = (Fake::new([1, 24, 4, 0]), Tune::default());
        tune.round(&mut fake, 16);
        fake.windows(&mut tune, 7, 5, 1100);
        assert_eq!(fake.wf(), 24);
        fake.windows(&mut tune, 1, 5, 1100);
        assert_eq!((fake.wf(), fake.select, tune.changes()), (32, 3, 1));
        // One window that says otherwise begins the count anew.
        fake.windows(&mut tune, 7, 3, 1100);
        fake.windows(&mut tune, 1, 4, 1100);
        fake.windows(&mut tune, 7, 3, 1100);
        assert_eq!(fake.wf(), 32);
        fake.windows(&mut tune, 1, 3, 1100);
        assert_eq!(fake.wf(), 24);
        // Where hints matter, nothing moves.
        for (deaf, windows) in [(900, 50), (1020, 7)] {
            fake.hits = [1000; POLICIES];
            (fake.hits[6], fake.hits[5]) = (deaf, 1100);
            for _ in 0..windows {
                fake.clock += 1000;
                assert_eq!(tune.round(&mut fake, 16), None, "{deaf}");
            }
        }
        fake.windows(&mut tune, 1, 4, 1000);
        // Recency alone is nothing that a smaller WF would add.
        fake.windows(&mut tune, 50, 0, 2000);
        assert_eq!(fake.wf(), 24);
    }

    #[test]
    fn a_step_away_upwards_takes_more_than_one_back() {
        for (weights, k, better, expected) in [
            ([1, 24, 4, 0], 5, 1050, 24),
            ([1, 24, 4, 0], 5, 1070, 32),
            ([1, 16, 4, 0], 5, 1035, 21),
            ([1, 21, 4, 0], 5, 1035, 24),
            ([1, 32, 4, 0], 3, 1035, 24),
            ([1, 24, 4, 0], 3, 1035, 18),
            ([1, 24, 4, 0], 2, 1025, 24),
            ([2, 48, 4, 0], 3, 1035, 36),
        ] {
            let (mut fake, mut tune) = (Fake::new(weights), Tune::default());
            tune.round(&mut fake, 16);
            fake.windows(&mut tune, 8, k, better);
            assert_eq!(fake.wf(), expected, "{weights:?} {k} {better}");
        }
    }

    #[test]
    fn wf_stays_within_its_bounds() {
        for (k, end) in [(5, WF_MOST), (3, WF_LEAST)] {
            let (mut fake, mut tune) = (Fake::new([1, 24, 4, 0]), Tune::default());
            fake.windows(&mut tune, 400, k, 2000);
            assert_eq!(fake.wf(), end);
        }
    }

    #[test]
    fn what_the_host_writes_is_a_new_start() {
        let (mut fake, mut tune) = (Fake::new([1, 24, 4, 0]), Tune::default());
        tune.round(&mut fake, 16);
        fake.windows(&mut tune, 7, 5, 1100);
        fake.weights = u32::from_le_bytes([1, 40, 4, 0]);
        fake.windows(&mut tune, 8, 5, 1100);
        assert_eq!(fake.wf(), 40);
        fake.windows(&mut tune, 1, 5, 1100);
        assert_eq!(fake.wf(), 53);
    }

    #[test]
    fn a_device_that_is_disabled_or_whose_policy_is_chosen_is_left_alone() {
        for (guard, capacity) in [(0x41, 0), (0x40, 1000)] {
            let mut fake = Fake { guard, capacity, ..Fake::new([0, 0, 0, 255]) };
            let mut tune = Tune::default();
            fake.windows(&mut tune, 20, 5, 2000);
            assert_eq!((fake.writes, tune.changes()), (0, 0));
        }
    }

    #[test]
    fn a_host_that_uses_guard_select_keeps_it() {
        let (mut fake, mut tune) = (Fake::new([1, 24, 4, 0]), Tune::default());
        tune.round(&mut fake, 16);
        fake.host_selects = true;
        fake.hits[5] = 2000;
        for _ in 0..20 {
            fake.clock += 1000;
            assert_eq!(tune.round(&mut fake, 16), None);
            assert_eq!(fake.select, 2);
        }
    }

    #[test]
    fn counts_at_their_ends_do_not_matter() {
        let (mut fake, mut tune) = (Fake::new([1, 24, 4, 0]), Tune::default());
        fake.clock = u32::MAX - 500;
        fake.capacity = u32::MAX;
        tune.round(&mut fake, 255);
        fake.capacity = 1000;
        fake.hits = [u32::MAX; POLICIES];
        for _ in 0..20 {
            fake.clock = fake.clock.wrapping_add(1000);
            assert_eq!(tune.round(&mut fake, 16), None);
        }
    }
}
