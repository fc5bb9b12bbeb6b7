//! RTBD, the request-tagged block directory. `docs/rtbd.md`.

mod equal;
mod hash;
mod keys;
mod lookup;

pub use equal::Equal;
pub use hash::Hash;
pub use keys::Keys;
pub use lookup::Lookup;

/// Bits of a key: tag 64, request 16, tenant 8, from the lowest.
pub const KEY_BITS: usize = kvcpu_mmio::h3::KEY_BITS;
/// Bits of a key as it is kept: with, above it, whether the slot is in use.
pub const KEPT_BITS: usize = KEY_BITS + 1;
/// Bits of an index: entries and stash of the largest directory.
pub const INDEX_BITS: usize = 17;
/// Bits of a place: frame 16, tier 2, state 2, from the lowest.
pub const PLACE_BITS: usize = 20;
