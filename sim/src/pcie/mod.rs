//! The device behind its PCIe endpoint (`docs/pcie.md`): packets on one side, as a hard block gives and takes them, the driver's
//! [`Backing`](kvcpu_mmio::Backing) on the other.
//!
//! ```text
//!  driver ─► PcieRtl ─► Host ─ packets ─► Pins ─► kvcpu_pcie ◄─ AXI ─► device ─► card memory
//!                         └─► host memory, eventfds
//! ```

mod host;
mod packet;
mod pair;
mod pins;
mod reads;
mod rtl;
mod slot;

pub use host::{Form, LinkOptions, Reply};
pub use packet::{Beat, Kind, Packet, Request};
pub use rtl::{LinkError, PcieRtl};
