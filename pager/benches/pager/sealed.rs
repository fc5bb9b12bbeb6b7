//! Faults of blocks that are compressed and encrypted, against the floor and the cost of decoding; and a sealed file read from end to end.

use crate::faults::{BLOCKS, TURNS, arena, byte, touch};
use crate::floor::Floor;
use crate::percentile;
use kvcpu_pager::container::{OpenOptions, WriterOptions};
use kvcpu_pager::{
    Arena, BlockSize, Container, Options, OwnerSecret, Scratch, SealOptions, Sealed, Sealing, Source, seal_file,
};
use std::io::Read;
use std::time::Instant;

/// Bytes that compress as text does: words of a small vocabulary.
fn text(bytes: usize) -> Vec<u8> {
    let words =
        ["the ", "block ", "is ", "mapped ", "and ", "read ", "by ", "a ", "thread ", "of ", "tenant ", "when "];
    let mut state = 1_u64;
    let mut text = Vec::with_capacity(bytes + 16);
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(words[(state >> 33) as usize % words.len()].as_bytes());
    }
    text.truncate(bytes);
    text
}

/// Bytes of which each block is one word in its first half, the same again and again: what compresses well.
fn regular(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| if n % 4096 < 2048 { (n / 4096) as u8 } else { n as u8 }).collect()
}

/// ns to decode each block, without a fault.
fn decode(source: &dyn Source, block_bytes: usize, into: &mut Vec<u64>) {
    let mut scratch = Scratch::new(block_bytes);
    let mut block = vec![0; block_bytes];
    for n in 0..BLOCKS {
        let begin = Instant::now();
        source.fill((n * 389 % BLOCKS) as u64, &mut block, &mut scratch).unwrap();
        into.push(begin.elapsed().as_nanos() as u64);
    }
}

fn faults() {
    println!("\nA fault of an encoded block, us: what is asked for is the floor and 1.3 times the decoding\n");
    println!("| | p50 | p99 | p50 / floor | decoding, p50 | p50 / (floor + 1.3 decoding) |\n|---|---|---|---|---|---|");
    for (kind, bytes_of) in [("regular", regular as fn(usize) -> Vec<u8>), ("text", text)] {
        for block_bytes in [4096, 64 << 10] {
            let plain = bytes_of(BLOCKS * block_bytes);
            let (floor, bytes) = (Floor::new(plain.len()), plain.len() as u64);
            for sealing in [Sealing::Compressed, Sealing::Encrypted, Sealing::CompressedEncrypted] {
                let size = BlockSize::new(block_bytes as u64).unwrap();
                let sealed = || Sealed::new(&plain, sealing, size, 0).unwrap();
                let (alone, arena) = (sealed(), arena(sealed(), block_bytes));
                let mut ns: [Vec<u64>; 3] = Default::default();
                for _ in 0..TURNS {
                    floor.with(Some(&plain[..block_bytes]), block_bytes, |start| touch(start, block_bytes, &mut ns[0]));
                    decode(&alone, block_bytes, &mut ns[1]);
                    arena.invalidate(0..bytes).unwrap();
                    touch(arena.as_ptr(), block_bytes, &mut ns[2]);
                }
                let [floor, decoding, ours] = ns.each_mut().map(|ns| (percentile(ns, 50), percentile(ns, 99)));
                println!(
                    "| {sealing:?}, {kind}, {} KiB | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
                    block_bytes >> 10,
                    ours.0 / 1e3,
                    ours.1 / 1e3,
                    ours.0 / floor.0,
                    decoding.0 / 1e3,
                    ours.0 / (floor.0 + 1.3 * decoding.0),
                );
            }
        }
    }
}

/// The same bytes through an arena, and by what limits them: the file read as `cat` does, and its blocks decoded.
fn sequential() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, sealed) = (folder.path().join("plain"), folder.path().join("sealed.tza"));
    let bytes = text(128 << 20);
    std::fs::write(&plain, &bytes).unwrap();
    let secret = OwnerSecret::random().unwrap();
    let writer = WriterOptions { secret: Some(&secret), ..WriterOptions::default() };
    seal_file(&plain, &sealed, &SealOptions { writer, ..SealOptions::default() }, |_| ()).unwrap();
    let open = || Container::open(&sealed, OpenOptions { secret: Some(&secret), ..OpenOptions::default() }).unwrap();
    let block_bytes = BlockSize::DEFAULT.bytes();
    let (mut cats, mut decodes, mut ours) = (vec![], vec![], vec![]);
    for _ in 0..7 {
        let begin = Instant::now();
        let (mut file, mut buffer) = (std::fs::File::open(&sealed).unwrap(), vec![0; 128 << 10]);
        while file.read(&mut buffer).unwrap() > 0 {}
        cats.push(begin.elapsed().as_nanos() as u64);
        let (container, mut scratch, mut block) = (open(), Scratch::new(block_bytes), vec![0; block_bytes]);
        let begin = Instant::now();
        (0..(bytes.len() / block_bytes) as u64).for_each(|n| container.fill(n, &mut block, &mut scratch).unwrap());
        decodes.push(begin.elapsed().as_nanos() as u64);
        let arena =
            Arena::new(Box::new(open()), Options { budget_bytes: Some(64 << 20), ..Options::default() }).unwrap();
        let begin = Instant::now();
        let pages = (0..bytes.len()).step_by(4096);
        let sum: u64 = pages.map(|offset| u64::from(byte(arena.as_ptr(), offset))).sum();
        ours.push(begin.elapsed().as_nanos() as u64);
        assert!(sum > 0);
    }
    let [cat, decode, ours] = [&mut cats, &mut decodes, &mut ours].map(|ns| percentile(ns, 50) / 1e6);
    println!(
        "\nA sealed file of 128 MiB (text, compressed and encrypted), each page touched in order, budget 64 MiB; ms, medians of 7\n"
    );
    println!("| cat | read and decoded, block by block | arena | decoded / arena |\n|---|---|---|---|");
    println!("| {cat:.0} | {decode:.0} | {ours:.0} | {:.2} |", decode.max(cat) / ours);
}

pub(crate) fn measure() {
    faults();
    sequential();
}
