//! `cargo xtask managed`: the firmware on a PicoRV32 in the simulated hardware. `docs/firmware.md`.
//!
//! ```text
//!  s_axil ─► kvcpu_management ─► kvcpu_small        one file: sim/tests/rtl/kvcpu_managed.v
//!   flash ──► ▲ mem   ▲ sensor
//!            picorv32 (PyPI)
//! ```
//!
//! The top has the device's ports, and `celsius`, what the sensor shows. The core's Verilog comes from PyPI (pythondata-cpu-picorv32) into an
//! environment of its own; nothing of it is checked in: the file goes to sim/tests/rtl, which git ignores it in, so that who builds kvcpu-sim from
//! then on has the design too. The tests are those of tests/tests/managed.rs.

use super::{IMAGE, image};
use crate::process::{cargo, run_until};
use crate::{python, workspace};
use anyhow::{Context, Result};
use kvcpu_mmio::image::Image;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The core's package.
const PACKAGE: &str = "pythondata-cpu-picorv32";
/// Words of both flash banks.
const FLASH_WORDS: usize = 2 * image::BANK_BYTES / 4;
/// Set, tests that find no such design fail.
pub(crate) const WANTED: &str = "KVCPU_MANAGED";
/// For building and simulating, by hand.
const BY_HAND: Duration = Duration::from_secs(30 * 60);
/// What stands between the ports and the end. The sensor takes a sample each ms, which flickers by 32 m°C.
const TOP: &str = "
    wire [31:0] mem_addr, mem_wdata, mem_rdata, flash_data;
    wire [3:0] mem_wstrb;
    wire mem_valid, mem_ready, core_runs, flash_write;
    wire [12:0] flash_address;
    wire d_awvalid, d_awready, d_wvalid, d_wready, d_bvalid, d_bready, d_arvalid, d_arready, d_rvalid, d_rready;
    wire [23:0] d_awaddr, d_araddr;
    wire [2:0] d_awsize, d_arsize;
    wire [63:0] d_wdata, d_rdata;
    wire [7:0] d_wstrb;
    assign s_axil_bresp = 0;
    assign s_axil_rresp = 0;

    reg [31:0] flash [0:8191];
    reg [31:0] flash_read;
    initial $readmemh(\"FLASH\", flash);
    always @(posedge clock) begin
        flash_read <= flash[flash_address];
        if (flash_write) flash[flash_address] <= flash_data;
    end

    reg bank_kept = 0;
    wire bank_active, bank_keeps;
    always @(posedge clock) if (bank_keeps) bank_kept <= bank_active;

    // The device's reset is the host's affair; the core's is power-up, here the beginning.
    reg [3:0] up = 0;
    wire power_up = up != 15;
    always @(posedge clock) if (power_up) up <= up + 1;

    reg [31:0] samples = 0;
    reg [16:0] until_sample = 0;
    always @(posedge clock) begin
        until_sample <= until_sample == 0 ? 99999 : until_sample - 1;
        if (until_sample == 0) samples <= samples + 1;
    end

    picorv32 #(.ENABLE_COUNTERS(0), .ENABLE_COUNTERS64(0), .ENABLE_MUL(1), .ENABLE_DIV(1), .BARREL_SHIFTER(1), .PROGADDR_RESET(32'h40)) core(
        .clk(clock), .resetn(core_runs), .mem_valid(mem_valid), .mem_ready(mem_ready), .mem_addr(mem_addr),
        .mem_wdata(mem_wdata), .mem_wstrb(mem_wstrb), .mem_rdata(mem_rdata), .pcpi_wr(1'b0), .pcpi_rd(32'b0),
        .pcpi_wait(1'b0), .pcpi_ready(1'b0), .irq(32'b0));

    kvcpu_management management(
        .clock(clock), .reset(reset), .power_up(power_up), .core_runs(core_runs), .mem_valid(mem_valid), .mem_addr(mem_addr),
        .mem_wdata(mem_wdata), .mem_wstrb(mem_wstrb), .mem_ready(mem_ready), .mem_rdata(mem_rdata),
        .flash_address(flash_address), .flash_read(flash_read), .flash_write(flash_write), .flash_data(flash_data),
        .bank_active(bank_active), .bank_kept(bank_kept), .bank_keeps(bank_keeps),
        .sensor(celsius * 1000 + {26'b0, samples[0], 5'b0}), .samples(samples),
        .s_axil_awvalid(s_axil_awvalid), .s_axil_awready(s_axil_awready), .s_axil_awaddr(s_axil_awaddr),
        .s_axil_awsize(s_axil_awsize), .s_axil_wvalid(s_axil_wvalid), .s_axil_wready(s_axil_wready),
        .s_axil_wdata(s_axil_wdata), .s_axil_wstrb(s_axil_wstrb), .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready), .s_axil_arvalid(s_axil_arvalid), .s_axil_arready(s_axil_arready),
        .s_axil_araddr(s_axil_araddr), .s_axil_arsize(s_axil_arsize), .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready), .s_axil_rdata(s_axil_rdata),
        .d_axil_awvalid(d_awvalid), .d_axil_awready(d_awready), .d_axil_awaddr(d_awaddr), .d_axil_awsize(d_awsize),
        .d_axil_wvalid(d_wvalid), .d_axil_wready(d_wready), .d_axil_wdata(d_wdata), .d_axil_wstrb(d_wstrb),
        .d_axil_bvalid(d_bvalid), .d_axil_bready(d_bready), .d_axil_arvalid(d_arvalid), .d_axil_arready(d_arready),
        .d_axil_araddr(d_araddr), .d_axil_arsize(d_arsize), .d_axil_rvalid(d_rvalid), .d_axil_rready(d_rready),
        .d_axil_rdata(d_rdata));

    kvcpu_small device(
        .s_axil_awvalid(d_awvalid), .s_axil_awready(d_awready), .s_axil_awaddr(d_awaddr), .s_axil_awsize(d_awsize),
        .s_axil_wvalid(d_wvalid), .s_axil_wready(d_wready), .s_axil_wdata(d_wdata), .s_axil_wstrb(d_wstrb),
        .s_axil_bvalid(d_bvalid), .s_axil_bready(d_bready), .s_axil_bresp(), .s_axil_arvalid(d_arvalid),
        .s_axil_arready(d_arready), .s_axil_araddr(d_araddr), .s_axil_arsize(d_arsize), .s_axil_rvalid(d_rvalid),
        .s_axil_rready(d_rready), .s_axil_rdata(d_rdata), .s_axil_rresp()";

/// The verb.
pub(crate) fn run() -> Result<()> {
    let deadline = Instant::now() + BY_HAND;
    make(deadline)?;
    let mut test = cargo();
    test.args(["test", "--release", "--package", "kvcpu-tests", "--test", "managed"])
        .env(WANTED, "1")
        .current_dir(workspace::root()?);
    run_until(&mut test, deadline)
}

/// Makes the design, and what its flash holds.
pub(crate) fn make(deadline: Instant) -> Result<()> {
    let root = workspace::root()?;
    let folder = workspace::metadata(&root)?.target_directory.join("managed").into_std_path_buf();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let flash = folder.join("flash.hex");
    let elf = std::fs::read(root.join(IMAGE)).with_context(|| format!("cannot read {IMAGE}; cargo xtask firmware"))?;
    std::fs::write(&flash, hex(Image::from_file(&elf)?.bytes()))
        .with_context(|| format!("cannot write {}", flash.display()))?;
    let core = picorv32(&folder.join("python"), deadline)?;
    let file = root.join("sim/tests/rtl/kvcpu_managed.v");
    let text = managed(&root, &core, &flash)?;
    // What has not changed is not to be compiled again.
    if std::fs::read_to_string(&file).is_ok_and(|have| have == text) {
        return Ok(());
    }
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The core's Verilog.
fn picorv32(environment: &Path, deadline: Instant) -> Result<String> {
    python::environment(environment, &[PACKAGE], deadline)?;
    let libraries = environment.join("lib");
    let mut python: Vec<PathBuf> = std::fs::read_dir(&libraries)
        .with_context(|| format!("cannot read {}", libraries.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    python.retain(|path| path.join("site-packages").is_dir());
    let packages = python.pop().context("the environment has no site-packages")?.join("site-packages");
    let file = packages.join("pythondata_cpu_picorv32/verilog/picorv32.v");
    std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// Both banks for `$readmemh`: the image in bank 0, nothing in bank 1.
fn hex(image: &[u8]) -> String {
    let words = image.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
    words
        .chain(std::iter::repeat(u32::MAX))
        .take(FLASH_WORDS)
        .fold(String::new(), |mut text, word| {
            let _ = writeln!(text, "{word:08x}");
            text
        })
}

/// Device, surroundings, core and top in one file. The top's ports are the device's, in whose file they stand one a line.
fn managed(root: &Path, core: &str, flash: &Path) -> Result<String> {
    let read = |name: &str| {
        let path = root.join("hdl/rtl").join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (device, management) = (read("kvcpu_small.v")?, read("kvcpu_management.v")?);
    let ports = device.split("// Module arguments\n").nth(1).and_then(|rest| rest.split("// Stub").next());
    let ports = ports
        .context("kvcpu_small.v does not list its ports as rust-hdl does")?
        .replace("output reg", "output wire");
    let names: Vec<&str> = ports
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';')?.split_whitespace().last())
        .collect();
    let flash = flash.to_str().context("the folder's name is not UTF-8")?;
    let mut text = format!("module kvcpu_managed({},celsius);\n", names.join(","));
    text += &ports;
    text += "input wire [31:0] celsius;\n// Stub signals";
    text += &TOP.replace("FLASH", flash);
    for name in names.iter().filter(|name| !name.starts_with("s_axil_")) {
        let _ = write!(text, ",\n        .{name}({name})");
    }
    text += ");\nendmodule\n";
    Ok(text + &device + &management + core)
}
