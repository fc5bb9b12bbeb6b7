//! Decisions: the next victim, promotion, and the automatic moves. `docs/hepc.md`, Decision.

use super::sweep::SweepInput;
use crate::core::Core;
use crate::moves::{Purpose, Stop};
use kvcpu_mmio::regs::counter::{CNT_DRY_SWEEPS, CNT_LIST_POPS, CNT_LIST_STALE, CNT_PROMOTIONS, CNT_SWEEPS};

/// How far the automatic moves of a STEP_ADVANCE have come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AutoMoves {
    /// Tiers done: 0 means tier 2 is next, 3 means promotions are next.
    tiers_done: usize,
    /// The present tier was found above its high watermark.
    draining: bool,
    /// The block whose promotion is under way.
    promoting: Option<usize>,
}

impl Core {
    /// Scores every entry and makes the lists.
    pub(crate) fn sweep(&mut self) {
        self.counters.add(&CNT_SWEEPS, 1);
        let scorers = self.scorers();
        self.guard.count(&scorers, &mut self.rtbd, self.history.clock);
        let input = SweepInput {
            scorer: self.scorer(),
            k: self.geometry.victim_k as usize,
            in_use: std::array::from_fn(|t| self.tiers[t].in_use()),
            prefetch_tier: self.tuning.prefetch_tier,
            lookahead: self.tuning.lookahead,
        };
        self.lists.sweep(&mut self.rtbd, &input);
    }

    /// A command has ended: its changes are offered to the victim lists.
    pub(crate) fn offer_changes(&mut self) {
        let scorer = self.scorer();
        self.lists.offer(&mut self.rtbd, &scorer, self.geometry.victim_k as usize);
    }

    /// The victim that `tier` would give up next.
    pub(crate) fn next_victim(&mut self, tier: usize, may_sweep: bool) -> Option<usize> {
        let scorer = self.scorer();
        let mut may_sweep = may_sweep;
        loop {
            while let Some(item) = self.lists.victims[tier].front() {
                let i = item.index as usize;
                if scorer.victim_rank(&self.rtbd, i, tier) == Some(item.rank) {
                    return Some(i);
                }
                self.lists.victims[tier].pop_front();
                self.counters.add(&CNT_LIST_POPS, 1);
                self.counters.add(&CNT_LIST_STALE, 1);
            }
            if !std::mem::take(&mut may_sweep) {
                return None;
            }
            self.counters.add(&CNT_DRY_SWEEPS, 1);
            self.sweep();
        }
    }

    /// Block `i` of `tier` is about to leave it: if it heads the victim list, it is popped.
    pub(crate) fn pop_victim(&mut self, tier: usize, i: usize) {
        let list = &mut self.lists.victims[tier];
        if list.pop_front_if(|item| item.index as usize == i).is_some() {
            self.counters.add(&CNT_LIST_POPS, 1);
        }
    }

    /// Moves a block to PREFETCH_TIER if there is room, or something worse there. Says whether it
    /// moved.
    pub(crate) fn promote(&mut self, i: usize, may_sweep: bool) -> Result<bool, Stop> {
        self.begin_decision();
        let (from, to) = (self.rtbd.tier(i), self.tuning.prefetch_tier);
        loop {
            // The block itself may have been pushed out to make room below.
            if self.moves.take_room_failed() || !self.rtbd.placed_in(i, from) {
                return Ok(false);
            }
            self.await_settled(i)?;
            if !self.tiers[to].in_use() {
                return Ok(false);
            }
            if self.tiers[to].used < self.tiers[to].limit {
                break;
            }
            let victim = if may_sweep { self.victim_for_room(to) } else { self.next_victim(to, false) };
            let Some(victim) = victim else { return Ok(false) };
            let scorer = self.scorer();
            if !scorer.dead(&self.rtbd, victim) && scorer.score(&self.rtbd, victim) >= scorer.score(&self.rtbd, i) {
                return Ok(false);
            }
            match self.step_down(victim, None, Purpose::Room) {
                Err(Stop::MoveFailed | Stop::TierFull) => return Ok(false),
                other => drop(other?),
            }
        }
        let staging = match self.prepare_move(from, to) {
            Err(Stop::MoveFailed | Stop::TierFull) => return Ok(false),
            other => other?,
        };
        if self.lists.prefetch.pop_front_if(|item| item.index as usize == i).is_some() {
            self.counters.add(&CNT_LIST_POPS, 1);
        }
        self.counters.add_to(&CNT_PROMOTIONS, from, 1);
        // Automatic promotions end with the first that fails: sweeps made for room below renew the list, so that
        // there might be no end of them.
        let purpose = if may_sweep { Purpose::Itself } else { Purpose::Room };
        self.start_move(i, to, staging, purpose);
        Ok(true)
    }

    /// The moves that follow a sweep of STEP_ADVANCE.
    pub(crate) fn automatic_moves(&mut self, progress: &mut AutoMoves) -> Result<(), Stop> {
        while progress.tiers_done < 3 {
            let tier = 2 - progress.tiers_done;
            match self.drain(tier, progress) {
                Ok(()) | Err(Stop::MoveFailed | Stop::TierFull) => {
                    *progress = AutoMoves { tiers_done: progress.tiers_done + 1, ..AutoMoves::default() };
                    self.moves.begin_need();
                }
                Err(wait) => return Err(wait),
            }
        }
        while let Some(i) = progress.promoting.or_else(|| self.next_prefetch()) {
            progress.promoting = Some(i);
            if !self.promote(i, false)? {
                break;
            }
            progress.promoting = None;
        }
        Ok(())
    }

    /// Demotes from `tier` down to its low watermark, if it is above the high one. Ends with the first move that
    /// fails: sweeps made for room below renew the list, so that there might be no end of them.
    fn drain(&mut self, tier: usize, progress: &mut AutoMoves) -> Result<(), Stop> {
        let (high, low) = (self.tuning.high[tier], self.tuning.low[tier]);
        progress.draining |= self.tiers[tier].in_use() && self.tiers[tier].used > high;
        while progress.draining && self.tiers[tier].used > low {
            if self.moves.take_room_failed() {
                break;
            }
            let Some(victim) = self.next_victim(tier, false) else { break };
            let scorer = self.scorer();
            if !scorer.dead(&self.rtbd, victim) && scorer.score(&self.rtbd, victim) >= self.tuning.evict_thresh {
                break;
            }
            self.step_down(victim, None, Purpose::Room)?;
        }
        Ok(())
    }

    /// The first entry of the prefetch list that still is a candidate.
    fn next_prefetch(&mut self) -> Option<usize> {
        let (scorer, to, lookahead) = (self.scorer(), self.tuning.prefetch_tier, self.tuning.lookahead);
        while let Some(item) = self.lists.prefetch.front() {
            let i = item.index as usize;
            if scorer.prefetch_rank(&self.rtbd, i, to, &lookahead) == Some(item.rank) {
                return Some(i);
            }
            self.lists.prefetch.pop_front();
            self.counters.add(&CNT_LIST_POPS, 1);
            self.counters.add(&CNT_LIST_STALE, 1);
        }
        None
    }
}
