//! A fill may run in a signal handler: it takes nothing from the heap, whether it succeeds or is refused.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
// An allocator that counts is an `unsafe impl`; it hands everything on to the system's.
#![allow(unsafe_code)]

use kvcpu_pager::claim::Requirement;
use kvcpu_pager::codec::{BlockSize, Scratch};
use kvcpu_pager::container::{Container, OpenOptions, Writer, WriterOptions};
use kvcpu_pager::keys::OwnerSecret;
use kvcpu_pager::memory_source::{Sealed, Sealing};
use kvcpu_pager::source::{Source, SourceError};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::unix::fs::FileExt;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: each call goes to the system's allocator as it came; the count is a cell of the thread, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from the same allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn fill(source: &dyn Source, block: u64, scratch: &mut Scratch, expected: Result<(), SourceError>) {
    let mut out = [0; 4096];
    let before = ALLOCATIONS.get();
    let result = source.fill(block, &mut out, scratch);
    assert_eq!(ALLOCATIONS.get(), before, "block {block} of {}", source.name());
    assert_eq!(result, expected);
}

#[test]
fn no_fill_allocates() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("arena.tza");
    let secret = OwnerSecret::from_bytes(&[1; 32]);
    let mut scratch = Scratch::new(4096);
    for (encrypted, wrong) in [(None, SourceError::Checksum), (Some(&secret), SourceError::Tag)] {
        let owner = Some(secret.signing_key().public());
        let options =
            WriterOptions { block_size: BlockSize::MIN, secret: encrypted, owner, ..WriterOptions::default() };
        let mut writer = Writer::create(&path, options).unwrap();
        let mut random = [0; 4096];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        for block in [[1; 4096], [0; 4096], random, [2; 4096]] {
            writer.write(&block).unwrap();
        }
        writer.tenant(1).unwrap();
        writer.write(&[3; 4096]).unwrap();
        writer.require(1, Requirement { clearance: 0, department: None }).unwrap();
        writer.finish().unwrap();
        // The first stored byte is block 0's.
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0xEE], 8192).unwrap();
        let container = Container::open(&path, OpenOptions { secret: encrypted, ..OpenOptions::default() }).unwrap();
        fill(&container, 0, &mut scratch, Err(wrong));
        for block in 1..4 {
            fill(&container, block, &mut scratch, Ok(()));
        }
        fill(&container, 4, &mut scratch, Err(SourceError::Denied { tenant: 1 }));
        fill(&container, 5, &mut scratch, Err(SourceError::Truncated));
    }
    for sealing in [Sealing::Compressed, Sealing::Encrypted, Sealing::CompressedEncrypted] {
        let sealed = Sealed::new(&[5; 4096], sealing, BlockSize::MIN, 0).unwrap();
        fill(&sealed, 0, &mut scratch, Ok(()));
    }
}
