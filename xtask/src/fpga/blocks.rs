//! `cargo xtask synth [BLOCK...]`: size and speed of the hardware's blocks on a Lattice ECP5, each alone.
//!
//! ```text
//!  hdl/rtl/*.v ─► yosys synth_ecp5 ─► nextpnr-ecp5, out of context ─► Fmax, cells, critical path
//! ```
//!
//! Out of context a path from or to a port does not count: what a block's neighbours
//! take of a clock is not known. In a whole device blocks are slower, as they stand in each other's way.

use super::report::Report;
use super::tools::{Tools, WHOLE_DEVICE};
use crate::workspace;
use anyhow::{Context, Result, ensure};

/// The part: LFE5UM5G-85F, as on the boards with PCIe, in its fastest grade.
const PART: [&str; 6] = ["--um5g-85k", "--package", "CABGA756", "--speed", "8", "--seed"];
/// What the board's clock is to be.
const TARGET_MHZ: &str = "125";

/// Blocks that are the whole device.
const WHOLE: [&str; 2] = ["test", "board"];

/// A module of a file in hdl/rtl.
struct Block {
    name: &'static str,
    file: &'static str,
    module: &'static str,
    /// Its geometry, and what it lacks of the device's.
    of: &'static str,
}

const BLOCKS: [Block; 16] = [
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
    Block { name: "lane", file: "kvcpu_lane", module: "kvcpu_lane", of: "a judge's arithmetic" },
    Block { name: "list", file: "kvcpu_list", module: "kvcpu_list", of: "4 places" },
    Block { name: "dma", file: "kvcpu_dma", module: "kvcpu_dma", of: "every geometry" },
    Block { name: "card-ram", file: "kvcpu_card_ram", module: "kvcpu_card_ram", of: "208 KiB, the evaluation board's" },
    Block { name: "sdram", file: "kvcpu_sdram", module: "kvcpu_sdram", of: "the controller at 70 MHz" },
    Block { name: "uart", file: "kvcpu_uart", module: "kvcpu_uart$link", of: "8 clocks a bit" },
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

/// The verb.
pub(crate) fn synth(options: &Options) -> Result<()> {
    let tools = Tools::install()?;
    let chosen = |block: &&Block| options.blocks.is_empty() || options.blocks.iter().any(|name| name == block.name);
    let mut lines = String::new();
    for block in BLOCKS.iter().filter(chosen) {
        let report = implement(&tools, block.name, options.seed)?;
        lines += &line(block, &report);
        if options.paths {
            print!("{}", report.path().map(|path| format!("{}: {path}", block.name)).unwrap_or_default());
        }
    }
    println!(
        "| block | of | LUTs and carries | registers | block RAM | multipliers | Fmax, MHz |\n|---|---|---|---|---|---|---|"
    );
    print!("{lines}");
    Ok(())
}

/// Synthesises, places and routes a block of that name.
pub(super) fn implement(tools: &Tools, name: &str, seed: u32) -> Result<Report> {
    let block = BLOCKS
        .iter()
        .find(|block| block.name == name)
        .with_context(|| format!("there is no block {name}"))?;
    let made = |extension: &str| tools.folder.join(block.name).with_extension(extension);
    let (netlist, report, log) = (made("json"), made("report.json"), made("log"));
    let source = workspace::root()?.join("hdl/rtl").join(block.file).with_extension("v");
    ensure!(source.exists(), "{} is not there; `cargo xtask verilog` makes it", source.display());
    let script = format!(
        "read_verilog {}; synth_ecp5 -top {} -json {}",
        tools.in_script(&source),
        block.module,
        tools.in_script(&netlist)
    );
    eprintln!("{}: yosys", block.name);
    tools.yosys(&script, &log)?;
    eprintln!("{}: nextpnr", block.name);
    let mut command = tools.nextpnr();
    command
        .args(PART)
        .arg(seed.to_string())
        .args(["--out-of-context", "--freq", TARGET_MHZ, "--timing-allow-fail"]);
    if WHOLE.contains(&name) {
        command.args(WHOLE_DEVICE);
    }
    command.arg("--json").arg(tools.named(&netlist)).arg("--report").arg(tools.named(&report));
    tools.quietly(&mut command, &log)?;
    Report::read(&report)
}

/// A block as a line of the table.
fn line(block: &Block, report: &Report) -> String {
    let used = |cell: &str| report.used(cell).used;
    let slowest = report.clocks().map(|clock| clock.achieved).min_by(f64::total_cmp);
    // What has no path from register to register has none.
    let fmax = slowest.map_or_else(|| "-".to_owned(), |fmax| format!("{fmax:.0}"));
    format!(
        "| {} | {} | {} | {} | {} of {} | {} | {fmax} |\n",
        block.name,
        block.of,
        used("TRELLIS_COMB"),
        used("TRELLIS_FF"),
        used("DP16KD"),
        report.used("DP16KD").available,
        used("MULT18X18D"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::fpga::report::tests::REPORT;

    #[test]
    fn a_report_becomes_a_line_with_its_slowest_clock() {
        let report = serde_json::from_str(REPORT).unwrap();
        let text = line(&BLOCKS[0], &report);
        assert!(text.starts_with("| sequencer |") && text.ends_with("| 7 | 0 | 2 of 208 | 0 | 100 |\n"), "{text}");
    }

    #[test]
    fn blocks_are_in_files_that_are_checked_in() {
        assert!(WHOLE.iter().all(|name| BLOCKS.iter().any(|block| block.name == *name)));
        let folder = workspace::root().unwrap().join("hdl/rtl");
        for block in &BLOCKS {
            let text = std::fs::read_to_string(folder.join(block.file).with_extension("v")).unwrap();
            assert!(text.contains(&format!("module {}(", block.module)), "{}", block.name);
        }
    }
}
