//! A thread that fills blocks that will be needed: those that were advised, and every second one of large blocks that are touched in sequence, so that
//! two processors decode.

use super::core::{Cause, Core};
use crate::futex;
use crate::state::State;
use crossbeam_queue::ArrayQueue;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::time::Duration;

/// Blocks that wait to be filled; more are left to their touch.
const ASKED: usize = 1024;
/// How long it sleeps when nobody asks: lost time only if it has to be told to stop.
const SLEEP: Duration = Duration::from_millis(100);

/// What is asked for. A signal handler asks, too: no lock, no heap.
pub(crate) struct Ahead {
    asked: ArrayQueue<u32>,
    bell: AtomicU32,
    sleeps: AtomicU32,
}

impl Ahead {
    pub(super) fn new() -> Ahead {
        Ahead { asked: ArrayQueue::new(ASKED), bell: AtomicU32::new(0), sleeps: AtomicU32::new(0) }
    }

    /// Asks for a block; `false` if too many are asked for already.
    pub(crate) fn ask(&self, block: u32) -> bool {
        let taken = self.asked.push(block).is_ok();
        // Either the thread sees the block before it sleeps, or this sees that it sleeps.
        fence(Ordering::SeqCst);
        if self.sleeps.load(Ordering::Relaxed) == 1 {
            self.ring();
        }
        taken
    }

    /// Has the thread look.
    pub(super) fn ring(&self) {
        self.bell.fetch_add(1, Ordering::AcqRel);
        futex::wake_all(&self.bell);
    }
}

/// Fills what is asked for, until told to stop.
pub(super) fn run(core: &Core, stop: &AtomicBool) {
    let ahead = &core.ahead;
    while !stop.load(Ordering::Acquire) {
        let bell = ahead.bell.load(Ordering::Acquire);
        while let Some(block) = ahead.asked.pop().filter(|_| !stop.load(Ordering::Acquire)) {
            fill(core, block);
        }
        ahead.sleeps.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if ahead.asked.is_empty() {
            futex::wait(&ahead.bell, bell, SLEEP);
        }
        ahead.sleeps.store(0, Ordering::Relaxed);
    }
}

fn fill(core: &Core, block: u32) {
    // What is asked for ahead does not push out what is being waited for.
    if core.states.get(block).state() != State::Absent || core.room.is_wanted() {
        return;
    }
    match core.serve(block, Cause::Ahead) {
        Ok(()) => core.counting.prefetched.add(1),
        Err(refused) => tracing::debug!(target: "kvcpu::pager", block, ?refused, "not prefetched"),
    }
}
