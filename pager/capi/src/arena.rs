//! An arena: opened, asked, closed.
#![allow(unsafe_code, reason = "pointers and names of C; each function's description is its caller's promise")]

use crate::options::KvpOptions;
use crate::pointers::{at, give, path, room, take, text};
use crate::status::{Failure, KvpStatus, call};
use kvcpu_pager::container::OpenOptions;
use kvcpu_pager::{Arena, Container, OwnerSecret, Source};
use std::ffi::{c_char, c_int, c_void};
use std::ops::Range;
use std::sync::Arc;

/// A sealed file that is open. Any number of threads may use it at once.
pub struct KvpArena(pub(crate) Arc<Open>);

/// What is open as long as a handle or a pin is.
pub(crate) struct Open {
    pub(crate) arena: Arena,
    pub(crate) container: Arc<Container>,
}

/// What an arena has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct KvpCounters {
    /// Faults served.
    pub faults: u64,
    /// Blocks filled, by faults and otherwise.
    pub fills: u64,
    /// Of these, blocks filled ahead, as faults came in sequence.
    pub ahead: u64,
    /// Of these, blocks filled as they were advised to be.
    pub prefetched: u64,
    /// Blocks that were denied, and are zeros.
    pub denied: u64,
    /// Blocks that could not be filled.
    pub failed: u64,
    /// Blocks that the policy had evicted.
    pub evicted: u64,
    /// Of these, blocks that were asked for before they were unmapped, and stayed.
    pub rescued: u64,
    /// Blocks unmapped.
    pub unmapped: u64,
    /// Calls that unmapped them.
    pub batches: u64,
    /// Waits for room in the budget.
    pub waits: u64,
    /// Bytes that are in memory now.
    pub resident_bytes: u64,
}

impl Open {
    /// Bytes from an offset on, which are of the arena.
    pub(crate) fn range(&self, offset: u64, bytes: u64) -> Result<Range<u64>, Failure> {
        let length = self.arena.bytes();
        match offset.checked_add(bytes) {
            Some(end) if end <= length => Ok(offset..end),
            _ => Err(Failure::new(KvpStatus::Range, format!("{bytes} bytes from {offset} of an arena of {length}"))),
        }
    }

    /// The ranges of the blocks of those tenants.
    pub(crate) fn blocks_of(&self, which: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<u64>> {
        let (block_bytes, length) = (self.arena.block_bytes() as u64, self.arena.bytes());
        (0..self.container.header().blocks())
            .filter(move |&block| which(self.container.tenant(block)))
            .map(move |block| block * block_bytes..((block + 1) * block_bytes).min(length))
    }

    /// Fails if a tenant's bytes in the range may not be read now.
    pub(crate) fn allowed(&self, range: &Range<u64>) -> Result<(), Failure> {
        let block_bytes = self.arena.block_bytes() as u64;
        let blocks = range.start / block_bytes..range.end.div_ceil(block_bytes);
        if self.container.requirements().is_empty() {
            return Ok(());
        }
        match blocks
            .map(|block| self.container.tenant(block))
            .find(|&tenant| !self.container.is_allowed(tenant))
        {
            Some(tenant) => {
                Err(Failure::new(KvpStatus::Denied, format!("no valid claim for tenant {tenant}: present one")))
            }
            None => Ok(()),
        }
    }
}

/// Opens a sealed file and reserves addresses for all of it. `secret` is the path of the owner's 32 bytes, or their 64 hex digits, and null
/// if the file is not encrypted; `options` may be null, for the default. The handle is written to `arena`, and only on success.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_open(
    file: *const c_char,
    secret: *const c_char,
    options: *const KvpOptions,
    arena: *mut *mut KvpArena,
) -> c_int {
    call(|| {
        // SAFETY: all four are as the caller promises.
        let (handle, file) = unsafe { (room(arena, "arena")?, path(file, "file")?) };
        let secret = match secret.is_null() {
            true => None,
            // SAFETY: as above.
            false => Some(OwnerSecret::read(unsafe { path(secret, "secret") }?)?),
        };
        // SAFETY: as above.
        let options = unsafe { KvpOptions::read(options) }?;
        let how = OpenOptions { secret: secret.as_ref(), ..OpenOptions::default() };
        let container = Arc::new(Container::open(file, how)?);
        let options = options.for_container(&container)?;
        let arena = Arena::new(Box::new(container.clone()), options)?;
        give(handle, KvpArena(Arc::new(Open { arena, container })));
        Ok(())
    })
}

/// Closes an arena. Its memory goes with it, or with the last of its pins: nobody may touch it after that. The handle is not to be used any
/// more; a handle that was closed cannot be told from one that was not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_close(arena: *mut KvpArena) -> c_int {
    // SAFETY: as the caller promises.
    call(|| unsafe { take(arena, "arena") }.map(drop))
}

/// The first byte. Memory from there on is filled when it is touched; the kernel's own touches, as by write(2) from it, fail with EFAULT
/// unless the bytes are pinned. What cannot be filled is a SIGBUS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_address(arena: *const KvpArena, address: *mut *const c_void) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let (arena, address) = unsafe { (at(arena, "arena")?, room(address, "address")?) };
        address.write(arena.0.arena.as_ptr().cast());
        Ok(())
    })
}

/// Bytes of the file that was sealed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_length(arena: *const KvpArena, bytes: *mut u64) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let (arena, bytes) = unsafe { (at(arena, "arena")?, room(bytes, "bytes")?) };
        bytes.write(arena.0.arena.bytes());
        Ok(())
    })
}

/// Bytes of a block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_block_bytes(arena: *const KvpArena, bytes: *mut u64) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let (arena, bytes) = unsafe { (at(arena, "arena")?, room(bytes, "bytes")?) };
        bytes.write(arena.0.arena.block_bytes() as u64);
        Ok(())
    })
}

/// Where the region of that name is: a tensor of a safetensors or GGUF file, or the whole of another file, by its file name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_region(
    arena: *const KvpArena,
    name: *const c_char,
    offset: *mut u64,
    bytes: *mut u64,
) -> c_int {
    call(|| {
        // SAFETY: as the caller promises.
        let (arena, name) = unsafe { (at(arena, "arena")?, text(name, "name")?) };
        // SAFETY: as above.
        let (offset, bytes) = unsafe { (room(offset, "offset")?, room(bytes, "bytes")?) };
        let region = arena.0.container.region(name);
        let region = region.ok_or_else(|| Failure::new(KvpStatus::NotFound, format!("there is no region {name}")))?;
        offset.write(region.offset);
        bytes.write(region.bytes);
        Ok(())
    })
}

/// Reads the counters into a structure of `size` bytes, sizeof(kvp_counters). What a later version of it has more is left as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvp_read_counters(arena: *const KvpArena, counters: *mut KvpCounters, size: usize) -> c_int {
    call(|| {
        // SAFETY: as the caller promises, but for the size.
        let arena = unsafe { at(arena, "arena")? };
        if size < size_of::<KvpCounters>() {
            let text = format!("counters of {size} bytes: give sizeof(kvp_counters)");
            return Err(Failure::new(KvpStatus::Argument, text));
        }
        // SAFETY: there is room for all of it.
        let to = unsafe { room(counters, "counters")? };
        let now = arena.0.arena.counters();
        to.write(KvpCounters {
            faults: now.faults,
            fills: now.fills,
            ahead: now.ahead,
            prefetched: now.prefetched,
            denied: now.denied,
            failed: now.failed,
            evicted: now.evicted,
            rescued: now.rescued,
            unmapped: now.unmapped,
            batches: now.batches,
            waits: now.waits,
            resident_bytes: arena.0.arena.resident_bytes(),
        });
        Ok(())
    })
}
