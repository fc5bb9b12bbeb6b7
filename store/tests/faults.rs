//! The fault decorator, over memory and over a file.

mod common;

use std::time::Duration;

use common::{drain, fetch, key, memory, store};
use kvcpu_store::{BlockStore, Fault, FaultPlan, Faulty, MemStore, Op, StoreError, T3File};

fn mem() -> MemStore {
    MemStore::new(4096, 64).expect("a store")
}

#[test]
fn a_named_operation_fails_and_no_other() {
    let mut tier = Faulty::new(mem(), FaultPlan::new(0).nth(Op::Store, 1, Fault::Fail).nth(Op::Fetch, 0, Fault::Fail));
    store(&mut tier, 0, key(1)).expect("number 0");
    assert_eq!(store(&mut tier, 0, key(2)), Err(StoreError::Injected { op: Op::Store, slot: 0 }));
    assert_eq!(fetch(&mut tier, 0, key(1)), Err(StoreError::Injected { op: Op::Fetch, slot: 0 }));
    fetch(&mut tier, 0, key(1)).expect("the failed store changed nothing");
}

#[test]
fn a_lost_answer_hides_an_operation_that_happened() {
    let mut tier = Faulty::new(mem(), FaultPlan::new(0).nth(Op::Store, 0, Fault::LoseAnswer));
    assert!(store(&mut tier, 3, key(1)).is_err());
    fetch(&mut tier, 3, key(1)).expect("it is there");
}

#[test]
fn a_delay_reorders_answers_and_loses_none() {
    let mut tier = Faulty::new(mem(), FaultPlan::new(0).nth(Op::Drop, 0, Fault::Delay(3)));
    tier.drop_slot(10, 1).expect("room");
    tier.drop_slot(11, 2).expect("room");
    let mut polls = Vec::new();
    while tier.outstanding() > 0 {
        let mut done = Vec::new();
        tier.poll(&mut done).expect("an answer");
        polls.push(done.iter().map(|done| done.id).collect::<Vec<_>>());
    }
    assert_eq!(polls, [vec![11], vec![], vec![], vec![10]]);
}

#[test]
fn a_hang_stays_outstanding_and_a_wait_for_it_ends() {
    let mut tier = Faulty::new(mem(), FaultPlan::new(0).nth(Op::Drop, 0, Fault::Hang));
    tier.drop_slot(1, 1).expect("room");
    let mut done = Vec::new();
    assert_eq!(tier.wait(Duration::from_millis(1), &mut done), Ok(0));
    assert_eq!(tier.outstanding(), 1);
    store(&mut tier.into_inner(), 1, key(1)).expect("the store inside is well");
}

#[test]
fn faults_by_rate_follow_the_seed() {
    let failures = |seed| {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = T3File::create(folder.path().join("t3"), 4096, 64).expect("a file");
        let mut tier = Faulty::new(inner, FaultPlan::new(seed).rate(0.2, Fault::Fail).rate(0.2, Fault::Delay(2)));
        let (_, handle) = memory(4096);
        for slot in 0..64 {
            tier.submit_store(slot.into(), slot, key(1), &handle, 0, crc32c::crc32c(&[0; 4096]))
                .expect("room");
        }
        let mut done = drain(&mut tier);
        assert_eq!(done.len(), 64, "every operation is answered once");
        done.sort_by_key(|done| done.id);
        done.iter().filter(|done| done.result.is_err()).map(|done| done.id).collect::<Vec<_>>()
    };
    let first = failures(1);
    assert!((4..30).contains(&first.len()), "{first:?}");
    assert_eq!(first, failures(1));
    assert_ne!(first, failures(2));
}
