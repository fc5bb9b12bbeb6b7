//! Speed of reading a trace and of each baseline at 16,000 blocks, in references a second.
//!
//! On the Mooncake conversation trace if it is there (`KVCPU_TRACES`, or `../shared/traces` beside the workspace),
//! otherwise on the sample. Run with `cargo bench -p kvctl --bench baseline`.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kvctl::baseline::{Kind, NextUse, run};
use kvctl::trace::{ReadOptions, read};

const CAPACITY_BLOCKS: usize = 16_000;

fn trace_bytes() -> Vec<u8> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("KVCPU_TRACES").map_or_else(|| here.join("../../../shared/traces"), PathBuf::from);
    std::fs::read(folder.join("mooncake_conversation.jsonl"))
        .or_else(|_| std::fs::read(here.join("samples/sample.jsonl")))
        .expect("the sample is part of the repository")
}

fn bench(c: &mut Criterion) {
    let bytes = trace_bytes();
    let parse = || read(&bytes[..], &ReadOptions::default()).expect("a checked trace").trace;
    let trace = parse();
    let dense = trace.dense();
    let future = NextUse::new(&dense);

    let mut group = c.benchmark_group("trace");
    group.throughput(Throughput::Elements(trace.references() as u64)).sample_size(20);
    group.bench_function("read", |b| b.iter(parse));
    group.bench_function("dense", |b| b.iter(|| trace.dense()));
    group.bench_function("next_use", |b| b.iter(|| NextUse::new(&dense)));
    group.finish();

    let mut group = c.benchmark_group("baseline");
    group.throughput(Throughput::Elements(dense.references() as u64)).sample_size(20);
    for kind in Kind::ALL {
        group.bench_function(BenchmarkId::from_parameter(kind), |b| {
            b.iter(|| run(&mut *kind.build(black_box(CAPACITY_BLOCKS), &future), &dense).hits)
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
