//! Free lists, quarantine and invalidations: docs/moves.md and docs/luf.md.
//!
//! Acknowledgements of agents only decide how long a command waits, so they are not modelled.

use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

use super::{Block, Model};

impl Model {
    /// One invalidation for all frames in quarantine.
    fn flush(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.counters.shootdowns_sent += 1;
        for (tier, frame) in self.quarantine.drain(..) {
            self.tiers[tier].free.push_back(frame);
        }
    }

    /// The frame of `block` is no longer its home.
    pub(crate) fn retire(&mut self, block: &Block) {
        if self.agents == 0 {
            self.tiers[block.tier].free.push_back(block.frame);
            return;
        }
        self.counters.shootdowns_needed += 1;
        self.quarantine.push_back((block.tier, block.frame));
        if !(self.lazy && block.is(EntryFlags::READ_ONLY)) {
            self.flush();
        }
    }

    /// A frame of `tier` is wanted: one must be on the free list, and the first one quiet.
    pub(crate) fn await_frame(&mut self, tier: usize) {
        if self.tiers[tier].free.is_empty() {
            self.exhausted += 1;
            self.flush();
        }
        let busy = |model: &Model| {
            let head = model.tiers[tier].free.front();
            model.moves.iter().any(|m| m.from == tier && Some(&m.from_frame) == head)
        };
        if busy(self) {
            self.acknowledge();
        }
    }

    /// Takes the first free frame.
    pub(crate) fn take_frame(&mut self, tier: usize) -> u32 {
        self.tiers[tier].used += 1;
        self.tiers[tier].free.pop_front().expect("await_frame saw to it")
    }
}
