//! A thread that serves the faults of an arena by messages: those of the kernel too.

use super::core::{Cause, Core};
use crate::state::State;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long it waits for a fault until it looks whether it is to stop.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Serves faults until told to stop.
pub(super) fn run(core: &Arc<Core>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        match core.uffd.next_fault() {
            Ok(Some(fault)) => {
                let Some(block) = core.block_at(fault.address) else { continue };
                core.counting.faults.add(1);
                let offset = fault.address - core.mapping.start();
                let (address, bytes) = (core.address(block), core.block_bytes);
                if let Err(refused) = core.serve(block, Cause::Touch { offset, write: fault.protected }) {
                    // Whoever touched it would wait for ever: a page that is poisoned lets it go on to a SIGBUS of its own.
                    tracing::error!(target: "kvcpu::pager", block, ?refused, "the fault could not be served");
                    let word = core.states.get(block);
                    if word.state() == State::Absent && core.states.change(block, word, State::Filling) {
                        let _ = core.uffd.poison(address, bytes);
                        core.states.set(block, State::Poisoned);
                    }
                }
                // What was filled by another thread has woken nobody who came later. Without a range of this arena there is nobody.
                let _ = core.uffd.wake(address, bytes);
            }
            // Whether a fault came or the time is over is seen by the next look.
            Ok(None) => {
                let _ = poll(&mut [PollFd::new(&core.uffd, PollFlags::IN)], Some(&LOOK));
            }
            Err(errno) => {
                let error = std::io::Error::from_raw_os_error(errno);
                tracing::error!(target: "kvcpu::pager", %error, "faults cannot be read any more");
                return;
            }
        }
    }
}
