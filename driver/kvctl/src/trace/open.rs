//! Which bytes come in: plain, gzip or zstd, told by their first bytes and never by the file's name.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// How a trace is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip (RFC 1952), several members allowed.
    Gzip,
    /// Zstandard (RFC 8878), several frames allowed.
    Zstd,
}

impl Compression {
    /// The gzip magic number: RFC 1952, section 2.3.1.
    const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
    /// The Zstandard magic number, little-endian: RFC 8878, section 3.1.1.
    const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

    /// Tells the packing from the first bytes. No JSON text begins with either magic number.
    pub fn detect(head: &[u8]) -> Self {
        if head.starts_with(&Self::GZIP_MAGIC) {
            Self::Gzip
        } else if head.starts_with(&Self::ZSTD_MAGIC) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }
}

/// Size of the buffers between stages.
const BUFFER_BYTES: usize = 256 << 10;

/// Unpacks `input` whatever its packing.
pub(super) fn unpack<'a>(mut input: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    // The magic bytes are read by themselves and put back: a pipe may deliver them one at a time.
    let mut head = Vec::with_capacity(Compression::ZSTD_MAGIC.len());
    input.by_ref().take(Compression::ZSTD_MAGIC.len() as u64).read_to_end(&mut head)?;
    let packing = Compression::detect(&head);
    let input = BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(head).chain(input));
    Ok(match packing {
        Compression::Plain => Box::new(input),
        Compression::Gzip => Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(input))),
        Compression::Zstd => Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::with_buffer(input)?)),
    })
}
