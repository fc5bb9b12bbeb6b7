//! An arena as its threads share it: the ones that touch it, in a signal handler or not, the housekeeper, the prefetcher.
//!
//! ```text
//!  touch ─► serve ─► mine to fill? ─► room ─► slot ─► source ─► UFFDIO_COPY ─► Resident ─► event to the housekeeper
//!                        └─ no: wait for whoever does
//! ```
//!
//! What is called from a signal handler allocates nothing and takes no lock.

use super::counters::Counting;
use super::options::{Access, Action, BlockFault, OnFault};
use super::prefetch::Ahead;
use crate::error::PagerError;
use crate::futex;
use crate::map::Mapping;
use crate::pool::Pool;
use crate::room::Room;
use crate::source::{Source, SourceError};
use crate::state::{State, States, Word};
use crate::uffd::{PAGE_BYTES, Uffd};
use crossbeam_queue::ArrayQueue;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

/// Blocks of so many bytes take longer to decode than another processor to wake.
const WORTH_WAKING_BYTES: usize = 32 << 10;
/// How often a full queue of events is looked at again.
const LOOK: Duration = Duration::from_micros(200);

/// What the housekeeper is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A block was filled.
    Filled(u32),
    /// There is no room for a block that is to be filled.
    Wanted(u32),
    /// A block is used.
    Touched(u32),
    /// A block is not to be evicted, or may be again.
    Hot(u32, bool),
    /// A block is to go.
    Evict(u32),
    /// A block will be used so many steps from now.
    Expected(u32, u32),
    /// A step of the workload.
    Step,
    /// A block could not be filled, or was denied.
    Failed(u32, SourceError),
}

/// Who asks for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A touch of this byte of the arena, which is missing or protected.
    Touch {
        /// The byte.
        offset: usize,
        /// Whether it was a write, or may have been.
        write: bool,
    },
    /// Somebody who will need it.
    Ahead,
}

/// Why a block is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its source failed.
    Source(SourceError),
    /// There is no room.
    Room,
    /// The kernel did not map it: errno.
    Kernel(i32),
    /// The thread that fills it touches it.
    Nested,
}

/// When a touch has waited long enough: the clock is read once there is something to wait for.
struct Until {
    deadline: Duration,
    at: Option<Instant>,
}

impl Until {
    fn new(deadline: Duration) -> Until {
        Until { deadline, at: None }
    }

    fn get(&mut self) -> Instant {
        *self.at.get_or_insert_with(|| Instant::now() + self.deadline)
    }
}

/// An arena.
pub(crate) struct Core {
    pub(crate) mapping: Mapping,
    pub(crate) uffd: Uffd,
    pub(crate) block_bytes: usize,
    pub(crate) blocks: u32,
    pub(crate) access: Access,
    pub(crate) source: std::sync::Arc<dyn Source>,
    pub(crate) states: States,
    /// Pins of each block.
    pub(crate) pins: Box<[AtomicU32]>,
    pub(crate) room: Room,
    pub(crate) events: ArrayQueue<Event>,
    /// Blocks that are advised as hot.
    pub(crate) hot: Box<[AtomicBool]>,
    /// Held while a block is given back to the source, which no signal handler does.
    pub(crate) saving: Mutex<()>,
    /// Whether there is a budget, and so somebody who wants to hear of fills.
    pub(crate) is_bounded: bool,
    /// Grows when there is something for the housekeeper.
    pub(crate) bell: AtomicU32,
    /// The housekeeper sleeps.
    pub(crate) sleeps: AtomicU32,
    /// What the prefetcher is asked for.
    pub(crate) ahead: Ahead,
    pub(crate) counting: Counting,
    pub(crate) on_fault: Option<Box<OnFault>>,
    pub(crate) deadline: Duration,
    pub(crate) fault_around: u32,
    pub(crate) pool: Pool,
    /// The block after the one that a fault filled last.
    pub(crate) next: AtomicU32,
}

impl Core {
    /// Whether pages are mapped protected from writes, so that the first one is told of.
    pub(crate) fn tells_writes(&self) -> bool {
        self.access != Access::ReadOnly
    }

    /// Where a block begins in the mapping.
    pub(crate) fn offset(&self, block: u32) -> usize {
        block as usize * self.block_bytes
    }

    pub(crate) fn address(&self, block: u32) -> usize {
        self.mapping.start() + self.offset(block)
    }

    /// The block at an address, if it is of this arena.
    pub(crate) fn block_at(&self, address: usize) -> Option<u32> {
        let offset = address.checked_sub(self.mapping.start())?;
        (offset < self.mapping.bytes()).then(|| (offset / self.block_bytes) as u32)
    }

    /// Sees to it that a block is there, filled by this thread or by another.
    pub(crate) fn serve(&self, block: u32, cause: Cause) -> Result<(), Refused> {
        let mut until = Until::new(self.deadline);
        let mut waited = false;
        loop {
            let word = self.states.get(block);
            match word.state() {
                State::Absent => {
                    if self.states.change(block, word, State::Filling) {
                        self.fill(block, &mut until)?;
                        if let Cause::Touch { .. } = cause {
                            self.fill_ahead(block);
                        }
                        return Ok(());
                    }
                }
                State::Filling | State::Unmapping | State::Saving => {
                    if word.thread() == futex::thread_number() {
                        return Err(Refused::Nested);
                    }
                    if !self.states.wait(block, word, until.get()) {
                        return Err(Refused::Source(SourceError::Stalled));
                    }
                    waited = true;
                }
                State::Resident | State::Quarantined => match cause {
                    // It came meanwhile; if that was not all, the touch is told of again.
                    Cause::Touch { .. } if waited => return Ok(()),
                    Cause::Touch { offset, write } => {
                        if self.settle(block, word, offset, write)? {
                            return Ok(());
                        }
                    }
                    Cause::Ahead => {
                        if word.state() == State::Resident || self.rescue(block, word) {
                            return Ok(());
                        }
                    }
                },
                State::Dirty | State::Zeros => match cause {
                    Cause::Touch { .. } if waited => return Ok(()),
                    Cause::Touch { offset, write } => {
                        if self.mend(block, word, offset, write)? {
                            return Ok(());
                        }
                    }
                    Cause::Ahead => return Ok(()),
                },
                State::Poisoned => return Err(Refused::Source(SourceError::Poisoned)),
            }
        }
    }

    /// A touch of a block that is mapped was told of: it is a write to protected pages, or it is late, or somebody gave the page back behind the
    /// pager's back. `false` if it is to be looked at again.
    fn settle(&self, block: u32, word: Word, offset: usize, write: bool) -> Result<bool, Refused> {
        if !self.mapping.is_present(offset & !(PAGE_BYTES - 1)) {
            if self.states.change(block, word, State::Filling) {
                // It takes its room anew.
                self.room.give(1);
                self.fill(block, &mut Until::new(self.deadline))?;
                return Ok(true);
            }
            return Ok(false);
        }
        if !self.tells_writes() || !write {
            return Ok(true);
        }
        // Owned while its protection changes: who saves it meanwhile would have the last word on that.
        if !self.states.change(block, word, State::Saving) {
            return Ok(false);
        }
        let open = self.uffd.protect(self.address(block), self.block_bytes, false);
        self.states.set(block, if open.is_ok() { State::Dirty } else { State::Resident });
        open.map_err(Refused::Kernel).map(|()| true)
    }

    /// A touch of a block that was written, or is zeros, was told of: it is late, or a page of it was given back behind the pager's back, or zeros are
    /// written. `false` if it is to be looked at again.
    fn mend(&self, block: u32, word: Word, offset: usize, write: bool) -> Result<bool, Refused> {
        let present = self.mapping.is_present(offset & !(PAGE_BYTES - 1));
        if word.state() == State::Zeros {
            if present && write && self.tells_writes() {
                return Err(Refused::Source(SourceError::ReadOnly));
            }
            if !present && self.states.change(block, word, State::Filling) {
                self.fill(block, &mut Until::new(self.deadline))?;
            }
            return Ok(present);
        }
        if !self.states.change(block, word, State::Saving) {
            return Ok(false);
        }
        let mended = self.refill(block, present);
        self.states.set(block, State::Dirty);
        mended.map(|()| true)
    }

    /// Fills what is missing of a block that was written, and has the rest as it is.
    fn refill(&self, block: u32, present: bool) -> Result<(), Refused> {
        if !present {
            let slot = self.pool.take(|| Instant::now() + self.deadline);
            let mut slot = slot.ok_or(Refused::Source(SourceError::Stalled))?;
            let slot = &mut *slot;
            self.source
                .fill(block.into(), &mut slot.block, &mut slot.scratch)
                .map_err(Refused::Source)?;
            self.uffd.copy(self.address(block), &slot.block, false).map_err(Refused::Kernel)?;
        }
        self.uffd.protect(self.address(block), self.block_bytes, false).map_err(Refused::Kernel)
    }

    /// Keeps a block that was to be unmapped.
    fn rescue(&self, block: u32, word: Word) -> bool {
        let kept = self.states.change(block, word, State::Resident);
        if kept {
            self.counting.rescued.add(1);
            // To the policy it is gone.
            self.tell(Event::Filled(block));
        }
        kept
    }

    /// Fills a block, which is this thread's to fill.
    fn fill(&self, block: u32, until: &mut Until) -> Result<(), Refused> {
        // The kernel's page of zeros takes no memory; a copy of it, of which a write would be told, does.
        if !self.tells_writes() && self.source.is_zeros(block.into()) {
            self.counting.fills.add(1);
            return self.map_zeros(block);
        }
        let ask = || {
            self.counting.waits.add(1);
            self.tell(Event::Wanted(block));
        };
        if !self.room.try_take() && !self.room.take(until.get(), ask) {
            self.states.set(block, State::Absent);
            return Err(Refused::Room);
        }
        loop {
            let Some(mut slot) = self.pool.take(|| until.get()) else {
                self.room.give(1);
                self.states.set(block, State::Absent);
                return Err(Refused::Source(SourceError::Stalled));
            };
            let slot = &mut *slot;
            let found = self.source.fill(block.into(), &mut slot.block, &mut slot.scratch);
            match found {
                Ok(()) => return self.map(block, &slot.block),
                Err(error) => match self.failed(block, error) {
                    Action::Retry if futex::left(until.get()).is_some() => {}
                    Action::Zeros => {
                        self.room.give(1);
                        return self.map_zeros(block);
                    }
                    Action::Retry | Action::Poison => {
                        // If the kernel cannot, the state alone tells the next touch.
                        let _ = self.uffd.poison(self.address(block), self.block_bytes);
                        self.room.give(1);
                        self.states.set(block, State::Poisoned);
                        return Err(Refused::Source(error));
                    }
                },
            }
        }
    }

    fn map(&self, block: u32, bytes: &[u8]) -> Result<(), Refused> {
        match self.uffd.copy(self.address(block), bytes, self.tells_writes()) {
            Ok(()) => {
                self.counting.fills.add(1);
                self.states.set(block, State::Resident);
                self.tell(Event::Filled(block));
                Ok(())
            }
            Err(errno) => {
                self.room.give(1);
                self.states.set(block, State::Absent);
                Err(Refused::Kernel(errno))
            }
        }
    }

    /// Maps zeros, which take no room.
    fn map_zeros(&self, block: u32) -> Result<(), Refused> {
        let mut mapped = self.uffd.zero(self.address(block), self.block_bytes);
        if mapped.is_ok() && self.tells_writes() {
            mapped = self.uffd.protect(self.address(block), self.block_bytes, true);
        }
        self.states.set(block, if mapped.is_ok() { State::Zeros } else { State::Absent });
        mapped.map_err(Refused::Kernel)
    }

    /// A block could not be filled: counts and tells it, and says what to do.
    fn failed(&self, block: u32, error: SourceError) -> Action {
        let denied = matches!(error, SourceError::Denied { .. });
        if denied { &self.counting.denied } else { &self.counting.failed }.add(1);
        self.tell(Event::Failed(block, error));
        let fault = BlockFault { block: block.into(), source: self.source.name(), error };
        let action = self.on_fault.as_ref().map_or(Action::Poison, |told| told(&fault));
        if denied { Action::Zeros } else { action }
    }

    /// Fills what comes next, if faults come in sequence and there is room.
    fn fill_ahead(&self, block: u32) {
        let end = block.saturating_add(1).saturating_add(self.fault_around).min(self.blocks);
        let is_large = self.block_bytes >= WORTH_WAKING_BYTES;
        // Blocks that the prefetcher had filled made no fault.
        let skipped = block.wrapping_sub(self.next.swap(block + 1, Ordering::Relaxed));
        let in_sequence = block > 0 && skipped <= if is_large { self.fault_around } else { 0 };
        if !in_sequence {
            return;
        }
        if is_large {
            // This thread fills the others as it comes to them.
            let absent = |ahead: &u32| self.states.get(*ahead).state() == State::Absent;
            (block + 2..end).step_by(2).filter(absent).for_each(|ahead| {
                self.ahead.ask(ahead);
            });
            return;
        }
        for ahead in block + 1..end {
            let word = self.states.get(ahead);
            if word.state() != State::Absent || self.room.is_wanted() || !self.room.try_take() {
                return;
            }
            if !self.states.change(ahead, word, State::Filling) {
                self.room.give(1);
                return;
            }
            let Some(mut slot) = self.pool.try_take() else {
                self.room.give(1);
                self.states.set(ahead, State::Absent);
                return;
            };
            let slot = &mut *slot;
            // A block that fails is left to its own fault, which says so.
            if self.source.fill(ahead.into(), &mut slot.block, &mut slot.scratch).is_err() {
                self.room.give(1);
                self.states.set(ahead, State::Absent);
                return;
            }
            if self.map(ahead, &slot.block).is_err() {
                return;
            }
            self.counting.ahead.add(1);
            self.next.store(ahead + 1, Ordering::Relaxed);
        }
    }

    /// Unmaps a block at once, if it is in a state that is meant, so that its next touch asks the source again. What another thread does to it is
    /// waited for until then. Says whether it took room: then the policy has to hear of it.
    pub(crate) fn discard(&self, block: u32, which: &impl Fn(State) -> bool, until: Instant) -> Result<bool, Refused> {
        loop {
            let word = self.states.get(block);
            match word.state() {
                State::Filling | State::Unmapping | State::Saving => {
                    if !self.states.wait(block, word, until) {
                        return Err(Refused::Source(SourceError::Stalled));
                    }
                }
                state if !which(state) => return Ok(false),
                state => {
                    if !self.states.change(block, word, State::Unmapping) {
                        continue;
                    }
                    let done = self.mapping.discard(&[(self.offset(block), self.block_bytes)]);
                    self.states.set(block, if done.is_ok() { State::Absent } else { state });
                    done.map_err(Refused::Kernel)?;
                    let took_room = matches!(state, State::Resident | State::Quarantined | State::Dirty);
                    self.room.give(took_room.into());
                    return Ok(took_room);
                }
            }
        }
    }

    /// Tells the housekeeper. A queue that is full is waited for: the housekeeper does not touch the arena. Without a budget it has no policy, and hears of
    /// failures alone.
    pub(crate) fn tell(&self, event: Event) {
        if !self.is_bounded && !matches!(event, Event::Failed(..)) {
            return;
        }
        let mut event = event;
        while let Err(back) = self.events.push(event).map_err(|_| event) {
            event = back;
            self.ring();
            futex::wait(&self.bell, self.bell.load(Ordering::Acquire), LOOK);
        }
        // Either the housekeeper sees the event before it sleeps, or this sees that it sleeps.
        fence(Ordering::SeqCst);
        if self.sleeps.load(Ordering::Relaxed) == 1 {
            self.ring();
        }
    }

    /// Has the housekeeper look.
    pub(crate) fn ring(&self) {
        self.bell.fetch_add(1, Ordering::AcqRel);
        futex::wake_all(&self.bell);
    }

    /// Whether a block is pinned.
    pub(crate) fn is_pinned(&self, block: u32) -> bool {
        fence(Ordering::SeqCst);
        self.pins[block as usize].load(Ordering::Acquire) > 0
    }

    /// The error of a block that is not there.
    pub(crate) fn error(&self, block: u32, refused: Refused) -> PagerError {
        let (block, source_name) = (u64::from(block), self.source.name().to_owned());
        match refused {
            Refused::Source(error) => PagerError::Block { block, source_name, error },
            Refused::Nested => PagerError::Block { block, source_name, error: SourceError::Nested },
            Refused::Kernel(errno) => PagerError::Memory { what: "mapping a block", errno },
            Refused::Room => PagerError::NoRoom {
                waited: self.deadline,
                pinned: self.pins.iter().filter(|pins| pins.load(Ordering::Relaxed) > 0).count() as u64,
                budget: self.room.limit().into(),
            },
        }
    }
}
