//! A range of addresses, and giving its pages back: one by one, or many scattered ones by one call.
//!
//! Each page that another processor may have in its TLB costs that processor an interrupt when it goes. The kernel flushes once a call of
//! madvise(2), and once a call of process_madvise(2) with a list of ranges, which it takes for this process itself since Linux 6.13.
#![allow(unsafe_code, reason = "mmap(2) and madvise(2) take addresses")]

use crate::error::PagerError;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

/// Ranges in one call: `UIO_MAXIOV` of the kernel is 1024.
const MOST_RANGES: usize = 1024;

/// Reserved addresses, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: usize,
    bytes: usize,
}

impl Mapping {
    /// Reserves so many bytes, a multiple of `align`, at a multiple of it; no memory yet. A child of fork(2) does not have them: its faults would be
    /// told to nobody, and the pages be zeros.
    pub(crate) fn reserve(bytes: usize, align: usize, writable: bool) -> Result<Mapping, PagerError> {
        let what = "reserving addresses for an arena";
        let all = bytes.checked_add(align).ok_or(PagerError::Memory { what, errno: libc::ENOMEM })?;
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping wherever the kernel likes.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), all, protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(PagerError::Memory { what, errno: errno() });
        }
        let start = (address as usize).next_multiple_of(align);
        let whole = Mapping { start: address as usize, bytes: all };
        let (before, behind) = (start - whole.start, whole.start + all - start - bytes);
        std::mem::forget(whole);
        for (at, bytes) in [(address as usize, before), (start + bytes, behind)] {
            drop(Mapping { start: at, bytes });
        }
        let mapping = Mapping { start, bytes };
        mapping
            .advise(0, bytes, libc::MADV_DONTFORK)
            .map_err(|errno| PagerError::Memory { what, errno })?;
        Ok(mapping)
    }

    pub(crate) fn start(&self) -> usize {
        self.start
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn advise(&self, offset: usize, bytes: usize, advice: libc::c_int) -> Result<(), i32> {
        debug_assert!(offset + bytes <= self.bytes);
        let address = (self.start + offset) as *mut libc::c_void;
        // SAFETY: the range is within this mapping, of which whoever gives pages back knows that they may go.
        let result = unsafe { libc::madvise(address, bytes, advice) };
        if result < 0 { Err(errno()) } else { Ok(()) }
    }

    /// Gives the pages of these ranges (offset and bytes) back: they are missing from then on. Gives how many calls that took, each of which
    /// flushes TLBs once. On an error nothing more is given back than what the kernel had done.
    pub(crate) fn discard(&self, ranges: &[(usize, usize)]) -> Result<u32, i32> {
        // In a child of the process that asked first, the kernel refuses: then they go one by one.
        if ranges.len() > 1
            && is_vectored()
            && let Ok(calls) = self.discard_vectored(ranges)
        {
            return Ok(calls);
        }
        for &(offset, bytes) in ranges {
            self.advise(offset, bytes, libc::MADV_DONTNEED)?;
        }
        Ok(ranges.len() as u32)
    }

    fn discard_vectored(&self, ranges: &[(usize, usize)]) -> Result<u32, i32> {
        let mut calls = 0;
        for piece in ranges.chunks(MOST_RANGES) {
            let mut list: Vec<libc::iovec> = piece
                .iter()
                .map(|&(offset, bytes)| libc::iovec {
                    iov_base: (self.start + offset) as *mut libc::c_void,
                    iov_len: bytes,
                })
                .collect();
            let mut first = 0;
            while first < list.len() {
                let done = process_madvise(&list[first..])?;
                calls += 1;
                // It may stop in the middle of the list.
                let mut left = done;
                while first < list.len() && left >= list[first].iov_len {
                    left -= list[first].iov_len;
                    first += 1;
                }
                if left > 0 {
                    list[first].iov_base = (list[first].iov_base as usize + left) as *mut libc::c_void;
                    list[first].iov_len -= left;
                } else if done == 0 {
                    return Err(libc::EIO);
                }
            }
        }
        Ok(calls)
    }

    /// Copies bytes out. Pages that are missing are filled by whoever serves their faults; where nobody does, they are zeros.
    pub(crate) fn read(&self, offset: usize, to: &mut [u8]) {
        assert!(offset.checked_add(to.len()).is_some_and(|end| end <= self.bytes), "{offset} is in the mapping");
        let from = std::ptr::with_exposed_provenance::<u8>(self.start + offset);
        // SAFETY: the range is in the mapping, which may be read, and `to` is memory of another. Who writes it at the same time has a race of its own, as
        // with any memory that is shared with another.
        unsafe { std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
    }

    /// Whether the page at this offset is mapped or swapped out, rather than missing.
    pub(crate) fn is_present(&self, offset: usize) -> bool {
        let mut found = 0_u8;
        let address = (self.start + offset) as *mut libc::c_void;
        // SAFETY: one page of this mapping, and room for its answer.
        let result = unsafe { libc::mincore(address, crate::uffd::PAGE_BYTES, &raw mut found) };
        result == 0 && found & 1 == 1
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: nothing else has this range, and who points into it has borrowed the arena.
            unsafe { libc::munmap(self.start as *mut libc::c_void, self.bytes) };
        }
    }
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// A descriptor of this process.
fn own_process() -> Option<&'static OwnedFd> {
    static OWN: OnceLock<Option<OwnedFd>> = OnceLock::new();
    OWN.get_or_init(|| {
        // SAFETY: it takes a process and flags, and gives a descriptor that nobody else has.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
        // SAFETY: as above.
        (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
    })
    .as_ref()
}

/// MADV_DONTNEED of all ranges; bytes that are done.
fn process_madvise(ranges: &[libc::iovec]) -> Result<usize, i32> {
    let own = own_process().ok_or(libc::ENOSYS)?;
    // SAFETY: the list is read; its ranges are of a mapping whose owner gives their pages back.
    let done = unsafe {
        libc::syscall(libc::SYS_process_madvise, own.as_raw_fd(), ranges.as_ptr(), ranges.len(), libc::MADV_DONTNEED, 0)
    };
    if done < 0 { Err(errno()) } else { Ok(done as usize) }
}

/// Whether the kernel takes many ranges of this process at once.
pub(crate) fn is_vectored() -> bool {
    static VECTORED: OnceLock<bool> = OnceLock::new();
    *VECTORED.get_or_init(|| {
        let Ok(page) = Mapping::reserve(crate::uffd::PAGE_BYTES, crate::uffd::PAGE_BYTES, true) else { return false };
        let range = libc::iovec { iov_base: page.start as *mut libc::c_void, iov_len: page.bytes };
        process_madvise(&[range]) == Ok(page.bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_given_back_scattered_or_one_by_one() {
        let mapping = Mapping::reserve(64 << 12, 1 << 16, true).unwrap();
        assert_eq!((mapping.start() % (1 << 16), mapping.bytes()), (0, 64 << 12));
        let touch = |offset: usize| {
            // SAFETY: a byte of the mapping, which is writable and ordinary memory here.
            unsafe { std::ptr::with_exposed_provenance_mut::<u8>(mapping.start() + offset).write_volatile(7) }
        };
        for ranges in [vec![(0, 4096)], vec![(0, 8192), (5 << 12, 4096), (60 << 12, 4 << 12)]] {
            for &(offset, bytes) in &ranges {
                (offset..offset + bytes).step_by(4096).for_each(touch);
                assert!(mapping.is_present(offset));
            }
            let calls = mapping.discard(&ranges).unwrap();
            assert_eq!(calls as usize, if is_vectored() { 1 } else { ranges.len() });
            for &(offset, bytes) in &ranges {
                assert!((offset..offset + bytes).step_by(4096).all(|page| !mapping.is_present(page)));
            }
        }
    }
}
