//! The thread that keeps an arena within its budget: hears of fills, asks the policy who goes, and unmaps that in batches.
//!
//! ```text
//!  events ─► policy ─► victim ─┬─ read-only ─► quarantine: still mapped ─► a batch is full, or room is wanted ─► unmapped by one call
//!                              └─ written ───► saved ─────────────────────────────────────────────────────► unmapped
//! ```
//!
//! A block in quarantine is read without a fault, as LUF has it for read-only pages in the kernel; who pins it takes it out again. Blocks
//! that may be written bypass it: what is written there must not go on after they were saved.

use super::core::{Core, Event};
use super::options::Access;
use super::tenants::Tenants;
use crate::futex;
use crate::policy::{HepcError, Victims};
use crate::source::SourceError;
use crate::state::State;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long it sleeps when nothing rings: lost time only if it has to be told to stop.
const SLEEP: Duration = Duration::from_millis(100);

/// The housekeeper of one arena.
pub(super) struct Housekeeper {
    core: Arc<Core>,
    policy: Option<Box<dyn Victims>>,
    batch: usize,
    /// Blocks that are still mapped.
    quarantine: Vec<u32>,
    victims: Vec<u32>,
    ranges: Vec<(usize, usize)>,
    /// A block that is saved.
    buffer: Box<[u8]>,
    tenants: Tenants,
    /// The policy failed: it is not asked again, and nothing is evicted.
    broken: bool,
}

impl Housekeeper {
    pub(super) fn new(core: Arc<Core>, policy: Option<Box<dyn Victims>>, batch: u32) -> Housekeeper {
        let tenants = Tenants::new(&core);
        let (batch, buffer) = (batch as usize, vec![0; core.block_bytes].into());
        Housekeeper {
            core,
            policy,
            batch,
            quarantine: vec![],
            victims: vec![],
            ranges: vec![],
            buffer,
            tenants,
            broken: false,
        }
    }

    /// Works until told to stop.
    pub(super) fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let bell = self.core.bell.load(Ordering::Acquire);
            self.work();
            self.look_at_tenants();
            self.core.sleeps.store(1, Ordering::Relaxed);
            // Either this sees the event, or who pushes it sees that this sleeps.
            fence(Ordering::SeqCst);
            if self.core.events.is_empty() {
                futex::wait(&self.core.bell, bell, SLEEP);
            }
            self.core.sleeps.store(0, Ordering::Relaxed);
        }
    }

    /// Unmaps what may not be read any more.
    fn look_at_tenants(&mut self) {
        let mut gone = vec![];
        self.tenants.look(&self.core, &mut gone);
        gone.into_iter().for_each(|block| self.ask(|policy, _| policy.gone(block)));
    }

    /// All that there is to do now.
    fn work(&mut self) {
        while let Some(event) = self.core.events.pop() {
            self.hear(event);
            if self.quarantine.len() >= self.batch {
                self.unmap();
            }
        }
        if self.core.room.is_short() {
            self.unmap();
        }
    }

    fn hear(&mut self, event: Event) {
        if let Event::Failed(block, error) = event {
            if let SourceError::Denied { tenant } = error {
                self.tenants.denied(tenant);
            }
            let (source, denied) = (self.core.source.name(), matches!(error, SourceError::Denied { .. }));
            if denied {
                tracing::info!(target: "kvcpu::pager", block, source, %error, "denied: the block is zeros");
            } else {
                tracing::error!(target: "kvcpu::pager", block, source, %error, "the block could not be filled");
            }
            return;
        }
        self.ask(|policy, victims| match event {
            Event::Filled(block) | Event::Wanted(block) => policy.filled(block, victims),
            Event::Touched(block) => policy.touched(block),
            Event::Hot(block, on) => policy.hot(block, on),
            Event::Expected(block, steps) => policy.expected(block, steps),
            Event::Step => policy.step(),
            Event::Evict(block) => policy.gone(block).map(|()| victims.push(block)),
            Event::Failed(..) => Ok(()),
        });
        while let Some(victim) = self.victims.pop() {
            self.evict(victim);
        }
    }

    /// Asks the policy, unless it has failed before.
    fn ask(&mut self, of: impl FnOnce(&mut dyn Victims, &mut Vec<u32>) -> Result<(), HepcError>) {
        let Some(policy) = self.policy.as_mut().filter(|_| !self.broken) else { return };
        match of(&mut **policy, &mut self.victims) {
            Ok(()) => {}
            // Who wants room is told so by its deadline.
            Err(HepcError::NoVictim) => tracing::debug!(target: "kvcpu::pager", "no block can go"),
            Err(error) => {
                tracing::error!(target: "kvcpu::pager", %error, "the policy failed: nothing is evicted any more");
                self.broken = true;
            }
        }
    }

    /// A block is to go.
    fn evict(&mut self, block: u32) {
        let core = self.core.clone();
        loop {
            let word = core.states.get(block);
            match word.state() {
                // What is not mapped has nothing to give; what is being filled will be heard of.
                State::Absent | State::Filling | State::Zeros | State::Poisoned | State::Quarantined => return,
                // Another thread saves, opens or unmaps it, and waits for nobody.
                State::Unmapping | State::Saving => {
                    if !core.states.wait(block, word, Instant::now() + core.deadline) {
                        return self.ask(|policy, victims| policy.filled(block, victims));
                    }
                }
                State::Resident if core.access == Access::ReadOnly => {
                    if core.states.change(block, word, State::Quarantined) {
                        core.counting.evicted.add(1);
                        self.quarantine.push(block);
                        return;
                    }
                }
                State::Resident => {
                    if core.states.change(block, word, State::Unmapping) {
                        core.counting.evicted.add(1);
                        return self.unmap_owned(block);
                    }
                }
                State::Dirty if core.access == Access::Private => return self.keep(block),
                State::Dirty => {
                    if core.states.change(block, word, State::Saving) {
                        return self.save_and_unmap(block);
                    }
                }
            }
        }
    }

    /// A block that cannot go: the policy, which has forgotten it, is to look for another.
    fn keep(&mut self, block: u32) {
        self.ask(|policy, victims| {
            policy.filled(block, victims)?;
            policy.hot(block, true)
        });
    }

    /// Unmaps what is in quarantine.
    fn unmap(&mut self) {
        let core = self.core.clone();
        self.ranges.clear();
        let mut blocks = std::mem::take(&mut self.quarantine);
        let mut pinned = vec![];
        blocks.retain(|&block| {
            let word = core.states.get(block);
            // Rescued meanwhile, and evicted again perhaps: then it is in the list a second time.
            if word.state() != State::Quarantined || !core.states.change(block, word, State::Unmapping) {
                return false;
            }
            if core.is_pinned(block) {
                core.states.set(block, State::Resident);
                pinned.push(block);
                return false;
            }
            true
        });
        blocks.sort_unstable();
        for &block in &blocks {
            let offset = core.offset(block);
            match self.ranges.last_mut() {
                Some((start, bytes)) if *start + *bytes == offset => *bytes += core.block_bytes,
                _ => self.ranges.push((offset, core.block_bytes)),
            }
        }
        self.discard(&blocks);
        blocks.clear();
        self.quarantine = blocks;
        pinned.into_iter().for_each(|block| self.keep(block));
    }

    /// Unmaps one block, which this thread owns.
    fn unmap_owned(&mut self, block: u32) {
        if self.core.is_pinned(block) {
            self.core.states.set(block, State::Resident);
            return self.keep(block);
        }
        self.ranges.clear();
        self.ranges.push((self.core.offset(block), self.core.block_bytes));
        self.discard(&[block]);
    }

    /// Gives the pages of `ranges` back, which are those of `blocks`, and has them filled anew when they are touched.
    fn discard(&mut self, blocks: &[u32]) {
        if blocks.is_empty() {
            return;
        }
        let core = self.core.clone();
        match core.mapping.discard(&self.ranges) {
            Ok(calls) => {
                core.counting.batches.add(calls.into());
                core.counting.unmapped.add(blocks.len() as u64);
                blocks.iter().for_each(|&block| core.states.set(block, State::Absent));
                core.room.give(blocks.len() as u32);
            }
            Err(errno) => {
                // They are there as before, or in part: a touch of what is missing fills it again.
                let error = std::io::Error::from_raw_os_error(errno);
                tracing::error!(target: "kvcpu::pager", %error, "blocks could not be unmapped");
                blocks.iter().for_each(|&block| core.states.set(block, State::Resident));
                blocks.iter().for_each(|&block| self.ask(|policy, victims| policy.filled(block, victims)));
            }
        }
    }

    /// Gives a block that was written back to its source, and unmaps it.
    fn save_and_unmap(&mut self, block: u32) {
        match save(&self.core, block, &mut self.buffer) {
            Ok(()) => {
                self.core.counting.evicted.add(1);
                self.core.states.set(block, State::Unmapping);
                self.unmap_owned(block);
            }
            Err(error) => {
                let source = self.core.source.name();
                tracing::error!(target: "kvcpu::pager", block, source, %error, "a block that was written could not be saved, and stays in memory");
                self.core.states.set(block, State::Dirty);
                self.keep(block);
            }
        }
    }
}

/// Gives a block, which this thread owns as Saving, back to its source by way of `buffer`. Its pages are protected from writes afterwards if it was
/// saved, and may be written if not.
pub(super) fn save(core: &Core, block: u32, buffer: &mut [u8]) -> Result<(), SourceError> {
    let _held = core.saving.lock().unwrap_or_else(PoisonError::into_inner);
    let address = core.address(block);
    core.uffd.protect(address, core.block_bytes, true).map_err(SourceError::Io)?;
    core.mapping.read(core.offset(block), buffer);
    let saved = core.source.write_back(block.into(), buffer);
    match saved {
        Ok(()) => core.counting.saved.add(1),
        // Should this fail, the next write is told of.
        Err(_) => {
            let _ = core.uffd.protect(address, core.block_bytes, false);
        }
    }
    saved
}
