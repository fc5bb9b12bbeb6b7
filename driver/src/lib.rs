//! The KV-CPU user-space driver, generic over a backing.
//!
//! One driver for the emulator, the Verilated RTL, a vfio-user socket and a real card: everything it
//! knows of the device it learns through [`kvcpu_mmio::Backing`]. `docs/driver.md` has the tour.
//!
//! ```text
//!   Commands ── QueuePair ── rings in DMA memory ─┐
//!      └─────── SingleShot ── CMD_SQE registers ──┤
//!   service loop (T3, invalidations) ─────────────┼── Device ── Backing
//!   counters, entries, interrupts, config ────────┤        (Traced, Faulty around it)
//!   Firmware: status, mailbox, update ────────────┘
//! ```
//!
//! It leaves out where T3 keeps its blocks ([`T3Backend`] is the seam) and what to move when: the
//! device decides that.

mod access;
mod batch;
mod commands;
mod config;
mod counters;
pub mod decorator;
mod device;
mod dma;
mod entries;
mod error;
mod eventfd;
pub mod firmware;
mod interrupts;
mod iova;
mod mapped;
pub mod pci;
mod programming;
mod queue_pair;
mod queue_rings;
mod service;
mod single_shot;
mod t3;
mod transfers;
pub mod uart;
pub mod vfio;
pub mod vfio_user;
mod wait;

pub use batch::{Batch, sqe};
pub use commands::{Affected, Commands, Insert, Lookup, Placement, Target};
pub use config::{Config, QueueConfig, TierConfig, WaitMode, Weights};
pub use counters::{Counters, Occupancy, TierOccupancy};
pub use device::{Device, Identity};
pub use dma::DmaBuffer;
pub use entries::{Entries, Entry};
pub use error::{ConfigError, DriverError, StatusError};
pub use firmware::{Firmware, FirmwareError};
pub use interrupts::Source;
pub use kvcpu_mmio as mmio;
pub use queue_pair::QueuePair;
pub use service::{Served, ServiceError};
pub use single_shot::{Prepared, SingleShot};
pub use t3::{T3Backend, T3Done, T3Error, T3Op, T3Request};

/// The example of the page is a test.
#[cfg(doctest)]
#[doc = include_str!("../../docs/driver.md")]
struct Page;
