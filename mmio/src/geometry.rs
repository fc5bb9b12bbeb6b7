//! The elaborated size of a device. Software reads it from the capability registers; the emulator
//! and the RTL are built from it.

/// Depth of one RTBD bucket, in entries: two hashes of four ways.
pub const WAYS: u32 = 4;
/// Number of tiers.
pub const TIERS: usize = 4;
/// Largest entries count: what the BAR2 window holds.
pub const MAX_ENTRIES: u32 = 65_536;
/// Number of MSI-X vectors; interrupt source `n` signals vector `n`.
pub const VECTORS: u16 = 16;
/// Bytes of an RTBD entry in the BAR2 window.
pub const ENTRY_BYTES: u32 = 32;
/// Buckets that the search for a free slot reads at most: 2 + 8 + 32 + 128, four levels deep.
pub const SEARCH_BUCKETS: usize = 170;

/// What an instance of the device is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// log2 of the RTBD entries in buckets, 5 to 16. The stash comes on top.
    pub entries_log2: u32,
    /// Entries that a sweep reads each clock.
    pub lanes: u32,
    /// Length of each victim list and of the prefetch list.
    pub victim_k: u32,
    /// Entries of the stash, 1 to 16.
    pub stash: u32,
    /// Submission/completion queue pairs, 1 to 4.
    pub queues: u32,
    /// Agents that may cache translations, 1 to 8.
    pub agents: u32,
    /// Card memory (T1), KiB; a multiple of a quarter of the entries, where the device keeps its tables above it.
    pub t1_kib: u32,
    /// Smallest block, log2 bytes.
    pub min_block_shift: u32,
    /// Largest block, log2 bytes.
    pub max_block_shift: u32,
}

impl Geometry {
    /// 64 entries and short lists: full, tied and kicked about by a few commands. For co-simulation.
    pub const SMALL: Geometry =
        Geometry { entries_log2: 6, victim_k: 4, stash: 4, t1_kib: 1 << 10, max_block_shift: 12, ..Self::TEST };
    /// 1,024 entries and 4 lanes: small enough that random tests reach every corner.
    pub const TEST: Geometry = Geometry {
        entries_log2: 10,
        lanes: 4,
        victim_k: 16,
        stash: 8,
        queues: 4,
        agents: 4,
        t1_kib: 64 << 10,
        min_block_shift: 6,
        max_block_shift: 21,
    };
    /// 8,192 entries: what fits a development board's FPGA.
    pub const BOARD: Geometry = Geometry { entries_log2: 13, stash: 16, ..Self::TEST };
    /// What an ULX3S holds: the same, T1 and the device's tables in 32 MiB of SDRAM.
    pub const ULX3S: Geometry = Geometry { t1_kib: 30 << 10, ..Self::BOARD };
    /// What an ECP5 evaluation board holds, which has no memory but the FPGA's own: T1 and the tables in block RAM.
    pub const ECP5_EVN: Geometry = Geometry { entries_log2: 9, t1_kib: 128, max_block_shift: 16, ..Self::TEST };
    /// 65,536 entries and 16 lanes.
    pub const FULL: Geometry = Geometry {
        entries_log2: 16,
        lanes: 16,
        victim_k: 64,
        stash: 16,
        agents: 8,
        t1_kib: 16 << 20,
        min_block_shift: 9,
        ..Self::TEST
    };

    /// Entries in buckets.
    pub const fn entries(&self) -> u32 {
        1 << self.entries_log2
    }

    /// Buckets.
    pub const fn buckets(&self) -> u32 {
        self.entries() / WAYS
    }

    /// Entries in buckets and stash together.
    pub const fn slots(&self) -> u32 {
        self.entries() + self.stash
    }

    /// Bytes of T1.
    pub const fn t1_bytes(&self) -> u64 {
        (self.t1_kib as u64) << 10
    }

    /// Byte of card memory where the device's own tables begin: directly above T1. Software never sees them.
    pub const fn tables_base(&self) -> u64 {
        self.t1_bytes()
    }

    /// Bytes of those tables: what the device knows of frames, five words of 64 bits for each frame that a tier may have.
    pub const fn tables_bytes(&self) -> u64 {
        5 * 8 * TIERS as u64 * self.entries() as u64
    }

    /// What is wrong with this geometry, if anything.
    pub const fn check(&self) -> Result<(), &'static str> {
        if self.entries_log2 < 5 || self.entries_log2 > 16 {
            Err("entries_log2 must be 5 to 16")
        } else if self.lanes == 0 || self.lanes > 255 || !self.lanes.is_power_of_two() {
            Err("lanes must be a power of two up to 128")
        } else if self.victim_k == 0 || self.victim_k > 255 {
            Err("victim_k must be 1 to 255")
        } else if self.stash == 0 || self.stash > 16 {
            Err("stash must be 1 to 16")
        } else if self.queues == 0 || self.queues > 4 {
            Err("queues must be 1 to 4")
        } else if self.agents == 0 || self.agents > 8 {
            Err("agents must be 1 to 8")
        } else if !self.t1_kib.is_multiple_of(self.entries() / 4) {
            Err("t1_kib must be a multiple of a quarter of the entries")
        } else if self.min_block_shift < 6 || self.max_block_shift > 21 || self.min_block_shift > self.max_block_shift {
            Err("block shifts must satisfy 6 <= min <= max <= 21")
        } else {
            Ok(())
        }
    }
}
