//! Every interleaving and every permitted reordering of small rings, by loom.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p kvcpu-ring --test loom --release`
//!
//! The models check: no entry is lost, doubled or torn, also when slots are reused; a side that
//! sleeps is woken (else loom reports a deadlock). Each `#[should_panic]` test runs a model with
//! one ordering weakened and must fail, so the models are known to see what they are for.
//!
//! Beyond loom: it runs loads in program order, so it cannot show a consumer's load of an entry sinking below
//! its release of the head. That half of `index_publish` and `before_doorbell` rests on argument:
//! the release orders the loads before it.
#![cfg(loom)]
#![allow(clippy::unwrap_used)]

use kvcpu_ring::mutation::{Place, weaken};
use kvcpu_ring::{AtomicU64, CompletionProducer, Completions, PHASE, SharedRing, SubmissionConsumer, Submitter, Wait};
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use loom::sync::{Arc, Notify};
use loom::thread;

type Shared = std::sync::Arc<Vec<AtomicU64>>;

fn memory(words: usize) -> Shared {
    std::sync::Arc::new((0..words).map(|_| AtomicU64::new(0)).collect())
}

// The first two models never yield and never wait: loom does not show a stale value again after a
// yield, which would hide a missing ordering. Both sides try a few times, then the rest is drained.

/// SQEs through a ring of one usable slot. The doorbells are relaxed, as registers are.
fn submissions() {
    const TRIES: usize = 3;
    let words = memory(2 * 8);
    let tail_doorbell = Arc::new(AtomicU32::new(0));
    let head_register = Arc::new(AtomicU32::new(0));
    let mut submitter = Submitter::new(words.clone(), 2).unwrap();
    let mut device = SubmissionConsumer::new(words, 2).unwrap();
    let driver = {
        let (tail_doorbell, head_register) = (tail_doorbell.clone(), head_register.clone());
        thread::spawn(move || {
            let mut submitted = 0;
            for _ in 0..TRIES {
                if submitter.free() == 0 {
                    submitter.set_head(head_register.load(Relaxed)).unwrap();
                }
                if submitter.push(&[submitted + 1; 8]).is_ok() {
                    submitted += 1;
                    tail_doorbell.store(submitter.publish(), Relaxed);
                }
            }
            submitted
        })
    };
    let mut arrived = 0;
    let mut consume = || {
        device.set_tail(tail_doorbell.load(Relaxed)).unwrap();
        if let Some(sqe) = device.pop() {
            arrived += 1;
            assert_eq!(sqe, [arrived; 8], "lost, doubled or torn");
            head_register.store(device.release(), Relaxed);
        }
    };
    for _ in 0..TRIES {
        consume();
    }
    let submitted = driver.join().unwrap();
    consume();
    assert_eq!(arrived, submitted, "lost, doubled or torn");
}

/// CQEs through a ring of two slots: up to two passes, so that slots are reused and the phase
/// changes.
fn completions() {
    const TRIES: usize = 4;
    let words = memory(2 * 2);
    let head_doorbell = Arc::new(AtomicU32::new(0));
    let mut completions = Completions::new(words.clone(), 2).unwrap();
    let mut producer = CompletionProducer::new(words, 2).unwrap();
    let device = {
        let head_doorbell = head_doorbell.clone();
        thread::spawn(move || {
            let mut posted = 0;
            for _ in 0..TRIES {
                if producer.free() == 0 {
                    producer.set_head(head_doorbell.load(Relaxed)).unwrap();
                }
                if producer.push([posted + 1; 2]).is_ok() {
                    posted += 1;
                }
            }
            posted
        })
    };
    let mut arrived = 0;
    let mut consume = || {
        if let Some([word0, word1]) = completions.pop() {
            arrived += 1;
            assert_eq!([word0, word1 & !PHASE], [arrived; 2], "lost, doubled or torn");
            head_doorbell.store(completions.release(), Relaxed);
        }
    };
    for _ in 0..TRIES {
        consume();
    }
    let posted = device.join().unwrap();
    consume();
    assert_eq!(arrived, posted, "lost, doubled or torn");
}

/// Entries through a shared ring of one usable slot.
fn entries() {
    const TRIES: usize = 3;
    let words = memory(SharedRing::<Shared, 2>::words(2).unwrap());
    let mut producer = SharedRing::format(words.clone(), 2).unwrap().producer().unwrap();
    let mut consumer = SharedRing::attach(words).unwrap().consumer().unwrap();
    let other = thread::spawn(move || {
        let mut pushed = 0;
        for _ in 0..TRIES {
            if producer.push(&[pushed + 1; 2]).is_ok() {
                pushed += 1;
                assert!(!producer.publish().needed(), "nobody waits");
            }
        }
        pushed
    });
    let mut arrived = 0;
    let mut consume = || {
        if let Some(entry) = consumer.pop().unwrap() {
            arrived += 1;
            assert_eq!(entry, [arrived; 2], "lost, doubled or torn");
            assert!(!consumer.release().needed(), "nobody waits");
        }
    };
    for _ in 0..TRIES {
        consume();
    }
    let pushed = other.join().unwrap();
    consume();
    assert_eq!(arrived, pushed, "lost, doubled or torn");
}

/// `entries` entries through a shared ring of one usable slot; both sides sleep when there is
/// nothing to do.
fn sleepers(entries: u64) {
    let words = memory(SharedRing::<Shared, 1>::words(2).unwrap());
    let mut producer = SharedRing::format(words.clone(), 2).unwrap().producer().unwrap();
    let mut consumer = SharedRing::attach(words).unwrap().consumer().unwrap();
    // A Notify keeps one wakeup until it is waited for, like an eventfd.
    let work = Arc::new(Notify::new());
    let room = Arc::new(Notify::new());
    let other = {
        let (work, room) = (work.clone(), room.clone());
        thread::spawn(move || {
            for i in 1..=entries {
                while producer.push(&[i]).is_err() {
                    if producer.wait(0).unwrap() == Wait::Sleep {
                        room.wait();
                    }
                }
                if producer.publish().needed() {
                    work.notify();
                }
            }
        })
    };
    for i in 1..=entries {
        let entry = loop {
            match consumer.pop().unwrap() {
                Some(entry) => break entry,
                None if consumer.wait(0).unwrap() == Wait::Sleep => work.wait(),
                None => {}
            }
        };
        assert_eq!(entry, [i], "lost or doubled");
        if consumer.release().needed() {
            room.notify();
        }
    }
    other.join().unwrap();
    assert_eq!(consumer.pop(), Ok(None));
}

/// A ring that one side formats while the other tries to attach.
fn attaching() {
    let words = memory(SharedRing::<Shared, 2>::words(2).unwrap());
    let other = {
        let words = words.clone();
        thread::spawn(move || {
            let mut producer = SharedRing::format(words, 2).unwrap().producer().unwrap();
            producer.push(&[1, 1]).unwrap();
            let _ = producer.publish();
        })
    };
    match SharedRing::<_, 2>::attach(words) {
        Ok(ring) => {
            assert_eq!(ring.size().entries(), 2);
            let popped = ring.consumer().unwrap().pop().unwrap();
            assert!(popped.is_none() || popped == Some([1, 1]));
        }
        Err(error) => assert!(matches!(error, kvcpu_ring::RingError::BadMagic { found: 0 })),
    }
    other.join().unwrap();
}

#[test]
fn submissions_arrive_once_and_whole() {
    loom::model(submissions);
}

#[test]
fn completions_arrive_once_and_whole() {
    loom::model(completions);
}

#[test]
fn shared_entries_arrive_once_and_whole() {
    loom::model(entries);
}

#[test]
fn nobody_sleeps_while_there_is_an_entry() {
    loom::model(|| sleepers(1));
}

#[test]
fn nobody_sleeps_while_there_is_work_or_room() {
    // Without a bound it takes minutes.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| sleepers(3));
}

#[test]
fn an_attacher_sees_all_of_the_header_or_none() {
    loom::model(attaching);
}

#[test]
#[should_panic(expected = "lost, doubled or torn")]
fn a_doorbell_without_release_is_noticed() {
    weaken(Place::BeforeDoorbell);
    loom::model(submissions);
}

#[test]
#[should_panic(expected = "lost, doubled or torn")]
fn a_doorbell_without_acquire_is_noticed() {
    weaken(Place::AfterDoorbell);
    loom::model(submissions);
}

#[test]
#[should_panic(expected = "lost, doubled or torn")]
fn a_phase_without_release_is_noticed() {
    weaken(Place::CqePublish);
    loom::model(completions);
}

#[test]
#[should_panic(expected = "lost, doubled or torn")]
fn a_phase_without_acquire_is_noticed() {
    weaken(Place::CqeObserve);
    loom::model(completions);
}

#[test]
#[should_panic(expected = "lost, doubled or torn")]
fn an_index_without_release_is_noticed() {
    weaken(Place::IndexPublish);
    loom::model(entries);
}

#[test]
#[should_panic(expected = "lost, doubled or torn")]
fn an_index_without_acquire_is_noticed() {
    weaken(Place::IndexObserve);
    loom::model(entries);
}

#[test]
#[should_panic]
fn a_header_without_release_is_noticed() {
    weaken(Place::IndexPublish);
    loom::model(attaching);
}

#[test]
#[should_panic]
fn a_header_without_acquire_is_noticed() {
    weaken(Place::IndexObserve);
    loom::model(attaching);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_missing_fence_before_sleep_is_noticed() {
    weaken(Place::StoreThenLoad);
    loom::model(|| sleepers(1));
}
