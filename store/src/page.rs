//! Page-aligned buffers, as O_DIRECT wants them.

use crate::PAGE_BYTES;

/// 4 KiB at a multiple of 4 KiB.
#[derive(Clone)]
#[repr(C, align(4096))]
pub(crate) struct Page(pub(crate) [u8; PAGE_BYTES]);

/// `count` zeroed pages in one piece.
pub(crate) fn pages(count: usize) -> Box<[Page]> {
    vec![Page([0; PAGE_BYTES]); count].into_boxed_slice()
}

/// CRC-32C of the first `bytes` bytes.
pub(crate) fn crc32c(pages: &[Page], bytes: usize) -> u32 {
    let mut left = bytes;
    pages.iter().fold(0, |crc, page| {
        let take = left.min(PAGE_BYTES);
        left -= take;
        crc32c::crc32c_append(crc, &page.0[..take])
    })
}

/// Buffers between uses: a header alone, or a header and a block.
#[derive(Default)]
pub(crate) struct Pool {
    headers: Vec<Box<[Page]>>,
    slots: Vec<Box<[Page]>>,
}

impl Pool {
    /// A buffer of `count` pages with any contents.
    pub(crate) fn take(&mut self, count: usize) -> Box<[Page]> {
        let shelf = if count == 1 { &mut self.headers } else { &mut self.slots };
        match shelf.pop() {
            Some(buffer) if buffer.len() == count => buffer,
            _ => pages(count),
        }
    }

    /// Keeps `buffer` for the next [`take`](Pool::take).
    pub(crate) fn give(&mut self, buffer: Box<[Page]>) {
        let shelf = if buffer.len() == 1 { &mut self.headers } else { &mut self.slots };
        shelf.push(buffer);
    }
}
