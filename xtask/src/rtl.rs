//! `cargo xtask verilog`: exports hdl/ to hdl/rtl; and the checks of what is there.
//!
//! The export is a program of `kvcpu-hdl`, so that the other verbs need not build rust-hdl.

use crate::fpga::board::{BOARDS, Board};
use crate::process::{cargo, quiet, run_until};
use crate::workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Time for an export, with rust-hdl to build.
const EXPORT: Duration = Duration::from_secs(900);

/// Warnings that good code of rust-hdl gives too: it extends and truncates without a word, drives unused outputs, and
/// names modules by path.
pub(crate) const LINT: [&str; 4] = ["-Wall", "-Wno-WIDTH", "-Wno-UNUSED", "-Wno-DECLFILENAME"];

/// Verilog that is longer than this is that of a whole device.
const DEVICE_BYTES: u64 = 1 << 20;

/// Writes hdl/rtl, or checks that it is what hdl/src gives.
pub(crate) fn verilog(check: bool) -> Result<()> {
    export(check, Instant::now() + EXPORT)
}

fn export(check: bool, deadline: Instant) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "-p", "kvcpu-hdl", "--bin", "verilog", "--"]);
    if check {
        command.arg("--check");
    }
    command.current_dir(workspace::root()?).stdin(Stdio::null());
    run_until(&mut command, deadline)
}

/// The CI step: no stale file, and nothing that Verilator, Icarus Verilog or Yosys objects to.
pub(crate) fn check(deadline: Instant) -> Result<()> {
    export(true, deadline)?;
    let folder = workspace::root()?.join("hdl/rtl");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    // The greatest first, a tool beside the other.
    files.sort_by_key(|file| std::cmp::Reverse(std::fs::metadata(file).map_or(0, |data| data.len())));
    let mut checks: Vec<(&PathBuf, Check)> = Vec::new();
    for file in &files {
        let is_alike = ALIKE.iter().any(|name| file.ends_with(name));
        checks.extend(CHECKS[..if is_alike { 1 } else { CHECKS.len() }].iter().map(|check| (file, *check)));
    }
    let next = AtomicUsize::new(0);
    let worker = || -> Result<()> {
        while let Some((file, check)) = checks.get(next.fetch_add(1, Relaxed)) {
            check(
                file,
                file.file_stem().and_then(|stem| stem.to_str()).context("a file name is not UTF-8")?,
                deadline,
            )?;
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        running.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    println!(
        "{} designs: clean in Verilator, and but for {} in Icarus Verilog and Yosys",
        files.len(),
        ALIKE.join(", ")
    );
    for name in BOARDS {
        wired(&Board::read(name)?, deadline)?;
    }
    println!("{}: what their tops name is there", BOARDS.join(", "));
    Ok(())
}

type Check = fn(&Path, &str, Instant) -> Result<()>;

/// What has to be content with a design, whose file and name these are, until then. The first reads all of them.
const CHECKS: [Check; 3] = [verilator, yosys, icarus];

/// Whole devices that are `kvcpu_small`, `kvcpu_uart` or `kvcpu_board` in another geometry: only Verilator looks at what differs, which is
/// widths, depths and counts.
const ALIKE: [&str; 4] = ["kvcpu.v", "kvcpu_evn.v", "kvcpu_full.v", "kvcpu_ulx3s.v"];

fn verilator(file: &Path, top: &str, deadline: Instant) -> Result<()> {
    quiet(
        Command::new("verilator")
            .arg("--lint-only")
            .args(LINT)
            .args(["--top-module", top])
            .arg(file),
        deadline,
    )
}

fn icarus(file: &Path, top: &str, deadline: Instant) -> Result<()> {
    quiet(Command::new("iverilog").args(["-g2005", "-Wall", "-o", "/dev/null", "-s", top]).arg(file), deadline)
}

fn yosys(file: &Path, top: &str, deadline: Instant) -> Result<()> {
    // Of a whole device `proc` takes minutes; its blocks are designs of their own, too.
    let is_device = std::fs::metadata(file)?.len() > DEVICE_BYTES;
    let checks = if is_device { "" } else { "; proc; check -assert" };
    let script = format!("read_verilog \"{}\"; hierarchy -check -top {top}{checks}", file.display());
    quiet(Command::new("yosys").args(["-q", "-e", ".", "-p", &script]), deadline)
}

/// What a board's top names is there: modules, ports, primitives of the part.
fn wired(board: &Board, deadline: Instant) -> Result<()> {
    let script = format!(
        "read_verilog -lib +/ecp5/cells_sim.v +/ecp5/cells_bb.v; read_verilog {}; hierarchy -check -top {}",
        board.sources_in_script()?,
        board.top
    );
    quiet(
        Command::new("yosys")
            .current_dir(workspace::root()?)
            .args(["-q", "-e", ".", "-p", &script]),
        deadline,
    )
}
