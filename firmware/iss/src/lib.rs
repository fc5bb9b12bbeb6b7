//! The management core simulated, so that the firmware's binary runs beside the device model. `docs/firmware.md`.
//!
//! ```text
//!   Image (ELF) ─► Core ─┬─ rrs-lib: RV32IM
//!                        └─ Machine: flash banks, RAM, private registers, Sensor ── Emulator's management port
//!   FirmwareEmulator: a Backing over the Emulator, and a thread that runs the Core in real time
//! ```
//!
//! A [`Core`] by itself has a time of its own, so a test of it gives the same result each time. It leaves out the core's clock
//! frequency and its cycles: each instruction takes a hundredth of a microsecond.
#![forbid(unsafe_code)]

mod boot;
mod core;
mod machine;
mod running;
mod sensor;

pub use crate::core::{Core, Fault, Snapshot};
pub use boot::Boot;
pub use kvcpu_mmio::image::{Image, ImageError};
pub use running::{FirmwareEmulator, FirmwareEmulatorError};
pub use sensor::Sensor;

/// The firmware as it is checked in: an ELF file that `cargo xtask firmware` made.
pub const FIRMWARE: &[u8] = include_bytes!("../../image/kvcpu-fw.elf");
