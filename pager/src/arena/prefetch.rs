//! A thread that fills blocks that will be needed, while there is room that nobody waits for.

use super::core::{Cause, Core};
use crate::state::State;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Fills what it is told of until nobody tells it any more.
pub(super) fn run(core: &Arc<Core>, asked: &Receiver<u32>) {
    for block in asked {
        // What is asked for ahead does not push out what is being waited for.
        if core.states.get(block).state() != State::Absent || core.room.is_wanted() {
            continue;
        }
        match core.serve(block, Cause::Ahead) {
            Ok(()) => core.counting.prefetched.add(1),
            Err(refused) => tracing::debug!(target: "kvcpu::pager", block, ?refused, "not prefetched"),
        }
    }
}
