//! The register-accurate KV-CPU device model.
//!
//! It is written from `docs/` (csr, queue, commands, rtbd, hepc, moves, luf), block for block as
//! the hardware is, and shares nothing with the RTL but the register map. Time stands still in it:
//! a transfer is done when it is decided, and only the host's part (T3, acknowledgements) takes
//! its course.
#![deny(unsafe_code)]

mod backing;
pub mod bus;
mod command;
mod core;
mod counter;
mod csr;
mod dma;
mod hepc;
mod irq;
mod luf;
mod moves;
mod queue;
mod rtbd;
mod service;
mod tier;

pub use backing::{Emulator, EmulatorError};
pub use bus::{BusFault, HostBus, HostMemory};
pub use hepc::bench as hepc_bench;
pub use rtbd::Rtbd;
