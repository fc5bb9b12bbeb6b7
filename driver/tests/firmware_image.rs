//! Firmware image files, good, damaged and hostile: each is taken or refused with its reason, and none panics.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use kvcpu_driver::firmware::{Image, ImageError, flat_image};
use kvcpu_driver::mmio::firmware::{IMAGE_MAGIC, ImageFault};
use proptest::prelude::*;

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The header's CRC made good.
fn seal(image: &mut [u8]) {
    image[12..16].fill(0);
    let crc = crc32c::crc32c(image);
    image[12..16].copy_from_slice(&crc.to_le_bytes());
}

/// An image of the header and so many words.
fn flat(words: u32) -> Vec<u8> {
    let mut image = vec![IMAGE_MAGIC, 1, 64 + 4 * words, 0, 0x01_02_03, 2];
    image.resize(16, 0);
    image.extend((0..words).map(|n| n.wrapping_mul(0x0101_0107)));
    let mut image = bytes(&image);
    seal(&mut image);
    image
}

/// A 32-bit little-endian RISC-V ELF with these segments: type, physical address, bytes in the file.
fn elf(segments: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2, 0, 243, 0]);
    file.extend(bytes(&[1, 0x40, 52, 0, 0]));
    file.extend([52, 0, 32, 0, segments.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
    let mut at = 52 + 32 * segments.len() as u32;
    for (kind, address, data) in segments {
        let size = data.len() as u32;
        // Where it is used is elsewhere.
        file.extend(bytes(&[*kind, at, 0x2000_0000, *address, size, size + 100, 5, 4]));
        at += size;
    }
    segments.iter().for_each(|(.., data)| file.extend(*data));
    file
}

#[test]
fn a_flat_image_and_an_elf_are_the_same_image() {
    let flat = flat(100);
    let image = Image::from_file(&flat).unwrap();
    assert_eq!((image.bytes(), image.header().version, image.header().map_major), (&flat[..], 0x01_02_03, 2));
    assert_eq!(image.header().crc.to_le_bytes(), flat[12..16]);
    let (header, rest) = flat.split_at(64);
    let ignored = [7; 9];
    let file = elf(&[(1, 64, rest), (4, 0x9000, &ignored), (1, 0, header), (1, 0x2000_0000, &[])]);
    assert_eq!(flat_image(&file).unwrap(), flat);
    assert_eq!(Image::from_file(&file).unwrap(), image);
    // What fills the bank up is none of it.
    for fill in [0, 0xFF] {
        let mut bank = flat.clone();
        bank.resize(16 << 10, fill);
        assert_eq!(Image::from_file(&bank).unwrap(), image);
    }
}

#[test]
fn the_largest_image_fits_and_no_larger_one() {
    assert!(Image::from_file(&flat(4080)).is_ok());
    let refused = |image: &[u8]| Image::from_file(image).unwrap_err();
    assert_eq!(refused(&flat(4081)), ImageError::Size { said: 16_388, found: 16_388 });
    assert_eq!(refused(&flat(0)), ImageError::Size { said: 64, found: 64 });
}

#[test]
fn what_is_wrong_is_named() {
    let wrong = |change: fn(&mut Vec<u8>)| {
        let mut image = flat(10);
        change(&mut image);
        Image::from_file(&image).unwrap_err()
    };
    let with = |at: usize, value: u32| {
        let mut image = flat(10);
        image[at..at + 4].copy_from_slice(&value.to_le_bytes());
        seal(&mut image);
        Image::from_file(&image).unwrap_err()
    };
    assert_eq!(Image::from_file(&[]).unwrap_err(), ImageError::Magic { found: 0 });
    assert_eq!(Image::from_file(b"GIF89a").unwrap_err().fault(), Some(ImageFault::Magic));
    assert_eq!(with(4, 2), ImageError::Format { found: 2 });
    assert_eq!(with(8, 102), ImageError::Size { said: 102, found: 104 });
    assert_eq!(with(8, u32::MAX).fault(), Some(ImageFault::Size));
    assert_eq!(with(20, 3), ImageError::MapVersion { found: 3 });
    assert_eq!(wrong(|image| image[70] ^= 1).fault(), Some(ImageFault::Crc));
    assert_eq!(wrong(|image| image.truncate(80)).fault(), Some(ImageFault::Size));
    assert_eq!(wrong(|image| image.truncate(13)).fault(), Some(ImageFault::Size));
    assert_eq!(wrong(|image| image.extend([1; 4])).fault(), Some(ImageFault::Size));
}

#[test]
fn an_elf_that_is_none_for_the_core_is_refused() {
    let image = flat(10);
    let refused = |file: &[u8], text: &str| {
        let error = Image::from_file(file).unwrap_err();
        assert_eq!(error.fault(), None);
        assert!(error.to_string().contains(text) && error.to_string().contains("cargo xtask firmware"), "{error}");
    };
    let good = elf(&[(1, 0, &image)]);
    let with = |at: usize, value: u8| {
        let mut file = good.clone();
        file[at] = value;
        file
    };
    refused(&with(4, 2), "cannot be read");
    refused(&with(5, 2), "cannot be read");
    refused(&with(18, 62), "machine 62");
    refused(&with(24, 0x44), "starts at 0x44");
    refused(&good[..60], "cannot be read");
    refused(&good[..good.len() - 1], "beyond the end of the file");
    refused(&elf(&[]), "no segment");
    refused(&elf(&[(1, 0x3FFF, &image)]), "0x3fff, outside the bank");
    refused(&elf(&[(1, u32::MAX, &image)]), "outside the bank");
    refused(&elf(&[(1, 0, &image), (1, 40, &image)]), "two segments in one place");
}

proptest! {
    #[test]
    fn no_file_panics(file in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Image::from_file(&file).is_err());
    }

    /// A hostile file that passes the first checks.
    #[test]
    fn no_damage_of_an_elf_panics_or_is_taken(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let flat = flat(20);
        let mut file = elf(&[(1, 64, &flat[64..]), (1, 0, &flat[..64])]);
        for (place, value) in places {
            let at = place.index(file.len());
            file[at] = value;
        }
        if let Ok(bytes) = flat_image(&file) {
            prop_assert!(bytes.len() <= 16 << 10 && bytes.len() % 4 == 0);
        }
        // Damage that is taken is damage that does not matter.
        if let Ok(image) = Image::from_file(&file) {
            prop_assert_eq!(image.bytes(), &flat[..]);
        }
    }

    #[test]
    fn no_damage_of_a_header_panics(at in 0usize..6, value: u32, sealed: bool, length in 0usize..20_000) {
        let mut image = flat(20);
        image[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes());
        image.resize(length, 0);
        if sealed && length >= 64 {
            seal(&mut image);
        }
        let taken = Image::from_file(&image);
        prop_assert!(taken.is_err() || taken.is_ok_and(|image| image.bytes().len() % 4 == 0));
    }
}
