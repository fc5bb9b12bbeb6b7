//! What is to go wrong, and when. Times are counted in register accesses, so a plan is as
//! deterministic as the program above it.

/// Faults to inject. `Default` injects none; the numbers count from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Chooses what a fault leaves open: the bit that flips, the region that is unmapped.
    pub seed: u64,
    /// From this register access on the device is gone: reads give all ones, writes are swallowed.
    pub die_at: Option<u64>,
    /// From this register access on doorbells and CMD_GO are swallowed: the device stops answering, its
    /// registers still read.
    pub silent_at: Option<u64>,
    /// One bit of this register read is flipped.
    pub flip_read: Option<u64>,
    /// Before this register access one DMA region is unmapped behind the driver's back.
    pub unmap_at: Option<u64>,
    /// This DMA allocation is refused.
    pub refuse_alloc: Option<u64>,
}

impl FaultPlan {
    /// One fault of any kind within the first `accesses` accesses, chosen by `seed`. Print the plan
    /// when a test fails: it is what replays it.
    pub fn random(seed: u64, accesses: u64) -> FaultPlan {
        let at = Some(mix(seed, 1) % accesses.max(1));
        let none = FaultPlan { seed, ..FaultPlan::default() };
        match mix(seed, 0) % 5 {
            0 => FaultPlan { die_at: at, ..none },
            1 => FaultPlan { silent_at: at, ..none },
            2 => FaultPlan { flip_read: at, ..none },
            3 => FaultPlan { unmap_at: at, ..none },
            _ => FaultPlan { refuse_alloc: Some(mix(seed, 1) % 8), ..none },
        }
    }
}

/// Number `index` of the sequence that `seed` starts: SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
