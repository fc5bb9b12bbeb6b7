//! Arenas: what is touched is there, filled once, and within the budget.

mod common;

use common::{Numbered, hepc, peek, poke, until, word};
use kvcpu_pager::{Access, Action, Advice, Arena, Options, PagerError, Policy, Source, SourceError, Static, Zero};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

fn arena(source: impl Source + 'static, options: Options) -> Arena {
    Arena::new(Box::new(source), options).expect("this machine has userfaultfd")
}

#[test]
fn what_is_touched_is_there() {
    for block_bytes in [4096, 64 << 10, 2 << 20] {
        let source = Numbered::new((5 * block_bytes + 4096) as u64);
        let arena = arena(source.clone(), Options { block_bytes, fault_around: 0, ..Options::default() });
        for offset in (0..source.bytes).rev().step_by(4099).map(|offset| offset & !7) {
            assert_eq!(peek(&arena, offset), word(offset), "{block_bytes}: {offset:#x}");
        }
        assert_eq!((source.count(), arena.counters().fills, arena.counters().failed), (6, 6, 0));
        assert_eq!(arena.resident_bytes(), 6 * block_bytes as u64);
    }
    let zeros = arena(Zero { bytes: 100_000 }, Options::default());
    assert!((0..99_992).step_by(8).all(|offset| peek(&zeros, offset) == 0));
    let repeated = arena(Static::new(&[1, 2, 3], 300_000).expect("not empty"), Options::default());
    let mut bytes = vec![0; 300_000];
    repeated.read(0, &mut bytes).expect("it is there");
    assert!(
        bytes
            .iter()
            .zip([1, 2, 3].into_iter().cycle())
            .all(|(found, expected)| *found == expected)
    );
}

#[test]
fn threads_that_touch_one_block_fill_it_once() {
    let source = Numbered { takes: Duration::from_millis(30), ..Numbered::new(1 << 20) };
    let arena = arena(source.clone(), Options::default());
    std::thread::scope(|scope| {
        for n in 0..8 {
            let arena = &arena;
            scope.spawn(move || assert_eq!(peek(arena, 8 * n), word(8 * n)));
        }
    });
    assert_eq!((source.count(), arena.counters().fills), (1, 1));
}

#[test]
fn faults_in_sequence_fill_ahead() {
    let source = Numbered::new(64 << 12);
    let arena = arena(source, Options { block_bytes: 4096, ..Options::default() });
    (0..64).for_each(|page| assert_eq!(peek(&arena, page << 12), word(page << 12)));
    let counted = arena.counters();
    assert_eq!(counted.fills, 64);
    assert!(counted.faults < 20 && counted.ahead > 44, "{counted:?}");
}

fn policies() -> [(&'static str, Policy); 3] {
    [("lru", Policy::Lru), ("clock", Policy::Clock), ("hepc", Policy::Hepc(hepc()))]
}

#[test]
fn no_more_is_resident_than_the_budget_and_everything_is_right() {
    for (name, policy) in policies() {
        let (blocks, budget) = (200, 40);
        let source = Numbered::new(blocks << 12);
        let options =
            Options { block_bytes: 4096, budget_bytes: Some(budget << 12), policy, batch: 8, ..Options::default() };
        let arena = arena(source, options);
        for round in 0..3 {
            for page in 0..blocks {
                let page = (page * 7 + round) % blocks;
                assert_eq!(peek(&arena, page << 12), word(page << 12), "{name}: {page}");
                assert!(arena.resident_bytes() <= budget << 12, "{name}");
            }
        }
        let counted = arena.counters();
        assert!(counted.evicted > 2 * (blocks - budget), "{name}: {counted:?}");
        assert!(counted.batches * 2 < counted.unmapped, "{name}: {counted:?}");
    }
}

#[test]
fn one_block_is_budget_enough() {
    for (name, policy) in policies() {
        let source = Numbered::new(16 << 12);
        let arena =
            arena(source, Options { block_bytes: 4096, budget_bytes: Some(4096), policy, ..Options::default() });
        for page in (0..16).chain((0..16).rev()) {
            assert_eq!(peek(&arena, page << 12), word(page << 12), "{name}");
        }
        assert_eq!(arena.resident_bytes(), 4096, "{name}");
    }
}

#[test]
fn what_is_pinned_or_hot_stays_and_what_is_advised_comes_and_goes() {
    for (name, policy) in policies() {
        let source = Numbered::new(100 << 12);
        let options = Options {
            block_bytes: 4096,
            budget_bytes: Some(20 << 12),
            policy,
            batch: 4,
            fault_around: 0,
            ..Options::default()
        };
        let arena = arena(source.clone(), options);
        let pin = arena.pin(0..5 << 12).expect("room");
        assert_eq!(pin.bytes(), 0..5 << 12);
        arena.prefault(10 << 12..11 << 12).expect("room");
        arena.advise(10 << 12..11 << 12, Advice::Hot).expect("in it");
        for page in 20..100 {
            peek(&arena, page << 12);
        }
        let before = source.count();
        (0..5).chain([10]).for_each(|page| assert_eq!(peek(&arena, page << 12), word(page << 12)));
        assert_eq!(source.count(), before, "{name}: none of them went");
        drop(pin);
        arena.advise(0..20 << 12, Advice::Evict).expect("in it");
        until("what is evicted goes", || {
            // A fault more makes the batch go.
            arena.prefault(30 << 12..50 << 12).expect("room");
            arena.counters().unmapped >= 80
        });
        arena.advise(50 << 12..52 << 12, Advice::Prefetch).expect("in it");
        until("the prefetcher fills", || {
            let at = [50_u64, 51].map(|page| page << 12);
            at.iter().all(|offset| arena.is_resident(*offset).expect("in it"))
        });
        assert!(arena.advise(0..(100 << 12) + 1, Advice::Hot).is_err());
    }
}

#[test]
fn private_writes_stay_and_writable_ones_are_given_back() {
    for access in [Access::Private, Access::Writable] {
        let source = Numbered { writable: access == Access::Writable, ..Numbered::new(60 << 12) };
        let options =
            Options { block_bytes: 4096, budget_bytes: Some(20 << 12), access, batch: 4, ..Options::default() };
        let arena = arena(source.clone(), options);
        let written: Vec<u64> = (0..60).step_by(6).collect();
        for page in 0..60 {
            assert_eq!(peek(&arena, page << 12), word(page << 12));
            if written.contains(&page) {
                poke(&arena, (page << 12) + 80, page + 1);
            }
        }
        for page in (0..60).chain(0..60) {
            let expected = if written.contains(&page) { page + 1 } else { word((page << 12) + 80) };
            assert_eq!(peek(&arena, (page << 12) + 80), expected, "{access:?} {page}");
            assert_eq!(peek(&arena, page << 12), word(page << 12));
        }
        arena.flush().expect("it takes them");
        let saved: Vec<u64> = source.saved.lock().expect("whole").keys().copied().collect();
        assert_eq!(saved, if access == Access::Writable { written.clone() } else { vec![] }, "{access:?}");
        // A write after the flush is told of again.
        poke(&arena, 80, 77);
        drop(arena);
        if access == Access::Writable {
            let block = source.saved.lock().expect("whole")[&0].clone();
            assert_eq!(block[80..88], 77_u64.to_le_bytes());
        }
    }
    let arena = arena(Numbered::new(4096), Options::default());
    assert!(matches!(arena.as_mut_ptr(), Err(PagerError::ReadOnly(_))));
    let refused = Arena::new(Box::new(Numbered::new(4096)), Options { access: Access::Writable, ..Options::default() });
    assert!(matches!(refused.err(), Some(PagerError::ReadOnly(_))));
}

#[test]
fn a_block_that_fails_is_told_of_and_the_process_lives() {
    let source = Numbered::new(16 << 12);
    *source.fails.lock().expect("whole") = Some((3, SourceError::Tag));
    let told = Arc::new(AtomicU64::new(0));
    let counted = told.clone();
    let on_fault = move |fault: &kvcpu_pager::BlockFault<'_>| {
        assert_eq!((fault.block, fault.source, fault.error), (3, "numbered", SourceError::Tag));
        counted.fetch_add(1, Relaxed);
        Action::Zeros
    };
    let options =
        Options { block_bytes: 4096, fault_around: 0, on_fault: Some(Box::new(on_fault)), ..Options::default() };
    let arena = arena(source.clone(), options);
    (0..16).for_each(|page| assert_eq!(peek(&arena, page << 12), if page == 3 { 0 } else { word(page << 12) }));
    assert_eq!((told.load(Relaxed), arena.counters().failed), (1, 1));
    // Once it is repaired.
    *source.fails.lock().expect("whole") = None;
    arena.forget_failures(0..16 << 12).expect("in it");
    assert_eq!(peek(&arena, 3 << 12), word(3 << 12));

    // Without a callback: poisoned, and said by those who ask before they touch.
    let source = Numbered::new(16 << 12);
    *source.fails.lock().expect("whole") = Some((3, SourceError::Tag));
    let arena = self::arena(source.clone(), Options { block_bytes: 4096, fault_around: 0, ..Options::default() });
    for _ in 0..2 {
        let error = arena.read(10_000, &mut [0; 8000]).expect_err("block 3").to_string();
        assert!(error.contains("block 3 of numbered: "), "{error}");
    }
    arena.read(0, &mut [0; 12_288]).expect("the others are there");
    *source.fails.lock().expect("whole") = None;
    arena.forget_failures(0..16 << 12).expect("in it");
    assert_eq!(peek(&arena, 3 << 12), word(3 << 12));
}

#[test]
fn a_denied_block_is_zeros_until_it_is_allowed() {
    let source = Numbered::new(4 << 12);
    *source.fails.lock().expect("whole") = Some((1, SourceError::Denied { tenant: 7 }));
    let arena = arena(source.clone(), Options { block_bytes: 4096, fault_around: 0, ..Options::default() });
    assert_eq!((peek(&arena, 4096), arena.counters().denied, arena.counters().failed), (0, 1, 0));
    *source.fails.lock().expect("whole") = None;
    assert_eq!(peek(&arena, 4096), 0, "not by itself");
    arena.forget_failures(0..4 << 12).expect("in it");
    assert_eq!(peek(&arena, 4096), word(4096));
    // And back.
    *source.fails.lock().expect("whole") = Some((1, SourceError::Denied { tenant: 7 }));
    arena.invalidate(0..4 << 12).expect("in it");
    assert_eq!((peek(&arena, 4096), peek(&arena, 0)), (0, word(0)));
}

#[test]
fn a_source_that_stalls_holds_up_nobody_else_beyond_the_deadline() {
    let source = Numbered { takes: Duration::from_secs(2), ..Numbered::new(4096) };
    let arena = arena(source, Options { deadline: Duration::from_millis(100), ..Options::default() });
    std::thread::scope(|scope| {
        let toucher = scope.spawn(|| peek(&arena, 0));
        until("it is being filled", || arena.resident_bytes() > 0);
        let error = arena.read(0, &mut [0; 8]).expect_err("it takes too long");
        assert!(error.to_string().contains("did not answer in time"), "{error}");
        assert_eq!(toucher.join().expect("it comes"), word(0));
    });
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let refused =
        |source: Numbered, options: Options| Arena::new(Box::new(source), options).err().expect("refused").to_string();
    let some = || Numbered::new(1 << 20);
    for block_bytes in [0, 1, 2048, 5000, 4 << 20] {
        let said = refused(some(), Options { block_bytes, ..Options::default() });
        assert!(said.contains("a power of two from 4096"), "{said}");
    }
    assert!(refused(Numbered::new(0), Options::default()).contains("0 bytes"));
    let said = refused(some(), Options { budget_bytes: Some(65_535), ..Options::default() });
    assert!(said.contains("holds 0 blocks"), "{said}");
    let policy = Policy::Hepc(hepc());
    let said = refused(
        Numbered::new(8 << 20),
        Options { block_bytes: 4096, budget_bytes: Some(4 << 20), policy, ..Options::default() },
    );
    assert!(said.contains("1 to 969 blocks"), "{said}");
}

#[test]
fn a_budget_that_is_all_pinned_says_so() {
    let source = Numbered::new(20 << 12);
    let options = Options {
        block_bytes: 4096,
        budget_bytes: Some(4 << 12),
        fault_around: 0,
        deadline: Duration::from_millis(200),
        ..Options::default()
    };
    let arena = arena(source, options);
    let pin = arena.pin(0..3 << 12).expect("room");
    let error = arena.pin(3 << 12..6 << 12).err().expect("no room").to_string();
    assert!(error.contains("no room within"), "{error}");
    drop(pin);
    drop(arena.pin(3 << 12..6 << 12).expect("room now"));
}

/// A container with claims: revoked while its blocks are mapped, and allowed again by another claim.
#[test]
fn blocks_go_when_their_claim_is_revoked() {
    use kvcpu_pager::container::{OpenOptions, WriterOptions};
    use kvcpu_pager::{BlockSize, Claim, Container, OwnerSecret, Requirement, SealOptions, SignedClaim, seal_file};
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, sealed) = (folder.path().join("plain"), folder.path().join("sealed.tza"));
    let bytes: Vec<u8> = (0..16 << 12).map(|n: u32| (n / 64) as u8 | 1).collect();
    std::fs::write(&plain, &bytes).expect("room");
    let secret = OwnerSecret::random().expect("randomness");
    let writer = WriterOptions {
        secret: Some(&secret),
        block_size: BlockSize::new(4096).expect("one"),
        ..WriterOptions::default()
    };
    let requirement = Some(Requirement { clearance: 2, department: None });
    let options = SealOptions { writer, tenant: 5, requirement };
    seal_file(&plain, &sealed, &options, |_| ()).expect("it can be sealed");
    let container = Arc::new(
        Container::open(&sealed, OpenOptions { secret: Some(&secret), ..OpenOptions::default() }).expect("sound"),
    );
    let claims = container.claims().clone();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let claim = |serial| {
        let claim = Claim {
            identity: "runner-7".into(),
            role: "inference".into(),
            department: String::new(),
            clearance: 2,
            tenant: 5,
            arena: container.header().arena,
            not_after_unix_s: now + 3_600,
            serial,
        };
        SignedClaim::sign(claim, &secret.signing_key()).expect("it can be signed")
    };
    let arena =
        Arena::new(Box::new(container.clone()), Options { block_bytes: 4096, fault_around: 0, ..Options::default() })
            .expect("an arena");
    let first = |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight"));
    assert_eq!((peek(&arena, 0), arena.counters().denied), (0, 1), "no claim yet");
    claims.present(claim(1), now).expect("a good one");
    until("the zeros of what was denied go", || peek(&arena, 0) == first(0));
    assert_eq!(peek(&arena, 4096), first(4096));
    claims.revoke(1);
    until("what was mapped goes", || peek(&arena, 0) == 0 && peek(&arena, 4096) == 0);
    assert!(claims.present(claim(1), now).is_err());
    claims.present(claim(2), now).expect("another");
    until("it is back", || peek(&arena, 4096) == first(4096));
}
