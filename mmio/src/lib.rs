//! The ground every other room stands on: the KV-CPU register map, the queue formats, the device's
//! geometry and the backing trait.
//!
//! Each register is described once, in [`regs`]; the RTL decoder, the model, the driver, firmware
//! and every generated file read it from there. Nothing here has behaviour: what a register *does*
//! is written twice, independently, in the emulator and in the RTL.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod backing;
pub mod firmware;
pub mod geometry;
pub mod h3;
pub mod map;
pub mod queue;
pub mod register;
pub mod regs;
pub mod uapi;

pub use backing::{Backing, BackingError, Bar, DmaMemory, dma_bytes};
pub use geometry::Geometry;
pub use register::{Access, Block, Field, Register};
