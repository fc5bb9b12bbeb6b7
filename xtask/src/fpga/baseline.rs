//! `cargo xtask baseline`: what the board geometry takes of an ECP5, against constraints/baseline.toml. CI runs it.
//!
//! A whole place and route takes half an hour. So here the board's netlist is made and counted, without the names that take Yosys as
//! long as all the rest; and the blocks that the whole's longest paths are in are placed and routed, each by itself. `cargo xtask synth
//! board` and `cargo xtask bitstream` do the whole.

use super::tools::Tools;
use crate::workspace;
use crate::yosys::cells_by_type;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// How much worse a figure may be than the baseline's, in parts of it.
const TOLERANCE: f64 = 0.05;
/// The file with the figures.
const FILE: &str = "constraints/baseline.toml";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the figures of this checkout as the new baseline
    #[arg(long)]
    write: bool,
}

/// Sizes in cells, of which less is better, and MHz, of which more is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Figures {
    /// The board geometry: cells by Yosys' name.
    board: BTreeMap<String, u64>,
    /// Each of [`ROUTED`], placed and routed.
    routed: BTreeMap<String, Routed>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Routed {
    luts: u64,
    fmax_mhz: f64,
}

/// Blocks that are placed and routed: the sequencer with its microprogram, a judge's lane and a list of HEPC.
const ROUTED: [&str; 3] = ["control", "lane", "list"];
/// Cells that are held.
const CELLS: [&str; 6] = ["LUT4", "CCU2C", "TRELLIS_FF", "DP16KD", "MULT18X18D", "TRELLIS_DPR16X4"];

/// The verb.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !options.write {
        return compare_with_baseline(&Tools::install()?);
    }
    let figures = measure(&Tools::install()?)?;
    let text = format!(
        "# What CI holds the hardware to; a figure more than 5% worse fails. `cargo xtask baseline --write` made it.\n\n{}",
        toml::to_string(&figures)?
    );
    let path = workspace::root()?.join(FILE);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Compares this checkout with the baseline: what CI does.
pub(crate) fn check(deadline: Instant) -> Result<()> {
    compare_with_baseline(&Tools::install_until(deadline)?)
}

fn compare_with_baseline(tools: &Tools) -> Result<()> {
    let path = workspace::root()?.join(FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{FILE} is not there; `cargo xtask baseline --write` makes it"))?;
    let baseline: Figures = toml::from_str(&text).context(FILE)?;
    let lines = compare(&baseline, &measure(tools)?)?;
    println!("| figure | baseline | now | |\n|---|---|---|---|");
    for line in &lines {
        println!("| {} | {} | {} | {} |", line.what, line.baseline, line.now, if line.is_worse { "WORSE" } else { "" });
    }
    let worse: Vec<&str> = lines.iter().filter(|line| line.is_worse).map(|line| line.what.as_str()).collect();
    if !worse.is_empty() {
        bail!(
            "more than 5% worse than {FILE}: {}; mend it, or, if it is worth its price, `cargo xtask baseline --write` and say why",
            worse.join(", ")
        );
    }
    Ok(())
}

/// A figure beside its baseline.
struct Line {
    what: String,
    baseline: f64,
    now: f64,
    is_worse: bool,
}

fn compare(baseline: &Figures, now: &Figures) -> Result<Vec<Line>> {
    // Else a kind that Yosys calls by another name now would count as none, which is better than any.
    let gone: Vec<&str> = baseline
        .board
        .keys()
        .filter(|cell| !now.board.contains_key(*cell))
        .map(String::as_str)
        .collect();
    ensure!(
        gone.is_empty(),
        "the design has no {}, and the baseline has: does Yosys call it otherwise now? If not, `cargo xtask baseline --write`",
        gone.join(", ")
    );
    let sized = |what: String, before: u64, after: u64| Line {
        is_worse: after as f64 > before as f64 * (1.0 + TOLERANCE),
        what,
        baseline: before as f64,
        now: after as f64,
    };
    let mut lines: Vec<Line> = CELLS
        .iter()
        .map(|cell| {
            let of = |figures: &Figures| figures.board.get(*cell).copied().unwrap_or(0);
            sized(format!("board, {cell}"), of(baseline), of(now))
        })
        .collect();
    for (block, now) in &now.routed {
        let before = baseline
            .routed
            .get(block)
            .with_context(|| format!("{FILE} has no {block}; `cargo xtask baseline --write` adds it"))?;
        lines.push(sized(format!("{block}, LUTs and carries"), before.luts, now.luts));
        lines.push(Line {
            what: format!("{block}, Fmax in MHz"),
            baseline: before.fmax_mhz,
            now: now.fmax_mhz,
            is_worse: now.fmax_mhz < before.fmax_mhz * (1.0 - TOLERANCE),
        });
    }
    Ok(lines)
}

fn measure(tools: &Tools) -> Result<Figures> {
    let routed = ROUTED.map(|block| Ok((block.to_owned(), route(tools, block)?)));
    Ok(Figures { board: count(tools)?, routed: routed.into_iter().collect::<Result<_>>()? })
}

/// The board geometry's cells.
fn count(tools: &Tools) -> Result<BTreeMap<String, u64>> {
    let source = workspace::root()?.join("hdl/rtl/kvcpu_board.v");
    let counted = tools.folder.join("baseline.stat");
    let script = format!(
        "read_verilog {}; synth_ecp5 -top kvcpu_board -run begin:check; tee -q -o {} stat -json",
        tools.in_script(&source),
        workspace::below(&workspace::root()?, &counted)
    );
    eprintln!("board: yosys");
    tools.yosys(&script, &tools.folder.join("baseline.log"))?;
    cells(&counted)
}

/// Of Yosys' `stat -json`, the cells of the whole design.
fn cells(path: &Path) -> Result<BTreeMap<String, u64>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("no count {}", path.display()))?;
    let by_type = cells_by_type(&text).with_context(|| format!("{}: not of Yosys 0.70", path.display()))?;
    let found: BTreeMap<String, u64> =
        CELLS.iter().filter_map(|cell| Some(((*cell).to_owned(), *by_type.get(*cell)?))).collect();
    ensure!(!found.is_empty(), "{} has none of {}", path.display(), CELLS.join(", "));
    Ok(found)
}

/// A block, placed and routed with seed 1, out of context.
fn route(tools: &Tools, block: &str) -> Result<Routed> {
    let report = super::blocks::implement(tools, block, 1)?;
    let clock = report.clocks().next().with_context(|| format!("{block} has no clock"))?;
    Ok(Routed { luts: report.used("TRELLIS_COMB").used, fmax_mhz: clock.achieved })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(luts: u64, fmax_mhz: f64) -> Figures {
        let routed = [("control".to_owned(), Routed { luts: 10, fmax_mhz })].into();
        Figures { board: [("LUT4".to_owned(), luts)].into(), routed }
    }

    fn worse(now: &Figures) -> Vec<String> {
        let lines = compare(&figures(1_000, 100.0), now).unwrap();
        lines.into_iter().filter(|line| line.is_worse).map(|line| line.what).collect()
    }

    #[test]
    fn five_percent_are_borne_and_no_more() {
        assert!(worse(&figures(1_050, 95.0)).is_empty());
        assert!(worse(&figures(10, 500.0)).is_empty());
        assert_eq!(worse(&figures(1_051, 95.0)), ["board, LUT4"]);
        assert_eq!(worse(&figures(1_000, 94.9)), ["control, Fmax in MHz"]);
    }

    #[test]
    fn a_kind_of_cell_that_is_gone_is_no_improvement() {
        let mut now = figures(10, 500.0);
        let count = now.board.remove("LUT4").unwrap();
        now.board.insert("LUT5".to_owned(), count);
        let error = compare(&figures(1_000, 100.0), &now).err().unwrap().to_string();
        assert!(error.contains("has no LUT4"), "{error}");
    }

    #[test]
    fn a_block_that_the_baseline_has_not_is_named() {
        let now = figures(1_000, 100.0);
        let before = Figures { routed: BTreeMap::new(), ..now.clone() };
        assert!(compare(&before, &now).err().unwrap().to_string().contains("has no control"));
    }

    #[test]
    fn the_baseline_is_there_and_holds_every_kind_of_cell() {
        let text = std::fs::read_to_string(workspace::root().unwrap().join(FILE)).unwrap();
        let baseline: Figures = toml::from_str(&text).unwrap();
        for cell in CELLS {
            assert!(baseline.board.contains_key(cell), "{cell}");
        }
        assert!(baseline.routed.keys().eq(ROUTED.iter()));
    }

    #[test]
    fn cells_are_those_of_the_design() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"modules": {}, "design": {"num_cells_by_type": {"LUT4": 7, "other": 1}}}"#;
        std::fs::write(file.path(), text).unwrap();
        assert_eq!(cells(file.path()).unwrap(), [("LUT4".to_owned(), 7)].into());
        std::fs::write(file.path(), r#"{"design": {"num_cells_by_type": {}}}"#).unwrap();
        assert!(cells(file.path()).is_err());
    }
}
