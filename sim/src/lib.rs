//! The exported Verilog under Verilator: each design as a [`Model`] whose ports are set, evaluated and read, and the device's
//! top as a backing of the driver, [`Rtl`].
//!
//! ```
//! let mut multiply = kvcpu_sim::Model::new(&kvcpu_sim::MULTIPLY, 1);
//! multiply.reset();
//! multiply.set("a", 6).set("b", 7).tick().tick();
//! assert_eq!(multiply.get("product"), 42);
//! ```

pub mod axi;
mod bus;
mod card;
mod lite;
mod memory;
mod model;
mod msix;
pub mod pcie;
mod ports;
mod root_complex;
mod rtl;
mod rules;
pub mod sdram;
mod simulation;
mod slave;
mod top;
pub mod uart;
mod watch;

pub use bus::{Bus, BusFault, HostMemory, merge};
pub use model::designs::*;
pub use model::{Design, Model, Port, design};
pub use ports::PortError;
pub use rtl::{Rtl, RtlError, RtlOptions};
pub use top::top;
pub use watch::Seen;
