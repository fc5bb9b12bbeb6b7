//! Host memory that the device addresses too, unmapped when dropped.
//!
//! The memory is words of atomics, because the device may write at any time. Bytes are moved a word
//! at a time with relaxed loads and stores; what orders them against the device is the doorbell
//! (release) and the completion's phase bit (acquire).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kvcpu_mmio::{Backing, DmaMemory};

use crate::DriverError;

const WORD: usize = 8;

/// Gives a mapping back, whatever type of backing it came from.
trait Unmap: Send + Sync {
    fn unmap(&self, iova: u64);
}

struct Owner<B: ?Sized>(Arc<B>);

impl<B: Backing + ?Sized> Unmap for Owner<B> {
    fn unmap(&self, iova: u64) {
        if let Err(error) = self.0.dma_free(iova) {
            tracing::debug!(iova, %error, "DMA memory could not be unmapped");
        }
    }
}

/// DMA memory of a fixed length. Dropping it unmaps it: the device faults on it from then on.
pub struct DmaBuffer {
    memory: Arc<dyn DmaMemory>,
    owner: Box<dyn Unmap>,
    bytes: usize,
}

impl DmaBuffer {
    pub(crate) fn new<B>(backing: &Arc<B>, bytes: usize) -> Result<DmaBuffer, DriverError>
    where
        B: Backing + ?Sized + 'static,
    {
        let memory = backing.dma_alloc(bytes)?;
        let size = memory.words().len() * WORD;
        let buffer = DmaBuffer { memory, owner: Box::new(Owner(backing.clone())), bytes };
        if size < bytes {
            return Err(DriverError::Bounds { offset: 0, bytes, size });
        }
        Ok(buffer)
    }

    /// Bus address of the first byte.
    pub fn iova(&self) -> u64 {
        self.memory.iova()
    }

    /// Length in bytes, as asked for.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The memory behind it, to be held beyond the mapping or handed to I/O.
    pub fn memory(&self) -> &Arc<dyn DmaMemory> {
        &self.memory
    }

    /// The words, 8 bytes each, byte 0 the low byte of word 0 (little-endian in memory).
    pub fn words(&self) -> &[AtomicU64] {
        &self.memory.words()[..self.bytes.div_ceil(WORD)]
    }

    /// Copies `data` into the buffer at byte `offset`.
    ///
    /// Whole words are stored at once. At an odd start or end the neighbouring bytes of the word are
    /// read and written back, so the device must not write them at the same time.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result<(), DriverError> {
        self.check(offset, data.len())?;
        let words = self.memory.words();
        let (head, data) = data.split_at(head_bytes(offset, data.len()));
        if !head.is_empty() {
            merge(&words[offset / WORD], offset % WORD, head);
        }
        let first = (offset + head.len()) / WORD;
        let chunks = data.chunks_exact(WORD);
        let tail = chunks.remainder();
        let last = first + data.len() / WORD;
        if !data.is_empty() {
            for (word, chunk) in words[first..].iter().zip(chunks) {
                let mut bytes = [0; WORD];
                bytes.copy_from_slice(chunk);
                word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
            }
        }
        if !tail.is_empty() {
            merge(&words[last], 0, tail);
        }
        Ok(())
    }

    /// Copies out of the buffer from byte `offset`.
    pub fn read(&self, offset: usize, data: &mut [u8]) -> Result<(), DriverError> {
        self.check(offset, data.len())?;
        let words = self.memory.words();
        let (head, data) = data.split_at_mut(head_bytes(offset, data.len()));
        if !head.is_empty() {
            let bytes = load(&words[offset / WORD]);
            head.copy_from_slice(&bytes[offset % WORD..][..head.len()]);
        }
        let first = (offset + head.len()) / WORD;
        let last = first + data.len() / WORD;
        let mut chunks = data.chunks_exact_mut(WORD);
        if first < words.len() {
            for (chunk, word) in chunks.by_ref().zip(&words[first..]) {
                chunk.copy_from_slice(&load(word));
            }
        }
        let tail = chunks.into_remainder();
        if !tail.is_empty() {
            tail.copy_from_slice(&load(&words[last])[..tail.len()]);
        }
        Ok(())
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        for word in self.words() {
            word.store(u64::from_ne_bytes([byte; WORD]), Ordering::Relaxed);
        }
    }

    /// Refuses a range that is not inside the buffer.
    pub(crate) fn check(&self, offset: usize, bytes: usize) -> Result<(), DriverError> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.bytes => Ok(()),
            _ => Err(DriverError::Bounds { offset, bytes, size: self.bytes }),
        }
    }
}

impl Drop for DmaBuffer {
    fn drop(&mut self) {
        self.owner.unmap(self.memory.iova());
    }
}

impl fmt::Debug for DmaBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaBuffer")
            .field("iova", &format_args!("{:#x}", self.iova()))
            .field("bytes", &self.bytes)
            .finish()
    }
}

/// Bytes up to the first word boundary.
fn head_bytes(offset: usize, bytes: usize) -> usize {
    ((WORD - offset % WORD) % WORD).min(bytes)
}

/// Memory order of bytes is the same on every host: byte 0 first.
fn load(word: &AtomicU64) -> [u8; WORD] {
    word.load(Ordering::Relaxed).to_ne_bytes()
}

fn merge(word: &AtomicU64, at: usize, part: &[u8]) {
    let mut bytes = load(word);
    bytes[at..at + part.len()].copy_from_slice(part);
    word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
}

/// DMA memory as `kvcpu-ring` wants it.
#[derive(Clone, Debug)]
pub(crate) struct RingMemory(Arc<dyn DmaMemory>);

impl RingMemory {
    pub(crate) fn of(buffer: &DmaBuffer) -> RingMemory {
        RingMemory(buffer.memory.clone())
    }
}

impl kvcpu_ring::Memory for RingMemory {
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        self.0.words()
    }
}
