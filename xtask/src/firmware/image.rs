//! The linked firmware: what of it goes to flash, its header filled in, its sizes. `docs/firmware.md`, An image.

use anyhow::{Context, Result, ensure};
use crc::{CRC_32_ISCSI, Crc};
use kvcpu_mmio::firmware::{IMAGE_FORMAT, IMAGE_HEADER_BYTES, IMAGE_MAGIC, IMAGE_MAX_BYTES, header};
use object::elf::{FileHeader32, PT_LOAD};
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection};

/// Bytes of a flash bank.
pub(super) const BANK_BYTES: usize = IMAGE_MAX_BYTES as usize;
/// Bytes of the header.
const HEADER_BYTES: usize = IMAGE_HEADER_BYTES as usize;
/// Where RAM begins.
const RAM: u64 = 0x2000_0000;
/// A piece of the file, and where in flash it goes.
struct Piece {
    file: std::ops::Range<usize>,
    flash: usize,
}

/// The pieces of an ELF file that go to flash.
fn pieces(elf: &[u8]) -> Result<Vec<Piece>> {
    let header = FileHeader32::<LittleEndian>::parse(elf)?;
    let endian = header.endian()?;
    let mut pieces = Vec::new();
    for segment in header.program_headers(endian, elf)? {
        let (offset, bytes) = segment.file_range(endian);
        if segment.p_type(endian) == PT_LOAD && bytes > 0 {
            let flash = segment.p_paddr(endian) as usize;
            ensure!(flash + bytes as usize <= BANK_BYTES, "{bytes} bytes at {flash:#x} are beyond the flash bank");
            pieces.push(Piece { file: offset as usize..(offset + bytes) as usize, flash });
        }
    }
    Ok(pieces)
}

/// What flash holds of an ELF file; what no piece covers is 0.
fn flash(elf: &[u8], pieces: &[Piece]) -> Result<Vec<u8>> {
    let end = pieces
        .iter()
        .map(|piece| piece.flash + piece.file.len())
        .max()
        .context("it has nothing for flash")?;
    let mut flash = vec![0; end.next_multiple_of(4)];
    for piece in pieces {
        flash[piece.flash..][..piece.file.len()].copy_from_slice(&elf[piece.file.clone()]);
    }
    ensure!(flash.len() <= BANK_BYTES, "the image has {} bytes; a flash bank has {BANK_BYTES}", flash.len());
    Ok(flash)
}

/// What flash holds of a finished image's ELF file.
pub(super) fn flash_of(elf: &[u8]) -> Result<Vec<u8>> {
    flash(elf, &pieces(elf)?)
}

/// A word of the header of an image.
fn at(image: &mut [u8], word: u32) -> &mut [u8; 4] {
    &mut image.as_chunks_mut().0[word as usize]
}

/// Fills the header of a linked image in; gives the image's bytes.
pub(super) fn finish(elf: &mut [u8], version: u32) -> Result<usize> {
    let pieces = pieces(elf)?;
    let mut image = flash(elf, &pieces)?;
    ensure!(image.len() > HEADER_BYTES, "it is nothing but a header");
    for (word, value) in [(header::MAGIC, IMAGE_MAGIC), (header::FORMAT, IMAGE_FORMAT)] {
        ensure!(*at(&mut image, word) == value.to_le_bytes(), "it does not begin with a header");
    }
    let length = u32::try_from(image.len())?;
    for (word, value) in [(header::BYTES, length), (header::CRC, 0), (header::VERSION, version)] {
        *at(&mut image, word) = value.to_le_bytes();
    }
    let crc = Crc::<u32>::new(&CRC_32_ISCSI).checksum(&image);
    *at(&mut image, header::CRC) = crc.to_le_bytes();
    let first = pieces.iter().find(|piece| piece.flash == 0 && piece.file.len() >= HEADER_BYTES);
    let first = first.context("the header is not in one piece")?;
    elf[first.file.start..][..HEADER_BYTES].copy_from_slice(&image[..HEADER_BYTES]);
    Ok(image.len())
}

/// Bytes of a section; 0 if there is none.
pub(super) fn section(elf: &[u8], name: &str) -> Result<u64> {
    let elf = ElfFile32::<LittleEndian>::parse(elf)?;
    Ok(elf.section_by_name(name).map_or(0, |section| section.size()))
}

/// Bytes for the stack: from the beginning of RAM to the first static (firmware/core/link.x).
pub(super) fn stack(elf: &[u8]) -> Result<u64> {
    let elf = ElfFile32::<LittleEndian>::parse(elf)?;
    let data = elf.section_by_name(".data").context("it has no section .data")?;
    data.address().checked_sub(RAM).context("its statics are not in RAM")
}

/// What compiler and linker say of themselves in a binary: with others the same sources need not give the same bytes.
pub(super) fn tools(elf: &[u8]) -> Result<String> {
    let elf = ElfFile32::<LittleEndian>::parse(elf)?;
    let comment = elf.section_by_name_bytes(b".comment").context("it does not say what made it")?;
    let text = String::from_utf8_lossy(comment.data()?).into_owned();
    Ok(text.split('\0').filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a segment of these bytes at this address of flash.
    fn elf(flash: u32, bytes: &[u8]) -> Vec<u8> {
        let mut elf = b"\x7fELF\x01\x01\x01".to_vec();
        elf.resize(16, 0);
        elf.extend([2, 0, 243, 0]);
        let words = |elf: &mut Vec<u8>, words: &[u32]| elf.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        // Version, entry, program headers' offset, no sections, flags.
        words(&mut elf, &[1, 0x40, 52, 0, 0]);
        for half in [52_u16, 32, 1, 40, 0, 0] {
            elf.extend(half.to_le_bytes());
        }
        let length = bytes.len() as u32;
        words(&mut elf, &[1, 84, flash, flash, length, length, 5, 4]);
        elf.extend(bytes);
        elf
    }

    fn image(bytes: usize) -> Vec<u8> {
        let mut image = [IMAGE_MAGIC.to_le_bytes(), IMAGE_FORMAT.to_le_bytes()].concat();
        image.resize(bytes, 0x5A);
        image
    }

    #[test]
    fn the_header_tells_bytes_crc_and_version() {
        let mut elf = elf(0, &image(101));
        assert_eq!(finish(&mut elf, 0x0001_0203).unwrap(), 104);
        let mut flash = elf[84..].to_vec();
        flash.resize(104, 0);
        assert_eq!(*at(&mut flash, header::BYTES), 104_u32.to_le_bytes());
        assert_eq!(*at(&mut flash, header::VERSION), [3, 2, 1, 0]);
        let crc = std::mem::take(at(&mut flash, header::CRC));
        assert_eq!(crc, Crc::<u32>::new(&CRC_32_ISCSI).checksum(&flash).to_le_bytes());
        assert_eq!(flash[20..100], [0x5A; 80]);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let refused = |mut elf: Vec<u8>| finish(&mut elf, 0).unwrap_err().to_string();
        assert!(refused(elf(0, &[0; 100])).contains("begin with a header"));
        assert!(refused(elf(0, &image(64))).contains("nothing but a header"));
        assert!(refused(elf(4, &image(BANK_BYTES))).contains("beyond the flash bank"));
        assert!(refused(elf(0, &[])).contains("nothing for flash"));
        finish(&mut elf(0, &image(BANK_BYTES)), 0).unwrap();
    }
}
