//! From a touch to the bytes: the bare floor, the pager, and the kernel's own faults.
#![allow(unsafe_code, reason = "memory is touched by its address")]

use crate::floor::Floor;
use crate::percentile;
use kvcpu_pager::{Arena, Options, Source, Static, Zero};
use std::time::Instant;

/// Blocks that are touched in a turn, and turns.
pub(crate) const BLOCKS: usize = 1_024;
pub(crate) const TURNS: usize = 24;

/// Touches each block once, in an order that no fill ahead can guess; ns of each touch.
pub(crate) fn touch(start: *const u8, block_bytes: usize, into: &mut Vec<u64>) {
    for n in 0..BLOCKS {
        let block = n * 389 % BLOCKS;
        let begin = Instant::now();
        // SAFETY: within the memory that the caller has.
        unsafe { start.add(block * block_bytes).read_volatile() };
        into.push(begin.elapsed().as_nanos() as u64);
    }
}

pub(crate) fn arena(source: impl Source + 'static, block_bytes: usize) -> Arena {
    Arena::new(Box::new(source), Options { block_bytes, fault_around: 0, ..Options::default() }).unwrap()
}

/// The byte at an offset, by touching it.
pub(crate) fn byte(start: *const u8, offset: usize) -> u8 {
    // SAFETY: within the memory that the caller has.
    unsafe { start.add(offset).read_volatile() }
}

/// The kernel's own fault of an ordinary page.
fn anonymous(into: &mut Vec<u64>) {
    let bytes = BLOCKS * 4096;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a mapping of this bench's, gone afterwards.
    unsafe {
        let start = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE);
        for n in 0..BLOCKS {
            let begin = Instant::now();
            start.cast::<u8>().add(n * 389 % BLOCKS * 4096).write_volatile(1);
            into.push(begin.elapsed().as_nanos() as u64);
        }
        libc::munmap(start, bytes);
    }
}

fn row(name: &str, ns: &mut [u64], floor: Option<f64>) -> f64 {
    let (half, most) = (percentile(ns, 50), percentile(ns, 99));
    let ratio = floor.map_or_else(String::new, |floor| format!("{:.2}", half / floor));
    println!("| {name} | {:.2} | {:.2} | {ratio} |", half / 1e3, most / 1e3);
    half
}

pub(crate) fn measure() {
    let clock: Vec<u64> = (0..10_000)
        .map(|_| Instant::now())
        .map(|begin| begin.elapsed().as_nanos() as u64)
        .collect();
    println!("\nA fault, us; the clock's own {} ns are in it\n", percentile(&mut clock.clone(), 50));
    println!("| | p50 | p99 | p50 / floor |\n|---|---|---|---|");
    for block_bytes in [4096, 64 << 10] {
        let payload: Vec<u8> = (0..block_bytes).map(|n| n as u8).collect();
        let floor = Floor::new(BLOCKS * block_bytes);
        let bytes = (BLOCKS * block_bytes) as u64;
        let (zero, repeated) =
            (arena(Zero { bytes }, block_bytes), arena(Static::new(&payload, bytes).unwrap(), block_bytes));
        let mut ns: [Vec<u64>; 5] = Default::default();
        for _ in 0..TURNS {
            floor.with(None, block_bytes, |start| touch(start, block_bytes, &mut ns[0]));
            zero.invalidate(0..bytes).unwrap();
            touch(zero.as_ptr(), block_bytes, &mut ns[1]);
            floor.with(Some(&payload), block_bytes, |start| touch(start, block_bytes, &mut ns[2]));
            repeated.invalidate(0..bytes).unwrap();
            touch(repeated.as_ptr(), block_bytes, &mut ns[3]);
            if block_bytes == 4096 {
                anonymous(&mut ns[4]);
            }
        }
        let [zero_floor, zeros, copy_floor, copied, kernels] = &mut ns;
        let kib = block_bytes >> 10;
        let of = row(&format!("floor, UFFDIO_ZEROPAGE, {kib} KiB"), zero_floor, None);
        row(&format!("Zero, {kib} KiB"), zeros, Some(of));
        let of = row(&format!("floor, UFFDIO_COPY, {kib} KiB"), copy_floor, None);
        row(&format!("Static, {kib} KiB"), copied, Some(of));
        if !kernels.is_empty() {
            row("anonymous page, the kernel's", kernels, Some(of));
        }
    }
}
