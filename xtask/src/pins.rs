//! A board's pins against its top module: each bit of each port has one pin, and no pin is used twice. Pins are read from Vivado's
//! constraints or from Lattice's.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// A pin, and the port's bit that it is of.
type Pin<'a> = (&'a str, &'a str);

/// Checks pins against the ports of the first module in `verilog`.
pub(crate) fn check(verilog: &str, pins_of: &[Pin<'_>]) -> Result<()> {
    let mut wanted = ports(verilog)?;
    let mut pins: BTreeMap<&str, &str> = BTreeMap::new();
    for &(pin, port) in pins_of {
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

/// The pins of Vivado's constraints (XDC).
pub(crate) fn xdc(text: &str) -> Result<Vec<Pin<'_>>> {
    read(text, "PACKAGE_PIN", |line| {
        let pin = line.split("PACKAGE_PIN ").nth(1)?.split(['}', ' ']).next()?;
        let port = line.split("[get_ports {").nth(1)?.split('}').next()?;
        Some((pin, port))
    })
}

/// The pins of Lattice's constraints (LPF): `LOCATE COMP "port" SITE "pin";`.
pub(crate) fn lpf(text: &str) -> Result<Vec<Pin<'_>>> {
    read(text, "LOCATE", |line| {
        let mut quoted = line.strip_prefix("LOCATE COMP \"")?.split('"');
        let (port, between, pin) = (quoted.next()?, quoted.next()?, quoted.next()?);
        (between == " SITE ").then_some((pin, port))
    })
}

/// The pins of each line that has `word` and is no comment.
fn read<'a>(text: &'a str, word: &str, pin: impl Fn(&'a str) -> Option<Pin<'a>>) -> Result<Vec<Pin<'a>>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#') && line.contains(word));
    lines.map(|line| pin(line).with_context(|| format!("cannot read `{line}`"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "module top (\n    input wire a,\n    // Two.\n    output wire [1:0] b\n);\nwire c;\nendmodule\n";

    fn fault(pins: &[(&str, &str)]) -> String {
        check(TOP, pins).unwrap_err().to_string()
    }

    #[test]
    fn pins_are_read_from_both_kinds_of_constraints() {
        let text = "# PACKAGE_PIN\nset_property -dict {PACKAGE_PIN A1 IOSTANDARD LVCMOS12} [get_ports {a}]\n\
                    set_property -dict {PACKAGE_PIN B1} [get_ports {b[0]}]\n";
        assert_eq!(xdc(text).unwrap(), [("A1", "a"), ("B1", "b[0]")]);
        let text = "# LOCATE\nLOCATE COMP \"a\" SITE \"A1\";\nIOBUF PORT \"a\" IO_TYPE=LVCMOS33;\n LOCATE COMP \"b[0]\" SITE \"B1\";";
        assert_eq!(lpf(text).unwrap(), [("A1", "a"), ("B1", "b[0]")]);
        assert!(lpf("LOCATE COMP a SITE B;").unwrap_err().to_string().contains("COMP a"));
    }

    #[test]
    fn each_bit_has_one_pin_of_its_own() {
        check(TOP, &[("A1", "a"), ("B1", "b[0]"), ("B2", "b[1]")]).unwrap();
        assert!(fault(&[("A1", "a"), ("B1", "b[0]")]).contains("b[1]"));
        assert!(fault(&[("A1", "a"), ("A1", "b[0]")]).contains("pin A1"));
        assert!(fault(&[("A1", "a"), ("A2", "a")]).contains("two pins"));
        assert!(fault(&[("A1", "c")]).contains("no port"));
    }
}
