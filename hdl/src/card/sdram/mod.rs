//! Card memory in an SDR SDRAM chip: 4 banks of 8,192 rows of 512 columns of 16 bits, 32 MiB. `docs/rtl/card.md`.
//!
//! ```text
//!  s_card ─► Reader ─┐                           ┌─► Pins ─► sdram_*
//!         ─► Writer ─┴─► Chooser ─► Controller ──┴─► Data ◄─► sdram_dq_*
//!                          words      ▲ commands      └─► Reader
//!                                     └─ Rows: which are open
//! ```

mod chooser;
mod closer;
mod controller;
mod data;
mod pin;
mod rows;
mod timing;
mod unit;

pub use chooser::Chooser;
pub use closer::Closer;
pub use controller::Controller;
pub use data::Data;
pub use pin::Pin;
pub use rows::Rows;
pub use timing::{Chip, Clocks};
pub use unit::Sdram;
