//! STORE and FETCH against plain O_DIRECT pwritev/preadv of the same bytes, one at a time: the floor
//! that the checksums, the queue and the completions are paid on top of.
//!
//! `cargo bench -p kvcpu-store`; the file goes to KVCPU_BENCH_DIR (default: the temporary folder).
//! The ratios are printed at the end, measured by themselves, alternating, best of five.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use kvcpu_mmio::DmaMemory;
use kvcpu_store::{BlockStore, HeapMemory, Key, T3File, T3Options};

const SLOTS: u32 = 1024;
const DEADLINE: Duration = Duration::from_secs(60);

fn folder() -> PathBuf {
    std::env::var_os("KVCPU_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// A page-aligned buffer without unsafe code.
#[repr(C, align(4096))]
#[derive(Clone)]
struct Page([u8; 4096]);

struct Floor {
    file: File,
    pages: Vec<Page>,
}

impl Floor {
    fn new(block_bytes: usize, direct: bool) -> Floor {
        let path = folder().join("kvcpu-floor.bin");
        let flags = if direct { rustix::fs::OFlags::DIRECT.bits() as i32 } else { 0 };
        let mut how = OpenOptions::new();
        let file = how.read(true).write(true).create(true).truncate(true).custom_flags(flags).open(&path);
        let file = file.expect("a file in the bench folder");
        std::fs::remove_file(&path).expect("it was just made");
        let floor = Floor { file, pages: vec![Page([7; 4096]); 1 + block_bytes / 4096] };
        let bytes = floor.stride() * u64::from(SLOTS);
        rustix::fs::fallocate(&floor.file, rustix::fs::FallocateFlags::empty(), 0, bytes).expect("space");
        floor
    }
    fn stride(&self) -> u64 {
        self.pages.len() as u64 * 4096
    }
    fn write(&self, slot: u32) {
        let vectors: Vec<_> = self.pages.iter().map(|page| IoSlice::new(&page.0)).collect();
        rustix::io::pwritev(&self.file, &vectors, u64::from(slot) * self.stride()).expect("pwritev");
    }
    fn read(&mut self, slot: u32) {
        let offset = u64::from(slot) * self.stride();
        let mut vectors: Vec<_> = self.pages.iter_mut().map(|page| IoSliceMut::new(&mut page.0)).collect();
        black_box(rustix::io::preadv(&self.file, &mut vectors, offset).expect("preadv"));
    }
}

struct Tier {
    store: T3File,
    memory: Arc<dyn DmaMemory>,
    crc32c: u32,
}

impl Tier {
    fn new(block_bytes: usize) -> Tier {
        let options = T3Options { replace: true, ..T3Options::default() };
        let path = folder().join("kvcpu-bench.t3");
        let store = T3File::create_with(&path, block_bytes, SLOTS, &options).expect("a T3 file");
        std::fs::remove_file(&path).expect("it was just made");
        let crc32c = crc32c::crc32c(&vec![0; block_bytes]);
        Tier { store, memory: HeapMemory::new(block_bytes * 64), crc32c }
    }
    /// `count` operations with at most `depth` outstanding.
    fn run(&mut self, count: u32, depth: u32, fetch: bool) {
        let (mut next, mut ended, mut done) = (0, 0, Vec::new());
        while ended < count {
            while next < count && next - ended < depth {
                let slot = next % SLOTS;
                let key = Key { tenant: 1, request: 0, tag: u64::from(slot) };
                let offset = (next % 64) as usize * self.store.block_bytes();
                let (store, memory) = (&mut self.store, &self.memory);
                let submitted = if fetch {
                    store.submit_fetch(0, slot, key, memory, offset)
                } else {
                    store.submit_store(0, slot, key, memory, offset, self.crc32c)
                };
                submitted.expect("room in the queue");
                next += 1;
            }
            ended += self.store.wait(DEADLINE, &mut done).expect("an answer") as u32;
            for answer in done.drain(..) {
                answer.result.expect("a whole block");
            }
        }
    }
}

fn best(mut run: impl FnMut()) -> f64 {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..5).map(|_| time(&mut run)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut rows = Vec::new();
    for block_bytes in [4096, 65_536] {
        let mut tier = Tier::new(block_bytes);
        let mut floor = Floor::new(block_bytes, tier.store.direct());
        (0..SLOTS).for_each(|slot| floor.write(slot));
        tier.run(SLOTS, 32, false);
        let mut group = criterion.benchmark_group(format!("{block_bytes} bytes"));
        group.throughput(Throughput::Bytes(u64::from(SLOTS) * block_bytes as u64));
        for (name, fetch) in [("store", false), ("fetch", true)] {
            for depth in [1, 32] {
                group.bench_function(format!("{name} qd{depth}"), |b| b.iter(|| tier.run(SLOTS, depth, fetch)));
            }
            let mut plain = || (0..SLOTS).for_each(|slot| if fetch { floor.read(slot) } else { floor.write(slot) });
            group.bench_function(format!("{name} floor"), |b| b.iter(&mut plain));
            let base = best(&mut plain);
            for depth in [1, 32] {
                let seconds = best(|| tier.run(SLOTS, depth, fetch));
                rows.push((
                    block_bytes,
                    name,
                    depth,
                    seconds / f64::from(SLOTS) * 1e6,
                    base / seconds,
                    tier.store.direct(),
                ));
            }
        }
        group.finish();
    }
    println!("block    op     depth   us/block   times the floor's rate   direct");
    for (block, name, depth, us, ratio, direct) in rows {
        println!("{block:>6}   {name}  {depth:>5}   {us:>8.1}   {ratio:>22.2}   {direct}");
    }
    criterion.final_summary();
}
