//! What a call came to: a number, and a text for its thread.

use kvcpu_pager::claim::ClaimError;
use kvcpu_pager::container::{ContainerError, Fault};
use kvcpu_pager::keys::KeyError;
use kvcpu_pager::{PagerError, SourceError};
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum KvpStatus {
    /// It is done.
    Ok = 0,
    /// A pointer is null, or not aligned.
    Pointer = -1,
    /// A text is not UTF-8.
    Text = -2,
    /// A number has no meaning, or an options structure none of this version.
    Argument = -3,
    /// A file could not be read.
    File = -4,
    /// The file is no sealed file, or it is damaged.
    Format = -5,
    /// The secret is missing, or it is another's.
    Key = -6,
    /// There is no region of that name.
    NotFound = -7,
    /// Bytes that are not of the arena.
    Range = -8,
    /// A block could not be filled.
    Block = -9,
    /// No valid claim allows the bytes to be read.
    Denied = -10,
    /// More is pinned or hot than the budget holds.
    NoRoom = -11,
    /// The operating system refused memory, userfaultfd or a thread.
    System = -12,
    /// The device that chooses victims failed.
    Device = -13,
    /// A claim was not taken.
    Claim = -14,
    /// A fault of the library itself.
    Internal = -15,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: KvpStatus,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(status: KvpStatus, text: impl ToString) -> Failure {
        Failure { status, text: text.to_string() }
    }
}

impl From<ContainerError> for Failure {
    fn from(error: ContainerError) -> Failure {
        let status = match &error {
            ContainerError::Io { .. } | ContainerError::Busy { .. } => KvpStatus::File,
            ContainerError::Bad {
                fault: Fault::KeyNeeded | Fault::WrongKey { .. } | Fault::NotEncrypted | Fault::WrongOwner,
                ..
            } => KvpStatus::Key,
            ContainerError::Key(_) => KvpStatus::Key,
            _ => KvpStatus::Format,
        };
        Failure::new(status, error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Failure {
        let status = match &error {
            KeyError::File { .. } => KvpStatus::File,
            KeyError::Form { .. } => KvpStatus::Key,
            KeyError::Random => KvpStatus::System,
        };
        Failure::new(status, error)
    }
}

impl From<PagerError> for Failure {
    fn from(error: PagerError) -> Failure {
        let status = match &error {
            PagerError::Block { error: SourceError::Denied { .. }, .. } => KvpStatus::Denied,
            PagerError::Block { .. } => KvpStatus::Block,
            PagerError::Range { .. } => KvpStatus::Range,
            PagerError::NoRoom { .. } => KvpStatus::NoRoom,
            PagerError::Device(_) => KvpStatus::Device,
            PagerError::BlockBytes { .. } | PagerError::Size { .. } | PagerError::Budget { .. } => KvpStatus::Argument,
            _ => KvpStatus::System,
        };
        Failure::new(status, error)
    }
}

impl From<ClaimError> for Failure {
    fn from(error: ClaimError) -> Failure {
        Failure::new(KvpStatus::Claim, error)
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Runs a call: what it came to is the status, and its text the thread's.
pub(crate) fn call(body: impl FnOnce() -> Result<(), Failure>) -> c_int {
    // After a panic nothing here is used but by calls that find it as the pager left it, whose locks are not poisoned by that.
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return KvpStatus::Ok as c_int,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("without a text");
            Failure::new(KvpStatus::Internal, format!("a fault of the pager's: {text}"))
        }
    };
    let Failure { status, text } = failure;
    let text = CString::new(text.replace('\0', "\\0")).unwrap_or_default();
    // A thread that is ending keeps no text.
    let _ = LAST.try_with(|last| last.replace(text));
    status as c_int
}

/// The text of the calling thread's last error: what went wrong, and what to do about it. Never null; empty if there was none, and valid
/// until the thread's next error.
#[allow(unsafe_code, reason = "the name is the library's own: nothing else is called so")]
#[unsafe(no_mangle)]
pub extern "C" fn kvp_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}
