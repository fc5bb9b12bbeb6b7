//! Files sealed: what they are, what their parts are called, and files that only look like something.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_pager::claim::Requirement;
use kvcpu_pager::codec::{BlockSize, Scratch};
use kvcpu_pager::container::{Container, OpenOptions, Region, WriterOptions};
use kvcpu_pager::keys::OwnerSecret;
use kvcpu_pager::seal::{Form, GgufFault, SafetensorsFault, SealOptions, read_gguf, read_safetensors, seal_file};
use kvcpu_pager::source::Source;
use proptest::prelude::*;
use std::io::Cursor;

fn region(name: &str, offset: u64, bytes: u64, dtype: &str, shape: &[u64]) -> Region {
    Region { name: name.into(), offset, bytes, dtype: dtype.into(), shape: shape.into() }
}

fn safetensors(json: &str, data: &[u8]) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes(), json.as_bytes(), data].concat()
}

const JSON: &str = r#"{"__metadata__":{"by":"a test"},
    "b":{"dtype":"F32","shape":[2,3],"data_offsets":[16,40]},
    "a":{"dtype":"BF16","shape":[8],"data_offsets":[0,16]},
    "scalar":{"dtype":"F64","shape":[],"data_offsets":[40,48]},
    "new":{"dtype":"F128","shape":[1],"data_offsets":[48,64]}}"#;

/// A GGUF file with every kind of metadata, three tensors and their data.
fn gguf() -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    let text = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    file.extend(3u32.to_le_bytes());
    file.extend(3u64.to_le_bytes());
    file.extend(5u64.to_le_bytes());
    text(&mut file, "general.name");
    file.extend(8u32.to_le_bytes());
    text(&mut file, "a test");
    text(&mut file, "general.alignment");
    file.extend(4u32.to_le_bytes());
    file.extend(64u32.to_le_bytes());
    text(&mut file, "words");
    file.extend(9u32.to_le_bytes());
    file.extend(8u32.to_le_bytes());
    file.extend(2u64.to_le_bytes());
    text(&mut file, "one");
    text(&mut file, "two");
    text(&mut file, "scores");
    file.extend(9u32.to_le_bytes());
    file.extend(6u32.to_le_bytes());
    file.extend(3u64.to_le_bytes());
    file.extend([0; 12]);
    text(&mut file, "size");
    file.extend(10u32.to_le_bytes());
    file.extend(9u64.to_le_bytes());
    for (name, shape, kind, offset) in [("q", &[64, 2][..], 8u32, 0u64), ("new", &[7], 200, 192), ("f", &[5], 0, 256)] {
        text(&mut file, name);
        file.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|dimension: &u64| file.extend(dimension.to_le_bytes()));
        file.extend(kind.to_le_bytes());
        file.extend(offset.to_le_bytes());
    }
    file.resize(file.len().next_multiple_of(64), 0);
    file.extend([0xD; 256 + 20]);
    file
}

fn gguf_regions(file: &[u8]) -> Result<Vec<Region>, GgufFault> {
    read_gguf(&mut Cursor::new(file), file.len() as u64)
}

fn safetensors_regions(file: &[u8]) -> Result<Vec<Region>, SafetensorsFault> {
    read_safetensors(&mut &file[..], file.len() as u64)
}

#[test]
fn tensors_of_safetensors_are_regions() {
    let data = 8 + JSON.len() as u64;
    assert_eq!(
        safetensors_regions(&safetensors(JSON, &[0; 64])).unwrap(),
        [
            region("a", data, 16, "BF16", &[8]),
            region("b", data + 16, 24, "F32", &[2, 3]),
            region("scalar", data + 40, 8, "F64", &[]),
            region("new", data + 48, 16, "F128", &[1]),
        ]
    );
}

#[test]
fn tensors_that_cannot_be_are_refused() {
    let refused = |json: &str| safetensors_regions(&safetensors(json, &[0; 64])).unwrap_err().to_string();
    let tensor =
        |shape: &str, offsets: &str| format!(r#"{{"t":{{"dtype":"U8","shape":{shape},"data_offsets":{offsets}}}}}"#);
    assert!(refused(&tensor("[65]", "[0,65]")).contains("not within the file"));
    assert!(refused(&tensor("[4]", "[8,4]")).contains("not within the file"));
    assert!(refused(&tensor("[4]", "[0,18446744073709551615]")).contains("not within the file"));
    assert!(refused(&tensor("[5]", "[0,4]")).contains("its shape"));
    assert!(refused(&tensor("[4294967296,4294967296,4]", "[0,0]")).contains("its shape"));
    assert!(refused(&tensor("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]")).contains("16 dimensions"));
    assert!(refused("[]").contains("its header"));
    assert!(refused(&"[".repeat(100_000)).contains("its header"));
    assert!(matches!(safetensors_regions(&[0xFF; 100]), Err(SafetensorsFault::Length { .. })));
}

#[test]
fn tensors_of_gguf_are_regions() {
    let file = gguf();
    let data = file.len() as u64 - 276;
    assert_eq!(
        gguf_regions(&file).unwrap(),
        [
            region("q", data, 136, "Q8_0", &[2, 64]),
            region("new", data + 192, 64, "type 200", &[7]),
            region("f", data + 256, 20, "F32", &[5]),
        ]
    );
    assert!(matches!(gguf_regions(&file[..file.len() - 1]), Err(GgufFault::Tensor { .. })));
    assert!(matches!(gguf_regions(b"GGUF\x01\0\0\0........"), Err(GgufFault::Version(1))));
}

#[test]
fn a_sealed_file_comes_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let secret = OwnerSecret::from_bytes(&[1; 32]);
    let output = directory.path().join("sealed.tza");
    let plain: Vec<u8> = (0..9_000_000u32).map(|at| (at / 999) as u8).collect();
    let damaged = safetensors(r#"{"t":1}"#, &[]);
    for (name, content, form, regions, is_faulty) in [
        ("model.safetensors", safetensors(JSON, &[7; 64]), Form::Safetensors, 4, false),
        ("model.gguf", gguf(), Form::Gguf, 3, false),
        ("damaged.safetensors", damaged, Form::Other, 1, true),
        ("plain.bin", plain, Form::Other, 1, false),
        ("empty", vec![], Form::Other, 1, false),
    ] {
        let input = directory.path().join(name);
        std::fs::write(&input, &content).unwrap();
        let requirement = Some(Requirement { clearance: 0, department: None });
        let writer = WriterOptions { block_size: BlockSize::MIN, secret: Some(&secret), ..WriterOptions::default() };
        let mut last = None;
        let options = SealOptions { writer, tenant: 5, requirement };
        let report = seal_file(&input, &output, &options, |progress| last = Some(progress)).unwrap();
        assert_eq!((report.form, report.regions, report.fault.is_some()), (form, regions, is_faulty), "{report:?}");
        assert_eq!(last.map_or(0, |progress| progress.done_bytes), content.len() as u64);

        let opened = OpenOptions { secret: Some(&secret), ..OpenOptions::default() };
        let container = Container::open(&output, opened).unwrap();
        assert_eq!(container.bytes(), content.len() as u64);
        assert!(container.verify(|_, _| {}).damaged.is_empty());
        assert_eq!(container.region(name).is_some(), form == Form::Other);
        assert!(content.is_empty() || !container.claims().allowed_now(5));
        // The same without a requirement, so that it can be read.
        let options = SealOptions { writer, tenant: 5, requirement: None };
        seal_file(&input, &output, &options, |_| {}).unwrap();
        let container = Container::open(&output, opened).unwrap();
        let (mut scratch, mut out, mut read) = (Scratch::new(4096), vec![0; 4096], Vec::new());
        for block in 0..container.header().blocks() {
            container.fill(block, &mut out, &mut scratch).unwrap();
            read.extend_from_slice(&out);
        }
        read.truncate(content.len());
        assert!(read == content, "{name}");
    }
}

proptest! {
    #[test]
    fn hostile_safetensors(at in any::<prop::sample::Index>(), with: u8, end in any::<prop::sample::Index>()) {
        let mut file = safetensors(JSON, &[0; 64]);
        let at = at.index(file.len());
        file[at] = with;
        let _ = safetensors_regions(&file);
        let _ = safetensors_regions(&file[..end.index(file.len())]);
    }

    #[test]
    fn hostile_gguf(
        at in any::<prop::sample::Index>(),
        with in prop_oneof![Just(u64::MAX), Just(1 << 63), any::<u64>(), 0u64..300],
        width in 1usize..9,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = gguf();
        let at = at.index(file.len());
        let end = (at + width).min(file.len());
        file[at..end].copy_from_slice(&with.to_le_bytes()[..end - at]);
        if let Ok(regions) = gguf_regions(&file) {
            for region in regions {
                prop_assert!(region.offset.checked_add(region.bytes).unwrap() <= file.len() as u64);
            }
        }
        let _ = gguf_regions(&file[..cut.index(file.len())]);
    }

    #[test]
    fn any_bytes_after_a_magic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = gguf_regions(&[b"GGUF\x03\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0", &bytes[..]].concat());
        let _ = safetensors_regions(&bytes);
    }
}
