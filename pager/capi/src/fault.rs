//! Blocks that could not be filled or were denied, as C is told of them.
#![allow(unsafe_code, reason = "a function of C is called, with a context that goes from thread to thread")]

use kvcpu_pager::{Action, BlockFault, SourceError};
use std::ffi::{c_int, c_void};

/// Why a block could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum KvpCause {
    /// Something newer than this list.
    Other = 0,
    /// The operating system refused to read; the detail is its errno.
    Io = 1,
    /// The file ends before the block does.
    Truncated = 2,
    /// The stored bytes are damaged.
    Checksum = 3,
    /// The stored bytes were changed, or are another block's.
    Tag = 4,
    /// They do not decompress.
    Decompress = 5,
    /// No valid claim; the detail is the tenant. The block is zeros, whatever the answer.
    Denied = 6,
    /// It was not there in time.
    Stalled = 7,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum KvpAction {
    /// The touch is a SIGBUS, which goes to the handler before the pager's, and by default ends the process.
    Poison = 0,
    /// The block is zeros from now on.
    Zeros = 1,
    /// Try again until the deadline; then as Poison.
    Retry = 2,
}

/// A block that could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct KvpFault {
    /// Its number: its first byte is this many blocks from the start.
    pub block: u64,
    /// Why, a kvp_cause.
    pub cause: i32,
    /// More of that, as the cause says; otherwise 0.
    pub detail: i32,
}

/// Is told of blocks that could not be filled or were denied, and answers with a kvp_action; anything else is Poison. It is called on any
/// thread, on several at once, also in the handler of a SIGBUS on the thread that touched the block: it may do only what signal-safety(7)
/// allows, calls nothing of this library, throws no exception and does not longjmp. The fault is valid during the call.
pub type KvpOnFault = Option<unsafe extern "C" fn(context: *mut c_void, fault: *const KvpFault) -> c_int>;

/// The caller's function, with what it is given.
pub(crate) struct Callback {
    pub(crate) function: unsafe extern "C" fn(*mut c_void, *const KvpFault) -> c_int,
    pub(crate) context: *mut c_void,
}

// SAFETY: the context is only passed on to the function, which by its description is called on any thread.
unsafe impl Send for Callback {}
// SAFETY: as above; and by its description on several at once.
unsafe impl Sync for Callback {}

impl Callback {
    /// Tells of a fault. Allocates nothing, as it may be in a signal handler.
    pub(crate) fn tell(&self, fault: &BlockFault<'_>) -> Action {
        let (cause, detail) = match fault.error {
            SourceError::Io(errno) => (KvpCause::Io, errno),
            SourceError::Truncated => (KvpCause::Truncated, 0),
            SourceError::Checksum => (KvpCause::Checksum, 0),
            SourceError::Tag => (KvpCause::Tag, 0),
            SourceError::Decompress => (KvpCause::Decompress, 0),
            SourceError::Denied { tenant } => (KvpCause::Denied, tenant.into()),
            SourceError::Stalled => (KvpCause::Stalled, 0),
            SourceError::Other(code) => (KvpCause::Other, code),
            _ => (KvpCause::Other, 0),
        };
        let fault = KvpFault { block: fault.block, cause: cause as i32, detail };
        // SAFETY: who opened the arena says that the function may be called so, with this context, while the arena is open.
        let answer = unsafe { (self.function)(self.context, &fault) };
        match answer {
            answer if answer == KvpAction::Zeros as c_int => Action::Zeros,
            answer if answer == KvpAction::Retry as c_int => Action::Retry,
            _ => Action::Poison,
        }
    }
}
