//! The performance counters and the tiers' occupancy, as values.

use kvcpu_mmio::Backing;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::regs::{counter, rtbd, tier};
use serde::Serialize;

use crate::{Device, DriverError};

/// A counter or an array of counters.
trait Value: Sized {
    fn read(read: impl FnMut(u32) -> Result<u64, DriverError>) -> Result<Self, DriverError>;
    fn minus(&self, earlier: &Self) -> Self;
}

impl Value for u64 {
    fn read(mut read: impl FnMut(u32) -> Result<u64, DriverError>) -> Result<u64, DriverError> {
        read(0)
    }
    fn minus(&self, earlier: &u64) -> u64 {
        self.wrapping_sub(*earlier)
    }
}

impl<const N: usize> Value for [u64; N] {
    fn read(mut read: impl FnMut(u32) -> Result<u64, DriverError>) -> Result<[u64; N], DriverError> {
        let mut values = [0; N];
        for (element, value) in (0..).zip(&mut values) {
            *value = read(element)?;
        }
        Ok(values)
    }
    fn minus(&self, earlier: &[u64; N]) -> [u64; N] {
        std::array::from_fn(|i| self[i].wrapping_sub(earlier[i]))
    }
}

macro_rules! counters {
    ($($field:ident: $type:ty = $register:ident, $doc:literal;)+) => {
        /// Every `CNT_` register at one moment. What each counts is in `mmio/src/regs/counter.rs`.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Counters {
            $(#[doc = $doc] pub $field: $type,)+
        }

        impl Counters {
            /// The registers that are read, in the order of the fields.
            pub const REGISTERS: &'static [&'static kvcpu_mmio::Register] = &[$(&counter::$register),+];

            fn read<B: Backing + ?Sized + 'static>(device: &Device<B>) -> Result<Counters, DriverError> {
                Ok(Counters {
                    $($field: <$type>::read(|element| device.read_at(&counter::$register, 0, element))?,)+
                })
            }

            /// What was counted since `earlier`. `decision_max` stays as it is: a maximum has no
            /// difference.
            pub fn delta(&self, earlier: &Counters) -> Counters {
                let delta = Counters { $($field: self.$field.minus(&earlier.$field),)+ };
                Counters { decision_max: self.decision_max, ..delta }
            }
        }
    };
}

counters! {
    commands: u64 = CNT_COMMANDS, "Commands completed.";
    refused: u64 = CNT_REFUSED, "Commands refused.";
    lookups: u64 = CNT_LOOKUPS, "Keys looked up.";
    hits: [u64; TIERS] = CNT_HITS, "Look-ups that found a block, by tier.";
    ghost_hits: u64 = CNT_GHOST_HITS, "Look-ups that found a ghost.";
    misses: u64 = CNT_MISSES, "Look-ups that found nothing.";
    denials: u64 = CNT_DENIALS, "Commands denied to their tenant.";
    inserts: [u64; TIERS] = CNT_INSERTS, "Blocks inserted, by tier.";
    evictions: [u64; TIERS] = CNT_EVICTIONS, "Blocks moved out, by source tier.";
    drops: [u64; TIERS] = CNT_DROPS, "Blocks dropped, by source tier.";
    promotions: [u64; TIERS] = CNT_PROMOTIONS, "Blocks moved up, by source tier.";
    move_bytes: [u64; TIERS * TIERS] = CNT_MOVE_BYTES, "Bytes moved; element 4*from + to.";
    copy_in_bytes: [u64; TIERS] = CNT_COPY_IN_BYTES, "Bytes copied into a tier.";
    copy_out_bytes: [u64; TIERS] = CNT_COPY_OUT_BYTES, "Bytes copied out of a tier.";
    moves_failed: u64 = CNT_MOVES_FAILED, "Moves undone.";
    sweeps: u64 = CNT_SWEEPS, "Sweeps.";
    dry_sweeps: u64 = CNT_DRY_SWEEPS, "Sweeps because a list ran dry.";
    guard_switches: u64 = CNT_GUARD_SWITCHES, "Changes of the guard's policy.";
    list_pops: u64 = CNT_LIST_POPS, "List entries popped.";
    list_stale: u64 = CNT_LIST_STALE, "List entries popped that no longer held.";
    kicks: u64 = CNT_KICKS, "Entries moved within the directory.";
    ghosts_reclaimed: u64 = CNT_GHOSTS_RECLAIMED, "Ghosts overwritten.";
    directory_full: u64 = CNT_DIRECTORY_FULL, "Inserts refused for want of a directory slot.";
    shootdowns_needed: u64 = CNT_SHOOTDOWNS_NEEDED, "Invalidations that eager release would have sent.";
    shootdowns_sent: u64 = CNT_SHOOTDOWNS_SENT, "Invalidations sent.";
    decision_hist: [u64; 16] = CNT_DECISION_HIST, "Decisions by latency, powers of two of timebase ticks.";
    decision_max: u64 = CNT_DECISION_MAX, "Longest decision, in timebase ticks.";
}

impl Counters {
    /// Invalidations that batching saved.
    pub fn shootdowns_elided(&self) -> u64 {
        self.shootdowns_needed.saturating_sub(self.shootdowns_sent)
    }

    /// Bytes moved from tier `from` to tier `to`, each 0 to 3.
    pub fn moved(&self, from: usize, to: usize) -> u64 {
        self.move_bytes[TIERS * from + to]
    }
}

/// One tier's blocks and frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TierOccupancy {
    /// Blocks resident.
    pub used: u32,
    /// Frames on the free list.
    pub free: u32,
    /// Frames in quarantine.
    pub quarantined: u32,
}

/// How full the device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Occupancy {
    /// By tier.
    pub tiers: [TierOccupancy; TIERS],
    /// Directory entries that are not free.
    pub entries: u32,
    /// Those that are ghosts.
    pub ghosts: u32,
    /// Stash entries in use.
    pub stash: u32,
}

impl<B: Backing + ?Sized + 'static> Device<B> {
    /// Reads all counters. They are not read at one instant: fence first if they must agree.
    pub fn counters(&self) -> Result<Counters, DriverError> {
        Counters::read(self)
    }

    /// Reads the tiers' and the directory's occupancy.
    pub fn occupancy(&self) -> Result<Occupancy, DriverError> {
        let mut occupancy = Occupancy {
            entries: self.read(&rtbd::RTBD_USED)? as u32,
            ghosts: self.read(&rtbd::RTBD_GHOSTS)? as u32,
            stash: self.read(&rtbd::RTBD_STASH_USED)? as u32,
            ..Occupancy::default()
        };
        for (number, of) in (0..).zip(&mut occupancy.tiers) {
            of.used = self.read_at(&tier::TIER_USED, number, 0)? as u32;
            of.free = self.read_at(&tier::TIER_FREE, number, 0)? as u32;
            of.quarantined = self.read_at(&tier::TIER_QUARANTINED, number, 0)? as u32;
        }
        Ok(occupancy)
    }
}
