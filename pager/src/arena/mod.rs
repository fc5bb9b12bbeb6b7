//! An arena: a range of addresses whose pages appear when they are touched. `docs/pager.md`.

mod access;
mod core;
mod counters;
mod housekeeper;
mod options;
mod prefetch;
mod tenants;
mod thread;

pub use access::{Advice, Pin};
use core::Refused;
pub(crate) use core::{Cause, Core};
pub use counters::Counters;
pub use options::{Access, Action, BlockFault, Faults, OnFault, Options};

use crate::error::PagerError;
use crate::map::Mapping;
use crate::policy::HepcError;
use crate::pool::Pool;
use crate::room::Room;
use crate::sigbus::{self, Registered};
use crate::source::{Source, SourceError};
use crate::state::{State, States};
use crate::uffd::{Delivery, Uffd};
use counters::Counting;
use crossbeam_queue::ArrayQueue;
use housekeeper::Housekeeper;
use prefetch::Ahead;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

/// Events that wait for the housekeeper.
const EVENTS: usize = 4096;
/// Blocks of an arena at the most.
const MOST_BLOCKS: u64 = u32::MAX as u64 - 1;
/// Greatest block: larger ones take longer to fill than a touch may last.
const MOST_BLOCK_BYTES: usize = 2 << 20;

/// A range of addresses that is filled by a source as it is touched. Dropping it unmaps it; what was written is given back before.
pub struct Arena {
    core: Arc<Core>,
    registered: Option<Registered>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    keeper_stop: Arc<AtomicBool>,
    keeper: Vec<JoinHandle<()>>,
}

impl Arena {
    /// Reserves addresses for all of the source. No memory is taken before it is touched.
    pub fn new(source: Box<dyn Source>, options: Options) -> Result<Arena, PagerError> {
        let Options { block_bytes, access, faults, budget_bytes, policy, batch, fault_around, deadline, on_fault } =
            options;
        if !block_bytes.is_power_of_two() || !(4096..=MOST_BLOCK_BYTES).contains(&block_bytes) {
            return Err(PagerError::BlockBytes { bytes: block_bytes });
        }
        if access == Access::Writable && !source.takes_writes() {
            return Err(PagerError::ReadOnly(source.name().to_owned()));
        }
        let blocks = source.bytes().div_ceil(block_bytes as u64);
        if blocks == 0 || blocks > MOST_BLOCKS {
            return Err(PagerError::Size { bytes: source.bytes(), block_bytes });
        }
        let blocks = blocks as u32;
        let is_bounded = budget_bytes.is_some_and(|bytes| bytes / (block_bytes as u64) < u64::from(blocks));
        let limit = if is_bounded { budget_blocks(budget_bytes, block_bytes, policy.most_blocks())? } else { blocks };
        // What is in quarantine takes room too.
        let batch = batch.clamp(1, 1024).min(limit / 4).max(1);
        let resident = if batch == 1 { limit } else { limit - batch };
        let source: Arc<dyn Source> = source.into();
        let tenants = source.clone();
        let policy = is_bounded
            .then(|| policy.start(blocks, resident, move |block| tenants.tenant(block.into())))
            .transpose()
            .map_err(|error| match error {
                HepcError::Device(error) => PagerError::Device(error),
                HepcError::NoVictim => PagerError::Size { bytes: 0, block_bytes },
            })?;
        let delivery = match faults {
            Faults::InThread => Delivery::Signal,
            Faults::HandlerThread => Delivery::Messages,
        };
        let uffd = Uffd::open(delivery)?;
        let mapping = Mapping::reserve(blocks as usize * block_bytes, block_bytes, access != Access::ReadOnly)?;
        uffd.register(mapping.start(), mapping.bytes(), access != Access::ReadOnly)
            .map_err(|errno| PagerError::Memory { what: "registering an arena with userfaultfd", errno })?;
        let core = Arc::new(Core {
            mapping,
            uffd,
            block_bytes,
            blocks,
            access,
            source,
            states: States::new(blocks),
            pins: (0..blocks).map(|_| AtomicU32::new(0)).collect(),
            room: Room::new(limit),
            events: ArrayQueue::new(EVENTS),
            hot: (0..blocks).map(|_| AtomicBool::new(false)).collect(),
            saving: Mutex::new(()),
            is_bounded,
            bell: AtomicU32::new(0),
            sleeps: AtomicU32::new(0),
            ahead: Ahead::new(),
            counting: Counting::default(),
            on_fault,
            deadline,
            fault_around,
            pool: Pool::new(block_bytes),
            next: AtomicU32::new(0),
        });
        let stop = Arc::new(AtomicBool::new(false));
        let keeper_stop = Arc::new(AtomicBool::new(false));
        let mut arena = Arena { core, registered: None, stop, threads: vec![], keeper_stop, keeper: vec![] };
        let (keeper, stop) = (Housekeeper::new(arena.core.clone(), policy, batch), arena.keeper_stop.clone());
        arena.keeper.push(start("pager housekeeper", move || keeper.run(&stop))?);
        let (core, stop) = (arena.core.clone(), arena.stop.clone());
        arena.threads.push(start("pager prefetch", move || prefetch::run(&core, &stop))?);
        match faults {
            Faults::InThread => arena.registered = Some(sigbus::register(&arena.core)?),
            Faults::HandlerThread => {
                let (core, stop) = (arena.core.clone(), arena.stop.clone());
                arena.threads.push(start("pager faults", move || thread::run(&core, &stop))?);
            }
        }
        Ok(arena)
    }

    /// The first byte.
    pub fn as_ptr(&self) -> *const u8 {
        std::ptr::with_exposed_provenance(self.core.mapping.start())
    }

    /// The first byte, to be written; [`PagerError::ReadOnly`] where that is not allowed.
    pub fn as_mut_ptr(&self) -> Result<*mut u8, PagerError> {
        match self.core.access {
            Access::ReadOnly => Err(PagerError::ReadOnly(self.core.source.name().to_owned())),
            Access::Private | Access::Writable => Ok(std::ptr::with_exposed_provenance_mut(self.core.mapping.start())),
        }
    }

    /// Bytes of the source; those after them in the last block are zeros.
    pub fn bytes(&self) -> u64 {
        self.core.source.bytes()
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> usize {
        self.core.block_bytes
    }

    /// Bytes that are in memory now, quarantine included.
    pub fn resident_bytes(&self) -> u64 {
        u64::from(self.core.room.used()) * self.core.block_bytes as u64
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.core.counting.read()
    }

    /// Gives back to the source what was written, and makes that last.
    pub fn flush(&self) -> Result<(), PagerError> {
        let core = &self.core;
        if core.access != Access::Writable {
            return Ok(());
        }
        let mut buffer = vec![0; core.block_bytes];
        let mut first = None;
        for block in 0..core.blocks {
            if let Err(refused) = self.save(block, &mut buffer) {
                first = first.or(Some(core.error(block, refused)));
            }
        }
        let flushed = core.source.flush().map_err(|error| core.error(0, Refused::Source(error)));
        first.map_or(flushed, Err)
    }

    /// Gives a block back if it was written, and waits for another thread that does.
    fn save(&self, block: u32, buffer: &mut [u8]) -> Result<(), Refused> {
        let core = &self.core;
        let until = Instant::now() + core.deadline;
        loop {
            let word = core.states.get(block);
            match word.state() {
                State::Dirty => {
                    if core.states.change(block, word, State::Saving) {
                        let saved = housekeeper::save(core, block, buffer);
                        core.states.set(block, if saved.is_ok() { State::Resident } else { State::Dirty });
                        return saved.map_err(Refused::Source);
                    }
                }
                State::Saving | State::Unmapping => {
                    if !core.states.wait(block, word, until) {
                        return Err(Refused::Source(SourceError::Stalled));
                    }
                }
                _ => return Ok(()),
            }
        }
    }
}

fn start(what: &'static str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PagerError> {
    let thread = std::thread::Builder::new().name(what.into()).spawn(run);
    thread.map_err(|error| PagerError::Thread { what, error })
}

/// Blocks of a budget that holds fewer than the arena has.
fn budget_blocks(budget_bytes: Option<u64>, block_bytes: usize, most: u32) -> Result<u32, PagerError> {
    let bytes = budget_bytes.unwrap_or(u64::MAX);
    let blocks = bytes / block_bytes as u64;
    match u32::try_from(blocks) {
        Ok(blocks) if blocks > 0 && blocks <= most => Ok(blocks),
        _ => Err(PagerError::Budget { bytes, block_bytes, blocks, most: most.into() }),
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // The prefetcher first: what it is about may need the housekeeper.
        self.stop.store(true, Ordering::Release);
        self.core.ahead.ring();
        join(&mut self.threads);
        self.keeper_stop.store(true, Ordering::Release);
        self.core.ring();
        join(&mut self.keeper);
        if let Err(error) = self.flush() {
            tracing::error!(target: "kvcpu::pager", %error, "what was written is lost");
        }
        // Nobody touches it any more, as they borrow it.
        self.registered = None;
    }
}

fn join(threads: &mut Vec<JoinHandle<()>>) {
    for thread in threads.drain(..) {
        // A panic there was reported by it.
        let _ = thread.join();
    }
}
