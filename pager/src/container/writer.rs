//! A new `.tza` file, written from front to end.

use super::header::{DATA_OFFSET, Header, SLOT_OFFSETS};
use super::index::{ENTRY_BYTES, Entry, MAX_INDEX_BYTES, Region, Tables};
use super::update::write_header;
use super::{ContainerError, file};
use crate::claim::Requirement;
use crate::codec::{BlockSize, Encoder, Flags, Place};
use crate::keys::{ArenaId, ArenaKeys, BlockKey, OwnerSecret, PublicKey};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How a container is written.
#[derive(Clone, Copy)]
pub struct WriterOptions<'a> {
    /// Bytes of a block.
    pub block_size: BlockSize,
    /// zstd's level; `None` for no compression.
    pub level: Option<i32>,
    /// The owner's secret; without it nothing is encrypted.
    pub secret: Option<&'a OwnerSecret>,
    /// Whose claims count, where there is no secret: with one it is that owner.
    pub owner: Option<PublicKey>,
}

impl Default for WriterOptions<'_> {
    fn default() -> Self {
        let level = Some(Encoder::DEFAULT_LEVEL);
        WriterOptions { block_size: BlockSize::DEFAULT, level, secret: None, owner: None }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the arena.
    pub total_bytes: u64,
    /// Its blocks.
    pub blocks: u64,
    /// Blocks that are zeros.
    pub zero_blocks: u64,
    /// Blocks that are stored compressed.
    pub compressed_blocks: u64,
    /// Bytes that the blocks take in the file.
    pub stored_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// Writes a container. It has its name only once it is finished: until then it is `NAME.partial`, which goes when the writer does.
pub struct Writer {
    file: File,
    path: PathBuf,
    partial: PathBuf,
    name: String,
    header: Header,
    arena_keys: Option<ArenaKeys>,
    block_keys: Box<[Option<BlockKey>]>,
    encoder: Encoder,
    tenant: u8,
    /// The block that is being collected.
    block: Vec<u8>,
    entries: Vec<[u8; ENTRY_BYTES]>,
    tables: Tables,
    summary: Summary,
    is_finished: bool,
}

impl Writer {
    /// A new file at `path`, of a new arena; one that is there is replaced when this one is finished.
    pub fn create(path: &Path, options: WriterOptions<'_>) -> Result<Writer, ContainerError> {
        let name = path.display().to_string();
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = create_partial(&partial, &name)?;
        let arena = ArenaId::random()?;
        let arena_keys = options.secret.map(|secret| secret.arena_keys(arena));
        let header = Header {
            encrypted: arena_keys.is_some(),
            block_size: options.block_size,
            sequence: 1,
            arena,
            total_bytes: 0,
            index_offset: DATA_OFFSET,
            index_bytes: 0,
            owner: options.secret.map(|secret| secret.signing_key().public()).or(options.owner),
            key_check: arena_keys.as_ref().map_or([0; 16], ArenaKeys::check),
            mac: [0; 32],
            index_crc: 0,
        };
        Ok(Writer {
            file,
            path: path.into(),
            partial,
            name,
            header,
            arena_keys,
            block_keys: (0..256).map(|_| None).collect(),
            encoder: Encoder::new(options.level),
            tenant: 0,
            block: Vec::with_capacity(options.block_size.bytes()),
            entries: Vec::new(),
            tables: Tables::default(),
            summary: Summary::default(),
            is_finished: false,
        })
    }

    /// The arena's name.
    pub fn arena(&self) -> ArenaId {
        self.header.arena
    }

    /// Bytes of the arena so far.
    pub fn position(&self) -> u64 {
        self.header.total_bytes
    }

    /// What was written so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// What comes next is this tenant's, 0 at first. A block has one tenant: the rest of the one that was begun is zeros.
    pub fn tenant(&mut self, tenant: u8) -> Result<(), ContainerError> {
        if tenant != self.tenant && !self.block.is_empty() {
            let rest = self.header.block_size.bytes() - self.block.len();
            self.header.total_bytes += rest as u64;
            self.end_block()?;
        }
        self.tenant = tenant;
        Ok(())
    }

    /// Requires claims of a tenant. There must be an owner to sign them.
    pub fn require(&mut self, tenant: u8, need: Requirement) -> Result<(), ContainerError> {
        if self.header.owner.is_none() {
            return Err(ContainerError::refused(&self.name, "claims need an owner: give the owner's key"));
        }
        self.tables.requirements.push((tenant, need));
        Ok(())
    }

    /// Names a part of the arena; it may be one that is not written yet.
    pub fn region(&mut self, region: Region) {
        self.tables.regions.push(region);
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ContainerError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.header.block_size.bytes() - self.block.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.block.extend_from_slice(now);
            self.header.total_bytes += now.len() as u64;
            rest = later;
            if self.block.len() == self.header.block_size.bytes() {
                self.end_block()?;
            }
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), ContainerError> {
        self.block.resize(self.header.block_size.bytes(), 0);
        let block = self.entries.len() as u64;
        let key = match &self.arena_keys {
            Some(keys) => {
                let key = &mut self.block_keys[usize::from(self.tenant)];
                Some(&*key.get_or_insert_with(|| keys.block_key(self.tenant)))
            }
            None => None,
        };
        let place = Place { arena: self.header.arena, block };
        let stored = self.encoder.encode(&self.block, 0, place, key).map_err(|error| ContainerError::Encode {
            name: self.name.clone(),
            block,
            error,
        })?;
        let offset = DATA_OFFSET + self.summary.stored_bytes;
        file::write_all_at(&self.file, &stored.bytes, offset)
            .map_err(|error| ContainerError::io(&self.name, "writing a block", error))?;
        self.entries.push(Entry { offset, tenant: self.tenant, stored: stored.header }.to_bytes());
        self.block.clear();
        self.summary.blocks += 1;
        self.summary.zero_blocks += u64::from(stored.header.flags.contains(Flags::ZERO));
        self.summary.compressed_blocks += u64::from(stored.header.flags.contains(Flags::COMPRESSED));
        self.summary.stored_bytes += stored.bytes.len() as u64;
        Ok(())
    }

    /// Writes index and headers, waits until all of it is on disk, and gives the file its name.
    pub fn finish(mut self) -> Result<Summary, ContainerError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let total = self.header.total_bytes;
        let ends = |region: &Region| region.offset.checked_add(region.bytes).is_none_or(|end| end > total);
        if let Some(region) = self.tables.regions.iter().find(|region| ends(region)) {
            let what = format!("region {} goes beyond the {total} bytes that were written", region.name);
            return Err(ContainerError::refused(&self.name, what));
        }
        let mut index = self.entries.as_flattened().to_vec();
        if self.tables.put(&mut index).is_none() || index.len() as u64 > MAX_INDEX_BYTES {
            let what = "its index is too large: seal with larger blocks, or with fewer or shorter names";
            return Err(ContainerError::refused(&self.name, what));
        }
        self.header.index_offset = DATA_OFFSET + self.summary.stored_bytes;
        self.header.seal(&index, self.arena_keys.as_ref());
        file::write_all_at(&self.file, &index, self.header.index_offset)
            .map_err(|error| ContainerError::io(&self.name, "writing its index", error))?;
        for slot in 0..SLOT_OFFSETS.len() {
            write_header(&self.file, &self.name, &self.header, slot)?;
        }
        self.file.sync_all().map_err(|error| ContainerError::io(&self.name, "syncing", error))?;
        std::fs::rename(&self.partial, &self.path)
            .map_err(|error| ContainerError::io(&self.name, "renaming", error))?;
        self.is_finished = true;
        let directory = self
            .path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| ContainerError::io(&self.name, "syncing its directory", error))?;
        self.summary.total_bytes = total;
        self.summary.file_bytes = self.header.index_offset + self.header.index_bytes;
        Ok(self.summary)
    }
}

/// An empty file of that name that no other process writes: one that was left behind is taken over.
fn create_partial(partial: &Path, name: &str) -> Result<File, ContainerError> {
    let failed = |error| ContainerError::io(name, "creating", error);
    let file = File::options().write(true).create(true).truncate(false).open(partial).map_err(failed)?;
    super::update::lock(&file, name)?;
    // Between opening and locking, another process may have finished the file and given it its name: then it is not ours to empty.
    let inode = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let ours = file.metadata().map(inode).map_err(failed)?;
    if !std::fs::metadata(partial).map(inode).is_ok_and(|named| named == ours) {
        return Err(ContainerError::Busy { name: name.into() });
    }
    file.set_len(0).map_err(failed)?;
    Ok(file)
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.is_finished {
            // Nobody can be told; it is replaced when the same file is written again.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}
