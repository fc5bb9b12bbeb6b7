//! Performance counters: 64 bits, free-running from reset, cleared by reset and when CTRL.ENABLE
//! rises.

use crate::register::block;

block! {
    /// Performance counters since CTRL.ENABLE rose.
    counter in Regs @ 0x6000, 1 x 0x400;

    /// Commands completed, refused ones included.
    0x000 CNT_COMMANDS: u64 RO = 0, "commands";
    /// Commands refused (completed with a status other than OK).
    0x008 CNT_REFUSED: u64 RO = 0, "commands";
    /// Key look-ups by LOOKUP and TOUCH, one for each key.
    0x010 CNT_LOOKUPS: u64 RO = 0, "keys";
    /// Look-ups that found a resident block, by tier.
    0x018 CNT_HITS[4]: u64 RO = 0, "keys";
    /// Look-ups that found a ghost.
    0x038 CNT_GHOST_HITS: u64 RO = 0, "keys";
    /// Look-ups that found nothing.
    0x040 CNT_MISSES: u64 RO = 0, "keys";
    /// Commands refused because their queue belongs to another tenant.
    0x048 CNT_DENIALS: u64 RO = 0, "commands";
    /// Blocks inserted, by tier.
    0x050 CNT_INSERTS[4]: u64 RO = 0, "blocks";
    /// Blocks moved out of a tier, to a lower tier or to nowhere, by source tier.
    0x070 CNT_EVICTIONS[4]: u64 RO = 0, "blocks";
    /// Blocks that became ghosts, by source tier.
    0x090 CNT_DROPS[4]: u64 RO = 0, "blocks";
    /// Blocks moved up, by source tier.
    0x0B0 CNT_PROMOTIONS[4]: u64 RO = 0, "blocks";
    /// Bytes of completed moves between tiers; element 4*from + to.
    0x0D0 CNT_MOVE_BYTES[16]: u64 RO = 0, "bytes";
    /// Bytes COPY brought from a host buffer into a tier.
    0x150 CNT_COPY_IN_BYTES[4]: u64 RO = 0, "bytes";
    /// Bytes COPY brought from a tier to a host buffer.
    0x170 CNT_COPY_OUT_BYTES[4]: u64 RO = 0, "bytes";
    /// Moves that failed and were undone.
    0x190 CNT_MOVES_FAILED: u64 RO = 0, "moves";
    /// Sweeps of the directory.
    0x198 CNT_SWEEPS: u64 RO = 0, "sweeps";
    /// Sweeps made because a victim list ran dry.
    0x1A0 CNT_DRY_SWEEPS: u64 RO = 0, "sweeps";
    /// List entries popped.
    0x1A8 CNT_LIST_POPS: u64 RO = 0, "entries";
    /// List entries popped that no longer held.
    0x1B0 CNT_LIST_STALE: u64 RO = 0, "entries";
    /// Entries moved to their other bucket to make room.
    0x1B8 CNT_KICKS: u64 RO = 0, "entries";
    /// Ghosts overwritten to make room.
    0x1C0 CNT_GHOSTS_RECLAIMED: u64 RO = 0, "entries";
    /// Inserts refused with DIRECTORY_FULL.
    0x1C8 CNT_DIRECTORY_FULL: u64 RO = 0, "commands";
    /// Invalidations that releasing frames one by one would have sent.
    0x1D0 CNT_SHOOTDOWNS_NEEDED: u64 RO = 0, "invalidations";
    /// Invalidations sent.
    0x1D8 CNT_SHOOTDOWNS_SENT: u64 RO = 0, "invalidations";
    /// Changes of the guard's policy.
    0x1E0 CNT_GUARD_SWITCHES: u64 RO = 0, "changes";
    /// Reserved.
    0x1E8 COUNTER_RESERVED0[6]: u32 Reserved = 0, "";
    /// Decisions (a victim or a promotion turned into a descriptor) by latency: element i counts latencies of 2^i to 2^(i+1)-1 timebase ticks, the last all above.
    0x200 CNT_DECISION_HIST[16]: u64 RO = 0, "decisions" volatile;
    /// Longest decision.
    0x280 CNT_DECISION_MAX: u64 RO = 0, "ticks" volatile;
}
