//! Blocks encoded and decoded, and what becomes of them when something was changed.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_pager::codec::{BlockSize, Encoder, Flags, Place, Scratch, Stored, decode};
use kvcpu_pager::keys::{ArenaId, BlockKey, OwnerSecret};
use kvcpu_pager::source::SourceError;
use proptest::prelude::*;

const PLACE: Place = Place { arena: ArenaId([3; 16]), block: 41 };

fn key(tenant: u8) -> BlockKey {
    OwnerSecret::from_bytes(&[9; 32]).arena_keys(PLACE.arena).block_key(tenant)
}

fn open(stored: &Stored, key: Option<&BlockKey>, place: Place, bytes: usize) -> Result<Vec<u8>, SourceError> {
    let mut out = vec![0x55; bytes];
    decode(&stored.header, &stored.bytes, key, place, &mut out, Scratch::new(bytes).work()).map(|()| out)
}

/// Blocks that are zeros, that compress, and that do not.
fn blocks(bytes: usize) -> [Vec<u8>; 3] {
    let mut random = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    [vec![0; bytes], (0..bytes).map(|at| (at / 100) as u8).collect(), random]
}

#[test]
fn blocks_of_every_size_and_kind_come_back() {
    let key = key(0);
    for log2 in 12..=21 {
        let bytes = BlockSize::from_log2(log2).unwrap().bytes();
        for (block, kind) in blocks(bytes).iter().zip([Flags::ZERO, Flags::COMPRESSED, Flags::empty()]) {
            for key in [None, Some(&key)] {
                for level in [None, Some(1)] {
                    let stored = Encoder::new(level).encode(block, 5, PLACE, key).unwrap();
                    let encrypted = if key.is_some() { Flags::ENCRYPTED } else { Flags::empty() };
                    let kind = if level.is_none() { kind.difference(Flags::COMPRESSED) } else { kind };
                    assert_eq!(stored.header.flags, kind | encrypted);
                    assert_eq!(open(&stored, key, PLACE, bytes).unwrap(), *block);
                }
            }
        }
    }
}

#[test]
fn an_encrypted_block_opens_only_where_it_belongs() {
    let tenant = key(1);
    for block in blocks(4096) {
        let stored = Encoder::new(Some(1)).encode(&block, 5, PLACE, Some(&tenant)).unwrap();
        let refused = |stored: &Stored, key: &BlockKey, place| {
            assert_eq!(open(stored, Some(key), place, 4096), Err(SourceError::Tag));
        };
        refused(&stored, &key(2), PLACE);
        refused(&stored, &tenant, Place { block: 40, ..PLACE });
        refused(&stored, &tenant, Place { arena: ArenaId([4; 16]), ..PLACE });
        let mut older = stored.clone();
        older.header.generation = 4;
        refused(&older, &tenant, PLACE);
        let clear = Encoder::new(Some(1)).encode(&block, 5, PLACE, None).unwrap();
        refused(&clear, &tenant, PLACE);
        assert_eq!(open(&stored, None, PLACE, 4096), Err(SourceError::Tag));
    }
}

#[test]
fn nonces_are_fresh() {
    let key = key(0);
    let mut encoder = Encoder::new(None);
    let nonces: std::collections::HashSet<_> = (0..1000)
        .map(|_| encoder.encode(&[1; 4096], 0, PLACE, Some(&key)).unwrap().header.nonce)
        .collect();
    assert_eq!(nonces.len(), 1000);
}

#[test]
fn a_block_of_another_size_is_none() {
    let stored = Encoder::new(Some(1)).encode(&[7; 8192], 0, PLACE, None).unwrap();
    assert_eq!(open(&stored, None, PLACE, 4096), Err(SourceError::Decompress));
    assert_eq!(open(&stored, None, PLACE, 16384), Err(SourceError::Decompress));
    let key = key(0);
    let stored = Encoder::new(Some(1)).encode(&[7; 8192], 0, PLACE, Some(&key)).unwrap();
    assert_eq!(open(&stored, Some(&key), PLACE, 4096), Err(SourceError::Tag));
}

#[test]
fn only_one_frame_of_todays_zstd_is_a_block() {
    // What is stored raw here is called a frame then.
    let open_frame = |frame: &[u8]| {
        let mut stored = Encoder::new(None).encode(frame, 0, PLACE, None).unwrap();
        stored.header.flags = Flags::COMPRESSED;
        open(&stored, None, PLACE, 4096)
    };
    let frame = Encoder::new(Some(1)).encode(&[7; 4096], 0, PLACE, None).unwrap().bytes;
    let half = Encoder::new(Some(1)).encode(&[7; 2048], 0, PLACE, None).unwrap().bytes;
    assert_eq!(open_frame(&frame), Ok(vec![7; 4096]));
    assert_eq!(open_frame(&[&half[..], &half].concat()), Err(SourceError::Decompress));
    for version in 0x22..=0x27 {
        let legacy = [&[version, 0xB5, 0x2F, 0xFD][..], &frame[4..]].concat();
        assert_eq!(open_frame(&legacy), Err(SourceError::Decompress));
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_is_noticed(bit in 0usize..1 << 20, encrypted: bool, kind in 1usize..3) {
        let key = encrypted.then(|| key(0));
        let mut stored = Encoder::new(Some(1)).encode(&blocks(4096)[kind], 0, PLACE, key.as_ref()).unwrap();
        let bit = bit % (stored.bytes.len() * 8);
        stored.bytes[bit / 8] ^= 1 << (bit % 8);
        let wrong = if encrypted { SourceError::Tag } else { SourceError::Checksum };
        prop_assert_eq!(open(&stored, key.as_ref(), PLACE, 4096), Err(wrong));
    }

    #[test]
    fn any_frame_with_a_good_checksum_is_a_block_or_an_error(bytes in prop::collection::vec(any::<u8>(), 1..4095), flags in 0u8..8) {
        let mut stored = Encoder::new(None).encode(&bytes, 0, PLACE, None).unwrap();
        stored.header.flags = Flags::from_bits_retain(flags);
        let _ = open(&stored, None, PLACE, 4096);
    }
}
