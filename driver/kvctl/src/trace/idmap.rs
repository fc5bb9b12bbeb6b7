//! A hash map keyed by block id, with a hasher fit for ids.
//!
//! Ids are either small counters or hashes already; SipHash would cost more than all the rest of reading a trace. The
//! finaliser of SplitMix64 (Steele, Lea, Flood 2014) spreads counters over all bits and is a bijection, so it adds no
//! collisions.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Hashes one `u64` with the SplitMix64 finaliser.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix64(u64);

/// The SplitMix64 finaliser.
pub(crate) fn mix64(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Hasher for Mix64 {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_u64(u64::from(b));
        }
    }

    fn write_u64(&mut self, n: u64) {
        // The golden-ratio increment keeps a zero id from hashing to zero and orders a sequence of writes.
        self.0 = mix64(self.0.wrapping_add(n).wrapping_add(0x9e37_79b9_7f4a_7c15));
    }
}

/// A map from block id to `V`.
pub type IdMap<V> = HashMap<u64, V, BuildHasherDefault<Mix64>>;
