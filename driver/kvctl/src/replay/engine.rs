//! The replay itself: a serving runtime in front of the device.
//!
//! For each request the runtime looks its chain up, fetches the leading resident run (the hit), and
//! tells the device of every block it had to compute. With bytes, each hit is read back and
//! compared with what its key says, and each new block is written.

use super::ReplayError;
use super::beside::Beside;
use super::content::{fill, first_difference};
use super::prefetch::Watch;
use kvcpu_driver::{Device, DmaBuffer, Insert, Placement, QueuePair, Target, sqe};
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::queue::{Cqe, Key, Sqe, Status};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;

/// Tenant that a replay works as.
pub(super) const TENANT: u8 = 0;
/// Blocks the transfer buffer holds at most; longer chains go in parts.
const BUFFER_BLOCKS: usize = 256;
/// Bytes of the transfer buffer at most, if that leaves room for a block.
const BUFFER_BYTES: usize = 16 << 20;

/// What is counted in a replay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Blocks named by requests.
    pub references: u64,
    /// Those in the leading resident run, by tier.
    pub hits_by_tier: [u64; TIERS],
    /// Blocks read back and compared.
    pub checked: u64,
    /// Blocks whose bytes were not their key's.
    pub mismatches: u64,
    /// Hits that could not be read: their blocks were pushed out of reach before.
    pub unread: u64,
    /// Blocks the device would not take: everything it could evict was in use.
    pub not_inserted: u64,
    /// Hits below the prefetch tier that were moved up when they were needed.
    pub raised: u64,
}

/// The runtime.
pub struct Engine {
    queue: QueuePair,
    /// A second device, which must do the same.
    pub(super) beside: Option<Beside>,
    pub(super) buffer: Option<DmaBuffer>,
    /// Blocks handled in one batch.
    pub(super) part: usize,
    pub(super) block_bytes: u32,
    pub(super) prefetch_tier: u8,
    /// Blocks the prefetch tier holds.
    pub(super) prefetch_blocks: usize,
    /// There are tiers below the one hits are served from.
    lower_tiers: bool,
    pub(super) step: u32,
    started: bool,
    /// Sees what is prefetched, if that is wanted.
    pub(super) watch: Option<Watch>,
    pub(super) sqes: Vec<Sqe>,
    pub(super) cqes: Vec<Cqe>,
    /// The tiers the present chain's blocks were found in.
    found: Vec<Option<u8>>,
    /// Positions in the chain of the blocks that were not found.
    missing: Vec<usize>,
    /// What has been counted so far.
    pub tally: Tally,
}

impl Engine {
    /// A runtime on a configured device.
    pub fn new(device: &Device) -> Result<Engine, ReplayError> {
        let config = device.config().ok_or(ReplayError::NotConfigured)?;
        let block_bytes = config.block_bytes() as u32;
        let part = (BUFFER_BYTES / block_bytes as usize).clamp(1, BUFFER_BLOCKS);
        let buffer = match config.metadata_only {
            true => None,
            false => Some(device.dma_alloc(part * block_bytes as usize)?),
        };
        let lower_tiers = config.tiers[usize::from(config.prefetch_tier) + 1..].iter().any(|t| t.limit > 0);
        Ok(Engine {
            queue: device.queue_pair(0)?,
            beside: None,
            buffer,
            part,
            block_bytes,
            prefetch_tier: config.prefetch_tier,
            prefetch_blocks: config.tiers[usize::from(config.prefetch_tier)].limit.max(1) as usize,
            lower_tiers,
            step: 0,
            started: false,
            watch: None,
            sqes: Vec::new(),
            cqes: Vec::new(),
            found: Vec::new(),
            missing: Vec::new(),
            tally: Tally::default(),
        })
    }

    /// Serves one request at `step`. Returns its hits by tier.
    pub fn request(&mut self, step: u32, chain: &[u64]) -> Result<[u64; TIERS], ReplayError> {
        let first = !std::mem::replace(&mut self.started, true);
        if first || step > self.step {
            self.advance(step, first)?;
        }
        self.sqes.clear();
        // Where a hit may be moved up, the access is counted after that: TOUCH ends a prefetch hint.
        for (i, &tag) in chain.iter().enumerate() {
            let key = Key::shared(TENANT, tag);
            self.sqes
                .push(if self.lower_tiers { sqe::lookup(key) } else { sqe::touch(key, parent(chain, i)) });
        }
        self.run()?;
        self.found.clear();
        for (cqe, &tag) in self.cqes.iter().zip(chain) {
            self.found.push(found(cqe, Key::shared(TENANT, tag))?);
        }
        if let Some(watch) = &mut self.watch {
            watch.touched(chain);
        }
        let run = self.found.iter().take_while(|tier| tier.is_some()).count();
        let mut hits = [0; TIERS];
        for tier in self.found[..run].iter().flatten() {
            hits[usize::from(*tier)] += 1;
        }
        self.tally.references += chain.len() as u64;
        for (sum, n) in self.tally.hits_by_tier.iter_mut().zip(hits) {
            *sum += n;
        }
        if self.lower_tiers {
            self.raise_hits(chain, run)?;
        }
        self.read_hits(&chain[..run])?;
        self.insert_misses(chain)?;
        Ok(hits)
    }

    /// The tiers in which the last request found the blocks of its chain.
    pub fn found(&self) -> &[Option<u8>] {
        &self.found
    }

    /// Moves the hits below the prefetch tier up, and counts the accesses.
    fn raise_hits(&mut self, chain: &[u64], run: usize) -> Result<(), ReplayError> {
        self.sqes.clear();
        for (&tag, tier) in chain[..run].iter().zip(&self.found) {
            if tier.is_some_and(|tier| tier > self.prefetch_tier) {
                self.sqes.push(sqe::prefetch(Target::Single(Key::shared(TENANT, tag)), self.step));
            }
        }
        let asked = self.sqes.len();
        for (i, &tag) in chain.iter().enumerate() {
            self.sqes.push(sqe::touch(Key::shared(TENANT, tag), parent(chain, i)));
        }
        self.run()?;
        let risen = |cqe: &&Cqe| Placement::of(cqe).is_some_and(|placement| placement.tier == self.prefetch_tier);
        self.tally.raised += self.cqes[..asked].iter().filter(risen).count() as u64;
        Ok(())
    }

    /// Reads the hits and compares them.
    fn read_hits(&mut self, hits: &[u64]) -> Result<(), ReplayError> {
        for part in hits.chunks(self.part) {
            self.sqes.clear();
            let Some(buffer) = &self.buffer else { return Ok(()) };
            for (slot, &tag) in part.iter().enumerate() {
                let at = buffer.iova() + slot as u64 * u64::from(self.block_bytes);
                self.sqes.push(sqe::copy_out(Key::shared(TENANT, tag), at, self.block_bytes));
            }
            self.run()?;
            for (slot, &tag) in part.iter().enumerate() {
                // Moved down or out again by the request's own promotions, before it could be read.
                if !self.check_block(slot, Key::shared(TENANT, tag))? {
                    self.tally.unread += 1;
                }
            }
        }
        Ok(())
    }

    /// Compares the block that completion `slot` of the last batch brought to buffer slot `slot`.
    /// `false` if the device did not have it within reach.
    pub(super) fn check_block(&mut self, slot: usize, key: Key) -> Result<bool, ReplayError> {
        let cqe = &self.cqes[slot];
        match Status::from_code(cqe.status) {
            Some(Status::Ok) => {}
            Some(Status::NotAddressable | Status::NotFound) => return Ok(false),
            _ => return Err(ReplayError::Refused { key, status: cqe.status }),
        }
        let words = self.block_bytes as usize / 8;
        let Some(buffer) = &self.buffer else { return Ok(true) };
        self.tally.checked += 1;
        if let Some(word) = first_difference(key, &buffer.words()[slot * words..(slot + 1) * words]) {
            self.tally.mismatches += 1;
            tracing::error!(
                ?key,
                tier = cqe.tier,
                frame = cqe.frame,
                byte = 8 * word,
                "block holds other bytes than its key's"
            );
        }
        Ok(true)
    }

    /// Tells the device of the blocks that were not there, and writes them.
    fn insert_misses(&mut self, chain: &[u64]) -> Result<(), ReplayError> {
        let mut missing = std::mem::take(&mut self.missing);
        missing.clear();
        missing.extend((0..chain.len()).filter(|&i| self.found[i].is_none()));
        for part in missing.chunks(self.part) {
            self.sqes.clear();
            for (slot, &i) in part.iter().enumerate() {
                let key = Key::shared(TENANT, chain[i]);
                self.sqes.push(sqe::insert(&Insert {
                    key,
                    tier: self.prefetch_tier,
                    depth: i.min(usize::from(u16::MAX)) as u16,
                    flags: EntryFlags::READ_ONLY,
                    parent: parent(chain, i),
                }));
                if let Some(buffer) = &self.buffer {
                    let words = self.block_bytes as usize / 8;
                    fill(key, &buffer.words()[slot * words..(slot + 1) * words]);
                    let at = buffer.iova() + slot as u64 * u64::from(self.block_bytes);
                    self.sqes.push(sqe::copy_in(key, at, self.block_bytes));
                }
            }
            let each = if self.buffer.is_some() { 2 } else { 1 };
            self.run()?;
            for (slot, &i) in part.iter().enumerate() {
                self.check_insert(slot * each, each, Key::shared(TENANT, chain[i]))?;
            }
        }
        self.missing = missing;
        Ok(())
    }

    /// Looks at the completions of an INSERT and its COPY.
    fn check_insert(&mut self, at: usize, each: usize, key: Key) -> Result<(), ReplayError> {
        let status = |n: usize| Status::from_code(self.cqes[at + n].status);
        match status(0) {
            Some(Status::Ok) => {}
            Some(Status::TierFull | Status::DirectoryFull) => {
                self.tally.not_inserted += 1;
                return Ok(());
            }
            _ => return Err(ReplayError::Refused { key, status: self.cqes[at].status }),
        }
        if each == 2 && status(1) != Some(Status::Ok) {
            return Err(ReplayError::Refused { key, status: self.cqes[at + 1].status });
        }
        Ok(())
    }

    pub(super) fn queue_mut(&mut self) -> &mut QueuePair {
        &mut self.queue
    }

    /// Carries out commands and returns their completions.
    pub(super) fn carry_out(&mut self, sqes: impl Iterator<Item = Sqe>) -> Result<&[Cqe], ReplayError> {
        self.sqes.clear();
        self.sqes.extend(sqes);
        self.run()?;
        Ok(&self.cqes)
    }

    pub(super) fn run(&mut self) -> Result<(), ReplayError> {
        self.cqes.clear();
        self.queue.run(&self.sqes, &mut self.cqes)?;
        match &mut self.beside {
            Some(beside) => beside.run(&self.sqes, &self.cqes),
            None => Ok(()),
        }
    }

    /// Compares the two devices, if there are two.
    pub(super) fn compare(&self, device: &Device) -> Result<(), ReplayError> {
        self.beside.as_ref().map_or(Ok(()), |beside| beside.compare(device))
    }
}

/// The tier that a LOOKUP or TOUCH found the block in.
pub(super) fn found(cqe: &Cqe, key: Key) -> Result<Option<u8>, ReplayError> {
    match Status::from_code(cqe.status) {
        Some(Status::NotFound) => Ok(None),
        Some(Status::Ok) if usize::from(cqe.tier) < TIERS => Ok(Some(cqe.tier)),
        Some(Status::Ok) => Err(ReplayError::NoSuchTier { key, tier: cqe.tier }),
        _ => Err(ReplayError::Refused { key, status: cqe.status }),
    }
}

/// Tag of the block before block `i` of a chain.
fn parent(chain: &[u64], i: usize) -> Option<u64> {
    i.checked_sub(1).map(|before| chain[before])
}
