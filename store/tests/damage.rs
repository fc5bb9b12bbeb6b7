//! Damaged files: truncation, flipped bits and hostile numbers at every structure. Each gives the
//! error that names it, costs no block but the damaged one, and never panics or allocates by what
//! a header claims.

mod common;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{fetch, key, store};
use kvcpu_store::{HeaderFault, Layout, Recovery, StoreError, T3File, TornReason};
use tempfile::TempDir;

const BLOCK: usize = 5000;
const SLOTS: u32 = 4;

/// A closed file: blocks 0, 1 and 2 in their slots, slot 3 empty.
fn sample() -> (TempDir, PathBuf, Layout) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t3");
    let mut tier = T3File::create(&path, BLOCK, SLOTS).expect("a file");
    for slot in 0..3 {
        store(&mut tier, slot, key(slot.into())).expect("stored");
    }
    let layout = tier.layout();
    (folder, path, layout)
}

fn edit(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).expect("the file")
}

fn flip(path: &Path, offset: u64, bit: u8) {
    let (file, mut byte) = (edit(path), [0]);
    file.read_exact_at(&mut byte, offset).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1 << bit], offset).expect("a byte");
}

fn header_fault(path: &Path) -> HeaderFault {
    match T3File::open(path) {
        Err(error @ StoreError::BadHeader { fault, .. }) => {
            assert!(error.to_string().contains("t3: not a usable T3 file"), "{error}");
            fault
        }
        other => panic!("{other:?}"),
    }
}

/// Opens the file, and checks that fetches say the same of every slot as the recovery does.
fn reopen(path: &Path) -> Recovery {
    let (mut tier, recovery) = T3File::open(path).expect("a usable file");
    let sum = recovery.whole.len() + recovery.torn.len() + recovery.empty as usize + recovery.missing as usize;
    assert_eq!(sum, SLOTS as usize, "{recovery:?}");
    for block in &recovery.whole {
        assert_eq!(fetch(&mut tier, block.slot, block.key), Ok(block.crc32c));
    }
    for (slot, why) in &recovery.torn {
        let result = fetch(&mut tier, *slot, key(u64::from(*slot)));
        assert!(matches!(&result, Err(StoreError::Torn { reason, .. }) if reason == why), "{result:?}, {why:?}");
        store(&mut tier, *slot, key(99)).expect("a torn slot can be used again");
        fetch(&mut tier, *slot, key(99)).expect("and is whole then");
    }
    recovery
}

#[test]
fn a_flipped_bit_in_the_file_header_is_named() {
    for byte in 0..32 {
        let (_folder, path, _) = sample();
        flip(&path, byte, (byte % 8) as u8);
        match header_fault(&path) {
            HeaderFault::Magic { .. } => assert!(byte < 8),
            HeaderFault::Crc { .. } => assert!(byte >= 8),
            other => panic!("byte {byte}: {other:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_in_a_slot_header_costs_that_slot() {
    for byte in 0..52 {
        let (_folder, path, layout) = sample();
        flip(&path, layout.slot_offset(1) + byte, (byte % 8) as u8);
        let recovery = reopen(&path);
        assert_eq!((recovery.whole.len(), recovery.empty), (2, 1));
        match recovery.torn[..] {
            [(1, TornReason::Magic { .. })] => assert!(byte < 8),
            [(1, TornReason::HeaderCrc { .. })] => assert!(byte >= 8),
            ref other => panic!("byte {byte}: {other:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_in_a_block_costs_that_slot() {
    for byte in [0, 1, 4095, 4096, BLOCK as u64 - 1] {
        let (_folder, path, layout) = sample();
        flip(&path, layout.slot_offset(2) + 4096 + byte, 3);
        let recovery = reopen(&path);
        assert_eq!((recovery.whole.len(), recovery.empty), (2, 1));
        assert!(matches!(recovery.torn[..], [(2, TornReason::BlockCrc { .. })]), "byte {byte}: {recovery:?}");
    }
}

#[test]
fn padding_is_of_no_account() {
    let (_folder, path, layout) = sample();
    for offset in [4095, layout.slot_offset(0) + 60, layout.slot_offset(0) + 4096 + BLOCK as u64] {
        flip(&path, offset, 0);
    }
    assert_eq!(reopen(&path).whole.len(), 3);
}

#[test]
fn a_slot_copied_over_another_is_torn() {
    let (_folder, path, layout) = sample();
    let mut slot = vec![0; layout.stride_bytes() as usize];
    edit(&path).read_exact_at(&mut slot, layout.slot_offset(0)).expect("slot 0");
    edit(&path).write_all_at(&slot, layout.slot_offset(3)).expect("slot 3");
    assert_eq!(reopen(&path).torn, [(3, TornReason::Misplaced { found: 0 })]);
}

#[test]
fn half_a_write_is_torn_whichever_half_it_is() {
    let (_folder, path, layout) = sample();
    let header_end = layout.slot_offset(1) + 4096;
    // The header of one write and the block of another.
    edit(&path).write_all_at(&[7; 4096], header_end).expect("written");
    assert!(matches!(reopen(&path).torn[..], [(1, TornReason::BlockCrc { .. })]));
    // Part of a header over reserved space: what a power loss leaves of the first write to a slot.
    edit(&path).write_all_at(b"KVT3SLOT", layout.slot_offset(3)).expect("written");
    assert!(matches!(reopen(&path).torn[..], [(3, TornReason::HeaderCrc { .. })]));
}

#[test]
fn a_truncated_file_loses_only_what_is_gone() {
    let (_folder, path, layout) = sample();
    let stride = layout.stride_bytes();
    // Into the block, on a page and off it; into the header; between slots; between header and slot 0.
    let cuts = [stride - 1, stride - 4096, 4096 + 1, 4096, 512, 1];
    for (back, cut) in cuts.into_iter().enumerate() {
        let (_folder, path, _) = sample();
        let slot = 2 - back as u32 % 2;
        edit(&path).set_len(layout.slot_offset(slot) + cut).expect("cut");
        let (mut tier, recovery) = T3File::open(&path).expect("usable");
        assert_eq!(recovery.whole.len(), slot as usize, "{recovery:?}");
        assert_eq!(recovery.torn, [(slot, TornReason::Cut { expected: stride, found: cut })]);
        assert_eq!(recovery.missing, SLOTS - slot - 1);
        for lost in slot..SLOTS {
            let result = fetch(&mut tier, lost, key(lost.into()));
            assert!(matches!(result, Err(StoreError::Torn { reason: TornReason::Cut { .. }, .. })), "{result:?}");
        }
        store(&mut tier, SLOTS - 1, key(50)).expect("the file grows again");
        fetch(&mut tier, SLOTS - 1, key(50)).expect("whole");
    }
    edit(&path).set_len(4096).expect("cut");
    let (_, recovery) = T3File::open(&path).expect("usable");
    assert_eq!((recovery.missing, recovery.empty), (SLOTS, 0));
    for found in [0, 1, 4095] {
        edit(&path).set_len(found).expect("cut");
        assert_eq!(header_fault(&path), HeaderFault::Short { found });
    }
}

/// A file header with any numbers and a checksum that agrees with them.
fn forge(path: &Path, version: u32, block_bytes: u64, slots: u32, file_bytes: u64) {
    let mut page = [0; 4096];
    page[..8].copy_from_slice(b"KVCPU-T3");
    page[8..12].copy_from_slice(&version.to_le_bytes());
    page[16..24].copy_from_slice(&block_bytes.to_le_bytes());
    page[24..28].copy_from_slice(&slots.to_le_bytes());
    let crc = crc32c::crc32c(&page[..28]);
    page[28..32].copy_from_slice(&crc.to_le_bytes());
    let file = File::create(path).expect("a file");
    file.write_all_at(&page, 0).expect("a page");
    file.set_len(file_bytes).expect("a size");
}

#[test]
fn hostile_headers_are_refused_or_cost_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t3");
    let geometries = [(0, 1), (4, 1), (4097, 1), (u64::MAX, 1), (u64::MAX - 7, u32::MAX), (1 << 40, 1), (4096, 0)];
    for (block_bytes, slots) in geometries {
        forge(&path, 1, block_bytes, slots, 1 << 20);
        assert_eq!(header_fault(&path), HeaderFault::Geometry { block_bytes, slots });
    }
    forge(&path, 2, 4096, 4, 1 << 20);
    assert_eq!(header_fault(&path), HeaderFault::Version { found: 2 });
    // As large as the layout allows, with nothing behind it: neither memory nor time.
    forge(&path, 1, 64 << 20, u32::MAX, 4096);
    let (tier, recovery) = T3File::open(&path).expect("usable");
    assert_eq!((recovery.missing, recovery.empty), (u32::MAX, 0));
    drop(tier);
    // Four thousand million slots in a hole: skipped, not read.
    forge(&path, 1, 8, u32::MAX, 15 << 40);
    let (_, recovery) = T3File::open(&path).expect("usable");
    assert!(recovery.whole.is_empty() && recovery.empty > 1_000_000_000, "{recovery:?}");
}

#[test]
fn other_files_are_not_t3_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t3");
    std::fs::write(&path, vec![b'x'; 10_000]).expect("written");
    assert!(matches!(header_fault(&path), HeaderFault::Magic { .. }));
    // What a creation that was killed leaves.
    std::fs::write(&path, vec![0; 10_000]).expect("written");
    assert_eq!(header_fault(&path), HeaderFault::Magic { found: 0 });
}
