//! A firmware image in a file, ELF or flat.
//!
//! The checks are those of the firmware's UPDATE_COMMIT (`docs/firmware.md`, An image), so what is refused here would be refused there. An
//! ELF's loadable segments at addresses of the flash bank are the image; gaps between them are 0.

use super::{Header, seal, verify, word_of};
use crate::firmware::{IMAGE_FORMAT, IMAGE_HEADER_BYTES, IMAGE_MAGIC, IMAGE_MAX_BYTES, ImageFault, header};
use crate::regs::control;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::ops::Range;
use object::LittleEndian;
use object::elf::{EM_RISCV, FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use thiserror::Error;

/// First bytes of an ELF.
const ELF_MAGIC: &[u8] = b"\x7fELF";
const MOST: usize = IMAGE_MAX_BYTES as usize;
/// Where the core starts: behind the header.
const START: u32 = IMAGE_HEADER_BYTES;

/// Why a file is no image.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Neither an ELF nor a flat image.
    #[error(
        "it begins with {found:#010x}, an image with {IMAGE_MAGIC:#010x} and an ELF with \\x7fELF; give firmware/image/kvcpu-fw.elf"
    )]
    Magic {
        /// Its first word.
        found: u32,
    },
    /// The ELF cannot be read, or is for another machine.
    #[error("the ELF {problem}; build one with `cargo xtask firmware`")]
    Elf {
        /// What is wrong with it.
        problem: String,
    },
    /// The header has another format.
    #[error("the image has format {found}, this driver knows {IMAGE_FORMAT}; use the driver that belongs to it")]
    Format {
        /// The format found.
        found: u32,
    },
    /// The header's size cannot be, or is not that of the file.
    #[error(
        "the header says {said} bytes, the file has {found}, and an image more than {IMAGE_HEADER_BYTES} and at most {IMAGE_MAX_BYTES}, a multiple of 4; get it anew or build it with `cargo xtask firmware`"
    )]
    Size {
        /// Bytes by the header.
        said: u32,
        /// Bytes of the file, or of the ELF's segments.
        found: usize,
    },
    /// The bytes are not those that the CRC was made of.
    #[error(
        "the image's CRC-32C is {found:#010x}, its header says {said:#010x}: it is damaged; get it anew or build it with `cargo xtask firmware`"
    )]
    Crc {
        /// The CRC in the header.
        said: u32,
        /// The CRC of the bytes.
        found: u32,
    },
    /// It was built for another register map.
    #[error(
        "the image knows register map {found}.x, the device has {}.x; use the image that belongs to the bitstream",
        control::MAP_MAJOR
    )]
    MapVersion {
        /// Major version that it knows.
        found: u32,
    },
}

impl ImageError {
    /// What the firmware would call it; an ELF it never sees.
    pub fn fault(&self) -> Option<ImageFault> {
        Some(match self {
            ImageError::Magic { .. } => ImageFault::Magic,
            ImageError::Elf { .. } => return None,
            ImageError::Format { .. } => ImageFault::Format,
            ImageError::Size { .. } => ImageFault::Size,
            ImageError::Crc { .. } => ImageFault::Crc,
            ImageError::MapVersion { .. } => ImageFault::MapVersion,
        })
    }
}

/// An image that the firmware would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    bytes: Vec<u8>,
    header: Header,
}

impl Image {
    /// The image in a file's bytes, ELF or flat.
    pub fn from_file(file: &[u8]) -> Result<Image, ImageError> {
        let mut bytes = flat_image(file)?;
        let said = word_of(&bytes, 4 * header::BYTES);
        // What fills a bank up behind the image is none of it.
        if let Some(rest) = bytes.get(said as usize..)
            && rest.iter().all(|byte| [0, 0xFF].contains(byte))
        {
            bytes.truncate(said as usize);
        }
        match verify(&bytes, control::MAP_MAJOR.into()) {
            Ok(header) => Ok(Image { bytes, header }),
            Err(fault) => Err(explain(&bytes, fault)),
        }
    }

    /// An image of this code, which the core starts with: a header is put before it.
    pub fn from_code(code: &[u32], version: u32) -> Result<Image, ImageError> {
        let mut bytes = vec![0; START as usize];
        bytes.extend(code.iter().flat_map(|word| word.to_le_bytes()));
        let header = seal(&mut bytes, version, control::MAP_MAJOR.into()).map_err(|fault| explain(&bytes, fault))?;
        Ok(Image { bytes, header })
    }

    /// Its bytes, header included; a multiple of 4.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What its header says.
    pub fn header(&self) -> Header {
        self.header
    }
}

/// The error for bytes with this fault.
fn explain(bytes: &[u8], fault: ImageFault) -> ImageError {
    let word = |number| word_of(bytes, 4 * number);
    match fault {
        ImageFault::Magic => ImageError::Magic { found: word(header::MAGIC) },
        ImageFault::Format => ImageError::Format { found: word(header::FORMAT) },
        ImageFault::Size | ImageFault::Incomplete => ImageError::Size { said: word(header::BYTES), found: bytes.len() },
        ImageFault::Crc => ImageError::Crc { said: word(header::CRC), found: super::checksum(bytes) },
        ImageFault::MapVersion => ImageError::MapVersion { found: word(header::MAP_MAJOR) },
    }
}

/// The bytes that a flash bank is to hold, from an ELF or from a file that is flat already; at the most 16 KiB, a multiple of 4. What the header says is not
/// looked at: [`Image::from_file`] does.
pub fn flat_image(file: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut bytes = match word_of(file, 4 * header::MAGIC) {
        _ if file.starts_with(ELF_MAGIC) => laid_out(file)?,
        IMAGE_MAGIC if file.len() <= MOST => file.to_vec(),
        IMAGE_MAGIC => return Err(ImageError::Size { said: word_of(file, 4 * header::BYTES), found: file.len() }),
        found => return Err(ImageError::Magic { found }),
    };
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}

/// A piece of an ELF file that goes to flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its bytes in the file.
    pub file: Range<usize>,
    /// Its bytes in the flash bank.
    pub flash: Range<usize>,
}

/// The pieces of an ELF file that go to flash; no two of them to one place, and none beyond the bank or the file.
pub fn segments(file: &[u8]) -> Result<Vec<Segment>, ImageError> {
    let wrong = |problem: String| ImageError::Elf { problem };
    let unreadable = |error| wrong(format!("cannot be read: {error}"));
    let elf = FileHeader32::<LittleEndian>::parse(file).map_err(unreadable)?;
    let endian = elf.endian().map_err(unreadable)?;
    let (machine, start) = (elf.e_machine(endian), elf.e_entry(endian));
    if machine != EM_RISCV {
        return Err(wrong(format!("is for machine {}, the core is {}, RISC-V", machine.0, EM_RISCV.0)));
    }
    if start != START {
        return Err(wrong(format!("starts at {start:#x}, the core at {START:#x}")));
    }
    let mut segments: Vec<Segment> = vec![];
    for segment in elf.program_headers(endian, file).map_err(unreadable)? {
        // Where it is stored, not where it is used: initial values of RAM lie in flash.
        let (from, size) = (segment.p_paddr(endian), segment.p_filesz(endian));
        if segment.p_type(endian) != PT_LOAD || size == 0 {
            continue;
        }
        if from.checked_add(size).is_none_or(|end| end > IMAGE_MAX_BYTES) {
            return Err(wrong(format!("has a segment of {size:#x} bytes at {from:#x}, outside the bank of {MOST:#x}")));
        }
        if segment.data(endian, file).is_err() {
            return Err(wrong("has a segment beyond the end of the file".into()));
        }
        let at = segment.p_offset(endian) as usize;
        let (file, flash) = (at..at + size as usize, from as usize..(from + size) as usize);
        let shared = |other: &&Segment| other.flash.start < flash.end && flash.start < other.flash.end;
        if let Some(Segment { flash: other, .. }) = segments.iter().find(shared) {
            let [place, other] = [&flash, other].map(|range| format!("{:#x} to {:#x}", range.start, range.end));
            return Err(wrong(format!("has two segments in one place, {place} and {other}")));
        }
        segments.push(Segment { file, flash });
    }
    if segments.is_empty() { Err(wrong("has no segment to load".into())) } else { Ok(segments) }
}

/// An ELF's segments as they lie in flash.
fn laid_out(file: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut bytes = vec![];
    for segment in segments(file)? {
        bytes.resize(bytes.len().max(segment.flash.end), 0);
        bytes[segment.flash].copy_from_slice(&file[segment.file]);
    }
    Ok(bytes)
}
