//! The other side of an AXI4 bus: a slave with a sparse memory, as awkward as AXI allows.
//!
//! ```text
//!  model ──► AW, W, AR ──► rules ──► Slave ──► Memory
//!        ◄── B, R ◄── out of order, interleaved, late ◄──┘
//! ```
//!
//! A clock is [`Slave::drive`] of all slaves, evaluation, [`Slave::observe`] of all, and the edge.

mod memory;
mod rules;
mod slave;

pub use memory::Memory;
pub use rules::{Burst, Rules};
pub use slave::{Counts, Manner, Slave};
