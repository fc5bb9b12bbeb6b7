//! What can be wrong with a ring: bad arguments, bad memory, a bad peer. Each message ends with
//! what to do.

use core::fmt;

use crate::layout;
use crate::size::Size;

/// Why a ring refused.
///
/// After an error about the peer's index the ring is as it was before the call; the peer cannot be
/// trusted any more, so reset the device or drop the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// The number of entries is not a power of two from 2 to 32768.
    BadSize {
        /// The size asked for, or found in the header.
        entries: u64,
    },
    /// The ring does not fit into the memory.
    TooShort {
        /// Words of 8 bytes the ring takes.
        need_words: usize,
        /// Words of 8 bytes there are.
        have_words: usize,
    },
    /// No slot is free.
    Full {
        /// Entries of the ring, one of which stays empty.
        entries: u32,
    },
    /// The peer published an index that no ring of this size has.
    IndexOutOfRange {
        /// Which index.
        name: &'static str,
        /// Its value.
        index: u64,
        /// Entries of the ring.
        entries: u32,
    },
    /// The peer published an index that it cannot have reached: it went back, or it consumed
    /// what was not published, or it wrote over what was not consumed.
    IndexOvertakes {
        /// Which index.
        name: &'static str,
        /// Its value.
        index: u32,
        /// Its value before.
        from: u32,
        /// The furthest value it could have had.
        limit: u32,
    },
    /// The memory does not begin with the ring's magic.
    BadMagic {
        /// What it begins with.
        found: u64,
    },
    /// The ring was laid out by another version of this crate.
    BadVersion {
        /// The version in the header.
        found: u64,
    },
    /// The ring holds entries of another size, for example completions where submissions were
    /// expected.
    BadEntryWords {
        /// Words of an entry according to the header.
        found: u64,
        /// Words of an entry of this type of ring.
        expected: usize,
    },
    /// About to sleep with entries pushed and not published, or popped and not released.
    Uncommitted {
        /// How many.
        entries: u32,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            RingError::BadSize { entries } => write!(
                f,
                "ring size {entries} is not a power of two from {} to {}; choose one that is",
                Size::MIN,
                Size::MAX
            ),
            RingError::TooShort { need_words, have_words } => write!(
                f,
                "ring takes {need_words} words of 8 bytes and the memory has {have_words}; map more or choose fewer entries"
            ),
            RingError::Full { entries } => {
                write!(f, "ring of {entries} entries is full; let the consumer make progress and push again")
            }
            RingError::IndexOutOfRange { name, index, entries } => write!(
                f,
                "peer published {name} {index} in a ring of {entries} entries; check that both sides agree on the size, then reset the queue"
            ),
            RingError::IndexOvertakes { name, index, from, limit } => write!(
                f,
                "peer moved {name} from {from} to {index}, beyond {limit}; the peer is faulty or a second one uses the ring: reset the queue"
            ),
            RingError::BadMagic { found } => write!(
                f,
                "shared ring begins with {found:#018x} instead of {:#018x}; attach to the right memory, after its creator has formatted it",
                layout::MAGIC
            ),
            RingError::BadVersion { found } => write!(
                f,
                "shared ring has layout version {found}, this side speaks {}; run the same version on both sides",
                layout::VERSION
            ),
            RingError::BadEntryWords { found, expected } => write!(
                f,
                "shared ring has entries of {found} words, expected {expected}; attach submissions to submissions and completions to completions"
            ),
            RingError::Uncommitted { entries } => write!(
                f,
                "{entries} entries are pushed but not published, or popped but not released; do that before waiting"
            ),
        }
    }
}

impl core::error::Error for RingError {}
