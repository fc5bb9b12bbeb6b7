//! The tensors of a GGUF file, versions 2 and 3, little-endian:
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
//!
//! Header, metadata, a list of tensors, then data. Metadata is skipped but for the alignment. Of a type that is newer than this program a
//! tensor's bytes are taken to be all up to the next one.

use crate::container::{MAX_DIMENSIONS, Region};
use std::io::{BufRead, Seek, SeekFrom};

pub(super) const MAGIC: &[u8; 4] = b"GGUF";
/// The format's limit for names of tensors is 64; what is in use is longer.
const MAX_NAME_BYTES: u64 = 4096;
/// The longest header that is read, and the most tensors: far more than any model has, and what a hostile file may cost.
const MAX_HEADER_BYTES: u64 = 1 << 30;
const MAX_TENSORS: u64 = 1 << 20;
/// How deep arrays of arrays may be.
const MAX_DEPTH: u32 = 8;

/// Why a file is not a GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum GgufFault {
    /// It cannot be read, or ends too early.
    #[error("reading: {0}")]
    Io(#[from] std::io::Error),
    /// Another version, or the other byte order.
    #[error("it is of version {0}, this program reads little-endian files of versions 2 and 3")]
    Version(u32),
    /// A field has no meaning.
    #[error("its {0} is wrong")]
    Field(&'static str),
    /// A tensor is not within the file.
    #[error("tensor {name}: {what}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Reads the tensors of a file of `file_bytes` bytes, from its start.
pub fn read_gguf<R: BufRead + Seek>(file: &mut R, file_bytes: u64) -> Result<Vec<Region>, GgufFault> {
    let mut fields = Fields { file, at: 0, end: file_bytes.min(MAX_HEADER_BYTES) };
    if fields.array()? != *MAGIC {
        return Err(GgufFault::Field("magic"));
    }
    let version = fields.u32()?;
    if !(2..=3).contains(&version) {
        return Err(GgufFault::Version(version));
    }
    let (tensors, metadata) = (fields.u64()?, fields.u64()?);
    if tensors > MAX_TENSORS {
        return Err(GgufFault::Field("count of tensors"));
    }
    let mut alignment = 32;
    for _ in 0..metadata {
        let key = fields.text()?;
        let kind = fields.u32()?;
        if key == "general.alignment" && kind == 4 {
            alignment = u64::from(fields.u32()?);
        } else {
            fields.skip_value(kind, 0)?;
        }
    }
    if !alignment.is_power_of_two() {
        return Err(GgufFault::Field("alignment"));
    }
    let mut list = Vec::new();
    for _ in 0..tensors {
        list.push(fields.tensor()?);
    }
    let data = fields.at.next_multiple_of(alignment);
    place(list, data, file_bytes)
}

/// A tensor as the list has it: its offset counts from the start of the data.
struct Tensor {
    name: String,
    shape: Vec<u64>,
    kind: u32,
    offset: u64,
}

/// The regions of tensors of a file whose data begins at `data`.
fn place(mut list: Vec<Tensor>, data: u64, file_bytes: u64) -> Result<Vec<Region>, GgufFault> {
    let room = file_bytes.saturating_sub(data);
    list.sort_by_key(|tensor| tensor.offset);
    let ends: Vec<u64> = list.iter().skip(1).map(|tensor| tensor.offset).chain([room]).collect();
    let mut regions = Vec::new();
    for (tensor, end) in list.into_iter().zip(ends) {
        let Tensor { name, shape, kind, offset } = tensor;
        let bytes = match element(kind) {
            Some((_, elements, bytes)) => size(&shape, elements, bytes),
            None => end.checked_sub(offset),
        };
        let Some(bytes) = bytes.filter(|&bytes| offset.checked_add(bytes).is_some_and(|end| end <= room)) else {
            return Err(GgufFault::Tensor {
                name,
                what: "it is not within the file, or not as long as its shape says",
            });
        };
        let dtype = element(kind).map_or_else(|| format!("type {kind}"), |(name, _, _)| name.into());
        // The file has the innermost dimension first.
        let shape = shape.into_iter().rev().collect();
        regions.push(Region { name, offset: data + offset, bytes, dtype, shape });
    }
    Ok(regions)
}

/// Bytes of a tensor whose rows are of groups of `elements` elements in `bytes` bytes.
fn size(shape: &[u64], elements: u64, bytes: u64) -> Option<u64> {
    let count = shape.iter().try_fold(1u64, |product, &dimension| product.checked_mul(dimension))?;
    let row = shape.first().copied().unwrap_or(1);
    row.is_multiple_of(elements).then(|| (count / elements).checked_mul(bytes)).flatten()
}

/// Name, elements of a group, bytes of a group: `type_traits` in ggml.c.
fn element(kind: u32) -> Option<(&'static str, u64, u64)> {
    Some(match kind {
        0 => ("F32", 1, 4),
        1 => ("F16", 1, 2),
        2 => ("Q4_0", 32, 18),
        3 => ("Q4_1", 32, 20),
        6 => ("Q5_0", 32, 22),
        7 => ("Q5_1", 32, 24),
        8 => ("Q8_0", 32, 34),
        9 => ("Q8_1", 32, 36),
        10 => ("Q2_K", 256, 84),
        11 => ("Q3_K", 256, 110),
        12 => ("Q4_K", 256, 144),
        13 => ("Q5_K", 256, 176),
        14 => ("Q6_K", 256, 210),
        15 => ("Q8_K", 256, 292),
        16 => ("IQ2_XXS", 256, 66),
        17 => ("IQ2_XS", 256, 74),
        18 => ("IQ3_XXS", 256, 98),
        19 => ("IQ1_S", 256, 50),
        20 => ("IQ4_NL", 32, 18),
        21 => ("IQ3_S", 256, 110),
        22 => ("IQ2_S", 256, 82),
        23 => ("IQ4_XS", 256, 136),
        24 => ("I8", 1, 1),
        25 => ("I16", 1, 2),
        26 => ("I32", 1, 4),
        27 => ("I64", 1, 8),
        28 => ("F64", 1, 8),
        29 => ("IQ1_M", 256, 56),
        30 => ("BF16", 1, 2),
        34 => ("TQ1_0", 256, 54),
        35 => ("TQ2_0", 256, 66),
        39 => ("MXFP4", 32, 17),
        _ => return None,
    })
}

/// Fields one after the other, none beyond the end of the file.
struct Fields<'a, R> {
    file: &'a mut R,
    at: u64,
    end: u64,
}

impl<R: BufRead + Seek> Fields<'_, R> {
    /// Moves on by so many bytes, if there are so many.
    fn advance(&mut self, bytes: u64) -> Result<(), GgufFault> {
        self.at = self
            .at
            .checked_add(bytes)
            .filter(|&at| at <= self.end)
            .ok_or(GgufFault::Field("length"))?;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufFault> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, GgufFault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, GgufFault> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String, GgufFault> {
        let length = self.u64()?;
        if length > MAX_NAME_BYTES {
            return Err(GgufFault::Field("name's length"));
        }
        self.advance(length)?;
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| GgufFault::Field("name"))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), GgufFault> {
        self.advance(bytes)?;
        // Within the buffer no system call; the file's length bounds it.
        let buffered = self.file.fill_buf()?.len() as u64;
        if bytes <= buffered {
            self.file.consume(bytes as usize);
        } else {
            self.file.seek(SeekFrom::Start(self.at))?;
        }
        Ok(())
    }

    /// Skips a value of metadata, which is a byte at least: the length of the header bounds how many there are.
    fn skip_value(&mut self, kind: u32, depth: u32) -> Result<(), GgufFault> {
        match kind {
            0 | 1 | 7 => self.skip(1),
            2 | 3 => self.skip(2),
            4..=6 => self.skip(4),
            10..=12 => self.skip(8),
            8 => {
                let length = self.u64()?;
                self.skip(length)
            }
            9 if depth < MAX_DEPTH => {
                let (kind, count) = (self.u32()?, self.u64()?);
                let width = match kind {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    10..=12 => 8,
                    _ => return (0..count).try_for_each(|_| self.skip_value(kind, depth + 1)),
                };
                self.skip(count.checked_mul(width).ok_or(GgufFault::Field("array's length"))?)
            }
            _ => Err(GgufFault::Field("type of metadata")),
        }
    }

    fn tensor(&mut self) -> Result<Tensor, GgufFault> {
        let name = self.text()?;
        let dimensions = self.u32()? as usize;
        if dimensions > MAX_DIMENSIONS {
            return Err(GgufFault::Tensor { name, what: "it has more than 16 dimensions" });
        }
        let shape = (0..dimensions).map(|_| self.u64()).collect::<Result<_, _>>()?;
        Ok(Tensor { name, shape, kind: self.u32()?, offset: self.u64()? })
    }
}
