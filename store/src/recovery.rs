//! What a file still holds after a restart: every slot is read and checked once.

use std::fs::File;
use std::io::IoSliceMut;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::error::errno;
use crate::layout::{SlotState, decode_slot};
use crate::open::{OpenFile, io_error};
use crate::page::{Page, crc32c, pages};
use crate::{Key, Layout, PAGE_BYTES, SlotHeader, StoreError, TornReason};

/// A block that survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeBlock {
    /// Where it is.
    pub slot: u32,
    /// Its name.
    pub key: Key,
    /// Counts the writes of the file: of two blocks with one key the higher is the later.
    pub generation: u64,
    /// CRC-32C of its bytes, which were read and agree with it.
    pub crc32c: u32,
}

/// What [`T3File::open`](crate::T3File::open) found. The four counts add up to the file's slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Blocks with both checksums right, by slot.
    pub whole: Vec<WholeBlock>,
    /// Slots that hold half a write or damaged bytes, by slot. Their blocks are absent.
    pub torn: Vec<(u32, TornReason)>,
    /// Slots never written or dropped.
    pub empty: u32,
    /// Slots at the end that a truncated file does not have at all. Their blocks are absent.
    pub missing: u32,
    /// The highest generation in the file.
    pub(crate) last_generation: u64,
}

/// Bytes read at a time, if a slot is not larger: enough for a device's full bandwidth.
const BATCH_BYTES: u64 = 1 << 20;
/// Pages in one `preadv(2)`; IOV_MAX is 1024.
const PAGES_A_CALL: usize = 256;

/// Reads all slots in order. Holes and reserved space are skipped without reading, so opening an
/// unused file of any size takes no time. Memory is a batch, plus an entry for each slot that has
/// something in it; nothing is sized by what the header claims.
pub(crate) fn scan(open: &OpenFile) -> Result<Recovery, StoreError> {
    let OpenFile { file, path, layout, .. } = open;
    let bytes = file.metadata().map_err(|e| io_error(path, "cannot read its size", errno(&e)))?.len();
    let stride = layout.stride_bytes();
    let full_batch = (BATCH_BYTES / stride).max(1) as u32;
    let mut recovery = Recovery::default();
    let mut buffer = Vec::new().into_boxed_slice();
    let (mut slot, mut data_from, mut batch) = (0, 0, full_batch);
    while slot < layout.slots() && layout.slot_offset(slot) < bytes {
        let left = layout.slots() - slot;
        let offset = layout.slot_offset(slot);
        if data_from < offset {
            data_from = next_data(file, offset, bytes);
        }
        let blank = ((data_from.min(bytes) - offset) / stride).min(u64::from(left)) as u32;
        if blank > 0 {
            recovery.empty += blank;
            slot += blank;
            continue;
        }
        if buffer.is_empty() {
            buffer = pages(full_batch as usize * (1 + layout.block_pages()));
        }
        batch = batch.min(left);
        let (found, error) = read(file, bytes, offset, &mut buffer[..batch as usize * (1 + layout.block_pages())]);
        for (pages, start) in buffer.chunks(1 + layout.block_pages()).zip((0..).step_by(stride as usize)) {
            let found = found.saturating_sub(start).min(stride);
            let slot_read = match error {
                _ if found == stride => check_slot(pages, slot, layout),
                // A slot of a failed batch is read again by itself: only its own bytes condemn it.
                Some(_) if batch > 1 => break,
                Some(error) => Read::torn(0, TornReason::Unreadable(error)),
                None if found > 0 => Read::torn(0, TornReason::Cut { expected: stride, found }),
                None => break,
            };
            recovery.record(slot, slot_read);
            slot += 1;
        }
        batch = if error.is_some() { 1 } else { full_batch };
    }
    recovery.missing = layout.slots() - slot;
    Ok(recovery)
}

impl Recovery {
    fn record(&mut self, slot: u32, read: Read) {
        self.last_generation = self.last_generation.max(read.generation);
        match read.block {
            Ok(Some(block)) => self.whole.push(block),
            Ok(None) => self.empty += 1,
            Err(reason) => self.torn.push((slot, reason)),
        }
    }
}

/// One slot: its block, nothing, or what is wrong; and the generation its header has, if it has one.
struct Read {
    block: Result<Option<WholeBlock>, TornReason>,
    generation: u64,
}

impl Read {
    fn torn(generation: u64, reason: TornReason) -> Read {
        Read { block: Err(reason), generation }
    }
}

/// Judges a slot by its header page and block pages.
fn check_slot(pages: &[Page], slot: u32, layout: &Layout) -> Read {
    match decode_slot(&pages[0], slot, layout) {
        Err(reason) => Read::torn(0, reason),
        Ok(SlotState::Blank) => Read { block: Ok(None), generation: 0 },
        Ok(SlotState::Dropped { generation }) => Read { block: Ok(None), generation },
        Ok(SlotState::Block(SlotHeader { key, generation, crc32c: expected, .. })) => {
            let found = crc32c(&pages[1..], layout.block_bytes());
            if expected != found {
                return Read::torn(generation, TornReason::BlockCrc { expected, found });
            }
            Read { block: Ok(Some(WholeBlock { slot, key, generation, crc32c: found })), generation }
        }
    }
}

/// Fills `pages` from `offset` of a file of `bytes` bytes. Fewer come back at its end or before an
/// error; stopping short of the end is one.
fn read(file: &File, bytes: u64, offset: u64, pages: &mut [Page]) -> (u64, Option<Errno>) {
    let mut found = 0;
    for part in pages.chunks_mut(PAGES_A_CALL) {
        let wanted = part.len() * PAGE_BYTES;
        let mut vectors: Vec<_> = part.iter_mut().map(|page| IoSliceMut::new(&mut page.0)).collect();
        let through = loop {
            match rustix::io::preadv(file, &mut vectors, offset + found) {
                Err(Errno::INTR) => {}
                Err(error) => return (found, Some(error)),
                Ok(through) => break through,
            }
        };
        found += through as u64;
        if through < wanted {
            return (found, (offset + found < bytes).then_some(Errno::IO));
        }
    }
    (found, None)
}

/// The first byte at or after `offset` that was ever written; `bytes` if there is none. A file
/// system that cannot tell says `offset`.
fn next_data(file: &File, offset: u64, bytes: u64) -> u64 {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(data) => data,
        Err(Errno::NXIO) => bytes,
        Err(_) => offset,
    }
}
