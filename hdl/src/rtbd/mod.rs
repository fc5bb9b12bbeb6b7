//! RTBD, the request-tagged block directory. `docs/rtbd.md`.

mod directory;
mod entries;
mod equal;
mod hash;
mod key_ram;
mod keys;
mod lookup;
mod probe;
mod rows;
mod stash_key;
mod touched;
mod word_ram;

pub use directory::Directory;
pub use entries::Entries;
pub use equal::Equal;
pub use hash::Hash;
pub use key_ram::KeyRam;
pub use keys::Keys;
pub use lookup::Lookup;
pub use probe::DirectoryProbe;
pub use rows::Rows;
pub use stash_key::StashKey;
pub use touched::Touched;
pub use word_ram::WordRam;

/// Bits of a key: tag 64, request 16, tenant 8, from the lowest.
pub const KEY_BITS: usize = kvcpu_mmio::h3::KEY_BITS;
/// Bits of a key as it is kept: with, above it, whether the slot is in use.
pub const KEPT_BITS: usize = KEY_BITS + 1;
/// Bits of an index: entries and stash of the largest directory.
pub const INDEX_BITS: usize = 17;
/// Bits of a place: frame 16, tier 2, state 2, from the lowest.
pub const PLACE_BITS: usize = 20;
/// Words of an entry, in the layout of BAR2 (`mmio/src/regs/rtbd_entry.rs`).
pub const ENTRY_WORDS: usize = 8;
/// Bits of an entry: word w is bits 32w+31:32w. Its lowest `KEY_BITS` are the key.
pub const ENTRY_BITS: usize = 32 * ENTRY_WORDS;
/// Bits of what a sweep writes of an entry: its words ID, PLACE and STATE, from the lowest.
pub const SWEPT_BITS: usize = 96;
