//! Verilates every design of hdl/rtl, compiles it, and writes `designs.rs`: a table of ports and C functions for each.
//!
//! Works from the checked-in Verilog, so that simulating does not need rust-hdl.

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

fn main() -> Result<()> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let (rtl, out) = (manifest.join("../hdl/rtl"), PathBuf::from(std::env::var("OUT_DIR")?));
    for path in ["cpp", "../hdl/rtl"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&rtl)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "v"));
    files.sort();
    ensure!(!files.is_empty(), "{} holds no Verilog; run `cargo xtask verilog`", rtl.display());

    let include = verilator_include()?;
    let mut cpp = cc::Build::new();
    cpp.cpp(true).std("c++17").opt_level(3).warnings(false).define("VM_TRACE", "0");
    cpp.include(&include).include(include.join("vltstd")).include(manifest.join("cpp"));
    for source in ["verilated.cpp", "verilated_threads.cpp"] {
        cpp.file(include.join(source));
    }
    let mut bindings = String::new();
    for file in &files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).context("a file name is not UTF-8")?;
        let ports = ports(&std::fs::read_to_string(file)?, name)?;
        let made = out.join(name);
        verilate(file, name, &made)?;
        for entry in std::fs::read_dir(&made)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "cpp") {
                cpp.file(path);
            }
        }
        let shim = out.join(format!("{name}_shim.cpp"));
        std::fs::write(&shim, shim_of(name, &ports))?;
        cpp.include(&made).file(shim);
        bindings += &binding_of(name, &ports);
    }
    cpp.compile("kvcpu_rtl");
    std::fs::write(out.join("designs.rs"), bindings)?;
    Ok(())
}

/// Where Verilator's run-time library is.
fn verilator_include() -> Result<PathBuf> {
    let output = Command::new("verilator").args(["--getenv", "VERILATOR_ROOT"]).output();
    let output = output.context("cannot run verilator; `apt-get install verilator`, or `./test.sh setup`")?;
    ensure!(output.status.success(), "verilator --getenv VERILATOR_ROOT failed");
    Ok(Path::new(String::from_utf8(output.stdout)?.trim()).join("include"))
}

fn verilate(file: &Path, name: &str, made: &Path) -> Result<()> {
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
        ])
        .args(["-Wno-WIDTH", "-Wno-UNUSED", "-Wno-DECLFILENAME", "--top-module", name, "--prefix", &prefix, "--Mdir"])
        .arg(made)
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
    for (number, port) in ports.iter().enumerate() {
        let field = &port.name;
        if port.is_input {
            let _ = writeln!(set, "        case {number}: model.{field} = value; break;");
        }
        let _ = writeln!(get, "        case {number}: return model.{field};");
    }
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
extern "C" const KvcpuFunctions {name}_functions = {{make, drop, eval, set, get}};
"#
    )
}

fn binding_of(name: &str, ports: &[Port]) -> String {
    let mut list = String::new();
    for Port { name, width, is_input } in ports {
        let _ = writeln!(list, "        Port {{ name: {name:?}, width: {width}, is_input: {is_input} }},");
    }
    let constant = name.trim_start_matches("kvcpu_").to_uppercase();
    format!(
        r#"
unsafe extern "C" {{
    #[link_name = "{name}_functions"]
    safe static {constant}_FUNCTIONS: Functions;
}}

/// `hdl/rtl/{name}.v`.
pub static {constant}: Design = Design {{
    name: {name:?},
    ports: &[
{list}    ],
    functions: &raw const {constant}_FUNCTIONS,
}};
"#
    )
}
