//! What can be wrong with a trace, in words a person can act on: line, reason, remedy.

use std::io;
use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

use super::read::Skipped;

/// A trace could not be read.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The file could not be opened.
    #[error("cannot open trace {}: {source}", path.display())]
    Open {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes stopped coming: a read error, or a damaged or truncated compressed stream.
    #[error(
        "cannot read on after line {after_line}: {source}; check that a .gz or .zst file is whole (gzip -t, zstd -t)"
    )]
    Read {
        /// The last line that was whole.
        after_line: u64,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// A line is bad, and bad lines are not to be skipped.
    #[error("{0}")]
    Line(#[from] BadLine),
    /// Nothing is left to work on.
    #[error(
        "the trace holds no usable request ({} lines were skipped as bad); \
         expected one JSON object a line with timestamp, input_length, output_length and hash_ids", skipped.total
    )]
    Empty {
        /// What was skipped on the way.
        skipped: Skipped,
    },
    /// More references than the in-memory form numbers.
    #[error("line {line}: more than 2^32 - 2 block references; read a part of the trace with a limit on requests")]
    TooLarge {
        /// The line that would not fit.
        line: u64,
    },
}

/// A bad line: where and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Error)]
#[error("line {line}: {reason}")]
pub struct BadLine {
    /// Line number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: BadReason,
}

/// What is wrong with a line, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BadReason {
    /// Not a JSON object.
    #[error("malformed JSON at column {column}: {message}; each line must be one complete JSON object")]
    Malformed {
        /// Column of the first wrong character, from 1.
        column: usize,
        /// The parser's words.
        message: String,
    },
    /// The last line ends in the middle of its object.
    #[error(
        "the last line stops after {bytes} bytes in the middle of its object; the file was cut short, fetch it again"
    )]
    Truncated {
        /// Bytes of the line that are there.
        bytes: usize,
    },
    /// A field is not there.
    #[error("field `{field}` is missing; a request needs timestamp, input_length, output_length and hash_ids")]
    MissingField {
        /// The missing field.
        field: &'static str,
    },
    /// A field is negative, fractional, of the wrong type or out of range.
    #[error("field `{field}` is {value}, expected {expected}")]
    BadNumber {
        /// The offending field.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A prompt of some length without blocks.
    #[error("input_length is {input_tokens} but hash_ids is empty; a prompt needs an id for each of its blocks")]
    EmptyIds {
        /// The prompt's length.
        input_tokens: u32,
    },
    /// More blocks than tokens.
    #[error("{blocks} hash_ids for an input_length of {input_tokens}; a block holds at least one token")]
    MoreIdsThanTokens {
        /// Number of ids.
        blocks: usize,
        /// The prompt's length.
        input_tokens: u32,
    },
    /// A block id with two different parents.
    #[error(
        "hash_ids are not prefix-closed: block {id} follows {} here but {} before; \
         equal ids must mean equal prefixes (hash each block together with its parent)",
        parent_name(*parent),
        parent_name(*expected)
    )]
    NotPrefixClosed {
        /// The block.
        id: u64,
        /// Its parent in this line; `None` where it begins the chain.
        parent: Option<u64>,
        /// Its parent in earlier lines.
        expected: Option<u64>,
    },
    /// A block id twice in one request.
    #[error(
        "block {id} appears twice in one request; equal ids must mean equal prefixes (hash each block together with its parent)"
    )]
    RepeatedId {
        /// The block.
        id: u64,
    },
    /// Time runs backwards.
    #[error(
        "timestamp {timestamp_ms} ms is before the previous request's {previous_ms} ms; sort the trace by timestamp"
    )]
    OutOfOrder {
        /// This line's time.
        timestamp_ms: u64,
        /// The latest time so far.
        previous_ms: u64,
    },
    /// A line too long to be a request.
    #[error("the line is over {limit_bytes} bytes; is this a JSONL trace with a newline after each request?")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
}

/// The kind of a [`BadReason`], for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BadKind {
    /// [`BadReason::Malformed`]
    Malformed,
    /// [`BadReason::Truncated`]
    Truncated,
    /// [`BadReason::MissingField`]
    MissingField,
    /// [`BadReason::BadNumber`]
    BadNumber,
    /// [`BadReason::EmptyIds`]
    EmptyIds,
    /// [`BadReason::MoreIdsThanTokens`]
    MoreIdsThanTokens,
    /// [`BadReason::NotPrefixClosed`]
    NotPrefixClosed,
    /// [`BadReason::RepeatedId`]
    RepeatedId,
    /// [`BadReason::OutOfOrder`]
    OutOfOrder,
    /// [`BadReason::TooLong`]
    TooLong,
}

impl BadReason {
    /// The reason's kind, without its particulars.
    pub fn kind(&self) -> BadKind {
        match self {
            Self::Malformed { .. } => BadKind::Malformed,
            Self::Truncated { .. } => BadKind::Truncated,
            Self::MissingField { .. } => BadKind::MissingField,
            Self::BadNumber { .. } => BadKind::BadNumber,
            Self::EmptyIds { .. } => BadKind::EmptyIds,
            Self::MoreIdsThanTokens { .. } => BadKind::MoreIdsThanTokens,
            Self::NotPrefixClosed { .. } => BadKind::NotPrefixClosed,
            Self::RepeatedId { .. } => BadKind::RepeatedId,
            Self::OutOfOrder { .. } => BadKind::OutOfOrder,
            Self::TooLong { .. } => BadKind::TooLong,
        }
    }
}

fn parent_name(parent: Option<u64>) -> String {
    parent.map_or_else(|| "no block".to_owned(), |id| format!("block {id}"))
}
