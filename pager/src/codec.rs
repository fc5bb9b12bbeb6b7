//! Blocks as they are stored.

/// What a fill needs beside the block.
pub struct Scratch {}

impl Scratch {
    /// For blocks of so many bytes.
    pub fn new(_block_bytes: usize) -> Scratch {
        Scratch {}
    }
}
