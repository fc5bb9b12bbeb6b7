//! Verilates every design of hdl/rtl and of tests/rtl, compiles it, and writes `designs.rs`: a table of ports and C
//! functions for each. Those of the great geometries need a feature.
//!
//! Works from the checked-in Verilog, so that simulating does not need rust-hdl. With the feature `trace` the designs can
//! write waveforms. `KVCPU_RTL` names a folder to take the designs from instead, such as that of `cargo xtask mutants`. With
//! `KVCPU_BINDINGS_ONLY` nothing is compiled, which is enough for clippy and `cargo doc`.

use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A port of a top module.
struct Port {
    name: String,
    width: u32,
    is_input: bool,
}

/// Designs that are compiled with a feature only.
const OPTIONAL: [(&str, &str); 4] = [
    ("kvcpu_board.v", "CARGO_FEATURE_BOARD"),
    ("kvcpu_evn.v", "CARGO_FEATURE_BOARD"),
    ("kvcpu_ulx3s.v", "CARGO_FEATURE_BOARD"),
    ("kvcpu_full.v", "CARGO_FEATURE_FULL"),
];

/// A generated file of so many bytes is compiled by itself, beside the others; smaller ones are joined, as reading Verilator's headers
/// takes longer than compiling them.
const ALONE: u64 = 200_000;

fn main() -> Result<()> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let trace = std::env::var_os("CARGO_FEATURE_TRACE").is_some();
    println!("cargo::rerun-if-changed=cpp");
    println!("cargo::rerun-if-env-changed=KVCPU_RTL");
    println!("cargo::rerun-if-env-changed=KVCPU_UNGATED");
    let folders = match std::env::var("KVCPU_RTL") {
        Ok(folder) => vec![PathBuf::from(folder)],
        Err(_) => ["../hdl/rtl", "tests/rtl"].map(|folder| manifest.join(folder)).to_vec(),
    };
    let mut files = Vec::new();
    for folder in folders {
        println!("cargo::rerun-if-changed={}", folder.display());
        files.extend(verilog_of(&folder)?);
    }
    files.retain(|file| {
        OPTIONAL
            .iter()
            .all(|(name, feature)| !file.ends_with(name) || std::env::var_os(feature).is_some())
    });

    println!("cargo::rerun-if-env-changed=KVCPU_BINDINGS_ONLY");
    if std::env::var_os("KVCPU_BINDINGS_ONLY").is_some() {
        return write_bindings(&files, &out);
    }
    let include = verilator_include()?;
    let mut cpp = cc::Build::new();
    // Debug information of such files says nothing to anyone, and takes long to make.
    cpp.cpp(true)
        .std("c++17")
        .opt_level(2)
        .warnings(false)
        .debug(false)
        .force_frame_pointer(false);
    if std::env::var_os("CXX").is_none() && has_clang() {
        cpp.compiler("clang++");
    }
    cpp.define("VM_TRACE", if trace { "1" } else { "0" });
    cpp.include(&include).include(include.join("vltstd")).include(manifest.join("cpp"));
    // What Verilator calls slow is run once, and takes as long to compile as the rest.
    let mut slow = cpp.clone();
    slow.opt_level(0);
    for source in ["verilated.cpp", "verilated_threads.cpp"] {
        cpp.file(include.join(source));
    }
    if trace {
        cpp.file(include.join("verilated_vcd_c.cpp"));
    }
    for file in &files {
        let (name, ports) = design(file)?;
        let made = out.join(name);
        verilate(file, name, &made, trace)?;
        let mut shim = shim_of(name, &ports);
        let mut start = String::new();
        for entry in std::fs::read_dir(&made)? {
            let path = entry?.path();
            let file = path.file_name().and_then(|name| name.to_str()).context("a file name is not UTF-8")?;
            if !file.ends_with(".cpp") {
                continue;
            }
            let (build, joined) =
                if file.ends_with("__Slow.cpp") { (&mut slow, &mut start) } else { (&mut cpp, &mut shim) };
            if path.metadata()?.len() < ALONE {
                let _ = writeln!(joined, "#include \"{file}\"");
            } else {
                build.file(path);
            }
        }
        for (build, text, kind) in [(&mut cpp, shim, "shim"), (&mut slow, start, "slow")] {
            let path = out.join(format!("{name}_{kind}.cpp"));
            std::fs::write(&path, text)?;
            build.include(&made).file(path);
        }
    }
    cpp.objects(slow.compile_intermediates());
    cpp.compile("kvcpu_rtl");
    // Verilator's run-time asks whether 64 bits are atomic; g++ knows, clang++ leaves it to the library.
    println!("cargo::rustc-link-lib=atomic");
    write_bindings(&files, &out)
}

/// A design's name and ports.
fn design(file: &Path) -> Result<(&str, Vec<Port>)> {
    let name = file.file_stem().and_then(|stem| stem.to_str()).context("a file name is not UTF-8")?;
    Ok((name, ports(&std::fs::read_to_string(file)?, name)?))
}

/// Writes `designs.rs`.
fn write_bindings(files: &[PathBuf], out: &Path) -> Result<()> {
    let (mut bindings, mut constants) = (String::new(), String::new());
    for file in files {
        let (name, ports) = design(file)?;
        bindings += &binding_of(name, &ports);
        let _ = write!(constants, "&{}, ", constant_of(name));
    }
    let _ = writeln!(bindings, "\n/// Every design.\npub static DESIGNS: &[&Design] = &[{constants}];");
    std::fs::write(out.join("designs.rs"), bindings)?;
    Ok(())
}

/// The Verilog in a folder, sorted.
fn verilog_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "v"));
    files.sort();
    ensure!(!files.is_empty(), "{} holds no Verilog; run `cargo xtask verilog`", folder.display());
    Ok(files)
}

/// Where Verilator's run-time library is.
fn verilator_include() -> Result<PathBuf> {
    let output = Command::new("verilator").args(["--getenv", "VERILATOR_ROOT"]).output();
    let output = output.context("cannot run verilator; `apt-get install verilator`, or `./test.sh setup`")?;
    ensure!(output.status.success(), "verilator --getenv VERILATOR_ROOT failed");
    Ok(Path::new(String::from_utf8(output.stdout)?.trim()).join("include"))
}

/// Whether clang++ is there: it compiles such files in a third of g++'s time, and what it makes runs a fifth faster.
fn has_clang() -> bool {
    println!("cargo::rerun-if-env-changed=CXX");
    Command::new("clang++")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Whether blocks that rest are not clocked (`hdl/src/prim/gate.rs`); with `KVCPU_UNGATED` they are, as on an FPGA, which is slower.
fn gates() -> bool {
    std::env::var_os("KVCPU_UNGATED").is_none()
}

fn verilate(file: &Path, name: &str, made: &Path, trace: bool) -> Result<()> {
    // What an earlier version of the design left would be compiled too.
    if made.exists() {
        std::fs::remove_dir_all(made)?;
    }
    let prefix = format!("V{name}");
    let status = Command::new("verilator")
        .args([
            "--cc",
            "-O3",
            "--x-assign",
            "unique",
            "--x-initial",
            "unique",
            "--noassert",
            "--no-timing",
            "-Wno-fatal",
            // Files of a size that compiles side by side.
            "--output-split",
            "20000",
        ])
        .args(["-Wno-WIDTH", "-Wno-UNUSED", "-Wno-DECLFILENAME", "--top-module", name, "--prefix", &prefix, "--Mdir"])
        .arg(made)
        .args(trace.then_some("--trace"))
        .args(gates().then_some("-DKVCPU_GATES"))
        .arg(file)
        .status()?;
    ensure!(status.success(), "verilator failed on {}", file.display());
    Ok(())
}

/// The ports of the module `name`, which stand one a line behind its head.
fn ports(verilog: &str, name: &str) -> Result<Vec<Port>> {
    let head = format!("module {name}(");
    let body = verilog.lines().skip_while(|line| !line.starts_with(&head)).skip(1);
    let mut ports = Vec::new();
    for line in body
        .map(str::trim)
        .take_while(|line| !line.starts_with("// Stub") && !line.starts_with("always"))
    {
        let mut words = line.trim_end_matches(';').split_whitespace();
        let is_input = match words.next() {
            Some("input") => true,
            Some("output") => false,
            _ => continue,
        };
        let words: Vec<&str> = words.collect();
        let Some(port) = words.last() else { bail!("{name}: cannot read `{line}`") };
        let high = words.iter().find_map(|word| word.strip_prefix('[')?.strip_suffix(":0]"));
        let width = high.map_or(Ok(1), |high| high.parse::<u32>().map(|high| high + 1))?;
        ensure!(width <= 64, "{name}.{port} has {width} bits; split it into ports of at most 64");
        ports.push(Port { name: (*port).to_owned(), width, is_input });
    }
    ensure!(!ports.is_empty(), "module {name} was not found, or has no ports");
    Ok(ports)
}

fn shim_of(name: &str, ports: &[Port]) -> String {
    let (mut set, mut get) = (String::new(), String::new());
    let (mut inputs, mut outputs) = (String::new(), String::new());
    let (mut input, mut output) = (0, 0);
    for (number, Port { name, width, is_input }) in ports.iter().enumerate() {
        if *is_input {
            let _ = writeln!(set, "        case {number}: model.{name} = value; break;");
            if name != "clock" {
                let mask = u64::MAX >> (64 - width);
                let _ = writeln!(inputs, "    model.{name} = inputs[{input}] & {mask:#x}ull;");
            }
            input += 1;
        } else {
            let _ = writeln!(outputs, "    outputs[{output}] = model.{name};");
            output += 1;
        }
        let _ = writeln!(get, "        case {number}: return model.{name};");
    }
    let edge = |level: u32| {
        let clocked = ports.iter().any(|port| port.name == "clock");
        if clocked { format!("    model.clock = {level};\n") } else { String::new() }
    };
    let (low, high) = (edge(0), edge(1));
    format!(
        r#"#include "design.h"
#include "V{name}.h"
using Design = KvcpuDesign<V{name}>;
static void *make(uint32_t seed) {{ return new Design(seed); }}
static void drop(void *self) {{ delete static_cast<Design *>(self); }}
static void eval(void *self) {{ static_cast<Design *>(self)->model->eval(); }}
static void set(void *self, uint32_t port, uint64_t value) {{
    V{name} &model = *static_cast<Design *>(self)->model;
    switch (port) {{
{set}    }}
}}
static uint64_t get(void *self, uint32_t port) {{
    V{name} &model = *static_cast<Design *>(self)->model;
    switch (port) {{
{get}    }}
    return 0;
}}
static void clock(void *self, const uint64_t *inputs, uint64_t *outputs) {{
    Design &design = *static_cast<Design *>(self);
    V{name} &model = *design.model;
{low}{inputs}    model.eval();
    design.dump();
{outputs}{high}    model.eval();
    design.dump();
}}
static bool trace(void *self, const char *path) {{ return static_cast<Design *>(self)->trace(path); }}
extern "C" const KvcpuFunctions {name}_functions = {{make, drop, eval, set, get, clock, trace}};
"#
    )
}

/// The Rust constant of a design: its name without the prefix that all have.
fn constant_of(name: &str) -> String {
    name.trim_start_matches("kvcpu_").to_uppercase()
}

fn binding_of(name: &str, ports: &[Port]) -> String {
    let mut list = String::new();
    for Port { name, width, is_input } in ports {
        let _ = writeln!(list, "        Port {{ name: {name:?}, width: {width}, is_input: {is_input} }},");
    }
    let constant = constant_of(name);
    format!(
        r#"
unsafe extern "C" {{
    #[link_name = "{name}_functions"]
    safe static {constant}_FUNCTIONS: Functions;
}}

/// `{name}.v`.
pub static {constant}: Design = Design {{
    name: {name:?},
    ports: &[
{list}    ],
    functions: &raw const {constant}_FUNCTIONS,
}};
"#
    )
}
