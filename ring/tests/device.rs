//! Layer 1: rings towards a device, with indexes as values.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

use std::sync::atomic::Ordering;

use kvcpu_ring::{
    AtomicU64, CompletionProducer, Completions, PHASE, RingError, SubmissionConsumer, Submitter, clear_completions,
};

fn memory(words: usize) -> Vec<AtomicU64> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

#[test]
fn one_slot_stays_empty() {
    let sq = memory(4 * 8);
    let mut submitter = Submitter::new(&sq, 4).unwrap();
    for i in 0..3 {
        assert_eq!(submitter.free(), 3 - i);
        submitter.push(&[u64::from(i); 8]).unwrap();
    }
    assert_eq!(submitter.push(&[9; 8]), Err(RingError::Full { entries: 4 }));
    assert_eq!(submitter.unpublished(), 3);
    assert_eq!(submitter.publish(), 3);
    assert_eq!(submitter.unpublished(), 0);
    submitter.set_head(1).unwrap();
    submitter.push(&[3; 8]).unwrap();
    assert_eq!(submitter.publish(), 0);
}

#[test]
fn entries_lie_little_endian_one_behind_the_other() {
    let sq = memory(2 * 8);
    let mut submitter = Submitter::new(&sq, 2).unwrap();
    submitter.push(&[10, 11, 12, 13, 14, 15, 16, 17]).unwrap();
    let words: Vec<u64> = sq.iter().map(|w| u64::from_le(w.load(Ordering::Relaxed))).collect();
    assert_eq!(words, [10, 11, 12, 13, 14, 15, 16, 17, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn nothing_is_popped_before_the_doorbell() {
    let sq = memory(4 * 8);
    let mut submitter = Submitter::new(&sq, 4).unwrap();
    let mut device = SubmissionConsumer::new(&sq, 4).unwrap();
    submitter.push(&[1; 8]).unwrap();
    assert_eq!(device.pop(), None);
    device.set_tail(submitter.publish()).unwrap();
    assert_eq!(device.pending(), 1);
    assert_eq!(device.pop(), Some([1; 8]));
    assert_eq!(device.pop(), None);
}

#[test]
fn a_bad_doorbell_changes_nothing() {
    let sq = memory(4 * 8);
    let mut device = SubmissionConsumer::new(&sq, 4).unwrap();
    device.set_tail(2).unwrap();
    for bad in [4, 5, 0xFFFF, u32::MAX] {
        let refused = device.set_tail(bad).unwrap_err();
        assert!(matches!(refused, RingError::IndexOutOfRange { entries: 4, .. }), "{refused}");
    }
    let refused = device.set_tail(1).unwrap_err();
    assert!(matches!(refused, RingError::IndexOvertakes { from: 2, limit: 3, .. }), "{refused}");
    assert_eq!(device.pending(), 2);
}

#[test]
fn a_slot_popped_may_be_overwritten_only_after_release() {
    let sq = memory(4 * 8);
    let mut device = SubmissionConsumer::new(&sq, 4).unwrap();
    device.set_tail(3).unwrap();
    device.pop().unwrap();
    assert!(device.set_tail(0).is_err());
    assert_eq!(device.release(), 1);
    device.set_tail(0).unwrap();
    assert_eq!(device.pending(), 3);
}

#[test]
fn a_head_beyond_what_was_published_is_refused() {
    let sq = memory(8 * 8);
    let mut submitter = Submitter::new(&sq, 8).unwrap();
    submitter.push(&[1; 8]).unwrap();
    submitter.publish();
    submitter.push(&[2; 8]).unwrap();
    assert!(submitter.set_head(2).is_err());
    assert!(submitter.set_head(8).is_err());
    submitter.set_head(1).unwrap();
    assert!(submitter.set_head(0).is_err());
    assert_eq!(submitter.free(), 6);
}

#[test]
fn the_phase_is_1_on_the_first_pass_and_changes_with_each_wrap() {
    let cq = memory(2 * 2);
    let mut device = CompletionProducer::new(&cq, 2).unwrap();
    let mut completions = Completions::new(&cq, 2).unwrap();
    for i in 0..10_u64 {
        assert_eq!(completions.pop(), None);
        assert!(!completions.ready());
        // The phase in what the caller passes has no influence.
        device.push([i, i | if i % 3 == 0 { PHASE } else { 0 }]).unwrap();
        let phase = if (i / 2) % 2 == 0 { PHASE } else { 0 };
        assert!(completions.ready());
        assert_eq!(completions.pop(), Some([i, i | phase]));
        assert!(matches!(device.push([0; 2]), Err(RingError::Full { entries: 2 })));
        device.set_head(completions.release()).unwrap();
    }
}

#[test]
fn a_completion_head_beyond_the_tail_is_refused() {
    let cq = memory(4 * 2);
    let mut device = CompletionProducer::new(&cq, 4).unwrap();
    device.push([1, 1]).unwrap();
    assert_eq!(device.tail(), 1);
    assert!(matches!(device.set_head(2), Err(RingError::IndexOvertakes { .. })));
    assert!(matches!(device.set_head(4), Err(RingError::IndexOutOfRange { .. })));
    assert_eq!(device.free(), 2);
    device.set_head(1).unwrap();
    assert_eq!(device.free(), 3);
}

#[test]
fn a_reused_completion_ring_shows_no_stale_entry() {
    let cq = memory(4 * 2);
    let mut device = CompletionProducer::new(&cq, 4).unwrap();
    device.push([1, 1]).unwrap();
    assert_eq!(Completions::new(&cq, 4).unwrap().pop(), None);
    device = CompletionProducer::new(&cq, 4).unwrap();
    device.push([1, 1]).unwrap();
    clear_completions(&cq, 4).unwrap();
    assert!(cq.iter().all(|w| w.load(Ordering::Relaxed) == 0));
}

#[test]
fn bad_sizes_and_short_memory_are_refused() {
    let words = memory(4 * 8);
    for entries in [0, 1, 3, 6, 65_536, u32::MAX] {
        let bad = RingError::BadSize { entries: entries.into() };
        assert_eq!(Submitter::new(&words, entries).unwrap_err(), bad);
        assert_eq!(SubmissionConsumer::new(&words, entries).unwrap_err(), bad);
        assert_eq!(CompletionProducer::new(&words, entries).unwrap_err(), bad);
        assert_eq!(Completions::new(&words, entries).unwrap_err(), bad);
    }
    let short = RingError::TooShort { need_words: 64, have_words: 32 };
    assert_eq!(Submitter::new(&words, 8).unwrap_err(), short);
    assert_eq!(SubmissionConsumer::new(&words, 8).unwrap_err(), short);
    let short = RingError::TooShort { need_words: 64, have_words: 32 };
    assert_eq!(CompletionProducer::new(&words, 32).unwrap_err(), short);
    assert_eq!(Completions::new(&words, 32).unwrap_err(), short);
}

#[test]
fn the_largest_ring_wraps() {
    let sq = memory(32768 * 8);
    let mut submitter = Submitter::new(&sq, 32768).unwrap();
    let mut device = SubmissionConsumer::new(&sq, 32768).unwrap();
    for i in 0..100_000_u64 {
        submitter.push(&[i; 8]).unwrap();
        device.set_tail(submitter.publish()).unwrap();
        assert_eq!(device.pop(), Some([i; 8]));
        submitter.set_head(device.release()).unwrap();
    }
}
