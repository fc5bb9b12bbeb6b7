//! Identity, capabilities, life cycle and the access-error registers.

use crate::register::block;

/// `KVCP` in ASCII, what MAGIC reads.
pub const MAGIC_VALUE: u32 = 0x4B56_4350;
/// Major version of this map: software refuses a device with another.
pub const MAP_MAJOR: u16 = 2;
/// Minor version: grows when registers are added compatibly.
pub const MAP_MINOR: u16 = 1;

block! {
    /// Identity, capabilities, life cycle, access errors.
    control in Regs @ 0x0000, 1 x 0x40;

    /// Identifies a KV-CPU device: `KVCP` in ASCII.
    0x00 MAGIC: u32 RO = MAGIC_VALUE as u64, "";
    /// Version of the register map; software refuses another MAJOR.
    0x04 MAP_VERSION: u32 RO = ((MAP_MAJOR as u64) << 16) | MAP_MINOR as u64, "" {
        /// Grows when registers are added compatibly.
        MINOR[0 + 16] "";
        /// Grows when the meaning of a register changes.
        MAJOR[16 + 16] "";
    };
    /// Identifies the build of the device; implementation-defined.
    0x08 BUILD_ID: u32 RO = 0, "" volatile;
    /// Holds what software writes; for bring-up.
    0x0C SCRATCH: u32 RW = 0, "";
    /// Capabilities of the directory and scorer; set by the geometry.
    0x10 CAP_RTBD: u32 RO = 0, "" {
        /// log2 of the RTBD entries in buckets.
        ENTRIES_LOG2[0 + 8] "";
        /// Entries that a sweep reads each clock.
        LANES[8 + 8] "entries/clock";
        /// Length of each victim list and of the prefetch list.
        VICTIM_K[16 + 8] "entries";
        /// Entries of the stash, addressed after the buckets.
        STASH[24 + 8] "entries";
    };
    /// Capabilities of the engines; set by the geometry.
    0x14 CAP_ENGINES: u32 RO = 0, "" {
        /// DMA channels.
        DMA_CHANNELS[0 + 4] "";
        /// Memory tiers.
        TIERS[4 + 4] "";
        /// Queue pairs.
        QUEUES[8 + 4] "";
        /// Agents that may cache translations.
        AGENTS[12 + 4] "";
        /// Smallest BLOCK_SHIFT.
        MIN_BLOCK_SHIFT[16 + 8] "log2 bytes";
        /// Largest BLOCK_SHIFT.
        MAX_BLOCK_SHIFT[24 + 8] "log2 bytes";
    };
    /// Size of the card memory (T1); set by the geometry.
    0x18 CAP_T1_KIB: u32 RO = 0, "KiB";
    /// Frequency of the clock in which latencies are counted; 1 GHz on the emulator, which counts nanoseconds.
    0x1C TIMEBASE_HZ: u32 RO = 0, "Hz" volatile;
    /// Life cycle.
    0x20 CTRL: u32 RW = 0, "" {
        /// 1 lets the device take commands. Setting it checks the configuration: if a tier or the block size does not fit, it stays 0 and ERR_STATUS.CONFIG says so. Clearing it empties the directory and all queues.
        ENABLE[0 + 1] "";
        /// Writing 1 resets the device; reads 0.
        RESET[1 + 1] "";
    };
    /// State of the device.
    0x24 STATUS: u32 RO = 0, "" volatile {
        /// Out of reset and ready to be configured.
        READY[0 + 1] "";
        /// Taking commands.
        ENABLED[1 + 1] "";
        /// A command is waiting for a move, an invalidation or queue space.
        BLOCKED[2 + 1] "";
        /// What the blocked command waits for: 1 a move, 2 an invalidation, 3 space in a completion queue, 4 a staging slot, 5 space in the service queue.
        BLOCKED_ON[4 + 4] "";
        /// Moves not yet acknowledged.
        MOVES_IN_FLIGHT[16 + 16] "moves";
    };
    /// Sticky errors.
    0x28 ERR_STATUS: u32 W1C = 0, "" {
        /// Software made a bad register access; see BAD_ACCESS_ADDR.
        BAD_ACCESS[0 + 1] "";
        /// A queue halted or got a bad doorbell; see Q_ERR.
        QUEUE[1 + 1] "";
        /// A DMA transfer failed; see DMA_ERR.
        DMA[2 + 1] "";
        /// The service queue is misused or T3 reported an error; see SVC_ERR.
        SERVICE[3 + 1] "";
        /// ENABLE was refused; see CONFIG_ERR.
        CONFIG[4 + 1] "";
        /// A frame was reused that an agent could still read; see LUF_VIOLATIONS.
        LUF[5 + 1] "";
        /// A word of the device's own tables, in card memory, was answered with an error. What the device decides from then on is not to be trusted: disable or reset it.
        CARD[6 + 1] "";
    };
    /// Bad accesses since last read: unaligned, wrong size, unknown, read-only written; saturates.
    0x2C BAD_ACCESS_COUNT: u32 RC = 0, "accesses";
    /// The last bad access.
    0x30 BAD_ACCESS_ADDR: u32 RO = 0, "" {
        /// Byte offset, its low 24 bits.
        OFFSET[0 + 24] "bytes";
        /// PCI index of the BAR.
        BAR[24 + 3] "";
        /// It was a write.
        WRITE[27 + 1] "";
        /// 1 unaligned, 2 wrong size, 3 unknown, 4 not writable, 5 locked while enabled.
        CAUSE[28 + 4] "";
    };
    /// Why the last ENABLE was refused: 0 accepted, 1 BLOCK_SHIFT out of range, 2 a tier has more frames than the directory has entries, 3 a tier's LIMIT exceeds its FRAMES, 4 T1 exceeds the card memory (if bytes move), 5 T3 without the service queue and staging slots (if bytes move), 6 no tier has a LIMIT, 7 PREFETCH_TIER has LIMIT 0, 8 a tier's LOW exceeds its HIGH, 9 the directory is in maintenance mode, 10 AGENT_MASK names agents the device does not have, 11 an address in use is not aligned (tiers and staging 8, submission ring 64, completion ring 16 bytes) or passes 2^64 (if bytes move). The lowest number that applies.
    0x34 CONFIG_ERR: u32 RO = 0, "";
    /// Reserved.
    0x38 CONTROL_RESERVED[2]: u32 Reserved = 0, "";
}
