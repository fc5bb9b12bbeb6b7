//! The `.tza` file: an arena, sealed. `docs/tza.md`.
//!
//! ```text
//!   0      4096     8192                                              end
//!   ├ header ┼ header ┼ stored block ┼ stored block ┼ ... ┼ index ┤
//!        │ the same, for a torn write                        ▲
//!        └────────────────── names ──────────────────────────┘
//! ```
//!
//! Opening trusts nothing: each field is checked against the file before it is used, and what a count claims is allocated only as far as
//! there are bytes for it. After that a fill needs no check but that of the block's own tag or checksum.

mod entries;
mod error;
mod file;
mod header;
mod index;
mod update;
mod verify;
mod writer;

pub use error::{ContainerError, Fault};
pub use header::{Header, TZA_VERSION};
pub use index::{MAX_DIMENSIONS, MAX_REGIONS, Region};
pub use verify::{DamagedBlock, Verification};
pub use writer::{Summary, Writer, WriterOptions};

use crate::claim::{Claims, Requirement};
use crate::codec::{Place, Scratch, decode};
use crate::keys::{ArenaKeys, BlockKey, OwnerSecret, PublicKey};
use crate::source::{Source, SourceError};
use entries::Entries;
use index::{MAX_INDEX_BYTES, Tables};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use update::Updates;

/// How a container is opened.
#[derive(Clone, Copy, Default)]
pub struct OpenOptions<'a> {
    /// The owner's secret: needed if it is encrypted, and then it must be.
    pub secret: Option<&'a OwnerSecret>,
    /// The owner it must have, if one is expected. With a secret, that secret's in any case.
    pub owner: Option<PublicKey>,
    /// Whether blocks are to be updated: needs the right to write the file, and that no other process does.
    pub writable: bool,
}

/// A `.tza` file that is open.
pub struct Container {
    file: File,
    name: String,
    header: Header,
    entries: Entries,
    tables: Tables,
    arena_keys: Option<ArenaKeys>,
    /// The keys of those tenants that have blocks: made when it is opened, a fill may not.
    block_keys: Box<[Option<BlockKey>]>,
    claims: Arc<Claims>,
    updates: Option<Mutex<Updates>>,
}

impl Container {
    /// Opens a file.
    pub fn open(path: &Path, options: OpenOptions<'_>) -> Result<Container, ContainerError> {
        let name = path.display().to_string();
        let file = File::options()
            .read(true)
            .write(options.writable)
            .open(path)
            .map_err(|error| ContainerError::io(&name, "opening", error))?;
        Container::from_file(file, &name, options)
    }

    /// From a file that is open; `name` is for errors.
    pub fn from_file(file: File, name: &str, options: OpenOptions<'_>) -> Result<Container, ContainerError> {
        if options.writable {
            update::lock(&file, name)?;
        }
        let file_bytes = file
            .metadata()
            .map_err(|error| ContainerError::io(name, "reading its length", error))?
            .len();
        let (header, slot) = header::read(&file, name)?;
        let bad = |fault| ContainerError::bad(name, fault);
        let arena_keys = keys(&header, options).map_err(bad)?;
        let index = read_index(&file, name, &header, file_bytes)?;
        match &arena_keys {
            Some(keys) if !keys.verify_index(&header.covered(), &index, &header.mac) => {
                return Err(bad(Fault::IndexMac));
            }
            _ => {}
        }
        let (bytes, tables) = index::parse(&index, &header).map_err(bad)?;
        let no_memory = || bad(Fault::IndexTooLarge { bytes: header.index_bytes });
        let entries = Entries::new(bytes).ok_or_else(no_memory)?;
        let mut block_keys: Box<[Option<BlockKey>]> = (0..256).map(|_| None).collect();
        if let Some(keys) = &arena_keys {
            for entry in bytes.iter().filter_map(index::Entry::from_bytes) {
                block_keys[usize::from(entry.tenant)].get_or_insert_with(|| keys.block_key(entry.tenant));
            }
        }
        let claims = Arc::new(Claims::new(header.arena, header.owner, tables.requirements.clone()));
        let updates = options.writable.then(|| Mutex::new(Updates::new(header, slot, file_bytes)));
        Ok(Container { file, name: name.into(), header, entries, tables, arena_keys, block_keys, claims, updates })
    }

    /// The header as it was when the file was opened.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The claims that decide which tenants' blocks are read: present them here.
    pub fn claims(&self) -> &Arc<Claims> {
        &self.claims
    }

    /// Its named parts, in the order of the file that was sealed.
    pub fn regions(&self) -> &[Region] {
        &self.tables.regions
    }

    /// The part of that name.
    pub fn region(&self, name: &str) -> Option<&Region> {
        self.tables.regions.iter().find(|region| region.name == name)
    }

    /// What tenants require; of one that is not here nothing is.
    pub fn requirements(&self) -> &[(u8, Requirement)] {
        &self.tables.requirements
    }

    /// Says in the log what a source's error has no room for.
    fn not_written(&self, error: &ContainerError) -> SourceError {
        tracing::error!(target: "kvcpu::pager", name = self.name, %error, "a block was not written back");
        match error {
            ContainerError::Io { error, .. } => SourceError::Io(error.raw_os_error().unwrap_or(libc::EIO)),
            _ => SourceError::ReadOnly,
        }
    }

    /// Reads and decodes a block, whatever the claims are.
    fn read(&self, block: u64, out: &mut [u8], scratch: &mut Scratch) -> Result<u8, SourceError> {
        if out.len() != self.header.block_size.bytes() {
            return Err(SourceError::BlockSize);
        }
        let entry = self.entries.get(block).ok_or(SourceError::Truncated)?;
        let (stored, work) = scratch.parts(entry.stored.length as usize).ok_or(SourceError::BlockSize)?;
        file::read_exact_at(&self.file, stored, entry.offset).map_err(|error| match error {
            rustix::io::Errno::NODATA => SourceError::Truncated,
            error => SourceError::Io(error.raw_os_error()),
        })?;
        let key = self.block_keys.get(usize::from(entry.tenant)).and_then(Option::as_ref);
        let place = Place { arena: self.header.arena, block };
        decode(&entry.stored, stored, key, place, out, work)?;
        Ok(entry.tenant)
    }
}

impl Source for Container {
    fn bytes(&self) -> u64 {
        self.header.total_bytes
    }

    fn fill(&self, block: u64, out: &mut [u8], scratch: &mut Scratch) -> Result<(), SourceError> {
        let tenant = self.tenant(block);
        if !self.claims.allowed_now(tenant) {
            return Err(SourceError::Denied { tenant });
        }
        self.read(block, out, scratch).map(|_| ())
    }

    fn tenant(&self, block: u64) -> u8 {
        self.entries.get(block).map_or(0, |entry| entry.tenant)
    }

    fn is_allowed(&self, tenant: u8) -> bool {
        self.claims.allowed_now(tenant)
    }

    fn takes_writes(&self) -> bool {
        self.updates.is_some()
    }

    fn write_back(&self, block: u64, bytes: &[u8]) -> Result<(), SourceError> {
        self.update_block(block, bytes).map_err(|error| self.not_written(&error))
    }

    fn flush(&self) -> Result<(), SourceError> {
        self.commit().map_err(|error| self.not_written(&error))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The arena's keys, if it is encrypted; that they are the right ones is known here.
fn keys(header: &Header, options: OpenOptions<'_>) -> Result<Option<ArenaKeys>, Fault> {
    if options.owner.is_some_and(|owner| header.owner != Some(owner)) {
        return Err(Fault::WrongOwner);
    }
    let secret = match (header.encrypted, options.secret) {
        (false, None) => return Ok(None),
        (false, Some(_)) => return Err(Fault::NotEncrypted),
        (true, None) => return Err(Fault::KeyNeeded),
        (true, Some(secret)) => secret,
    };
    let keys = secret.arena_keys(header.arena);
    if !keys.matches(&header.key_check) {
        return Err(Fault::WrongKey { arena: header.arena });
    }
    if header.owner != Some(secret.signing_key().public()) {
        return Err(Fault::WrongOwner);
    }
    Ok(Some(keys))
}

/// The bytes of the index, if it is within the file, of a size that can be, and undamaged.
fn read_index(file: &File, name: &str, header: &Header, file_bytes: u64) -> Result<Vec<u8>, ContainerError> {
    let bad = |fault| Err(ContainerError::bad(name, fault));
    let bytes = header.index_bytes;
    match header.index_offset.checked_add(bytes) {
        Some(end) if end <= file_bytes => {}
        end => return bad(Fault::Truncated { end: end.unwrap_or(u64::MAX), file_bytes }),
    }
    let mut index = Vec::new();
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes > MAX_INDEX_BYTES || index.try_reserve_exact(length).is_err() {
        return bad(Fault::IndexTooLarge { bytes });
    }
    index.resize(length, 0);
    file::read_exact_at(file, &mut index, header.index_offset)
        .map_err(|error| ContainerError::io(name, "reading its index", error))?;
    if crc32c::crc32c(&index) != header.index_crc {
        return bad(Fault::IndexCrc);
    }
    Ok(index)
}
