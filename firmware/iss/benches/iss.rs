//! How fast the core is simulated: the firmware's main loop, its rests left out.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kvcpu_emulator::Emulator;
use kvcpu_firmware_iss::{Core, FIRMWARE, Image};
use kvcpu_mmio::Geometry;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const INSTRUCTIONS: u64 = 1_000_000;

fn main_loop(c: &mut Criterion) {
    let device = Arc::new(Emulator::new(Geometry::SMALL).expect("the small geometry is sound"));
    let image = Image::from_file(FIRMWARE).expect("the checked-in firmware is an image");
    let mut core = Core::new(device, &image);
    core.run_for(Duration::from_secs(1));
    let mut group = c.benchmark_group("iss");
    group.throughput(Throughput::Elements(INSTRUCTIONS));
    group.bench_function("main loop", |b| b.iter(|| black_box(&mut core).run(INSTRUCTIONS)));
    group.finish();
}

criterion_group!(benches, main_loop);
criterion_main!(benches);
