//! The first 64 bytes of the image. What depends on all of it, or on Cargo's version, `cargo xtask firmware` fills in when it is linked.
// A section of its own is needed, so that the linker puts it first.
#![allow(unsafe_code)]

use kvcpu_mmio::firmware::{IMAGE_FORMAT, IMAGE_HEADER_BYTES, IMAGE_MAGIC, header};
use kvcpu_mmio::regs::control::MAP_MAJOR;

// SAFETY: the section holds nothing else, and the linker script puts it where nothing is run.
#[unsafe(link_section = ".header")]
#[used]
static HEADER: [u32; IMAGE_HEADER_BYTES as usize / 4] = {
    let mut words = [0; IMAGE_HEADER_BYTES as usize / 4];
    words[header::MAGIC as usize] = IMAGE_MAGIC;
    words[header::FORMAT as usize] = IMAGE_FORMAT;
    words[header::MAP_MAJOR as usize] = MAP_MAJOR as u32;
    words
};
