//! A device that lies: registers read as anything at all, and memory that the driver gave it, rings included, is written at random.
//! Whatever the driver is told, it neither panics nor waits for ever.
#![allow(clippy::unwrap_used, reason = "a test says where it failed by panicking, in its helpers too")]

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvcpu_driver::{Device, DriverError};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory};
use kvcpu_tests::setup::emulator;
use kvcpu_tests::workload;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_oneof, proptest};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::Ordering;

/// Far more than all its waits together.
const HANGS: Duration = Duration::from_secs(60);

/// How it lies.
#[derive(Clone, Copy, Debug)]
struct Lies {
    seed: u64,
    /// Register reads that are true before the first lie.
    honest: u32,
    /// Of a thousand reads.
    reads: u32,
    /// Words of memory written for a thousand register accesses.
    words: u32,
    /// Commands go by a ring, not by registers.
    ring: bool,
}

fn lies() -> impl Strategy<Value = Lies> {
    let reads = prop_oneof![1 => Just(0), 3 => 1..20u32, 2 => 20..1000u32];
    let words = prop_oneof![1 => Just(0), 3 => 1..100u32, 2 => 100..2000u32];
    (any::<u64>(), 0..400u32, reads, words, any::<bool>()).prop_map(|(seed, honest, reads, words, ring)| Lies {
        seed,
        honest,
        reads,
        words,
        ring,
    })
}

struct Liar {
    inner: Emulator,
    lies: Lies,
    state: Mutex<State>,
}

struct State {
    rng: ChaCha8Rng,
    accesses: u32,
    memory: Vec<Arc<dyn DmaMemory>>,
}

impl Liar {
    fn new(lies: Lies) -> Liar {
        let rng = ChaCha8Rng::seed_from_u64(lies.seed);
        Liar { inner: emulator(), lies, state: Mutex::new(State { rng, accesses: 0, memory: Vec::new() }) }
    }

    /// What is said instead of the truth, and a word of memory now and then.
    fn lie(&self, truth: u64) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.accesses += 1;
        if state.accesses <= self.lies.honest {
            return truth;
        }
        let State { rng, memory, .. } = &mut *state;
        let words = self.lies.words / 1000 + u32::from(rng.random_range(0..1000) < self.lies.words % 1000);
        for _ in 0..words {
            if let Some(memory) = memory.choose(rng) {
                // More often than not near the beginning, where rings have their entries.
                let most = if rng.random_bool(0.7) { 64 } else { memory.words().len() };
                let at = rng.random_range(0..most.min(memory.words().len()));
                let value = any_word(rng, memory.words()[at].load(Ordering::SeqCst));
                memory.words()[at].store(value, Ordering::SeqCst);
            }
        }
        if rng.random_range(0..1000) < self.lies.reads { any_word(rng, truth) } else { truth }
    }
}

fn any_word(rng: &mut ChaCha8Rng, truth: u64) -> u64 {
    match rng.random_range(0..6) {
        0 => 0,
        1 => u64::MAX,
        2 => truth ^ 1 << rng.random_range(0..64),
        3 => truth.wrapping_add(1),
        4 => rng.random_range(0..256),
        _ => rng.random(),
    }
}

impl Backing for Liar {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        Ok(self.lie(self.inner.read32(bar, offset)?.into()) as u32)
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.inner.write32(bar, offset, value)?;
        self.lie(0);
        Ok(())
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        Ok(self.lie(self.inner.read64(bar, offset)?))
    }

    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.inner.write64(bar, offset, value)?;
        self.lie(0);
        Ok(())
    }

    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        let memory = self.inner.dma_alloc(bytes)?;
        self.state.lock().unwrap().memory.push(memory.clone());
        Ok(memory)
    }

    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        self.state.lock().unwrap().memory.retain(|memory| memory.iova() != iova);
        self.inner.dma_free(iova)
    }

    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        self.inner.irq_fd(vector)
    }

    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        self.inner.bus_master(on)
    }

    fn reset(&self) -> Result<(), BackingError> {
        self.inner.reset()
    }

    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        self.inner.advance(cycles)
    }

    fn name(&self) -> String {
        "liar".into()
    }
}

/// All that a driver asks of a device; what it says is of no interest.
fn live(lies: Lies) -> Result<(), DriverError> {
    let device = Device::probe(Arc::new(Liar::new(lies)))?;
    let worked = workload::live(&device, lies.ring);
    // A device is looked at after it failed, too.
    let _ = device.counters();
    let _ = device.occupancy();
    let _ = device.service();
    let _ = device.take_service_errors();
    for entry in device.entries() {
        if entry.is_err() {
            break;
        }
    }
    device.disable()?;
    device.reset()?;
    worked
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_lie_makes_the_driver_hang_or_panic(lies in lies()) {
        let (send, ended) = channel();
        let life = std::thread::spawn(move || send.send(live(lies)).unwrap());
        let said = match ended.recv_timeout(HANGS) {
            Ok(said) => said,
            Err(RecvTimeoutError::Disconnected) => std::panic::resume_unwind(life.join().unwrap_err()),
            Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        };
        life.join().unwrap();
        if let Err(error) = said {
            prop_assert!(error.to_string().len() > 20, "not clear: {error}");
        }
    }
}
