//! What is between registers and pins, where a board's recipe says what may be: nextpnr holds no such way to anything by itself. Its
//! detailed report has the delay from a clock's edge to each pad; pads themselves, and the clock's way, are not in it, and shortest ways
//! are not looked at. What comes in has no way at all: it is to be taken by the register beside the pad, which the report calls PAD$IOL.

use super::report::Report;
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What the report calls an end that no clock has.
const NO_CLOCK: &str = "<async>";

/// The end of the name of a register beside a pad.
const BESIDE: &str = "$IOL";

/// The recipe's limits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Beginnings of the names of the pads' cells.
    cells: Vec<String>,
    /// How many of them a clock's edge has a way to.
    outputs: usize,
    /// How long one may take.
    to_pins_ns: f64,
    /// How many have a register beside them that takes what comes in.
    captured: usize,
}

/// Nets in nextpnr's detailed report.
#[derive(Deserialize)]
pub(super) struct Net {
    /// Cell that drives it.
    driver: String,
    /// Clock of what begins the way that leads here.
    event: String,
    endpoints: Vec<End>,
}

/// Where a way ends.
#[derive(Deserialize)]
struct End {
    cell: String,
    /// Its clock.
    event: String,
    /// Shortest and longest, from the way's beginning on.
    delay: (f64, f64),
}

impl Limits {
    /// Fails if a way is too long, a pad's register is elsewhere, or there is nothing to look at.
    pub(super) fn check(&self, report: &Report) -> Result<()> {
        let is_ours = |cell: &str| self.cells.iter().any(|start| cell.starts_with(start));
        let (mut faults, mut elsewhere) = (Vec::new(), Vec::new());
        let (mut to, mut captured) = (BTreeSet::new(), BTreeSet::new());
        for (net, end) in report.nets().flat_map(|net| net.endpoints.iter().map(move |end| (net, end))) {
            let (from_clock, to_clock) = (net.event != NO_CLOCK, end.event != NO_CLOCK);
            if from_clock && is_ours(&net.driver) && net.driver.ends_with(BESIDE) {
                captured.insert(&net.driver);
            } else if from_clock && !to_clock && is_ours(&end.cell) {
                to.insert(&end.cell);
                if end.delay.1 > self.to_pins_ns {
                    let (took, limit) = (end.delay.1, self.to_pins_ns);
                    faults.push(format!("{} to {}: {took:.2} of {limit:.2} ns", net.driver, end.cell));
                }
            } else if !from_clock && to_clock && is_ours(&net.driver) {
                elsewhere.push(format!("{} to {}", net.driver, end.cell));
            }
        }
        ensure!(
            elsewhere.is_empty(),
            "what comes in is taken by registers that are not beside their pads: {}; the top is to have an IFS1P3DX for each",
            elsewhere.join(", ")
        );
        ensure!(faults.is_empty(), "timing at the pins is not met: {}; another --seed may help", faults.join(", "));
        // A pin with logic before its register has another name there: what was to be checked would be left out.
        ensure!(
            to.len() == self.outputs && captured.len() == self.captured,
            "ways to {} pins {}, and {} with a register beside them, not {} and {}: is one called otherwise?",
            to.len(),
            self.cells.join(", "),
            captured.len(),
            self.outputs,
            self.captured
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fpga::board::Board;
    use crate::workspace;

    /// A way to a pad of so long, and a net of a data pad's.
    fn check(to: f64, begins: &str, driver: &str, event: &str) -> Result<()> {
        let text = format!(
            r#"{{"fmax": {{}}, "utilization": {{}}, "detailed_net_timings": [
                {{"driver": "ff", "port": "Q", "event": "posedge clock", "net": "a", "endpoints": [
                    {{"cell": "ram_a$tr_io", "port": "I", "event": "<async>", "delay": [1.0, {to}]}},
                    {{"cell": "other", "port": "D", "event": "posedge clock", "delay": [1.0, 99.0]}}]}},
                {{"driver": "ff", "port": "Q", "event": "posedge clock", "net": "b", "endpoints": [
                    {{"cell": "led$tr_io", "port": "I", "event": "<async>", "delay": [1.0, 99.0]}}]}},
                {{"driver": "{driver}", "port": "O", "event": "{event}", "net": "c", "endpoints": [
                    {{"cell": "in", "port": "M", "event": "posedge clock", "delay": [1.0, 1.5]}}]}}]}}"#
        );
        let limits = Limits { cells: vec![begins.into()], outputs: 1, to_pins_ns: 6.0, captured: 1 };
        limits.check(&serde_json::from_str(&text).unwrap())
    }

    fn error(result: Result<()>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_way_that_is_too_long_is_named_with_its_figure() {
        check(6.0, "ram_", "ram_d.pad$IOL", "posedge clock").unwrap();
        let error = error(check(6.1, "ram_", "ram_d.pad$IOL", "posedge clock"));
        assert!(error.contains("ff to ram_a$tr_io: 6.10 of 6.00 ns") && !error.contains("led"), "{error}");
    }

    #[test]
    fn a_register_that_is_not_beside_its_pad_is_named() {
        let error = error(check(1.0, "ram_", "ram_d.pad", NO_CLOCK));
        assert!(error.contains("not beside their pads: ram_d.pad to in; the top"), "{error}");
    }

    #[test]
    fn pins_that_are_not_there_are_no_pins_in_time() {
        let none = error(check(1.0, "rom_", "ram_d.pad$IOL", "posedge clock"));
        assert!(none.contains("ways to 0 pins rom_, and 0 with a register beside them, not 1 and 1"), "{none}");
        let other = error(check(1.0, "ram_", "rom_d.pad$IOL", "posedge clock"));
        assert!(other.contains("ways to 1 pins ram_, and 0 with"), "{other}");
    }

    #[test]
    fn the_controller_waits_for_the_registers_that_the_top_has_beside_its_pads() {
        let export = std::fs::read_to_string(workspace::root().unwrap().join("hdl/src/export.rs")).unwrap();
        assert!(export.contains("const ULX3S_WIRES: u64 = 1;") && export.contains("ULX3S_HZ, ULX3S_WIRES)"));
        let board = Board::read("ulx3s_85f").unwrap();
        assert_eq!(board.at_pins.as_ref().unwrap().captured, 16);
        let top = board.top_text().unwrap();
        for (text, count) in
            [("IFS1P3DX captured (", 1), ("(dq_pad[i])", 2), ("(dq_in[i])", 1), (".sdram_dq_in(dq_in)", 1)]
        {
            assert_eq!(top.matches(text).count(), count, "{text}");
        }
    }
}
