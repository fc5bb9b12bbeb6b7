//! The index of a `.tza` file: where each block is, what the regions are called, what tenants require. `docs/tza.md`, Index.

use super::error::Fault;
use super::header::{DATA_OFFSET, Header};
use crate::claim::Requirement;
use crate::codec::{Flags, StoredHeader};
use crate::reader::{Reader, put_text};

/// Bytes of a block's entry.
pub(super) const ENTRY_BYTES: usize = 48;
/// The most dimensions of a region.
pub const MAX_DIMENSIONS: usize = 16;
/// The most regions.
pub const MAX_REGIONS: u32 = 1 << 20;
/// The largest index that is read: 4 GiB, that of 5 TiB in blocks of 64 KiB.
pub(super) const MAX_INDEX_BYTES: u64 = 4 << 30;

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) tenant: u8,
    pub(super) stored: StoredHeader,
}

impl Entry {
    pub(super) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.stored.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.stored.generation.to_le_bytes());
        bytes[16..28].copy_from_slice(&self.stored.nonce);
        bytes[28..44].copy_from_slice(&self.stored.seal);
        bytes[44] = self.stored.flags.bits();
        bytes[45] = self.tenant;
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Option<Entry> {
        let mut reader = Reader(bytes);
        let offset = reader.u64()?;
        let (length, generation) = (reader.u32()?, reader.u32()?);
        let (nonce, seal) = (reader.array()?, reader.array()?);
        let flags = Flags::from_bits(reader.u8()?)?;
        let tenant = reader.u8()?;
        let reserved = reader.u16()?;
        (reserved == 0).then_some(Entry {
            offset,
            tenant,
            stored: StoredHeader { flags, length, generation, nonce, seal },
        })
    }

    /// Whether it can be an entry of this header's file, whose data ends at `data_end`.
    fn is_sound(&self, header: &Header, data_end: u64) -> bool {
        let end = self.offset.checked_add(self.stored.length.into());
        self.offset >= DATA_OFFSET
            && end.is_some_and(|end| end <= data_end)
            && self.stored.is_sound(header.block_size.bytes())
            && self.stored.flags.contains(Flags::ENCRYPTED) == header.encrypted
    }
}

/// A named part of the arena: a tensor, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name: at most 65,535 bytes.
    pub name: String,
    /// Where it begins, bytes from the start of the arena.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What its elements are, as the sealed file called it; empty if it has none.
    pub dtype: String,
    /// Its shape, at most 16 dimensions, the outermost first.
    pub shape: Vec<u64>,
}

/// What of an index is not entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) regions: Vec<Region>,
    pub(super) requirements: Vec<(u8, Requirement)>,
}

impl Tables {
    /// Appends them; `None` if a text or list is too long.
    pub(super) fn put(&self, to: &mut Vec<u8>) -> Option<()> {
        let regions = u32::try_from(self.regions.len()).ok().filter(|&count| count <= MAX_REGIONS)?;
        to.extend_from_slice(&regions.to_le_bytes());
        for region in &self.regions {
            put_text(to, &region.name)?;
            put_text(to, &region.dtype)?;
            to.extend_from_slice(&region.offset.to_le_bytes());
            to.extend_from_slice(&region.bytes.to_le_bytes());
            to.push(
                u8::try_from(region.shape.len())
                    .ok()
                    .filter(|&count| usize::from(count) <= MAX_DIMENSIONS)?,
            );
            region.shape.iter().for_each(|dimension| to.extend_from_slice(&dimension.to_le_bytes()));
        }
        to.extend_from_slice(&u16::try_from(self.requirements.len()).ok()?.to_le_bytes());
        for (tenant, need) in &self.requirements {
            to.extend_from_slice(&[*tenant, need.clearance, need.department.is_some().into()]);
            put_text(to, need.department.as_deref().unwrap_or(""))?;
        }
        Some(())
    }

    fn take(reader: &mut Reader<'_>, total_bytes: u64) -> Result<Tables, Fault> {
        let regions = regions(reader, total_bytes).ok_or(Fault::Table("regions"))?;
        let requirements = requirements(reader).ok_or(Fault::Table("requirements"))?;
        Ok(Tables { regions, requirements })
    }
}

/// Lists grow as they are read: their counts are claims, the bytes that are there bound them.
fn regions(reader: &mut Reader<'_>, total_bytes: u64) -> Option<Vec<Region>> {
    let mut regions = Vec::new();
    for _ in 0..reader.u32().filter(|&count| count <= MAX_REGIONS)? {
        let (name, dtype) = (reader.text()?, reader.text()?);
        let (offset, bytes) = (reader.u64()?, reader.u64()?);
        offset.checked_add(bytes).filter(|&end| end <= total_bytes)?;
        let count = usize::from(reader.u8()?);
        if count > MAX_DIMENSIONS {
            return None;
        }
        let shape = (0..count).map(|_| reader.u64()).collect::<Option<_>>()?;
        regions.push(Region { name, offset, bytes, dtype, shape });
    }
    Some(regions)
}

fn requirements(reader: &mut Reader<'_>) -> Option<Vec<(u8, Requirement)>> {
    let mut requirements = Vec::new();
    for _ in 0..reader.u16()? {
        let [tenant, clearance, has_department] = reader.array()?;
        let department = reader.text()?;
        let department = match has_department {
            0 if department.is_empty() => None,
            1 => Some(department),
            _ => return None,
        };
        requirements.push((tenant, Requirement { clearance, department }));
    }
    Some(requirements)
}

/// Takes an index apart: the bytes of its entries, each found sound, and the tables after them.
pub(super) fn parse<'a>(index: &'a [u8], header: &Header) -> Result<(&'a [[u8; ENTRY_BYTES]], Tables), Fault> {
    let mut reader = Reader(index);
    let entries = usize::try_from(header.blocks())
        .ok()
        .and_then(|blocks| blocks.checked_mul(ENTRY_BYTES))
        .and_then(|bytes| reader.bytes(bytes))
        .ok_or(Fault::Table("blocks"))?;
    let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
    for (block, bytes) in (0..).zip(entries) {
        Entry::from_bytes(bytes)
            .filter(|entry| entry.is_sound(header, header.index_offset))
            .ok_or(Fault::Entry { block })?;
    }
    let tables = Tables::take(&mut reader, header.total_bytes)?;
    if !reader.0.is_empty() {
        return Err(Fault::Table("requirements"));
    }
    Ok((entries, tables))
}
