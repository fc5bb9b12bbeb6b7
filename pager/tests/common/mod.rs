//! A source that says what is in each block, and counts; and how tests look at memory.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(unsafe_code, reason = "an arena's bytes are reached by a pointer")]

use kvcpu_driver::Device;
use kvcpu_emulator::Emulator;
use kvcpu_mmio::Geometry;
use kvcpu_pager::codec::Scratch;
use kvcpu_pager::{Arena, Hepc, Source, SourceError};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The 8 bytes at a multiple of 8.
pub fn word(offset: u64) -> u64 {
    (offset / 8 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Words that tell where they are.
#[derive(Clone)]
pub struct Numbered {
    pub bytes: u64,
    pub fills: Arc<AtomicU64>,
    /// The error of a block.
    pub fails: Arc<Mutex<Option<(u64, SourceError)>>>,
    /// How long a fill takes.
    pub takes: Duration,
    /// Blocks that were given back.
    pub saved: Arc<Mutex<std::collections::BTreeMap<u64, Vec<u8>>>>,
    pub writable: bool,
}

impl Numbered {
    pub fn new(bytes: u64) -> Numbered {
        Numbered {
            bytes,
            fills: Arc::default(),
            fails: Arc::default(),
            takes: Duration::ZERO,
            saved: Arc::default(),
            writable: false,
        }
    }

    pub fn count(&self) -> u64 {
        self.fills.load(Relaxed)
    }
}

impl Source for Numbered {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn fill(&self, block: u64, out: &mut [u8], _scratch: &mut Scratch) -> Result<(), SourceError> {
        self.fills.fetch_add(1, Relaxed);
        if !self.takes.is_zero() {
            std::thread::sleep(self.takes);
        }
        let fails = *self.fails.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, error)) = fails.filter(|(of, _)| *of == block) {
            return Err(error);
        }
        if self.writable
            && let Some(bytes) = self.saved.lock().unwrap_or_else(PoisonError::into_inner).get(&block)
        {
            out.copy_from_slice(bytes);
            return Ok(());
        }
        let begin = block * out.len() as u64;
        for (n, eight) in (0..).step_by(8).zip(out.chunks_exact_mut(8)) {
            eight.copy_from_slice(&word(begin + n).to_le_bytes());
        }
        Ok(())
    }

    fn takes_writes(&self) -> bool {
        self.writable
    }

    fn write_back(&self, block: u64, bytes: &[u8]) -> Result<(), SourceError> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).insert(block, bytes.to_vec());
        Ok(())
    }

    fn name(&self) -> &str {
        "numbered"
    }
}

/// The word at an offset, by touching it.
pub fn peek(arena: &Arena, offset: u64) -> u64 {
    assert!(offset + 8 <= arena.bytes() && offset.is_multiple_of(8));
    // SAFETY: within the arena, which lives, and aligned.
    u64::from_le(unsafe { arena.as_ptr().add(offset as usize).cast::<u64>().read_volatile() })
}

/// Writes the word at an offset.
pub fn poke(arena: &Arena, offset: u64, value: u64) {
    assert!(offset + 8 <= arena.bytes() && offset.is_multiple_of(8));
    // SAFETY: as in `peek`; tests write a word from one thread at a time.
    unsafe {
        arena
            .as_mut_ptr()
            .expect("writable")
            .add(offset as usize)
            .cast::<u64>()
            .write_volatile(value.to_le())
    }
}

/// A device of the test geometry.
pub fn hepc() -> Hepc {
    let emulator = Arc::new(Emulator::new(Geometry::TEST).expect("sound"));
    let backing: Arc<dyn kvcpu_mmio::Backing> = emulator;
    Hepc::new(Device::probe(backing).expect("a device"))
}

/// Waits until it holds.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Has the kernel read a range of an arena.
pub fn write_from(arena: &Arena, range: std::ops::Range<u64>, to: &mut std::fs::File) -> std::io::Result<()> {
    assert!(range.end <= arena.bytes());
    let length = (range.end - range.start) as usize;
    // SAFETY: within the arena, which lives; nobody writes it.
    let bytes = unsafe { std::slice::from_raw_parts(arena.as_ptr().add(range.start as usize), length) };
    std::io::Write::write_all(to, bytes)
}

/// A word of a file.
pub fn read_word(file: &mut std::fs::File, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, offset).expect("it is that long");
    u64::from_le_bytes(bytes)
}

/// Gives pages of an arena back, as a program may by mistake.
pub fn give_back(arena: &Arena, range: std::ops::Range<u64>) {
    assert!(range.end <= arena.bytes());
    let start = arena.as_ptr().wrapping_add(range.start as usize).cast_mut().cast();
    // SAFETY: within the arena, whose pages may go at any time.
    let given = unsafe { libc::madvise(start, (range.end - range.start) as usize, libc::MADV_DONTNEED) };
    assert_eq!(given, 0);
}
