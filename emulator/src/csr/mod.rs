//! Register accesses: decoding and access rules. `docs/csr.md`.

mod registers;

use crate::core::Core;
use kvcpu_mmio::geometry::ENTRY_BYTES;
use kvcpu_mmio::map::{Place, by_offset};
use kvcpu_mmio::register::Access;
use kvcpu_mmio::regs::{control, dma, luf, mgmt, queue, rtbd, service, tier};
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
        let exists = if bar == Bar::Regs && (queue::BLOCK.base..service::BLOCK.base).contains(&offset) {
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

    /// A write by the management core: its own block's read-only registers too; all else as the host's.
    pub(crate) fn management_write32(&mut self, bar: Bar, offset: u32, value: u32) {
        let own = self.decode(bar, offset).is_ok_and(|place| {
            let own = mgmt::BLOCK.base..mgmt::BLOCK.base + mgmt::BLOCK.stride;
            bar == Bar::Regs && own.contains(&place.register.offset) && place.register.access == Access::RO
        });
        if own {
            self.words[offset as usize / 4] = value;
        } else {
            self.write32(bar, offset, value);
        }
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
}
