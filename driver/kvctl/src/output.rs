//! How results are shown: a table for people, one JSON object for programs.

use std::io::{self, Write};

use comfy_table::presets::{NOTHING, UTF8_BORDERS_ONLY};
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

/// Something a verb has to say.
pub trait Report {
    /// For people; ends without a newline.
    fn text(&self) -> String;
    /// For programs; its fields are promised in `docs/kvctl.md`.
    fn json(&self) -> serde_json::Value;
}

/// Which of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// JSON instead of tables.
    pub json: bool,
}

impl Output {
    /// Prints a report. In JSON it is one line, so that a session is a stream of them.
    pub fn show(self, report: &dyn Report) -> io::Result<()> {
        self.line(&if self.json { report.json().to_string() } else { report.text() })
    }

    /// Prints one line, or several.
    pub fn line(self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
            // Whoever read us has seen enough: `kvctl regs list | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

/// Width of a table that is not written to a terminal, in columns.
const WIDTH: u16 = 140;

/// An empty table in the house's style.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    if !table.is_tty() {
        table.set_width(WIDTH);
    }
    table
}

/// A two-column table of names and values.
pub fn pairs<N: ToString, V: ToString>(rows: impl IntoIterator<Item = (N, V)>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (name, value) in rows {
        table.add_row([name.to_string(), value.to_string()]);
    }
    table.to_string()
}

/// A value as JSON. Everything shown is plain data, so there is nothing that could fail.
pub fn to_json(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}
