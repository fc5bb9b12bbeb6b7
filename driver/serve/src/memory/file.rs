//! A file of the client: mapped if it cannot shrink, else read and written by system calls, which only fail.
//!
//! ```text
//!  descriptor ─► seals ─┬─ sealed against shrinking, by the client or now ─► size ─► mapped, and the descriptor let go
//!                       ├─ hugetlbfs: refused, since such files have no pwrite
//!                       └─ any other: the descriptor is kept, for pread and pwrite
//! ```
//!
//! Seals come first: only memfds have them, and asking for them never asks the file's owner. Others may be of a file system that the
//! client itself serves (FUSE); this server waits for as long as that takes to answer. `docs/vfio-user.md`, bad clients.
#![allow(unsafe_code, reason = "memory shared with another process is mapped")]

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use rustix::fs::{OFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fcntl_getfl, fstat, fstatfs};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::PAGE;

/// `HUGETLBFS_MAGIC` of linux/magic.h.
const HUGETLBFS: u64 = 0x9584_58F6;

/// What tells files apart. One that was shown for reading alone, and is shown for writing later, is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    is_writable: bool,
}

/// A descriptor that a client has given, looked at.
pub(super) struct Shown {
    fd: OwnedFd,
    pub(super) identity: Identity,
    /// Whole pages.
    pub(super) bytes: u64,
    /// It cannot become shorter any more.
    is_sealed: bool,
}

impl Shown {
    pub(super) fn new(fd: OwnedFd) -> Result<Shown, Errno> {
        let is_sealed = match fcntl_get_seals(&fd) {
            Ok(seals) if seals.contains(SealFlags::SHRINK) => true,
            Ok(_) if fcntl_add_seals(&fd, SealFlags::SHRINK).is_ok() => true,
            Ok(_) if fstatfs(&fd)?.f_type as u64 == HUGETLBFS => {
                tracing::warn!(
                    file = ?path(&fd),
                    "refused: huge pages of a file that cannot be sealed against shrinking; let the client share a memfd \
                     (QEMU: memory-backend-memfd,hugetlb=on), not a file of hugetlbfs"
                );
                return Err(Errno::OPNOTSUPP);
            }
            Ok(_) | Err(Errno::INVAL) => false,
            Err(error) => return Err(error),
        };
        // After the seal, so that the size is the least it will ever have.
        let stat = fstat(&fd)?;
        let bytes = u64::try_from(stat.st_size).map_err(|_| Errno::INVAL)? & !(PAGE - 1);
        let is_writable = fcntl_getfl(&fd)? & OFlags::RWMODE == OFlags::RDWR;
        Ok(Shown { fd, identity: Identity { device: stat.st_dev, inode: stat.st_ino, is_writable }, bytes, is_sealed })
    }
}

/// How its bytes are reached.
enum Content {
    /// The mapping keeps the file; a descriptor would be one of the few that a process may have.
    Mapped(NonNull<u8>),
    Called(OwnedFd),
}

/// A file that shares its bytes.
pub(super) struct File {
    content: Content,
    pub(super) bytes: u64,
    is_writable: bool,
}

// SAFETY: the mapping belongs to this value until it is dropped, and is only used through atomics.
unsafe impl Send for File {}
// SAFETY: as above.
unsafe impl Sync for File {}

impl File {
    pub(super) fn new(shown: Shown) -> File {
        let Shown { fd, identity: Identity { is_writable, .. }, bytes, .. } = shown;
        let mapped = if shown.is_sealed { map(&fd, bytes, is_writable) } else { Err("a file without seals") };
        let content = match mapped {
            Ok(start) => Content::Mapped(start),
            Err(kind) => {
                tracing::warn!(
                    file = ?path(&fd),
                    kind,
                    "not mapped: the device reads and writes it by system calls, which is slow and waits for the file system; \
                     let the client share a memfd (QEMU: memory-backend-memfd)"
                );
                Content::Called(fd)
            }
        };
        File { content, bytes, is_writable }
    }

    /// The words of a mapped file, or the descriptor of another.
    fn words(&self) -> Result<&[AtomicU64], &OwnedFd> {
        match &self.content {
            Content::Mapped(start) => {
                let words = (self.bytes / 8) as usize;
                // SAFETY: `bytes` bytes are mapped from `start`, page-aligned, until `self` is dropped, and the file cannot shrink.
                // Others write them at any time, so they are atomics. Where they are mapped for reading alone, nothing but relaxed
                // loads of words is done to them, which such memory allows.
                Ok(unsafe { std::slice::from_raw_parts(start.as_ptr().cast::<AtomicU64>(), words) })
            }
            Content::Called(fd) => Err(fd),
        }
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u64]) -> Result<(), Errno> {
        match self.words() {
            Ok(words) => {
                for (to, from) in out.iter_mut().zip(&words[(offset / 8) as usize..]) {
                    *to = from.load(Ordering::Relaxed);
                }
                fence(Ordering::Acquire);
            }
            Err(fd) => {
                let mut bytes = vec![0; 8 * out.len()];
                whole(rustix::io::pread(fd, &mut bytes[..], offset)?, bytes.len())?;
                for (to, from) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *to = u64::from_le_bytes(*from);
                }
            }
        }
        Ok(())
    }

    /// The last word goes last.
    pub(super) fn write(&self, offset: u64, data: &[u64]) -> Result<(), Errno> {
        let Some((last, rest)) = data.split_last() else { return Ok(()) };
        if !self.is_writable {
            return Err(Errno::ACCESS);
        }
        match self.words() {
            Ok(words) => {
                let words = &words[(offset / 8) as usize..];
                for (to, from) in words.iter().zip(rest) {
                    to.store(*from, Ordering::Relaxed);
                }
                words[rest.len()].store(*last, Ordering::Release);
                Ok(())
            }
            Err(fd) => {
                let bytes: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
                if !bytes.is_empty() {
                    whole(rustix::io::pwrite(fd, &bytes, offset)?, bytes.len())?;
                }
                whole(rustix::io::pwrite(fd, &last.to_le_bytes(), offset + bytes.len() as u64)?, 8)
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let Content::Mapped(start) = self.content {
            // SAFETY: it was mapped with this length, and nobody has it any more.
            let _ = unsafe { munmap(start.as_ptr().cast(), self.bytes as usize) };
        }
    }
}

fn map(fd: &OwnedFd, bytes: u64, is_writable: bool) -> Result<NonNull<u8>, &'static str> {
    let length = usize::try_from(bytes).map_err(|_| "a file that is too large to map")?;
    let protection = if is_writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
    // SAFETY: a new mapping, wherever there is room, of a file that has `bytes` bytes and cannot shrink.
    let start = unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, fd, 0) };
    start
        .ok()
        .and_then(|start| NonNull::new(start.cast()))
        .ok_or("a file that the system does not map")
}

/// What the descriptor is of, for the log; the name alone is looked at.
fn path(fd: &OwnedFd) -> PathBuf {
    let link = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    std::fs::read_link(&link).unwrap_or(link.into())
}

fn whole(done: usize, wanted: usize) -> Result<(), Errno> {
    if done == wanted { Ok(()) } else { Err(Errno::IO) }
}
