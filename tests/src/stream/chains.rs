//! Uses of chains as a runtime makes them: TOUCH from the root on, then INSERT of what missed, hints for the whole.
//!
//! Some chains are popular, others are read in a loop that is longer than the capacity: where the policies differ.

use kvcpu_driver::{Insert, sqe};
use kvcpu_mmio::queue::{Key, Opcode, Scope, Sqe};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::commands::{Stream, next_use};

/// Blocks of the longest chain.
const LONGEST: u64 = 6;

impl Stream {
    /// Plans one use of a chain.
    pub(super) fn plan_chain(&mut self, rng: &mut ChaCha8Rng) {
        let root = self.root(rng);
        let length = rng.random_range(1..=LONGEST) as u16;
        let touched = rng.random_range(0..=length);
        // Mostly the device knows what was touched; the runtime may insert that once more.
        let from = if rng.random_bool(0.3) { rng.random_range(0..=touched) } else { touched };
        for depth in 0..touched {
            let (key, parent) = block(root, depth);
            self.planned.push_back(sqe::touch(key, parent));
        }
        if rng.random_bool(0.05) {
            let step = self.advance(rng);
            self.planned.push_back(step);
        }
        let (tier, flags) = (self.tier(rng), EntryFlags::READ_ONLY);
        let flags = if rng.random_bool(0.1) { flags | EntryFlags::PREFIX } else { flags };
        for depth in from..length {
            let (key, parent) = block(root, depth);
            self.planned.push_back(sqe::insert(&Insert { key, tier, depth, flags, parent }));
        }
        let mut hint = |opcode: Opcode, argument| {
            let hint = Sqe { opcode: opcode.code(), key: root, scope: Scope::Range.code(), ..Sqe::default() };
            self.planned.push_back(Sqe { count: length.into(), argument, ..hint });
        };
        if rng.random_bool(0.06) {
            hint(Opcode::Dead, 0);
        }
        if rng.random_bool(0.12) {
            hint(Opcode::Prefetch, next_use(self.step, rng));
        }
    }

    /// The root of a chain: the next of the loop, or one that is the likelier the lower its tag.
    fn root(&mut self, rng: &mut ChaCha8Rng) -> Key {
        let chains = (self.tags / LONGEST).max(1);
        let key = self.key(rng);
        let number = if rng.random_bool(0.4) {
            self.looped += 1;
            self.looped % chains
        } else {
            let below = rng.random_range(0..chains);
            rng.random_range(0..=below)
        };
        Key { tag: self.base + (number * LONGEST).min(self.tags), ..key }
    }
}

/// A block of a chain, and the tag of its parent.
fn block(root: Key, depth: u16) -> (Key, Option<u64>) {
    let tag = root.tag.saturating_add(depth.into());
    (Key { tag, ..root }, (depth > 0).then(|| tag - 1))
}
