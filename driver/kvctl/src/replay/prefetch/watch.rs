//! What the runtime can see of the device's prefetches: it looks hinted blocks up before and after each moment at which
//! the device may move them.
//!
//! The device moves a block up by itself only if it was hinted and its target step lies within the lookahead, at
//! STEP_ADVANCE or at the hint. So these blocks are looked up, and no others.

use super::super::ReplayError;
use super::super::engine::{Engine, TENANT, found};
use kvcpu_driver::sqe;
use kvcpu_mmio::queue::{Key, Status};
use std::collections::{BTreeSet, HashMap};

/// A block that moved into the prefetch tier ahead of its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The block.
    pub tag: u64,
    /// The tier it came from.
    pub from: u8,
    /// The step at which it was decided.
    pub step: u32,
}

/// What was seen while a request was served.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Moved up by STEP_ADVANCE before the request, in the order of steps, target and depth, as the device ranks them.
    pub ahead: Vec<Promotion>,
    /// Moved up by hints after the request, in the order of the hints.
    pub hinted: Vec<Promotion>,
    /// Hinted blocks that left the prefetch tier downwards at a STEP_ADVANCE which moved up a block needed later.
    pub pushed_out: u64,
    /// Look-ups that this took.
    pub lookups: u64,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    depth: u32,
    /// The step of its next use as the device was told, until it is used.
    target: Option<u32>,
}

/// The hinted blocks, and what was seen of them.
#[derive(Debug)]
pub(in crate::replay) struct Watch {
    /// The greatest lookahead of any tier.
    lookahead: u32,
    blocks: HashMap<u64, Block>,
    /// Target, depth and tag of the blocks that have a target: the order in which the device prefetches.
    due: BTreeSet<(u32, u32, u64)>,
    seen: Seen,
}

impl Watch {
    fn new(lookahead: u32) -> Watch {
        Watch { lookahead, blocks: HashMap::new(), due: BTreeSet::new(), seen: Seen::default() }
    }

    /// A request named the blocks of `chain`: their hints have ended.
    pub(in crate::replay) fn touched(&mut self, chain: &[u64]) {
        for (depth, &tag) in (0..).zip(chain) {
            self.forget(tag);
            self.blocks.insert(tag, Block { depth, target: None });
        }
    }

    /// The device was told that `tag` is needed at step `target`.
    pub(in crate::replay) fn hinted(&mut self, tag: u64, target: u32) {
        self.forget(tag);
        if let Some(block) = self.blocks.get_mut(&tag) {
            block.target = Some(target);
            self.due.insert((target, block.depth, tag));
        }
    }

    /// `tag` has no hint any more.
    pub(in crate::replay) fn forget(&mut self, tag: u64) {
        if let Some(block) = self.blocks.get_mut(&tag)
            && let Some(target) = block.target.take()
        {
            self.due.remove(&(target, block.depth, tag));
        }
    }

    /// Whether a block with this target is one that the device may move up at `step`.
    pub(in crate::replay) fn is_near(&self, target: u32, step: u32) -> bool {
        (step..=step.saturating_add(self.lookahead)).contains(&target)
    }

    /// A hint moved a block up.
    pub(in crate::replay) fn moved_by_hint(&mut self, promotion: Promotion) {
        self.seen.hinted.push(promotion);
    }

    /// Look-ups were made for the watch alone.
    pub(in crate::replay) fn looked_up(&mut self, lookups: usize) {
        self.seen.lookups += lookups as u64;
    }

    /// Target and tag of the blocks that the device may move up at `step`.
    fn near(&self, step: u32) -> Vec<(u32, u64)> {
        let range = (step, 0, 0)..=(step.saturating_add(self.lookahead), u32::MAX, u64::MAX);
        self.due.range(range).map(|&(target, _, tag)| (target, tag)).collect()
    }

    /// Compares where blocks were before STEP_ADVANCE to `step` and after it.
    fn compare(&mut self, step: u32, prefetch_tier: u8, moved: &[(u32, u64, u8, Option<u8>)]) {
        let mut latest = None;
        for &(target, tag, before, after) in moved {
            if before > prefetch_tier && after == Some(prefetch_tier) {
                self.seen.ahead.push(Promotion { tag, from: before, step });
                latest = latest.max(Some(target));
            }
        }
        let better = moved
            .iter()
            .filter(|(target, _, before, after)| {
                *before == prefetch_tier && *after != Some(prefetch_tier) && Some(*target) < latest
            })
            .count();
        self.seen.pushed_out += better as u64;
    }
}

impl Engine {
    /// Begins to watch prefetches up to `lookahead` steps ahead. From now on the device hears of every step, also of
    /// those in which no request comes: they are its moments to prefetch.
    pub fn watch(&mut self, lookahead: u32) {
        self.watch = Some(Watch::new(lookahead));
    }

    /// What was seen since the last call. Empty if nothing is watched.
    pub fn seen(&mut self) -> Seen {
        self.watch.as_mut().map(|watch| std::mem::take(&mut watch.seen)).unwrap_or_default()
    }

    /// Advances to `step`, the first one if `first`.
    pub(in crate::replay) fn advance(&mut self, step: u32, first: bool) -> Result<(), ReplayError> {
        let Some(mut watch) = self.watch.take() else { return self.step_to(step) };
        let from = if first { step } else { self.step + 1 };
        let result = (from..=step).try_for_each(|step| self.advance_watched(&mut watch, step));
        self.watch = Some(watch);
        result
    }

    fn advance_watched(&mut self, watch: &mut Watch, step: u32) -> Result<(), ReplayError> {
        let near = watch.near(step);
        let before = self.tiers_of(near.iter().map(|(_, tag)| *tag))?;
        // A block that is nowhere does not come back by itself.
        let placed = near
            .iter()
            .zip(&before)
            .filter_map(|(&(target, tag), tier)| Some((target, tag, (*tier)?)));
        let placed: Vec<(u32, u64, u8)> = placed.collect();
        self.step_to(step)?;
        let after = self.tiers_of(placed.iter().map(|(_, tag, _)| *tag))?;
        watch.looked_up(before.len() + after.len());
        let moved = placed
            .iter()
            .zip(after)
            .map(|(&(target, tag, before), after)| (target, tag, before, after));
        watch.compare(step, self.prefetch_tier, &moved.collect::<Vec<_>>());
        Ok(())
    }

    fn step_to(&mut self, step: u32) -> Result<(), ReplayError> {
        self.step = step;
        let refused = self
            .carry_out(std::iter::once(sqe::step_advance(step)))?
            .iter()
            .find(|cqe| cqe.status != Status::Ok.code());
        refused.map_or(Ok(()), |cqe| Err(ReplayError::StepRefused { step, status: cqe.status }))
    }

    fn tiers_of(&mut self, tags: impl Iterator<Item = u64> + Clone) -> Result<Vec<Option<u8>>, ReplayError> {
        let keys = tags.map(|tag| Key::shared(TENANT, tag));
        let cqes = self.carry_out(keys.clone().map(sqe::lookup))?;
        cqes.iter().zip(keys).map(|(cqe, key)| found(cqe, key)).collect()
    }
}
