//! `kvctl policy` and oracle hints: shape of the output, the device's row against a replay, halves against a plain
//! model, hints against the future they are derived from.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod cli_common;
mod policy_common;

use cli_common::kvctl;
use kvctl::baseline::{Lru, run, run_warm};
use kvctl::policy::{PolicyError, Row};
use kvctl::replay::ReplayError;
use kvctl::trace::Trace;
use policy_common::*;

#[test]
fn json_is_one_array_of_rows_whose_first_members_are_promised() {
    let said = kvctl(&["policy", "--json", "--capacities", "600,300"]).good();
    let promised = r#"[{"trace":"bundled sample","policy":"FIFO","capacity_blocks":300,"hints":"none","hit_pct":"#;
    assert!(said.out.starts_with(promised), "{}", said.out);
    assert!(said.out.contains(r#","gap_closed_pct":0.0,"hits":"#), "LRU closes nothing");
    let rows = said.json();
    let rows = rows.as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["policy"].as_str().unwrap()).collect();
    let each = ["FIFO", "LRU", "ARC", "S3-FIFO", "SIEVE", "device", "Belady"];
    assert_eq!(names, each.iter().flat_map(|name| [*name; 2]).collect::<Vec<_>>());
    for row in rows {
        assert_eq!((&row["references"], &row["half"]), (&14_163.into(), &"all".into()));
        let share = row["hits"].as_f64().unwrap() / 141.63;
        assert!((row["hit_pct"].as_f64().unwrap() - share).abs() < 1e-9);
    }
    // Everything fits: LRU is as good as Belady, so that there is no gap to close.
    let row = &rows_of_all_blocks()[0];
    assert_eq!((row.policy, row.gap_closed_pct), ("device", None));
}

fn rows_of_all_blocks() -> Vec<Row> {
    rows("--capacities 6k").into_iter().filter(|row| row.policy == "device").collect()
}

#[test]
fn the_table_has_a_row_for_each_policy_and_the_gap() {
    let said = kvctl(&["policy", "--capacities", "300,600", "--limit", "100", "--hints", "dead"]).good();
    for word in ["100 requests", "FIFO", "SIEVE", "device, oracle hints", "Belady", "gap closed, %", "300", "600"] {
        assert!(said.out.contains(word), "{word} in {}", said.out);
    }
    assert!(said.out.contains("dead coverage=1 noise=1 seed=1 (oracle)"));
    let said = kvctl(&["policy", "--capacities", "300", "--no-baselines"]).good();
    assert!(said.out.contains("device") && !said.out.contains("LRU") && !said.out.contains("gap"), "{}", said.out);
}

#[test]
fn the_device_is_a_replay_without_bytes_in_t1() {
    let hinted = ["", "--hints dead,next-use --coverage 0.5 --noise 4 --lies 0.1 --weights 8,4,32,0 --seed 3"];
    for (options, capacity) in hinted.into_iter().zip(["300", "600"]) {
        let options: Vec<_> = options.split_whitespace().collect();
        let swept = kvctl(&[&["policy", "--json", "--capacities", capacity, "--no-baselines"], &options[..]].concat());
        let replayed = ["replay", "--json", "--metadata-only", "--t1", capacity, "--no-baselines"];
        let (swept, replayed) = (swept.good().json(), kvctl(&[&replayed, &options[..]].concat()).good().json());
        for member in ["hits", "hit_pct", "hints", "references"] {
            assert_eq!(swept[0][member], replayed[member], "{member} {options:?}");
        }
    }
}

#[test]
fn several_traces_come_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&a, jsonl(&[&[1, 2], &[1, 2]])).unwrap();
    std::fs::write(&b, jsonl(&[&[1, 2, 3], &[1, 2, 3], &[1, 2, 3]])).unwrap();
    let rows = rows(&format!("{b} {a} {b} --capacities 1,2"));
    let names: Vec<_> = rows.iter().filter(|row| row.policy == "device").map(|row| &row.trace).collect();
    assert_eq!(names, [&b, &b, &a, &a, &b, &b]);
    assert_eq!(hits(&rows, "Belady"), [2, 4, 1, 2, 2, 4]);
}

/// LRU over a plain vector, oldest first; hits of the requests from `warm` on.
fn naive_lru(trace: &Trace, capacity: usize, warm: usize) -> u64 {
    let mut order: Vec<u64> = Vec::new();
    let mut hits = 0;
    for (number, (_, chain)) in trace.iter().enumerate() {
        let run = chain.iter().take_while(|b| order.contains(b)).count();
        hits += if number < warm { 0 } else { run as u64 };
        for block in chain.iter().rev() {
            order.retain(|b| b != block);
            order.push(*block);
        }
        order.drain(..order.len().saturating_sub(capacity));
    }
    hits
}

#[test]
fn the_second_half_counts_after_the_first_has_warmed_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small").display().to_string();
    let chains: [&[u64]; 7] = [&[1, 2, 3], &[4, 5], &[1, 2, 6], &[4, 5, 7], &[1, 2, 3], &[8], &[4, 5]];
    std::fs::write(&path, jsonl(&chains)).unwrap();
    let trace = trace(&chains);
    for capacity in 1..8 {
        let rows = rows(&format!("{path} --capacities {capacity} --half second"));
        let expected = naive_lru(&trace, capacity, 3);
        assert_eq!(hits(&rows, "LRU"), [expected], "{capacity}");
        assert!(rows.iter().all(|row| row.references == 9 && row.half == "second"));
        assert!(rows.iter().all(|row| row.hits <= hits(&rows, "Belady")[0]));
        let (dense, mut lru) = (trace.dense(), Lru::new(capacity, trace.unique()));
        assert_eq!(run_warm(&mut lru, &dense, 3).hits as u64, expected);
        let all = run(&mut Lru::new(capacity, trace.unique()), &dense).hits as u64;
        assert_eq!(all, naive_lru(&trace, capacity, 0));
    }
    // Whatever is cached: the device's halves add up to the whole.
    let (all, second) = (device_hits("--capacities 600"), device_hits("--capacities 600 --half second"));
    let first = device_hits("--capacities 600 --limit 325");
    assert_eq!(all[0], first[0] + second[0]);
    std::fs::write(&path, jsonl(&[&[1]])).unwrap();
    let error = try_rows(&format!("{path} --half second")).unwrap_err().to_string();
    assert!(error.contains("--half"), "{error}");
}

#[test]
fn mistyped_options_say_what_they_take() {
    let refused = |words: &[&str], text: &str| kvctl(&[&["policy"], words].concat()).refused(2, text);
    refused(&["--capacities", "0"], "at least 1");
    refused(&["--capacities", "1k,4q"], "thousands of them (4k)");
    refused(&["--half", "first"], "possible values: all, second");
    refused(&["--hints", "hot"], "possible values: dead, next-use");
    refused(&["--hints", "dead", "--coverage", "1.5"], "a share is 0 to 1");
    refused(&["--hints", "dead", "--coverage", "NaN"], "a share is 0 to 1");
    refused(&["--hints", "dead", "--noise", "0.5"], "at least 1");
    refused(&["--hints", "dead", "--noise", "inf"], "at least 1");
    refused(&["--hints", "dead", "--lies-dead", "1"], "stay below 1");
    refused(&["--hints", "dead", "--lies", "much"], "write for example 0.5");
    for option in ["--coverage", "--lies-dead", "--seed"] {
        let said = kvctl(&["policy", option, "0"]);
        said.refused(2, "required arguments were not provided");
        assert!(said.err.contains("--hints <KINDS>"), "{}", said.err);
    }
}

#[test]
fn what_cannot_be_played_says_why() {
    let refused = |words: &[&str], text: &str| {
        let said = kvctl(&[&["policy", "--json"], words].concat());
        said.refused(1, text);
        assert!(said.json()["error"].as_str().unwrap().contains(text));
    };
    // 95% of the 1,024 entries of the test geometry.
    refused(&["--capacities", "973"], "at most 972");
    refused(&["--capacities", "10", "--hints", "next-use", "--lies-dead", "0.1"], "add dead to --hints");
    refused(&["--capacities", "10", "--hints", "dead", "--lies-next-use", "0.1"], "add next-use to --hints");
    refused(&["--capacities", "10", "--hints", "dead", "--lies", "0.99"], "ask for at most");
    refused(&["--capacities", "10", "/no/such/trace"], "/no/such/trace");
    refused(&["--capacities", "10", "--html", "/no/such/page.html"], "/no/such/page.html");
    kvctl(&["policy", "--capacities", "972", "--limit", "10", "--no-baselines"]).good();
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.jsonl").display().to_string();
    std::fs::write(&bad, jsonl(&[&[1, 2]]) + "{}\n").unwrap();
    refused(&["--capacities", "10", &bad], "bad.jsonl");
    refused(&["--capacities", "10", &bad], "line 2");
    let said = kvctl(&["policy", "--capacities", "10", "--skip-bad", &bad]).good();
    assert!(said.out.contains("1 bad line"), "{}", said.out);
    let error = try_rows("--step-ms 1 --capacities 60_000 --hints dead --lies 0.9").unwrap_err();
    assert!(matches!(error, PolicyError::Trace { source: ReplayError::Hint(_), .. }), "{error}");
}

#[test]
fn the_page_has_a_plot_for_each_trace_and_names_the_hints() {
    let folder = tempfile::tempdir().unwrap();
    let (a, page) = (folder.path().join("a<b>"), folder.path().join("page.html"));
    std::fs::write(&a, jsonl(&[&[1, 2], &[1, 2]])).unwrap();
    let (a, to) = (a.display().to_string(), page.display().to_string());
    let rows = rows(&format!("{a} {a} --capacities 1,5 --hints dead,next-use --html {to}"));
    let page = std::fs::read_to_string(&page).unwrap();
    assert_eq!(page.matches("<svg role=\"img\"").count(), 2);
    assert!(page.contains("a&lt;b&gt;") && !page.contains("a<b>") && !page.contains("this replay"));
    assert!(page.contains("dead,next-use coverage=1 noise=1 seed=1 (oracle)"));
    let device = rows.iter().find(|row| row.policy == "device").unwrap();
    assert!(page.contains(&format!("<td>{:.2}</td>", device.hit_pct)));
    for outside in ["<script", "<link", "src=", "url("] {
        assert!(!page.contains(outside), "the page reaches for {outside}");
    }
}

#[test]
fn a_replay_says_which_hints_it_gave() {
    let base = ["replay", "--t1", "300", "--t2", "300", "--limit", "200", "--no-baselines"];
    let hints = ["--hints", "dead,next-use", "--noise", "2"];
    let label = "dead,next-use coverage=1 noise=2 seed=1 (oracle)";
    let plain = kvctl(&[&base[..], &["--json"]].concat()).good().json();
    let hinted = kvctl(&[&base[..], &hints, &["--json"]].concat()).good().json();
    assert_eq!((&plain["hints"], &hinted["hints"]), (&"none".into(), &label.into()));
    assert!(hinted["hits"].as_u64() > plain["hits"].as_u64(), "{} {}", hinted["hits"], plain["hits"]);
    assert!(kvctl(&[&base[..], &hints].concat()).good().out.contains(label));
    kvctl(&["replay", "--hints", "dead", "--lies-next-use", "0.5"]).refused(1, "add next-use to --hints");
}
