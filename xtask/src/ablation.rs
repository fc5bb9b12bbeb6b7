//! `cargo xtask ablation`: what each part of the eviction policy is worth, as the tables of docs/hepc.md.
//!
//! Every row is `kvctl policy` with something taken away, halved or doubled, on the conversation trace (the bundled
//! sample without it) and on one made trace of each workload, with a seed that no default was chosen on.

use crate::bench;
use crate::process::{cargo, run as run_command};
use crate::workspace;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Capacities in blocks.
const CAPACITIES: &str = "1k,4k,16k";
/// The workloads of `kvctl trace gen`.
const WORKLOADS: [&str; 8] = ["chat", "agent", "rag", "mixed", "drift", "batch", "scan", "loop"];
/// Requests of a made trace, and its seed.
const MADE: [&str; 4] = ["--requests", "12000", "--seed", "4711"];

/// Without hints: a row's name, and what is different in it.
const UNHINTED: [(&str, &[&str]); 17] = [
    ("defaults", &[]),
    ("LRU: policy 0", &["--fixed-policy", "0"]),
    ("recency and probation: policy 1", &["--fixed-policy", "1"]),
    ("guard off, policy 2", &["--fixed-policy", "2"]),
    ("guard off, policy 3", &["--fixed-policy", "3"]),
    ("guard off, policy 4", &["--fixed-policy", "4"]),
    ("guard off, policy 5", &["--fixed-policy", "5"]),
    ("R off (WR 0)", &["--weights", "0,24,3,0"]),
    ("R doubled (F, S halved beside it)", &["--weights", "2,24,4,0"]),
    ("F off (WF 0)", &["--weights", "1,0,3,0"]),
    ("F halved (WF 12)", &["--weights", "1,12,4,0"]),
    ("F doubled (WF 48)", &["--weights", "1,48,4,0"]),
    ("F at most (WF 255)", &["--weights", "1,255,3,0"]),
    ("branch bit on, WD 2", &["--weights", "1,24,4,2"]),
    ("branch bit on, WD 4", &["--weights", "1,24,4,4"]),
    ("branch bit on, WD 8", &["--weights", "1,24,4,8"]),
    ("bad weights (WR 1, the rest 255)", &["--weights", "1,255,255,255"]),
];

/// With hints.
const HINTED: [(&str, &[&str]); 16] = [
    ("no hints", &[]),
    ("dead", &["--hints", "dead"]),
    ("next-use", &["--hints", "next-use"]),
    ("both", &["--hints", "dead,next-use"]),
    ("both, S off (WS 0)", &["--hints", "dead,next-use", "--weights", "1,24,0,0"]),
    ("both, S halved (WS 2)", &["--hints", "dead,next-use", "--weights", "1,24,2,0"]),
    ("both, S doubled (WS 8)", &["--hints", "dead,next-use", "--weights", "1,24,8,0"]),
    ("50% of sessions", &["--hints", "dead,next-use", "--coverage", "0.5"]),
    ("50%, noise 4", &["--hints", "dead,next-use", "--coverage", "0.5", "--noise", "4"]),
    ("25%, noise 4", &["--hints", "dead,next-use", "--coverage", "0.25", "--noise", "4"]),
    ("5% of DEAD wrong", &["--hints", "dead,next-use", "--lies-dead", "0.05"]),
    ("10% of DEAD wrong", &["--hints", "dead,next-use", "--lies-dead", "0.1"]),
    ("20% of DEAD wrong", &["--hints", "dead,next-use", "--lies-dead", "0.2"]),
    ("25% of next uses random", &["--hints", "dead,next-use", "--lies-next-use", "0.25"]),
    ("50% of next uses random", &["--hints", "dead,next-use", "--lies-next-use", "0.5"]),
    ("all next uses random", &["--hints", "dead,next-use", "--lies-next-use", "1"]),
];

/// Capacities of the table of tuning.
const TUNING_CAPACITIES: &str = "1k,2k,4k,8k,16k,32k";

/// The weights as they are and tuned: the first two are what tuning must not fall behind, the third is what is measured.
const TUNING: [(&str, &[&str]); 8] = [
    ("defaults", &[]),
    ("LRU: policy 0", &["--fixed-policy", "0"]),
    ("tuned", &["--tune"]),
    ("tuned from 1,255,255,255", &["--tune", "--weights", "1,255,255,255"]),
    ("tuned from 255,24,4,0", &["--tune", "--weights", "255,24,4,0"]),
    ("tuned from 255,255,255,255", &["--tune", "--weights", "255,255,255,255"]),
    ("tuned from WR 0", &["--tune", "--weights", "0,24,4,0"]),
    ("tuned from WF 96", &["--tune", "--weights", "1,96,4,0"]),
];

/// Bad weights for the first half of the requests, then tuning: hits of the second half.
const TUNING_LATE: [(&str, &[&str]); 5] = [
    ("defaults", &["--half", "second"]),
    (
        "1,255,255,255, then tuned",
        &["--half", "second", "--tune", "--tune-after", "6000", "--weights", "1,255,255,255"],
    ),
    ("255,24,4,0, then tuned", &["--half", "second", "--tune", "--tune-after", "6000", "--weights", "255,24,4,0"]),
    (
        "255,255,255,255, then tuned",
        &["--half", "second", "--tune", "--tune-after", "6000", "--weights", "255,255,255,255"],
    ),
    ("WR 0, then tuned", &["--half", "second", "--tune", "--tune-after", "6000", "--weights", "0,24,4,0"]),
];

/// Options of the verb.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The tables of docs/firmware.md instead: the weights tuned by the firmware
    #[arg(long)]
    tuning: bool,
}

/// The members of `kvctl policy --json` that matter here.
#[derive(Deserialize)]
struct Row {
    trace: String,
    policy: String,
    hit_pct: f64,
}

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = workspace::root()?;
    run_command(cargo().current_dir(&root).args(["build", "--release", "--package", "kvctl"]))?;
    let kvctl = workspace::metadata(&root)?.target_directory.join("release/kvctl").into_std_path_buf();
    let scratch = tempfile::tempdir().context("cannot make a directory for the traces")?;
    let mut traces = vec![bench::trace(&root)?];
    for workload in WORKLOADS {
        let path = scratch.path().join(format!("{workload}.jsonl"));
        run_command(
            Command::new(&kvctl)
                .args(["trace", "gen", "--workload", workload, "-o"])
                .arg(&path)
                .args(MADE),
        )?;
        traces.push(path);
    }
    if options.tuning {
        let found = rows(&kvctl, &traces, &TUNING, TUNING_CAPACITIES)?;
        println!("\nTuning, hit % at {TUNING_CAPACITIES}:\n\n{}", table(&traces, &found) + &margins(&found));
        let found = rows(&kvctl, &traces, &TUNING_LATE, TUNING_CAPACITIES)?;
        println!("Tuning from the middle on, hit % of the second half:\n\n{}", table(&traces, &found));
        return Ok(());
    }
    let unhinted = rows(&kvctl, &traces, &UNHINTED, CAPACITIES)?;
    println!("\nWithout hints, hit % at {CAPACITIES}:\n\n{}", table(&traces, &unhinted));
    let hinted = rows(&kvctl, &traces[..1], &HINTED, CAPACITIES)?;
    println!("Oracle hints on the first trace, hit % at {CAPACITIES}:\n\n{}", table(&traces[..1], &hinted));
    Ok(())
}

/// A row of a table: its name, and the hit % of each trace at each capacity.
type Line = (&'static str, Vec<Vec<f64>>);

/// Runs every row on every trace.
fn rows(kvctl: &Path, traces: &[PathBuf], rows: &[(&'static str, &[&str])], capacities: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (name, extra) in rows {
        let output = Command::new(kvctl)
            .arg("policy")
            .args(traces)
            .args(["--no-baselines", "--json", "--capacities", capacities])
            .args(*extra)
            .output()
            .context("cannot start kvctl policy")?;
        if !output.status.success() {
            bail!("kvctl policy {}: {}", extra.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        let found: Vec<Row> =
            serde_json::from_slice(&output.stdout).context("kvctl policy --json: not the documented members")?;
        let of_trace = |trace: &PathBuf| {
            let device = |row: &&Row| row.policy == "device" && Path::new(&row.trace) == trace;
            found.iter().filter(device).map(|row| row.hit_pct).collect()
        };
        lines.push((*name, traces.iter().map(of_trace).collect()));
    }
    Ok(lines)
}

fn table(traces: &[PathBuf], lines: &[Line]) -> String {
    let mut text = String::from("| |");
    for trace in traces {
        text += &format!(" {} |", trace.file_stem().unwrap_or_default().to_string_lossy());
    }
    text += &format!("\n|---|{}\n", "---|".repeat(traces.len()));
    for (name, cells) in lines {
        text += &format!("| {name} |");
        for cell in cells {
            let hits: Vec<String> = cell.iter().map(|hit_pct| format!("{hit_pct:.1}")).collect();
            text += &format!(" {} |", hits.join(" "));
        }
        text += "\n";
    }
    text
}

/// The third line less the better of the first two.
fn margins(lines: &[Line]) -> String {
    let [(_, defaults), (_, lru), (_, tuned), ..] = lines else { return String::new() };
    let mut text = String::from("| tuned - better of the first two |");
    for ((tuned, defaults), lru) in tuned.iter().zip(defaults).zip(lru) {
        let cells = tuned.iter().zip(defaults).zip(lru);
        let cells: Vec<String> = cells.map(|((t, d), l)| format!("{:+.2}", t - d.max(*l))).collect();
        text += &format!(" {} |", cells.join(" "));
    }
    text + "\n"
}
