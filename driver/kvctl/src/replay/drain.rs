//! The end of a replay: every block the device still holds is read back, compared and released, so
//! that nothing it claimed to hold goes unchecked.

use super::ReplayError;
use super::beside::Beside;
use super::engine::Engine;
use kvcpu_driver::{Commands, Device, Target, sqe};
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::queue::{Key, Opcode};
use kvcpu_mmio::regs::rtbd_entry::EntryState;

/// What the device held at the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drained {
    /// Blocks resident, by tier.
    pub resident: [u64; TIERS],
    /// Directory entries still in use after all was released; 0 on a correct device.
    pub left: u32,
}

/// Reads back and releases every resident block, tier by tier from the top, so that blocks of T3
/// find room above.
pub(super) fn drain(device: &Device, engine: &mut Engine) -> Result<Drained, ReplayError> {
    engine.fence()?;
    let mut by_tier: [Vec<Key>; TIERS] = Default::default();
    let mut ghosts = Vec::new();
    for entry in device.entries() {
        let entry = entry?;
        match entry.state {
            EntryState::Resident | EntryState::InFlight => by_tier[usize::from(entry.tier)].push(entry.key),
            EntryState::Ghost => ghosts.push(entry.key),
            EntryState::Free => {}
        }
    }
    for keys in &by_tier {
        engine.read_and_release(keys)?;
    }
    engine.release(&ghosts)?;
    engine.fence()?;
    let resident = by_tier.map(|keys| keys.len() as u64);
    Ok(Drained { resident, left: device.occupancy()?.entries })
}

impl Engine {
    /// Waits until all moves are done; a failed one is an error.
    pub fn fence(&mut self) -> Result<(), ReplayError> {
        self.queue_mut().fence()?;
        self.beside.as_mut().map_or(Ok(()), Beside::fence)
    }

    /// Brings blocks up if need be, reads, compares and releases them.
    fn read_and_release(&mut self, keys: &[Key]) -> Result<(), ReplayError> {
        for part in keys.chunks(self.part.min(self.prefetch_blocks)) {
            if let Some(buffer) = &self.buffer {
                let slot_at = |slot: usize| buffer.iova() + slot as u64 * u64::from(self.block_bytes);
                self.sqes.clear();
                self.sqes.extend(part.iter().map(|&key| sqe::prefetch(Target::Single(key), self.step)));
                let copies = part.iter().enumerate();
                self.sqes
                    .extend(copies.map(|(slot, &key)| sqe::copy_out(key, slot_at(slot), self.block_bytes)));
                self.run()?;
                self.cqes.drain(..part.len());
                for (slot, &key) in part.iter().enumerate() {
                    if !self.check_block(slot, key)? {
                        return Err(ReplayError::Lost { key });
                    }
                }
            }
            self.release(part)?;
        }
        Ok(())
    }

    /// Frees blocks and their history.
    fn release(&mut self, keys: &[Key]) -> Result<(), ReplayError> {
        self.sqes.clear();
        self.sqes
            .extend(keys.iter().map(|&key| sqe::scoped(Opcode::Release, Target::Single(key))));
        self.run()
    }
}
