//! DMA: two channels and a port for the rings, on two AXI4 masters. `docs/control.md`, DMA; `docs/moves.md`.

mod address;
mod bursts;
mod channel;
mod crc;
mod master;
mod queue;
mod ring;
mod throttle;
mod unit;

pub use address::Address;
pub use bursts::Bursts;
pub use channel::Channel;
pub use crc::Crc;
pub use master::Master;
pub use queue::Queue;
pub use ring::Ring;
pub use throttle::Throttle;
pub use unit::Unit;

/// Bits of a burst's beats, 1 to 64.
pub const BEATS_BITS: usize = 7;
/// Bits of a descriptor's words of 64 bits: 2 MiB.
pub const WORDS_BITS: usize = 19;
/// Bits of a descriptor: two addresses, words, spaces, id.
pub const DESCRIPTOR_BITS: usize = 64 + 64 + WORDS_BITS + 2 + 16;
