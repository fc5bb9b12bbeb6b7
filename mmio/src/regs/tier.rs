//! The tiers: frames, limits, watermarks, addresses. Instance `n` is tier `n`.

use crate::register::block;

block! {
    /// Frames, limits and watermarks of one tier. Writable only while CTRL.ENABLE is 0, watermarks and LOOKAHEAD always.
    tier in Regs @ 0x0200, 4 x 0x40;

    /// Block-sized slots the tier has.
    0x00 TIER_FRAMES: u32 RW = 0, "frames" {
        /// Up to the directory's entries.
        FRAMES[0 + 17] "frames";
    };
    /// Blocks that may be resident; 0 leaves the tier out. The other frames are room for the quarantine.
    0x04 TIER_LIMIT: u32 RW = 0, "blocks" {
        /// Up to FRAMES.
        LIMIT[0 + 17] "blocks";
    };
    /// Automatic demotion starts when more blocks than this are resident.
    0x08 TIER_HIGH: u32 RW = 0x1_FFFF, "blocks" {
        /// High watermark.
        HIGH[0 + 17] "blocks";
    };
    /// Automatic demotion stops when no more blocks than this are resident.
    0x0C TIER_LOW: u32 RW = 0x1_FFFF, "blocks" {
        /// Low watermark.
        LOW[0 + 17] "blocks";
    };
    /// Address of frame 0: a bus address for T0 and T2, an address in card memory for T1, unused for T3.
    0x10 TIER_BASE: u64 RW = 0, "bytes";
    /// Blocks of this tier hinted for use at most so many steps ahead are moved up.
    0x18 TIER_LOOKAHEAD: u32 RW = 0, "steps";
    /// Reserved.
    0x1C TIER_RESERVED0: u32 Reserved = 0, "";
    /// Blocks resident, counted where their last decision put them.
    0x20 TIER_USED: u32 RO = 0, "blocks";
    /// Frames on the free list.
    0x24 TIER_FREE: u32 RO = 0, "frames";
    /// Frames in quarantine.
    0x28 TIER_QUARANTINED: u32 RO = 0, "frames";
}
