//! What a block holds: bytes derived from its key, so that any block read back from anywhere can
//! be checked, and a block in the wrong place is told from a damaged one.

use kvcpu_mmio::queue::Key;
use std::sync::atomic::{AtomicU64, Ordering};

/// The stream of words of one block: SplitMix64 (Steele, Lea and Flood, 2014) from a seed that
/// every bit of the key enters.
struct Words(u64);

impl Words {
    fn of(key: Key) -> Words {
        let id = u64::from(key.request) | u64::from(key.tenant) << 16;
        Words(mix(key.tag ^ mix(id ^ 0x4B56_4350)))
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
}

#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Fills `block` with the bytes of `key`.
pub fn fill(key: Key, block: &[AtomicU64]) {
    let mut words = Words::of(key);
    for word in block {
        word.store(words.next(), Ordering::Relaxed);
    }
}

/// Number of the first word of `block` that is not `key`'s; `None` if all are.
pub fn first_difference(key: Key, block: &[AtomicU64]) -> Option<usize> {
    let mut words = Words::of(key);
    block.iter().position(|word| word.load(Ordering::Relaxed) != words.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_or_a_flipped_bit_is_seen() {
        let block: Vec<AtomicU64> = (0..512).map(|_| AtomicU64::new(0)).collect();
        let key = Key { tenant: 1, request: 2, tag: 3 };
        fill(key, &block);
        assert_eq!(first_difference(key, &block), None);
        for other in [Key { tenant: 2, ..key }, Key { request: 3, ..key }, Key { tag: 4, ..key }] {
            assert_eq!(first_difference(other, &block), Some(0), "{other:?}");
        }
        block[300].fetch_xor(1 << 40, Ordering::Relaxed);
        assert_eq!(first_difference(key, &block), Some(300));
    }
}
