//! What decoding a block costs, on data that compresses well.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kvcpu_pager::codec::{Encoder, Place, Scratch, decode};
use kvcpu_pager::keys::{ArenaId, OwnerSecret};
use std::hint::black_box;

const PLACE: Place = Place { arena: ArenaId([3; 16]), block: 41 };

/// Text-like: words of a small vocabulary, in an order that does not repeat.
fn block(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        format!("word{} ", (state >> 24) % 50)
    });
    words.flat_map(String::into_bytes).take(bytes).collect()
}

fn codec(criterion: &mut Criterion) {
    let key = OwnerSecret::from_bytes(&[9; 32]).arena_keys(PLACE.arena).block_key(0);
    for bytes in [4096, 65536] {
        let block = block(bytes);
        let mut group = criterion.benchmark_group(format!("{} KiB", bytes / 1024));
        group.throughput(Throughput::Bytes(bytes as u64));
        for (name, level, key) in [
            ("raw", None, None),
            ("compressed", Some(1), None),
            ("encrypted", None, Some(&key)),
            ("compressed+encrypted", Some(1), Some(&key)),
        ] {
            let mut encoder = Encoder::new(level);
            let stored = encoder.encode(&block, 0, PLACE, key).expect("it encodes");
            let mut scratch = Scratch::new(bytes);
            let mut out = vec![0; bytes];
            group.bench_function(format!("decode {name}, {} bytes stored", stored.bytes.len()), |bencher| {
                bencher.iter(|| {
                    decode(&stored.header, black_box(&stored.bytes), key, PLACE, &mut out, scratch.work())
                        .expect("it decodes");
                });
            });
            group.bench_function(format!("encode {name}"), |bencher| {
                bencher.iter(|| encoder.encode(black_box(&block), 0, PLACE, key).expect("it encodes"));
            });
        }
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
