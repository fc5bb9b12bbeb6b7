//! The device's numbers: never below LRU, and how much of the gap hints close.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod policy_common;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kvctl::hint::sessions;
use kvctl::trace::generate::{Params, Workload, generate};
use kvctl::trace::{ReadOptions, write};
use policy_common::*;

/// The Mooncake conversation trace: `KVCPU_TRACES` names its folder, or `../shared/traces` beside the workspace.
fn conversation() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let folder = std::env::var_os("KVCPU_TRACES").map_or(beside, PathBuf::from);
    let path = folder.join("mooncake_conversation.jsonl");
    if path.is_file() {
        return Some(path);
    }
    // Past the capture of the test harness: a skipped check must show.
    let message = format!("SKIPPED: {}: trace not found; set KVCPU_TRACES to its folder\n", path.display());
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    None
}

/// The share of the gap that the device closes at 1,000 and 4,000 blocks.
fn gap_closed(path: &Path, hints: &str) -> [f64; 2] {
    let rows = rows(&format!("{} --capacities 1k,4k --hints {hints}", path.display()));
    let mut device = rows.iter().filter(|row| row.policy == "device").map(|row| row.gap_closed_pct.unwrap());
    std::array::from_fn(|_| device.next().unwrap())
}

/// With half of the sessions known, policies differ by half the gap; a guard that takes evicted blocks for held ones
/// chose the worst at 1,000 blocks, and closed 34%.
#[test]
fn hints_close_most_of_the_gap_on_the_conversation_trace() {
    let Some(path) = conversation() else { return };
    let [small, large] = gap_closed(&path, "dead,next-use");
    assert!((90.0..=100.0).contains(&small) && (95.0..=100.0).contains(&large), "{small} {large}");
    let [small, large] = gap_closed(&path, "dead,next-use --coverage 0.5");
    assert!(small >= 60.0 && large >= 60.0, "{small} {large}");
    let trace = kvctl::trace::read_path(&path, &ReadOptions::default()).unwrap().trace;
    let distinct: HashSet<u32> = sessions(&trace.dense()).into_iter().collect();
    assert_eq!(distinct.len(), 8640);
}

/// The guard keeps the device from falling below LRU, on every workload and with bad weights.
#[test]
fn the_device_is_never_much_below_lru() {
    for workload in Workload::ALL {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace.jsonl");
        let made = generate(&Params::new(workload, 5, 3000)).unwrap();
        write(&made, &mut std::fs::File::create(&path).unwrap()).unwrap();
        for weights in ["1,24,4,0", "1,255,255,255", "255,24,4,0", "0,24,4,0"] {
            let rows = rows(&format!("{} --capacities 500,2k,4k --weights {weights}", path.display()));
            for capacity in [500, 2000, 4000] {
                let of =
                    |policy: &str| rows.iter().find(|r| r.policy == policy && r.capacity_blocks == capacity).unwrap();
                let (device, lru) = (of("device"), of("LRU"));
                let enough = match weights {
                    "1,24,4,0" => device.hit_pct >= lru.hit_pct - 0.3,
                    // Each policy that the bad weights spoil can fail once before the guard knows.
                    _ => device.hit_pct >= lru.hit_pct - 1.0,
                };
                assert!(enough, "{workload} {weights} {capacity}: device {}, LRU {}", device.hits, lru.hits);
            }
        }
    }
}
