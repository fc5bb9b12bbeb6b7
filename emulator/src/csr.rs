//! Register accesses: decoding, access rules, and the registers with behaviour. `docs/csr.md`.

use crate::core::Core;
use crate::rtbd::Rtbd;
use kvcpu_mmio::geometry::ENTRY_BYTES;
use kvcpu_mmio::map::{Place, by_offset};
use kvcpu_mmio::register::Access;
use kvcpu_mmio::regs::{command, control, counter, dma, hepc, irq, luf, queue, rtbd, service, tier};
use kvcpu_mmio::{Bar, Register};

/// Why an access was bad: the codes of BAD_ACCESS_ADDR.CAUSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Unaligned = 1,
    Unknown = 3,
    NotWritable = 4,
    Locked = 5,
}

/// The bad-access registers.
#[derive(Default)]
pub(crate) struct BadAccess {
    count: u32,
    address: u32,
    /// Offset of a 64-bit register and the high half latched by reading its low half.
    read_latch: Option<(u32, u32)>,
    /// Offset of a 64-bit register and the low half waiting for its high half.
    write_latch: Option<(u32, u32)>,
}

/// The timebase of the decision latencies: nanoseconds.
const TIMEBASE_HZ: u32 = 1_000_000_000;

impl Core {
    fn bad_access(&mut self, bar: Bar, offset: u32, write: bool, cause: Cause) {
        use control::BAD_ACCESS_ADDR as A;
        let fields =
            [(A::OFFSET, offset), (A::BAR, bar.index().into()), (A::WRITE, write.into()), (A::CAUSE, cause as u32)];
        self.bad_access.address = fields.iter().fold(0, |v, (field, x)| field.set(v, u64::from(*x))) as u32;
        self.bad_access.count = self.bad_access.count.saturating_add(1);
        self.raise_error(&control::ERR_STATUS::BAD_ACCESS);
    }

    pub(crate) fn read32(&mut self, bar: Bar, offset: u32) -> u32 {
        self.try_read32(bar, offset).unwrap_or_else(|cause| {
            self.bad_access(bar, offset, false, cause);
            0
        })
    }

    pub(crate) fn write32(&mut self, bar: Bar, offset: u32, value: u32) {
        if let Err(cause) = self.try_write32(bar, offset, value) {
            self.bad_access(bar, offset, true, cause);
        }
    }

    pub(crate) fn read64(&mut self, bar: Bar, offset: u32) -> u64 {
        let result = if offset.is_multiple_of(8) { self.read_both(bar, offset) } else { Err(Cause::Unaligned) };
        result.unwrap_or_else(|cause| {
            self.bad_access(bar, offset, false, cause);
            0
        })
    }

    fn read_both(&mut self, bar: Bar, offset: u32) -> Result<u64, Cause> {
        let low = self.try_read32(bar, offset)?;
        Ok(u64::from(low) | u64::from(self.try_read32(bar, offset + 4)?) << 32)
    }

    pub(crate) fn write64(&mut self, bar: Bar, offset: u32, value: u64) {
        let result = if offset.is_multiple_of(8) {
            self.try_write32(bar, offset, value as u32)
                .and_then(|()| self.try_write32(bar, offset + 4, (value >> 32) as u32))
        } else {
            Err(Cause::Unaligned)
        };
        if let Err(cause) = result {
            self.bad_access(bar, offset, true, cause);
        }
    }

    /// The register at an offset that this geometry has.
    fn decode(&self, bar: Bar, offset: u32) -> Result<Place, Cause> {
        if !offset.is_multiple_of(4) {
            return Err(Cause::Unaligned);
        }
        let place = by_offset(bar, offset).ok_or(Cause::Unknown)?;
        let offset = place.register.offset;
        let exists = if offset >= queue::BLOCK.base && offset < service::BLOCK.base && bar == Bar::Regs {
            place.instance < self.geometry.queues
        } else if offset == luf::AGENT_ACK.offset && bar == Bar::Regs {
            place.element < self.geometry.agents
        } else if offset == rtbd::RTBD_STASH.offset && bar == Bar::Regs {
            place.element < self.geometry.stash * (ENTRY_BYTES / 4)
        } else {
            bar != Bar::Rtbd || place.instance < self.geometry.entries()
        };
        if exists { Ok(place) } else { Err(Cause::Unknown) }
    }

    fn try_read32(&mut self, bar: Bar, offset: u32) -> Result<u32, Cause> {
        if bar == Bar::Msix && offset.is_multiple_of(4) {
            return self.irq.read_bar4(offset).ok_or(Cause::Unknown);
        }
        let place = self.decode(bar, offset)?;
        if bar == Bar::Rtbd {
            return Ok(self.rtbd.word(place.instance as usize, offset % ENTRY_BYTES / 4));
        }
        if place.register.access == Access::WO {
            return Ok(0);
        }
        if place.register.width == 64 {
            let value = self.read_wide(&place, offset - place.byte);
            if place.byte == 0 {
                self.bad_access.read_latch = Some((offset, (value >> 32) as u32));
                return Ok(value as u32);
            }
            let latched = self.bad_access.read_latch.take_if(|(at, _)| *at + 4 == offset);
            return Ok(latched.map_or((value >> 32) as u32, |(_, high)| high));
        }
        Ok(self.read_narrow(&place, offset))
    }

    fn read_wide(&self, place: &Place, offset: u32) -> u64 {
        let at = place.register.offset;
        if at >= counter::BLOCK.base && at < counter::BLOCK.base + counter::BLOCK.stride {
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

    fn read_narrow(&mut self, place: &Place, offset: u32) -> u32 {
        let is = |register: &Register| place.register.offset == register.offset;
        let n = place.instance as usize;
        if is(&control::CAP_RTBD) || is(&control::CAP_ENGINES) {
            self.capability(place.register)
        } else if is(&control::CAP_T1_MIB) {
            self.geometry.t1_mib
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

    /// Whether a register may not be written now because what it configures is running.
    fn locked(&self, place: &Place) -> bool {
        let among = |registers: &[&Register]| registers.iter().any(|r| r.offset == place.register.offset);
        let device = [
            &tier::TIER_FRAMES,
            &tier::TIER_LIMIT,
            &tier::TIER_BASE,
            &dma::BLOCK_SHIFT,
            &dma::DMA_CTRL,
            &luf::AGENT_MASK,
            &rtbd::RTBD_CTRL,
            &service::SVC_SQ_BASE,
            &service::SVC_CQ_BASE,
            &service::SVC_STAGE_BASE,
            &service::SVC_STAGE_SLOTS,
            &service::SVC_SIZE,
            &service::SVC_CTRL,
        ];
        self.enabled && among(&device)
            || among(&[&queue::SQ_BASE, &queue::CQ_BASE, &queue::Q_SIZE])
                && self.queues.is_enabled(place.instance as usize)
    }

    fn try_write32(&mut self, bar: Bar, offset: u32, value: u32) -> Result<(), Cause> {
        if bar == Bar::Msix && offset.is_multiple_of(4) {
            return if self.irq.write_bar4(offset, value) {
                Ok(())
            } else {
                Err(self.irq.read_bar4(offset).map_or(Cause::Unknown, |_| Cause::NotWritable))
            };
        }
        let place = self.decode(bar, offset)?;
        if bar == Bar::Rtbd {
            if self.enabled || self.word(&rtbd::RTBD_CTRL, 0) == 0 {
                return Err(Cause::Locked);
            }
            self.rtbd.set_word(place.instance as usize, offset % ENTRY_BYTES / 4, value);
            return Ok(());
        }
        let writable = place.register.writable();
        if writable == 0 {
            return Err(Cause::NotWritable);
        }
        if self.locked(&place) {
            return Err(Cause::Locked);
        }
        if place.register.width == 64 {
            let at = (offset - place.byte) as usize / 4;
            if place.byte == 0 {
                self.bad_access.write_latch = Some((offset, value));
                return Ok(());
            }
            if let Some((_, low)) = self.bad_access.write_latch.take_if(|(at, _)| *at + 4 == offset) {
                self.words[at] = low;
            }
            self.words[at + 1] = value;
            return Ok(());
        }
        self.write_narrow(&place, offset, value & writable as u32)
    }

    fn write_narrow(&mut self, place: &Place, offset: u32, value: u32) -> Result<(), Cause> {
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
            self.after_write(place.register, value);
        }
        Ok(())
    }

    /// Plain registers that a block keeps a copy of.
    fn after_write(&mut self, register: &Register, value: u32) {
        if register.offset == luf::LUF_CTRL.offset {
            self.luf.lazy = luf::LUF_CTRL::LAZY.get(value.into()) == 1;
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
