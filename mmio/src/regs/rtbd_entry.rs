//! BAR2: an RTBD entry, eight words so that one 32-bit read gives a whole field.

use crate::register::block;
use bitflags::bitflags;

block! {
    /// A directory entry. Index = 4 * bucket + way. Writable only in maintenance mode.
    rtbd_entry in Rtbd @ 0x0000, 65536 x 0x20;

    /// Low half of the tag.
    0x00 ENTRY_TAG_LO: u32 RW = 0, "" volatile;
    /// High half of the tag.
    0x04 ENTRY_TAG_HI: u32 RW = 0, "" volatile;
    /// The rest of the key, and flags.
    0x08 ENTRY_ID: u32 RW = 0, "" volatile {
        /// Request; 0 is the shared-prefix space.
        REQUEST[0 + 16] "";
        /// Tenant.
        TENANT[16 + 8] "";
        /// Flags: 1 prefix, 2 dirty, 4 hot, 8 dead, 16 read-only, 32 branch, 64 target valid, 128 retained.
        FLAGS[24 + 8] "";
    };
    /// Where it is and what it was last worth.
    0x0C ENTRY_PLACE: u32 RW = 0, "" volatile {
        /// Frame in its tier.
        FRAME[0 + 16] "frames";
        /// Score P of the last sweep that saw it resident.
        SCORE[16 + 16] "score";
    };
    /// ACCESS_CLOCK when the chain of the last access began.
    0x10 ENTRY_ACCESS: u32 RW = 0, "accesses" volatile;
    /// Step of the next use, if flag target valid is set.
    0x14 ENTRY_TARGET: u32 RW = 0, "steps" volatile;
    /// Position and history.
    0x18 ENTRY_HISTORY: u32 RW = 0, "" volatile {
        /// Depth in its chain; saturates.
        DEPTH[0 + 12] "blocks";
        /// Accesses; saturates, survives eviction.
        FREQUENCY[12 + 4] "accesses";
        /// References; above 0 the block is never a victim.
        REFCOUNT[16 + 8] "references";
        /// Signature of the first child seen; 0 none yet.
        CHILD[24 + 8] "";
    };
    /// State, retention, and what the guard knows.
    0x1C ENTRY_STATE: u32 RW = 0, "" volatile {
        /// Retained until this step, if flag retained is set.
        RETAIN[0 + 20] "16 steps";
        /// Bit k: the guard counts the block as evicted by policy k since its last access.
        OUT[20 + 8] "";
        /// Tier of the last decision.
        TIER[28 + 2] "tier";
        /// 0 free, 1 resident, 2 in flight to TIER, 3 ghost.
        STATE[30 + 2] "";
    };
}

bitflags! {
    /// Flags of a directory entry (ENTRY_ID.FLAGS).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct EntryFlags: u8 {
        /// The runtime declared it part of a shared prefix.
        const PREFIX = 1;
        /// The block was changed since it was inserted.
        const DIRTY = 1 << 1;
        /// Pinned: never a victim.
        const HOT = 1 << 2;
        /// Never needed again: first victim.
        const DEAD = 1 << 3;
        /// Mappings of it are read-only, so invalidation may be lazy.
        const READ_ONLY = 1 << 4;
        /// Two distinct children were seen.
        const BRANCH = 1 << 5;
        /// ENTRY_TARGET holds a next use.
        const TARGET_VALID = 1 << 6;
        /// ENTRY_STATE.RETAIN holds.
        const RETAINED = 1 << 7;
    }
}

/// State of a directory entry (ENTRY_STATE.STATE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryState {
    /// The slot is free.
    #[default]
    Free = 0,
    /// The block is in its frame.
    Resident = 1,
    /// The block was decided to move to TIER/FRAME and is on its way.
    InFlight = 2,
    /// The block is nowhere; the entry keeps its history.
    Ghost = 3,
}
