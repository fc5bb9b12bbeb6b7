//! The device in rust-hdl: blocks named as in the emulator, written from docs/ alone, and their export to Verilog.
//!
//! rust-hdl 0.46's exported Verilog can differ from its own simulation, so what counts is the Verilog: `kvcpu-sim`
//! runs it under Verilator and compares. Rules that keep the two the same, for every kernel here: each intermediate value has a
//! signal of its own; parentheses round every mixed operator; no arithmetic and no `!` inside a comparison or a widening
//! cast; constants are `Constant` fields.

pub mod board;
pub mod card;
pub mod check;
pub mod csr;
pub mod dma;
pub mod export;
pub mod hepc;
pub mod mgmt;
pub mod micro;
pub mod mutate;
pub mod pcie;
pub mod prim;
pub mod rtbd;
mod split;
pub mod tier;
pub mod top;
pub mod uart;
