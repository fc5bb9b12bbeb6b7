//! Tiers: frames, free lists, limits. `docs/moves.md`.

use std::collections::VecDeque;

/// The state of one tier. All zero while the tier is not in use.
#[derive(Default)]
pub(crate) struct Tier {
    pub(crate) limit: u32,
    pub(crate) base: u64,
    /// Blocks resident, where their last decision put them.
    pub(crate) used: u32,
    /// Free frames, next first.
    pub(crate) free: VecDeque<u32>,
    /// Frames that are the source of a move not yet acknowledged.
    pub(crate) moving: Vec<bool>,
    /// The epoch whose acknowledgement a released frame waits for.
    pub(crate) await_epoch: Vec<Option<u32>>,
    /// The epoch at which a frame was last retired, for the LUF check.
    pub(crate) retired: Vec<Option<u32>>,
}

impl Tier {
    pub(crate) fn new(frames: u32, limit: u32, base: u64) -> Tier {
        let n = frames as usize;
        Tier {
            limit,
            base,
            used: 0,
            free: (0..frames).collect(),
            moving: vec![false; n],
            await_epoch: vec![None; n],
            retired: vec![None; n],
        }
    }

    pub(crate) fn in_use(&self) -> bool {
        self.limit > 0
    }
}
