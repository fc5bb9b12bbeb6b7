//! How a T3 file is opened.

use std::time::Duration;

use crate::StoreError;

/// How a T3 file is created or opened.
#[derive(Clone, Debug)]
pub struct T3Options {
    /// Operations in the kernel at once, 1 to 4096.
    pub depth: u32,
    /// Operations that may wait for a place in the kernel or for their slot; beyond it a
    /// submission returns [`StoreError::Busy`].
    pub backlog: u32,
    /// Every STORE and DROP is on stable storage before its `Done` (RWF_DSYNC). Off: it survives
    /// the death of the process, but a power loss only after
    /// [`sync`](crate::BlockStore::sync).
    pub durable: bool,
    /// Ask for O_DIRECT. A file system that refuses it gets buffered I/O and a warning; see
    /// [`T3File::direct`](crate::T3File::direct).
    pub direct: bool,
    /// Reserve all space when the file is created, so that a full disk shows then. Off: the file
    /// is sparse and a full disk shows as [`StoreError::NoSpace`] of a STORE.
    pub reserve: bool,
    /// `create` may replace an existing file.
    pub replace: bool,
    /// How long to try for the file's lock. A killed process holds it until the kernel has
    /// cancelled its last operation, so a restart right after a kill needs some patience.
    pub lock_wait: Duration,
    /// How long dropping a `T3File` waits for operations that are still outstanding.
    pub close_wait: Duration,
}

impl Default for T3Options {
    fn default() -> T3Options {
        T3Options {
            depth: 64,
            backlog: 192,
            durable: false,
            direct: true,
            reserve: true,
            replace: false,
            lock_wait: Duration::from_secs(5),
            close_wait: Duration::from_secs(10),
        }
    }
}

impl T3Options {
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.depth {
            1..=4096 => Ok(()),
            depth => Err(StoreError::BadDepth { depth }),
        }
    }
}
