//! Tuning against registers that a test moves.

use super::weights::{DEFAULTS, POLICIES, WF_LEAST, WF_MOST, WS_MOST};
use super::{Hepc, Tune};
use kvcpu_mmio::Register;

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
