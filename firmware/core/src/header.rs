//! The first 64 bytes of the image: room for the header, which `cargo xtask firmware` fills in when it is linked, as it depends on all of it.
// A section of its own is needed, so that the linker puts it first.
#![allow(unsafe_code)]

use kvcpu_mmio::firmware::IMAGE_HEADER_BYTES;

// SAFETY: the section holds nothing else, and the linker script puts it where nothing is run.
#[unsafe(link_section = ".header")]
#[used]
static HEADER: [u32; IMAGE_HEADER_BYTES as usize / 4] = [0; IMAGE_HEADER_BYTES as usize / 4];
