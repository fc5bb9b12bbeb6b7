//! What decoding a block costs, on data that compresses well.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kvcpu_pager::codec::{Encoder, Place, Scratch, decode};
use kvcpu_pager::keys::{ArenaId, OwnerSecret};
use std::hint::black_box;

const PLACE: Place = Place { arena: ArenaId([3; 16]), block: 41 };

/// Words of a small vocabulary in an order that does not repeat: many short matches, the slow end of what compresses well.
fn words(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        format!("word{} ", (state >> 24) % 50)
    });
    words.flat_map(String::into_bytes).take(bytes).collect()
}

/// Runs of 500 equal bytes: few long matches, the fast end.
fn runs(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| if at % 512 < 500 { (at / 512) as u8 } else { (at * 7) as u8 })
        .collect()
}

fn codec(criterion: &mut Criterion) {
    let key = OwnerSecret::from_bytes(&[9; 32]).arena_keys(PLACE.arena).block_key(0);
    let ways = [
        ("raw", None, None),
        ("compressed", Some(1), None),
        ("encrypted", None, Some(&key)),
        ("compressed+encrypted", Some(1), Some(&key)),
    ];
    for bytes in [4096, 65536] {
        for (kind, block) in [("words", words(bytes)), ("runs", runs(bytes))] {
            let mut group = criterion.benchmark_group(format!("{} KiB of {kind}", bytes / 1024));
            group.throughput(Throughput::Bytes(bytes as u64));
            for (name, level, key) in ways {
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
}

criterion_group!(benches, codec);
criterion_main!(benches);
