//! A directory with more buckets than a search may read: there it matters where the search ends.

use std::sync::Arc;

use kvcpu_driver::{Config, Insert, TierConfig, sqe};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::queue::{Key, Opcode, Sqe};
use kvcpu_tests::check;
use kvcpu_tests::rig::{Path, Rig};
use rand::Rng;

/// More blocks than entries, and frames for all of them but a few.
fn scenario(seed: u64) -> (Geometry, Vec<Sqe>) {
    let mut rng = check::rng(40, seed);
    let geometry =
        Geometry { entries_log2: rng.random_range(10..=11), stash: rng.random_range(1..=6), ..Geometry::TEST };
    let entries = u64::from(geometry.entries());
    let key = |tag| Key { tenant: 0, request: 1, tag };
    let fill = (0..entries).map(|tag| sqe::insert(&Insert::new(key(tag), 2)));
    let churn = (0..2000).map(|_| {
        let key = key(rng.random_range(0..2 * entries));
        match rng.random_range(0..10) {
            0..3 => sqe::scoped(Opcode::Release, key.into()),
            3 => sqe::scoped(Opcode::Evict, key.into()),
            _ => sqe::insert(&Insert::new(key, 2)),
        }
    });
    (geometry, fill.chain(churn).collect())
}

fn run(geometry: &Geometry, sqes: &[Sqe]) -> Result<(), String> {
    let entries = geometry.entries();
    let t2 = TierConfig::blocks(entries);
    let config = Config {
        tiers: [TierConfig::OFF, TierConfig::OFF, t2, TierConfig::OFF],
        prefetch_tier: 2,
        metadata_only: true,
        ..Config::default()
    };
    let emulator = Emulator::new(*geometry).map_err(|error| error.to_string())?;
    let mut rig = Rig::new(Arc::new(emulator), &config, Path::Ring)?;
    for batch in sqes.chunks(256) {
        rig.run(batch)?;
    }
    let full = rig.model.counters.directory_full;
    if sqes.len() > entries as usize + 1000 && (full == 0 || rig.model.counters.kicks == 0) {
        return Err(format!("it was to become full: {full} refusals, {} kicks", rig.model.counters.kicks));
    }
    rig.compare()
}

#[test]
fn a_large_directory_fills_and_churns_as_the_model_says() {
    check::streams(("directory", "a_large_directory_fills_and_churns_as_the_model_says"), 12, scenario, run);
}
