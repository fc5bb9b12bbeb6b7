//! A `.tza` file of any header, data and index is an error, or blocks that are read or refused; once as it is, and once with its checksums
//! made right.
//!
//! The input is the header and then what begins at byte 8192, so that it need not have the pages between.

#![no_main]

use kvcpu_pager::container::{Container, OpenOptions};
use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};

fuzz_target!(|input: &[u8]| {
    let Some((header, rest)) = input.split_at_checked(256) else { return };
    let mut bytes = vec![0; 8192];
    bytes[..256].copy_from_slice(header);
    bytes.extend_from_slice(rest);
    open(&bytes);
    if reseal(&mut bytes).is_some() {
        open(&bytes);
    }
});

fn open(bytes: &[u8]) {
    let file = std::fs::File::from(memfd_create("container", MemfdFlags::CLOEXEC).expect("memory for a file"));
    std::io::Write::write_all(&mut &file, bytes).expect("memory for a file");
    if let Ok(container) = Container::from_file(file, "fuzzed", OpenOptions::default()) {
        container.verify(|_, _| {});
    }
}

/// Makes the checksums of the first header and its index right.
fn reseal(bytes: &mut [u8]) -> Option<()> {
    let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (from, length) = (word(64)? as usize, word(72)? as usize);
    let crc = crc32c::crc32c(bytes.get(from..from.checked_add(length)?)?);
    bytes.get_mut(160..164)?.copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(bytes.get(..252)?);
    bytes.get_mut(252..256)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}
