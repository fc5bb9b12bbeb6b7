//! Random command streams: the device does exactly what the model does.

use std::collections::BTreeSet;

use kvcpu_driver::Counters;
use kvcpu_tests::check;
use kvcpu_tests::stream::{self, Kind};

/// Metadata only: the directory, the policy and the invalidations.
#[test]
fn metadata_streams_match_the_model() {
    let kind = Kind { t3: true, length: 600, ..Kind::default() };
    check::streams(
        ("streams", "metadata_streams_match_the_model"),
        1000,
        |seed| stream::scenario(&mut check::rng(1, seed), kind),
        stream::run,
    );
}

/// With bytes between T0, T1 and T2.
#[test]
fn byte_streams_match_the_model_and_read_back() {
    let kind = Kind { bytes: true, length: 400, ..Kind::default() };
    check::streams(
        ("streams", "byte_streams_match_the_model_and_read_back"),
        600,
        |seed| stream::scenario(&mut check::rng(2, seed), kind),
        stream::run,
    );
}

/// With T3 behind the driver's service loop, whose answers take their time and come in any order: the decisions
/// must not depend on it.
#[test]
fn t3_streams_match_the_model_however_late_the_answers() {
    let kind = Kind { bytes: true, t3: true, length: 400, ..Kind::default() };
    check::streams(
        ("streams", "t3_streams_match_the_model_however_late_the_answers"),
        600,
        |seed| stream::scenario(&mut check::rng(3, seed), kind),
        stream::run,
    );
}

/// The memory of a tier goes, the host fails T3, bus mastering is cleared, and all comes back: each command fenced,
/// each completion as the model says, every failed move undone, every block readable at the end.
#[test]
fn fault_streams_match_the_model_and_lose_nothing() {
    let kind = Kind { bytes: true, t3: true, faults: true, length: 300, ..Kind::default() };
    check::streams(
        ("streams", "fault_streams_match_the_model_and_lose_nothing"),
        600,
        |seed| stream::scenario(&mut check::rng(4, seed), kind),
        stream::run,
    );
}

/// Long chains of accesses: the guard counts, decides and changes its mind, and history outgrows R.
const HISTORY: Kind = Kind { bytes: false, t3: true, faults: false, history: true, large: false, length: 30_000 };

#[test]
fn long_histories_match_the_model() {
    check::streams(
        ("streams", "long_histories_match_the_model"),
        12,
        |seed| stream::scenario(&mut check::rng(5, seed), HISTORY),
        stream::run,
    );
}

/// The same with capacities above the least unit of recency, margin and interval of counts.
#[test]
fn large_directories_are_guarded_as_the_model_says() {
    let kind = Kind { large: true, length: 6000, ..HISTORY };
    check::streams(
        ("streams", "large_directories_are_guarded_as_the_model_says"),
        3,
        |seed| stream::scenario(&mut check::rng(6, seed), kind),
        stream::run,
    );
}

/// The streams are worth their time only if they get everywhere.
#[test]
fn the_streams_reach_the_corners() {
    let mut total = Counters::default();
    let (mut refused_inserts, mut exhausted, mut last_steps) = (0, 0, 0);
    for (stream, bytes, t3, faults) in [(1, false, true, false), (3, true, true, false), (4, true, true, true)] {
        for seed in 0..60 {
            let kind = Kind { bytes, t3, faults, length: 400, ..Kind::default() };
            let (scenario, ops) = stream::scenario(&mut check::rng(stream, seed), kind);
            let model = stream::run_to_end(&scenario, &ops).unwrap_or_else(|error| panic!("{error}"));
            let counted = model.counters;
            total.kicks += counted.kicks;
            total.ghosts_reclaimed += counted.ghosts_reclaimed;
            total.ghost_hits += counted.ghost_hits;
            total.directory_full += counted.directory_full;
            total.dry_sweeps += counted.dry_sweeps;
            total.guard_switches += counted.guard_switches;
            total.list_stale += counted.list_stale;
            total.denials += counted.denials;
            total.moves_failed += counted.moves_failed;
            total.shootdowns_needed += counted.shootdowns_needed;
            total.shootdowns_sent += counted.shootdowns_sent;
            for tier in 0..4 {
                total.drops[tier] += counted.drops[tier];
                total.evictions[tier] += counted.evictions[tier];
                total.promotions[tier] += counted.promotions[tier];
            }
            refused_inserts += counted.refused;
            exhausted += model.exhausted;
            last_steps += u64::from(model.now == u32::MAX);
        }
    }
    let reached = [
        ("kicks", total.kicks),
        ("ghosts reclaimed", total.ghosts_reclaimed),
        ("ghost hits", total.ghost_hits),
        ("directory full", total.directory_full),
        ("dry sweeps", total.dry_sweeps),
        ("changes of the guard's policy", total.guard_switches),
        ("stale list entries", total.list_stale),
        ("denials", total.denials),
        ("failed moves", total.moves_failed),
        ("invalidations saved", total.shootdowns_needed - total.shootdowns_sent),
        ("refusals", refused_inserts),
        ("quarantine exhausted", exhausted),
        ("ends at the last step", last_steps),
        ("drops from T0", total.drops[0]),
        ("drops from T3", total.drops[3]),
        ("demotions from T0", total.evictions[0] - total.drops[0]),
        ("demotions from T1", total.evictions[1] - total.drops[1]),
        ("demotions from T2", total.evictions[2] - total.drops[2]),
        ("promotions from T1", total.promotions[1]),
        ("promotions from T2", total.promotions[2]),
        ("promotions from T3", total.promotions[3]),
    ];
    for (what, count) in reached {
        assert!(count >= 20, "{what}: {count}; of all: {reached:?}");
    }
}

/// What the guard does seldom happens in long histories, and what it chooses differs.
#[test]
fn long_histories_reach_the_corners_of_the_guard() {
    let (mut raises, mut counts, mut switches, mut retreats, mut chosen) = (0, 0, 0, 0, BTreeSet::new());
    for seed in 0..6 {
        let (scenario, ops) = stream::scenario(&mut check::rng(5, seed), HISTORY);
        let model = stream::run_to_end(&scenario, &ops).unwrap_or_else(|error| panic!("{error}"));
        raises += model.guard.raises;
        counts += model.guard.counts;
        switches += model.counters.guard_switches;
        retreats += model.guard.retreats;
        chosen.insert(model.guard.choice);
    }
    let reached = [
        ("base raised", raises, 2),
        ("counts of the guard", counts, 500),
        ("changes of the guard's policy", switches, 50),
        ("changes back to LRU", retreats, 20),
        ("policies chosen at the end", chosen.len() as u64, 2),
    ];
    for (what, count, least) in reached {
        assert!(count >= least, "{what}: {count}; of all: {reached:?}");
    }
}
