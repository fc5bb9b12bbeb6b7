//! Eight threads at one arena: touches, pins, advice, evictions, blocks denied and allowed again, all at random; every byte is checked.

mod common;

use common::{Numbered, hepc, peek, poke, word};
use kvcpu_pager::codec::Scratch;
use kvcpu_pager::{Access, Advice, Arena, Faults, Options, Policy, Source, SourceError};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

const BLOCKS: u64 = 300;
const THREADS: u64 = 8;

/// The seed, which `KVCPU_SEED` sets.
fn seed() -> u64 {
    let set = std::env::var("KVCPU_SEED").ok().and_then(|text| text.parse().ok());
    set.unwrap_or_else(|| u64::from(std::process::id()) * 7919)
}

/// The same words, of which a half of the blocks is denied while `denies`.
struct Tenants {
    words: Numbered,
    denies: Arc<AtomicBool>,
}

impl Source for Tenants {
    fn bytes(&self) -> u64 {
        self.words.bytes
    }

    fn fill(&self, block: u64, out: &mut [u8], scratch: &mut Scratch) -> Result<(), SourceError> {
        if block % 2 == 1 && self.denies.load(SeqCst) {
            return Err(SourceError::Denied { tenant: 1 });
        }
        self.words.fill(block, out, scratch)
    }

    fn tenant(&self, block: u64) -> u8 {
        (block % 2) as u8
    }

    fn name(&self) -> &str {
        "tenants"
    }
}

fn options(policy: Policy, faults: Faults, access: Access) -> Options {
    Options {
        block_bytes: 4096,
        budget_bytes: Some(60 << 12),
        policy,
        batch: 8,
        faults,
        access,
        deadline: Duration::from_secs(60),
        ..Options::default()
    }
}

#[test]
fn reading_threads_always_see_the_right_bytes() {
    let seed = seed();
    println!("replay: KVCPU_SEED={seed} cargo test --release -p kvcpu-pager --test stress");
    for (name, policy) in [("hepc", Policy::Hepc(hepc())), ("clock", Policy::Clock), ("lru", Policy::Lru)] {
        let denies = Arc::new(AtomicBool::new(false));
        let source = Tenants { words: Numbered::new(BLOCKS << 12), denies: denies.clone() };
        let arena =
            Arena::new(Box::new(source), options(policy, Faults::InThread, Access::ReadOnly)).expect("an arena");
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (arena, denies) = (&arena, &denies);
                let mut rng = ChaCha8Rng::seed_from_u64(seed ^ thread << 32);
                scope.spawn(move || {
                    for _ in 0..4_000 {
                        let block = rng.random_range(0..BLOCKS);
                        let offset = (block << 12) + 8 * rng.random_range(0..512_u64);
                        match rng.random_range(0..100) {
                            0..3 => drop(arena.pin(block << 12..(block << 12) + 4096).map(|_pin| peek(arena, offset))),
                            3..6 => arena.advise(offset..offset + 1, Advice::Evict).expect("in it"),
                            6..9 => arena.advise(offset..offset + 1, Advice::Prefetch).expect("in it"),
                            9..12 => arena.touch(offset..offset + 1).expect("in it"),
                            12 if thread == 0 => {
                                // Revoked, and allowed again.
                                denies.store(!denies.load(SeqCst), SeqCst);
                                arena.invalidate(0..BLOCKS << 12).expect("in it");
                            }
                            _ => {
                                let found = peek(arena, offset);
                                let denied = block % 2 == 1 && found == 0;
                                assert!(found == word(offset) || denied, "{name}: {offset:#x}: {found:#x}");
                            }
                        }
                    }
                });
            }
        });
        let counted = arena.counters();
        assert!(counted.evicted > 1_000 && counted.denied > 0 && counted.failed == 0, "{name}: {counted:?}");
        assert!(arena.resident_bytes() <= 60 << 12, "{name}");
    }
}

#[test]
fn what_threads_write_is_what_they_read_whatever_is_evicted() {
    let seed = seed();
    println!("replay: KVCPU_SEED={seed} cargo test --release -p kvcpu-pager --test stress");
    let source = Numbered { writable: true, ..Numbered::new(BLOCKS << 12) };
    let options = options(Policy::Hepc(hepc()), Faults::InThread, Access::Writable);
    let arena = Arena::new(Box::new(source.clone()), options).expect("an arena");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let arena = &arena;
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ thread << 40);
            scope.spawn(move || {
                // One word in a page is this thread's.
                let mut mine: Vec<u64> = (0..BLOCKS).map(|block| word((block << 12) + 8 * thread)).collect();
                for n in 0..4_000_u64 {
                    let block = rng.random_range(0..BLOCKS);
                    let offset = (block << 12) + 8 * thread;
                    assert_eq!(peek(arena, offset), mine[block as usize], "{offset:#x}");
                    if rng.random_bool(0.3) {
                        mine[block as usize] = n << 8 | thread;
                        poke(arena, offset, mine[block as usize]);
                    }
                    if thread == 0 && n % 1_000 == 999 {
                        arena.flush().expect("it takes them");
                    }
                }
                for (block, expected) in (0..).zip(&mine) {
                    assert_eq!(peek(arena, (block << 12) + 8 * thread), *expected, "{block}");
                }
            });
        }
    });
    assert!(arena.counters().saved > 1_000, "{:?}", arena.counters());
}

/// Needs a privilege that CI's machine has, and a user need not have.
#[test]
fn a_handler_thread_serves_the_kernel_too() {
    let source = Numbered::new(BLOCKS << 12);
    let made = Arena::new(Box::new(source), options(Policy::Lru, Faults::HandlerThread, Access::ReadOnly));
    let arena = match made {
        Ok(arena) => arena,
        Err(error @ kvcpu_pager::PagerError::KernelFaults) => return println!("SKIPPED: {error}"),
        Err(error) => panic!("{error}"),
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let arena = &arena;
            scope.spawn(move || {
                for n in 0..BLOCKS {
                    let offset = ((n * 7 + thread * 50) % BLOCKS) << 12;
                    assert_eq!(peek(arena, offset), word(offset));
                }
            });
        }
    });
    // write(2) of pages that are missing.
    let mut file = tempfile::tempfile().expect("a file");
    common::write_from(&arena, 0..100 << 12, &mut file).expect("the kernel's touches are served");
    assert_eq!(common::read_word(&mut file, 50 << 12), word(50 << 12));
}

/// Everything is pinned when a block is touched; it gets its room when one pin ends, long before the deadline.
#[test]
fn a_touch_that_waits_for_room_goes_on_when_a_pin_ends() {
    for (name, policy) in [("hepc", Policy::Hepc(hepc())), ("clock", Policy::Clock), ("lru", Policy::Lru)] {
        let options = Options { budget_bytes: Some(4 << 12), ..options(policy, Faults::InThread, Access::ReadOnly) };
        let arena = Arena::new(Box::new(Numbered::new(BLOCKS << 12)), options).expect("an arena");
        let pins: Vec<_> = (0..3_u64).map(|block| arena.pin(block << 12..(block << 12) + 1).expect("room")).collect();
        peek(&arena, 100 << 12);
        std::thread::scope(|scope| {
            let waits =
                scope.spawn(|| (110..116).for_each(|block| assert_eq!(peek(&arena, block << 12), word(block << 12))));
            std::thread::sleep(Duration::from_millis(200));
            drop(pins);
            waits.join().expect("it goes on");
        });
        assert!(arena.resident_bytes() <= 4 << 12, "{name}");
    }
}

/// Pages of a block that was written are given back by the program itself: they are the source's again, the others stay written.
#[test]
fn pages_that_a_program_gives_back_are_filled_again() {
    let source = Numbered { writable: true, ..Numbered::new(4 << 16) };
    let options = Options { block_bytes: 64 << 10, ..options(Policy::Lru, Faults::InThread, Access::Writable) };
    let arena = Arena::new(Box::new(source), Options { budget_bytes: None, ..options }).expect("an arena");
    poke(&arena, 0, 7);
    poke(&arena, 8192, 9);
    common::give_back(&arena, 0..4096);
    assert_eq!((peek(&arena, 0), peek(&arena, 8192)), (word(0), 9));
    poke(&arena, 8, 11);
    arena.flush().expect("it takes them");
    assert_eq!((peek(&arena, 8), peek(&arena, 8192)), (11, 9));
}
