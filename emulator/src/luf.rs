//! LUF: quarantine, epochs, acknowledgements, and the independent check. `docs/luf.md`.

use crate::core::Core;
use crate::csr::Cause;
use crate::irq::Source;
use kvcpu_mmio::regs::control::ERR_STATUS;
use kvcpu_mmio::regs::counter::{CNT_SHOOTDOWNS_NEEDED, CNT_SHOOTDOWNS_SENT};
use std::collections::VecDeque;

#[derive(Default)]
pub(crate) struct Luf {
    pub(crate) check: bool,
    pub(crate) mask: u8,
    pub(crate) epoch: u32,
    pub(crate) acks: [u32; 8],
    pub(crate) violations: u32,
    /// Retired frames no invalidation was sent for yet, oldest first: tier, frame.
    pub(crate) quarantine: VecDeque<(usize, u32)>,
}

impl Luf {
    /// Starts over with these agents.
    pub(crate) fn begin(&mut self, mask: u8) {
        *self = Luf { check: self.check, mask, ..Luf::default() };
    }

    /// Whether every agent acknowledged `epoch`.
    pub(crate) fn acknowledged(&self, epoch: u32) -> bool {
        (0..8)
            .filter(|agent| self.mask & (1 << agent) != 0)
            .all(|agent| self.acks[agent].wrapping_sub(epoch) as i32 >= 0)
    }
}

impl Core {
    /// A block left `frame` of `tier`.
    pub(crate) fn retire_frame(&mut self, tier: usize, frame: u32, read_only: bool) {
        self.tiers[tier].retired[frame as usize] = Some(self.luf.epoch);
        if self.luf.mask == 0 {
            self.tiers[tier].free.push_back(frame);
            return;
        }
        self.counters.add(&CNT_SHOOTDOWNS_NEEDED, 1);
        self.luf.quarantine.push_back((tier, frame));
        if !(self.tuning.lazy && read_only) {
            self.flush_quarantine();
        }
    }

    /// Sends one invalidation for all frames in quarantine.
    pub(crate) fn flush_quarantine(&mut self) {
        if self.luf.quarantine.is_empty() {
            return;
        }
        self.luf.epoch = self.luf.epoch.wrapping_add(1);
        self.counters.add(&CNT_SHOOTDOWNS_SENT, 1);
        for (tier, frame) in std::mem::take(&mut self.luf.quarantine) {
            self.tiers[tier].await_epoch[frame as usize] = Some(self.luf.epoch);
            self.tiers[tier].free.push_back(frame);
        }
        self.irq.raise(Source::Invalidate);
    }

    /// Takes back a frame that was retired by a move which failed.
    pub(crate) fn unretire_frame(&mut self, tier: usize, frame: u32) {
        self.luf.quarantine.retain(|&item| item != (tier, frame));
        let tier = &mut self.tiers[tier];
        tier.free.retain(|&f| f != frame);
        tier.await_epoch[frame as usize] = None;
        tier.retired[frame as usize] = None;
    }

    /// The debug check: `frame` is about to be reused.
    pub(crate) fn check_reuse(&mut self, tier: usize, frame: u32) {
        let Some(retired) = self.tiers[tier].retired[frame as usize].take() else { return };
        if self.luf.check && !self.luf.acknowledged(retired.wrapping_add(1)) {
            self.luf.violations = self.luf.violations.saturating_add(1);
            self.raise_error(&ERR_STATUS::LUF);
        }
    }

    /// An agent acknowledges invalidations up to `epoch`.
    pub(crate) fn acknowledge(&mut self, agent: usize, epoch: u32) -> Result<(), Cause> {
        let ahead = epoch.wrapping_sub(self.luf.acks[agent]);
        if ahead > self.luf.epoch.wrapping_sub(self.luf.acks[agent]) {
            return Err(Cause::NotWritable);
        }
        self.luf.acks[agent] = epoch;
        self.run();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::bus::HostMemory;
    use crate::core::Core;
    use crate::tier::Tier;
    use kvcpu_mmio::Geometry;

    /// The check must see a reuse that the quarantine would have let through.
    #[test]
    fn check_sees_a_frame_reused_before_its_invalidation() {
        let mut core = Core::new(Geometry::TEST, Box::new(HostMemory::default()));
        core.tiers[1] = Tier::new(4, 4, 0);
        (core.luf.mask, core.luf.check, core.tuning.lazy) = (1, true, true);
        core.retire_frame(1, 2, true);
        core.check_reuse(1, 2);
        assert_eq!(core.luf.violations, 1, "reused while still in quarantine");
        core.retire_frame(1, 3, true);
        core.flush_quarantine();
        core.luf.acks[0] = core.luf.epoch;
        core.check_reuse(1, 3);
        assert_eq!(core.luf.violations, 1, "a reuse after the acknowledgement is fine");
    }
}
