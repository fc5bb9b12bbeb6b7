//! What a completed transfer means: whether the write is all there, and whether what was read is
//! the block that was asked for.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::layout::{SlotState, decode_slot};
use crate::open::{io_error, no_space};
use crate::page::crc32c;
use crate::span::Span;
use crate::uring::Transfer;
use crate::{Key, Layout, Op, StoreError, TornReason};

/// A completed transfer of one slot.
pub(crate) struct Outcome<'a> {
    pub(crate) file: &'a File,
    pub(crate) path: &'a Arc<Path>,
    pub(crate) layout: &'a Layout,
    pub(crate) slot: u32,
    pub(crate) transfer: &'a Transfer,
    pub(crate) result: Result<usize, Errno>,
}

impl Outcome<'_> {
    /// Of a STORE or DROP.
    pub(crate) fn written(&self, op: Op) -> Result<(), StoreError> {
        let (slot, bytes) = (self.slot, self.transfer.bytes());
        match self.result {
            Ok(through) if through == bytes => Ok(()),
            Ok(through) => {
                let what = format!("{op} of slot {slot} stopped after {through} of {bytes} bytes");
                Err(io_error(self.path, what, Errno::IO))
            }
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Err(no_space(self.file, self.path, bytes as u64)),
            Err(source) => Err(io_error(self.path, format!("{op} of slot {slot}"), source)),
        }
    }

    /// Of a FETCH. Hands out a block only if it is whole and the one asked for; otherwise wipes
    /// what came into the caller's memory, which may be another tenant's.
    pub(crate) fn fetched(&self, key: Key, span: &Span) -> Result<u32, StoreError> {
        let bounced = self.transfer.span.is_none();
        let judged = self.judge(key, span);
        match (&judged, bounced) {
            (Ok(_), true) => span.copy_from(&self.transfer.pages[1..]),
            (Err(_), false) => span.zero(),
            (Ok(_), false) | (Err(_), true) => {}
        }
        judged
    }

    fn judge(&self, key: Key, span: &Span) -> Result<u32, StoreError> {
        let (slot, bytes) = (self.slot, self.transfer.bytes());
        let file = || Arc::clone(self.path);
        let torn = |reason| StoreError::Torn { file: file(), slot, expected: key, reason };
        let through = self
            .result
            .map_err(|source| io_error(self.path, format!("FETCH of slot {slot}"), source))?;
        if through < bytes {
            return Err(torn(TornReason::Cut { expected: bytes as u64, found: through as u64 }));
        }
        let header = match decode_slot(&self.transfer.pages[0], slot, self.layout).map_err(torn)? {
            SlotState::Block(header) => header,
            SlotState::Blank | SlotState::Dropped { .. } => {
                return Err(StoreError::Empty { file: file(), slot, expected: key });
            }
        };
        if header.key != key {
            return Err(StoreError::WrongKey { file: file(), slot, expected: key, found: header.key });
        }
        let found = match &self.transfer.span {
            Some(_) => span.crc32c(),
            None => crc32c(&self.transfer.pages[1..], self.layout.block_bytes()),
        };
        if found != header.crc32c {
            return Err(torn(TornReason::BlockCrc { expected: header.crc32c, found }));
        }
        Ok(found)
    }
}
