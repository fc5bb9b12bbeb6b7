//! Sweep of a full directory, directory churn at 95% load, and bare command execution.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kvcpu_emulator::Rtbd;
use kvcpu_emulator::hepc_bench::FullDirectory;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::queue::Key;
use std::hint::black_box;

fn sweep(c: &mut Criterion) {
    let mut directory = FullDirectory::new(&Geometry::FULL);
    let mut group = c.benchmark_group("hepc");
    group.throughput(Throughput::Elements(Geometry::FULL.slots().into()));
    group.bench_function("sweep 65,536 entries, new scores", |b| b.iter(|| black_box(directory.sweep_all())));
    group.bench_function("sweep 65,536 entries, list ran dry", |b| b.iter(|| black_box(directory.sweep_again())));
    group.finish();
}

fn directory(c: &mut Criterion) {
    let geometry = Geometry::FULL;
    let mut rtbd = Rtbd::new(&geometry);
    let load = geometry.entries() / 20 * 19;
    for tag in 0..u64::from(load) {
        let placed = rtbd.place(Key::shared(1, tag), 0).unwrap();
        rtbd.occupy(placed.index, Key::shared(1, tag));
    }
    let mut tag = 0;
    let mut group = c.benchmark_group("rtbd");
    group.throughput(Throughput::Elements(1));
    group.bench_function("find at 95% load", |b| {
        b.iter(|| {
            tag = (tag + 1) % u64::from(load);
            black_box(rtbd.find(Key::shared(1, tag)))
        })
    });
    let (mut oldest, mut newest) = (0, u64::from(load));
    group.bench_function("remove and insert at 95% load", |b| {
        b.iter(|| {
            let old = rtbd.find(Key::shared(1, oldest)).unwrap();
            rtbd.free(old);
            let key = Key::shared(1, newest);
            let placed = rtbd.place(key, 0).unwrap();
            rtbd.occupy(placed.index, key);
            (oldest, newest) = (oldest + 1, newest + 1);
        })
    });
    group.finish();
}

criterion_group!(benches, sweep, directory);
criterion_main!(benches);
