//! Entries a second, one at a time and 16 at a time, in one thread and across two, and the round
//! trip of a command across two.
#![allow(missing_docs)] // criterion_group! makes a public function

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kvcpu_ring::pair::{self, Client, Server};
use kvcpu_ring::{AtomicU64, CompletionProducer, Completions, SharedRing, SubmissionConsumer, Submitter};

const ENTRIES: u32 = 256;

type Shared = Arc<Vec<AtomicU64>>;

fn memory(words: usize) -> Shared {
    Arc::new((0..words).map(|_| AtomicU64::new(0)).collect())
}

/// Driver and device in turn in one thread: what the bookkeeping itself costs.
fn device_one_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("device, one thread");
    for batch in [1, 16] {
        let sq = memory(ENTRIES as usize * 8);
        let cq = memory(ENTRIES as usize * 2);
        let mut submitter = Submitter::new(sq.clone(), ENTRIES).expect("good size");
        let mut device_sq = SubmissionConsumer::new(sq, ENTRIES).expect("good size");
        let mut completions = Completions::new(cq.clone(), ENTRIES).expect("good size");
        let mut device_cq = CompletionProducer::new(cq, ENTRIES).expect("good size");
        group.throughput(Throughput::Elements(batch));
        group.bench_function(format!("submit and complete, batch {batch}"), |b| {
            b.iter(|| {
                for i in 0..batch {
                    submitter.push(black_box(&[i; 8])).expect("room");
                }
                device_sq.set_tail(submitter.publish()).expect("good tail");
                while let Some(sqe) = device_sq.pop() {
                    let head = device_sq.release();
                    device_cq.push([sqe[0], head.into()]).expect("room");
                }
                while let Some(cqe) = completions.pop() {
                    submitter.set_head(cqe[1] as u32 & 0xFFFF).expect("good head");
                }
                device_cq.set_head(completions.release()).expect("good head");
            });
        });
        // What a device model pays for an SQE: the tail is given, the memory is in cache.
        group.bench_function(format!("consume SQE, batch {batch}"), |b| {
            let mut tail = device_sq.release();
            b.iter(|| {
                tail = (tail + batch as u32) % ENTRIES;
                device_sq.set_tail(tail).expect("good tail");
                while let Some(sqe) = device_sq.pop() {
                    black_box(&sqe);
                }
                device_sq.release()
            });
        });
    }
    group.finish();
}

fn shared_one_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("shared, one thread");
    for batch in [1, 16] {
        let words = memory(SharedRing::<Shared, 8>::words(ENTRIES).expect("good size"));
        let ring = SharedRing::<_, 8>::format(words.clone(), ENTRIES).expect("fits");
        let mut producer = ring.producer().expect("fresh");
        let mut consumer = SharedRing::<_, 8>::attach(words).and_then(SharedRing::consumer).expect("fresh");
        group.throughput(Throughput::Elements(batch));
        group.bench_function(format!("push and pop, batch {batch}"), |b| {
            b.iter(|| {
                for i in 0..batch {
                    producer.push(black_box(&[i; 8])).expect("room");
                }
                let _ = producer.publish();
                while let Some(entry) = consumer.pop().expect("honest peer") {
                    black_box(&entry);
                }
                let _ = consumer.release();
            });
        });
    }
    group.finish();
}

/// A spin that gives the CPU away when it lasts, or on a busy machine a bench measures time slices.
#[derive(Default)]
struct Spin(u32);

impl Spin {
    fn again(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(256) { thread::yield_now() } else { spin_loop() }
    }
}

/// Runs `server`, which tells whether it had work, in a second thread until the bench is over.
fn beside<T>(mut server: impl FnMut() -> bool + Send + 'static, bench: impl FnOnce() -> T) -> T {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let other = thread::spawn(move || {
        let mut spin = Spin::default();
        while !seen.load(Ordering::Relaxed) {
            if server() {
                spin = Spin::default();
            } else {
                spin.again();
            }
        }
    });
    let result = bench();
    stop.store(true, Ordering::Relaxed);
    other.join().expect("the server thread does not panic");
    result
}

fn shared_two_threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("shared, two threads");
    for batch in [1_u64, 16] {
        let words = memory(SharedRing::<Shared, 8>::words(ENTRIES).expect("good size"));
        let ring = SharedRing::<_, 8>::format(words.clone(), ENTRIES).expect("fits");
        let mut producer = ring.producer().expect("fresh");
        let mut consumer = SharedRing::<_, 8>::attach(words).and_then(SharedRing::consumer).expect("fresh");
        let server = move || {
            let mut popped = 0;
            while popped < batch {
                match consumer.pop().expect("honest peer") {
                    Some(entry) => _ = black_box(&entry),
                    None => break,
                }
                popped += 1;
            }
            let _ = consumer.release();
            popped > 0
        };
        group.throughput(Throughput::Elements(batch));
        beside(server, || {
            group.bench_function(format!("stream, batch {batch}"), |b| {
                b.iter_custom(|iterations| {
                    let start = Instant::now();
                    let mut spin = Spin::default();
                    for _ in 0..iterations {
                        for i in 0..batch {
                            while producer.push(black_box(&[i; 8])).is_err() {
                                spin.again();
                            }
                        }
                        let _ = producer.publish();
                    }
                    while producer.free().expect("honest peer") < ENTRIES - 1 {
                        spin.again();
                    }
                    start.elapsed()
                });
            });
        });
    }
    group.finish();
}

fn round_trips(c: &mut Criterion) {
    let mut group = c.benchmark_group("round trip, two threads");
    group.throughput(Throughput::Elements(1));

    let words = memory(pair::words(ENTRIES, ENTRIES).expect("good size"));
    pair::format(&words, ENTRIES, ENTRIES).expect("fits");
    let mut client = Client::attach(words.clone()).expect("fresh");
    let mut server = Server::attach(words).expect("fresh");
    let serve = move || {
        if let Some(sqe) = server.submissions.pop().expect("honest peer") {
            let _ = server.submissions.release();
            server.completions.push(&[sqe[0], sqe[1]]).expect("room");
            let _ = server.completions.publish();
            return true;
        }
        false
    };
    beside(serve, || {
        group.bench_function("shared pair", |b| {
            b.iter(|| {
                client.submissions.push(black_box(&[1; 8])).expect("room");
                let _ = client.submissions.publish();
                let mut spin = Spin::default();
                while client.completions.pop().expect("honest peer").is_none() {
                    spin.again();
                }
                let _ = client.completions.release();
            });
        });
    });

    // A device model in another thread; the doorbells are words of their own.
    let sq = memory(ENTRIES as usize * 8);
    let cq = memory(ENTRIES as usize * 2);
    let doorbells = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let mut submitter = Submitter::new(sq.clone(), ENTRIES).expect("good size");
    let mut device_sq = SubmissionConsumer::new(sq, ENTRIES).expect("good size");
    let mut completions = Completions::new(cq.clone(), ENTRIES).expect("good size");
    let mut device_cq = CompletionProducer::new(cq, ENTRIES).expect("good size");
    let device_doorbells = doorbells.clone();
    let device = move || {
        let tail = device_doorbells[0].load(Ordering::Relaxed);
        device_sq.set_tail(tail).expect("good tail");
        let mut popped = false;
        while let Some(sqe) = device_sq.pop() {
            popped = true;
            let head = device_doorbells[1].load(Ordering::Relaxed);
            device_cq.set_head(head).expect("good head");
            let head = device_sq.release();
            device_cq.push([sqe[0], head.into()]).expect("room");
        }
        popped
    };
    beside(device, || {
        group.bench_function("device", |b| {
            b.iter(|| {
                submitter.push(black_box(&[1; 8])).expect("room");
                doorbells[0].store(submitter.publish(), Ordering::Relaxed);
                let mut spin = Spin::default();
                let cqe = loop {
                    match completions.pop() {
                        Some(cqe) => break cqe,
                        None => spin.again(),
                    }
                };
                submitter.set_head(cqe[1] as u32 & 0xFFFF).expect("good head");
                doorbells[1].store(completions.release(), Ordering::Relaxed);
            });
        });
    });
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .without_plots()
}

criterion_group! {
    name = benches;
    config = quick();
    targets = device_one_thread, shared_one_thread, shared_two_threads, round_trips
}
criterion_main!(benches);
