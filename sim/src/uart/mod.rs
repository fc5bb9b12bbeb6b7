//! The board: the device behind a serial line, bit by bit at its pins, and a pseudo-terminal before them. `docs/uart.md`.
//!
//! ```text
//!  a program ─► pseudo-terminal ─► Port's thread ─► Sender ─► rx ┌──────────┐ m_card ─► card memory
//!            ◄──                 ◄──             ◄─ Listener ◄ tx │ kvcpu_uart │
//!                                                                └──────────┘
//! ```

mod board;
mod line;
mod port;

pub use board::{BIT_CLOCKS, Board, BoardError};
pub use line::{Heard, Listener, Sender};
pub use port::Port;
