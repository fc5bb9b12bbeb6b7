//! The registers with behaviour: what reading one shows, and what writing one does.

use super::Cause;
use crate::core::Core;
use crate::rtbd::Rtbd;
use kvcpu_mmio::Register;
use kvcpu_mmio::map::Place;
use kvcpu_mmio::regs::{command, control, counter, dma, hepc, irq, luf, queue, rtbd, service, tier};

/// The timebase of the decision latencies: nanoseconds.
const TIMEBASE_HZ: u32 = 1_000_000_000;

impl Core {
    pub(super) fn read_wide(&self, place: &Place, offset: u32) -> u64 {
        let at = place.register.offset;
        if (counter::BLOCK.base..counter::BLOCK.base + counter::BLOCK.stride).contains(&at) {
            return self.counters.get(place.register, place.element);
        }
        match at {
            o if o == dma::DMA_ERR_IOVA.offset => self.dma.err_iova,
            o if o == dma::DMA_ERR_TAG.offset => self.dma.err_key.tag,
            _ => {
                let at = offset as usize / 4;
                u64::from(self.words[at]) | u64::from(self.words[at + 1]) << 32
            }
        }
    }

    pub(super) fn read_narrow(&mut self, place: &Place, offset: u32) -> u32 {
        let is = |register: &Register| place.register.offset == register.offset;
        let n = place.instance as usize;
        if is(&control::CAP_RTBD) || is(&control::CAP_ENGINES) {
            self.capability(place.register)
        } else if is(&control::CAP_T1_KIB) {
            self.geometry.t1_kib
        } else if is(&control::BUILD_ID) {
            // "EMU" and the crate's version, so that a log tells which model answered.
            0x454D_5500 | env!("CARGO_PKG_VERSION_MINOR").parse().unwrap_or(0)
        } else if is(&control::TIMEBASE_HZ) {
            TIMEBASE_HZ
        } else if is(&control::CTRL) {
            self.enabled.into()
        } else if is(&control::STATUS) {
            self.status()
        } else if is(&control::ERR_STATUS) {
            self.err_status
        } else if is(&control::BAD_ACCESS_COUNT) {
            std::mem::take(&mut self.bad_access.count)
        } else if is(&control::BAD_ACCESS_ADDR) {
            self.bad_access.address
        } else if is(&hepc::STEP) {
            self.step
        } else if is(&hepc::GUARD_STATE) {
            self.guard_state()
        } else if is(&hepc::GUARD_CAPACITY) {
            self.guard.capacity
        } else if is(&hepc::GUARD_HITS) {
            self.guard.hits(self.word(&hepc::GUARD_SELECT, 0) as usize)
        } else if is(&hepc::ACCESS_CLOCK) {
            self.history.clock
        } else if is(&hepc::LIST_INDEX) || is(&hepc::LIST_RANK) || is(&hepc::LIST_COUNT) {
            self.list_window(place.register)
        } else if is(&command::CMD_STATUS) {
            self.queues.single_shot.status()
        } else if is(&tier::TIER_USED) {
            self.tiers[n].used
        } else if is(&tier::TIER_FREE) {
            self.tiers[n].free.len() as u32
        } else if is(&tier::TIER_QUARANTINED) {
            self.luf.quarantine.iter().filter(|(t, _)| *t == n).count() as u32
        } else if let Some(value) = self.queues.read(place.register, n) {
            value
        } else if let Some(value) = self.service.read(place.register) {
            value
        } else if is(&dma::DMA_ERR) {
            self.dma.err
        } else if is(&dma::DMA_ERR_ID) {
            u32::from(self.dma.err_key.request) | u32::from(self.dma.err_key.tenant) << 16
        } else if is(&rtbd::RTBD_USED) {
            self.rtbd.used
        } else if is(&rtbd::RTBD_GHOSTS) {
            self.rtbd.ghosts
        } else if is(&rtbd::RTBD_STASH_USED) {
            self.rtbd.stash_used
        } else if is(&rtbd::RTBD_STASH) {
            self.rtbd.word((self.geometry.entries() + place.element / 8) as usize, place.element % 8)
        } else if is(&luf::INV_EPOCH) {
            self.luf.epoch
        } else if is(&luf::LUF_VIOLATIONS) {
            self.luf.violations
        } else if is(&luf::AGENT_ACK) {
            self.luf.acks[place.element as usize]
        } else if is(&irq::INT_STATUS) {
            self.irq.status
        } else if is(&irq::INT_ENABLE) {
            self.irq.enable
        } else {
            self.words[offset as usize / 4]
        }
    }

    fn guard_state(&self) -> u32 {
        use hepc::{GUARD, GUARD_STATE as S};
        let guard = u64::from(self.word(&hepc::GUARD, 0));
        let choice = self.guard.choice as u64;
        let active = if GUARD::ENABLE.get(guard) == 1 { choice } else { GUARD::POLICY.get(guard) };
        S::CHOICE.set(S::ACTIVE.set(0, active), choice) as u32
    }

    fn capability(&self, register: &Register) -> u32 {
        use control::{CAP_ENGINES as E, CAP_RTBD as R};
        let g = &self.geometry;
        let rtbd =
            [(R::ENTRIES_LOG2, g.entries_log2), (R::LANES, g.lanes), (R::VICTIM_K, g.victim_k), (R::STASH, g.stash)];
        let engines = [
            (E::DMA_CHANNELS, 2),
            (E::TIERS, kvcpu_mmio::geometry::TIERS as u32),
            (E::QUEUES, g.queues),
            (E::AGENTS, g.agents),
            (E::MIN_BLOCK_SHIFT, g.min_block_shift),
            (E::MAX_BLOCK_SHIFT, g.max_block_shift),
        ];
        let fields = if register.offset == control::CAP_RTBD.offset { &rtbd[..] } else { &engines[..] };
        fields.iter().fold(0, |v, (field, x)| field.set(v, u64::from(*x))) as u32
    }

    fn status(&self) -> u32 {
        use control::STATUS as S;
        let fields = [
            (S::READY, 1),
            (S::ENABLED, self.enabled.into()),
            (S::BLOCKED, self.blocked.is_some().into()),
            (S::BLOCKED_ON, self.blocked.map_or(0, |wait| wait as u32)),
            (S::MOVES_IN_FLIGHT, self.moves.in_flight()),
        ];
        fields.iter().fold(0, |v, (field, x)| field.set(v, u64::from(*x))) as u32
    }

    fn list_window(&self, register: &Register) -> u32 {
        use hepc::LIST_SELECT as L;
        let select = self.word(&hepc::LIST_SELECT, 0).into();
        let list = if L::PREFETCH.get(select) == 1 {
            &self.lists.prefetch
        } else {
            &self.lists.victims[L::TIER.get(select) as usize]
        };
        if register.offset == hepc::LIST_COUNT.offset {
            return list.len() as u32;
        }
        match list.get(L::POSITION.get(select) as usize) {
            None => u32::MAX,
            Some(item) if register.offset == hepc::LIST_INDEX.offset => item.index,
            Some(item) => item.rank,
        }
    }

    pub(super) fn write_narrow(&mut self, place: &Place, offset: u32, value: u32) -> Result<(), Cause> {
        let is = |register: &Register| place.register.offset == register.offset;
        let n = place.instance as usize;
        if is(&control::CTRL) {
            self.write_ctrl(value);
        } else if is(&control::ERR_STATUS) {
            self.err_status &= !value;
        } else if is(&dma::DMA_ERR) {
            self.dma.err &= !value;
        } else if is(&command::CMD_GO) {
            return self.go();
        } else if is(&queue::Q_CTRL) {
            self.write_queue_ctrl(n, value);
        } else if is(&queue::SQ_DOORBELL) {
            self.ring_submission(n, value);
        } else if is(&queue::CQ_DOORBELL) {
            self.ring_completion(n, value);
        } else if is(&queue::Q_ERR) {
            self.queues.clear_errors(n, value);
        } else if is(&service::SVC_SQ_HEAD) {
            self.service_taken(value);
        } else if is(&service::SVC_CQ_DOORBELL) {
            self.service_completed(value);
        } else if is(&service::SVC_ABORT) {
            self.abort_service(value);
        } else if is(&service::SVC_ERR) {
            self.service.err &= !value;
        } else if is(&luf::AGENT_ACK) {
            return self.acknowledge(place.element as usize, value);
        } else if is(&irq::INT_STATUS) {
            self.irq.set(self.irq.status & !value, self.irq.enable);
        } else if is(&irq::INT_ENABLE) {
            self.irq.set(self.irq.status, value);
        } else if is(&irq::INT_FORCE) {
            self.irq.set(self.irq.status | value, self.irq.enable);
        } else {
            self.words[offset as usize / 4] = value;
            self.registers_written = true;
            self.after_write(place.register, value);
        }
        Ok(())
    }

    /// Plain registers that a block keeps a copy of.
    fn after_write(&mut self, register: &Register, value: u32) {
        if register.offset == luf::LUF_CTRL.offset {
            self.luf.check = luf::LUF_CTRL::CHECK.get(value.into()) == 1;
        } else if register.offset == rtbd::RTBD_CTRL.offset && value == 0 {
            self.rtbd = Rtbd::new(&self.geometry);
        }
    }

    fn write_ctrl(&mut self, value: u32) {
        let enable = control::CTRL::ENABLE.get(value.into()) == 1;
        if control::CTRL::RESET.get(value.into()) == 1 {
            self.reset();
        } else if enable && !self.enabled {
            self.enable();
        } else if !enable && self.enabled {
            self.disable();
        }
    }
}
