//! INSERT. `docs/commands.md`, INSERT.

use super::Outcome;
use crate::core::{Core, Wait};
use crate::hepc::Use;
use crate::moves::Stop;
use kvcpu_mmio::queue::{ResultFlags, Sqe, Status};
use kvcpu_mmio::regs::counter::{CNT_DIRECTORY_FULL, CNT_GHOSTS_RECLAIMED, CNT_INSERTS, CNT_KICKS};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

impl Core {
    pub(super) fn insert(&mut self, sqe: &Sqe) -> Result<Outcome, Wait> {
        let tier = usize::from(sqe.tier);
        if tier > 2 || !self.tiers[tier].in_use() {
            return Ok(Outcome::status(Status::InvalidTier));
        }
        let hash = self.rtbd.hash(sqe.key);
        let known = self.rtbd.find_hashed(sqe.key, hash);
        if let Some(i) = known.filter(|&i| self.rtbd.placed(i)) {
            let used = Use { entry: known, depth: sqe.depth.into(), by_insert: true };
            self.access(i, sqe, hash, &used);
            let mut outcome = self.describe(i);
            outcome.flags |= ResultFlags::EXISTED;
            return Ok(outcome);
        }
        if known.is_none() && !self.rtbd.can_place(hash, self.history.clock) {
            self.counters.add(&CNT_DIRECTORY_FULL, 1);
            return Ok(Outcome::status(Status::DirectoryFull));
        }
        let frame = match self.make_room(tier).and_then(|()| self.quiet_frame(tier)) {
            Ok(frame) => frame,
            Err(Stop::Wait(wait)) => return Err(wait),
            Err(Stop::TierFull) => return Ok(Outcome::status(Status::TierFull)),
            Err(Stop::MoveFailed) => return Ok(Outcome::status(Status::MoveFailed)),
        };
        let counts = self.count_use(&Use { entry: known, depth: sqe.depth.into(), by_insert: true });
        // `can_place` has said that there is a slot, and making room takes none.
        let Some(i) = known.or_else(|| self.new_entry(sqe, hash)) else {
            self.counters.add(&CNT_DIRECTORY_FULL, 1);
            return Ok(Outcome::status(Status::DirectoryFull));
        };
        self.take_frame(tier);
        self.write_entry(i, sqe, frame as u16, counts);
        self.note_child(sqe, hash);
        self.counters.add_to(&CNT_INSERTS, tier, 1);
        Ok(self.describe(i))
    }

    /// A slot for a new key, with the key in it.
    fn new_entry(&mut self, sqe: &Sqe, hash: u32) -> Option<usize> {
        let placed = self.rtbd.place_hashed(hash, self.history.clock)?;
        self.counters.add(&CNT_KICKS, placed.kicks.into());
        self.counters.add(&CNT_GHOSTS_RECLAIMED, placed.ghosts_reclaimed.into());
        self.rtbd.occupy(placed.index, sqe.key);
        Some(placed.index)
    }

    /// Fills the entry of a block that now has a frame; what a ghost remembers stays.
    fn write_entry(&mut self, i: usize, sqe: &Sqe, frame: u16, counts: bool) {
        let frequency = self.rtbd.frequency(i) + u32::from(counts);
        let given = EntryFlags::PREFIX | EntryFlags::DIRTY | EntryFlags::READ_ONLY | EntryFlags::DEAD;
        let flags = (self.rtbd.flags(i) - given) | EntryFlags::from_bits_retain(sqe.block_flags);
        self.rtbd.set_resident(i, usize::from(sqe.tier), sqe.depth, frequency, flags);
        if counts {
            self.rtbd.serve(i, self.history.stamp);
        }
        self.rtbd.frame[i] = frame;
    }
}
