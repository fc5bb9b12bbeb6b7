//! What lies where in a T3 file, and the two headers. All numbers are little-endian.
//!
//! ```text
//!   0        4096                 4096 + stride
//!   | file   | slot 0             | slot 1  ...
//!   | header | header 4K | block  |
//! ```
//!
//! A slot's header and block are adjacent so that one vectored write carries both. No order is
//! assumed between the sectors of that write: a block counts as whole only if the header's
//! checksum and the block's both agree.

use crate::page::Page;
use crate::{HeaderFault, Key, StoreError, TornReason};

/// Unit of alignment of the file, of slots and of O_DIRECT transfers.
pub const PAGE_BYTES: usize = 4096;
/// Largest block a file may have: 32 times the device's largest, and small enough that a header
/// nobody can trust cannot ask for absurd buffers.
pub const MAX_BLOCK_BYTES: usize = 64 << 20;

const FILE_MAGIC: u64 = u64::from_le_bytes(*b"KVCPU-T3");
const SLOT_MAGIC: u64 = u64::from_le_bytes(*b"KVT3SLOT");
const VERSION: u32 = 1;
const STATE_BLOCK: u32 = 1;
const STATE_DROPPED: u32 = 2;
/// Byte of the file header's checksum, which covers all bytes before it.
const FILE_CRC_AT: usize = 28;
/// Byte of a slot header's checksum, which covers all bytes before it.
const SLOT_CRC_AT: usize = 48;

/// The geometry of a file, and the place of everything in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    block_bytes: usize,
    slots: u32,
}

impl Layout {
    /// A possible geometry.
    pub fn new(block_bytes: usize, slots: u32) -> Result<Layout, StoreError> {
        let block_ok = block_bytes.is_multiple_of(8) && (8..=MAX_BLOCK_BYTES).contains(&block_bytes);
        if !block_ok || slots == 0 {
            return Err(StoreError::BadGeometry { block_bytes, slots });
        }
        Ok(Layout { block_bytes, slots })
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Number of slots.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Pages of a block.
    pub(crate) fn block_pages(&self) -> usize {
        self.block_bytes.div_ceil(PAGE_BYTES)
    }

    /// Bytes from one slot to the next: header and block, in whole pages.
    pub fn stride_bytes(&self) -> u64 {
        (PAGE_BYTES * (1 + self.block_pages())) as u64
    }

    /// Where a slot's header starts; its block starts 4096 bytes further on.
    pub fn slot_offset(&self, slot: u32) -> u64 {
        PAGE_BYTES as u64 + u64::from(slot) * self.stride_bytes()
    }

    /// Bytes of the whole file. At most 2^32 slots of 2^26 bytes and a page: no overflow.
    pub fn file_bytes(&self) -> u64 {
        self.slot_offset(self.slots)
    }
}

/// The first page of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// The file's geometry.
    pub layout: Layout,
}

impl FileHeader {
    pub(crate) fn encode(&self, page: &mut Page) {
        page.0.fill(0);
        put(page, 0, &FILE_MAGIC.to_le_bytes());
        put(page, 8, &VERSION.to_le_bytes());
        put(page, 16, &(self.layout.block_bytes as u64).to_le_bytes());
        put(page, 24, &self.layout.slots.to_le_bytes());
        let crc = crc32c::crc32c(&page.0[..FILE_CRC_AT]);
        put(page, FILE_CRC_AT, &crc.to_le_bytes());
    }

    pub(crate) fn decode(page: &Page) -> Result<FileHeader, HeaderFault> {
        let found = get_u64(page, 0);
        if found != FILE_MAGIC {
            return Err(HeaderFault::Magic { found });
        }
        let (expected, found) = (get_u32(page, FILE_CRC_AT), crc32c::crc32c(&page.0[..FILE_CRC_AT]));
        if expected != found {
            return Err(HeaderFault::Crc { expected, found });
        }
        let found = get_u32(page, 8);
        if found != VERSION {
            return Err(HeaderFault::Version { found });
        }
        let (block_bytes, slots) = (get_u64(page, 16), get_u32(page, 24));
        let layout = usize::try_from(block_bytes).ok().and_then(|bytes| Layout::new(bytes, slots).ok());
        Ok(FileHeader { layout: layout.ok_or(HeaderFault::Geometry { block_bytes, slots })? })
    }
}

/// The first page of a slot that holds a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotHeader {
    /// The slot it was written to; shows a write that went astray.
    pub slot: u32,
    /// The block's name.
    pub key: Key,
    /// Counts the writes of the file; of two blocks with one key the higher is the later.
    pub generation: u64,
    /// CRC-32C of the block.
    pub crc32c: u32,
}

/// What a slot's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// Never written since the file was made.
    Blank,
    /// Dropped, as write number `generation`.
    Dropped { generation: u64 },
    /// Holds a block, if the block's own checksum agrees.
    Block(SlotHeader),
}

impl SlotHeader {
    pub(crate) fn encode(&self, block_bytes: usize, page: &mut Page) {
        encode_slot(page, STATE_BLOCK, self, block_bytes);
    }

    /// The header of an empty slot. It is not blank, so that the generation is not lost.
    pub(crate) fn encode_dropped(slot: u32, generation: u64, page: &mut Page) {
        let header = SlotHeader { slot, key: Key::default(), generation, crc32c: 0 };
        encode_slot(page, STATE_DROPPED, &header, 0);
    }
}

fn encode_slot(page: &mut Page, state: u32, header: &SlotHeader, length: usize) {
    page.0.fill(0);
    put(page, 0, &SLOT_MAGIC.to_le_bytes());
    put(page, 8, &state.to_le_bytes());
    put(page, 12, &header.slot.to_le_bytes());
    put(page, 16, &header.key.tag.to_le_bytes());
    put(page, 24, &header.key.request.to_le_bytes());
    put(page, 26, &[header.key.tenant]);
    put(page, 32, &header.generation.to_le_bytes());
    put(page, 40, &(length as u32).to_le_bytes());
    put(page, 44, &header.crc32c.to_le_bytes());
    let crc = crc32c::crc32c(&page.0[..SLOT_CRC_AT]);
    put(page, SLOT_CRC_AT, &crc.to_le_bytes());
}

/// Reads the header page of `slot`.
pub(crate) fn decode_slot(page: &Page, slot: u32, layout: &Layout) -> Result<SlotState, TornReason> {
    if page.0[..SLOT_CRC_AT + 4].iter().all(|byte| *byte == 0) {
        return Ok(SlotState::Blank);
    }
    let found = get_u64(page, 0);
    if found != SLOT_MAGIC {
        return Err(TornReason::Magic { found });
    }
    let (expected, found) = (get_u32(page, SLOT_CRC_AT), crc32c::crc32c(&page.0[..SLOT_CRC_AT]));
    if expected != found {
        return Err(TornReason::HeaderCrc { expected, found });
    }
    let found = get_u32(page, 12);
    if found != slot {
        return Err(TornReason::Misplaced { found });
    }
    let generation = get_u64(page, 32);
    match get_u32(page, 8) {
        STATE_DROPPED => return Ok(SlotState::Dropped { generation }),
        STATE_BLOCK => {}
        found => return Err(TornReason::State { found }),
    }
    let (expected, found) = (layout.block_bytes as u32, get_u32(page, 40));
    if expected != found {
        return Err(TornReason::Length { expected, found });
    }
    let request = u16::from_le_bytes([page.0[24], page.0[25]]);
    let key = Key { tenant: page.0[26], request, tag: get_u64(page, 16) };
    Ok(SlotState::Block(SlotHeader { slot, key, generation, crc32c: get_u32(page, 44) }))
}

fn put(page: &mut Page, at: usize, bytes: &[u8]) {
    page.0[at..at + bytes.len()].copy_from_slice(bytes);
}

fn get_u32(page: &Page, at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&page.0[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn get_u64(page: &Page, at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&page.0[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::pages;

    const LAYOUT: Layout = Layout { block_bytes: 4096, slots: 8 };

    fn header() -> SlotHeader {
        let key = Key { tenant: 3, request: 0x1234, tag: 0xdead_beef_0000_0001 };
        SlotHeader { slot: 5, key, generation: 77, crc32c: 0x5555_aaaa }
    }

    #[test]
    fn slot_header_reads_back_and_every_flipped_bit_shows() {
        let mut page = pages(1);
        header().encode(4096, &mut page[0]);
        assert_eq!(decode_slot(&page[0], 5, &LAYOUT), Ok(SlotState::Block(header())));
        for bit in 0..(SLOT_CRC_AT + 4) * 8 {
            page[0].0[bit / 8] ^= 1 << (bit % 8);
            let read = decode_slot(&page[0], 5, &LAYOUT);
            assert!(read.is_err(), "bit {bit}: {read:?}");
            page[0].0[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn slot_header_of_another_slot_or_size_is_torn() {
        let mut page = pages(1);
        header().encode(4096, &mut page[0]);
        assert_eq!(decode_slot(&page[0], 6, &LAYOUT), Err(TornReason::Misplaced { found: 5 }));
        let other = Layout { block_bytes: 8192, slots: 8 };
        assert_eq!(decode_slot(&page[0], 5, &other), Err(TornReason::Length { expected: 8192, found: 4096 }));
    }

    #[test]
    fn dropped_and_blank_slots_read_as_empty() {
        let mut page = pages(1);
        assert_eq!(decode_slot(&page[0], 5, &LAYOUT), Ok(SlotState::Blank));
        SlotHeader::encode_dropped(5, 9, &mut page[0]);
        assert_eq!(decode_slot(&page[0], 5, &LAYOUT), Ok(SlotState::Dropped { generation: 9 }));
    }

    #[test]
    fn impossible_geometry_is_refused() {
        for (block_bytes, slots) in [(0, 1), (4, 1), (4100, 1), (MAX_BLOCK_BYTES + 8, 1), (4096, 0)] {
            assert_eq!(Layout::new(block_bytes, slots), Err(StoreError::BadGeometry { block_bytes, slots }));
        }
        let largest = Layout { block_bytes: MAX_BLOCK_BYTES, slots: u32::MAX };
        assert!(largest.file_bytes() < i64::MAX as u64);
    }
}
