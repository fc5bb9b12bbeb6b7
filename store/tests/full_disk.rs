//! A full file system: reported when the file is made, or, for a sparse file, by the STORE that
//! finds no room. And one that offers neither O_DIRECT nor reservation. Needs to mount a tmpfs and a
//! ramfs, so root; without it the tests say loudly that they did not run.

mod common;

use std::path::Path;
use std::process::Command;

use common::{fetch, key, store};
use kvcpu_store::{BlockStore, StoreError, T3File, T3Options};

/// A file system in memory (tmpfs: of 1 MiB), unmounted when dropped.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount(kind: &str) -> Option<Tiny> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", kind, "-o", "size=1m", "kvcpu-test"])
            .arg(folder.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Tiny(folder));
        }
        eprintln!("SKIPPED: no {kind} can be mounted here (run as root); this is NOT tested");
        None
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        // Lazily: the kernel may hold a file a moment longer than its owner.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("cannot unmount {}", self.path().display());
        }
    }
}

#[test]
fn a_full_disk_is_reported_at_creation() {
    let Some(tiny) = Tiny::mount("tmpfs") else { return };
    let path = tiny.path().join("t3");
    let error = T3File::create(&path, 4096, 1000).expect_err("8 MB do not fit into 1 MiB");
    let StoreError::NoSpace { needed, available, .. } = error else { panic!("{error}") };
    assert_eq!(needed, 4096 + 1000 * 8192);
    assert!(available.is_some_and(|bytes| bytes <= 1 << 20));
    let text = error.to_string();
    assert!(
        text.contains(&*path.to_string_lossy()) && text.contains("8196096") && text.contains("free space"),
        "{text}"
    );
    assert!(!path.exists(), "no half file is left");
    T3File::create(&path, 4096, 100).expect("a smaller one fits");
}

#[test]
fn a_disk_that_fills_up_fails_that_store_and_no_other() {
    let options = T3Options { reserve: false, ..T3Options::default() };
    // Bounced and straight from memory. Each has its own file system: a removed file's space comes
    // back only when the kernel has let go of it, which may be a moment after it is closed.
    for block_bytes in [64, 4096] {
        let Some(tiny) = Tiny::mount("tmpfs") else { return };
        let path = tiny.path().join("t3");
        let mut tier = T3File::create_with(&path, block_bytes, 1000, &options).expect("a sparse file");
        let (full, error) = (0..tier.slots())
            .find_map(|slot| store(&mut tier, slot, key(slot.into())).err().map(|error| (slot, error)))
            .expect("1000 slots do not fit");
        assert!(full > 50, "it fills up first");
        assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
        for slot in 0..full {
            fetch(&mut tier, slot, key(slot.into())).expect("stored before");
        }
        assert!(fetch(&mut tier, full, key(full.into())).is_err());
        store(&mut tier, 0, key(7)).expect("a slot that has its space can be written");
        drop(tier);
        let (_, recovery) = T3File::open(&path).expect("usable");
        assert_eq!(recovery.whole.len(), full as usize);
    }
}

#[test]
fn a_file_system_without_direct_io_and_reservation_still_works() {
    let Some(tiny) = Tiny::mount("ramfs") else { return };
    let path = tiny.path().join("t3");
    let mut tier = T3File::create(&path, 4096, 16).expect("a buffered, sparse file");
    assert!(!tier.direct(), "ramfs has no O_DIRECT");
    store(&mut tier, 5, key(5)).expect("stored");
    drop(tier);
    let (mut tier, recovery) = T3File::open(&path).expect("usable");
    assert!(!tier.direct());
    assert_eq!((recovery.whole.len(), recovery.empty), (1, 15));
    fetch(&mut tier, 5, key(5)).expect("whole");
}
