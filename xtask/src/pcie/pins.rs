//! A board's pins against its top module: each bit of each port has one pin, and no pin is used twice.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// Checks `xdc` against the ports of the module in `verilog`.
pub(super) fn check(verilog: &str, xdc: &str) -> Result<()> {
    let mut wanted = ports(verilog)?;
    let mut pins: BTreeMap<&str, &str> = BTreeMap::new();
    for line in xdc.lines().filter(|line| line.contains("PACKAGE_PIN")) {
        let (pin, port) = pin(line).with_context(|| format!("cannot read `{line}`"))?;
        if let Some(other) = pins.insert(pin, port) {
            anyhow::bail!("pin {pin} is that of {other} and of {port}");
        }
        match wanted.get_mut(port) {
            Some(has_pin) => ensure!(!std::mem::replace(has_pin, true), "{port} has two pins"),
            None => anyhow::bail!("{port} has a pin, and is no port of the top module"),
        }
    }
    let without: Vec<&String> = wanted.iter().filter(|(_, has_pin)| !**has_pin).map(|(port, _)| port).collect();
    ensure!(without.is_empty(), "without a pin: {without:?}");
    Ok(())
}

/// The bits of a module's ports, declared one a line in its head; none has a pin yet.
fn ports(verilog: &str) -> Result<BTreeMap<String, bool>> {
    let head = verilog.split("\n);").next().unwrap_or_default();
    let mut bits = BTreeMap::new();
    for line in head.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let Some((_, rest)) = line.split_once(" wire ") else { continue };
        let rest = rest.trim_end_matches(',');
        match rest.split_once("] ") {
            None => drop(bits.insert(rest.to_owned(), false)),
            Some((range, name)) => {
                let high = range.trim_start_matches('[').trim_end_matches(":0");
                let high: u32 = high.parse().with_context(|| format!("cannot read `{line}`"))?;
                bits.extend((0..=high).map(|bit| (format!("{name}[{bit}]"), false)));
            }
        }
    }
    ensure!(!bits.is_empty(), "the top module has no ports");
    Ok(bits)
}

/// Pin and port of a line.
fn pin(line: &str) -> Option<(&str, &str)> {
    let pin = line.split("PACKAGE_PIN ").nth(1)?.split(['}', ' ']).next()?;
    let port = line.split("[get_ports {").nth(1)?.split('}').next()?;
    Some((pin, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "module top (\n    input wire a,\n    // Two.\n    output wire [1:0] b\n);\nwire c;\nendmodule\n";

    fn lines(pins: &[(&str, &str)]) -> String {
        let line = |(pin, port): &(&str, &str)| {
            format!("set_property -dict {{PACKAGE_PIN {pin} IOSTANDARD LVCMOS12}} [get_ports {{{port}}}]\n")
        };
        pins.iter().map(line).collect()
    }

    fn fault(pins: &[(&str, &str)]) -> String {
        check(TOP, &lines(pins)).unwrap_err().to_string()
    }

    #[test]
    fn each_bit_has_one_pin_of_its_own() {
        check(TOP, &lines(&[("A1", "a"), ("B1", "b[0]"), ("B2", "b[1]")])).unwrap();
        assert!(fault(&[("A1", "a"), ("B1", "b[0]")]).contains("b[1]"));
        assert!(fault(&[("A1", "a"), ("A1", "b[0]")]).contains("pin A1"));
        assert!(fault(&[("A1", "a"), ("A2", "a")]).contains("two pins"));
        assert!(fault(&[("A1", "c")]).contains("no port"));
    }
}
