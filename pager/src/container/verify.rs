//! Every block of a container, read and checked.

use super::Container;
use crate::codec::Scratch;
use crate::source::SourceError;

/// What a check of every block found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Blocks read.
    pub blocks: u64,
    /// Those that are not what was sealed.
    pub damaged: Vec<DamagedBlock>,
}

/// A block that is not what was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedBlock {
    /// Its number.
    pub block: u64,
    /// Its tenant.
    pub tenant: u8,
    /// What is wrong with it.
    pub error: SourceError,
    /// The names of the regions it is part of.
    pub regions: Vec<String>,
}

impl std::fmt::Display for DamagedBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "block {} of tenant {}: {}", self.block, self.tenant, self.error)?;
        if !self.regions.is_empty() {
            write!(f, " (part of {})", self.regions.join(", "))?;
        }
        Ok(())
    }
}

impl Container {
    /// Checks every block, whatever the claims are: it tells nothing of what they hold. `progress` gets blocks checked and blocks there are.
    pub fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Verification {
        let block_bytes = self.header.block_size.bytes();
        let mut scratch = Scratch::new(block_bytes);
        let mut out = vec![0; block_bytes];
        let blocks = self.entries.len() as u64;
        let mut damaged = Vec::new();
        for block in 0..blocks {
            if let Err(error) = self.read(block, &mut out, &mut scratch) {
                let tenant = self.entries.get(block).map_or(0, |entry| entry.tenant);
                damaged.push(DamagedBlock { block, tenant, error, regions: self.regions_of(block) });
            }
            progress(block + 1, blocks);
        }
        Verification { blocks, damaged }
    }

    fn regions_of(&self, block: u64) -> Vec<String> {
        let from = block << self.header.block_size.log2();
        let to = from + self.header.block_size.bytes() as u64;
        let inside = |region: &&super::Region| region.offset < to && from < region.offset + region.bytes;
        self.regions().iter().filter(inside).map(|region| region.name.clone()).collect()
    }
}
