//! `.tza` files: sealed, opened, updated, and everything that is to be refused.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_pager::claim::{Claim, Requirement, SignedClaim};
use kvcpu_pager::codec::{BlockSize, Scratch};
use kvcpu_pager::container::{Container, ContainerError, Fault, OpenOptions, Region, Writer, WriterOptions};
use kvcpu_pager::keys::OwnerSecret;
use kvcpu_pager::source::{Source, SourceError};
use std::os::unix::fs::FileExt;
use std::path::Path;

const BLOCK: usize = 4096;

fn secret() -> OwnerSecret {
    OwnerSecret::from_bytes(&[1; 32])
}

/// What the test containers hold: a block that compresses, one of zeros, one that does neither, and half a block of tenant 7.
fn content() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..BLOCK).map(|at| (at / 64) as u8 | 1).collect();
    bytes.resize(2 * BLOCK, 0);
    let mut state = 1u32;
    bytes.extend((0..BLOCK).map(|_| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 24) as u8
    }));
    bytes.extend([7; BLOCK / 2]);
    bytes
}

fn region(name: &str, offset: u64, bytes: u64) -> Region {
    Region { name: name.into(), offset, bytes, dtype: "U8".into(), shape: vec![bytes] }
}

fn seal(path: &Path, secret: Option<&OwnerSecret>, level: Option<i32>) {
    let owner = Some(self::secret().signing_key().public());
    let options = WriterOptions { block_size: BlockSize::MIN, level, secret, owner };
    let mut writer = Writer::create(path, options).unwrap();
    let content = content();
    writer.write(&content[..100]).unwrap();
    writer.write(&content[100..3 * BLOCK]).unwrap();
    writer.tenant(7).unwrap();
    writer.write(&content[3 * BLOCK..]).unwrap();
    writer.require(7, Requirement { clearance: 3, department: Some("lab".into()) }).unwrap();
    writer.region(region("weights", 0, 5000));
    writer.region(region("patients", 3 * BLOCK as u64, 2048));
    let summary = writer.finish().unwrap();
    assert_eq!((summary.blocks, summary.zero_blocks), (4, 1));
    assert_eq!(summary.total_bytes, content.len() as u64);
    assert_eq!(summary.file_bytes, std::fs::metadata(path).unwrap().len());
}

fn options(secret: Option<&OwnerSecret>) -> OpenOptions<'_> {
    OpenOptions { secret, ..OpenOptions::default() }
}

fn writable(secret: Option<&OwnerSecret>) -> OpenOptions<'_> {
    OpenOptions { secret, writable: true, ..OpenOptions::default() }
}

fn fill(container: &Container, block: u64) -> Result<Vec<u8>, SourceError> {
    let mut out = vec![0x55; BLOCK];
    container.fill(block, &mut out, &mut Scratch::new(BLOCK)).map(|()| out)
}

fn present(container: &Container) {
    let claim = Claim {
        identity: "ana".into(),
        role: "reader".into(),
        department: "lab".into(),
        clearance: 3,
        tenant: 7,
        arena: container.header().arena,
        not_after_unix_s: u64::MAX,
        serial: 1,
    };
    container
        .claims()
        .present(SignedClaim::sign(claim, &secret().signing_key()).unwrap(), 0)
        .unwrap();
}

/// Runs a test on a file that is encrypted or not, compressed or not.
fn each(test: impl Fn(&Path, Option<&OwnerSecret>)) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("arena.tza");
    let secret = secret();
    for secret in [None, Some(&secret)] {
        for level in [None, Some(1)] {
            seal(&path, secret, level);
            test(&path, secret);
        }
    }
}

fn fault(path: &Path, options: OpenOptions<'_>) -> Fault {
    let error = Container::open(path, options).map(|_| ()).unwrap_err();
    error.fault().unwrap_or_else(|| panic!("{error}")).clone()
}

#[test]
fn what_was_sealed_comes_back() {
    each(|path, secret| {
        let container = Container::open(path, options(secret)).unwrap();
        present(&container);
        let mut content = content();
        assert_eq!(container.bytes(), content.len() as u64);
        content.resize(4 * BLOCK, 0);
        for (block, expected) in (0..).zip(content.chunks(BLOCK)) {
            assert_eq!(fill(&container, block).unwrap(), expected);
        }
        assert_eq!(fill(&container, 4), Err(SourceError::Truncated));
        assert_eq!(fill(&container, u64::MAX), Err(SourceError::Truncated));
        assert_eq!((container.tenant(0), container.tenant(3)), (0, 7));
        assert_eq!(container.region("weights"), Some(&region("weights", 0, 5000)));
        let mut half = vec![0; BLOCK / 2];
        assert_eq!(container.fill(0, &mut half, &mut Scratch::new(BLOCK)), Err(SourceError::BlockSize));
        let mut whole = vec![0; BLOCK];
        assert_eq!(container.fill(2, &mut whole, &mut Scratch::new(16)), Err(SourceError::BlockSize));
        assert!(container.verify(|_, _| {}).damaged.is_empty());
    });
}

#[test]
fn a_tenant_is_closed_without_a_claim_and_again_after_a_revocation() {
    each(|path, secret| {
        let container = Container::open(path, options(secret)).unwrap();
        assert!(fill(&container, 0).is_ok());
        assert_eq!(fill(&container, 3), Err(SourceError::Denied { tenant: 7 }));
        present(&container);
        assert!(fill(&container, 3).is_ok());
        container.claims().revoke(1);
        assert_eq!(fill(&container, 3), Err(SourceError::Denied { tenant: 7 }));
    });
}

#[test]
fn keys_are_asked_for_and_wrong_ones_told() {
    each(|path, secret| {
        let other = OwnerSecret::from_bytes(&[2; 32]);
        let stranger = Some(other.signing_key().public());
        assert_eq!(fault(path, OpenOptions { owner: stranger, ..options(secret) }), Fault::WrongOwner);
        if secret.is_some() {
            assert_eq!(fault(path, options(None)), Fault::KeyNeeded);
            assert!(matches!(fault(path, options(Some(&other))), Fault::WrongKey { .. }));
        } else {
            assert_eq!(fault(path, options(Some(&other))), Fault::NotEncrypted);
        }
    });
}

#[test]
fn a_damaged_block_is_named_with_its_region() {
    each(|path, secret| {
        // The first stored byte is of block 0, which both regions do not share.
        let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 8192).unwrap();
        file.write_all_at(&[byte[0] ^ 1], 8192).unwrap();
        let container = Container::open(path, options(secret)).unwrap();
        let report = container.verify(|_, _| {});
        assert_eq!(report.blocks, 4);
        let [damaged] = &report.damaged[..] else { panic!("{report:?}") };
        let wrong = if secret.is_some() { SourceError::Tag } else { SourceError::Checksum };
        assert_eq!((damaged.block, damaged.error), (0, wrong));
        assert_eq!(damaged.regions, ["weights"]);
        assert_eq!(fill(&container, 0), Err(wrong));
    });
}

#[test]
fn updates_are_seen_at_once_and_kept_by_a_commit() {
    each(|path, secret| {
        let (new, newer) = ([9; BLOCK], [0; BLOCK]);
        let container = Container::open(path, writable(secret)).unwrap();
        container.update_block(1, &new).unwrap();
        assert_eq!(fill(&container, 1).unwrap(), new);
        let reader = || Container::open(path, options(secret)).unwrap();
        assert_eq!(fill(&reader(), 1).unwrap(), [0; BLOCK], "not committed");
        container.commit().unwrap();
        container.commit().unwrap();
        assert_eq!(reader().header().sequence, 2);
        assert_eq!(fill(&reader(), 1).unwrap(), new);
        container.update_block(0, &newer).unwrap();
        drop(container);
        assert_ne!(fill(&reader(), 0).unwrap(), newer, "never committed");
        let container = Container::open(path, writable(secret)).unwrap();
        container.update_block(3, &new).unwrap();
        container.update_block(3, &newer).unwrap();
        container.commit().unwrap();
        let reader = reader();
        present(&reader);
        assert_eq!(fill(&reader, 3).unwrap(), newer);
        assert_eq!(reader.tenant(3), 7);
        assert!(reader.verify(|_, _| {}).damaged.is_empty());
        assert_eq!(reader.region("patients"), Some(&region("patients", 3 * BLOCK as u64, 2048)));
    });
}

#[test]
fn one_process_writes_at_a_time_and_readers_never() {
    each(|path, secret| {
        let first = Container::open(path, writable(secret)).unwrap();
        assert!(matches!(Container::open(path, writable(secret)), Err(ContainerError::Busy { .. })));
        let reader = Container::open(path, options(secret)).unwrap();
        assert!(matches!(reader.update_block(0, &[0; BLOCK]), Err(ContainerError::Refused { .. })));
        assert!(matches!(first.update_block(4, &[0; BLOCK]), Err(ContainerError::Refused { .. })));
        assert!(matches!(first.update_block(0, &[0; 10]), Err(ContainerError::Refused { .. })));
    });
}

#[test]
fn a_commit_cut_anywhere_leaves_the_arena_before_or_after_it() {
    each(|path, secret| {
        let before = std::fs::read(path).unwrap();
        let container = Container::open(path, writable(secret)).unwrap();
        container.update_block(0, &[9; BLOCK]).unwrap();
        container.commit().unwrap();
        drop(container);
        let after = std::fs::read(path).unwrap();
        let old = content()[..BLOCK].to_vec();
        let check = |bytes: &[u8], expected: &[u8]| {
            std::fs::write(path, bytes).unwrap();
            let container = Container::open(path, options(secret)).unwrap();
            assert_eq!(fill(&container, 0).unwrap(), expected);
        };
        // What was appended is cut; the headers are not written yet.
        for end in [before.len(), before.len() + 1, after.len() - 1, after.len()] {
            let bytes = [&before[..], &after[before.len()..end]].concat();
            check(&bytes, &old);
        }
        // The slot written first is cut at many bytes, then the other.
        for end in (0..256).step_by(15).chain([256]) {
            let mut bytes = after.clone();
            bytes[..8192].copy_from_slice(&before[..8192]);
            bytes[4096..4096 + end].copy_from_slice(&after[4096..4096 + end]);
            check(&bytes, if end < 256 { &old } else { &[9; BLOCK] });
            bytes[..end].copy_from_slice(&after[..end]);
            bytes[4096..4352].copy_from_slice(&after[4096..4352]);
            check(&bytes, &[9; BLOCK]);
        }
    });
}

#[test]
fn a_file_that_is_not_whole_is_refused() {
    each(|path, secret| {
        let whole = std::fs::read(path).unwrap();
        for end in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
            std::fs::write(path, &whole[..end]).unwrap();
            let expected = fault(path, options(secret));
            assert!(matches!(expected, Fault::NotTza | Fault::Truncated { .. }), "{end}: {expected}");
        }
    });
}

#[test]
fn an_index_changed_with_good_checksums_is_not_authentic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("arena.tza");
    let secret = secret();
    seal(&path, Some(&secret), Some(1));
    let mut bytes = std::fs::read(&path).unwrap();
    let index = u64::from_le_bytes(bytes[64..72].try_into().unwrap()) as usize;
    // The tenant of block 0 becomes another.
    bytes[index + 45] ^= 1;
    let crc = crc32c::crc32c(&bytes[index..]).to_le_bytes();
    for slot in [0, 4096] {
        bytes[slot + 160..slot + 164].copy_from_slice(&crc);
        let crc = crc32c::crc32c(&bytes[slot..slot + 252]).to_le_bytes();
        bytes[slot + 252..slot + 256].copy_from_slice(&crc);
    }
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(fault(&path, options(Some(&secret))), Fault::IndexMac);
}

#[test]
fn an_unfinished_file_never_has_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("arena.tza");
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    writer.write(&[1; 100_000]).unwrap();
    assert!(matches!(
        writer.require(1, Requirement { clearance: 0, department: None }),
        Err(ContainerError::Refused { .. })
    ));
    drop(writer);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    writer.region(region("beyond", 0, 1));
    assert!(matches!(writer.finish(), Err(ContainerError::Refused { .. })));
}

#[test]
fn a_file_is_sealed_by_one_process_at_a_time_and_leftovers_are_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("arena.tza");
    std::fs::write(directory.path().join("arena.tza.partial"), vec![7; 100_000]).unwrap();
    let first = Writer::create(&path, WriterOptions::default()).unwrap();
    assert!(matches!(Writer::create(&path, WriterOptions::default()), Err(ContainerError::Busy { .. })));
    let summary = first.finish().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), summary.file_bytes);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn an_empty_arena_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("arena.tza");
    Writer::create(&path, WriterOptions::default()).unwrap().finish().unwrap();
    let container = Container::open(&path, OpenOptions::default()).unwrap();
    assert_eq!((container.bytes(), container.verify(|_, _| {}).blocks), (0, 0));
}

#[test]
fn fills_see_whole_entries_while_a_block_is_updated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("arena.tza");
    let secret = secret();
    seal(&path, Some(&secret), Some(1));
    let container = Container::open(&path, writable(Some(&secret))).unwrap();
    container.update_block(0, &[1; BLOCK]).unwrap();
    std::thread::scope(|scope| {
        let updates = scope.spawn(|| (0..2000).for_each(|at| container.update_block(0, &[at as u8; BLOCK]).unwrap()));
        while !updates.is_finished() {
            let block = fill(&container, 0).unwrap();
            assert!(block.iter().all(|&byte| byte == block[0]));
        }
    });
}
