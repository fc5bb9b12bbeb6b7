//! HEPC: step, scorer weights, thresholds, and a window on its lists.

use crate::register::block;

block! {
    /// Eviction policy controller: step, weights, thresholds, lists.
    hepc in Regs @ 0x0040, 1 x 0x40;

    /// The decode step last given by STEP_ADVANCE.
    0x00 STEP: u32 RO = 0, "steps";
    /// Weights of the score P = sat16(WR*R + ((WF*F + WS*S + WD*D) >> max(SHIFT - 4, 0))).
    0x04 WEIGHTS: u32 RW = 0x0004_1801, "" {
        /// Recency.
        WR[0 + 8] "";
        /// Frequency.
        WF[8 + 8] "";
        /// Proximity of the next use.
        WS[16 + 8] "";
        /// Durability of a prefix.
        WD[24 + 8] "";
    };
    /// The unit of recency.
    0x08 RECENCY_SHIFT: u32 RW = 0, "" {
        /// Accesses per unit of R, log2; 0 lets the device choose by GUARD_CAPACITY.
        SHIFT[0 + 4] "log2 accesses";
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
    /// Who chooses the policy.
    0x24 GUARD: u32 RW = 0x41, "" {
        /// 1: the guard chooses, 0: POLICY is active.
        ENABLE[0 + 1] "";
        /// The policy without the guard; 0 is LRU.
        POLICY[4 + 3] "";
    };
    /// What the guard chose.
    0x28 GUARD_STATE: u32 RO = 0x33, "" {
        /// The active policy.
        ACTIVE[0 + 3] "";
        /// The policy the guard prefers, enabled or not.
        CHOICE[4 + 3] "";
    };
    /// Blocks the guard compares policies for: all tiers together, at most 3/4 of ENTRIES; 0 while disabled.
    0x2C GUARD_CAPACITY: u32 RO = 0, "blocks";
    /// Selects what GUARD_HITS shows.
    0x30 GUARD_SELECT: u32 RW = 0, "" {
        /// Policy.
        POLICY[0 + 3] "";
    };
    /// Recent references that the selected policy would have hit, decaying.
    0x34 GUARD_HITS: u32 RO = 0, "references";
    /// Accesses counted since ENABLE, mod 2^32.
    0x38 ACCESS_CLOCK: u32 RO = 0, "accesses";
    /// Reserved.
    0x3C HEPC_RESERVED: u32 Reserved = 0, "";
}
