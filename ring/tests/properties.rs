//! Random interleavings of both sides against a `VecDeque`, with a peer that lies now and then.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use kvcpu_ring::{
    AtomicU64, CompletionProducer, Completions, PHASE, RingError, SharedRing, SubmissionConsumer, Submitter, Wait,
    layout,
};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Op {
    Push,
    Publish,
    Pop,
    Release,
    /// The producer learns the head.
    Learn,
    WaitForWork,
    WaitForRoom,
    /// The tail becomes this, for one operation of the consumer.
    HostileTail(u64),
    /// The head becomes this, for one operation of the producer.
    HostileHead(u64),
}

fn op(size: u64) -> impl Strategy<Value = Op> {
    let index = prop_oneof![0..size, size..size + 2, any::<u64>()];
    prop_oneof![
        8 => Just(Op::Push),
        4 => Just(Op::Publish),
        8 => Just(Op::Pop),
        4 => Just(Op::Release),
        4 => Just(Op::Learn),
        1 => Just(Op::WaitForWork),
        1 => Just(Op::WaitForRoom),
        1 => index.clone().prop_map(Op::HostileTail),
        1 => index.prop_map(Op::HostileHead),
    ]
}

fn size_and_ops() -> impl Strategy<Value = (u32, Vec<Op>)> {
    (1_u32..=4).prop_flat_map(|log2| {
        let size = 1 << log2;
        (Just(size), proptest::collection::vec(op(size.into()), 1..400))
    })
}

fn memory(words: usize) -> Vec<AtomicU64> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

/// What a ring should hold. Slots are occupied from push until the producer learns of the release.
#[derive(Default)]
struct Model {
    pushed: VecDeque<u64>,
    published: VecDeque<u64>,
    popped: usize,
    released: usize,
    sequence: u64,
}

impl Model {
    fn occupied(&self) -> usize {
        self.pushed.len() + self.published.len() + self.popped + self.released
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_submission_ring_is_a_queue((entries, ops) in size_and_ops()) {
        let words = memory(entries as usize * 8);
        let mut submitter = Submitter::new(&words, entries).unwrap();
        let mut device = SubmissionConsumer::new(&words, entries).unwrap();
        let mut model = Model::default();
        let (mut tail, mut head) = (0, 0);
        for op in ops {
            match op {
                Op::Push => {
                    let fits = model.occupied() < entries as usize - 1;
                    let entry: [u64; 8] = std::array::from_fn(|i| model.sequence + i as u64);
                    prop_assert_eq!(submitter.push(&entry).is_ok(), fits);
                    if fits {
                        model.pushed.push_back(model.sequence);
                        model.sequence += 1;
                    }
                }
                Op::Publish => {
                    tail = submitter.publish();
                    device.set_tail(tail).unwrap();
                    model.published.append(&mut model.pushed);
                }
                Op::Pop => {
                    let want = model.published.pop_front();
                    model.popped += usize::from(want.is_some());
                    let want = want.map(|s| std::array::from_fn(|i| s + i as u64));
                    prop_assert_eq!(device.pop(), want);
                }
                Op::Release => {
                    head = device.release();
                    model.released += std::mem::take(&mut model.popped);
                }
                Op::Learn => {
                    submitter.set_head(head).unwrap();
                    model.released = 0;
                }
                Op::HostileTail(bad) => {
                    let bad = bad as u32;
                    // Any accepted value may only mean more entries, never more than the slots.
                    let mut device = SubmissionConsumer::new(&words, entries).unwrap();
                    device.set_tail(tail).unwrap();
                    let before = device.pending();
                    match device.set_tail(bad) {
                        Ok(()) => prop_assert!((before..entries).contains(&device.pending())),
                        Err(_) => prop_assert_eq!(device.pending(), before),
                    }
                }
                Op::HostileHead(bad) => {
                    let bad = bad as u32;
                    let before = submitter.free();
                    if bad >= entries {
                        prop_assert!(submitter.set_head(bad).is_err());
                        prop_assert_eq!(submitter.free(), before);
                    }
                }
                Op::WaitForWork | Op::WaitForRoom => {}
            }
            prop_assert_eq!(submitter.free() as usize, entries as usize - 1 - model.occupied());
            prop_assert_eq!(device.pending() as usize, model.published.len());
        }
    }

    #[test]
    fn a_completion_ring_is_a_queue((entries, ops) in size_and_ops()) {
        let words = memory(entries as usize * 2);
        let mut device = CompletionProducer::new(&words, entries).unwrap();
        let mut completions = Completions::new(&words, entries).unwrap();
        let mut model = Model::default();
        let mut head = 0;
        for op in ops {
            match op {
                Op::Push => {
                    let fits = model.occupied() < entries as usize - 1;
                    prop_assert_eq!(device.push([model.sequence, !model.sequence]).is_ok(), fits);
                    if fits {
                        model.published.push_back(model.sequence);
                        model.sequence += 1;
                    }
                }
                Op::Pop => {
                    let want = model.published.pop_front();
                    model.popped += usize::from(want.is_some());
                    let got = completions.pop().map(|[w0, w1]| [w0, w1 & !PHASE]);
                    prop_assert_eq!(got, want.map(|s| [s, !s & !PHASE]));
                }
                Op::Release => {
                    head = completions.release();
                    model.released += std::mem::take(&mut model.popped);
                }
                Op::Learn => {
                    device.set_head(head).unwrap();
                    model.released = 0;
                }
                Op::HostileHead(bad) if bad as u32 >= entries => {
                    prop_assert!(device.set_head(bad as u32).is_err());
                }
                _ => {}
            }
            prop_assert_eq!(device.free() as usize, entries as usize - 1 - model.occupied());
        }
    }

    #[test]
    fn a_shared_ring_is_a_queue((entries, ops) in size_and_ops()) {
        let words = memory(SharedRing::<&Vec<AtomicU64>, 8>::words(entries).unwrap());
        let mut producer = SharedRing::<_, 8>::format(&words, entries).unwrap().producer().unwrap();
        let mut consumer = SharedRing::<_, 8>::attach(&words).unwrap().consumer().unwrap();
        let mut model = Model::default();
        let (mut consumer_sleeps, mut producer_sleeps) = (false, false);
        for op in ops {
            // The producer learns of a release by itself.
            model.released = 0;
            match op {
                Op::Push => {
                    let fits = model.occupied() < entries as usize - 1;
                    let entry: [u64; 8] = std::array::from_fn(|i| model.sequence + i as u64);
                    let want = if fits { Ok(()) } else { Err(RingError::Full { entries }) };
                    prop_assert_eq!(producer.push(&entry), want);
                    if fits {
                        model.pushed.push_back(model.sequence);
                        model.sequence += 1;
                    }
                }
                Op::Publish => {
                    let wakes = consumer_sleeps && !model.pushed.is_empty();
                    prop_assert_eq!(producer.publish().needed(), wakes);
                    consumer_sleeps &= !wakes;
                    model.published.append(&mut model.pushed);
                }
                Op::Pop => {
                    let want = model.published.pop_front();
                    model.popped += usize::from(want.is_some());
                    let want = want.map(|s| std::array::from_fn(|i| s + i as u64));
                    prop_assert_eq!(consumer.pop(), Ok(want));
                }
                Op::Release => {
                    let wakes = producer_sleeps && model.popped > 0;
                    prop_assert_eq!(consumer.release().needed(), wakes);
                    producer_sleeps &= !wakes;
                    model.released += std::mem::take(&mut model.popped);
                }
                Op::WaitForWork => match consumer.wait(1) {
                    Ok(Wait::Sleep) => {
                        prop_assert!(model.published.is_empty());
                        consumer_sleeps = true;
                    }
                    // Found while spinning, the flag was not touched.
                    Ok(Wait::Ready) => prop_assert!(!model.published.is_empty()),
                    Err(_) => prop_assert!(model.popped > 0),
                },
                Op::WaitForRoom => match producer.wait(1) {
                    Ok(Wait::Sleep) => {
                        prop_assert_eq!(model.occupied(), entries as usize - 1);
                        producer_sleeps = true;
                    }
                    Ok(Wait::Ready) => prop_assert!(model.occupied() < entries as usize - 1),
                    Err(_) => prop_assert!(!model.pushed.is_empty()),
                },
                Op::HostileTail(bad) if bad >= entries.into() => {
                    let good = words[layout::TAIL_WORD].swap(bad.to_le(), Ordering::Relaxed);
                    prop_assert!(consumer.pending().is_err());
                    words[layout::TAIL_WORD].store(good, Ordering::Relaxed);
                }
                Op::HostileHead(bad) if bad >= entries.into() => {
                    let good = words[layout::HEAD_WORD].swap(bad.to_le(), Ordering::Relaxed);
                    prop_assert!(producer.free().is_err());
                    words[layout::HEAD_WORD].store(good, Ordering::Relaxed);
                }
                Op::HostileTail(_) | Op::HostileHead(_) | Op::Learn => {}
            }
            prop_assert_eq!(consumer.pending().unwrap() as usize, model.published.len());
        }
    }

    /// Both sides over memory that changes under them at random: errors, but never a panic, and
    /// never more entries than there are slots.
    #[test]
    fn nothing_in_the_memory_can_break_a_ring(
        noise in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![0_u64..8, any::<u64>()], 0..6_u8), 1..300),
    ) {
        let words = memory(SharedRing::<&Vec<AtomicU64>, 2>::words(4).unwrap());
        let mut producer = SharedRing::<_, 2>::format(&words, 4).unwrap().producer().unwrap();
        let mut consumer = SharedRing::<_, 2>::attach(&words).unwrap().consumer().unwrap();
        let mut completions = Completions::new(&words, 16).unwrap();
        for (word, value, act) in noise {
            words[word.index(words.len())].store(value, Ordering::Relaxed);
            match act {
                0 => drop(producer.push(&[value; 2])),
                1 => drop(producer.free().map(|n| assert!(n < 4))),
                2 => drop(consumer.pop()),
                3 => drop(consumer.pending().map(|n| assert!(n < 4))),
                4 => {
                    let _ = (producer.publish(), consumer.release());
                    let _ = (producer.wait(1), consumer.wait(1));
                    completions.pop();
                }
                _ => {
                    if let Ok(ring) = SharedRing::<_, 2>::attach(&words) {
                        assert!(ring.size().entries() <= 4);
                        let _ = ring.consumer();
                    }
                }
            }
        }
    }
}
