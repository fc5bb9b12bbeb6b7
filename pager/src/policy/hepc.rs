//! The KV-CPU device chooses: resident blocks are entries of its directory, and HEPC's victims are the pager's.
//!
//! ```text
//!  block filled ─► INSERT ─► frame f ─► the block that had f before is the victim
//!  touched      ─► TOUCH      hot, prefetch, gone ─► HOT, PREFETCH, RELEASE
//! ```
//!
//! The device runs without bytes (DMA_CTRL.METADATA_ONLY) with one tier that has a frame for each block that may be resident, so that a frame
//! given out twice names its victim. What it remembers of blocks that went (ghosts) tells it what comes back.

use super::Victims;
use kvcpu_driver::{Commands, Config, Device, DriverError, Insert, QueuePair, Target, TierConfig};
use kvcpu_mmio::Geometry;
use kvcpu_mmio::queue::{Key, Status};

/// No block.
const NONE: u32 = u32::MAX;
/// Fills after which the device's clock is advanced, if nobody else does.
const STEP: u32 = 64;

/// Why the policy could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HepcError {
    /// All that is resident is pinned or hot.
    #[error("every resident block is pinned, hot or dirty; unpin some, or raise the budget")]
    NoVictim,
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DriverError),
}

/// A device that is to choose victims. It is configured anew: what it held is lost.
pub struct Hepc {
    device: Device,
}

impl Hepc {
    /// With this device, emulated or not.
    pub fn new(device: Device) -> Hepc {
        Hepc { device }
    }

    /// The most blocks of a budget that a device of this geometry can choose among.
    pub const fn most_blocks_of(geometry: &Geometry) -> u32 {
        // A directory that is full to its end takes no more blocks: 95% of the entries find a place whatever their keys.
        geometry.entries() / 20 * 19
    }

    pub(super) fn most_blocks(&self) -> u32 {
        Hepc::most_blocks_of(self.device.geometry())
    }

    pub(super) fn start(
        self,
        blocks: u32,
        resident: u32,
        tenant: Box<dyn Fn(u32) -> u8 + Send>,
    ) -> Result<Box<dyn Victims>, HepcError> {
        let tiers = [TierConfig::blocks(resident), TierConfig::OFF, TierConfig::OFF, TierConfig::OFF];
        let block_shift = self.device.geometry().min_block_shift;
        let config = Config { tiers, block_shift, metadata_only: true, prefetch_tier: 0, ..Config::default() };
        self.device.configure(config)?;
        let queue = self.device.queue_pair(0)?;
        let (owners, frames) = (vec![NONE; resident as usize], vec![NONE; blocks as usize]);
        Ok(Box::new(Running {
            queue,
            tenant,
            owners,
            frames,
            hot: vec![false; blocks as usize],
            unplaced: vec![],
            step: 0,
            fills: 0,
        }))
    }
}

/// The device at work.
struct Running {
    queue: QueuePair,
    tenant: Box<dyn Fn(u32) -> u8 + Send>,
    /// The block in each frame.
    owners: Vec<u32>,
    /// The frame of each block.
    frames: Vec<u32>,
    /// Blocks that are hot, whether they are there or not.
    hot: Vec<bool>,
    /// Blocks that are there, and have found no place.
    unplaced: Vec<u32>,
    step: u32,
    fills: u32,
}

impl Running {
    fn key(&self, block: u32) -> Key {
        Key::shared((self.tenant)(block), block.into())
    }

    /// Has the device place a block; the one that had its frame is the victim.
    fn place(&mut self, block: u32, victims: &mut Vec<u32>) -> Result<(), HepcError> {
        let placed = match self.queue.insert(&Insert::new(self.key(block), 0)) {
            Err(DriverError::Command { status, .. }) if status.status() == Some(Status::TierFull) => {
                return Err(HepcError::NoVictim);
            }
            other => other?,
        };
        let frame = u32::from(placed.frame);
        if frame as usize >= self.owners.len() {
            let (expected, found) = (self.owners.len() as u64 - 1, frame.into());
            return Err(DriverError::Protocol { what: "the greatest frame of an INSERT", expected, found }.into());
        }
        self.leave(block, frame);
        let before = std::mem::replace(&mut self.owners[frame as usize], block);
        self.frames[block as usize] = frame;
        if before != NONE && before != block {
            self.frames[before as usize] = NONE;
            victims.push(before);
        }
        if self.hot[block as usize] {
            self.tell(block, |queue, target| queue.hot(target).map(drop))?;
        }
        Ok(())
    }

    /// A block leaves its frame, unless that is the one it goes to.
    fn leave(&mut self, block: u32, to: u32) {
        let frame = self.frames[block as usize];
        if frame != NONE && frame != to {
            self.owners[frame as usize] = NONE;
            self.frames[block as usize] = NONE;
        }
    }

    /// A command about a block that the device may have forgotten by itself.
    fn tell(
        &mut self,
        block: u32,
        give: impl Fn(&mut QueuePair, Target) -> Result<(), DriverError>,
    ) -> Result<(), HepcError> {
        let target = self.key(block).into();
        match give(&mut self.queue, target) {
            Err(DriverError::Command { status, .. }) if status.status() == Some(Status::NotFound) => Ok(()),
            other => Ok(other?),
        }
    }
}

impl Victims for Running {
    fn filled(&mut self, block: u32, victims: &mut Vec<u32>) -> Result<(), HepcError> {
        let placed = self.place(block, victims);
        if let Err(HepcError::NoVictim) = placed {
            // It is there all the same: once one can go it has its place.
            if !self.unplaced.contains(&block) {
                self.unplaced.push(block);
            }
            return placed;
        }
        placed?;
        self.unplaced.retain(|other| *other != block);
        if let Some(other) = self.unplaced.pop()
            && let Err(error) = self.place(other, victims)
        {
            self.unplaced.push(other);
            if !matches!(error, HepcError::NoVictim) {
                return Err(error);
            }
        }
        self.fills += 1;
        if self.fills.is_multiple_of(STEP) { self.step() } else { Ok(()) }
    }

    fn touched(&mut self, block: u32) -> Result<(), HepcError> {
        let key = self.key(block);
        self.queue.touch(key, None)?;
        Ok(())
    }

    fn hot(&mut self, block: u32, on: bool) -> Result<(), HepcError> {
        self.hot[block as usize] = on;
        self.tell(block, |queue, target| if on { queue.hot(target).map(drop) } else { queue.unhot(target).map(drop) })
    }

    fn expected(&mut self, block: u32, steps: u32) -> Result<(), HepcError> {
        let step = self.step + steps;
        self.tell(block, |queue, target| queue.prefetch(target, step).map(drop))
    }

    fn gone(&mut self, block: u32) -> Result<(), HepcError> {
        self.leave(block, NONE);
        self.unplaced.retain(|other| *other != block);
        self.tell(block, |queue, target| queue.release(target).map(drop))
    }

    fn step(&mut self) -> Result<(), HepcError> {
        self.step += 1;
        Ok(self.queue.step_advance(self.step)?)
    }
}
