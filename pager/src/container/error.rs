//! What is wrong with a `.tza` file, and what to do about it.

use crate::codec::EncodeError;
use crate::container::header::TZA_VERSION;
use crate::keys::KeyError;

/// Why a container could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The operating system refused.
    #[error("{name}: {doing}: {error}")]
    Io {
        /// The file.
        name: String,
        /// What was being done.
        doing: &'static str,
        /// Why not.
        error: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{name}: {fault}")]
    Bad {
        /// The file.
        name: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A block could not be encoded.
    #[error("{name}: block {block}: {error}")]
    Encode {
        /// The file.
        name: String,
        /// The block.
        block: u64,
        /// Why not.
        error: EncodeError,
    },
    /// What was to be written cannot be in a container.
    #[error("{name}: {what}")]
    Refused {
        /// The file.
        name: String,
        /// What it was.
        what: String,
    },
    /// Another process writes to it.
    #[error("{name}: another process writes to it: end that one, or open it for reading")]
    Busy {
        /// The file.
        name: String,
    },
    /// No identifier for a new arena.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl ContainerError {
    pub(super) fn io(name: &str, doing: &'static str, error: impl Into<std::io::Error>) -> ContainerError {
        ContainerError::Io { name: name.into(), doing, error: error.into() }
    }

    pub(super) fn bad(name: &str, fault: Fault) -> ContainerError {
        ContainerError::Bad { name: name.into(), fault }
    }

    pub(super) fn refused(name: &str, what: impl Into<String>) -> ContainerError {
        ContainerError::Refused { name: name.into(), what: what.into() }
    }

    /// What is wrong with the file, if it is the file.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            ContainerError::Bad { fault, .. } => Some(fault),
            _ => None,
        }
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No container, or one that was never finished.
    #[error("this is no .tza file, or one whose sealing was not finished: seal it again")]
    NotTza,
    /// Another version.
    #[error("its format is version {found}, this program reads version {TZA_VERSION}: seal it again with this program")]
    Version {
        /// The version it has.
        found: u32,
    },
    /// Both headers are damaged.
    #[error("the checksum of its header is wrong in both copies: it is damaged, take a copy of the file")]
    HeaderCrc,
    /// A field of the header has no meaning.
    #[error("its header is wrong ({0}): it was not written by a sealer of this version")]
    HeaderField(&'static str),
    /// The index is not within the file.
    #[error("its index should end at byte {end}, the file has {file_bytes}: it was cut short, take a whole copy")]
    Truncated {
        /// Where it should end.
        end: u64,
        /// Where the file ends.
        file_bytes: u64,
    },
    /// The index is larger than any this program reads.
    #[error(
        "its index has {bytes} bytes, more than this program or this machine's memory takes: seal it with larger blocks"
    )]
    IndexTooLarge {
        /// Its bytes.
        bytes: u64,
    },
    /// The index is damaged.
    #[error("the checksum of its index is wrong: it is damaged, take a copy of the file")]
    IndexCrc,
    /// The index was changed.
    #[error("the authentication of its header and index is wrong: someone changed the file, do not trust it")]
    IndexMac,
    /// An entry of the index has no meaning.
    #[error("its index is wrong at block {block}: it was not written by a sealer of this version")]
    Entry {
        /// The block.
        block: u64,
    },
    /// A region, or the table of them, has no meaning.
    #[error("its table of {0} is wrong: it was not written by a sealer of this version")]
    Table(&'static str),
    /// It is encrypted, and there is no key.
    #[error("it is encrypted: give the owner's key file")]
    KeyNeeded,
    /// The key is another's.
    #[error("the key is not the one it was sealed with: give the key file of the owner of arena {arena}")]
    WrongKey {
        /// The arena.
        arena: crate::keys::ArenaId,
    },
    /// It is not encrypted, and there is a key.
    #[error(
        "it is not encrypted, though a key was given: if it should be, someone put another file in its place; else open it without key"
    )]
    NotEncrypted,
    /// Its owner is another.
    #[error(
        "its owner is not the one expected: someone put another file in its place, or it was sealed with another secret"
    )]
    WrongOwner,
}
