//! From the checked-in Verilog to an ECP5: single blocks ([`blocks`]), whole boards with their pins ([`bitstream`]), and the sizes
//! that CI holds the device to ([`baseline`]).
//!
//! ```text
//!  hdl/rtl/*.v ────────────┐
//!  constraints/BOARD/top.v ┴─► yosys ─► nextpnr ◄─ constraints/BOARD/pins.lpf ─► report, configuration ─► ecppack ─► bitstream
//! ```

mod at_pins;
pub(crate) mod baseline;
pub(crate) mod bitstream;
pub(crate) mod blocks;
pub(crate) mod board;
#[cfg(test)]
mod pll;
mod report;
mod tools;
