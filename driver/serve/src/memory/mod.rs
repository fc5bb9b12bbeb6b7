//! The client's memory, as the device reaches it: DMA_MAP says which bytes of which descriptor stand at which bus address.
//!
//! ```text
//!  bus address ─► map: file, offset ─► file, mapped once as a whole, however many maps show parts of it
//! ```
//!
//! What a client can do to its file while the device uses it: `file`.

mod file;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kvcpu_emulator::{BusFault, HostBus};
use rustix::io::Errno;

use file::{File, Identity, Shown};

/// What addresses, sizes and offsets of maps are multiples of.
const PAGE: u64 = 4096;
/// Maps at most: 4 GiB in pages.
const MAX_MAPS: usize = 1 << 20;

/// A range of bus addresses.
struct Map {
    size: u64,
    /// Memory behind it; none for what the device cannot reach.
    file: Option<Identity>,
    offset: u64,
    reads: bool,
    writes: bool,
}

/// A file, and how many maps show parts of it.
struct Used {
    file: File,
    maps: usize,
}

#[derive(Default)]
struct Maps {
    /// By address.
    maps: BTreeMap<u64, Map>,
    files: BTreeMap<Identity, Used>,
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
        let file = fd.map(|fd| maps.show(fd, offset.checked_add(size).ok_or(Errno::INVAL)?)).transpose()?;
        maps.maps.insert(address, Map { size, file, offset, reads, writes });
        Ok(())
    }

    /// Unmaps what lies in this range, which must be whole maps.
    pub(super) fn unmap(&self, address: u64, size: u64) -> Result<(), Errno> {
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
            maps.remove(*start);
        }
        Ok(())
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
        // Maps begin and end at whole words, and so has what is asked for.
        if !address.is_multiple_of(8) {
            return Err(BusFault { iova: address });
        }
        let maps = self.maps();
        let mut done = 0;
        while done < words {
            let at = address.checked_add(8 * done as u64).ok_or(BusFault { iova: address })?;
            let fault = BusFault { iova: at };
            let (start, map) = maps.maps.range(..=at).next_back().ok_or(fault)?;
            let within = at - start;
            let file = map.file.filter(|_| within < map.size && may(map));
            let used = file.and_then(|identity| maps.files.get(&identity)).ok_or(fault)?;
            let here = usize::try_from((map.size - within) / 8).map_or(words - done, |most| most.min(words - done));
            f(&used.file, map.offset + within, done..done + here).map_err(|_| fault)?;
            done += here;
        }
        Ok(())
    }
}

impl Maps {
    /// Takes the file behind a descriptor, of which a map shows bytes up to `needed`.
    fn show(&mut self, fd: OwnedFd, needed: u64) -> Result<Identity, Errno> {
        let shown = Shown::new(fd)?;
        let identity = shown.identity;
        let entry = self.files.entry(identity);
        let is_known = matches!(&entry, Entry::Occupied(used) if used.get().file.bytes >= needed);
        if !is_known && shown.bytes < needed {
            return Err(Errno::INVAL);
        }
        match entry {
            Entry::Occupied(mut used) => {
                let used = used.get_mut();
                if !is_known {
                    // It has grown: all its maps go over to the larger mapping, and there is one again.
                    used.file = File::new(shown);
                }
                used.maps += 1;
            }
            Entry::Vacant(place) => drop(place.insert(Used { file: File::new(shown), maps: 1 })),
        }
        Ok(identity)
    }

    /// Removes a map, and its file with its last map.
    fn remove(&mut self, start: u64) {
        let file = self.maps.remove(&start).and_then(|map| map.file);
        if let Some(Entry::Occupied(mut used)) = file.map(|identity| self.files.entry(identity)) {
            used.get_mut().maps -= 1;
            if used.get().maps == 0 {
                used.remove();
            }
        }
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
