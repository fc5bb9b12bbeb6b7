//! Export to Verilog: which designs there are, and their text.

use crate::board::Board;
use crate::top::Device;
use crate::{card, dma, hepc, mgmt, micro, pcie, prim, rtbd, split, tier, uart};
use anyhow::{Result, anyhow};
use kvcpu_mmio::Geometry;
use rust_hdl::prelude::*;

/// A design that is exported, one file each.
pub struct Design {
    /// Name of the top module and, with `.v`, of the file.
    pub name: &'static str,
    /// Makes the text.
    pub verilog: fn(&str) -> Result<String>,
}

/// Clock that the constants of a device speak of: what the board geometry is to reach.
const CLOCK_HZ: u32 = 100_000_000;

macro_rules! device {
    ($geometry:expr, $($size:literal)*) => {
        |name| text(name, Device::<$($size),*>::new($geometry, build_id()?, CLOCK_HZ))
    };
}

/// A serial line as tests want it: of few clocks a bit, and impatient.
const LINE: uart::Timing = uart::Timing { bit_clocks: 8, idle_clocks: 0x1_0000 };

/// One that is still more so, to have silence often.
const HASTY_LINE: uart::Timing = uart::Timing { bit_clocks: 8, idle_clocks: 1024 };

/// Baud rate of the boards' serial lines; FT231X and FT2232H go up to 3,000,000.
const BAUD: u32 = 1_000_000;
/// Clocks of the boards, as their PLLs make them (`constraints/*/top.v`).
const ULX3S_HZ: u32 = 70_000_000;
/// Clocks in which what comes from its SDRAM is on wires: the registers beside the pads (constraints/ulx3s_85f/top.v).
const ULX3S_WIRES: u64 = 1;
const EVN_HZ: u32 = 120_000_000;

macro_rules! board {
    ($geometry:expr, $clock_hz:expr, $timing:expr, $($size:literal)*) => {
        |name| text(name, Board::<$($size),*>::new($geometry, build_id()?, $clock_hz, $timing))
    };
}

/// All of them. Blocks stand alone too, so that each can be linted, simulated and proven by itself.
pub const DESIGNS: &[Design] = &[
    Design { name: "kvcpu_fifo", verilog: verilog::<prim::Fifo<Bits<16>, 4, 5>> },
    Design { name: "kvcpu_skid", verilog: verilog::<prim::Skid<Bits<16>>> },
    Design { name: "kvcpu_multiply", verilog: verilog::<prim::Multiply> },
    Design { name: "kvcpu_lane", verilog: verilog::<hepc::Lane> },
    Design { name: "kvcpu_list", verilog: verilog::<hepc::List<4, 3>> },
    Design { name: "kvcpu_hepc", verilog: verilog::<hepc::Probe<4, 16, 15, 10, 8, 9>> },
    Design { name: "kvcpu_hash", verilog: verilog::<rtbd::Hash<8>> },
    Design { name: "kvcpu_lookup", verilog: verilog::<rtbd::Lookup<8, 10, 8>> },
    Design { name: "kvcpu_sequencer", verilog: verilog::<micro::Sequencer<1>> },
    Design { name: "kvcpu_directory", verilog: verilog::<rtbd::DirectoryProbe> },
    Design { name: "kvcpu_dma", verilog: verilog::<dma::Unit> },
    Design { name: "kvcpu_pcie", verilog: verilog::<pcie::Endpoint> },
    Design { name: "kvcpu_frames", verilog: |name| text(name, tier::Frames::<10, 12>::new(Geometry::TEST)) },
    Design { name: "kvcpu_uart_receiver", verilog: |name| text(name, uart::Receiver::new(LINE.bit_clocks)) },
    Design { name: "kvcpu_uart_receiver_6", verilog: |name| text(name, uart::Receiver::new(6)) },
    Design { name: "kvcpu_uart_receiver_7", verilog: |name| text(name, uart::Receiver::new(7)) },
    Design { name: "kvcpu_uart_receiver_9", verilog: |name| text(name, uart::Receiver::new(9)) },
    Design { name: "kvcpu_uart_receiver_70", verilog: |name| text(name, uart::Receiver::new(70)) },
    Design { name: "kvcpu_uart_transmitter", verilog: |name| text(name, uart::Transmitter::new(LINE.bit_clocks)) },
    Design { name: "kvcpu_uart_bridge", verilog: |name| text(name, uart::Bridge::new(256)) },
    Design { name: "kvcpu_uart_link", verilog: |name| text(name, uart::Link::new(HASTY_LINE)) },
    Design { name: "kvcpu_management", verilog: |name| text(name, mgmt::Management::new(CLOCK_HZ)) },
    Design { name: "kvcpu_uart", verilog: board!(Geometry::SMALL, CLOCK_HZ, LINE, 6 4 8 4 4 2 3 4 4 3 4 4) },
    Design { name: "kvcpu_card_ram", verilog: |name| text(name, card::CardRam::new(208)) },
    Design { name: "kvcpu_card_ram_small", verilog: |name| text(name, card::CardRam::new(1040)) },
    Design {
        name: "kvcpu_sdram",
        verilog: |name| text(name, card::Sdram::new(&card::sdram::Chip::ULX3S, ULX3S_HZ, ULX3S_WIRES)),
    },
    Design {
        name: "kvcpu_sdram_fast",
        verilog: |name| text(name, card::Sdram::new(&card::sdram::Chip::ULX3S_FAST, 133_000_000, 2)),
    },
    Design { name: "kvcpu_small", verilog: device!(Geometry::SMALL, 6 4 8 4 4 2 3 4 4 3 4 4) },
    Design { name: "kvcpu", verilog: device!(Geometry::TEST, 10 8 12 8 4 2 3 8 16 15 4 4) },
    Design { name: "kvcpu_board", verilog: device!(Geometry::BOARD, 13 11 15 16 4 2 3 11 16 15 4 4) },
    Design {
        name: "kvcpu_ulx3s",
        verilog: board!(Geometry::ULX3S, ULX3S_HZ, uart::Timing::of(ULX3S_HZ, BAUD)?, 13 11 15 16 4 2 3 11 16 15 4 4),
    },
    Design {
        name: "kvcpu_evn",
        verilog: board!(Geometry::ECP5_EVN, EVN_HZ, uart::Timing::of(EVN_HZ, BAUD)?, 9 7 11 8 4 2 3 7 16 15 4 4),
    },
    Design { name: "kvcpu_full", verilog: device!(Geometry::FULL, 16 14 18 16 16 4 15 12 64 63 4 8) },
];

/// Identifies the microprogram: its FNV-1a hash.
fn build_id() -> Result<u32> {
    let program = micro::program::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("micro"))?;
    let bytes = program.words.iter().flat_map(|word| word.to_le_bytes());
    Ok(bytes.fold(0x811C_9DC5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)))
}

fn verilog<B: Block + Default>(name: &str) -> Result<String> {
    text(name, B::default())
}

fn text<B: Block>(name: &str, mut block: B) -> Result<String> {
    block.connect_all();
    check_all(&block).map_err(|error| anyhow!("{name}: {error:?}"))?;
    let mut modules = ModuleDefines::default();
    block.accept(name, &mut modules);
    let body = split::split(&modules.defines());
    Ok(format!("// Generated by `cargo xtask verilog` from hdl/src. Do not edit.\n\n{}\n", body.trim()))
}
