//! The linked firmware: what of it goes to flash, its header filled in, its sizes. `docs/firmware.md`, An image.

use anyhow::{Context, Result, anyhow};
use kvcpu_mmio::firmware::{IMAGE_HEADER_BYTES, IMAGE_MAX_BYTES};
use kvcpu_mmio::image::{flat_image, seal, segments};
use kvcpu_mmio::regs::control::MAP_MAJOR;
use object::read::elf::ElfFile32;
use object::{LittleEndian, Object, ObjectSection};

/// Bytes of a flash bank.
pub(super) const BANK_BYTES: usize = IMAGE_MAX_BYTES as usize;
/// Bytes of the header.
const HEADER_BYTES: usize = IMAGE_HEADER_BYTES as usize;
/// Where RAM begins.
const RAM: u64 = 0x2000_0000;

/// Fills the header of a linked image in; gives the image's bytes.
pub(super) fn finish(elf: &mut [u8], version: u32) -> Result<usize> {
    let mut image = flat_image(elf)?;
    let all = segments(elf)?;
    let first = all.iter().find(|segment| segment.flash.start == 0 && segment.flash.len() >= HEADER_BYTES);
    let place = first.context("the header is not in one piece")?.file.start..;
    seal(&mut image, version, MAP_MAJOR.into()).map_err(|fault| anyhow!("{}", fault.describe()))?;
    elf[place][..HEADER_BYTES].copy_from_slice(&image[..HEADER_BYTES]);
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
    use kvcpu_mmio::image::Image;

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

    #[test]
    fn the_header_tells_bytes_crc_and_version() {
        let mut elf = elf(0, &[0x5A; 101]);
        assert_eq!(finish(&mut elf, 0x0001_0203).unwrap(), 104);
        let header = Image::from_file(&elf).unwrap().header();
        assert_eq!((header.bytes, header.version, header.map_major), (104, 0x0001_0203, MAP_MAJOR.into()));
        assert_eq!(elf[84 + HEADER_BYTES..], [0x5A; 101 - HEADER_BYTES]);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let refused = |mut elf: Vec<u8>| finish(&mut elf, 0).unwrap_err().to_string();
        assert!(refused(elf(0, &[0; 64])).contains("size"));
        assert!(refused(elf(4, &[0; 100])).contains("not in one piece"));
        assert!(refused(elf(4, &[0; BANK_BYTES])).contains("outside the bank"));
        assert!(refused(elf(0, &[])).contains("no segment to load"));
        finish(&mut elf(0, &[0; BANK_BYTES]), 0).unwrap();
    }
}
