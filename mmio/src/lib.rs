//! The ground every other room stands on: the KV-CPU register map, the queue formats, the firmware's image and codes, the
//! device's geometry and the backing trait.
//!
//! Each register is described once, in [`regs`]; the RTL decoder, the model, the driver, firmware
//! and every generated file read it from there. What a register *does* is not here: it is
//! written twice, independently, in the emulator and in the RTL.
//!
//! The backing trait is for hosts: a core without 64-bit atomics, as the management core is one, has all but that, and needs no heap.
#![no_std]
#![forbid(unsafe_code)]
#[cfg(any(target_has_atomic = "64", feature = "files"))]
extern crate alloc;

#[cfg(target_has_atomic = "64")]
pub mod backing;
mod bar;
pub mod firmware;
pub mod geometry;
pub mod h3;
pub mod image;
pub mod map;
pub mod queue;
pub mod register;
pub mod regs;
pub mod uapi;

#[cfg(target_has_atomic = "64")]
pub use backing::{Backing, BackingError, DmaMemory, dma_bytes};
pub use bar::Bar;
pub use geometry::Geometry;
pub use register::{Access, Block, Field, Register};
