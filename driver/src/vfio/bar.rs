//! A mapped BAR: registers as volatile cells, so that each access is one transaction on the bus, no more and no less.
//!
//! It cannot keep the card from vanishing under it: reads are all ones then. If something disables memory decoding the kernel
//! takes the mapping away and an access ends the process (SIGBUS), so nothing here ever clears that bit.
#![allow(unsafe_code, reason = "registers are mapped")]

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use volatile_register::{RO, RW};

/// What a BAR is mapped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Reading and writing.
    Writable,
    /// Reading: the kernel's own.
    ReadOnly,
}

/// A mapped BAR.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    protection: Protection,
}

// SAFETY: the mapping belongs to this value until it is dropped, and is only used through volatile accesses of aligned words, which
// threads may do at the same time: the bus orders them.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` bytes of the device's file from `offset` on.
    pub(super) fn new(
        file: BorrowedFd<'_>,
        offset: u64,
        bytes: usize,
        protection: Protection,
    ) -> Result<Mapping, Errno> {
        let allowed = match protection {
            Protection::Writable => ProtFlags::READ | ProtFlags::WRITE,
            Protection::ReadOnly => ProtFlags::READ,
        };
        // SAFETY: a new mapping, wherever there is room.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, allowed, MapFlags::SHARED, file, offset)? };
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Mapping { start, bytes, protection })
    }

    /// Reads the word at a byte offset that is a multiple of its size; `None` if it is not, or not inside.
    pub(super) fn read<T: Word>(&self, offset: u32) -> Option<T> {
        let index = self.index::<T>(offset)?;
        Some(self.registers::<RO<T>>()[index].read())
    }

    /// Writes it; `None` also if the BAR is for reading.
    pub(super) fn write<T: Word>(&self, offset: u32, value: T) -> Option<()> {
        let index = self.index::<T>(offset).filter(|_| self.protection == Protection::Writable)?;
        // SAFETY: the mapping is writable; what the write sets off in the device is what the caller asked for.
        unsafe { self.registers::<RW<T>>()[index].write(value) };
        Some(())
    }

    fn index<T>(&self, offset: u32) -> Option<usize> {
        let (offset, size) = (offset as usize, size_of::<T>());
        (offset.is_multiple_of(size) && offset + size <= self.bytes).then_some(offset / size)
    }

    /// The BAR as registers of one size.
    fn registers<R: Register>(&self) -> &[R] {
        // SAFETY: so many bytes are mapped from there, page-aligned, until `self` is dropped. `R` is a volatile cell of an integer
        // without invalid values; nothing but such cells looks at them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes / size_of::<R>()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; nobody borrows it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// A word that the bus transfers at once.
pub(super) trait Word: Copy {
    /// What a card that vanished reads as.
    fn is_all_ones(self) -> bool;
}

impl Word for u32 {
    fn is_all_ones(self) -> bool {
        self == u32::MAX
    }
}

impl Word for u64 {
    fn is_all_ones(self) -> bool {
        self == u64::MAX
    }
}

/// A volatile cell of a word.
trait Register {}
impl<T: Word> Register for RO<T> {}
impl<T: Word> Register for RW<T> {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use std::os::fd::AsFd;

    use super::*;

    fn file() -> std::fs::File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(0x3000).unwrap();
        file
    }

    #[test]
    fn words_are_where_they_belong() {
        let file = file();
        let mapping = Mapping::new(file.as_fd(), 0x1000, 0x1000, Protection::Writable).unwrap();
        mapping.write(8, 0x1122_3344_5566_7788_u64).unwrap();
        assert_eq!(mapping.read::<u32>(8), Some(0x5566_7788));
        assert_eq!(mapping.read::<u32>(12), Some(0x1122_3344));
        let mut bytes = [0; 8];
        rustix::io::pread(&file, &mut bytes, 0x1008).unwrap();
        assert_eq!(u64::from_le_bytes(bytes), 0x1122_3344_5566_7788);
    }

    #[test]
    fn nothing_outside_or_across_words_is_touched() {
        let file = file();
        let mapping = Mapping::new(file.as_fd(), 0, 0x1000, Protection::Writable).unwrap();
        assert_eq!(mapping.read::<u32>(0x1000), None);
        assert_eq!(mapping.read::<u64>(0xFFC), None);
        assert_eq!(mapping.read::<u32>(2), None);
        assert_eq!(mapping.write::<u64>(4, 0), None);
        assert_eq!(mapping.read::<u32>(u32::MAX - 3), None);
        assert_eq!(mapping.read::<u32>(0xFFC), Some(0));
        let table = Mapping::new(file.as_fd(), 0, 0x1000, Protection::ReadOnly).unwrap();
        assert_eq!((table.read::<u32>(0), table.write(0, 1_u32)), (Some(0), None));
    }
}
