//! Two threads scan four times what the budget holds: shootdowns for each page that went, and how fast, by the size of a batch; and
//! the kernel's own reclaim beside it.
#![allow(unsafe_code, reason = "memory is touched by its address")]

use kvcpu_pager::{Arena, Options, Policy, Static, shootdowns};
use std::time::{Duration, Instant};

const BLOCK: usize = 4096;
const BUDGET_BLOCKS: usize = 4_096;
const BLOCKS: usize = 4 * BUDGET_BLOCKS;
const ROUNDS: usize = 3;

fn touch(start: usize, block: usize) {
    // SAFETY: within the memory that the caller has.
    unsafe { std::ptr::with_exposed_provenance::<u8>(start + block * BLOCK).read_volatile() };
}

/// Two threads, each over all of it, from both ends.
fn scan(start: usize) {
    std::thread::scope(|scope| {
        scope.spawn(|| (0..BLOCKS).for_each(|block| touch(start, block)));
        scope.spawn(|| (0..BLOCKS).rev().for_each(|block| touch(start, block)));
    });
}

struct Row {
    name: String,
    shot: f64,
    calls: f64,
    pages_per_s: f64,
}

/// What this thread and those it starts were given of the time that passed.
fn on_processor() -> Duration {
    // SAFETY: it fills the structure.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut used);
        used
    };
    let time = |of: libc::timeval| Duration::new(of.tv_sec as u64, of.tv_usec as u32 * 1_000);
    time(used.ru_utime) + time(used.ru_stime)
}

fn pager(batch: u32) -> Row {
    let payload = [0x5A; BLOCK];
    let options = Options {
        block_bytes: BLOCK,
        budget_bytes: Some((BUDGET_BLOCKS * BLOCK) as u64),
        policy: Policy::Clock,
        batch,
        fault_around: 0,
        ..Options::default()
    };
    let source = Static::new(&payload, (BLOCKS * BLOCK) as u64).unwrap();
    let arena = Arena::new(Box::new(source), options).unwrap();
    scan(arena.as_ptr().expose_provenance());
    let (before, shot, begin) = (arena.counters(), shootdowns(), Instant::now());
    (0..ROUNDS).for_each(|_| scan(arena.as_ptr().expose_provenance()));
    let seconds = begin.elapsed().as_secs_f64();
    let after = arena.counters();
    let gone = (after.unmapped - before.unmapped) as f64;
    let shot = shootdowns().zip(shot).map_or(f64::NAN, |(now, then)| (now - then) as f64);
    Row {
        name: format!("pager, batches of {batch}"),
        shot: shot / gone,
        calls: (after.batches - before.batches) as f64 / gone,
        pages_per_s: (after.fills - before.fills) as f64 / seconds,
    }
}

/// Anonymous pages that another thread reads while this one gives them back: page by page, or all by MADV_PAGEOUT.
fn kernel(name: &str, advice: libc::c_int, pages: usize) -> Row {
    let bytes = BUDGET_BLOCKS * BLOCK;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a mapping of this bench's, gone afterwards.
    let start =
        unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) } as usize;
    let done = std::sync::atomic::AtomicBool::new(false);
    let (mut gone, mut shot) = (0, 0);
    std::thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                (0..BUDGET_BLOCKS).for_each(|block| touch(start, block));
            }
        });
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            let before = shootdowns().unwrap_or(0);
            for block in (0..BUDGET_BLOCKS).step_by(pages) {
                // SAFETY: of that mapping, in which there is nothing to lose.
                unsafe { libc::madvise((start + block * BLOCK) as *mut libc::c_void, pages * BLOCK, advice) };
            }
            shot += shootdowns().unwrap_or(0) - before;
            gone += BUDGET_BLOCKS;
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    // SAFETY: nobody touches it any more.
    unsafe { libc::munmap(start as *mut libc::c_void, bytes) };
    Row { name: name.into(), shot: shot as f64 / gone as f64, calls: 1.0 / pages as f64, pages_per_s: f64::NAN }
}

pub(crate) fn measure() {
    let Some(_) = shootdowns() else {
        return println!("\nno TLB row in /proc/interrupts: shootdowns are not counted here");
    };
    let (begin, used) = (Instant::now(), on_processor());
    let mut rows: Vec<Row> = [1, 16, 64, 128, 512].into_iter().map(pager).collect();
    let share = (on_processor() - used).as_secs_f64() / begin.elapsed().as_secs_f64();
    rows.push(kernel("MADV_DONTNEED, page by page, beside a reader", libc::MADV_DONTNEED, 1));
    rows.push(kernel("MADV_PAGEOUT, all at once, beside a reader", libc::MADV_PAGEOUT, BUDGET_BLOCKS));
    println!(
        "\nTwo threads scan {BLOCKS} blocks of {BLOCK} bytes with a budget of {BUDGET_BLOCKS}; processors in use meanwhile: {share:.2}\n"
    );
    println!(
        "| | shootdowns a page | calls a page | pages filled a second | against batches of 1 |\n|---|---|---|---|---|"
    );
    let one = rows[0].pages_per_s;
    for Row { name, shot, calls, pages_per_s } in &rows {
        let rate =
            if pages_per_s.is_nan() { " | ".into() } else { format!("{pages_per_s:.0} | {:.2}", pages_per_s / one) };
        println!("| {name} | {shot:.4} | {calls:.4} | {rate} |");
    }
}
