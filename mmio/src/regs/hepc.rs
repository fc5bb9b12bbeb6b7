//! HEPC: step, scorer weights, thresholds, and a window on its lists.

use crate::register::block;

block! {
    /// Eviction policy controller: step, weights, thresholds, lists.
    hepc in Regs @ 0x0040, 1 x 0x40;

    /// The decode step last given by STEP_ADVANCE.
    0x00 STEP: u32 RO = 0, "steps";
    /// Weights of the score P = sat16(WR*R + WF*F + WS*S + WD*D).
    0x04 WEIGHTS: u32 RW = 0x0080_3208, "" {
        /// Recency.
        WR[0 + 8] "";
        /// Frequency.
        WF[8 + 8] "";
        /// Proximity of the next use.
        WS[16 + 8] "";
        /// Durability of a prefix.
        WD[24 + 8] "";
    };
    /// R = 4095 - min(age >> RECENCY_SHIFT, 4095).
    0x08 RECENCY_SHIFT: u32 RW = 0, "" {
        /// Steps per unit of R, log2.
        SHIFT[0 + 5] "log2 steps";
    };
    /// Automatic demotion takes blocks whose score is below this.
    0x0C EVICT_THRESH: u32 RW = 0xFFFF, "" {
        /// Score.
        THRESH[0 + 16] "score";
    };
    /// Where a prefetched block goes.
    0x10 PREFETCH_TIER: u32 RW = 1, "" {
        /// Tier.
        TIER[0 + 2] "tier";
    };
    /// Selects what LIST_INDEX and LIST_RANK show.
    0x14 LIST_SELECT: u32 RW = 0, "" {
        /// Position in the list, 0 is next.
        POSITION[0 + 8] "";
        /// Tier of the victim list.
        TIER[8 + 2] "tier";
        /// 0 a victim list, 1 the prefetch list.
        PREFETCH[12 + 1] "";
    };
    /// Directory index at the selected position; all ones if there is none.
    0x18 LIST_INDEX: u32 RO = 0xFFFF_FFFF, "";
    /// Sort key at the selected position, as of its sweep; all ones if there is none.
    0x1C LIST_RANK: u32 RO = 0xFFFF_FFFF, "";
    /// Entries left in the selected list.
    0x20 LIST_COUNT: u32 RO = 0, "entries";
    /// Reserved.
    0x24 HEPC_RESERVED[7]: u32 Reserved = 0, "";
}
