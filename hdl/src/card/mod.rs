//! What stands behind `m_card` on boards without DDR memory: block RAM, or an SDRAM chip. `docs/rtl/card.md`.
//!
//! ```text
//!  AR ─► Intake ─► Reader ─► words ─► memory ─► words ─► Reader ─► R
//!  AW ─► Intake ─► Writer ─► words ─► memory             Writer ─► B
//!  W ─────────────────┘
//! ```
//!
//! The AXI side is the same for both: reader and writer make single words of bursts, and of words answers. Both keep the order of
//! their requests, so that of each id too.

mod banks;
mod delay;
mod intake;
mod ram;
mod reader;
pub mod sdram;
mod writer;

pub use banks::Banks;
pub use delay::Delay;
pub use intake::Intake;
pub use ram::CardRam;
pub use reader::Reader;
pub use sdram::Sdram;
pub use writer::Writer;

/// Bits of the number of a word of 64 bits: 32 MiB.
pub const WORD_BITS: usize = 22;
/// Bits of a number of 16 KiB, in which sizes are given; a burst lies within one.
pub const UNIT_BITS: usize = 50;
/// Bytes of it.
pub const UNIT_BYTES: u64 = 16 << 10;
/// Bits of what comes back with a word that was read: id, response, whether it ends its burst.
pub const TAG_BITS: usize = 5;
