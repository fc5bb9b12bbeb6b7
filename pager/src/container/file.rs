//! Reading and writing at an offset, without a heap or a lock.

use rustix::io::Errno;
use std::fs::File;

/// Fills `buffer`; `NODATA` if the file ends before.
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<(), Errno> {
    let (mut rest, mut at) = (buffer, offset);
    while !rest.is_empty() {
        match rustix::io::pread(file, &mut *rest, at) {
            Ok(0) => return Err(Errno::NODATA),
            Ok(count) => {
                rest = rest.get_mut(count..).ok_or(Errno::IO)?;
                at = at.checked_add(count as u64).ok_or(Errno::OVERFLOW)?;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `bytes`.
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> Result<(), Errno> {
    let (mut rest, mut at) = (bytes, offset);
    while !rest.is_empty() {
        match rustix::io::pwrite(file, rest, at) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(count) => {
                rest = rest.get(count..).ok_or(Errno::IO)?;
                at = at.checked_add(count as u64).ok_or(Errno::OVERFLOW)?;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
