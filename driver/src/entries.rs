//! The directory as the device shows it: BAR2 for the buckets, BAR0 for the stash.

use kvcpu_mmio::geometry::ENTRY_BYTES;
use kvcpu_mmio::queue::Key;
use kvcpu_mmio::regs::rtbd;
use kvcpu_mmio::regs::rtbd_entry::{BLOCK, ENTRY_HISTORY, ENTRY_ID, ENTRY_PLACE, ENTRY_STATE, EntryFlags, EntryState};
use kvcpu_mmio::{Backing, Bar};

use crate::{Device, DriverError};

/// A directory entry, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Directory index; those from ENTRIES on are the stash.
    pub index: u32,
    /// The block's name.
    pub key: Key,
    /// State.
    pub state: EntryState,
    /// Flags.
    pub flags: EntryFlags,
    /// Tier of the last decision.
    pub tier: u8,
    /// Frame in it.
    pub frame: u16,
    /// Score of the last sweep that saw it resident.
    pub score: u16,
    /// ACCESS_CLOCK when the chain of the last access began.
    pub access: u32,
    /// Step of the next use, if flag TARGET_VALID is set.
    pub target: u32,
    /// Depth in its chain.
    pub depth: u16,
    /// Accesses, saturating at 15.
    pub frequency: u8,
    /// References.
    pub refcount: u8,
    /// Signature of the first child seen.
    pub child: u8,
    /// Retained until 16 times this step, if flag RETAINED is set.
    pub retain: u32,
    /// Bit k: the guard counts the block as evicted by policy k since its last access.
    pub out: u8,
}

impl Entry {
    /// Takes the eight words of BAR2 apart.
    pub fn from_words(index: u32, w: [u32; 8]) -> Entry {
        let w64 = w.map(u64::from);
        let (id, place, history, state) = (w64[2], w64[3], w64[6], w64[7]);
        Entry {
            index,
            key: Key {
                tenant: ENTRY_ID::TENANT.get(id) as u8,
                request: ENTRY_ID::REQUEST.get(id) as u16,
                tag: w64[0] | w64[1] << 32,
            },
            state: match ENTRY_STATE::STATE.get(state) {
                0 => EntryState::Free,
                1 => EntryState::Resident,
                2 => EntryState::InFlight,
                _ => EntryState::Ghost,
            },
            flags: EntryFlags::from_bits_retain(ENTRY_ID::FLAGS.get(id) as u8),
            tier: ENTRY_STATE::TIER.get(state) as u8,
            frame: ENTRY_PLACE::FRAME.get(place) as u16,
            score: ENTRY_PLACE::SCORE.get(place) as u16,
            access: w[4],
            target: w[5],
            depth: ENTRY_HISTORY::DEPTH.get(history) as u16,
            frequency: ENTRY_HISTORY::FREQUENCY.get(history) as u8,
            refcount: ENTRY_HISTORY::REFCOUNT.get(history) as u8,
            child: ENTRY_HISTORY::CHILD.get(history) as u8,
            retain: ENTRY_STATE::RETAIN.get(state) as u32,
            out: ENTRY_STATE::OUT.get(state) as u8,
        }
    }
}

/// The entries that are not free, in directory order.
#[derive(Debug)]
pub struct Entries<'d, B: Backing + ?Sized + 'static = dyn Backing> {
    device: &'d Device<B>,
    next: u32,
}

impl<B: Backing + ?Sized + 'static> Device<B> {
    /// Reads the directory entry at `index`, which may be a free one.
    pub fn entry(&self, index: u32) -> Result<Entry, DriverError> {
        let (bar, base) = place(self, index)?;
        let mut words = [0; 8];
        for (pair, at) in words.chunks_exact_mut(2).zip((base..).step_by(8)) {
            let value = self.backing().read64(bar, at)?;
            pair[0] = value as u32;
            pair[1] = (value >> 32) as u32;
        }
        if words == [u32::MAX; 8] {
            self.check_alive()?;
        }
        tracing::trace!(target: "kvcpu::register", index, ?words, "read entry");
        Ok(Entry::from_words(index, words))
    }

    /// Reads every entry that is not free. The device goes on meanwhile: fence first for a picture
    /// of one moment.
    pub fn entries(&self) -> Entries<'_, B> {
        Entries { device: self, next: 0 }
    }
}

/// BAR and byte offset of an entry.
fn place<B: Backing + ?Sized + 'static>(device: &Device<B>, index: u32) -> Result<(Bar, u32), DriverError> {
    let geometry = device.geometry();
    if index < geometry.entries() {
        Ok((BLOCK.bar, BLOCK.base + index * ENTRY_BYTES))
    } else if index < geometry.slots() {
        let stash = &rtbd::RTBD_STASH;
        Ok((stash.bar, stash.offset + (index - geometry.entries()) * ENTRY_BYTES))
    } else {
        Err(DriverError::Register { register: "RTBD entry", problem: "no such index in this geometry" })
    }
}

impl<B: Backing + ?Sized + 'static> Iterator for Entries<'_, B> {
    type Item = Result<Entry, DriverError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.device.geometry().slots() {
            let index = self.next;
            self.next += 1;
            match self.device.entry(index) {
                Ok(entry) if entry.state == EntryState::Free => continue,
                Ok(entry) => return Some(Ok(entry)),
                Err(error) => {
                    self.next = u32::MAX;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
