//! `kvctl policy` and oracle hints: shape of the output, the device's row against a replay, halves against a plain
//! model, hints against the future they are derived from.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod cli_common;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser;
use cli_common::kvctl;
use kvctl::baseline::{Lru, run, run_warm};
use kvctl::device::DeviceArgs;
use kvctl::hint::{Hint, HintError, Knowledge, Oracle, Told, sessions};
use kvctl::policy::{Args, PolicyError, Row, policy};
use kvctl::replay::{ReplayError, SAMPLE};
use kvctl::trace::generate::{Params, Workload, generate};
use kvctl::trace::{ReadOptions, Trace, read, write};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn try_rows(line: &str) -> Result<Vec<Row>, PolicyError> {
    let args = Line::parse_from(std::iter::once("policy").chain(line.split_whitespace())).args;
    policy(&args, &DeviceArgs::default()).map(|sweep| sweep.rows())
}

fn rows(line: &str) -> Vec<Row> {
    try_rows(line).unwrap()
}

/// The hits of one policy, by capacity.
fn hits(rows: &[Row], policy: &str) -> Vec<u64> {
    rows.iter().filter(|row| row.policy == policy).map(|row| row.hits).collect()
}

fn device_hits(line: &str) -> Vec<u64> {
    hits(&rows(&format!("--no-baselines {line}")), "device")
}

/// JSONL of one request a second for each chain.
fn jsonl(chains: &[&[u64]]) -> String {
    chains.iter().enumerate().fold(String::new(), |mut text, (second, ids)| {
        let (ms, tokens) = (second * 1000, ids.len());
        writeln!(text, r#"{{"timestamp":{ms},"input_length":{tokens},"output_length":1,"hash_ids":{ids:?}}}"#).unwrap();
        text
    })
}

fn trace(chains: &[&[u64]]) -> Trace {
    read(jsonl(chains).as_bytes(), &ReadOptions::default()).unwrap().trace
}

fn sample() -> Trace {
    read(SAMPLE, &ReadOptions::default()).unwrap().trace
}

/// A step a second, as `--step-ms` has it if left out.
fn steps(trace: &Trace) -> Vec<u32> {
    trace.requests().iter().map(|request| (request.timestamp_ms / 1000) as u32).collect()
}

const PERFECT: Knowledge =
    Knowledge { dead: true, next_use: true, coverage: 1.0, noise: 1.0, lies_dead: 0.0, lies_next_use: 0.0, seed: 1 };

/// All hints of a trace, by request.
fn told(trace: &Trace, knowledge: Knowledge) -> Vec<Vec<Told>> {
    let oracle = Oracle::new(trace, &steps(trace), knowledge).unwrap();
    trace.iter().enumerate().map(|(number, (_, chain))| oracle.after(number, chain)).collect()
}

/// For each reference the request that uses its block next, found by looking.
fn next_use(trace: &Trace, number: usize, tag: u64) -> Option<usize> {
    let later = trace.iter().enumerate().skip(number + 1);
    later.into_iter().find(|(_, (_, chain))| chain.contains(&tag)).map(|(next, _)| next)
}

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
fn perfect_hints_help_and_never_beat_belady() {
    let (capacities, weights) = ("--capacities 250,1k,2k", "--weights 8,4,32,0");
    let plain = rows(&format!("{capacities} {weights}"));
    let (without, best) = (hits(&plain, "device"), hits(&plain, "Belady"));
    for kinds in ["dead", "next-use", "dead,next-use"] {
        let with = device_hits(&format!("{capacities} {weights} --hints {kinds}"));
        assert!(with.iter().zip(&without).all(|(with, without)| with > without), "{kinds}: {with:?}, {without:?}");
        assert!(with.iter().zip(&best).all(|(with, best)| with <= best), "{kinds}: {with:?}, {best:?}");
    }
}

#[test]
fn a_runtime_that_knows_no_session_says_nothing() {
    assert!(told(&sample(), Knowledge { coverage: 0.0, ..PERFECT }).iter().all(Vec::is_empty));
    let none = device_hits("--capacities 500,1k");
    assert_eq!(device_hits("--capacities 500,1k --hints dead,next-use --coverage 0"), none);
}

#[test]
fn hints_follow_from_the_seed() {
    let some = |seed| Knowledge { coverage: 0.5, noise: 4.0, lies_dead: 0.1, lies_next_use: 0.1, seed, ..PERFECT };
    let trace = sample();
    assert_eq!(told(&trace, some(7)), told(&trace, some(7)));
    assert_ne!(told(&trace, some(7)), told(&trace, some(8)));
    let line = "--capacities 500,1k --hints dead,next-use --coverage 0.5 --noise 4 --seed";
    assert_eq!(rows(&format!("{line} 7")), rows(&format!("{line} 7")));
    assert_ne!(device_hits(&format!("{line} 7")), device_hits(&format!("{line} 8")));
}

#[test]
fn more_coverage_adds_hints_and_changes_none() {
    let trace = sample();
    let by_share = [0.25, 0.5, 1.0].map(|coverage| told(&trace, Knowledge { coverage, noise: 4.0, ..PERFECT }));
    let given = by_share.each_ref().map(|all| all.iter().map(Vec::len).sum::<usize>());
    assert!(given[0] < given[1] && given[1] < given[2], "{given:?}");
    assert_eq!(given[2], trace.references());
    for (fewer, more) in by_share.iter().zip(&by_share[1..]) {
        assert!(fewer.iter().zip(more).all(|(fewer, more)| fewer.is_empty() || fewer == more));
    }
}

#[test]
fn perfect_hints_are_the_future() {
    let chains: [&[u64]; 4] = [&[1, 2, 3], &[9], &[1, 2, 4], &[1, 2, 3]];
    let dead = |tag| Told { tag, hint: Hint::Dead };
    let next = |tag, step| Told { tag, hint: Hint::NextUse(step) };
    let trace = trace(&chains);
    let expected = [
        vec![next(1, 2), next(2, 2), next(3, 3)],
        vec![dead(9)],
        vec![next(1, 3), next(2, 3), dead(4)],
        vec![dead(1), dead(2), dead(3)],
    ];
    assert_eq!(told(&trace, PERFECT), expected);
    let only_dead = told(&trace, Knowledge { next_use: false, ..PERFECT });
    assert_eq!(only_dead, [vec![], vec![dead(9)], vec![dead(4)], vec![dead(1), dead(2), dead(3)]]);
    let only_next = told(&trace, Knowledge { dead: false, ..PERFECT });
    assert_eq!(only_next[2..], [vec![next(1, 3), next(2, 3)], vec![]]);
}

#[test]
fn noise_is_one_factor_for_a_request_either_way() {
    let trace = sample();
    let at = steps(&trace);
    let noise = 4.0;
    let [mut longer, mut all] = [0_usize; 2];
    let pairs = told(&trace, PERFECT).into_iter().zip(told(&trace, Knowledge { noise, ..PERFECT }));
    for (number, (exact, noisy)) in pairs.enumerate() {
        let distance = |told: &Told| match told.hint {
            Hint::NextUse(step) => Some(f64::from(step - at[number])),
            Hint::Dead => None,
        };
        // The factors that rounding leaves open, for each block; one of them must do for all.
        let (mut least, mut most) = (1.0 / noise, noise);
        for (exact, noisy) in exact.iter().zip(&noisy) {
            assert_eq!(distance(exact).is_none(), distance(noisy).is_none());
            let (Some(exact), Some(noisy)) = (distance(exact), distance(noisy)) else { continue };
            if exact == 0.0 {
                assert_eq!(noisy, 0.0);
                continue;
            }
            (least, most) = (f64::max(least, (noisy - 0.5) / exact), f64::min(most, (noisy + 0.5) / exact));
        }
        assert!(least <= most + 1e-9, "request {number}: {least} to {most}");
        if most < 1.0 || least > 1.0 {
            all += 1;
            longer += usize::from(least > 1.0);
        }
    }
    let share = longer as f64 / all as f64;
    assert!(all > 200 && (share - 0.5).abs() < 0.1, "{longer} of {all} longer");
}

/// Share of the DEAD hints that name a block which is used again, and their number.
fn wrong_dead(trace: &Trace, knowledge: Knowledge) -> (f64, usize) {
    let (mut dead, mut wrong) = (0_usize, 0_usize);
    for (number, told) in told(trace, knowledge).iter().enumerate() {
        for Told { tag, .. } in told.iter().filter(|told| told.hint == Hint::Dead) {
            dead += 1;
            wrong += usize::from(next_use(trace, number, *tag).is_some());
        }
    }
    (wrong as f64 / dead as f64, wrong)
}

#[test]
fn as_many_dead_hints_are_wrong_as_was_asked() {
    let trace = sample();
    for coverage in [0.5, 1.0] {
        for lies_dead in [0.0, 0.1, 0.5] {
            for next_use in [false, true] {
                let (share, wrong) = wrong_dead(&trace, Knowledge { lies_dead, coverage, next_use, ..PERFECT });
                // A draw is for a request, so that the share spreads as that of its 650 requests.
                assert!((share - lies_dead).abs() < 0.05, "{wrong} wrong, {share} of all, {lies_dead} asked");
            }
        }
    }
    let all = Oracle::new(&trace, &steps(&trace), Knowledge { lies_dead: 0.99, ..PERFECT }).unwrap_err();
    assert!(matches!(all, HintError::TooManyLies { .. }), "{all}");
    let told = all.to_string();
    assert!(told.contains("--lies-dead 0.99") && told.contains("at most 0.6"), "{told}");
}

#[test]
fn next_use_lies_name_any_step_of_the_trace() {
    let trace = sample();
    let (exact, lies) = (told(&trace, PERFECT), told(&trace, Knowledge { lies_next_use: 0.2, ..PERFECT }));
    let (at, last) = (steps(&trace), *steps(&trace).last().unwrap());
    let (mut all, mut wrong, mut short) = (0_usize, 0_usize, 0_usize);
    for (number, (exact, lies)) in exact.iter().zip(&lies).enumerate() {
        for (exact, lie) in exact.iter().zip(lies) {
            let Hint::NextUse(step) = lie.hint else { continue };
            all += 1;
            if exact != lie {
                let distance = step - at[number];
                assert!((1..=last).contains(&distance), "{distance}");
                wrong += 1;
                short += usize::from(f64::from(distance) < f64::from(last).sqrt());
            }
        }
    }
    let share = wrong as f64 / all as f64;
    // A few lies happen to be true.
    assert!((0.18..0.21).contains(&share), "{share}");
    // Half of the magnitudes lie below the geometric middle.
    assert!((0.4..0.6).contains(&(short as f64 / wrong as f64)), "{short} of {wrong}");
}

fn sessions_of(chains: &[&[u64]]) -> Vec<u32> {
    sessions(&trace(chains).dense())
}

#[test]
fn a_turn_goes_on_from_the_end_of_the_turn_before() {
    // Full last block; a partly filled one, replaced; the same once more; the request sent again.
    assert_eq!(sessions_of(&[&[1, 2], &[1, 2, 3]]), [0, 0]);
    assert_eq!(sessions_of(&[&[1, 2, 30], &[1, 2, 3, 40], &[1, 2, 3, 4, 5]]), [0, 0, 0]);
    assert_eq!(sessions_of(&[&[1, 2, 3], &[1, 2, 3]]), [0, 0]);
    // Sessions that take turns.
    assert_eq!(sessions_of(&[&[1, 2], &[11, 12], &[1, 2, 3], &[11, 12, 13]]), [0, 1, 0, 1]);
}

#[test]
fn a_shared_prefix_is_no_session() {
    // Long prompts behind a system prompt.
    assert_eq!(sessions_of(&[&[1, 2, 3, 4], &[1, 12, 13, 14], &[1, 2, 3, 4, 5], &[1, 12, 13, 14, 15]]), [0, 1, 0, 1]);
    // Short ones: the first looks like a turn that left its last block behind, and no other does.
    assert_eq!(sessions_of(&[&[1, 2], &[1, 3], &[1, 4], &[1, 5]]), [0, 0, 2, 3]);
    // Nothing in common.
    assert_eq!(sessions_of(&[&[1, 2], &[3, 4]]), [0, 1]);
}

#[test]
fn a_second_branch_is_a_session_of_its_own() {
    // Another answer to turn 1, after turn 2.
    assert_eq!(sessions_of(&[&[1, 2], &[1, 2, 3, 4], &[1, 2, 5, 6], &[1, 2, 3, 4, 7]]), [0, 0, 2, 0]);
    // Turn 1 again, after turn 2.
    assert_eq!(sessions_of(&[&[1, 2], &[1, 2, 3, 4], &[1, 2]]), [0, 0, 2]);
}

#[test]
fn a_covered_session_is_covered_whole() {
    let trace = sample();
    let sessions = sessions(&trace.dense());
    let told = told(&trace, Knowledge { coverage: 0.5, ..PERFECT });
    let covered: HashSet<u32> =
        sessions.iter().zip(&told).filter(|(_, told)| !told.is_empty()).map(|(s, _)| *s).collect();
    for (number, (session, told)) in sessions.iter().zip(&told).enumerate() {
        assert_eq!(!told.is_empty(), covered.contains(session), "request {number} of session {session}");
    }
    let all: HashSet<_> = sessions.into_iter().collect();
    let share = covered.len() as f64 / all.len() as f64;
    assert!((share - 0.5).abs() < 0.1, "{share}");
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

#[test]
fn perfect_hints_close_most_of_the_gap_on_the_conversation_trace() {
    let Some(path) = conversation() else { return };
    let rows = rows(&format!("{} --capacities 4k --hints dead,next-use --weights 8,4,32,0", path.display()));
    let gap = rows.iter().find(|row| row.policy == "device").and_then(|row| row.gap_closed_pct).unwrap();
    assert!((60.0..=100.0).contains(&gap), "{gap}");
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
        for weights in ["1,24,4,0", "1,255,255,255"] {
            let rows = rows(&format!("{} --capacities 500,2k,4k --weights {weights}", path.display()));
            for capacity in [500, 2000, 4000] {
                let of =
                    |policy: &str| rows.iter().find(|r| r.policy == policy && r.capacity_blocks == capacity).unwrap();
                let (device, lru) = (of("device"), of("LRU"));
                let enough = match weights {
                    // A short trace pays for a policy that stopped being right, here a loop's, at once.
                    "1,24,4,0" => device.hit_pct >= lru.hit_pct - 0.5,
                    // Each policy that the bad weights spoil can fail once before the guard knows.
                    _ => device.hit_pct >= lru.hit_pct - 4.0,
                };
                assert!(enough, "{workload} {weights} {capacity}: device {}, LRU {}", device.hits, lru.hits);
            }
        }
    }
}
