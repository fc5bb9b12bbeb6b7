//! The firmware's image from an ELF file: what flash holds of it, with its header checked. `docs/firmware.md`, An image.

use kvcpu_firmware::{BANK_BYTES, Header, image};
use kvcpu_mmio::firmware::ImageFault;
use kvcpu_mmio::regs::control::MAP_MAJOR;
use object::LittleEndian;
use object::elf::{EM_RISCV, FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

/// Where the core starts.
pub(crate) const START: u32 = 0x40;

/// Why a file is no firmware image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It is no ELF file, or a damaged one.
    #[error("no ELF file of a 32-bit little-endian machine: {0}")]
    Elf(#[from] object::Error),
    /// It is for another processor.
    #[error("made for ELF machine {0}; the core is RISC-V, 243")]
    Machine(u16),
    /// It starts elsewhere.
    #[error("starts at {0:#x}; the core does at {START:#x}")]
    Start(u32),
    /// Flash does not reach so far.
    #[error("{bytes} bytes at {at:#x} do not lie in a flash bank of {BANK_BYTES}")]
    Place {
        /// Where the segment lies.
        at: u32,
        /// How long it is.
        bytes: u32,
    },
    /// Its header is not right.
    #[error("header: {}; `cargo xtask firmware` makes one that is", .0.describe())]
    Header(ImageFault),
}

/// What goes to flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    bytes: Vec<u8>,
    header: Header,
}

impl Image {
    /// The image in an ELF file.
    pub fn from_elf(elf: &[u8]) -> Result<Image, ImageError> {
        let header = FileHeader32::<LittleEndian>::parse(elf)?;
        let endian = header.endian()?;
        let (machine, start) = (header.e_machine(endian), header.e_entry(endian));
        if machine != EM_RISCV {
            return Err(ImageError::Machine(machine.0));
        }
        if start != START {
            return Err(ImageError::Start(start));
        }
        let mut bytes = Vec::new();
        for segment in header.program_headers(endian, elf)? {
            let (at, length) = (segment.p_paddr(endian), segment.p_filesz(endian));
            if segment.p_type(endian) != PT_LOAD || length == 0 {
                continue;
            }
            let end = at.checked_add(length).filter(|end| *end <= BANK_BYTES);
            let end = end.ok_or(ImageError::Place { at, bytes: length })? as usize;
            let data = segment.data(endian, elf).map_err(|()| ImageError::Place { at, bytes: length })?;
            bytes.resize(bytes.len().max(end.next_multiple_of(4)), 0);
            bytes[at as usize..end].copy_from_slice(data);
        }
        Image::from_bytes(bytes)
    }

    /// The image that these bytes are.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Image, ImageError> {
        let header = image::verify(&bytes, MAP_MAJOR.into()).map_err(ImageError::Header)?;
        Ok(Image { bytes, header })
    }

    /// An image of this code, which the core starts with: a header is put before it.
    pub fn from_code(code: &[u32], version: u32) -> Result<Image, ImageError> {
        let mut bytes = vec![0; START as usize];
        bytes.extend(code.iter().flat_map(|word| word.to_le_bytes()));
        image::seal(&mut bytes, version, MAP_MAJOR.into()).map_err(ImageError::Header)?;
        Image::from_bytes(bytes)
    }

    /// Its bytes, header included; a multiple of 4.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What its header says.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Words of a flash bank that holds it and is erased behind it.
    pub(crate) fn words(&self) -> Vec<u32> {
        let mut words: Vec<u32> = self.bytes.as_chunks().0.iter().copied().map(u32::from_le_bytes).collect();
        words.resize(BANK_BYTES as usize / 4, ERASED);
        words
    }
}

/// A word of flash that nothing was written to.
pub(crate) const ERASED: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FIRMWARE;

    #[test]
    fn the_firmware_is_an_image() {
        let image = Image::from_elf(FIRMWARE).unwrap();
        assert_eq!(image.header().bytes as usize, image.bytes().len());
        assert_eq!(image.words().len(), 4096);
    }

    #[test]
    fn what_is_none_is_refused_with_the_reason() {
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut elf = FIRMWARE.to_vec();
            change(&mut elf);
            Image::from_elf(&elf).unwrap_err()
        };
        assert!(matches!(refused(&|elf| elf.truncate(20)), ImageError::Elf(_)));
        assert!(matches!(refused(&|elf| elf[4] = 2), ImageError::Elf(_)));
        assert_eq!(refused(&|elf| elf[18] = 62), ImageError::Machine(62));
        assert_eq!(refused(&|elf| elf[24] = 0x44), ImageError::Start(0x44));
        // The physical address of the first segment.
        assert!(matches!(refused(&|elf| elf[52 + 13] = 0x40), ImageError::Place { at: 0x4000, .. }));
        let header = FIRMWARE.windows(4).position(|four| four == 0x4657_564B_u32.to_le_bytes()).unwrap();
        let cases = [(0, ImageFault::Magic), (4, ImageFault::Format), (8, ImageFault::Size), (12, ImageFault::Crc)];
        for (byte, fault) in cases {
            assert_eq!(refused(&|elf| elf[header + byte] ^= 4), ImageError::Header(fault));
        }
    }

    #[test]
    fn code_is_given_a_header() {
        let image = Image::from_code(&[0x0000_006F], 7).unwrap();
        assert_eq!((image.header().version, image.bytes().len()), (7, 68));
    }
}
