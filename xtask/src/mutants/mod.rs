//! `cargo xtask mutants`: does lockstep catch a device that is wrong? docs/mutants.md.
//!
//! ```text
//!  kvcpu-hdl mutants ─► one design with all of them ─► Verilator ─► lockstep --strap mutant=N, stream after stream
//!                                                                    until one differs ─► docs/mutants.md
//! ```
//!
//! A mutant that stands still is caught too: each stream ends at a few times the clocks that the original takes, so that no
//! verdict depends on real time.

mod report;
mod trial;

use crate::process::{cargo, run as run_command};
use crate::workspace;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use trial::{Stream, Verdict};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seed that the mutants are drawn with
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Mutants at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only these mutants, and no report
    #[arg(long, value_delimiter = ',', conflicts_with = "report")]
    only: Vec<u16>,
    /// Go on from the last run of the same design: what it caught is caught, and its survivors get the streams that were added
    #[arg(long, conflicts_with = "report")]
    resume: bool,
    /// Only the report of the last run, with the explanations as they are now
    #[arg(long)]
    report: bool,
}

/// A mutant, as kvcpu-hdl lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mutant {
    number: u16,
    block: String,
    place: String,
    kind: String,
    was: String,
    is: String,
}

/// Where the survivors are explained.
const SURVIVORS: &str = "tests/survivors.toml";
/// The report.
const REPORT: &str = "docs/mutants.md";

/// What a run found, kept for the report.
#[derive(Serialize, Deserialize)]
struct Run {
    seed: u64,
    streams: Vec<Stream>,
    results: Vec<(Mutant, Verdict)>,
}

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = workspace::root()?;
    let made = workspace::metadata(&root)?.target_directory.join("mutants").into_std_path_buf();
    let kept = made.join("run.json");
    if !options.report {
        try_mutants(&root, &made, &kept, options)?;
    }
    if !options.only.is_empty() {
        return Ok(());
    }
    let run = read(&kept)?;
    report::write(&root.join(REPORT), &run, &report::survivors(&root.join(SURVIVORS))?)
}

/// Runs each stream on all that the streams before did not catch, and keeps each verdict in `kept` as it comes.
fn try_mutants(root: &Path, made: &Path, kept: &Path, options: &Options) -> Result<()> {
    let mut mutants = make(root, made, options.seed)?;
    mutants.retain(|of| options.only.is_empty() || options.only.contains(&of.number));
    let program = build(root, made)?;
    let streams = trial::measure(&program, options.jobs)?;
    let before = if options.resume { read(kept)?.results } else { Vec::new() };
    let verdict = |mutant: &Mutant| before.iter().find(|(of, _)| of == mutant).map(|(_, verdict)| verdict.clone());
    let results = mutants
        .iter()
        .map(|of| (of.clone(), verdict(of).unwrap_or(Verdict::Survived(0))))
        .collect();
    let run = Mutex::new(Run { seed: options.seed, streams: streams.clone(), results });
    let state = || run.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, stream) in streams.iter().enumerate() {
        let results = state().results.clone();
        let alive = results.iter().enumerate();
        let alive: Vec<usize> = alive
            .filter(|(_, (_, verdict))| matches!(verdict, Verdict::Survived(tried) if *tried == number))
            .map(|(place, _)| place)
            .collect();
        println!("{} mutants under {stream}", alive.len());
        let one = |place: &usize| -> Result<()> {
            let mutant = &results[*place].0;
            let verdict = trial::judge(&program, stream, number, mutant.number)?;
            println!("{} {} {} {}: {verdict}", mutant.number, mutant.block, mutant.place, mutant.kind);
            let mut run = state();
            run.results[*place].1 = verdict;
            if options.only.is_empty() {
                std::fs::write(kept, serde_json::to_string_pretty(&*run)?)?;
            }
            Ok(())
        };
        trial::in_parallel(&alive, options.jobs, one)?;
    }
    Ok(())
}

fn read(kept: &Path) -> Result<Run> {
    let text = std::fs::read_to_string(kept).with_context(|| format!("no run is kept in {}", kept.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not of this program", kept.display()))
}

/// Draws the mutants and makes their design.
fn make(root: &Path, made: &Path, seed: u64) -> Result<Vec<Mutant>> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "kvcpu-hdl", "--bin", "mutants", "--"]);
    command.args(["--seed", &seed.to_string(), "--out"]).arg(made);
    run_command(command.current_dir(root))?;
    let list = made.join("mutants.json");
    let text = std::fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not what kvcpu-hdl writes", list.display()))
}

/// Builds lockstep with that design, in a folder of its own: the other builds keep theirs.
fn build(root: &Path, made: &Path) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--release", "--package", "kvcpu-tests", "--bin", "lockstep", "--target-dir"]);
    command.arg(made).env("KVCPU_RTL", made.join("rtl"));
    run_command(command.current_dir(root))?;
    Ok(made.join("release/lockstep"))
}
