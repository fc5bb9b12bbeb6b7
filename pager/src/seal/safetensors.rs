//! The tensors of a safetensors file: <https://github.com/huggingface/safetensors#format>.
//!
//! Eight bytes of length, so many bytes of JSON, then data. Offsets in the JSON count from the start of the data.

use crate::container::{MAX_DIMENSIONS, Region};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;

/// The longest header: the reference implementation's limit.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Why a file is not a safetensors file.
#[derive(Debug, thiserror::Error)]
pub enum SafetensorsFault {
    /// It cannot be read.
    #[error("reading: {0}")]
    Io(#[from] std::io::Error),
    /// The header is longer than the file, or than any.
    #[error("its header should have {bytes} bytes, more than the file or the format allows")]
    Length {
        /// Its bytes.
        bytes: u64,
    },
    /// The header is no JSON of the format.
    #[error("its header: {0}")]
    Json(#[from] serde_json::Error),
    /// A tensor is not within the file, or not as long as its shape says.
    #[error("tensor {name}: {what}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

#[derive(Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Reads the tensors of a file of `file_bytes` bytes, from its start.
pub fn read_safetensors(file: &mut impl Read, file_bytes: u64) -> Result<Vec<Region>, SafetensorsFault> {
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let bytes = u64::from_le_bytes(length);
    let data = bytes.checked_add(8).filter(|&data| data <= file_bytes && bytes <= MAX_HEADER_BYTES);
    let data = data.ok_or(SafetensorsFault::Length { bytes })?;
    let mut json = Vec::new();
    file.take(bytes).read_to_end(&mut json)?;
    let mut entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&json)?;
    entries.remove("__metadata__");
    let mut regions = Vec::new();
    for (name, entry) in entries {
        let tensor: Tensor = serde_json::from_value(entry)?;
        regions.push(region(name, tensor, data, file_bytes)?);
    }
    regions.sort_by_key(|region| region.offset);
    Ok(regions)
}

fn region(name: String, tensor: Tensor, data: u64, file_bytes: u64) -> Result<Region, SafetensorsFault> {
    let [from, to] = tensor.data_offsets;
    let what = if to < from || to > file_bytes - data {
        "it is not within the file"
    } else if tensor.shape.len() > MAX_DIMENSIONS {
        "it has more than 16 dimensions"
    } else if name.len() > 65_535 || tensor.dtype.len() > 65_535 {
        "its name is too long"
    } else if element_bits(&tensor.dtype).is_some_and(|bits| !fits(&tensor.shape, bits, to - from)) {
        "its bytes are not those of its shape"
    } else {
        let Tensor { dtype, shape, .. } = tensor;
        return Ok(Region { name, offset: data + from, bytes: to - from, dtype, shape });
    };
    Err(SafetensorsFault::Tensor { name, what })
}

/// Whether so many elements of so many bits are so many bytes.
fn fits(shape: &[u64], bits: u64, bytes: u64) -> bool {
    let elements = shape.iter().try_fold(1u64, |product, &dimension| product.checked_mul(dimension));
    elements
        .and_then(|elements| elements.checked_mul(bits))
        .is_some_and(|bits| bits.div_ceil(8) == bytes)
}

/// Bits of an element; `None` for types that are newer than this.
fn element_bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 8,
        "U16" | "I16" | "F16" | "BF16" => 16,
        "U32" | "I32" | "F32" => 32,
        "U64" | "I64" | "F64" | "C64" => 64,
        _ => return None,
    })
}
