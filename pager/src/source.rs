//! Where the bytes of an arena's blocks come from. `docs/pager.md`, Sources.
//!
//! A fill may run in a signal handler, on the thread that touched the block: it allocates nothing, takes no lock that its own thread could
//! hold, and says what went wrong in a value without a heap. What it needs beside the block is in a [`Scratch`], made before.

use crate::codec::Scratch;

/// Why a block could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused to read: errno.
    #[error("reading failed: {}", std::io::Error::from_raw_os_error(*.0))]
    Io(i32),
    /// The source ends before the block does.
    #[error("the source is truncated")]
    Truncated,
    /// The checksum of the stored bytes is another.
    #[error("its checksum is wrong: the stored bytes are damaged")]
    Checksum,
    /// The tag of the encrypted bytes is another: they, or what they belong to, were changed.
    #[error("its tag is wrong: the stored bytes were changed, or belong to another block, arena or key")]
    Tag,
    /// The compressed bytes are none, or are those of a block of another size.
    #[error("it does not decompress to a block")]
    Decompress,
    /// The source is of blocks of another size, or the scratch is for smaller ones.
    #[error("the source's block size is not the arena's")]
    BlockSize,
    /// No valid claim allows the tenant's blocks to be read: the block is zeros.
    #[error("no valid claim for tenant {tenant}")]
    Denied {
        /// The tenant whose block it is.
        tenant: u8,
    },
    /// The source did not answer in time.
    #[error("the source did not answer in time")]
    Stalled,
    /// It was poisoned, as it could not be filled before.
    #[error("it could not be filled before, and is poisoned")]
    Poisoned,
    /// The thread that fills it touches it.
    #[error("the source touches the block that it is to fill")]
    Nested,
    /// The source takes no blocks back.
    #[error("the source takes no blocks back")]
    ReadOnly,
    /// A source of the user's failed in its own way.
    #[error("the source failed with code {0}")]
    Other(i32),
}

/// What fills blocks.
pub trait Source: Send + Sync {
    /// Bytes that there are, a multiple of the block size or not: what is missing of the last block is zeros.
    fn bytes(&self) -> u64;

    /// Fills `out`, a whole block of the arena's block size, with block `block`. What it leaves in `out` on an error is not looked at.
    fn fill(&self, block: u64, out: &mut [u8], scratch: &mut Scratch) -> Result<(), SourceError>;

    /// Whether a tenant's blocks may be read now. Asked some ten times a second, so that what was allowed and is not any more goes.
    fn is_allowed(&self, _tenant: u8) -> bool {
        true
    }

    /// Whether a block is nothing but zeros, so that it need not be filled.
    fn is_zeros(&self, _block: u64) -> bool {
        false
    }

    /// Whether blocks can be given back.
    fn takes_writes(&self) -> bool {
        false
    }

    /// Takes a block back that was written. Called by one thread at a time, which is no signal handler.
    fn write_back(&self, _block: u64, _bytes: &[u8]) -> Result<(), SourceError> {
        Err(SourceError::ReadOnly)
    }

    /// Makes what was taken back last.
    fn flush(&self) -> Result<(), SourceError> {
        Ok(())
    }

    /// The tenant whose block it is, for its key in the device.
    fn tenant(&self, _block: u64) -> u8 {
        0
    }

    /// What it is, for errors: a file's path, or a word.
    fn name(&self) -> &str;
}

/// Zeros.
#[derive(Clone, Copy, Debug)]
pub struct Zero {
    /// Bytes.
    pub bytes: u64,
}

impl Source for Zero {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn fill(&self, _block: u64, out: &mut [u8], _scratch: &mut Scratch) -> Result<(), SourceError> {
        out.fill(0);
        Ok(())
    }

    fn is_zeros(&self, _block: u64) -> bool {
        true
    }

    fn name(&self) -> &str {
        "zero"
    }
}

/// A payload, repeated.
#[derive(Clone, Debug)]
pub struct Static {
    payload: Box<[u8]>,
    bytes: u64,
}

impl Static {
    /// `payload` over and over, so many bytes in all; `None` if it is empty.
    pub fn new(payload: &[u8], bytes: u64) -> Option<Static> {
        (!payload.is_empty()).then(|| Static { payload: payload.into(), bytes })
    }
}

impl Source for Static {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn fill(&self, block: u64, out: &mut [u8], _scratch: &mut Scratch) -> Result<(), SourceError> {
        let length = self.payload.len();
        let mut from = (u128::from(block) * out.len() as u128 % length as u128) as usize;
        let mut rest = out;
        while !rest.is_empty() {
            let piece = &self.payload[from..];
            let (now, later) = rest.split_at_mut(piece.len().min(rest.len()));
            now.copy_from_slice(&piece[..now.len()]);
            (rest, from) = (later, 0);
        }
        Ok(())
    }

    fn name(&self) -> &str {
        "static"
    }
}

/// One source for an arena and for whoever else has it.
impl<S: Source + ?Sized> Source for std::sync::Arc<S> {
    fn bytes(&self) -> u64 {
        (**self).bytes()
    }

    fn fill(&self, block: u64, out: &mut [u8], scratch: &mut Scratch) -> Result<(), SourceError> {
        (**self).fill(block, out, scratch)
    }

    fn is_allowed(&self, tenant: u8) -> bool {
        (**self).is_allowed(tenant)
    }

    fn is_zeros(&self, block: u64) -> bool {
        (**self).is_zeros(block)
    }

    fn takes_writes(&self) -> bool {
        (**self).takes_writes()
    }

    fn write_back(&self, block: u64, bytes: &[u8]) -> Result<(), SourceError> {
        (**self).write_back(block, bytes)
    }

    fn flush(&self) -> Result<(), SourceError> {
        (**self).flush()
    }

    fn tenant(&self, block: u64) -> u8 {
        (**self).tenant(block)
    }

    fn name(&self) -> &str {
        (**self).name()
    }
}
