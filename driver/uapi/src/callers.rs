//! Who has the device open, and what is to be undone when they close it.
//!
//! Each open file is a caller with a request id of its own, which its blocks' keys carry; so two programs may use the same
//! addresses. The id is the file's handle too.

use std::collections::BTreeMap;

use kvcpu_mmio::queue::Key;
use rustix::io::Errno;

/// The tenant of all blocks.
pub(crate) const TENANT: u8 = 0;

/// A caller.
#[derive(Debug, Default)]
pub(crate) struct Caller {
    /// References taken, by tag: SHARE has no opposite among the ioctls, and RELEASE passes over what is shared.
    pub(crate) shared: BTreeMap<u64, u8>,
    /// It has closed the device, but its blocks could not be released, so its request id is not free.
    closed: bool,
}

/// All callers, by request id.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    by_request: BTreeMap<u16, Caller>,
    last: u16,
}

impl Callers {
    /// A new caller's request id, unless all 65,535 are taken. An id that has become free is the last to be used again.
    pub(crate) fn open(&mut self) -> Option<u16> {
        let later = self.last.checked_add(1).into_iter().flat_map(|first| first..=u16::MAX);
        let request = later.chain(1..=self.last).find(|request| !self.by_request.contains_key(request))?;
        self.by_request.insert(request, Caller::default());
        self.last = request;
        Some(request)
    }

    /// The caller of a handle, while it has the device open.
    pub(crate) fn get(&mut self, handle: u64) -> Option<(u16, &mut Caller)> {
        let request = u16::try_from(handle).ok()?;
        let caller = self.by_request.get_mut(&request).filter(|caller| !caller.closed)?;
        Some((request, caller))
    }

    /// The request id is free again.
    pub(crate) fn forget(&mut self, request: u16) {
        self.by_request.remove(&request);
    }

    /// The caller is gone, its blocks are not.
    pub(crate) fn keep(&mut self, request: u16) {
        if let Some(caller) = self.by_request.get_mut(&request) {
            caller.closed = true;
        }
    }

    /// Handles of those who have the device open.
    pub(crate) fn handles(&self) -> Vec<u64> {
        self.by_request
            .iter()
            .filter(|(_, caller)| !caller.closed)
            .map(|(request, _)| u64::from(*request))
            .collect()
    }
}

/// Blocks that one ioctl may name: as many as a command with a range may.
const MOST_BLOCKS: u64 = 65_536;

/// The blocks of a range: `count` tags from `first` on. A block's tag is its number in the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) request: u16,
    pub(crate) first: u64,
    pub(crate) count: u32,
}

impl Span {
    /// The blocks that `len` bytes at `va` touch. `INVAL` if that is no range of an address space, `NOSPC` if they are more
    /// than `most`, or than a command may name.
    pub(crate) fn of(request: u16, va: u64, len: u64, block_bytes: u32, most: u64) -> Result<Span, Errno> {
        let last = len.checked_sub(1).and_then(|more| va.checked_add(more)).ok_or(Errno::INVAL)?;
        let number = |address: u64| address.checked_div(block_bytes.into()).ok_or(Errno::IO);
        let first = number(va)?;
        let more = number(last)? - first;
        if more >= most.min(MOST_BLOCKS) {
            return Err(Errno::NOSPC);
        }
        Ok(Span { request, first, count: more as u32 + 1 })
    }

    /// Key of the first block.
    pub(crate) fn key(&self) -> Key {
        self.key_of(self.first)
    }

    /// Key of a block.
    pub(crate) fn key_of(&self, tag: u64) -> Key {
        Key { tenant: TENANT, request: self.request, tag }
    }

    /// Every tag.
    pub(crate) fn tags(&self) -> impl Iterator<Item = u64> {
        let first = self.first;
        (0..u64::from(self.count)).map(move |number| first + number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_used_again_only_when_it_is_free_and_after_all_others() {
        let mut callers = Callers::default();
        assert_eq!((callers.open(), callers.open()), (Some(1), Some(2)));
        callers.forget(1);
        assert_eq!(callers.open(), Some(3));
        callers.keep(3);
        assert!(callers.get(3).is_none() && callers.get(2).is_some() && callers.get(1 << 16 | 2).is_none());
        for request in 4..=u16::MAX {
            assert_eq!(callers.open(), Some(request));
        }
        assert_eq!(callers.open(), Some(1));
        assert_eq!(callers.open(), None);
        callers.forget(77);
        assert_eq!(callers.open(), Some(77));
        assert!(!callers.handles().contains(&3));
    }

    #[test]
    fn a_span_is_every_block_that_a_byte_of_the_range_is_in() {
        let span = |va, len| Span::of(1, va, len, 4096, 100).map(|span| (span.first, span.count));
        assert_eq!(span(0x1000, 4096), Ok((1, 1)));
        assert_eq!(span(0x1fff, 2), Ok((1, 2)));
        assert_eq!(span(0, 1), Ok((0, 1)));
        assert_eq!(span(u64::MAX, 1), Ok((u64::MAX >> 12, 1)));
        assert_eq!(span(4095, 99 * 4096 - 4095), Ok((0, 99)));
        assert_eq!(span(0, 100 * 4096), Ok((0, 100)));
        assert_eq!(span(0, 100 * 4096 + 1), Err(Errno::NOSPC));
        assert_eq!(span(0, u64::MAX), Err(Errno::NOSPC));
        assert_eq!(span(u64::MAX, 2), Err(Errno::INVAL));
        assert_eq!(span(5, 0), Err(Errno::INVAL));
        assert_eq!(Span::of(1, 0, 1, 0, 100), Err(Errno::IO));
        assert_eq!(Span::of(1, 0, 65_537 * 4096, 4096, u64::MAX), Err(Errno::NOSPC));
    }
}
