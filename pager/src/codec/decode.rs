//! A stored block, decoded: what a fill does on the thread that touched it, nothing of it allocates.

use super::{BlockSize, Flags, Place, StoredHeader};
use crate::keys::BlockKey;
use crate::source::SourceError;
use zstd_safe::DCtx;

/// What a fill needs beside the block; made before, one for each thread that may fill.
pub struct Scratch {
    stored: Box<[u8]>,
    work: Work,
}

/// What decoding needs beside the stored bytes.
pub struct Work {
    plain: Box<[u8]>,
    context: DCtx<'static>,
}

impl Scratch {
    /// For blocks of at most `block_bytes` bytes. Holds twice that, and about 100 KiB of zstd's.
    pub fn new(block_bytes: usize) -> Scratch {
        // The pages are written now, not when a fill comes.
        let buffer = || vec![0xA5; block_bytes].into_boxed_slice();
        Scratch { stored: buffer(), work: Work { plain: buffer(), context: DCtx::create() } }
    }

    /// Bytes of the largest block it is for.
    pub fn block_bytes(&self) -> usize {
        self.stored.len()
    }

    /// Room for so many stored bytes, and what decodes them; `None` if it is for smaller blocks.
    pub fn parts(&mut self, length: usize) -> Option<(&mut [u8], &mut Work)> {
        Some((self.stored.get_mut(..length)?, &mut self.work))
    }

    /// What decodes stored bytes that are elsewhere.
    pub fn work(&mut self) -> &mut Work {
        &mut self.work
    }
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new(BlockSize::DEFAULT.bytes())
    }
}

/// Decodes the stored bytes of block `place` into `out`, which is one block. Either both are encrypted, the block and what is expected, or
/// neither: an encrypted arena takes no block that someone put there in clear.
pub fn decode(
    header: &StoredHeader,
    stored: &[u8],
    key: Option<&BlockKey>,
    place: Place,
    out: &mut [u8],
    work: &mut Work,
) -> Result<(), SourceError> {
    if stored.len() != header.length as usize {
        return Err(SourceError::Truncated);
    }
    if !header.is_sound(out.len()) {
        return Err(SourceError::Decompress);
    }
    if header.flags.contains(Flags::ENCRYPTED) != key.is_some() {
        return Err(SourceError::Tag);
    }
    let compressed = header.flags.contains(Flags::COMPRESSED);
    let zero = header.flags.contains(Flags::ZERO);
    let Some(key) = key else {
        if header.seal[..4] != crc32c::crc32c(stored).to_le_bytes() {
            return Err(SourceError::Checksum);
        }
        if compressed {
            return decompress(stored, out, &mut work.context);
        }
        if zero {
            out.fill(0)
        } else {
            out.copy_from_slice(stored)
        }
        return Ok(());
    };
    let bound = header.bound(place, out.len());
    let open = |plain: &mut [u8]| {
        let is_right = key.open(header.nonce, &bound, stored, &header.seal, plain);
        if is_right { Ok(()) } else { Err(SourceError::Tag) }
    };
    match (zero, compressed) {
        (true, _) => open(&mut []).map(|()| out.fill(0)),
        (false, true) => {
            let plain = work.plain.get_mut(..stored.len()).ok_or(SourceError::BlockSize)?;
            open(plain)?;
            decompress(plain, out, &mut work.context)
        }
        (false, false) => open(out),
    }
}

/// RFC 8878, 3.1.1.
const ZSTD_MAGIC: [u8; 4] = 0xFD2F_B528u32.to_le_bytes();

/// One frame of today's zstd: for one of the formats before, the library would allocate, and decode with code that is no longer kept up.
fn decompress(frame: &[u8], out: &mut [u8], context: &mut DCtx<'static>) -> Result<(), SourceError> {
    let is_one = frame.starts_with(&ZSTD_MAGIC) && zstd_safe::find_frame_compressed_size(frame) == Ok(frame.len());
    match is_one.then(|| context.decompress(out, frame)) {
        Some(Ok(length)) if length == out.len() => Ok(()),
        _ => Err(SourceError::Decompress),
    }
}
