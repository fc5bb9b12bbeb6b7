//! `cargo xtask bench [WHAT...]`: the benches of the crates that have them, and the replay of a
//! whole trace.
//!
//! Most benches are criterion's. `rtl` (tests/benches/rtl) counts clocks of the Verilated designs
//! against what was asked of them.
//!
//! `replay` runs `kvctl replay` twice, with bytes and metadata only, and sets its references a
//! second beside those of the baselines in the same run, so that the ratio stands on any machine.

use crate::measure::Measurement;
use crate::process::{cargo, run as run_command};
use crate::workspace;
use anyhow::{Context, Result, bail};
use cargo_metadata::TargetKind;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// T1 frames of the measured run: a middle capacity of docs/baselines.md for the conversation trace.
const T1_BLOCKS: &str = "16384";
/// log2 of the bytes of a block in the measured run.
const BLOCK_SHIFT: &str = "12";
/// The bench of the hardware, which is known by its own name.
const RTL: &str = "rtl";
/// The trace that the project's numbers are about.
const TRACE: &str = "mooncake_conversation.jsonl";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// `all`, `replay`, `rtl`, or crates with benches (`ring`, `kvcpu-ring`)
    #[arg(value_name = "WHAT", default_value = "all")]
    what: Vec<String>,
}

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = workspace::root()?;
    let benches = benches(&root)?;
    for what in &options.what {
        match what.as_str() {
            "all" => {
                benches.iter().try_for_each(|bench| run_bench(&root, bench))?;
                replay(&root)?;
            }
            "replay" => replay(&root)?,
            name => {
                let chosen: Vec<&Bench> = benches.iter().filter(|b| b.is_of(name)).collect();
                if chosen.is_empty() {
                    let mut known: Vec<&str> = benches.iter().map(|b| b.package.as_str()).collect();
                    known.dedup();
                    bail!("no bench `{name}`; there are: all, replay, rtl, {}", known.join(", "));
                }
                chosen.into_iter().try_for_each(|bench| run_bench(&root, bench))?;
            }
        }
    }
    Ok(())
}

/// A bench target of a workspace crate.
struct Bench {
    package: String,
    target: String,
}

impl Bench {
    /// Whether a crate's full or short name means this bench's crate, or `rtl` this bench.
    fn is_of(&self, name: &str) -> bool {
        let is_rtl = name == RTL && self.target == RTL;
        is_rtl || self.package == name || self.package.strip_prefix("kvcpu-") == Some(name)
    }
}

/// Every bench target of the workspace.
fn benches(root: &Path) -> Result<Vec<Bench>> {
    let metadata = workspace::metadata(root)?;
    let of = |package: &cargo_metadata::Package| -> Vec<Bench> {
        let targets = package.targets.iter().filter(|t| t.kind.contains(&TargetKind::Bench));
        targets
            .map(|t| Bench { package: package.name.to_string(), target: t.name.clone() })
            .collect()
    };
    Ok(metadata.workspace_packages().into_iter().flat_map(of).collect())
}

fn run_bench(root: &Path, bench: &Bench) -> Result<()> {
    println!("\n==> bench {} of {}", bench.target, bench.package);
    run_command(cargo().current_dir(root).args(["bench", "-p", &bench.package, "--bench", &bench.target]))
}

/// The keys of `kvctl replay --json` that matter here; the rest is documented in docs/.
#[derive(Deserialize)]
struct Replay {
    references: u64,
    hit_pct: f64,
    seconds: f64,
    references_per_s: f64,
    baselines: Vec<Baseline>,
}

#[derive(Deserialize)]
struct Baseline {
    policy: String,
    capacity_blocks: u64,
    references_per_s: Option<f64>,
}

fn replay(root: &Path) -> Result<()> {
    println!("\n==> replay");
    let trace = trace(root)?;
    run_command(cargo().current_dir(root).args(["build", "--release", "--package", "kvctl"]))?;
    let kvctl = workspace::metadata(root)?.target_directory.join("release/kvctl");
    for (mode, extra) in [("with bytes", None), ("metadata only", Some("--metadata-only"))] {
        let scratch = tempfile::tempdir().context("cannot make a directory for the measurement")?;
        let out = scratch.path().join("measurement.json");
        let output = Command::new(std::env::current_exe()?)
            .args(["measure", "--out"])
            .arg(&out)
            .arg(&kvctl)
            .arg("replay")
            .arg(&trace)
            .args(["--t1", T1_BLOCKS, "--block-shift", BLOCK_SHIFT, "--json"])
            .args(extra)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start the measured run")?;
        if !output.status.success() {
            bail!("kvctl replay ({mode}) failed: {}", output.status);
        }
        let replay: Replay =
            serde_json::from_slice(&output.stdout).context("kvctl replay --json: not the documented keys")?;
        let cost: Measurement = serde_json::from_slice(&std::fs::read(&out)?)?;
        print!("{}", table(mode, &replay, cost));
    }
    Ok(())
}

/// One run as text.
fn table(mode: &str, replay: &Replay, cost: Measurement) -> String {
    let mut text = format!(
        "\n{mode}: {} references, {:.2} % hits, {:.3} s, {:.0} references/s; process {:.3} s, peak memory {:.1} MiB\n",
        replay.references,
        replay.hit_pct,
        replay.seconds,
        replay.references_per_s,
        cost.seconds,
        cost.peak_kib as f64 / 1024.0,
    );
    for baseline in &replay.baselines {
        let speed = match baseline.references_per_s {
            Some(own) if own > 0.0 => {
                format!("{own:>12.0} references/s, device/baseline {:.3}", replay.references_per_s / own)
            }
            _ => "speed not reported".into(),
        };
        text += &format!("  {:<10} {:>8} blocks {speed}\n", baseline.policy, baseline.capacity_blocks);
    }
    text
}

/// The trace to replay: `$KVCPU_TRACES` (a directory or a file), the traces beside the
/// repository, or else the bundled sample, and then loudly.
pub(crate) fn trace(root: &Path) -> Result<PathBuf> {
    let given = std::env::var_os("KVCPU_TRACES").map(PathBuf::from);
    if let Some(given) = &given {
        let file = if given.is_dir() { given.join(TRACE) } else { given.clone() };
        if !file.is_file() {
            bail!("KVCPU_TRACES: no file {}", file.display());
        }
        return Ok(file);
    }
    let beside = root.join("../shared/traces").join(TRACE);
    if beside.is_file() {
        return Ok(beside);
    }
    let sample = sample(&root.join("driver/kvctl/samples"))?;
    eprintln!(
        "WARNING: {TRACE} is not at {}; replaying the bundled sample {} instead.\n\
         WARNING: these numbers are not the documented ones. Set KVCPU_TRACES to the traces' directory.",
        beside.display(),
        sample.display()
    );
    Ok(sample)
}

/// The first trace among the bundled samples, by name.
fn sample(directory: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|f| f.file_name().is_some_and(|n| n.to_string_lossy().contains(".jsonl")));
    files.sort();
    files
        .into_iter()
        .next()
        .with_context(|| format!("no .jsonl sample in {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_meant_by_its_full_or_short_name() {
        let bench = Bench { package: "kvcpu-ring".into(), target: "ring".into() };
        assert!(bench.is_of("kvcpu-ring") && bench.is_of("ring") && !bench.is_of("store"));
        let bench = Bench { package: "kvctl".into(), target: "baseline".into() };
        assert!(bench.is_of("kvctl") && !bench.is_of("kvcpu-kvctl"));
        let bench = Bench { package: "kvcpu-tests".into(), target: "rtl".into() };
        assert!(bench.is_of("rtl") && bench.is_of("tests") && !bench.is_of("ring"));
    }

    #[test]
    fn the_documented_keys_make_a_table_with_the_ratio() {
        let json = r#"{"trace": "t", "device": "emulator", "references": 1000, "hits": 400, "hit_pct": 40.0,
            "seconds": 0.5, "references_per_s": 2000.0, "baselines": [
            {"policy": "lru", "capacity_blocks": 16, "hit_pct": 39.0, "references_per_s": 4000.0},
            {"policy": "belady", "capacity_blocks": 16, "hit_pct": 50.0}]}"#;
        let cost = Measurement { seconds: 0.75, peak_kib: 2048 };
        let text = table("metadata only", &serde_json::from_str(json).unwrap(), cost);
        for part in
            ["metadata only: 1000 references", "2000 references/s", "peak memory 2.0 MiB", "device/baseline 0.500"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("speed not reported"), "{text}");
    }

    #[test]
    fn the_sample_is_the_first_trace_by_name() {
        let directory = tempfile::tempdir().unwrap();
        assert!(sample(directory.path()).is_err());
        for name in ["b.jsonl", "a.jsonl.gz", "README.md"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(sample(directory.path()).unwrap(), directory.path().join("a.jsonl.gz"));
    }
}
