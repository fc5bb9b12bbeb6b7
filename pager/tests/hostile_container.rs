//! `.tza` files that an attacker made, checksums right: an error or blocks, never a panic.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_pager::claim::Requirement;
use kvcpu_pager::codec::{BlockSize, Scratch};
use kvcpu_pager::container::{Container, OpenOptions, Region, Writer, WriterOptions};
use kvcpu_pager::keys::{OwnerSecret, PublicKey};
use kvcpu_pager::source::Source;
use proptest::prelude::*;
use std::sync::LazyLock;

/// A container that is whole: five blocks, two regions, one requirement.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("arena.tza");
    let owner = Some(PublicKey([1; 32]));
    let options = WriterOptions { block_size: BlockSize::MIN, owner, ..WriterOptions::default() };
    let mut writer = Writer::create(&path, options).unwrap();
    writer.write(&(0..20_000u32).map(|at| (at / 50) as u8).collect::<Vec<_>>()).unwrap();
    for (name, bytes) in [("a", 10_000), ("b", 5)] {
        writer.region(Region { name: name.into(), offset: 5, bytes, dtype: "F16".into(), shape: vec![5, bytes] });
    }
    writer.require(3, Requirement { clearance: 1, department: Some("x".into()) }).unwrap();
    writer.finish().unwrap();
    std::fs::read(&path).unwrap()
});

/// Opens it and reads all that can be read.
fn read(bytes: &[u8], secret: Option<&OwnerSecret>) {
    let file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &file, bytes).unwrap();
    let options = OpenOptions { secret, ..OpenOptions::default() };
    let Ok(container) = Container::from_file(file, "hostile", options) else { return };
    let mut scratch = Scratch::new(BlockSize::MAX.bytes());
    let mut out = vec![0; container.header().block_size.bytes()];
    for block in 0..container.header().blocks().min(100) {
        let _ = container.fill(block, &mut out, &mut scratch);
    }
    container.verify(|_, _| {});
}

/// Makes the checksums of header and index right, as far as there is an index.
fn reseal(bytes: &mut [u8]) {
    for slot in [0, 4096] {
        let Some(header) = bytes.get(slot..slot + 256) else { return };
        let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
        let (from, length) = (word(64) as usize, word(72) as usize);
        let index = from.checked_add(length).and_then(|end| bytes.get(from..end));
        if let Some(crc) = index.map(crc32c::crc32c) {
            bytes[slot + 160..slot + 164].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[slot..slot + 252]);
        bytes[slot + 252..slot + 256].copy_from_slice(&crc.to_le_bytes());
    }
}

/// A number that breaks sums and products, or a small one.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(u64::MAX),
        Just(1 << 63),
        Just((1 << 63) - 1),
        Just(u64::MAX - 4095),
        (0u32..64).prop_map(|bit| 1 << bit),
        0u64..20_000
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn flipped_bits(bits in prop::collection::vec(any::<prop::sample::Index>(), 1..8), resealed: bool) {
        let mut bytes = WHOLE.clone();
        for bit in bits {
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        if resealed {
            reseal(&mut bytes);
        }
        read(&bytes, None);
    }

    #[test]
    fn flipped_bits_of_the_header(bits in prop::collection::vec(0usize..164 * 8, 1..4)) {
        let mut bytes = WHOLE.clone();
        for bit in bits {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        bytes.copy_within(..256, 4096);
        reseal(&mut bytes);
        read(&bytes, None);
        read(&bytes, Some(&OwnerSecret::from_bytes(&[1; 32])));
    }

    #[test]
    fn forged_fields_of_the_header(field in prop::sample::select(vec![16usize, 24, 48, 56, 64, 72]), value in number()) {
        let mut bytes = WHOLE.clone();
        bytes[field..field + 8].copy_from_slice(&value.to_le_bytes());
        if field == 48 {
            // The count of blocks goes with the bytes, so that this is not what it is refused for.
            bytes[56..64].copy_from_slice(&value.div_ceil(4096).to_le_bytes());
        }
        bytes.copy_within(..256, 4096);
        reseal(&mut bytes);
        read(&bytes, None);
    }

    #[test]
    fn forged_words_of_the_index(at in any::<prop::sample::Index>(), value in number(), width in 1usize..9) {
        let mut bytes = WHOLE.clone();
        let index = u64::from_le_bytes(bytes[64..72].try_into().unwrap()) as usize;
        let at = index + at.index(bytes.len() - index);
        let end = (at + width).min(bytes.len());
        bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
        reseal(&mut bytes);
        read(&bytes, None);
    }

    #[test]
    fn cut_or_lengthened(end in any::<prop::sample::Index>(), more in 0usize..100, resealed: bool) {
        let mut bytes = WHOLE[..end.index(WHOLE.len())].to_vec();
        bytes.resize(bytes.len() + more, 0xFF);
        if resealed {
            reseal(&mut bytes);
        }
        read(&bytes, None);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        read(&bytes, None);
    }
}
