//! A firmware image, from an ELF or a flat file, checked before any of it is sent.
//!
//! The checks are those of the firmware's UPDATE_COMMIT (`docs/firmware.md`, An image), so what is refused here would be refused there. An
//! ELF's loadable segments at addresses of the flash bank are the image; gaps between them are 0.

use kvcpu_mmio::firmware::{IMAGE_FORMAT, IMAGE_HEADER_BYTES, IMAGE_MAGIC, IMAGE_MAX_BYTES, ImageFault, header};
use kvcpu_mmio::regs::control;
use object::LittleEndian;
use object::elf::{EM_RISCV, FileHeader32, PT_LOAD};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use thiserror::Error;

use super::Version;

/// First bytes of an ELF.
const ELF_MAGIC: &[u8] = b"\x7fELF";
const MOST: usize = IMAGE_MAX_BYTES as usize;

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

/// An image that may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// The image in a file's bytes, an ELF or flat, if the firmware would take it.
    pub fn from_file(file: &[u8]) -> Result<Image, ImageError> {
        let mut bytes = flat_image(file)?;
        let word = |number| word(&bytes, number);
        if word(header::MAGIC) != IMAGE_MAGIC {
            return Err(ImageError::Magic { found: word(header::MAGIC) });
        }
        if word(header::FORMAT) != IMAGE_FORMAT {
            return Err(ImageError::Format { found: word(header::FORMAT) });
        }
        let said = word(header::BYTES);
        let possible = said > IMAGE_HEADER_BYTES && said <= IMAGE_MAX_BYTES && said.is_multiple_of(4);
        // What fills a bank up behind the image is none of it.
        let beyond = bytes.get(said as usize..);
        if !possible || beyond.is_none_or(|rest| rest.iter().any(|byte| ![0, 0xFF].contains(byte))) {
            return Err(ImageError::Size { said, found: bytes.len() });
        }
        bytes.truncate(said as usize);
        let image = Image { bytes };
        let (said, found) = (image.crc(), image.sum());
        if said != found {
            return Err(ImageError::Crc { said, found });
        }
        match image.map_major() {
            major if major == u32::from(control::MAP_MAJOR) => Ok(image),
            found => Err(ImageError::MapVersion { found }),
        }
    }

    /// Its bytes, header included; a multiple of 4.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its version.
    pub fn version(&self) -> Version {
        Version::from_register(word(&self.bytes, header::VERSION).into())
    }

    /// The CRC-32C that its header holds, which is that of its bytes.
    pub fn crc(&self) -> u32 {
        word(&self.bytes, header::CRC)
    }

    /// Major version of the register map that it knows.
    pub fn map_major(&self) -> u32 {
        word(&self.bytes, header::MAP_MAJOR)
    }

    /// CRC-32C of the bytes, with the word that holds it taken as 0.
    fn sum(&self) -> u32 {
        let at = header::CRC as usize * 4;
        let crc = crc32c::crc32c(&self.bytes[..at]);
        let crc = crc32c::crc32c_append(crc, &[0; 4]);
        crc32c::crc32c_append(crc, &self.bytes[at + 4..])
    }
}

/// The bytes that a flash bank is to hold, from an ELF or from a file that is flat already; at the most 16 KiB, a multiple of 4. What the header says is not
/// looked at: [`Image::from_file`] does.
pub fn flat_image(file: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut bytes = match word(file, header::MAGIC) {
        _ if file.starts_with(ELF_MAGIC) => from_elf(file).map_err(|problem| ImageError::Elf { problem })?,
        IMAGE_MAGIC if file.len() <= MOST => file.to_vec(),
        IMAGE_MAGIC => return Err(ImageError::Size { said: word(file, header::BYTES), found: file.len() }),
        found => return Err(ImageError::Magic { found }),
    };
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}

/// Lays the segments out; or what is wrong with the ELF.
fn from_elf(file: &[u8]) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    let elf = FileHeader32::<LittleEndian>::parse(file).map_err(unreadable)?;
    let endian = elf.endian().map_err(unreadable)?;
    if elf.e_machine(endian) != EM_RISCV {
        return Err(format!("is for machine {}, the core is {}, RISC-V", elf.e_machine(endian).0, EM_RISCV.0));
    }
    let mut taken: Vec<std::ops::Range<usize>> = Vec::new();
    let mut bytes = Vec::new();
    for segment in elf.program_headers(endian, file).map_err(unreadable)? {
        // Where it is stored, not where it is used: initial values of RAM lie in flash.
        let (from, size) = (segment.p_paddr(endian), segment.p_filesz(endian));
        if segment.p_type(endian) != PT_LOAD || size == 0 {
            continue;
        }
        if from.checked_add(size).is_none_or(|end| end > IMAGE_MAX_BYTES) {
            return Err(format!("has a segment of {size:#x} bytes at {from:#x}, outside the bank of {MOST:#x}"));
        }
        let data = segment.data(endian, file).map_err(|()| "has a segment beyond the end of the file")?;
        let place = from as usize..from as usize + data.len();
        if let Some(other) = taken.iter().find(|other| other.start < place.end && place.start < other.end) {
            let [place, other] = [&place, other].map(|range| format!("{:#x} to {:#x}", range.start, range.end));
            return Err(format!("has two segments in one place, {place} and {other}"));
        }
        bytes.resize(bytes.len().max(place.end), 0);
        bytes[place.clone()].copy_from_slice(data);
        taken.push(place);
    }
    if bytes.is_empty() { Err("has no segment to load".into()) } else { Ok(bytes) }
}

/// Word `number`; what is missing at the end of the bytes is 0.
fn word(bytes: &[u8], number: u32) -> u32 {
    let rest = bytes.get(number as usize * 4..).unwrap_or_default();
    let mut word = [0; 4];
    word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u32::from_le_bytes(word)
}
