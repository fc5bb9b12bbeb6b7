//! Random draws by name: each is a hash of the seed, what it is for, and the request and block it is about.
//!
//! So a draw does not depend on which others were made before it: with another coverage or noise, all that is not
//! changed by it stays as it was.

use crate::trace::mix64;

/// What a draw decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Whether the runtime knows of a session.
    Coverage = 1,
    /// Whether a distance is too long or too short.
    Noise = 2,
    /// Whether a live block is called dead.
    DeadLie = 3,
    /// Whether a next use is a random one.
    NextUseLie = 4,
    /// That random one.
    Distance = 5,
}

/// The golden ratio in 64 bits: the increment of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number from 0 up to, but not including, 1.
pub(super) fn draw(seed: u64, what: Use, request: usize, block: u64) -> f64 {
    let words = [what as u64, request as u64, block];
    let hash = words
        .iter()
        .fold(seed, |hash, word| mix64(hash.wrapping_add(GOLDEN) ^ mix64(word.wrapping_add(GOLDEN))));
    // The upper 53 bits: as many as a double holds exactly.
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_evenly_and_apart_from_each_other() {
        let mut buckets = [0_usize; 10];
        for request in 0..100 {
            for block in 0..100 {
                buckets[(draw(1, Use::Noise, request, block) * 10.0) as usize] += 1;
            }
        }
        assert!(buckets.iter().all(|n| (900..1100).contains(n)), "{buckets:?}");
        let all = [
            draw(1, Use::Noise, 2, 3),
            draw(2, Use::Noise, 2, 3),
            draw(1, Use::Coverage, 2, 3),
            draw(1, Use::Noise, 3, 3),
            draw(1, Use::Noise, 3, 2),
        ];
        assert!((0..all.len()).all(|i| all[..i].iter().all(|other| *other != all[i])), "{all:?}");
    }
}
