//! When a transfer between tiers is done: a model in trace time, for reports. It takes no part in what the device does.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | how fast tiers are, how large the modelled block is |
//! | `channel.rs` | transfers one after another, first come, first served |
//! | `lookahead.rs` | how early a block is to be asked for, so that it arrives in time |
//!
//! The blocks that a replay moves are small so that a trace is replayed in seconds; the model's have the size that a
//! language model's KV-cache gives them. `docs/prefetch.md`.

mod channel;
mod lookahead;

pub use channel::{Channel, Channels};
pub use lookahead::Lookahead;

use kvcpu_mmio::geometry::TIERS;

/// Nanoseconds of a millisecond.
const MS_NS: u64 = 1_000_000;

/// KV bytes of one token of Llama-3.1-8B: K and V of 32 layers, 8 KV heads and 128 dimensions in bfloat16 (its published
/// `config.json`: `num_hidden_layers`, `num_key_value_heads`, `hidden_size / num_attention_heads`, `torch_dtype`).
pub const TOKEN_BYTES: u64 = 2 * 32 * 8 * 128 * 2;
/// Tokens of a block: 512 in the published Mooncake traces (`docs/traces.md`).
pub const BLOCK_TOKENS: u64 = 512;
/// Bytes of the modelled block if nothing else is said: 64 MiB.
pub const BLOCK_BYTES: u64 = TOKEN_BYTES * BLOCK_TOKENS;

/// How fast blocks are read from or written to a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// Time from the beginning of an access to its first byte.
    pub latency_ns: u64,
    /// Bytes a second from then on.
    pub bytes_per_s: u64,
}

impl Speed {
    /// The time that the bytes of a block occupy the channel, rounded up.
    pub fn occupied_ns(&self, bytes: u64) -> u64 {
        let ns = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(self.bytes_per_s));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

/// The tiers, T0 first. Latencies: the tier table of the system's design. Bandwidths: T3 one NVMe drive, 3 GB/s; T2 and
/// what else crosses the bus, 25 GB/s, what a PCIe 4.0 x16 link carries of its raw 31.5 GB/s.
pub const SPEEDS: [Speed; TIERS] = [
    Speed { latency_ns: 100, bytes_per_s: 25_000_000_000 },
    Speed { latency_ns: 150, bytes_per_s: 25_000_000_000 },
    Speed { latency_ns: 400, bytes_per_s: 25_000_000_000 },
    Speed { latency_ns: 100_000, bytes_per_s: 3_000_000_000 },
];

/// Nanoseconds of so many milliseconds; the model ends after 584 years.
pub fn ms_to_ns(ms: u64) -> u64 {
    ms.saturating_mul(MS_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_64_mib_and_takes_its_bytes_through_the_bandwidth() {
        assert_eq!((TOKEN_BYTES, BLOCK_BYTES), (128 << 10, 64 << 20));
        assert_eq!(SPEEDS[3].occupied_ns(BLOCK_BYTES), 22_369_622);
        assert_eq!(SPEEDS[2].occupied_ns(BLOCK_BYTES), 2_684_355);
        assert_eq!(SPEEDS[3].occupied_ns(u64::MAX), 6_148_914_691_236_517_205);
        assert_eq!(ms_to_ns(3), 3_000_000);
    }
}
