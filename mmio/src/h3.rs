//! The two H3 hash functions of the RTBD: constants only.
//!
//! H3 (Carter and Wegman, "Universal classes of hash functions", 1979) is the XOR of one random
//! row per set key bit: in hardware a tree of XOR gates. A row holds both hashes: bits 15:0 belong
//! to hash 0, bits 31:16 to hash 1. A bucket number is the hash's low `log2(buckets)` bits.

/// Key bits: tag 64 (bits 0 to 63), request 16 (64 to 79), tenant 8 (80 to 87).
pub const KEY_BITS: usize = 88;

/// One row per key bit, filled by SplitMix64 (Steele, Lea and Flood, 2014) from seed `0x4B56_4350`.
pub const ROWS: [u32; KEY_BITS] = rows();

const fn rows() -> [u32; KEY_BITS] {
    let mut state: u64 = 0x4B56_4350;
    let mut rows = [0; KEY_BITS];
    let mut i = 0;
    while i < KEY_BITS {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        rows[i] = ((z ^ (z >> 31)) >> 32) as u32;
        i += 1;
    }
    rows
}
