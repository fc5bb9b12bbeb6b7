//! The prefetch report end to end: tiny traces whose counts and stalls are computed by hand, and what must hold on any.

#![allow(clippy::unwrap_used)]

use clap::Parser;
use kvcpu_driver::{Counters, Device};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::{Backing, Geometry};
use kvctl::replay::prefetch::Prefetch;
use kvctl::replay::{Args, Engine, Report, SAMPLE, Script, replay};
use kvctl::trace::{ReadOptions, read};
use std::sync::Arc;
use std::time::Duration;

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
/// 64 MiB at 25 GB/s and 400 ns; at 3 GB/s and 100 us.
const FROM_T2_NS: u64 = 2_684_355 + 400;
const FROM_T3_NS: u64 = 22_369_622 + 100_000;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &str) -> Args {
    Line::parse_from(std::iter::once("replay").chain(line.split_whitespace())).args
}

fn run(line: &str) -> Report {
    let emulator = Emulator::new(Geometry::BOARD).unwrap();
    replay(&args(&format!("{line} --metadata-only --no-baselines")), Arc::new(emulator), DEADLINE).unwrap()
}

/// Replays requests of (ms, blocks).
fn play(requests: &[(u64, &[u64])], options: &str) -> Prefetch {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tiny.jsonl");
    let line = |(ms, ids): &(u64, &[u64])| {
        let tokens = 512 * ids.len();
        format!("{{\"timestamp\": {ms}, \"input_length\": {tokens}, \"output_length\": 1, \"hash_ids\": {ids:?}}}\n")
    };
    std::fs::write(&path, requests.iter().map(line).collect::<String>()).unwrap();
    let prefetch = run(&format!("{} {options}", path.display())).prefetch.unwrap();
    assert_eq!(prefetch.promotions_unseen, 0);
    prefetch
}

fn ns(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// On time, late, on demand, wasted; stall in ns, and all on demand.
fn account(report: &Prefetch) -> ([u64; 4], u64, u64) {
    let counts = [&report.on_time, &report.late, &report.on_demand, &report.wasted].map(|share| share.blocks);
    (counts, ns(report.stall.total_s), ns(report.stall_on_demand_only.total_s))
}

/// Block 1 is pushed down by 2, which is dead at once, and needed again at 10 s.
const RETURN: [(u64, &[u64]); 3] = [(0, &[1]), (1000, &[2]), (10_000, &[1])];

#[test]
fn a_step_ahead_is_on_time() {
    let report = play(&RETURN, "--t1 1 --t2 4 --hints dead,next-use --lookahead 1,1");
    assert_eq!(account(&report), ([1, 0, 0, 0], 0, FROM_T2_NS));
    assert_eq!((report.hits_below, report.promoted_ahead, report.saved_pct), (1, 1, 100.0));
    assert_eq!(report.lookahead_steps, [0, 1, 1, 1]);
    assert_eq!((report.channels.len(), report.channels[0].tier, report.channels[0].down_blocks), (1, 2, 1));
}

#[test]
fn at_the_last_moment_is_late() {
    for (tiers, transfer) in [("--t1 1 --t2 4", FROM_T2_NS), ("--t1 1 --t3 4", FROM_T3_NS)] {
        let report = play(&RETURN, &format!("{tiers} --hints dead,next-use --lookahead 0,0"));
        assert_eq!(account(&report), ([0, 1, 0, 0], transfer, transfer), "the step begins with the request");
    }
    // The request comes 20 ms into its step.
    let requests: [(u64, &[u64]); 3] = [(0, &[1]), (1000, &[2]), (10_020, &[1])];
    let report = play(&requests, "--t1 1 --t3 4 --hints dead,next-use --lookahead 0,0");
    assert_eq!(account(&report), ([0, 1, 0, 0], FROM_T3_NS - 20_000_000, FROM_T3_NS));
    // 20 ms ahead is late by 2.5 ms, 30 ms is not.
    let report = play(&requests, "--t1 1 --t3 4 --hints dead,next-use --lookahead 0,20ms --step-ms 10");
    assert_eq!(account(&report), ([0, 1, 0, 0], FROM_T3_NS - 20_000_000, FROM_T3_NS));
    let report = play(&requests, "--t1 1 --t3 4 --hints dead,next-use --lookahead 0,30ms --step-ms 10");
    assert_eq!(account(&report), ([1, 0, 0, 0], 0, FROM_T3_NS));
}

#[test]
fn without_a_hint_it_is_fetched_on_demand() {
    let report = play(&RETURN, "--t1 1 --t3 4 --hints next-use --coverage 0");
    assert_eq!(account(&report), ([0, 0, 1, 0], FROM_T3_NS, FROM_T3_NS));
    assert_eq!((report.promoted_ahead, report.saved_s, report.lookups), (0, 0.0, 0));
}

/// Two blocks of 3 MB that one request needs: the second stands in the queue for the first's 1 ms.
#[test]
fn a_request_waits_for_its_last_block() {
    let requests: [(u64, &[u64]); 3] = [(0, &[1, 2]), (1000, &[3, 4]), (5000, &[1, 2])];
    let options = "--t1 2 --t3 8 --hints next-use --coverage 0 --model-block-bytes 3000000";
    assert_eq!(account(&play(&requests, options)), ([0, 0, 2, 0], 2_100_000, 2_100_000));
}

/// Promoted at 5 s, pushed out by block 3 at 7 s, promoted again at 8 s.
#[test]
fn pushed_out_before_its_use_is_wasted() {
    let requests: [(u64, &[u64]); 4] = [(0, &[1]), (1000, &[2]), (7000, &[3]), (10_000, &[1])];
    let report = play(&requests, "--t1 1 --t2 4 --hints dead,next-use --lookahead 5,5");
    assert_eq!(account(&report), ([1, 0, 0, 1], 0, FROM_T2_NS));
    assert_eq!((report.promoted_ahead, report.wasted.pct), (2, 50.0));
}

#[test]
fn what_holds_of_every_report() {
    let tiers = ["--t1 64 --t2 128 --t3 512", "--t1 256 --t3 512", "--t0 32 --t1 64 --t2 512", "--t1 300 --t2 700"];
    let hints = ["next-use", "dead,next-use --coverage 0.5 --noise 4", "next-use --lies 0.3"];
    for (tiers, hints) in tiers.iter().flat_map(|tiers| hints.iter().map(move |hints| (tiers, hints))) {
        let line = format!("{tiers} --hints {hints} --lookahead 5,20");
        let report = run(&line);
        let first = usize::from(!tiers.contains("--t0"));
        let prefetch = report.prefetch.unwrap();
        let Prefetch { on_time, late, on_demand, wasted, .. } = prefetch;
        let below: u64 = report.hits_by_tier[first + 1..].iter().sum();
        assert_eq!(on_demand.blocks, below, "{line}");
        assert_eq!(on_time.blocks + late.blocks + on_demand.blocks, prefetch.hits_below, "{line}");
        assert_eq!(on_time.blocks + late.blocks + wasted.blocks, prefetch.promoted_ahead, "{line}");
        let promotions: u64 = report.counters.promotions.iter().sum();
        assert!(prefetch.promotions_unseen <= promotions / 1000, "{line}: {}", prefetch.promotions_unseen);
        // How many are in time with inexact hints is the scorer's business.
        assert!(prefetch.lookups > 0 && (*hints != "next-use" || on_time.blocks > 0), "{line}");
        let ahead: u64 = prefetch.channels.iter().map(|channel| channel.up_blocks).sum();
        assert_eq!(ahead, prefetch.promoted_ahead + on_demand.blocks, "{line}");
    }
}

/// Looking changes nothing but the counters of looks. In steps of a minute each has a request.
#[test]
fn watching_changes_no_decision() {
    let outcome = |watched: bool| {
        let args = args("--metadata-only --t1 128 --t2 256 --t3 512 --hints next-use --step-ms 60000 --lookahead 1,2");
        let reading = read(SAMPLE, &ReadOptions::default()).unwrap();
        let script = Script::new(&reading.trace, &args.play).unwrap();
        let emulator: Arc<dyn Backing> = Arc::new(Emulator::new(Geometry::BOARD).unwrap());
        let device = Device::probe(emulator).unwrap();
        let config = args.config(device.geometry());
        device.configure(config.clone()).unwrap();
        let mut engine = Engine::new(&device).unwrap();
        if watched {
            script.begin_prefetch_report(&mut engine, &config, 1).unwrap();
        }
        for (number, (_, chain)) in reading.trace.iter().enumerate() {
            script.request(&mut engine, number, chain).unwrap();
        }
        assert_eq!(watched, engine.seen().lookups > 0);
        let Counters { inserts, evictions, drops, promotions, move_bytes, sweeps, list_pops, .. } =
            device.counters().unwrap();
        assert!(promotions[3] > 0);
        (engine.tally.hits_by_tier, inserts, evictions, drops, promotions, move_bytes, sweeps, list_pops)
    };
    assert_eq!(outcome(true), outcome(false));
}

#[test]
fn the_report_appears_with_next_use_and_lower_tiers_only() {
    for line in ["--t1 64 --t2 512", "--t1 64 --t2 512 --hints dead", "--t1 512 --hints next-use"] {
        let report = run(line);
        assert!(report.prefetch.is_none(), "{line}");
        assert!(serde_json::to_value(&report).unwrap().get("prefetch").is_none(), "{line}");
        assert!(!report.to_string().contains("prefetch"), "{line}");
    }
}

#[test]
fn json_and_table_show_the_report() {
    let report = run("--t1 64 --t3 512 --hints next-use");
    let text = report.to_string();
    assert!(text.contains("prefetch, in a model with blocks of 64.00 MiB") && text.contains("on demand"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    let prefetch = json["prefetch"].as_object().unwrap();
    let members = [
        "channels",
        "hits_below",
        "late",
        "lookahead_steps",
        "lookups",
        "model_block_bytes",
        "on_demand",
        "on_time",
        "promoted_ahead",
        "promotions_unseen",
        "pushed_out",
        "saved_pct",
        "saved_s",
        "stall",
        "stall_on_demand_only",
        "wasted",
    ];
    assert_eq!(prefetch.keys().map(String::as_str).collect::<Vec<_>>(), members);
    assert_eq!(prefetch["lookahead_steps"], serde_json::json!([0, 2, 2, 3]));
    for share in ["on_time", "late", "on_demand", "wasted"] {
        let blocks = prefetch[share]["blocks"].as_u64().unwrap();
        assert_eq!(prefetch[share]["bytes"].as_u64().unwrap(), blocks << 26, "{share}");
        assert!((0.0..=100.0).contains(&prefetch[share]["pct"].as_f64().unwrap()), "{share}");
    }
    for stall in ["stall", "stall_on_demand_only"] {
        assert!(prefetch[stall]["total_s"].as_f64() >= prefetch[stall]["longest_s"].as_f64(), "{stall}");
    }
}
