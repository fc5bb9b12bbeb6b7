//! Layer 2: rings between two processes, header and waiting.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kvcpu_ring::pair::{self, Client, Server};
use kvcpu_ring::{AtomicU64, Consumer, Memory, Producer, RingError, SharedRing, Wait, Wakeup, Window, layout};

type Shared = Arc<Vec<AtomicU64>>;

fn memory(words: usize) -> Shared {
    Arc::new((0..words).map(|_| AtomicU64::new(0)).collect())
}

fn set(memory: &Shared, word: usize, value: u64) {
    memory[word].store(value.to_le(), Ordering::Relaxed);
}

fn ring(entries: u32) -> (Shared, Producer<Shared, 2>, Consumer<Shared, 2>) {
    let memory = memory(SharedRing::<Shared, 2>::words(entries).unwrap());
    let producer = SharedRing::format(memory.clone(), entries).unwrap().producer().unwrap();
    let consumer = SharedRing::attach(memory.clone()).unwrap().consumer().unwrap();
    (memory, producer, consumer)
}

#[test]
fn attaching_checks_the_header() {
    let bare = memory(200);
    let attach = |m: &Shared| SharedRing::<_, 2>::attach(m.clone()).map(|r| r.size().entries());
    assert_eq!(attach(&bare), Err(RingError::BadMagic { found: 0 }));
    SharedRing::<_, 2>::format(bare.clone(), 16).unwrap();
    assert_eq!(attach(&bare), Ok(16));
    assert_eq!(
        SharedRing::<_, 8>::attach(bare.clone()).unwrap_err(),
        RingError::BadEntryWords { found: 2, expected: 8 }
    );
    for entries in [0, 1, 5, 65_536, 1 << 32 | 16, u64::MAX] {
        set(&bare, layout::ENTRIES_WORD, entries);
        assert_eq!(attach(&bare), Err(RingError::BadSize { entries }));
    }
    set(&bare, layout::ENTRIES_WORD, 32768);
    assert_eq!(attach(&bare), Err(RingError::TooShort { need_words: 40 + 65_536, have_words: 200 }));
    set(&bare, layout::VERSION_WORD, 2);
    assert_eq!(attach(&bare), Err(RingError::BadVersion { found: 2 }));
    assert!(matches!(attach(&memory(39)), Err(RingError::TooShort { need_words: 40, .. })));
}

#[test]
fn attaching_refuses_indexes_out_of_range() {
    let (memory, ..) = ring(4);
    set(&memory, layout::HEAD_WORD, 4);
    assert!(SharedRing::<_, 2>::attach(memory.clone()).unwrap().consumer().is_err());
    assert!(SharedRing::<_, 2>::attach(memory.clone()).unwrap().producer().is_err());
    set(&memory, layout::HEAD_WORD, 0);
    set(&memory, layout::TAIL_WORD, u64::MAX);
    assert!(SharedRing::<_, 2>::attach(memory.clone()).unwrap().producer().is_err());
}

#[test]
fn a_side_that_attaches_again_goes_on_where_it_stopped() {
    let (memory, mut producer, mut consumer) = ring(4);
    for i in 0..3 {
        producer.push(&[i, i]).unwrap();
    }
    let _ = producer.publish();
    assert_eq!(consumer.pop(), Ok(Some([0, 0])));
    let _ = consumer.release();
    let mut producer = SharedRing::attach(memory.clone()).unwrap().producer().unwrap();
    let mut consumer = SharedRing::attach(memory.clone()).unwrap().consumer().unwrap();
    assert_eq!(producer.free(), Ok(1));
    assert_eq!(consumer.pending(), Ok(2));
    producer.push(&[3, 3]).unwrap();
    let _ = producer.publish();
    for i in 1..4 {
        assert_eq!(consumer.pop(), Ok(Some([i, i])));
    }
    assert_eq!(consumer.pop(), Ok(None::<[u64; 2]>));
}

#[test]
fn a_hostile_tail_is_refused() {
    let (memory, _producer, mut consumer) = ring(4);
    set(&memory, layout::TAIL_WORD, 4);
    assert!(matches!(consumer.pop(), Err(RingError::IndexOutOfRange { index: 4, .. })));
    set(&memory, layout::TAIL_WORD, 1 << 32);
    assert!(matches!(consumer.pop(), Err(RingError::IndexOutOfRange { .. })));
    set(&memory, layout::TAIL_WORD, 2);
    assert!(consumer.pop().unwrap().is_some());
    set(&memory, layout::TAIL_WORD, 1);
    // The tail that was read before stays good; only then the bad one is looked at.
    assert!(consumer.pop().unwrap().is_some());
    assert!(matches!(consumer.pop(), Err(RingError::IndexOvertakes { from: 2, limit: 3, .. })));
    assert!(matches!(consumer.pending(), Err(RingError::IndexOvertakes { .. })));
}

#[test]
fn a_hostile_head_is_refused() {
    let (memory, mut producer, _consumer) = ring(4);
    producer.push(&[0; 2]).unwrap();
    let _ = producer.publish();
    set(&memory, layout::HEAD_WORD, 2);
    assert!(matches!(producer.free(), Err(RingError::IndexOvertakes { .. })));
    producer.push(&[0; 2]).unwrap();
    producer.push(&[0; 2]).unwrap();
    assert!(matches!(producer.push(&[0; 2]), Err(RingError::IndexOvertakes { .. })));
    set(&memory, layout::HEAD_WORD, u64::MAX);
    assert!(matches!(producer.push(&[0; 2]), Err(RingError::IndexOutOfRange { .. })));
    set(&memory, layout::HEAD_WORD, 0);
    assert_eq!(producer.push(&[0; 2]), Err(RingError::Full { entries: 4 }));
}

#[test]
fn a_consumer_that_sleeps_is_woken_once() {
    let (_memory, mut producer, mut consumer) = ring(4);
    producer.push(&[1, 1]).unwrap();
    assert_eq!(producer.publish(), Wakeup::NotNeeded);
    assert_eq!(consumer.wait(0), Ok(Wait::Ready));
    consumer.pop().unwrap().unwrap();
    assert_eq!(consumer.wait(0), Err(RingError::Uncommitted { entries: 1 }));
    assert_eq!(consumer.release(), Wakeup::NotNeeded);
    assert_eq!(consumer.wait(3), Ok(Wait::Sleep));
    assert_eq!(producer.publish(), Wakeup::NotNeeded, "nothing was pushed");
    producer.push(&[2, 2]).unwrap();
    assert!(producer.publish().needed());
    producer.push(&[3, 3]).unwrap();
    assert_eq!(producer.publish(), Wakeup::NotNeeded);
}

#[test]
fn a_producer_that_sleeps_is_woken_once() {
    let (_memory, mut producer, mut consumer) = ring(2);
    assert_eq!(producer.wait(0), Ok(Wait::Ready));
    producer.push(&[1, 1]).unwrap();
    assert_eq!(producer.wait(0), Err(RingError::Uncommitted { entries: 1 }));
    let _ = producer.publish();
    assert_eq!(producer.wait(2), Ok(Wait::Sleep));
    consumer.pop().unwrap().unwrap();
    assert_eq!(consumer.release(), Wakeup::Needed);
    assert_eq!(consumer.release(), Wakeup::NotNeeded);
    producer.push(&[2, 2]).unwrap();
}

#[test]
fn a_pair_carries_commands_one_way_and_completions_the_other() {
    let memory = memory(pair::words(4, 8).unwrap());
    assert!(Client::attach(memory.clone()).is_err());
    pair::format(&memory, 4, 8).unwrap();
    let mut client = Client::attach(memory.clone()).unwrap();
    let mut server = Server::attach(memory.clone()).unwrap();
    for i in 0..20 {
        client.submissions.push(&[i; 8]).unwrap();
        let _ = client.submissions.publish();
        let sqe = server.submissions.pop().unwrap().unwrap();
        let _ = server.submissions.release();
        server.completions.push(&[sqe[0], sqe[7]]).unwrap();
        let _ = server.completions.publish();
        assert_eq!(client.completions.pop(), Ok(Some([i, i])));
        let _ = client.completions.release();
    }
    let short = self::memory(pair::words(4, 8).unwrap() - 1);
    assert!(matches!(pair::format(&short, 4, 8), Err(RingError::TooShort { .. })));
}

#[test]
fn a_pair_whose_header_lies_about_the_size_is_refused() {
    let memory = memory(pair::words(4, 4).unwrap());
    pair::format(&memory, 4, 4).unwrap();
    set(&memory, layout::ENTRIES_WORD, 8);
    assert!(Server::attach(memory.clone()).is_err());
    set(&memory, layout::ENTRIES_WORD, 32768);
    assert!(Server::attach(memory.clone()).is_err());
}

#[test]
fn a_window_does_not_reach_beyond_its_memory() {
    let memory = memory(10);
    assert_eq!(Window::new(memory.clone(), 4, 6).unwrap().words().len(), 6);
    assert!(Window::new(memory.clone(), 4, 7).is_err());
    assert!(Window::new(memory.clone(), usize::MAX, 2).is_err());
}

#[test]
fn every_error_says_what_to_do() {
    let errors = [
        (RingError::BadSize { entries: 3 }, "choose one that is"),
        (RingError::TooShort { need_words: 2, have_words: 1 }, "map more"),
        (RingError::Full { entries: 4 }, "push again"),
        (RingError::IndexOutOfRange { name: "tail", index: 9, entries: 4 }, "reset the queue"),
        (RingError::IndexOvertakes { name: "tail", index: 1, from: 2, limit: 3 }, "reset the queue"),
        (RingError::BadMagic { found: 0 }, "formatted"),
        (RingError::BadVersion { found: 7 }, "same version"),
        (RingError::BadEntryWords { found: 8, expected: 2 }, "submissions to submissions"),
        (RingError::Uncommitted { entries: 1 }, "before waiting"),
    ];
    for (error, remedy) in errors {
        assert!(error.to_string().contains(remedy), "{error}");
    }
}
