//! Blocks as they are stored.

/// What a fill needs beside the block.
#[derive(Default)]
pub struct Scratch {}
