//! The tier itself: submissions, their order, and their completions.
//!
//! The kernel may carry out two operations in any order, so this file never gives it two on one
//! slot: while a slot has an operation in the kernel or in `ready`, later ones wait behind it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvcpu_mmio::DmaMemory;

use crate::open::{self, OpenFile, io_error};
use crate::outcome::Outcome;
use crate::page::Pool;
use crate::recovery::{self, Recovery};
use crate::span::Span;
use crate::uring::{Direction, Finished, Queue, Ring, Transfer};
use crate::{BlockStore, Done, Key, Layout, Op, SlotHeader, StoreError, T3Options};

/// A block tier in a file, held under an exclusive lock.
///
/// Dropping it carries out what was submitted and waits for it, for
/// [`close_wait`](T3Options::close_wait) at most; [`close`](T3File::close) does the same and says
/// how it went.
pub struct T3File {
    ring: Ring<Pending>,
    path: Arc<Path>,
    layout: Layout,
    direct: bool,
    options: T3Options,
    /// Operations that may go to the kernel as soon as it has room.
    ready: VecDeque<Pending>,
    /// Slots with an operation in the kernel or in `ready`, and those waiting behind it.
    busy: HashMap<u32, VecDeque<Pending>>,
    outstanding: usize,
    generation: u64,
    pool: Pool,
    finished: Vec<Finished<Pending>>,
}

/// A submitted operation.
struct Pending {
    id: u64,
    slot: u32,
    work: Work,
}

enum Work {
    Store { span: Span, header: SlotHeader },
    Fetch { span: Span, key: Key },
    Drop { generation: u64 },
}

impl T3File {
    /// Makes a new file with the default options: `slots` empty slots for blocks of `block_bytes`,
    /// a multiple of 8.
    pub fn create(path: impl AsRef<Path>, block_bytes: usize, slots: u32) -> Result<T3File, StoreError> {
        T3File::create_with(path, block_bytes, slots, &T3Options::default())
    }

    /// Makes a new file.
    pub fn create_with(
        path: impl AsRef<Path>,
        block_bytes: usize,
        slots: u32,
        options: &T3Options,
    ) -> Result<T3File, StoreError> {
        options.check()?;
        let layout = Layout::new(block_bytes, slots)?;
        let queue = Queue::new(options.depth)?;
        Ok(T3File::new(open::create(path.as_ref(), layout, options)?, queue, options, 0))
    }

    /// Opens an existing file with the default options and reads every slot that was ever written.
    pub fn open(path: impl AsRef<Path>) -> Result<(T3File, Recovery), StoreError> {
        T3File::open_with(path, &T3Options::default())
    }

    /// Opens an existing file and reads every slot that was ever written. Changes nothing in it,
    /// whatever its state: torn slots stay as they are until something is stored there.
    pub fn open_with(path: impl AsRef<Path>, options: &T3Options) -> Result<(T3File, Recovery), StoreError> {
        options.check()?;
        let queue = Queue::new(options.depth)?;
        let open = open::open(path.as_ref(), options)?;
        let recovery = recovery::scan(&open)?;
        let Recovery { whole, torn, empty, missing, last_generation } = &recovery;
        if torn.is_empty() && *missing == 0 {
            tracing::info!(file = %open.path.display(), whole = whole.len(), empty, "T3 file opened");
        } else {
            let (whole, torn) = (whole.len(), torn.len());
            tracing::warn!(file = %open.path.display(), whole, torn, missing, empty, "T3 file opened with blocks lost");
        }
        let last_generation = *last_generation;
        Ok((T3File::new(open, queue, options, last_generation), recovery))
    }

    fn new(open: OpenFile, queue: Queue, options: &T3Options, generation: u64) -> T3File {
        let OpenFile { file, path, layout, direct } = open;
        T3File {
            ring: Ring::new(queue, file),
            path,
            layout,
            direct,
            options: options.clone(),
            ready: VecDeque::new(),
            busy: HashMap::new(),
            outstanding: 0,
            generation,
            pool: Pool::default(),
            finished: Vec::new(),
        }
    }

    /// Whether transfers bypass the page cache.
    pub fn direct(&self) -> bool {
        self.direct
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's geometry.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Carries out what was submitted, waits for it and closes the file. The results are not
    /// reported; [`StoreError::Timeout`] if they do not come in time.
    pub fn close(mut self, timeout: Duration) -> Result<(), StoreError> {
        let drained = self.drain(timeout);
        self.options.close_wait = Duration::ZERO; // it has been waited for
        drained
    }

    fn drain(&mut self, timeout: Duration) -> Result<(), StoreError> {
        let deadline = Instant::now() + timeout;
        let mut done = Vec::new();
        while self.outstanding > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.wait(left, &mut done)? == 0 && left.is_zero() {
                let waited_ms = timeout.as_millis() as u64;
                return Err(StoreError::Timeout { file: self.path.clone(), outstanding: self.outstanding, waited_ms });
            }
            done.clear();
        }
        Ok(())
    }

    fn admit(&self, slot: u32) -> Result<(), StoreError> {
        let slots = self.layout.slots();
        if slot >= slots {
            return Err(StoreError::BadSlot { slot, slots });
        }
        let limit = (self.options.depth as usize) + (self.options.backlog as usize);
        if self.outstanding >= limit {
            return Err(StoreError::Busy { outstanding: self.outstanding, limit });
        }
        Ok(())
    }

    fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    fn enqueue(&mut self, id: u64, slot: u32, work: Work) {
        self.outstanding += 1;
        let pending = Pending { id, slot, work };
        match self.busy.get_mut(&slot) {
            Some(waiting) => waiting.push_back(pending),
            None => {
                self.busy.insert(slot, VecDeque::new());
                self.ready.push_back(pending);
            }
        }
    }

    /// Gives the kernel as much of `ready` as it has room for.
    fn pump(&mut self) -> Result<(), StoreError> {
        while self.ring.has_room() {
            let Some(pending) = self.ready.pop_front() else { break };
            let transfer = self.transfer(&pending);
            self.ring.start(transfer, pending);
        }
        self.ring
            .submit()
            .map_err(|source| io_error(&self.path, "cannot submit to io_uring", source))
    }

    /// The bytes of an operation. Memory that O_DIRECT cannot use goes by way of the pages.
    fn transfer(&mut self, pending: &Pending) -> Transfer {
        let (span, direction) = match &pending.work {
            Work::Store { span, .. } => (Some(span), self.write_direction()),
            Work::Fetch { span, .. } => (Some(span), Direction::Read),
            Work::Drop { .. } => (None, self.write_direction()),
        };
        let direct_span = span.filter(|span| span.is_page_aligned());
        let bounced = span.is_some() && direct_span.is_none();
        let mut pages = self.pool.take(if bounced { 1 + self.layout.block_pages() } else { 1 });
        match &pending.work {
            Work::Store { span, header } => {
                header.encode(self.layout.block_bytes(), &mut pages[0]);
                if bounced {
                    span.copy_to(&mut pages[1..]);
                }
            }
            Work::Fetch { .. } => {}
            Work::Drop { generation } => SlotHeader::encode_dropped(pending.slot, *generation, &mut pages[0]),
        }
        Transfer { direction, offset: self.layout.slot_offset(pending.slot), pages, span: direct_span.cloned() }
    }

    fn write_direction(&self) -> Direction {
        if self.options.durable { Direction::WriteDurable } else { Direction::Write }
    }

    fn collect(&mut self, done: &mut Vec<Done>) -> usize {
        let mut finished = std::mem::take(&mut self.finished);
        self.ring.reap(&mut finished);
        let count = finished.len();
        for Finished { transfer, context: Pending { id, slot, work }, result } in finished.drain(..) {
            let (file, path, layout) = (self.ring.file(), &self.path, &self.layout);
            let outcome = Outcome { file, path, layout, slot, transfer: &transfer, result };
            let result = match &work {
                Work::Store { header, .. } => outcome.written(Op::Store).map(|()| header.crc32c),
                Work::Drop { .. } => outcome.written(Op::Drop).map(|()| 0),
                Work::Fetch { span, key } => outcome.fetched(*key, span),
            };
            if let Err(error) = &result {
                tracing::debug!(id, slot, %error, "T3 operation failed");
            }
            done.push(Done { id, result });
            self.pool.give(transfer.pages);
            self.outstanding -= 1;
            match self.busy.get_mut(&slot).and_then(VecDeque::pop_front) {
                Some(next) => self.ready.push_back(next),
                None => drop(self.busy.remove(&slot)),
            }
        }
        self.finished = finished;
        count
    }
}

impl BlockStore for T3File {
    fn block_bytes(&self) -> usize {
        self.layout.block_bytes()
    }

    fn slots(&self) -> u32 {
        self.layout.slots()
    }

    fn outstanding(&self) -> usize {
        self.outstanding
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
        let header = SlotHeader { slot, key, generation: self.next_generation(), crc32c };
        self.enqueue(id, slot, Work::Store { span, header });
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
        self.enqueue(id, slot, Work::Fetch { span, key });
        Ok(())
    }

    fn drop_slot(&mut self, id: u64, slot: u32) -> Result<(), StoreError> {
        self.admit(slot)?;
        let generation = self.next_generation();
        self.enqueue(id, slot, Work::Drop { generation });
        Ok(())
    }

    fn poll(&mut self, done: &mut Vec<Done>) -> Result<usize, StoreError> {
        self.pump()?;
        let count = self.collect(done);
        if count > 0 {
            self.pump()?; // those that waited for a slot or for room
        }
        Ok(count)
    }

    fn wait(&mut self, timeout: Duration, done: &mut Vec<Done>) -> Result<usize, StoreError> {
        let deadline = Instant::now() + timeout;
        loop {
            let count = self.poll(done)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if count > 0 || self.outstanding == 0 || left.is_zero() {
                return Ok(count);
            }
            self.ring
                .wait(left)
                .map_err(|source| io_error(&self.path, "cannot wait for io_uring", source))?;
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        rustix::fs::fdatasync(self.ring.file()).map_err(|source| io_error(&self.path, "cannot sync it", source))
    }
}

impl Drop for T3File {
    fn drop(&mut self) {
        match self.drain(self.options.close_wait) {
            Ok(()) => open::unlock(self.ring.file()),
            // The kernel keeps the lock for as long as it may still write.
            Err(error) => tracing::warn!(%error, "T3 file closed before its operations ended"),
        }
    }
}

impl fmt::Debug for T3File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("T3File");
        out.field("path", &self.path).field("layout", &self.layout).field("direct", &self.direct);
        out.field("outstanding", &self.outstanding).finish_non_exhaustive()
    }
}
