//! `cargo xtask measure`: runs one command and writes its wall time and peak memory.
//!
//! A process of its own, because the kernel reports the peak of *all* children a process has
//! waited for (getrusage(2), RUSAGE_CHILDREN): asked from here there is just one.

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// File to write the measurement to, as JSON
    #[arg(long)]
    out: PathBuf,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// What a command cost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// Wall time from start to end.
    pub(crate) seconds: f64,
    /// Largest resident set.
    pub(crate) peak_kib: u64,
}

/// Runs the command; fails if it fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (program, arguments) = options.command.split_first().context("no command given")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start `{program}`"))?;
    let seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        bail!("`{}` failed: {status}", options.command.join(" "));
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let peak_kib = u64::try_from(usage.max_rss()).context("negative resident set")?;
    let json = serde_json::to_string(&Measurement { seconds, peak_kib })?;
    std::fs::write(&options.out, json).with_context(|| format!("cannot write {}", options.out.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_memory_of_a_command_are_written() {
        let out = tempfile::NamedTempFile::new().unwrap();
        let command = ["sleep", "0.05"].map(String::from).to_vec();
        run(&Options { out: out.path().into(), command }).unwrap();
        let m: Measurement = serde_json::from_slice(&std::fs::read(out.path()).unwrap()).unwrap();
        assert!(m.seconds >= 0.05 && m.peak_kib > 100, "{m:?}");
    }

    #[test]
    fn a_command_that_fails_is_not_measured() {
        let out = tempfile::NamedTempFile::new().unwrap();
        assert!(run(&Options { out: out.path().into(), command: vec!["false".into()] }).is_err());
        assert!(std::fs::read(out.path()).unwrap().is_empty());
    }
}
