//! The PCIe endpoint's logic above the hard block: transaction-layer packets (TLPs) on one side, the device's AXI ports on the
//! other. `docs/pcie.md`.
//!
//! ```text
//!           ┌─ requests ────► Access ─► m_axil (registers, directory)
//!  rx ─► Receiver             │  └────► Message: MSI-X table, pending bits ◄─ irq
//!           │                 │             │
//!           └─ completions ─► Reader ◄─ AR  │           Writer ◄─ AW, W
//!                             │   └──► R    │           │  └──► B
//!                             ▼             ▼           ▼
//!  tx ◄─────────────────── Sender ◄─────────┴───────────┘
//! ```
//!
//! The receiver keeps requests ([`Requests`]), so that completions go past them; the reader's are sorted into [`Places`].
//!
//! Left out: what the hard block of the FPGA does by itself (link, configuration space, flow control, replay, CRC), clock domains,
//! and the width of its bus, which are LitePCIe's (`constraints/pcie/`).

mod access;
mod ask;
mod cut;
mod endpoint;
mod message;
mod places;
mod reader;
mod receiver;
mod requests;
mod sender;
mod swap;
mod writer;

pub use access::Access;
pub use ask::Ask;
pub use cut::Cut;
pub use endpoint::Endpoint;
pub use message::Message;
pub use places::Places;
pub use reader::Reader;
pub use receiver::Receiver;
pub use requests::Requests;
pub use sender::Sender;
pub use swap::Swap;
pub use writer::Writer;
