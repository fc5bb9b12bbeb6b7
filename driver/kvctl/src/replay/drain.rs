//! The end of a replay: every block the device still holds is read back, compared and released, so
//! that nothing it claimed to hold goes unchecked.

use super::ReplayError;
use super::engine::Engine;
use kvcpu_driver::{Commands, Device};
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::queue::Key;
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
        Ok(self.queue_mut().fence()?)
    }
}
