//! A firmware image: its header, and the check of it. `docs/firmware.md`, An image.
//!
//! The check goes by pieces, as a core without a CRC instruction needs longer for 16 KiB than a round of the firmware may take.
//! With the feature `files`, images are read from files too.

#[cfg(feature = "files")]
mod file;

use crate::firmware::{IMAGE_FORMAT, IMAGE_HEADER_BYTES, IMAGE_MAGIC, IMAGE_MAX_BYTES, ImageFault, header};
use crc::{CRC_32_ISCSI, Crc, Digest, NoTable};
#[cfg(feature = "files")]
pub use file::{Image, ImageError, Segment, flat_image, segments};

/// CRC-32C, bit by bit: a table would be a sixteenth of the flash.
pub static CRC32C: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);

/// What the header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the image, header included.
    pub bytes: u32,
    /// CRC-32C of them, the word that holds it taken as 0.
    pub crc: u32,
    /// Version, as FW_VERSION.
    pub version: u32,
    /// Major version of the register map that it knows.
    pub map_major: u32,
}

impl Header {
    /// Reads the header of an image whose word at byte offset n is `read(n)`.
    pub fn read(mut read: impl FnMut(u32) -> u32) -> Result<Header, ImageFault> {
        let mut word = |n: u32| read(4 * n);
        if word(header::MAGIC) != IMAGE_MAGIC {
            return Err(ImageFault::Magic);
        }
        if word(header::FORMAT) != IMAGE_FORMAT {
            return Err(ImageFault::Format);
        }
        let bytes = word(header::BYTES);
        if !is_size(bytes) {
            return Err(ImageFault::Size);
        }
        let (crc, version, map_major) = (word(header::CRC), word(header::VERSION), word(header::MAP_MAJOR));
        Ok(Header { bytes, crc, version, map_major })
    }

    /// The words of the header.
    pub const fn words(&self) -> [u32; IMAGE_HEADER_BYTES as usize / 4] {
        let mut words = [0; IMAGE_HEADER_BYTES as usize / 4];
        words[header::MAGIC as usize] = IMAGE_MAGIC;
        words[header::FORMAT as usize] = IMAGE_FORMAT;
        words[header::BYTES as usize] = self.bytes;
        words[header::CRC as usize] = self.crc;
        words[header::VERSION as usize] = self.version;
        words[header::MAP_MAJOR as usize] = self.map_major;
        words
    }
}

/// Whether an image may have so many bytes.
pub fn is_size(bytes: u32) -> bool {
    bytes.is_multiple_of(4) && bytes > IMAGE_HEADER_BYTES && bytes <= IMAGE_MAX_BYTES
}

/// A check that goes on.
#[derive(Clone)]
pub struct Check {
    header: Header,
    map_major: u32,
    at: u32,
    digest: Digest<'static, u32, NoTable>,
}

impl Check {
    /// Begins to check an image whose word at byte offset n is `read(n)`, for a device with this major version of the register map.
    pub fn begin(read: impl FnMut(u32) -> u32, map_major: u32) -> Result<Check, ImageFault> {
        Ok(Check { header: Header::read(read)?, map_major, at: 0, digest: CRC32C.digest() })
    }

    /// What the header says.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Takes the next `words` words of the image; when it has them all, says what it found.
    pub fn step(&mut self, words: u32, mut read: impl FnMut(u32) -> u32) -> Option<Result<Header, ImageFault>> {
        for _ in 0..words {
            if self.at >= self.header.bytes {
                break;
            }
            let word = if self.at == 4 * header::CRC { 0 } else { read(self.at) };
            self.digest.update(&word.to_le_bytes());
            self.at += 4;
        }
        if self.at < self.header.bytes {
            return None;
        }
        Some(if self.digest.clone().finalize() != self.header.crc {
            Err(ImageFault::Crc)
        } else if self.header.map_major != self.map_major {
            Err(ImageFault::MapVersion)
        } else {
            Ok(self.header)
        })
    }
}

/// Checks an image whose word at byte offset n is `read(n)`, at one go.
pub fn check(mut read: impl FnMut(u32) -> u32, map_major: u32) -> Result<Header, ImageFault> {
    let mut check = Check::begin(&mut read, map_major)?;
    check.step(IMAGE_MAX_BYTES / 4, &mut read).unwrap_or(Err(ImageFault::Size))
}

/// The word at byte `offset` of an image in memory; what is past its end reads 0.
fn word_of(image: &[u8], offset: u32) -> u32 {
    let bytes = image.get(offset as usize..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Checks an image in memory, all of which it must be.
pub fn verify(image: &[u8], map_major: u32) -> Result<Header, ImageFault> {
    let header = Header::read(|offset| word_of(image, offset))?;
    if header.bytes as usize != image.len() {
        return Err(ImageFault::Size);
    }
    check(|offset| word_of(image, offset), map_major)
}

/// CRC-32C of an image's bytes, with the word that holds it taken as 0.
#[cfg(feature = "files")]
fn checksum(image: &[u8]) -> u32 {
    let mut digest = CRC32C.digest();
    for (n, word) in (0..).zip(image.chunks(4)) {
        digest.update(if n == header::CRC { &[0; 4] } else { word });
    }
    digest.finalize()
}

/// Makes an image of bytes whose first 64 are room for the header, which is written over them.
pub fn seal(image: &mut [u8], version: u32, map_major: u32) -> Result<Header, ImageFault> {
    let bytes = u32::try_from(image.len()).ok().filter(|bytes| is_size(*bytes));
    let mut header = Header { bytes: bytes.ok_or(ImageFault::Size)?, crc: 0, version, map_major };
    write_header(image, &header);
    header.crc = CRC32C.checksum(image);
    write_header(image, &header);
    Ok(header)
}

fn write_header(image: &mut [u8], header: &Header) {
    for (bytes, word) in image.chunks_exact_mut(4).zip(header.words()) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn sealed(words: usize) -> Vec<u8> {
        let mut image: Vec<u8> = (0..64 + 4 * words).map(|n| (n * 7) as u8).collect();
        seal(&mut image, 0x0001_0203, 2).unwrap();
        image
    }

    #[test]
    fn a_sealed_image_is_good() {
        assert_eq!(CRC32C.checksum(b"123456789"), 0xE306_9283, "RFC 3720, B.4");
        for words in [1, 2, 100, (IMAGE_MAX_BYTES as usize - 64) / 4] {
            let image = sealed(words);
            let header = verify(&image, 2).unwrap();
            assert_eq!((header.version, header.bytes as usize), (0x0001_0203, image.len()));
        }
        assert_eq!(seal(&mut [0; 64], 1, 2), Err(ImageFault::Size), "nothing but a header");
        assert_eq!(seal(&mut [0; 70], 1, 2), Err(ImageFault::Size));
        assert_eq!(seal(&mut vec![0; 16_388], 1, 2), Err(ImageFault::Size));
        assert_eq!(verify(&sealed(9), 3), Err(ImageFault::MapVersion));
    }

    proptest! {
        /// CRC-32C finds every flip of one bit, wherever it is.
        #[test]
        fn no_bit_may_be_another(words in 1usize..200, at: prop::sample::Index, bit in 0u8..8) {
            let mut image = sealed(words);
            let at = at.index(image.len());
            image[at] ^= 1 << bit;
            prop_assert!(verify(&image, 2).is_err());
        }

        #[test]
        fn pieces_make_no_difference(words in 1usize..200, piece in 1u32..40) {
            let image = sealed(words);
            let mut check = Check::begin(|n| word_of(&image, n), 2).unwrap();
            let found = loop {
                if let Some(found) = check.step(piece, |n| word_of(&image, n)) {
                    break found;
                }
            };
            prop_assert_eq!(found, verify(&image, 2));
        }

        #[test]
        fn what_is_no_image_is_refused_and_nothing_panics(image in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(verify(&image, 2).is_err());
        }
    }
}
