//! The tensors that any bytes have are within them.

#![no_main]

use kvcpu_pager::seal::{read_gguf, read_safetensors};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len() as u64;
    let gguf = read_gguf(&mut std::io::Cursor::new(bytes), length).unwrap_or_default();
    let safetensors = read_safetensors(&mut &bytes[..], length).unwrap_or_default();
    for region in gguf.iter().chain(&safetensors) {
        assert!(region.offset.checked_add(region.bytes).is_some_and(|end| end <= length));
    }
});
