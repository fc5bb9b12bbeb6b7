//! The bus between device and host memory, with faults: a decorator over the emulator's seam.
//!
//! It leaves out Bus Master Enable and unmapping, which the backing itself offers.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kvcpu_emulator::{BusFault, Emulator, HostBus, HostMemory};
use kvcpu_mmio::Geometry;
use kvcpu_sim::{Rtl, RtlOptions};

/// What a test sees and does while the emulator has the bus.
#[derive(Debug, Default)]
pub struct Bus {
    /// Accesses so far, by words: a whole block is one access.
    accesses: AtomicU64,
    /// Accesses until one faults; below 0 none does.
    fault_in: AtomicI64,
    /// Block writes until one arrives with a bit flipped; below 0 none does.
    corrupt_in: AtomicI64,
    /// Every write of at least a block's length arrives with a bit flipped.
    corrupt_all: AtomicBool,
    /// Address ranges that fault.
    torn: Mutex<Vec<Range<u64>>>,
    /// Address ranges where each word that is written arrives with a bit flipped.
    corrupt: Mutex<Vec<Range<u64>>>,
    /// Words read and written since they were last asked for.
    words: Mutex<BTreeSet<(Direction, u64)>>,
}

/// Which way a word went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The device read it.
    Read,
    /// The device wrote it.
    Write,
}

/// Words from which on an access is taken for a block's.
const BLOCK_WORDS: usize = 16;
/// The bit that is flipped.
const FLIPPED: u64 = 1 << 17;

impl Bus {
    /// An emulator behind such a bus.
    ///
    /// # Panics
    /// If the geometry is impossible.
    pub fn emulator(geometry: Geometry) -> (Emulator, Arc<Bus>) {
        let bus = Arc::new(Bus::default());
        bus.fault_in.store(-1, Ordering::SeqCst);
        bus.corrupt_in.store(-1, Ordering::SeqCst);
        let control = bus.clone();
        let emulator = Emulator::with_bus(geometry, |memory| Box::new(Wire { memory, control }));
        (emulator.expect("tests use possible geometries"), bus)
    }

    /// The RTL behind such a bus.
    ///
    /// # Panics
    /// If `hdl/rtl` has no design of this geometry.
    pub fn rtl(geometry: Geometry, options: RtlOptions) -> (Rtl, Arc<Bus>) {
        let design = kvcpu_sim::top(geometry).expect("hdl/rtl has a design of this geometry");
        Bus::rtl_of(design.name, geometry, options)
    }

    /// The same of a design that has the device's ports and others.
    ///
    /// # Panics
    /// If there is no such design.
    pub fn rtl_of(design: &str, geometry: Geometry, options: RtlOptions) -> (Rtl, Arc<Bus>) {
        let bus = Arc::new(Bus::default());
        bus.heal();
        let control = bus.clone();
        let design = kvcpu_sim::design(design).expect("there is a design of that name");
        let rtl = Rtl::with_bus(design, geometry, options, |memory| Box::new(RtlWire { memory, control }));
        (rtl.expect("the design is a device"), bus)
    }

    /// Accesses so far.
    pub fn accesses(&self) -> u64 {
        self.accesses.load(Ordering::SeqCst)
    }

    /// The access after `n` more faults, once.
    pub fn fault_in(&self, n: i64) {
        self.fault_in.store(n, Ordering::SeqCst);
    }

    /// The block write after `n` more arrives with a bit flipped, once.
    pub fn corrupt_in(&self, n: i64) {
        self.corrupt_in.store(n, Ordering::SeqCst);
    }

    /// From now on every block write is flipped, or none.
    pub fn corrupt_all(&self, on: bool) {
        self.corrupt_all.store(on, Ordering::SeqCst);
    }

    /// Accesses that touch `range` fault.
    pub fn tear(&self, range: Range<u64>) {
        lock(&self.torn).push(range);
    }

    /// Words that are written to `range` arrive with a bit flipped.
    pub fn corrupt(&self, range: Range<u64>) {
        lock(&self.corrupt).push(range);
    }

    /// No more faults.
    pub fn heal(&self) {
        self.fault_in(-1);
        self.corrupt_in(-1);
        self.corrupt_all(false);
        lock(&self.torn).clear();
        lock(&self.corrupt).clear();
    }

    /// The addresses of the words that the device has read and written since the last call. A word that faulted counts.
    pub fn take_words(&self) -> BTreeSet<(Direction, u64)> {
        std::mem::take(&mut *lock(&self.words))
    }

    fn note(&self, direction: Direction, address: u64, words: usize) {
        lock(&self.words).extend((0..words as u64).map(|word| (direction, address.wrapping_add(8 * word))));
    }

    fn access(&self, iova: u64, words: usize) -> Result<(), BusFault> {
        self.accesses.fetch_add(1, Ordering::SeqCst);
        let end = iova.saturating_add(8 * words as u64);
        let torn = lock(&self.torn).iter().any(|range| iova < range.end && range.start < end);
        if torn || due(&self.fault_in) { Err(BusFault { iova }) } else { Ok(()) }
    }

    /// What arrives of words that are written, if it is not what was sent.
    fn flipped(&self, iova: u64, data: &[u64]) -> Option<Vec<u64>> {
        let mut arrives = data.to_vec();
        let block = data.len() >= BLOCK_WORDS;
        if block && (self.corrupt_all.load(Ordering::SeqCst) || due(&self.corrupt_in)) {
            arrives[data.len() / 2] ^= FLIPPED;
        }
        let corrupt = lock(&self.corrupt);
        for (word, address) in arrives.iter_mut().zip((iova..).step_by(8)) {
            if corrupt.iter().any(|range| range.contains(&address)) {
                *word ^= FLIPPED;
            }
        }
        (arrives != data).then_some(arrives)
    }
}

/// What a panicking thread left is still a list.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts down; true when it gets to 0.
fn due(counter: &AtomicI64) -> bool {
    counter.load(Ordering::SeqCst) >= 0 && counter.fetch_sub(1, Ordering::SeqCst) == 0
}

struct Wire {
    memory: HostMemory,
    control: Arc<Bus>,
}

struct RtlWire {
    memory: kvcpu_sim::HostMemory,
    control: Arc<Bus>,
}

impl kvcpu_sim::Bus for RtlWire {
    fn read(&mut self, address: u64, out: &mut [u64]) -> Result<(), kvcpu_sim::BusFault> {
        self.control.note(Direction::Read, address, out.len());
        self.control
            .access(address, out.len())
            .map_err(|fault| kvcpu_sim::BusFault { address: fault.iova })?;
        self.memory.read(address, out)
    }

    fn write(&mut self, address: u64, data: &[u64], strobes: &[u8]) -> Result<(), kvcpu_sim::BusFault> {
        self.control.note(Direction::Write, address, data.len());
        self.control
            .access(address, data.len())
            .map_err(|fault| kvcpu_sim::BusFault { address: fault.iova })?;
        let flipped = self.control.flipped(address, data);
        self.memory.write(address, flipped.as_deref().unwrap_or(data), strobes)
    }
}

impl HostBus for Wire {
    fn read(&self, iova: u64, out: &mut [u64]) -> Result<(), BusFault> {
        self.control.note(Direction::Read, iova, out.len());
        self.control.access(iova, out.len())?;
        self.memory.read(iova, out)
    }

    fn write(&self, iova: u64, data: &[u64]) -> Result<(), BusFault> {
        self.control.note(Direction::Write, iova, data.len());
        self.control.access(iova, data.len())?;
        let flipped = self.control.flipped(iova, data);
        self.memory.write(iova, flipped.as_deref().unwrap_or(data))
    }
}
