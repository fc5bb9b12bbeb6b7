//! Blocks as they are stored: compressed, encrypted, both or neither. `docs/tza.md`, A block.
//!
//! ```text
//!   block ─► all zero? ─► length 0
//!        └─► zstd ─► smaller? ─► AES-256-GCM ─► stored bytes + tag
//!                 └─► raw     └─► no key      ─► stored bytes + CRC-32C
//! ```
//!
//! Compressed before encrypted, since encrypted bytes do not compress. The price: who sees the stored lengths learns how well each block
//! compresses, and which are zero. Where that tells too much, encode without compression; zero blocks show even then.
//!
//! Decoding runs in a signal handler: it allocates nothing and takes no lock. One exception is aws-lc's: the first tag that is wrong on a
//! thread allocates that thread's error queue. The fault is synchronous, so this is harmful only to a fault within malloc itself.

mod block_size;
mod decode;
mod encode;

pub use block_size::{BlockSize, BlockSizeError};
pub use decode::{Scratch, Work, decode};
pub use encode::{EncodeError, Encoder, Stored};

use crate::keys::ArenaId;

/// Bytes of a nonce of AES-GCM: NIST SP 800-38D, 8.2.
pub const NONCE_BYTES: usize = 12;
/// Bytes of a tag of AES-GCM.
pub const TAG_BYTES: usize = 16;

bitflags::bitflags! {
    /// How a block is stored.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// A zstd frame; else the block's own bytes.
        const COMPRESSED = 1;
        /// AES-256-GCM, with a tag; else a CRC-32C.
        const ENCRYPTED = 2;
        /// The block is zeros, and nothing is stored.
        const ZERO = 4;
    }
}

/// Which block it is: what its tag binds it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The arena.
    pub arena: ArenaId,
    /// The block's number.
    pub block: u64,
}

/// What is kept of a stored block beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredHeader {
    /// How it is stored.
    pub flags: Flags,
    /// Stored bytes, at most those of the block.
    pub length: u32,
    /// Counts the writes of this block, from 0.
    pub generation: u32,
    /// Fresh and random for each encoding; zeros if not encrypted.
    pub nonce: [u8; NONCE_BYTES],
    /// The tag; if not encrypted the CRC-32C of the stored bytes, little-endian, then zeros.
    pub seal: [u8; TAG_BYTES],
}

impl StoredHeader {
    /// Whether flags and length can be those of a block of so many bytes.
    pub fn is_sound(&self, block_bytes: usize) -> bool {
        let length = self.length as usize;
        let rest = self.flags.difference(Flags::ENCRYPTED);
        let lengths_fit = if rest == Flags::ZERO {
            length == 0
        } else if rest == Flags::COMPRESSED {
            0 < length && length < block_bytes
        } else {
            rest.is_empty() && length == block_bytes
        };
        let crc_only = self.nonce == [0; NONCE_BYTES] && self.seal[4..] == [0; TAG_BYTES - 4];
        lengths_fit && (self.flags.contains(Flags::ENCRYPTED) || crc_only)
    }

    /// What the tag covers beside the stored bytes: arena, block, generation, flags, stored bytes, bytes of the block.
    fn bound(&self, place: Place, block_bytes: usize) -> [u8; 37] {
        let mut bound = [0; 37];
        bound[..16].copy_from_slice(&place.arena.0);
        bound[16..24].copy_from_slice(&place.block.to_le_bytes());
        bound[24..28].copy_from_slice(&self.generation.to_le_bytes());
        bound[28] = self.flags.bits();
        bound[29..33].copy_from_slice(&self.length.to_le_bytes());
        bound[33..].copy_from_slice(&(block_bytes as u32).to_le_bytes());
        bound
    }
}
