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
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
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
    #[arg(long, value_delimiter = ',')]
    only: Vec<u16>,
}

/// A mutant, as kvcpu-hdl lists it.
#[derive(Clone, Debug, Deserialize)]
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

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = workspace::root()?;
    let made = workspace::metadata(&root)?.target_directory.join("mutants").into_std_path_buf();
    let mutants = make(&root, &made, options.seed)?;
    let program = build(&root, &made)?;
    let mut streams = Vec::new();
    for stream in trial::STREAMS {
        let (stream, seconds) = trial::measure(&program, stream)?;
        println!("the original: {stream}, equal, {} clocks, {seconds:.0} s", stream.clocks);
        streams.push(stream);
    }
    let chosen: Vec<Mutant> =
        mutants.into_iter().filter(|of| options.only.is_empty() || options.only.contains(&of.number)).collect();
    let results = try_all(&program, &streams, &chosen, options.jobs.max(1))?;
    if options.only.is_empty() {
        let survivors = report::survivors(&root.join(SURVIVORS))?;
        report::write(&root.join(REPORT), options.seed, &streams, &results, &survivors)?;
    }
    Ok(())
}

/// Draws the mutants and makes their design.
fn make(root: &Path, made: &Path, seed: u64) -> Result<Vec<Mutant>> {
    let rtl = made.join("rtl");
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "kvcpu-hdl", "--bin", "mutants", "--"]);
    command.args(["--seed", &seed.to_string(), "--out"]).arg(&rtl);
    run_command(command.current_dir(root))?;
    let list = rtl.join("mutants.json");
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

/// Tries each mutant on the streams in turn.
fn try_all(program: &Path, streams: &[Stream], mutants: &[Mutant], jobs: usize) -> Result<Vec<(Mutant, Verdict)>> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || -> Result<()> {
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::SeqCst)) {
            let verdict = trial::judge(program, streams, mutant.number)?;
            println!("{} {} {} {}: {verdict}", mutant.number, mutant.block, mutant.place, mutant.kind);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((mutant.clone(), verdict));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(result) => result?,
                Err(_) => bail!("a worker panicked; its message is above"),
            }
        }
        Ok(())
    })?;
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(mutant, _)| mutant.number);
    ensure!(results.len() == mutants.len(), "{} of {} mutants were tried", results.len(), mutants.len());
    Ok(results)
}
