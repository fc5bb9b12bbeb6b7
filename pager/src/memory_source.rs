//! Encoded blocks in memory: an arena that takes less than its bytes, or shows no plain ones.

use crate::codec::{BlockSize, EncodeError, Encoder, Place, Scratch, Stored, decode};
use crate::keys::{ArenaId, BlockKey, KeyError, OwnerSecret};
use crate::source::{Source, SourceError};

/// How blocks are kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Compressed with zstd, checked with a CRC-32C.
    Compressed,
    /// Encrypted with AES-256-GCM.
    Encrypted,
    /// Compressed, then encrypted.
    CompressedEncrypted,
}

/// Why bytes could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A block could not be encoded.
    #[error("block {block}: {error}")]
    Encode {
        /// The block.
        block: u64,
        /// Why not.
        error: EncodeError,
    },
}

/// Encoded blocks in memory. The key is of a secret that nobody else has, and that ends with this.
pub struct Sealed {
    block_size: BlockSize,
    bytes: u64,
    arena: ArenaId,
    key: Option<BlockKey>,
    tenant: u8,
    blocks: Box<[Stored]>,
}

impl Sealed {
    /// Encodes `bytes`, which are `tenant`'s.
    pub fn new(bytes: &[u8], sealing: Sealing, block_size: BlockSize, tenant: u8) -> Result<Sealed, SealedError> {
        let arena = ArenaId::random()?;
        let key = match sealing {
            Sealing::Compressed => None,
            _ => Some(OwnerSecret::random()?.arena_keys(arena).block_key(tenant)),
        };
        let level = (sealing != Sealing::Encrypted).then_some(Encoder::DEFAULT_LEVEL);
        let mut encoder = Encoder::new(level);
        let mut padded = Vec::new();
        let mut encode = |block, bytes: &[u8]| {
            let whole = if bytes.len() == block_size.bytes() {
                bytes
            } else {
                padded.extend_from_slice(bytes);
                padded.resize(block_size.bytes(), 0);
                &padded
            };
            encoder
                .encode(whole, 0, Place { arena, block }, key.as_ref())
                .map_err(|error| SealedError::Encode { block, error })
        };
        let blocks = (0..).zip(bytes.chunks(block_size.bytes())).map(|(block, bytes)| encode(block, bytes));
        let blocks = blocks.collect::<Result<_, _>>()?;
        Ok(Sealed { block_size, bytes: bytes.len() as u64, arena, key, tenant, blocks })
    }

    /// Bytes of a block.
    pub fn block_size(&self) -> BlockSize {
        self.block_size
    }

    /// Bytes that the encoded blocks take.
    pub fn stored_bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.bytes.len() as u64).sum()
    }
}

impl Source for Sealed {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn fill(&self, block: u64, out: &mut [u8], scratch: &mut Scratch) -> Result<(), SourceError> {
        if out.len() != self.block_size.bytes() {
            return Err(SourceError::BlockSize);
        }
        let stored = usize::try_from(block).ok().and_then(|block| self.blocks.get(block));
        let stored = stored.ok_or(SourceError::Truncated)?;
        let place = Place { arena: self.arena, block };
        decode(&stored.header, &stored.bytes, self.key.as_ref(), place, out, scratch.work())
    }

    fn tenant(&self, _block: u64) -> u8 {
        self.tenant
    }

    fn name(&self) -> &str {
        "sealed memory"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_come_back_and_the_rest_of_the_last_block_is_zeros() {
        let bytes: Vec<u8> = (0..10_000).map(|at| (at / 100) as u8).collect();
        for sealing in [Sealing::Compressed, Sealing::Encrypted, Sealing::CompressedEncrypted] {
            let sealed = Sealed::new(&bytes, sealing, BlockSize::MIN, 3).unwrap();
            let mut expected = bytes.clone();
            expected.resize(3 * 4096, 0);
            let mut scratch = Scratch::new(4096);
            let mut out = vec![0x55; 4096];
            for (block, expected) in (0..).zip(expected.chunks(4096)) {
                sealed.fill(block, &mut out, &mut scratch).unwrap();
                assert_eq!(out, expected);
            }
            assert_eq!(sealed.fill(3, &mut out, &mut scratch), Err(SourceError::Truncated));
            assert_eq!(sealed.fill(0, &mut out[..100], &mut scratch), Err(SourceError::BlockSize));
            assert_eq!((sealed.bytes(), sealed.tenant(0)), (10_000, 3));
            assert_eq!(sealed.stored_bytes() < 2000, sealing != Sealing::Encrypted);
        }
    }
}
