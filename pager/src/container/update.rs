//! Blocks written back. `docs/tza.md`, Updates.
//!
//! Nothing that a header on disk names is overwritten: new stored bytes and the new index go to the end of the file, reach the disk, and
//! only then a header names them. A crash before leaves the arena of the last commit. What is no longer named stays in the file until it
//! is sealed anew.

use super::header::{HEADER_BYTES, Header, SLOT_OFFSETS};
use super::index::Entry;
use super::{Container, ContainerError, file};
use crate::codec::{Encoder, Place};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::File;
use std::sync::{MutexGuard, PoisonError};

/// What updates need to know.
pub(super) struct Updates {
    header: Header,
    /// The slot that is written first: the one whose loss loses no commit.
    older_slot: usize,
    /// Where the next bytes go.
    end: u64,
    encoder: Encoder,
    is_dirty: bool,
}

impl Updates {
    pub(super) fn new(header: Header, newest_slot: usize, file_bytes: u64) -> Updates {
        let encoder = Encoder::new(Some(Encoder::DEFAULT_LEVEL));
        Updates { header, older_slot: 1 - newest_slot, end: file_bytes, encoder, is_dirty: false }
    }
}

/// Keeps other processes from writing, as long as the file is open.
pub(super) fn lock(file: &File, name: &str) -> Result<(), ContainerError> {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => ContainerError::Busy { name: name.into() },
        error => ContainerError::io(name, "locking", error),
    })
}

impl Container {
    /// Replaces a block by `bytes`, one block. Fills see it at once, another process or a restart after the next [`commit`](Self::commit).
    /// Not for signal handlers; it may fault on `bytes` itself, since a fill needs nothing that it holds.
    pub fn update_block(&self, block: u64, bytes: &[u8]) -> Result<(), ContainerError> {
        let mut updates = self.updates()?;
        let old = self.entries.get(block).filter(|_| bytes.len() == self.header.block_size.bytes());
        let generation = old.and_then(|old| old.stored.generation.checked_add(1));
        let (Some(old), Some(generation)) = (old, generation) else {
            let blocks = self.entries.len();
            let what = format!("block {block} of {blocks} with {} bytes cannot be updated", bytes.len());
            return Err(ContainerError::refused(&self.name, what));
        };
        let key = self.block_keys.get(usize::from(old.tenant)).and_then(Option::as_ref);
        let place = Place { arena: self.header.arena, block };
        let stored = updates
            .encoder
            .encode(bytes, generation, place, key)
            .map_err(|error| ContainerError::Encode { name: self.name.clone(), block, error })?;
        let offset = updates.end;
        file::write_all_at(&self.file, &stored.bytes, offset)
            .map_err(|error| ContainerError::io(&self.name, "writing a block", error))?;
        updates.end = offset + stored.bytes.len() as u64;
        updates.is_dirty = true;
        self.entries.set(block, &Entry { offset, tenant: old.tenant, stored: stored.header });
        Ok(())
    }

    /// Makes the updates so far those that a restart finds, all of them or, if it is cut short, none. On an error they still count for
    /// this process, and may be committed again.
    pub fn commit(&self) -> Result<(), ContainerError> {
        let mut updates = self.updates()?;
        if !updates.is_dirty {
            return Ok(());
        }
        let mut index = Vec::new();
        self.entries.put(&mut index);
        let too_long = || ContainerError::refused(&self.name, "its tables are too long");
        self.tables.put(&mut index).ok_or_else(too_long)?;
        let mut header = updates.header;
        let no_more = || ContainerError::refused(&self.name, "it was committed as often as its format can count");
        header.sequence = header.sequence.checked_add(1).ok_or_else(no_more)?;
        header.index_offset = updates.end;
        header.seal(&index, self.arena_keys.as_ref());
        file::write_all_at(&self.file, &index, header.index_offset)
            .map_err(|error| ContainerError::io(&self.name, "writing its index", error))?;
        self.sync()?;
        // From here on a header may name this index: it is not written over, whatever comes.
        updates.end += index.len() as u64;
        updates.header = header;
        for _ in SLOT_OFFSETS {
            write_header(&self.file, &self.name, &header, updates.older_slot)?;
            self.sync()?;
            updates.older_slot = 1 - updates.older_slot;
        }
        updates.is_dirty = false;
        Ok(())
    }

    fn updates(&self) -> Result<MutexGuard<'_, Updates>, ContainerError> {
        let updates = self.updates.as_ref();
        let updates = updates.ok_or_else(|| ContainerError::refused(&self.name, "it is open for reading only"))?;
        // A panic leaves no update half done: the entry is set last.
        Ok(updates.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn sync(&self) -> Result<(), ContainerError> {
        self.file.sync_data().map_err(|error| ContainerError::io(&self.name, "syncing", error))
    }
}

/// Writes a header to slot 0 or 1.
pub(super) fn write_header(file: &File, name: &str, header: &Header, slot: usize) -> Result<(), ContainerError> {
    let bytes: [u8; HEADER_BYTES] = header.to_bytes();
    file::write_all_at(file, &bytes, SLOT_OFFSETS[slot])
        .map_err(|error| ContainerError::io(name, "writing its header", error))
}
