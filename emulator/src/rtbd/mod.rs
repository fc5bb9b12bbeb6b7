//! RTBD: the bucketed cuckoo directory. `docs/rtbd.md`.
//!
//! The fields of all entries stand in arrays of their own, because a sweep reads few fields of
//! every entry and a look-up few entries.

mod hash;
mod place;
mod words;

use hash::H3;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::geometry::WAYS;
use kvcpu_mmio::queue::Key;
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};

/// The packed fields that the scorer reads.
///
/// | bits | field |
/// |---|---|
/// | 11:0 | depth |
/// | 15:12 | frequency |
/// | 23:16 | flags |
/// | 25:24 | tier |
/// | 27:26 | state |
/// | 28 | reference count > 0 |
/// | 29 | a child was seen |
pub(crate) mod meta {
    pub(crate) const DEPTH: u32 = 0xFFF;
    pub(crate) const FREQUENCY_LSB: u32 = 12;
    pub(crate) const FLAGS_LSB: u32 = 16;
    pub(crate) const TIER_LSB: u32 = 24;
    pub(crate) const STATE_LSB: u32 = 26;
    pub(crate) const SHARED: u32 = 1 << 28;
    pub(crate) const CHILD: u32 = 1 << 29;
}

/// F by frequency: its log2 in 1/32, rounded.
pub(crate) const LOG_FREQUENCY: [u32; 16] = [0, 0, 32, 51, 64, 74, 83, 90, 96, 101, 106, 111, 115, 118, 122, 125];

/// OUT of an entry that no policy would hold.
pub(crate) const ALL_OUT: u8 = 0xFF;

/// The directory.
pub struct Rtbd {
    buckets: u32,
    h3: H3,
    pub(crate) tag: Vec<u64>,
    /// Request and tenant: `request | tenant << 16`.
    pub(crate) id: Vec<u32>,
    pub(crate) meta: Vec<u32>,
    pub(crate) access: Vec<u32>,
    pub(crate) target: Vec<u32>,
    /// OUT: bit k is set if policy k would have evicted the block since its last access.
    pub(crate) out: Vec<u8>,
    /// Entries of which a field that the scorer reads was written since the last sweep.
    pub(crate) changed: Vec<u32>,
    /// Entries of which such a field was written since the last command ended.
    pub(crate) touched: Vec<u32>,
    /// Entries of the chain in service, and perhaps others: their score changes when it ends.
    serving: Vec<u32>,
    pub(crate) frame: Vec<u16>,
    pub(crate) score: Vec<u16>,
    refcount: Vec<u8>,
    child: Vec<u8>,
    /// In units of 16 steps.
    pub(crate) retain: Vec<u32>,
    /// Entries that are not free.
    pub(crate) used: u32,
    pub(crate) ghosts: u32,
    pub(crate) stash_used: u32,
    /// Entries with TARGET_VALID; while there are none a sweep need not look for them.
    pub(crate) targets: u32,
    /// Entries with RETAINED, likewise.
    pub(crate) retained: u32,
    /// Entries with DEAD.
    pub(crate) dead: u32,
}

impl Rtbd {
    /// An empty directory.
    pub fn new(geometry: &Geometry) -> Rtbd {
        let n = geometry.slots() as usize;
        Rtbd {
            buckets: geometry.buckets(),
            h3: H3::new(),
            tag: vec![0; n],
            id: vec![0; n],
            meta: vec![0; n],
            access: vec![0; n],
            target: vec![0; n],
            out: vec![0; n],
            changed: Vec::new(),
            touched: Vec::new(),
            serving: Vec::new(),
            frame: vec![0; n],
            score: vec![0; n],
            refcount: vec![0; n],
            child: vec![0; n],
            retain: vec![0; n],
            used: 0,
            ghosts: 0,
            stash_used: 0,
            targets: 0,
            retained: 0,
            dead: 0,
        }
    }

    /// Entries in buckets and stash.
    pub fn slots(&self) -> usize {
        self.tag.len()
    }

    /// Entries in use, ghosts included.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// First index of the stash.
    fn stash(&self) -> usize {
        (self.buckets * WAYS) as usize
    }

    /// Empties the directory.
    pub(crate) fn clear(&mut self) {
        for i in 0..self.slots() {
            self.wipe(i);
        }
        (self.used, self.ghosts, self.stash_used) = (0, 0, 0);
        (self.targets, self.retained, self.dead) = (0, 0, 0);
        self.changed.clear();
        self.touched.clear();
        self.serving.clear();
    }

    fn wipe(&mut self, i: usize) {
        (self.tag[i], self.id[i], self.meta[i], self.access[i], self.target[i]) = (0, 0, 0, 0, 0);
        (self.frame[i], self.score[i], self.refcount[i], self.child[i], self.retain[i]) = (0, 0, 0, 0, 0);
        self.out[i] = 0;
    }

    /// The two buckets of a hash.
    fn buckets_of(&self, hash: u32) -> (u32, u32) {
        let mask = self.buckets - 1;
        let (b0, b1) = (hash & 0xFFFF & mask, hash >> 16 & mask);
        (b0, if b0 == b1 { b1 ^ 1 } else { b1 })
    }

    /// Both hashes of a key.
    pub(crate) fn hash(&self, key: Key) -> u32 {
        self.h3.hash(key)
    }

    /// The child signature of a key with this hash.
    pub(crate) fn signature(hash: u32) -> u8 {
        ((hash >> 24) as u8).max(1)
    }

    /// Index of the entry with this key, ghost or not.
    pub fn find(&self, key: Key) -> Option<usize> {
        self.find_hashed(key, self.hash(key))
    }

    /// As [`Rtbd::find`], for who has the hash already.
    pub(crate) fn find_hashed(&self, key: Key, hash: u32) -> Option<usize> {
        let (b0, b1) = self.buckets_of(hash);
        let id = u32::from(key.request) | u32::from(key.tenant) << 16;
        let is = |&i: &usize| self.tag[i] == key.tag && self.id[i] == id && self.state(i) != EntryState::Free;
        for bucket in [b0, b1] {
            let ways = Self::ways(bucket);
            let same = self.tag[ways.clone()].iter().fold(false, |any, tag| any | (*tag == key.tag));
            if same && let Some(i) = ways.into_iter().find(is) {
                return Some(i);
            }
        }
        if self.stash_used == 0 {
            return None;
        }
        (self.stash()..self.slots()).find(is)
    }

    pub(crate) fn key(&self, i: usize) -> Key {
        Key { tenant: (self.id[i] >> 16) as u8, request: self.id[i] as u16, tag: self.tag[i] }
    }

    pub(crate) fn metas(&self) -> &[u32] {
        &self.meta
    }

    pub(crate) fn state(&self, i: usize) -> EntryState {
        match self.meta[i] >> meta::STATE_LSB & 3 {
            0 => EntryState::Free,
            1 => EntryState::Resident,
            2 => EntryState::InFlight,
            _ => EntryState::Ghost,
        }
    }

    /// Resident or in flight.
    pub(crate) fn placed(&self, i: usize) -> bool {
        matches!(self.state(i), EntryState::Resident | EntryState::InFlight)
    }

    /// Resident in `tier`, or in flight to it.
    pub(crate) fn placed_in(&self, i: usize, tier: usize) -> bool {
        self.placed(i) && self.tier(i) == tier
    }

    pub(crate) fn tier(&self, i: usize) -> usize {
        (self.meta[i] >> meta::TIER_LSB & 3) as usize
    }

    pub(crate) fn flags(&self, i: usize) -> EntryFlags {
        EntryFlags::from_bits_retain((self.meta[i] >> meta::FLAGS_LSB) as u8)
    }

    pub(crate) fn depth(&self, i: usize) -> u32 {
        self.meta[i] & meta::DEPTH
    }

    pub(crate) fn frequency(&self, i: usize) -> u32 {
        self.meta[i] >> meta::FREQUENCY_LSB & 0xF
    }

    pub(crate) fn refcount(&self, i: usize) -> u8 {
        self.refcount[i]
    }

    /// Pinned, shared or retained: never a victim.
    pub(crate) fn protected(&self, i: usize) -> bool {
        self.refcount[i] > 0 || self.flags(i).intersects(EntryFlags::HOT | EntryFlags::RETAINED)
    }

    /// Replaces the packed fields and keeps the counts that depend on them.
    fn set_meta(&mut self, i: usize, value: u32) {
        let count = |meta: u32, flag: EntryFlags| meta >> meta::FLAGS_LSB & u32::from(flag.bits()) != 0;
        let old = self.meta[i];
        self.meta[i] = value;
        self.note_change(i);
        if old >> meta::FLAGS_LSB != value >> meta::FLAGS_LSB {
            let step = |n: &mut u32, was: bool, is: bool| *n = *n + u32::from(is) - u32::from(was);
            let state = |m: u32| m >> meta::STATE_LSB & 3;
            let flags = [
                (&mut self.targets, EntryFlags::TARGET_VALID),
                (&mut self.retained, EntryFlags::RETAINED),
                (&mut self.dead, EntryFlags::DEAD),
            ];
            for (n, flag) in flags {
                step(n, count(old, flag), count(value, flag));
            }
            step(&mut self.used, state(old) != 0, state(value) != 0);
            step(&mut self.ghosts, state(old) == EntryState::Ghost as u32, state(value) == EntryState::Ghost as u32);
            if i >= self.stash() {
                step(&mut self.stash_used, state(old) != 0, state(value) != 0);
            }
        }
    }

    /// Notes that a sweep must score entry `i` anew. Past a point a sweep scores all entries anyhow.
    fn note_change(&mut self, i: usize) {
        if self.touched.last() != Some(&(i as u32)) {
            self.touched.push(i as u32);
        }
        if self.changed.last() != Some(&(i as u32)) && self.changed.len() < self.slots() {
            self.changed.push(i as u32);
        }
    }

    pub(crate) fn set_access(&mut self, i: usize, stamp: u32) {
        self.access[i] = stamp;
        self.note_change(i);
    }

    /// Makes `stamp` the last access of entry `i`, which serves the present chain.
    pub(crate) fn serve(&mut self, i: usize, stamp: u32) {
        self.set_access(i, stamp);
        self.serving.push(i as u32);
    }

    /// The chain in service ends: its entries are to be scored anew.
    pub(crate) fn end_service(&mut self) {
        let mut serving = std::mem::take(&mut self.serving);
        serving.iter().for_each(|&i| self.note_change(i as usize));
        serving.clear();
        self.serving = serving;
    }

    pub(crate) fn set_target(&mut self, i: usize, step: u32) {
        self.target[i] = step;
        self.note_change(i);
    }

    fn replace(&mut self, i: usize, lsb: u32, width: u32, value: u32) {
        let mask = ((1 << width) - 1) << lsb;
        self.set_meta(i, self.meta[i] & !mask | value << lsb & mask);
    }

    pub(crate) fn set_flags(&mut self, i: usize, flags: EntryFlags) {
        self.replace(i, meta::FLAGS_LSB, 8, u32::from(flags.bits()));
    }

    pub(crate) fn set_state(&mut self, i: usize, state: EntryState) {
        self.replace(i, meta::STATE_LSB, 2, state as u32);
    }

    pub(crate) fn set_tier(&mut self, i: usize, tier: usize) {
        self.replace(i, meta::TIER_LSB, 2, tier as u32);
    }

    /// Makes entry `i` resident, with all its packed fields.
    pub(crate) fn set_resident(&mut self, i: usize, tier: usize, depth: u16, frequency: u32, flags: EntryFlags) {
        let value = u32::from(depth).min(meta::DEPTH)
            | frequency.min(15) << meta::FREQUENCY_LSB
            | u32::from(flags.bits()) << meta::FLAGS_LSB
            | (tier as u32) << meta::TIER_LSB
            | (EntryState::Resident as u32) << meta::STATE_LSB;
        self.set_meta(i, value | self.meta[i] & (meta::SHARED | meta::CHILD));
    }

    pub(crate) fn set_frequency(&mut self, i: usize, frequency: u32) {
        self.replace(i, meta::FREQUENCY_LSB, 4, frequency.min(15));
    }

    /// A child of the entry's block was seen.
    pub(crate) fn has_child(&self, i: usize) -> bool {
        self.child[i] != 0
    }

    /// Signature of the first child seen; 0 if none was.
    pub(crate) fn child(&self, i: usize) -> u8 {
        self.child[i]
    }

    pub(crate) fn set_child(&mut self, i: usize, signature: u8) {
        self.child[i] = signature;
        let child = if signature == 0 { 0 } else { meta::CHILD };
        self.set_meta(i, self.meta[i] & !meta::CHILD | child);
    }

    pub(crate) fn set_refcount(&mut self, i: usize, refcount: u8) {
        self.refcount[i] = refcount;
        let shared = if refcount > 0 { meta::SHARED } else { 0 };
        self.set_meta(i, self.meta[i] & !meta::SHARED | shared);
    }
}
