//! H3 by table: one look-up a key byte instead of one XOR a key bit.

use kvcpu_mmio::h3::{KEY_BITS, ROWS};
use kvcpu_mmio::queue::Key;

const KEY_BYTES: usize = KEY_BITS / 8;

/// Both hashes of a key: hash 0 in bits 15:0, hash 1 in bits 31:16.
pub(crate) struct H3 {
    tables: Box<[[u32; 256]; KEY_BYTES]>,
}

impl H3 {
    pub(crate) fn new() -> H3 {
        let mut tables = Box::new([[0; 256]; KEY_BYTES]);
        for (byte, table) in tables.iter_mut().enumerate() {
            for (value, entry) in table.iter_mut().enumerate() {
                *entry = (0..8).filter(|bit| value >> bit & 1 == 1).fold(0, |h, bit| h ^ ROWS[8 * byte + bit]);
            }
        }
        H3 { tables }
    }

    pub(crate) fn hash(&self, key: Key) -> u32 {
        let id = u32::from(key.request) | u32::from(key.tenant) << 16;
        let tag = key.tag.to_le_bytes();
        let mut h = 0;
        for (table, byte) in self.tables.iter().zip(tag.iter().chain(&id.to_le_bytes()[..3])) {
            h ^= table[usize::from(*byte)];
        }
        h
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_agree_with_the_rows() {
        let h3 = H3::new();
        let mut x = 1u64;
        for _ in 0..1000 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = Key { tenant: (x >> 8) as u8, request: (x >> 20) as u16, tag: x.rotate_left(17) };
            let bits = u128::from(key.tag) | u128::from(key.request) << 64 | u128::from(key.tenant) << 80;
            let expected = (0..KEY_BITS).filter(|i| bits >> i & 1 == 1).fold(0, |h, i| h ^ ROWS[i]);
            assert_eq!(h3.hash(key), expected, "{key:?}");
        }
    }

    /// docs/rtbd.md, Hash.
    #[test]
    fn the_vectors_of_the_page_hold() {
        let h3 = H3::new();
        let hash = |tenant, request, tag| h3.hash(Key { tenant, request, tag });
        assert_eq!(hash(0x00, 0x0000, 0x0000_0000_0000_0001), 0x9445_87aa);
        assert_eq!(hash(0x01, 0x0000, 0x0000_0000_0000_0000), 0x9430_2539);
        assert_eq!(hash(0x5a, 0xbeef, 0x0123_4567_89ab_cdef), 0x43b9_7ad4);
        assert_eq!(hash(0xff, 0xffff, 0xffff_ffff_ffff_ffff), 0x3278_1df8);
    }
}
