//! The Verilog header: local parameters to be included inside a module. Verilog-2001.

use super::entries::{codes, entries};
use super::{MADE_BY, screaming};
use kvcpu_mmio::geometry::{ENTRY_BYTES, MAX_ENTRIES, SEARCH_BUCKETS, TIERS, VECTORS, WAYS};
use kvcpu_mmio::h3::{KEY_BITS, ROWS};
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES, BLOCKS, PCI_DEVICE, PCI_VENDOR, WINDOWS};
use kvcpu_mmio::queue::SINGLE_SHOT_QID;
use kvcpu_mmio::regs::control::{MAP_MAJOR, MAP_MINOR};
use kvcpu_mmio::regs::msix::{BAR4_BYTES, PBA_OFFSET};
use kvcpu_mmio::{Access, Block, Register};
use std::fmt::Write;

const INTRODUCTION: &str = "\
//
// To be included inside a module. For a register NAME: KVCPU_NAME_OFFSET is its byte offset in
// the BAR, of instance 0 and element 0 where there are several (KVCPU_BLOCK_<NAME>_STRIDE apart, and
// KVCPU_NAME_WIDTH bits apart); _WRITABLE holds the bits that a write may set or clear. A field
// has _LSB and _WIDTH. Entry fields name their 64-bit word too.
";

/// The whole file.
pub(super) fn header() -> String {
    let mut out = format!("// The KV-CPU register map, version {MAP_MAJOR}.{MAP_MINOR}.\n// {MADE_BY}\n{INTRODUCTION}");
    out += "/* verilator lint_off UNUSEDPARAM */\n\n";
    constants(&mut out);
    for b in &BLOCKS {
        block(&mut out, b);
    }
    for table in codes() {
        let _ = writeln!(out, "// {}", table.purpose);
        for (name, value, meaning) in &table.values {
            sized(&mut out, &format!("{}_{name}", screaming(table.name)), table.width, *value, meaning);
        }
        out.push('\n');
    }
    for entry in entries() {
        let upper = screaming(entry.name);
        let _ = writeln!(out, "// {}", entry.purpose);
        integer(&mut out, &format!("{upper}_BYTES"), entry.words as u64 * 8, "");
        for f in &entry.fields {
            let field = format!("{upper}_{}", screaming(f.name));
            integer(&mut out, &format!("{field}_WORD"), f.word as u64, f.purpose);
            integer(&mut out, &format!("{field}_LSB"), f.lsb.into(), "");
            integer(&mut out, &format!("{field}_WIDTH"), f.width.into(), "");
        }
        out.push('\n');
    }
    rows(&mut out);
    out += "\n/* verilator lint_on UNUSEDPARAM */\n";
    out
}

fn constants(out: &mut String) {
    for (name, width, value, meaning) in [
        ("MAP_MAJOR", 16, u64::from(MAP_MAJOR), ""),
        ("MAP_MINOR", 16, MAP_MINOR.into(), ""),
        ("PCI_VENDOR", 16, PCI_VENDOR.into(), ""),
        ("PCI_DEVICE", 16, PCI_DEVICE.into(), ""),
        ("SINGLE_SHOT_QID", 16, SINGLE_SHOT_QID.into(), "qid of a single-shot completion."),
        ("MSIX_PBA_OFFSET", 32, PBA_OFFSET.into(), "Pending bit array, in BAR4."),
    ] {
        sized(out, name, width, value, meaning);
    }
    for (name, value, meaning) in [
        ("BAR0_BYTES", u64::from(BAR0_BYTES), ""),
        ("BAR2_BYTES", BAR2_BYTES.into(), "With the largest directory."),
        ("BAR4_BYTES", BAR4_BYTES.into(), ""),
        ("WAYS", WAYS.into(), "Entries of a directory bucket."),
        ("TIERS", TIERS as u64, ""),
        ("VECTORS", VECTORS.into(), "MSI-X vectors."),
        ("MAX_ENTRIES", MAX_ENTRIES.into(), "Entries of the largest directory, without stash."),
        ("ENTRY_BYTES", ENTRY_BYTES.into(), "Of a directory entry in BAR2."),
        ("SEARCH_BUCKETS", SEARCH_BUCKETS as u64, "Buckets that the search for a free slot reads at most."),
    ] {
        integer(out, name, value, meaning);
    }
    for (number, window) in WINDOWS.iter().enumerate() {
        sized(out, &format!("WINDOW{number}_BASE"), 32, window.base.into(), window.purpose);
    }
    out.push('\n');
}

fn block(out: &mut String, block: &Block) {
    let prefix = format!("BLOCK_{}", screaming(block.name));
    let _ = writeln!(out, "// Block {}, BAR{}: {}", block.name, block.bar.index(), block.purpose);
    sized(out, &format!("{prefix}_BASE"), 32, block.base.into(), "");
    integer(out, &format!("{prefix}_INSTANCES"), block.instances.into(), "");
    sized(out, &format!("{prefix}_STRIDE"), 32, block.stride.into(), "");
    for register in block.registers.iter().filter(|r| r.access != Access::Reserved) {
        self::register(out, register);
    }
    out.push('\n');
}

fn register(out: &mut String, r: &Register) {
    let unit = if r.unit.is_empty() { String::new() } else { format!(", in {}", r.unit) };
    let volatile = if r.volatile { ", volatile" } else { "" };
    let _ = writeln!(out, "// {:?}{unit}{volatile}. {}", r.access, r.purpose);
    sized(out, &format!("{}_OFFSET", r.name), 32, r.offset.into(), "");
    integer(out, &format!("{}_WIDTH", r.name), r.width.into(), "");
    if r.elements > 1 {
        integer(out, &format!("{}_ELEMENTS", r.name), r.elements.into(), "");
    }
    sized(out, &format!("{}_RESET_VALUE", r.name), r.width.into(), r.reset, "");
    sized(out, &format!("{}_WRITABLE", r.name), r.width.into(), r.writable(), "");
    for f in r.fields {
        integer(out, &format!("{}_{}_LSB", r.name, f.name), f.lsb.into(), f.purpose);
        integer(out, &format!("{}_{}_WIDTH", r.name, f.name), f.width.into(), "");
    }
}

/// The rows of both H3 hashes in one vector; row `i` is `KVCPU_H3_ROWS[32*i +: 32]`.
fn rows(out: &mut String) {
    let _ = writeln!(
        out,
        "// H3 rows: row i, for key bit i, is KVCPU_H3_ROWS[32*i +: 32]: hash 0 in its low half, 1 in its high."
    );
    integer(out, "H3_KEY_BITS", KEY_BITS as u64, "Tag at bit 0, request at 64, tenant at 80.");
    let _ = writeln!(out, "localparam [{}:0] KVCPU_H3_ROWS = {{", KEY_BITS * 32 - 1);
    for (i, row) in ROWS.iter().enumerate().rev() {
        let comma = if i > 0 { "," } else { "" };
        let _ = writeln!(out, "    32'h{row:08x}{comma} // {i}");
    }
    out.push_str("};\n");
}

fn sized(out: &mut String, name: &str, width: u32, value: u64, meaning: &str) {
    let digits = width.div_ceil(4) as usize;
    let meaning = if meaning.is_empty() { String::new() } else { format!(" // {meaning}") };
    let _ = writeln!(out, "localparam [{}:0] KVCPU_{name} = {width}'h{value:0digits$x};{meaning}", width - 1);
}

fn integer(out: &mut String, name: &str, value: u64, meaning: &str) {
    let meaning = if meaning.is_empty() { String::new() } else { format!(" // {meaning}") };
    let _ = writeln!(out, "localparam integer KVCPU_{name} = {value};{meaning}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvcpu_mmio::map::registers;
    use std::collections::HashSet;
    use std::process::Command;

    #[test]
    fn no_parameter_is_declared_twice_and_each_line_is_one_declaration() {
        let header = header();
        let mut names = HashSet::new();
        for line in header.lines().filter(|l| l.starts_with("localparam")) {
            let name = line.split_whitespace().find(|w| w.starts_with("KVCPU_")).unwrap();
            assert!(names.insert(name), "{name} is declared twice");
        }
        for r in registers() {
            assert!(names.contains(format!("KVCPU_{}_OFFSET", r.name).as_str()), "{}", r.name);
        }
    }

    #[test]
    fn a_verilog_compiler_takes_the_header_where_there_is_one() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kvcpu_regs.vh"), header()).unwrap();
        let module = "module header(output wire [31:0] row);\n`include \"kvcpu_regs.vh\"\n\
            assign row = KVCPU_H3_ROWS[32*87 +: 32];\nendmodule\n";
        std::fs::write(directory.path().join("header.v"), module).unwrap();
        let tools: [(&str, &[&str]); 2] = [
            ("iverilog", &["-g2001", "-Wall", "-I.", "-o", "out", "header.v"]),
            ("verilator", &["--lint-only", "-Wall", "-I.", "header.v"]),
        ];
        for (tool, arguments) in tools {
            match Command::new(tool).args(arguments).current_dir(&directory).output() {
                Ok(output) => assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr)),
                Err(_) => eprintln!("SKIPPED: no {tool}, so it has not seen the generated Verilog header"),
            }
        }
    }

    #[test]
    fn row_zero_is_the_vectors_low_word() {
        let header = header();
        assert!(header.contains(&format!("    32'h{:08x} // 0\n}};\n", ROWS[0])));
        assert!(header.contains(&format!("KVCPU_H3_ROWS = {{\n    32'h{:08x}, // 87\n", ROWS[87])));
    }
}
