//! The build's verbs: `cargo xtask regs | uapi | capi | firmware | verilog | synth | bitstream | baseline | pcie | formal | guest |
//! litex | edges | testplan | ci | bench | ablation | lockstep | mutants`.
//!
//! Everything here runs on the developer's machine and writes, checks or runs; nothing of it is
//! part of the product. It depends on the register map alone.

mod ablation;
mod bench;
mod capi;
mod ci;
mod edges;
mod firmware;
mod formal;
mod fpga;
mod generated;
mod guest;
mod litex;
mod lockstep;
mod measure;
mod mutants;
mod pcie;
mod pins;
mod process;
mod python;
mod regs;
mod rtl;
mod testplan;
mod uapi;
mod workspace;
mod yosys;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The verbs of the KV-CPU build")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write mmio/gen from the register map: C header, SVD, Verilog header, JSON, Markdown
    Regs {
        /// Write nothing; fail if a file of mmio/gen is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Write driver/uapi/include: the C header of the character device's ioctls
    Uapi {
        /// Write nothing; fail if the header is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Write pager/capi/include: the C header of the pager
    Capi {
        /// Write nothing; fail if the header is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Build firmware/image/kvcpu-fw.elf: the firmware for the management core
    Firmware {
        /// Write nothing; fail if the image is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Run the firmware on a PicoRV32 in the simulated hardware
    Managed,
    /// Write hdl/rtl: the hardware exported to Verilog
    Verilog {
        /// Write nothing; fail if a file of hdl/rtl is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Synthesise the hardware's blocks for an ECP5, each alone: size, Fmax, critical path
    Synth(fpga::blocks::Options),
    /// Build the bitstream of a board: netlist, place and route, packing; fails if timing is not met
    Bitstream(fpga::bitstream::Options),
    /// Compare the hardware's size and speed with constraints/baseline.toml
    Baseline(fpga::baseline::Options),
    /// Make the PCIe core of each board that has one, and check the board's wiring against it
    Pcie(pcie::Options),
    /// Check which crate may depend on which
    Edges,
    /// Check that every test of tests/testplan.toml exists and every register block has one
    Testplan,
    /// Prove properties of exported designs, and that each proof notices broken designs
    Formal(formal::Options),
    /// Boot a guest under QEMU with the device behind an IOMMU, and test the Linux path in it
    Guest(guest::Options),
    /// LiteX's litex_server and client against the simulated board's serial line
    Litex,
    /// Run every check and test of the project: what ./test.sh calls
    Ci(ci::Options),
    /// Run benches: all, a crate's, the trace replay, or the hardware's clocks
    Bench(bench::Options),
    /// Measure what each part of the eviction policy is worth: the tables of docs/hepc.md, or of docs/firmware.md on tuning
    Ablation(ablation::Options),
    /// Run emulator and RTL side by side under random commands, without end
    Lockstep(lockstep::Options),
    /// Measure how many mutants of the RTL lockstep catches: docs/mutants.md
    Mutants(mutants::Options),
    /// Run a command and write its wall time and peak memory as JSON
    #[command(hide = true)]
    Measure(measure::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Regs { check: false } => regs::write(),
        Verb::Regs { check: true } => regs::check(),
        Verb::Uapi { check: false } => uapi::write(),
        Verb::Uapi { check: true } => uapi::check(),
        Verb::Capi { check: false } => capi::write(),
        Verb::Capi { check: true } => capi::check(),
        Verb::Firmware { check } => firmware::run(check),
        Verb::Managed => firmware::managed::run(),
        Verb::Verilog { check } => rtl::verilog(check),
        Verb::Synth(options) => fpga::blocks::synth(&options),
        Verb::Bitstream(options) => fpga::bitstream::run(&options),
        Verb::Baseline(options) => fpga::baseline::run(&options),
        Verb::Pcie(options) => pcie::run(&options),
        Verb::Edges => edges::check(),
        Verb::Testplan => testplan::check(),
        Verb::Formal(options) => formal::run(&options),
        Verb::Guest(options) => guest::run(&options),
        Verb::Litex => litex::run(),
        Verb::Ci(options) => ci::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Ablation(options) => ablation::run(&options),
        Verb::Lockstep(options) => lockstep::run(&options),
        Verb::Mutants(options) => mutants::run(&options),
        Verb::Measure(options) => measure::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
