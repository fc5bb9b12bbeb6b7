//! A block, to be stored.

use super::{Flags, NONCE_BYTES, Place, StoredHeader, TAG_BYTES};
use crate::keys::BlockKey;
use zstd_safe::CCtx;

/// A block as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What is kept beside the bytes.
    pub header: StoredHeader,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Why a block could not be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More bytes than the largest block has.
    #[error("{0} bytes are no block: a block has at most 2097152")]
    Length(usize),
    /// The operating system gave no random bytes for a nonce.
    #[error("no random bytes for a nonce: check that getrandom(2) works here")]
    Random,
    /// zstd failed.
    #[error("zstd does not compress a block: {0}")]
    Compress(&'static str),
    /// AES-GCM failed.
    #[error("AES-GCM does not encrypt a block")]
    Encrypt,
}

/// Encodes blocks; it allocates and is not for signal handlers.
pub struct Encoder {
    level: Option<i32>,
    context: CCtx<'static>,
}

impl Encoder {
    /// zstd's usual fast level.
    pub const DEFAULT_LEVEL: i32 = 1;

    /// Compresses with this level of zstd (1 to 22, negative ones are faster still; out of range means the nearest), or not at all.
    pub fn new(level: Option<i32>) -> Encoder {
        Encoder { level, context: CCtx::create() }
    }

    /// Encodes block `place` in this generation of it, encrypted if there is a key.
    pub fn encode(
        &mut self,
        block: &[u8],
        generation: u32,
        place: Place,
        key: Option<&BlockKey>,
    ) -> Result<Stored, EncodeError> {
        if block.len() > super::BlockSize::MAX.bytes() {
            return Err(EncodeError::Length(block.len()));
        }
        let mut flags = Flags::empty();
        let mut bytes = Vec::new();
        if block.iter().all(|&byte| byte == 0) {
            flags |= Flags::ZERO;
        } else if let Some(compressed) = self.compress(block)? {
            flags |= Flags::COMPRESSED;
            bytes = compressed;
        } else {
            bytes.extend_from_slice(block);
        }
        let length = bytes.len() as u32;
        let mut header = StoredHeader { flags, length, generation, nonce: [0; NONCE_BYTES], seal: [0; TAG_BYTES] };
        if let Some(key) = key {
            header.flags |= Flags::ENCRYPTED;
            aws_lc_rs::rand::fill(&mut header.nonce).map_err(|_| EncodeError::Random)?;
            let bound = header.bound(place, block.len());
            header.seal = key.seal(header.nonce, &bound, &mut bytes).ok_or(EncodeError::Encrypt)?;
        } else {
            header.seal[..4].copy_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        }
        Ok(Stored { header, bytes })
    }

    /// The block's frame, if it is to be compressed and that makes it smaller.
    fn compress(&mut self, block: &[u8]) -> Result<Option<Vec<u8>>, EncodeError> {
        let Some(level) = self.level else { return Ok(None) };
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(block.len()));
        self.context
            .compress(&mut frame, block, level)
            .map_err(|code| EncodeError::Compress(zstd_safe::get_error_name(code)))?;
        frame.shrink_to_fit();
        Ok((frame.len() < block.len()).then_some(frame))
    }
}
