//! A sweep over a full directory, for benches.

use super::policy::Policy;
use super::score::{Scorer, Weights};
use super::sweep::{Lists, SweepInput};
use crate::rtbd::Rtbd;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::queue::Key;

/// A directory with blocks in every slot that takes one, of random age and frequency, and what a
/// sweep needs.
pub struct FullDirectory {
    rtbd: Rtbd,
    lists: Lists,
    input: SweepInput,
}

impl FullDirectory {
    /// Fills a directory of this geometry to 95%, all in T1.
    pub fn new(geometry: &Geometry) -> FullDirectory {
        let mut rtbd = Rtbd::new(geometry);
        let (mut x, now) = (1u64, 1 << 20);
        let blocks = geometry.entries() / 20 * 19;
        for _ in 0..blocks {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = Key::shared(0, x);
            if let Some(placed) = rtbd.place(key, now) {
                rtbd.occupy(placed.index, key);
                rtbd.set_tier(placed.index, 1);
                rtbd.set_frequency(placed.index, (x >> 40) as u32 & 15);
                rtbd.set_access(placed.index, now - ((x >> 20) as u32 & 0xFFFF));
            }
        }
        let weights = Weights { wr: 1, wf: 24, ws: 4, wd: 0 };
        let scorer = Scorer {
            policy: Policy::new(weights, 4),
            base: now - 65_536,
            shift: 4,
            stamp: now,
            epoch: now,
            now: 0,
            hinting: false,
        };
        let input = SweepInput {
            scorer,
            k: geometry.victim_k as usize,
            in_use: [false, true, false, false],
            prefetch_tier: 1,
            lookahead: [0; 4],
        };
        FullDirectory { rtbd, lists: Lists::default(), input }
    }

    /// A sweep that scores every entry, as after a change of policy; returns the index of the best victim.
    pub fn sweep_all(&mut self) -> Option<u32> {
        self.input.scorer.base ^= 16;
        self.sweep_again()
    }

    /// A sweep that finds the scores as they were, as when a list ran dry.
    pub fn sweep_again(&mut self) -> Option<u32> {
        self.lists.sweep(&mut self.rtbd, &self.input);
        self.lists.victims[1].front().map(|item| item.index)
    }
}
