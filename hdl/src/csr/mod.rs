//! Register access: the AXI4-Lite slave, the register file and its description. `docs/csr.md`, `docs/control.md`.

mod file;
mod front;
mod start;
mod table;

pub use file::File;
pub use front::Front;
pub use start::Start;
pub use table::Table;
pub(crate) use table::{Row, rows};
