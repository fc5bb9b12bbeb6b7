//! COPY. `docs/commands.md`, COPY.

use super::Outcome;
use crate::core::{Core, Wait};
use crate::dma::Location;
use kvcpu_mmio::queue::{CommandFlags, Sqe, Status};
use kvcpu_mmio::regs::counter::{CNT_COPY_IN_BYTES, CNT_COPY_OUT_BYTES};
use kvcpu_mmio::regs::rtbd_entry::EntryState;

impl Core {
    pub(super) fn copy(&mut self, sqe: &Sqe) -> Result<Outcome, Wait> {
        let refuse = |status| Ok(Outcome::status(status));
        if self.dma.metadata_only {
            return refuse(Status::MetadataOnly);
        }
        if u64::from(sqe.length) != self.dma.block_bytes() {
            return refuse(Status::BadLength);
        }
        let Some(i) = self.rtbd.find(sqe.key).filter(|&i| self.rtbd.placed(i)) else {
            return refuse(Status::NotFound);
        };
        if self.rtbd.state(i) == EntryState::InFlight {
            return Err(Wait::Move);
        }
        let tier = self.rtbd.tier(i);
        if tier == 3 {
            return refuse(Status::NotAddressable);
        }
        let (block, buffer) = (self.location(tier, self.rtbd.frame[i].into()), Location::Bus(sqe.iova));
        let out = sqe.flags & CommandFlags::OUT.bits() != 0;
        let (from, to) = if out { (block, buffer) } else { (buffer, block) };
        match self.transfer(from, to, None) {
            Ok(crc) => {
                let counter = if out { &CNT_COPY_OUT_BYTES } else { &CNT_COPY_IN_BYTES };
                self.counters.add_to(counter, tier, self.dma.block_bytes());
                Ok(Outcome { value: crc, ..self.describe(i) })
            }
            Err(fault) => {
                self.note_block_fault(&fault, sqe.key);
                refuse(fault.status())
            }
        }
    }
}
