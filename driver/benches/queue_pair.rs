//! What a command costs the driver: batches of 24 through a device that does nothing but post
//! completions, and, for comparison, NOPs and LOOKUPs through the emulator.
//!
//! `cargo bench -p kvcpu-driver`

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kvcpu_driver::mmio::queue::Key;
use kvcpu_driver::mmio::regs::queue;
use kvcpu_driver::mmio::{Backing, BackingError, Bar, DmaMemory, Geometry};
use kvcpu_driver::{Config, Device, QueuePair, sqe};
use kvcpu_emulator::Emulator;
use kvcpu_ring::{CompletionProducer, Memory};

const BATCH: u16 = 24;
const ENTRIES: u32 = 256;

struct Words(Arc<dyn DmaMemory>);

impl Memory for Words {
    fn words(&self) -> &[kvcpu_ring::AtomicU64] {
        self.0.words()
    }
}

/// An emulator whose queue 0 answers every command with success, unread.
struct Instant {
    inner: Emulator,
    memory: Mutex<HashMap<u64, Arc<dyn DmaMemory>>>,
    /// The completion ring, the submission head, the next id.
    state: Mutex<Option<(CompletionProducer<Words>, u32, u16)>>,
}

impl Backing for Instant {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.inner.read32(bar, offset)
    }
    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        const SQ_DOORBELL: u32 = queue::SQ_DOORBELL.at(0);
        const CQ_DOORBELL: u32 = queue::CQ_DOORBELL.at(0);
        let mut state = self.state.lock().expect("no panic");
        match (offset, &mut *state) {
            (SQ_DOORBELL, Some((cq, head, cid))) => {
                while *head != value {
                    *head = (*head + 1) % ENTRIES;
                    cq.push([0, u64::from(*head) | u64::from(*cid) << 32]).expect("there is room");
                    *cid = cid.wrapping_add(1);
                }
            }
            (CQ_DOORBELL, Some((cq, ..))) => _ = cq.set_head(value),
            _ => return self.inner.write32(bar, offset, value),
        }
        Ok(())
    }
    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.inner.read64(bar, offset)
    }
    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        if offset == queue::CQ_BASE.at(0) {
            let memory = self.memory.lock().expect("no panic")[&value].clone();
            let cq = CompletionProducer::new(Words(memory), ENTRIES).expect("it is large enough");
            *self.state.lock().expect("no panic") = Some((cq, 0, 0));
        }
        self.inner.write64(bar, offset, value)
    }
    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        let memory = self.inner.dma_alloc(bytes)?;
        self.memory.lock().expect("no panic").insert(memory.iova(), memory.clone());
        Ok(memory)
    }
    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
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
        "instant".into()
    }
}

fn run<B: Backing + 'static>(
    c: &mut Criterion,
    name: &str,
    mut queue: QueuePair<B>,
    of: fn(u16) -> kvcpu_driver::mmio::queue::Sqe,
) {
    let batch: Vec<_> = (0..BATCH).map(of).collect();
    let mut out = Vec::with_capacity(batch.len());
    let mut group = c.benchmark_group("queue_pair");
    group.throughput(Throughput::Elements(BATCH.into()));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            out.clear();
            queue.run(black_box(&batch), &mut out).expect("the device answers");
            assert_eq!(out.len(), batch.len());
        });
    });
    group.finish();
}

fn queue_of<B: Backing + 'static>(backing: B) -> QueuePair<B> {
    let device = Device::probe(Arc::new(backing)).expect("it is a device");
    device.configure(Config { metadata_only: true, ..Config::default() }).expect("it fits");
    device.queue_pair(0).expect("it is free")
}

fn bench(c: &mut Criterion) {
    let emulator = || Emulator::new(Geometry::TEST).expect("the geometry is good");
    let lookup = |n: u16| sqe::lookup(Key { tenant: 1, request: 1, tag: n.into() });
    let instant = Instant { inner: emulator(), memory: Mutex::default(), state: Mutex::default() };
    run(c, "instant device", queue_of(instant), lookup);
    run(c, "emulator nop", queue_of(emulator()), |_| sqe::nop());
    run(c, "emulator lookup", queue_of(emulator()), lookup);
}

criterion_group!(benches, bench);
criterion_main!(benches);
