//! How long the ways between registers and pins are, where a board's recipe says how long they may be: nextpnr holds no such way to
//! anything by itself. Its detailed report has the delay of each, from a clock's edge to a pad or from a pad to a register; pads
//! themselves, and the clock's way, are not in it. Shortest ways are not looked at.

use super::report::Report;
use anyhow::{Result, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What the report calls an end that no clock has.
const NO_CLOCK: &str = "<async>";

/// The recipe's limits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Beginnings of the names of the pads' cells.
    cells: Vec<String>,
    /// How many of them a clock's edge has a way to.
    outputs: usize,
    /// How many have one to a register.
    inputs: usize,
    /// From a clock's edge to a pad.
    to_pins_ns: f64,
    /// From a pad to a register, with what that needs before the edge.
    from_pins_ns: f64,
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
    /// Fails if a way is too long, or there is none to look at.
    pub(super) fn check(&self, report: &Report) -> Result<()> {
        let is_ours = |cell: &str| self.cells.iter().any(|start| cell.starts_with(start));
        let mut faults = Vec::new();
        let (mut to, mut from) = (BTreeSet::new(), BTreeSet::new());
        for (net, end) in report.nets().flat_map(|net| net.endpoints.iter().map(move |end| (net, end))) {
            let limit = match (net.event.as_str(), end.event.as_str()) {
                (NO_CLOCK, NO_CLOCK) => continue,
                (NO_CLOCK, _) if is_ours(&net.driver) => {
                    from.insert(&net.driver);
                    self.from_pins_ns
                }
                (_, NO_CLOCK) if is_ours(&end.cell) => {
                    to.insert(&end.cell);
                    self.to_pins_ns
                }
                _ => continue,
            };
            let took = end.delay.1;
            if took > limit {
                faults.push(format!("{} to {}: {took:.2} of {limit:.2} ns", net.driver, end.cell));
            }
        }
        // A pin with logic before its register has another name there: what was to be checked would be left out.
        ensure!(
            to.len() == self.outputs && from.len() == self.inputs,
            "ways to {} pins {} and from {}, not to {} and from {}: is one called otherwise?",
            to.len(),
            self.cells.join(", "),
            from.len(),
            self.outputs,
            self.inputs
        );
        ensure!(faults.is_empty(), "timing at the pins is not met: {}; another --seed may help", faults.join(", "));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(to: f64, from: f64, begins: &str) -> Result<()> {
        let text = format!(
            r#"{{"fmax": {{}}, "utilization": {{}}, "detailed_net_timings": [
                {{"driver": "ff", "port": "Q", "event": "posedge clock", "net": "a", "endpoints": [
                    {{"cell": "ram_a$tr_io", "port": "I", "event": "<async>", "delay": [1.0, {to}]}},
                    {{"cell": "other", "port": "D", "event": "posedge clock", "delay": [1.0, 99.0]}}]}},
                {{"driver": "ff", "port": "Q", "event": "posedge clock", "net": "b", "endpoints": [
                    {{"cell": "led$tr_io", "port": "I", "event": "<async>", "delay": [1.0, 99.0]}}]}},
                {{"driver": "ram_d.pad", "port": "O", "event": "<async>", "net": "c", "endpoints": [
                    {{"cell": "in", "port": "M", "event": "posedge clock", "delay": [1.0, {from}]}}]}}]}}"#
        );
        let cells = vec![begins.into()];
        let limits = Limits { cells, outputs: 1, inputs: 1, to_pins_ns: 6.0, from_pins_ns: 4.0 };
        limits.check(&serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_way_that_is_too_long_is_named_with_its_figure() {
        check(6.0, 4.0, "ram_").unwrap();
        let error = check(6.1, 4.2, "ram_").unwrap_err().to_string();
        assert!(error.contains("ff to ram_a$tr_io: 6.10 of 6.00 ns"), "{error}");
        assert!(error.contains("ram_d.pad to in: 4.20 of 4.00 ns") && !error.contains("led"), "{error}");
    }

    #[test]
    fn pins_that_are_not_there_are_no_pins_in_time() {
        assert!(
            check(1.0, 1.0, "rom_")
                .unwrap_err()
                .to_string()
                .contains("ways to 0 pins rom_ and from 0, not to 1")
        );
        assert!(check(1.0, 1.0, "ram_a").unwrap_err().to_string().contains("from 0"));
    }
}
