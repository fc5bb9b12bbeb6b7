//! The exported Verilog under Verilator, each design as a [`Model`] whose ports are set, evaluated and read.
//!
//! ```
//! let mut multiply = kvcpu_sim::Model::new(&kvcpu_sim::MULTIPLY, 1);
//! multiply.reset();
//! multiply.set("a", 6).set("b", 7).tick().tick();
//! assert_eq!(multiply.get("product"), 42);
//! ```

mod model;

pub use model::{Design, MULTIPLY, Model, Port};
pub use model::{FIFO, HASH, HEPC, LANE, LIST, LOOKUP, SKID};
