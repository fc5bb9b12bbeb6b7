//! `kvctl policy --tune`: the firmware's tuning of the weights beside the device.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod cli_common;
mod policy_common;

use cli_common::kvctl;
use kvctl::policy::Row;
use kvctl::trace::generate::{Params, Workload, generate};
use kvctl::trace::write;
use policy_common::*;

const BAD: [&str; 4] = ["1,255,255,255", "255,24,4,0", "255,255,255,255", "0,24,4,0"];

fn device(line: &str) -> Vec<Row> {
    rows(&format!("--no-baselines --capacities 500,2k {line}"))
}

#[test]
fn bad_weights_recover_to_the_defaults_and_tuning_is_never_much_below_lru() {
    for workload in [Workload::Chat, Workload::Mixed] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace.jsonl");
        let made = generate(&Params::new(workload, 5, 2000)).unwrap();
        write(&made, &mut std::fs::File::create(&path).unwrap()).unwrap();
        let path = path.display();
        let (defaults, lru) = (device(&format!("{path}")), device(&format!("{path} --fixed-policy 0")));
        let better = |cell: usize| defaults[cell].hit_pct.max(lru[cell].hit_pct);
        for (cell, row) in device(&format!("{path} --tune")).iter().enumerate() {
            assert!(row.hit_pct >= better(cell) - 0.3, "{workload} {row:?}");
        }
        let late_lru = device(&format!("{path} --half second --fixed-policy 0"));
        for weights in BAD {
            for (cell, row) in device(&format!("{path} --tune --weights {weights}")).iter().enumerate() {
                assert!(row.hit_pct >= better(cell) - 1.0, "{workload} {weights} {row:?}");
                let tuned = row.tuned.unwrap();
                assert!(tuned.weight_changes >= 1 && tuned.final_weights[0] == 1 && tuned.final_weights[3] == 0);
            }
            // In the middle of its life the guard remembers how bad the policies were, for some 16 capacities: it keeps to
            // LRU meanwhile, so that the defaults may be better for a while.
            let late = format!("{path} --half second --weights {weights}");
            let tuned = device(&format!("{late} --tune --tune-after 1000"));
            for (row, lru) in tuned.iter().zip(&late_lru) {
                assert!(row.hit_pct >= lru.hit_pct - 1.0, "{workload} {weights} {row:?} {lru:?}");
            }
        }
    }
}

#[test]
fn json_says_what_tuning_did_only_where_it_ran() {
    let line = ["policy", "--json", "--capacities", "300", "--weights", "0,24,4,0", "--limit", "50"];
    let plain = kvctl(&line).good().json();
    assert!(plain.as_array().unwrap().iter().all(|row| row.get("weight_changes").is_none()));
    let tuned = kvctl(&[&line[..], &["--tune", "--tune-window", "255"]].concat()).good().json();
    for row in tuned.as_array().unwrap() {
        let expected = (row["policy"] == "device").then_some((1.into(), serde_json::json!([1, 24, 4, 0]), 1.into()));
        let found = row
            .get("weight_changes")
            .map(|n| (n.clone(), row["final_weights"].clone(), row["last_change"].clone()));
        assert_eq!(found, expected, "{row}");
    }
    kvctl(&["policy", "--tune-window", "16"]).refused(2, "required arguments were not provided");
    kvctl(&["policy", "--tune", "--tune-window", "3"]).refused(2, "4..=255");
}
