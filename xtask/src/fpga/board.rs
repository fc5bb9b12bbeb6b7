//! A board's recipe, constraints/BOARD/board.toml: its part, what is built for it, and how fast its clock is.

use super::at_pins::Limits;
use crate::{pins, workspace};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::PathBuf;

/// The boards for which a bitstream can be built here.
pub(crate) const BOARDS: [&str; 2] = ["ulx3s_85f", "ecp5_evn"];

/// The recipe. Paths are relative to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Board {
    /// The part's name with package and grade.
    pub(crate) part: String,
    /// What nextpnr calls it.
    pub(crate) nextpnr: Vec<String>,
    /// The module with the pins.
    pub(crate) top: String,
    /// Verilog files, that of the top the last.
    sources: Vec<PathBuf>,
    /// Pins and clocks.
    pins: PathBuf,
    /// Of the device's clock, which has to be met.
    pub(crate) clock_mhz: f64,
    /// What may be between registers and pins.
    pub(super) at_pins: Option<Limits>,
    #[serde(skip)]
    folder: PathBuf,
}

impl Board {
    /// Reads the recipe of a board.
    pub(crate) fn read(name: &str) -> Result<Board> {
        let folder = workspace::root()?.join("constraints").join(name);
        let path = folder.join("board.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("no recipe {}", path.display()))?;
        let mut board: Board = toml::from_str(&text).with_context(|| path.display().to_string())?;
        board.folder = folder;
        for file in board.sources().chain([board.pins()]) {
            ensure!(file.exists(), "{}, which {} names, is not there", file.display(), path.display());
        }
        board.has_pins().with_context(|| board.pins().display().to_string())?;
        Ok(board)
    }

    /// Each bit of each port of the top has a pin of its own.
    fn has_pins(&self) -> Result<()> {
        let lpf = std::fs::read_to_string(self.pins())?;
        pins::check(&self.top_text()?, &pins::lpf(&lpf)?)
    }

    /// The file with the module that has the pins.
    pub(super) fn top_text(&self) -> Result<String> {
        let path = self.sources().last().context("it has no sources")?;
        let text = std::fs::read_to_string(&path)?;
        ensure!(text.contains(&format!("module {}(", self.top)), "{} has no module {}", path.display(), self.top);
        Ok(text)
    }

    /// The Verilog files.
    pub(crate) fn sources(&self) -> impl Iterator<Item = PathBuf> {
        self.sources.iter().map(|file| self.folder.join(file))
    }

    /// The Verilog files as a script for Yosys names them.
    pub(crate) fn sources_in_script(&self) -> Result<String> {
        let root = workspace::root()?;
        Ok(self
            .sources()
            .map(|file| workspace::in_script(&root, &file))
            .collect::<Vec<_>>()
            .join(" "))
    }

    /// The constraints.
    pub(crate) fn pins(&self) -> PathBuf {
        self.folder.join(&self.pins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_whole_and_their_tops_and_pins_are_there() {
        for name in BOARDS {
            Board::read(name).unwrap();
        }
    }

    #[test]
    fn a_bit_without_a_pin_is_named() {
        let mut board = Board::read(BOARDS[0]).unwrap();
        let lpf = std::fs::read_to_string(board.pins()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let without: String = lpf
            .lines()
            .filter(|line| !line.contains("\"led[5]\""))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(file.path(), without).unwrap();
        board.pins = file.path().to_owned();
        assert!(board.has_pins().unwrap_err().to_string().contains("led[5]"));
    }
}
