//! The memory that COPY reads and writes: each block at another place of it, most of them across two pages.

use std::ops::Range;

use kvcpu_driver::{Device, DmaBuffer};
use kvcpu_mmio::Backing;

use crate::rig::text;

/// A page of the IOMMU: no burst crosses its end.
const PAGE: usize = 4096;
/// What is there before the device writes.
const UNTOUCHED: u8 = 0xEE;

/// Two pages for blocks of up to one.
pub(crate) struct Buffer {
    memory: DmaBuffer,
    /// Bytes of a block.
    pub(crate) bytes: usize,
    /// Where the block is.
    offset: usize,
    random: u32,
}

impl Buffer {
    /// For blocks of so many bytes.
    pub(crate) fn new<B: Backing + 'static>(device: &Device<B>, bytes: usize) -> Result<Buffer, String> {
        let memory = device.dma_alloc(bytes + PAGE).map_err(text)?;
        Ok(Buffer { memory, bytes, offset: 0, random: 1 })
    }

    /// Another place, at a multiple of 8. One in four is a page's beginning; the others begin before its end and, if there are more
    /// bytes than those, end behind it.
    fn next(&mut self) {
        // Xorshift (Marsaglia, 2003): any sequence will do.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let random = self.random as usize >> 8;
        let before = if random.is_multiple_of(4) { 0 } else { random / 4 % (self.bytes / 4).min(PAGE / 8) };
        self.offset = (PAGE - 8 * before) % PAGE;
    }

    /// Puts a block's bytes at the next place; its bus address.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<u64, String> {
        self.next();
        self.memory.write(self.offset, bytes).map_err(text)?;
        Ok(self.iova())
    }

    /// A place without content; its bus address.
    pub(crate) fn clear(&mut self) -> u64 {
        self.next();
        self.memory.fill(UNTOUCHED);
        self.iova()
    }

    /// What the device wrote there, and nowhere else.
    pub(crate) fn take(&self) -> Result<Vec<u8>, String> {
        let mut all = vec![0; self.memory.len()];
        self.memory.read(0, &mut all).map_err(text)?;
        let block = self.offset..self.offset + self.bytes;
        let stray = all.iter().enumerate().find(|(at, byte)| !block.contains(at) && **byte != UNTOUCHED);
        match stray {
            Some((at, byte)) => Err(format!("byte {at} of the buffer is {byte:#x}; the block is at {block:?}")),
            None => Ok(all[block].to_vec()),
        }
    }

    /// All of it, by bus addresses.
    pub(crate) fn all(&self) -> Range<u64> {
        self.memory.iova()..self.memory.iova() + self.memory.len() as u64
    }

    fn iova(&self) -> u64 {
        self.memory.iova() + self.offset as u64
    }
}
