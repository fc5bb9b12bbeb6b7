//! `cargo xtask bitstream --board BOARD`: from the checked-in Verilog to a file for the board's FPGA.
//!
//! Fails if a clock is too slow, or a way to or from a pin too long. What is made is in target/synth/BOARD: netlist, report, logs, configuration, bitstream. The same
//! sources, tools and seed make the same bitstream, whose SHA-256 is printed.

use super::board::{BOARDS, Board};
use super::report::Report;
use super::tools::{Tools, WHOLE_DEVICE};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The board
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(BOARDS))]
    board: String,
    /// Seed of the placement
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Write what was made as JSON; `-` is the standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show the path that limits the clock
    #[arg(long)]
    paths: bool,
}

/// How much faster a clock is asked to be of which nextpnr knows no frequency: enough to be told from the device's.
const UNDERIVED_MHZ: f64 = 1.0;
/// How near a clock has to be to the recipe's: nextpnr derives a PLL's clocks from the pin's, with periods in whole ps.
const ROUNDING_MHZ: f64 = 0.01;

/// Kinds of cells that are shown, as nextpnr calls them, and as people do.
const CELLS: [(&str, &str); 6] = [
    ("TRELLIS_COMB", "LUTs and carries"),
    ("TRELLIS_FF", "registers"),
    ("DP16KD", "block RAMs of 18 kbit"),
    ("MULT18X18D", "multipliers 18 x 18"),
    ("EHXPLLL", "PLLs"),
    ("TRELLIS_IO", "pins"),
];

/// What was made.
#[derive(Serialize)]
struct Made<'a> {
    board: &'a str,
    part: &'a str,
    seed: u32,
    /// Cells of each kind, by nextpnr's name.
    utilization: BTreeMap<&'static str, Cells>,
    clocks: Vec<Clock>,
    bitstream: Bitstream,
}

#[derive(Serialize)]
struct Cells {
    used: u64,
    available: u64,
}

#[derive(Serialize)]
struct Clock {
    name: String,
    asked_mhz: f64,
    fmax_mhz: f64,
    slack_ns: f64,
}

#[derive(Serialize)]
struct Bitstream {
    path: PathBuf,
    bytes: usize,
    sha256: String,
}

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    let board = Board::read(&options.board)?;
    let tools = Tools::install()?;
    let folder = tools.folder.join(&options.board);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let report = implement(&tools, &board, &folder, options.seed)?;
    let bytes = std::fs::read(folder.join("board.bit")).context("ecppack has written no bitstream")?;
    let utilization = CELLS.map(|(cell, _)| {
        let cells = report.used(cell);
        (cell, Cells { used: cells.used, available: cells.available })
    });
    let made = Made {
        board: &options.board,
        part: &board.part,
        seed: options.seed,
        utilization: utilization.into(),
        clocks: clocks(&report),
        bitstream: Bitstream {
            path: folder.join("board.bit"),
            bytes: bytes.len(),
            sha256: Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }),
        },
    };
    let is_json = options.json.as_ref().is_some_and(|path| path.as_os_str() == "-");
    match &options.json {
        Some(_) if is_json => println!("{}", serde_json::to_string_pretty(&made)?),
        Some(path) => std::fs::write(path, serde_json::to_string_pretty(&made)?)
            .with_context(|| format!("cannot write {}", path.display()))?,
        None => {}
    }
    if !is_json {
        print!("{}", table(&made));
    }
    let path = options.paths.then(|| report.path()).flatten().unwrap_or_default();
    // What is on the standard output then is JSON and nothing else.
    if is_json {
        eprint!("{path}")
    } else {
        print!("{path}")
    }
    in_time(&made.clocks, board.clock_mhz)?;
    board.at_pins.as_ref().map_or(Ok(()), |limits| limits.check(&report))
}

/// Synthesis, place and route, packing.
fn implement(tools: &Tools, board: &Board, folder: &Path, seed: u32) -> Result<Report> {
    let made = |name: &str| folder.join(name);
    let script = format!(
        "read_verilog {}; synth_ecp5 -top {} -json {}",
        board.sources_in_script()?,
        board.top,
        tools.in_script(&made("netlist.json"))
    );
    eprintln!("{}: yosys", board.top);
    tools.yosys(&script, &made("yosys.log"))?;
    eprintln!("{}: nextpnr", board.top);
    let mut nextpnr = tools.nextpnr();
    nextpnr.args(&board.nextpnr).args(WHOLE_DEVICE).args([
        "--timing-allow-fail",
        "--freq",
        &(board.clock_mhz + UNDERIVED_MHZ).to_string(),
        "--seed",
        &seed.to_string(),
    ]);
    if board.at_pins.is_some() {
        nextpnr.arg("--detailed-timing-report");
    }
    let named = |name| tools.named(folder).join(name);
    nextpnr
        .arg("--json")
        .arg(named("netlist.json"))
        .arg("--lpf")
        .arg(tools.named(&board.pins()));
    nextpnr
        .arg("--report")
        .arg(named("report.json"))
        .arg("--textcfg")
        .arg(named("board.config"));
    tools.quietly(&mut nextpnr, &made("nextpnr.log"))?;
    eprintln!("{}: ecppack", board.top);
    let mut ecppack = tools.ecppack();
    ecppack
        .arg("--compress")
        .arg("--input")
        .arg(named("board.config"))
        .arg("--bit")
        .arg(named("board.bit"));
    tools.quietly(&mut ecppack, &made("ecppack.log"))?;
    Report::read(&made("report.json"))
}

fn clocks(report: &Report) -> Vec<Clock> {
    report
        .clocks()
        .map(|clock| Clock {
            name: clock.name.to_owned(),
            asked_mhz: clock.asked,
            fmax_mhz: clock.achieved,
            slack_ns: clock.slack_ns(),
        })
        .collect()
}

fn table(made: &Made<'_>) -> String {
    let mut text =
        format!("{}, {}, seed {}\n\n| cells | used | of | |\n|---|---|---|---|\n", made.board, made.part, made.seed);
    for (cell, name) in CELLS {
        let Cells { used, available } = made.utilization[cell];
        let percent = used as f64 * 100.0 / available.max(1) as f64;
        let _ = writeln!(text, "| {name} | {used} | {available} | {percent:.0}% |");
    }
    text += "\n| clock | asked, MHz | Fmax, MHz | slack, ns |\n|---|---|---|---|\n";
    for Clock { name, asked_mhz, fmax_mhz, slack_ns } in &made.clocks {
        let _ = writeln!(text, "| {name} | {asked_mhz:.2} | {fmax_mhz:.2} | {slack_ns:.2} |");
    }
    let Bitstream { path, bytes, sha256 } = &made.bitstream;
    let _ = writeln!(text, "\n{}: {bytes} bytes, SHA-256 {sha256}", path.display());
    text
}

/// Fails if a clock is slower than was asked, or none was asked to be what the device's is to be.
fn in_time(clocks: &[Clock], device_mhz: f64) -> Result<()> {
    let slow: Vec<String> = clocks
        .iter()
        .filter(|clock| clock.slack_ns < 0.0)
        .map(|clock| format!("{}: {:.2} of {:.2} MHz", clock.name, clock.fmax_mhz, clock.asked_mhz))
        .collect();
    if !slow.is_empty() {
        bail!("timing is not met: {}; --paths shows where, another --seed may help", slow.join(", "));
    }
    if !clocks.iter().any(|clock| (clock.asked_mhz - device_mhz).abs() <= ROUNDING_MHZ) {
        bail!("no clock of {device_mhz} MHz is in the design: the board's PLL and its recipe differ");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpga::report::tests::REPORT;

    #[test]
    fn a_slow_clock_fails_and_is_named() {
        let mut clocks = clocks(&serde_json::from_str(REPORT).unwrap());
        let error = in_time(&clocks, 100.0).unwrap_err().to_string();
        assert!(error.contains("other: 99.60 of 100.00 MHz") && !error.contains("clock:"), "{error}");
        clocks.retain(|clock| clock.name == "clock");
        in_time(&clocks, 100.0).unwrap();
        assert!(in_time(&clocks, 99.0).unwrap_err().to_string().contains("no clock of 99 MHz"));
        assert!(
            in_time(&clocks, 100.0 - UNDERIVED_MHZ).is_err(),
            "what nextpnr did not derive is not taken for the device's"
        );
        assert!(in_time(&clocks, 120.0).unwrap_err().to_string().contains("no clock of 120 MHz"));
    }

    #[test]
    fn the_table_has_cells_clocks_and_the_bitstream() {
        let report: Report = serde_json::from_str(REPORT).unwrap();
        let utilization = CELLS
            .map(|(cell, _)| (cell, Cells { used: report.used(cell).used, available: report.used(cell).available }));
        let bitstream = Bitstream { path: "x.bit".into(), bytes: 5, sha256: "ab".into() };
        let made = Made {
            board: "b",
            part: "p",
            seed: 3,
            utilization: utilization.into(),
            clocks: clocks(&report),
            bitstream,
        };
        let text = table(&made);
        assert!(text.starts_with("b, p, seed 3\n"), "{text}");
        assert!(text.contains("| block RAMs of 18 kbit | 2 | 208 | 1% |\n"), "{text}");
        assert!(text.contains("| clock | 100.00 | 125.00 | 2.00 |\n"), "{text}");
        assert!(text.ends_with("x.bit: 5 bytes, SHA-256 ab\n"), "{text}");
    }
}
