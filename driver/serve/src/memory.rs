//! The client's memory, as the device reaches it: DMA_MAP says which bytes of which descriptor stand at which bus address.
//!
//! ```text
//!  bus address ─► map: file, offset ─► file, mapped once as a whole, however many maps show parts of it
//! ```
//!
//! A client could shorten a file that is mapped here, and every access would end this process. So a file is mapped only if it
//! cannot shrink (a memfd sealed so, by the client or now); others are read and written by system calls, which only fail.
#![allow(unsafe_code, reason = "memory shared with another process is mapped")]

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use kvcpu_emulator::{BusFault, HostBus};
use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals, fstat};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What addresses, sizes and offsets of maps are multiples of.
const PAGE: u64 = 4096;
/// Maps at most: 4 GiB in pages.
const MAX_MAPS: usize = 1 << 20;

/// A file that shares its bytes.
struct File {
    fd: OwnedFd,
    bytes: u64,
    mapping: Option<NonNull<u8>>,
}

// SAFETY: the mapping belongs to this value until it is dropped, and is only used through atomics.
unsafe impl Send for File {}
// SAFETY: as above.
unsafe impl Sync for File {}

impl File {
    fn new(fd: OwnedFd, bytes: u64) -> File {
        let mapping = seal(&fd).then(|| map(&fd, bytes)).flatten();
        File { fd, bytes, mapping }
    }

    /// The words of a mapped file; `None` if it is not mapped.
    fn words(&self) -> Option<&[AtomicU64]> {
        let start = self.mapping?;
        // SAFETY: `bytes` bytes are mapped from `start`, page-aligned, readable and writable, until `self` is dropped, and the file
        // cannot shrink. Others write them at any time, so they are atomics.
        Some(unsafe { std::slice::from_raw_parts(start.as_ptr().cast::<AtomicU64>(), (self.bytes / 8) as usize) })
    }

    fn read(&self, offset: u64, out: &mut [u64]) -> Result<(), Errno> {
        if let Some(words) = self.words() {
            for (to, from) in out.iter_mut().zip(&words[(offset / 8) as usize..]) {
                *to = from.load(Ordering::Relaxed);
            }
            fence(Ordering::Acquire);
            return Ok(());
        }
        let mut bytes = vec![0; 8 * out.len()];
        whole(rustix::io::pread(&self.fd, &mut bytes[..], offset)?, bytes.len())?;
        for (to, from) in out.iter_mut().zip(bytes.as_chunks().0) {
            *to = u64::from_le_bytes(*from);
        }
        Ok(())
    }

    /// The last word goes last.
    fn write(&self, offset: u64, data: &[u64]) -> Result<(), Errno> {
        let Some((last, rest)) = data.split_last() else { return Ok(()) };
        if let Some(words) = self.words() {
            let words = &words[(offset / 8) as usize..];
            for (to, from) in words.iter().zip(rest) {
                to.store(*from, Ordering::Relaxed);
            }
            words[rest.len()].store(*last, Ordering::Release);
            return Ok(());
        }
        let bytes: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
        if !bytes.is_empty() {
            whole(rustix::io::pwrite(&self.fd, &bytes, offset)?, bytes.len())?;
        }
        whole(rustix::io::pwrite(&self.fd, &last.to_le_bytes(), offset + bytes.len() as u64)?, 8)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let Some(start) = self.mapping {
            // SAFETY: it was mapped with this length, and nobody has it any more.
            let _ = unsafe { munmap(start.as_ptr().cast(), self.bytes as usize) };
        }
    }
}

/// Whether the file cannot become shorter from now on.
fn seal(fd: &OwnedFd) -> bool {
    let sealed = || fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
    sealed() || (fcntl_add_seals(fd, SealFlags::SHRINK).is_ok() && sealed())
}

fn map(fd: &OwnedFd, bytes: u64) -> Option<NonNull<u8>> {
    let length = usize::try_from(bytes).ok()?;
    // SAFETY: a new mapping, wherever there is room, of a file that cannot shrink below `bytes`: its size was read, and if it has
    // shrunk between that and the seal, `new` is not told of a mapping, see below.
    let start =
        unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0) };
    let start = NonNull::new(start.ok()?.cast::<u8>())?;
    if fstat(fd).is_ok_and(|stat| u64::try_from(stat.st_size).is_ok_and(|size| size >= bytes)) {
        return Some(start);
    }
    // SAFETY: mapped above.
    let _ = unsafe { munmap(start.as_ptr().cast(), length) };
    None
}

fn whole(done: usize, wanted: usize) -> Result<(), Errno> {
    if done == wanted { Ok(()) } else { Err(Errno::IO) }
}

/// A range of bus addresses.
struct Map {
    size: u64,
    /// Memory behind it; none for what the device cannot reach.
    file: Option<Arc<File>>,
    offset: u64,
    reads: bool,
    writes: bool,
}

#[derive(Default)]
struct Maps {
    /// By address.
    maps: BTreeMap<u64, Map>,
    /// By device and inode.
    files: BTreeMap<(u64, u64), Weak<File>>,
}

/// All of it. Clones are the same memory.
#[derive(Clone, Default)]
pub struct ClientMemory(Arc<RwLock<Maps>>);

impl ClientMemory {
    fn maps(&self) -> RwLockReadGuard<'_, Maps> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn maps_mut(&self) -> RwLockWriteGuard<'_, Maps> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps `size` bytes from `offset` of the descriptor at `address`; without one, accesses to them fault.
    pub(super) fn map(
        &self,
        address: u64,
        size: u64,
        (fd, offset): (Option<OwnedFd>, u64),
        (reads, writes): (bool, bool),
    ) -> Result<(), Errno> {
        let aligned = [address, size, offset].iter().all(|number| number.is_multiple_of(PAGE));
        let end = address.checked_add(size).ok_or(Errno::INVAL)?;
        if !aligned || size == 0 {
            return Err(Errno::INVAL);
        }
        let mut maps = self.maps_mut();
        if maps.maps.len() >= MAX_MAPS {
            return Err(Errno::NOSPC);
        }
        if maps.maps.range(..end).next_back().is_some_and(|(start, map)| start + map.size > address) {
            return Err(Errno::EXIST);
        }
        let file = fd.map(|fd| maps.file(fd, offset.checked_add(size).ok_or(Errno::INVAL)?)).transpose()?;
        maps.maps.insert(address, Map { size, file, offset, reads, writes });
        Ok(())
    }

    /// Unmaps what lies in this range, which must be whole maps; how many bytes.
    pub(super) fn unmap(&self, address: u64, size: u64) -> Result<u64, Errno> {
        let end = address.checked_add(size).filter(|_| size != 0).ok_or(Errno::INVAL)?;
        let mut maps = self.maps_mut();
        let cut = maps
            .maps
            .range(..address)
            .next_back()
            .is_some_and(|(start, map)| start + map.size > address);
        let inside: Vec<_> = maps.maps.range(address..end).map(|(start, map)| (*start, map.size)).collect();
        if cut || inside.last().is_some_and(|(start, size)| start + size > end) {
            return Err(Errno::INVAL);
        }
        if inside.is_empty() {
            return Err(Errno::NOENT);
        }
        for (start, _) in &inside {
            maps.maps.remove(start);
        }
        maps.forget();
        Ok(inside.iter().map(|(_, size)| size).sum())
    }

    /// Unmaps all.
    pub(super) fn clear(&self) {
        *self.maps_mut() = Maps::default();
    }

    /// Calls `f` with the file, the offset and the words' range of each map that the words at `address` lie in.
    fn walk(
        &self,
        address: u64,
        words: usize,
        may: impl Fn(&Map) -> bool,
        mut f: impl FnMut(&File, u64, std::ops::Range<usize>) -> Result<(), Errno>,
    ) -> Result<(), BusFault> {
        let maps = self.maps();
        let mut done = 0;
        while done < words {
            let at = address.checked_add(8 * done as u64).ok_or(BusFault { iova: address })?;
            let fault = BusFault { iova: at };
            let (start, map) = maps.maps.range(..=at).next_back().ok_or(fault)?;
            let within = at - start;
            let file = map.file.as_ref().filter(|_| within < map.size && may(map)).ok_or(fault)?;
            let here = usize::try_from((map.size - within) / 8).map_or(words - done, |most| most.min(words - done));
            f(file, map.offset + within, done..done + here).map_err(|_| fault)?;
            done += here;
        }
        Ok(())
    }
}

impl Maps {
    /// The file behind a descriptor, which has at least so many bytes.
    fn file(&mut self, fd: OwnedFd, needed: u64) -> Result<Arc<File>, Errno> {
        let stat = fstat(&fd)?;
        let identity = (stat.st_dev, stat.st_ino);
        let known = self.files.get(&identity).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.bytes >= needed) {
            return Ok(known);
        }
        let bytes = u64::try_from(stat.st_size).map_err(|_| Errno::INVAL)? & !(PAGE - 1);
        if bytes < needed {
            return Err(Errno::INVAL);
        }
        let file = Arc::new(File::new(fd, bytes));
        self.files.insert(identity, Arc::downgrade(&file));
        Ok(file)
    }

    /// Drops what is known of files that nothing shows any more.
    fn forget(&mut self) {
        self.files.retain(|_, file| file.strong_count() != 0);
    }
}

impl HostBus for ClientMemory {
    fn read(&self, iova: u64, out: &mut [u64]) -> Result<(), BusFault> {
        self.walk(iova, out.len(), |map| map.reads, |file, offset, range| file.read(offset, &mut out[range]))
    }

    fn write(&self, iova: u64, data: &[u64]) -> Result<(), BusFault> {
        self.walk(iova, data.len(), |map| map.writes, |file, offset, range| file.write(offset, &data[range]))
    }
}

#[cfg(feature = "rtl")]
impl kvcpu_sim::Bus for ClientMemory {
    fn read(&mut self, address: u64, out: &mut [u64]) -> Result<(), kvcpu_sim::BusFault> {
        HostBus::read(self, address, out).map_err(|fault| kvcpu_sim::BusFault { address: fault.iova })
    }

    fn write(&mut self, address: u64, data: &[u64], strobes: &[u8]) -> Result<(), kvcpu_sim::BusFault> {
        let fault = |fault: BusFault| kvcpu_sim::BusFault { address: fault.iova };
        if strobes.iter().all(|strobe| *strobe == 0xFF) {
            return HostBus::write(self, address, data).map_err(fault);
        }
        // The device writes parts of words only where it owns the words: nobody else writes them meanwhile.
        let mut merged = vec![0; data.len()];
        HostBus::read(self, address, &mut merged).map_err(fault)?;
        for (old, (new, strobe)) in merged.iter_mut().zip(data.iter().zip(strobes)) {
            *old = kvcpu_sim::merge(*old, *new, *strobe);
        }
        HostBus::write(self, address, &merged).map_err(fault)
    }
}
