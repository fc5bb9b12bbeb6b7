//! A board's recipe, constraints/BOARD/board.toml: its part, what is built for it, and how fast its clock is.

use crate::workspace;
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
    /// Verilog files.
    sources: Vec<PathBuf>,
    /// Pins and clocks.
    pins: PathBuf,
    /// Of the device's clock, which has to be met.
    pub(crate) clock_mhz: f64,
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
        Ok(board)
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
            let board = Board::read(name).unwrap();
            let text: String = board.sources().map(|file| std::fs::read_to_string(file).unwrap()).collect();
            let (_, rest) = text
                .split_once(&format!("module {}(", board.top))
                .unwrap_or_else(|| panic!("{name}: no top"));
            let ports = rest.split_once(");").unwrap().0;
            let pins = std::fs::read_to_string(board.pins()).unwrap();
            for line in ports
                .lines()
                .map(str::trim)
                .filter(|line| line.contains("put ") || line.contains("inout "))
            {
                let port = line.split("//").next().unwrap().trim().trim_end_matches(',').rsplit(' ').next().unwrap();
                let placed = [format!("\"{port}\" SITE"), format!("\"{port}[0]\" SITE")];
                assert!(placed.iter().any(|text| pins.contains(text)), "{name}: {port} has no pin");
            }
        }
    }
}
