//! T3 in memory, for those who want the tier without a file: same rules, same errors, no io_uring,
//! gone with the process.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kvcpu_mmio::DmaMemory;

use crate::page::{Page, crc32c as crc32c_of, pages};
use crate::span::Span;
use crate::{BlockStore, Done, Key, Layout, StoreError, TornReason};

/// Operations not yet reported that it takes; as many as a [`T3File`](crate::T3File) by default.
const LIMIT: usize = 256;

/// A block tier in memory. It grows with the blocks that are in it.
#[derive(Debug)]
pub struct MemStore {
    layout: Layout,
    name: Arc<Path>,
    blocks: HashMap<u32, Block>,
    submitted: VecDeque<Pending>,
}

struct Block {
    key: Key,
    crc32c: u32,
    pages: Box<[Page]>,
}

struct Pending {
    id: u64,
    slot: u32,
    work: Work,
}

enum Work {
    Store { span: Span, key: Key, crc32c: u32 },
    Fetch { span: Span, key: Key },
    Drop,
}

impl MemStore {
    /// `slots` empty slots for blocks of `block_bytes`, a multiple of 8.
    pub fn new(block_bytes: usize, slots: u32) -> Result<MemStore, StoreError> {
        Ok(MemStore {
            layout: Layout::new(block_bytes, slots)?,
            name: Arc::from(Path::new("memory")),
            blocks: HashMap::new(),
            submitted: VecDeque::new(),
        })
    }

    fn admit(&self, slot: u32) -> Result<(), StoreError> {
        let slots = self.layout.slots();
        if slot >= slots {
            return Err(StoreError::BadSlot { slot, slots });
        }
        if self.submitted.len() >= LIMIT {
            return Err(StoreError::Busy { outstanding: self.submitted.len(), limit: LIMIT });
        }
        Ok(())
    }

    fn carry_out(&mut self, slot: u32, work: Work) -> Result<u32, StoreError> {
        match work {
            Work::Store { span, key, crc32c } => {
                let mut pages = pages(self.layout.block_pages());
                span.copy_to(&mut pages);
                self.blocks.insert(slot, Block { key, crc32c, pages });
                Ok(crc32c)
            }
            Work::Fetch { span, key } => {
                let file = || Arc::clone(&self.name);
                let block =
                    self.blocks
                        .get(&slot)
                        .ok_or_else(|| StoreError::Empty { file: file(), slot, expected: key })?;
                if block.key != key {
                    return Err(StoreError::WrongKey { file: file(), slot, expected: key, found: block.key });
                }
                let found = crc32c_of(&block.pages, self.layout.block_bytes());
                if found != block.crc32c {
                    // The memory changed between the submission of the store and its end.
                    let reason = TornReason::BlockCrc { expected: block.crc32c, found };
                    return Err(StoreError::Torn { file: file(), slot, expected: key, reason });
                }
                span.copy_from(&block.pages);
                Ok(found)
            }
            Work::Drop => {
                self.blocks.remove(&slot);
                Ok(0)
            }
        }
    }
}

impl BlockStore for MemStore {
    fn block_bytes(&self) -> usize {
        self.layout.block_bytes()
    }

    fn slots(&self) -> u32 {
        self.layout.slots()
    }

    fn outstanding(&self) -> usize {
        self.submitted.len()
    }

    fn submit_store(
        &mut self,
        id: u64,
        slot: u32,
        key: Key,
        memory: &Arc<dyn DmaMemory>,
        offset: usize,
        crc32c: u32,
    ) -> Result<(), StoreError> {
        self.admit(slot)?;
        let span = Span::new(memory, offset, self.layout.block_bytes())?;
        let found = span.crc32c();
        if found != crc32c {
            return Err(StoreError::CrcMismatch { slot, key, expected: crc32c, found });
        }
        self.submitted.push_back(Pending { id, slot, work: Work::Store { span, key, crc32c } });
        Ok(())
    }

    fn submit_fetch(
        &mut self,
        id: u64,
        slot: u32,
        key: Key,
        memory: &Arc<dyn DmaMemory>,
        offset: usize,
    ) -> Result<(), StoreError> {
        self.admit(slot)?;
        let span = Span::new(memory, offset, self.layout.block_bytes())?;
        self.submitted.push_back(Pending { id, slot, work: Work::Fetch { span, key } });
        Ok(())
    }

    fn drop_slot(&mut self, id: u64, slot: u32) -> Result<(), StoreError> {
        self.admit(slot)?;
        self.submitted.push_back(Pending { id, slot, work: Work::Drop });
        Ok(())
    }

    fn poll(&mut self, done: &mut Vec<Done>) -> Result<usize, StoreError> {
        let count = self.submitted.len();
        while let Some(Pending { id, slot, work }) = self.submitted.pop_front() {
            let result = self.carry_out(slot, work);
            done.push(Done { id, result });
        }
        Ok(count)
    }

    fn wait(&mut self, _timeout: Duration, done: &mut Vec<Done>) -> Result<usize, StoreError> {
        self.poll(done)
    }

    /// Does nothing: memory does not survive anything.
    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} crc32c {:#010x}", self.key, self.crc32c)
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let op = match self.work {
            Work::Store { .. } => crate::Op::Store,
            Work::Fetch { .. } => crate::Op::Fetch,
            Work::Drop => crate::Op::Drop,
        };
        write!(f, "{}: {op} slot {}", self.id, self.slot)
    }
}
