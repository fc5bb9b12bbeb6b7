//! Finding a slot for a new key, and freeing one. `docs/rtbd.md`, "A slot for a new key".

use super::{LOG_FREQUENCY, Rtbd};
use kvcpu_mmio::geometry::{SEARCH_BUCKETS, WAYS};
use kvcpu_mmio::queue::Key;
use kvcpu_mmio::regs::rtbd_entry::EntryState;

/// A bucket reached by the search, and the way of which node led there.
#[derive(Clone, Copy)]
struct Node {
    bucket: u32,
    from: Option<(usize, usize)>,
}

/// Where a search ended.
enum Found {
    /// This slot, in a bucket of the key itself or in the stash.
    Here(usize),
    /// This slot, in the bucket of the last node of the path.
    Path(Vec<Node>, usize),
}

/// What placing a key cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The slot, now wiped but not yet in use.
    pub index: usize,
    /// Entries moved to their other bucket.
    pub kicks: u32,
    /// Ghosts forgotten.
    pub ghosts_reclaimed: u32,
}

impl Rtbd {
    /// The best slot of `slots`: the first free one, else the oldest ghost, first of equals.
    fn best(&self, slots: impl Iterator<Item = usize>, now: u32) -> Option<usize> {
        let mut oldest: Option<(i64, usize)> = None;
        for i in slots {
            match self.state(i) {
                EntryState::Free => return Some(i),
                EntryState::Ghost => {
                    let since = i64::from(now.wrapping_sub(self.access[i]));
                    let age = since - 512 * i64::from(LOG_FREQUENCY[self.frequency(i) as usize]);
                    if oldest.is_none_or(|(greatest, _)| age > greatest) {
                        oldest = Some((age, i));
                    }
                }
                EntryState::Resident | EntryState::InFlight => {}
            }
        }
        oldest.map(|(_, i)| i)
    }

    pub(super) fn ways(bucket: u32) -> std::ops::Range<usize> {
        (bucket * WAYS) as usize..((bucket + 1) * WAYS) as usize
    }

    fn other_bucket(&self, i: usize) -> u32 {
        let (b0, b1) = self.buckets_of(self.h3.hash(self.key(i)));
        if i as u32 / WAYS == b0 { b1 } else { b0 }
    }

    fn search(&self, hash: u32, now: u32) -> Option<Found> {
        let (b0, b1) = self.buckets_of(hash);
        if let Some(i) = self.best(Self::ways(b0).chain(Self::ways(b1)), now) {
            return Some(Found::Here(i));
        }
        let mut nodes = vec![Node { bucket: b0, from: None }, Node { bucket: b1, from: None }];
        let mut next = 0;
        while next < nodes.len() && nodes.len() < SEARCH_BUCKETS {
            for (way, i) in Self::ways(nodes[next].bucket).enumerate() {
                if nodes.len() == SEARCH_BUCKETS {
                    break;
                }
                let bucket = self.other_bucket(i);
                nodes.push(Node { bucket, from: Some((next, way)) });
                if let Some(slot) = self.best(Self::ways(bucket), now) {
                    return Some(Found::Path(nodes, slot));
                }
            }
            next += 1;
        }
        self.best(self.stash()..self.slots(), now).map(Found::Here)
    }

    /// Whether [`Rtbd::place_hashed`] would find a slot.
    pub(crate) fn can_place(&self, hash: u32, now: u32) -> bool {
        self.search(hash, now).is_some()
    }

    /// Makes a slot for a key that is not in the directory: the slot is wiped, and in use once the
    /// caller sets its state. `None` if the directory is full; then nothing has moved.
    pub fn place(&mut self, key: Key, now: u32) -> Option<Placed> {
        self.place_hashed(self.hash(key), now)
    }

    /// As [`Rtbd::place`], for who has the hash already.
    pub(crate) fn place_hashed(&mut self, hash: u32, now: u32) -> Option<Placed> {
        let (path, slot) = match self.search(hash, now)? {
            Found::Here(slot) => (Vec::new(), slot),
            Found::Path(nodes, slot) => (nodes, slot),
        };
        let mut placed =
            Placed { index: slot, kicks: 0, ghosts_reclaimed: u32::from(self.state(slot) == EntryState::Ghost) };
        self.release(slot);
        let mut step = path.last().and_then(|node| node.from);
        while let Some((node, way)) = step {
            let from = Self::ways(path[node].bucket).start + way;
            self.transfer(from, placed.index);
            placed.index = from;
            placed.kicks += 1;
            step = path[node].from;
        }
        Some(placed)
    }

    /// Writes the key of a new entry and puts it in use as resident.
    pub fn occupy(&mut self, i: usize, key: Key) {
        self.tag[i] = key.tag;
        self.id[i] = u32::from(key.request) | u32::from(key.tenant) << 16;
        self.set_state(i, EntryState::Resident);
    }

    /// Frees slot `i`. The first entry of the stash that belongs in its bucket moves in.
    pub fn free(&mut self, i: usize) {
        self.release(i);
        if i >= self.stash() || self.stash_used == 0 {
            return;
        }
        let bucket = i as u32 / WAYS;
        let belongs = |&s: &usize| {
            let (b0, b1) = self.buckets_of(self.h3.hash(self.key(s)));
            self.state(s) != EntryState::Free && (b0 == bucket || b1 == bucket)
        };
        if let Some(s) = (self.stash()..self.slots()).find(belongs) {
            self.transfer(s, i);
        }
    }

    fn release(&mut self, i: usize) {
        self.set_meta(i, 0);
        self.wipe(i);
    }

    /// Moves an entry to a free slot.
    fn transfer(&mut self, from: usize, to: usize) {
        (self.tag[to], self.id[to], self.access[to], self.target[to]) =
            (self.tag[from], self.id[from], self.access[from], self.target[from]);
        (self.frame[to], self.score[to], self.child[to], self.retain[to], self.refcount[to]) =
            (self.frame[from], self.score[from], self.child[from], self.retain[from], self.refcount[from]);
        self.out[to] = self.out[from];
        self.set_meta(to, self.meta[from]);
        if self.serving.contains(&(from as u32)) {
            self.serving.push(to as u32);
        }
        self.release(from);
    }
}
