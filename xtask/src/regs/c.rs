//! The C header: addresses, field masks, reset values, queue entries, codes. C11, no dependencies.

use super::entries::{Entry, EntryField, codes, entries};
use super::{MADE_BY, screaming};
use kvcpu_mmio::map::{BAR0_BYTES, BAR2_BYTES, BLOCKS, PCI_DEVICE, PCI_VENDOR, WINDOWS};
use kvcpu_mmio::queue::{CQE_PHASE_BIT, SINGLE_SHOT_QID};
use kvcpu_mmio::regs::control::{MAP_MAJOR, MAP_MINOR};
use kvcpu_mmio::regs::msix::{BAR4_BYTES, PBA_OFFSET};
use kvcpu_mmio::{Access, Bar, Block, Register};
use std::fmt::Write;

const INTRODUCTION: &str = " *
 * Offsets are in bytes within the BAR that KVCPU_BLOCK_<NAME>_BAR names. A register of a block with
 * several instances takes the instance, an array register the element: KVCPU_SQ_DOORBELL(qid),
 * KVCPU_CNT_HITS(tier). Nothing is checked: stay below KVCPU_BLOCK_<NAME>_INSTANCES and
 * KVCPU_<REGISTER>_ELEMENTS. All of the device is little-endian, queue entries too, and the struct
 * members below are read as they lie: on a big-endian host, swap them.
 */
";

/// The whole file.
pub(super) fn header() -> String {
    let mut out = format!("/* The KV-CPU register map, version {MAP_MAJOR}.{MAP_MINOR}.\n * {MADE_BY}\n{INTRODUCTION}");
    out += "#ifndef KVCPU_REGS_H\n#define KVCPU_REGS_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n";
    constants(&mut out);
    out += "/* The bits of a field, taken out of a register value. */\n\
        static inline uint64_t kvcpu_field_get(uint64_t value, uint64_t mask, unsigned shift)\n\
        {\n    return (value & mask) >> shift;\n}\n\n\
        /* A register value with a field replaced. */\n\
        static inline uint64_t kvcpu_field_set(uint64_t value, uint64_t mask, unsigned shift, uint64_t field)\n\
        {\n    return (value & ~mask) | ((field << shift) & mask);\n}\n\n";
    for b in &BLOCKS {
        block(&mut out, b);
    }
    for table in codes() {
        let prefix = screaming(table.name);
        line(&mut out, &format!("/* {} */", comment(table.purpose)));
        for (name, value, meaning) in &table.values {
            define(&mut out, &format!("{prefix}_{name}"), &format!("0x{value:02x}u"), meaning);
        }
        out.push('\n');
    }
    for e in entries() {
        entry(&mut out, &e);
    }
    out += "#endif\n";
    out
}

fn constants(out: &mut String) {
    for (name, value, meaning) in [
        ("MAP_MAJOR", format!("{MAP_MAJOR}u"), "Refuse a device with another major version."),
        ("MAP_MINOR", format!("{MAP_MINOR}u"), ""),
        ("PCI_VENDOR", format!("0x{PCI_VENDOR:04x}u"), ""),
        ("PCI_DEVICE", format!("0x{PCI_DEVICE:04x}u"), ""),
        ("BAR_REGS", format!("{}u", Bar::Regs.index()), "Registers."),
        ("BAR_RTBD", format!("{}u", Bar::Rtbd.index()), "Directory entries."),
        ("BAR_MSIX", format!("{}u", Bar::Msix.index()), "MSI-X table and pending bits."),
        ("BAR_REGS_BYTES", format!("0x{BAR0_BYTES:x}u"), ""),
        ("BAR_RTBD_BYTES", format!("0x{BAR2_BYTES:x}u"), "With the largest directory."),
        ("BAR_MSIX_BYTES", format!("0x{BAR4_BYTES:x}u"), ""),
        ("MSIX_PBA_OFFSET", format!("0x{PBA_OFFSET:x}u"), "Pending bit array, in BAR_MSIX."),
        ("SINGLE_SHOT_QID", format!("0x{SINGLE_SHOT_QID:04x}u"), "qid of a single-shot completion."),
        ("CQE_PHASE_BIT", format!("{CQE_PHASE_BIT}u"), "In word 1 of a completion."),
    ] {
        define(out, name, &value, meaning);
    }
    out.push('\n');
    for window in WINDOWS {
        line(out, &format!("/* 0x{:04x}, 0x{:x} bytes: {} */", window.base, window.size, comment(window.purpose)));
    }
    out.push('\n');
}

fn block(out: &mut String, block: &Block) {
    let prefix = format!("BLOCK_{}", screaming(block.name));
    let _ = writeln!(out, "/* Block {}: {} */", block.name, comment(block.purpose));
    let bar = match block.bar {
        Bar::Regs => "KVCPU_BAR_REGS",
        Bar::Rtbd => "KVCPU_BAR_RTBD",
        Bar::Msix => "KVCPU_BAR_MSIX",
    };
    define(out, &format!("{prefix}_BAR"), bar, "");
    define(out, &format!("{prefix}_BASE"), &format!("0x{:04x}u", block.base), "");
    define(out, &format!("{prefix}_INSTANCES"), &format!("{}u", block.instances), "");
    define(out, &format!("{prefix}_STRIDE"), &format!("0x{:x}u", block.stride), "");
    for register in block.registers.iter().filter(|r| r.access != Access::Reserved) {
        self::register(out, register);
    }
    out.push('\n');
}

fn register(out: &mut String, r: &Register) {
    let unit = if r.unit.is_empty() { String::new() } else { format!(", in {}", r.unit) };
    let volatile = if r.volatile { ", volatile" } else { "" };
    let _ = writeln!(out, "\n/* {:?}, {} bits{unit}{volatile}. {} */", r.access, r.width, comment(r.purpose));
    let (mut parameters, mut address) = (Vec::new(), format!("0x{:04x}u", r.offset));
    if r.instances > 1 {
        parameters.push("n");
        address += &format!(" + (uint32_t)(n) * 0x{:x}u", r.stride);
    }
    if r.elements > 1 {
        parameters.push("i");
        address += &format!(" + (uint32_t)(i) * {}u", r.bytes());
    }
    if parameters.is_empty() {
        define(out, r.name, &address, "");
    } else {
        define(out, &format!("{}({})", r.name, parameters.join(", ")), &format!("({address})"), "");
    }
    if r.elements > 1 {
        define(out, &format!("{}_ELEMENTS", r.name), &format!("{}u", r.elements), "");
    }
    let literal = |value: u64| {
        if r.width == 64 { format!("UINT64_C(0x{value:x})") } else { format!("UINT32_C(0x{value:x})") }
    };
    define(out, &format!("{}_RESET_VALUE", r.name), &literal(r.reset), "");
    for f in r.fields {
        let unit = if f.unit.is_empty() { String::new() } else { format!(" [{}]", f.unit) };
        define(out, &format!("{}_{}_SHIFT", r.name, f.name), &format!("{}u", f.lsb), &format!("{}{unit}", f.purpose));
        define(out, &format!("{}_{}_MASK", r.name, f.name), &literal(f.mask()), "");
    }
}

/// A member of an entry's struct: one field, or several that share a byte.
struct Member<'a> {
    name: String,
    bits: u32,
    word: usize,
    lsb: u32,
    fields: Vec<&'a EntryField>,
}

/// Groups an entry's fields into members of 8, 16, 32 or 64 bits.
fn members(entry: &Entry) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    for word in 0..entry.words {
        let mut at = 0;
        while at < 64 {
            let inside = |bits: u32| -> Vec<&EntryField> {
                entry
                    .fields
                    .iter()
                    .filter(|f| f.word == word && f.lsb >= at && f.lsb < at + bits)
                    .collect()
            };
            // The smallest aligned member that cuts no field.
            let bits = [8, 16, 32, 64]
                .into_iter()
                .find(|&bits| inside(bits).iter().all(|f| f.lsb + f.width <= at + bits));
            let bits = bits.unwrap_or(64);
            let fields = inside(bits);
            let names: Vec<&str> = fields.iter().map(|f| f.name).collect();
            let name = if names.is_empty() { format!("reserved_{word}_{at}") } else { names.join("_") };
            members.push(Member { name, bits, word, lsb: at, fields });
            at += bits;
        }
    }
    members
}

fn entry(out: &mut String, entry: &Entry) {
    let (name, upper) = (entry.name, screaming(entry.name));
    let members = members(entry);
    let _ = writeln!(out, "/* {} {} bytes, little-endian. */", comment(entry.purpose), entry.words * 8);
    let _ = writeln!(out, "struct kvcpu_{name} {{");
    for m in &members {
        let purpose = m.fields.iter().map(|f| comment(f.purpose)).collect::<Vec<_>>().join(" ");
        let _ = writeln!(out, "    uint{}_t {}; /* {purpose} */", m.bits, m.name);
    }
    let _ = writeln!(out, "}};\n_Static_assert(sizeof(struct kvcpu_{name}) == {}, \"{name} size\");", entry.words * 8);
    for m in &members {
        let offset = m.word as u32 * 8 + m.lsb / 8;
        let member = &m.name;
        let _ =
            writeln!(out, "_Static_assert(offsetof(struct kvcpu_{name}, {member}) == {offset}, \"{name}.{member}\");");
    }
    out.push('\n');
    line(out, "/* The same as 64-bit words: which word, and where in it. */");
    define(out, &format!("{upper}_BYTES"), &format!("{}u", entry.words * 8), "");
    for f in &entry.fields {
        let field = screaming(f.name);
        let mask = (u64::MAX >> (64 - f.width)) << f.lsb;
        define(out, &format!("{upper}_{field}_WORD"), &format!("{}u", f.word), "");
        define(out, &format!("{upper}_{field}_SHIFT"), &format!("{}u", f.lsb), "");
        define(out, &format!("{upper}_{field}_MASK"), &format!("UINT64_C(0x{mask:x})"), "");
    }
    out.push('\n');
    for m in members.iter().filter(|m| m.fields.iter().any(|f| f.width != m.bits)) {
        for f in &m.fields {
            let (field, member, shift) = (f.name, &m.name, f.lsb - m.lsb);
            let (kind, mask) = (format!("uint{}_t", m.bits), (1u64 << f.width) - 1);
            let _ = writeln!(
                out,
                "static inline {kind} kvcpu_{name}_{field}(const struct kvcpu_{name} *e)\n{{\n    \
                 return ({kind})((e->{member} >> {shift}) & 0x{mask:x}u);\n}}\n"
            );
            let _ = writeln!(
                out,
                "static inline void kvcpu_{name}_set_{field}(struct kvcpu_{name} *e, unsigned value)\n{{\n    \
                 e->{member} = ({kind})((e->{member} & ~(0x{mask:x}u << {shift})) | ((value & 0x{mask:x}u) << {shift}));\n}}\n"
            );
        }
    }
}

fn define(out: &mut String, name: &str, value: &str, meaning: &str) {
    let meaning = if meaning.is_empty() { String::new() } else { format!(" /* {} */", comment(meaning)) };
    let _ = writeln!(out, "#define KVCPU_{name} {value}{meaning}");
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Text that cannot end a comment.
fn comment(text: &str) -> String {
    text.replace("*/", "* /").replace("/*", "/ *")
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvcpu_mmio::map::registers;
    use std::collections::HashSet;
    use std::process::Command;

    /// A program whose compilation checks the header against the map.
    fn checks() -> String {
        let mut c = String::from("#include \"kvcpu_regs.h\"\n");
        for r in registers() {
            for (n, i) in [(0, 0), (r.instances - 1, r.elements - 1)] {
                let arguments = match (r.instances > 1, r.elements > 1) {
                    (false, false) => String::new(),
                    (true, false) => format!("({n})"),
                    (false, true) => format!("({i})"),
                    (true, true) => format!("({n}, {i})"),
                };
                let offset = r.at(n) + r.element(i) - r.offset;
                let _ = writeln!(c, "_Static_assert(KVCPU_{}{arguments} == {offset}u, \"\");", r.name);
            }
            let _ = writeln!(c, "_Static_assert(KVCPU_{}_RESET_VALUE == {}u, \"\");", r.name, r.reset);
            for f in r.fields {
                let (name, mask, shift) = (format!("KVCPU_{}_{}", r.name, f.name), f.mask(), f.lsb);
                let _ = writeln!(c, "_Static_assert({name}_MASK == {mask}u && {name}_SHIFT == {shift}, \"\");");
            }
        }
        c + "int main(void)\n{\n    struct kvcpu_sqe s = {0};\n    struct kvcpu_cqe e = {0};\n    \
             kvcpu_sqe_set_tier(&s, 0x12); kvcpu_sqe_set_scope(&s, 0xf);\n    \
             kvcpu_cqe_set_phase(&e, 1); kvcpu_cqe_set_status(&e, KVCPU_STATUS_ABORTED);\n    \
             return !(s.tier_scope == 0xf2 && kvcpu_sqe_tier(&s) == 2 && kvcpu_sqe_scope(&s) == 15\n        \
             && e.phase_status == (KVCPU_STATUS_ABORTED << 1 | 1) && kvcpu_cqe_phase(&e) == 1\n        \
             && kvcpu_field_get(kvcpu_field_set(0, KVCPU_WEIGHTS_WF_MASK, KVCPU_WEIGHTS_WF_SHIFT, 0x1ff),\n        \
             KVCPU_WEIGHTS_WF_MASK, KVCPU_WEIGHTS_WF_SHIFT) == 0xff);\n}\n"
    }

    #[test]
    fn the_header_compiles_without_a_warning_and_agrees_with_the_map() {
        if !crate::process::works(Command::new("cc").arg("--version")) {
            eprintln!("SKIPPED: no C compiler (cc), so the generated C header was NOT compiled");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kvcpu_regs.h"), header()).unwrap();
        std::fs::write(directory.path().join("main.c"), checks()).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", "main", "main.c"]);
        let output = cc.current_dir(&directory).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(Command::new(directory.path().join("main")).status().unwrap().success(), "accessors disagree");
    }

    #[test]
    fn no_name_is_defined_twice() {
        let header = header();
        let mut names = HashSet::new();
        for name in header.lines().filter_map(|l| l.strip_prefix("#define ")) {
            let name = &name[..name.find([' ', '(']).unwrap_or(name.len())];
            assert!(names.insert(name), "{name} is defined twice");
        }
    }

    #[test]
    fn fields_that_share_a_byte_make_one_member() {
        let [sqe, cqe] = entries();
        let names = |e| members(e).iter().map(|m| m.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&sqe)[..6], ["opcode", "flags", "cid", "request", "tenant", "tier_scope"]);
        assert_eq!(names(&cqe), ["frame", "tier", "flags", "value", "sq_head", "qid", "cid", "phase_status"]);
    }
}
