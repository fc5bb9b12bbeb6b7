//! The size of an arena's blocks.

/// Bytes of a block: a power of two from 4 KiB, a page, to 2 MiB, a huge page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockSize(u8);

/// No size for blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{bytes} bytes are no block size: take a power of two from 4096 (4 KiB) to 2097152 (2 MiB), 65536 if nothing speaks for another"
)]
pub struct BlockSizeError {
    /// What was asked for.
    pub bytes: u64,
}

impl BlockSize {
    /// 4 KiB.
    pub const MIN: BlockSize = BlockSize(12);
    /// 2 MiB.
    pub const MAX: BlockSize = BlockSize(21);
    /// 64 KiB.
    pub const DEFAULT: BlockSize = BlockSize(16);

    /// A block of so many bytes.
    pub fn new(bytes: u64) -> Result<BlockSize, BlockSizeError> {
        let log2 = bytes
            .checked_ilog2()
            .filter(|_| bytes.is_power_of_two())
            .ok_or(BlockSizeError { bytes })?;
        BlockSize::from_log2(log2 as u8).ok_or(BlockSizeError { bytes })
    }

    /// A block of 2^`log2` bytes, 12 to 21.
    pub fn from_log2(log2: u8) -> Option<BlockSize> {
        (BlockSize::MIN.0..=BlockSize::MAX.0).contains(&log2).then_some(BlockSize(log2))
    }

    /// Its bytes.
    pub fn bytes(self) -> usize {
        1 << self.0
    }

    /// The logarithm of its bytes, 12 to 21.
    pub fn log2(self) -> u8 {
        self.0
    }

    /// Blocks that so many bytes need.
    pub fn blocks(self, bytes: u64) -> u64 {
        bytes.div_ceil(1 << self.0)
    }
}

impl Default for BlockSize {
    fn default() -> BlockSize {
        BlockSize::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_powers_of_two_from_a_page_to_a_huge_page_are_sizes() {
        for log2 in 12..=21 {
            assert_eq!(BlockSize::new(1 << log2).unwrap().bytes(), 1 << log2);
        }
        for bytes in [0, 1, 2048, 4095, 4097, 12288, 4 << 20, u64::MAX] {
            assert_eq!(BlockSize::new(bytes), Err(BlockSizeError { bytes }));
        }
        assert_eq!(BlockSize::DEFAULT.bytes(), 65536);
        assert_eq!(BlockSize::MIN.blocks(4097), 2);
        assert_eq!(BlockSize::MAX.blocks(u64::MAX), 1 << 43);
    }
}
