//! The example in C, compiled against the header and the library, sums what was sealed.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use kvcpu_pager::container::WriterOptions;
use kvcpu_pager::{OwnerSecret, SealOptions, seal_file};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the static library needs of the system: what `rustc --print native-static-libs` names on Linux.
const SYSTEM_LIBRARIES: [&str; 4] = ["-lpthread", "-ldl", "-lm", "-lgcc_s"];

/// Bytes of the file: some blocks of 64 KiB, the last of them not whole.
const BYTES: usize = (1 << 20) + 12_345;

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The static library: it is built with the one that this test links, and put beside the test.
fn library() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("libkvcpu_pager_c.a")
}

fn compile(folder: &Path) -> PathBuf {
    let program = folder.join("map");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-I"])
        .arg(root.join("include"));
    cc.arg(root.join("examples/map.c"))
        .arg(library())
        .args(SYSTEM_LIBRARIES)
        .arg("-o")
        .arg(&program);
    run(&mut cc);
    program
}

/// FNV-1a, 64 bits, as the example has it.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn the_example_sums_what_was_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, sealed, key] = ["weights.bin", "weights.tza", "key"].map(|name| folder.path().join(name));
    let bytes: Vec<u8> = (0..BYTES).map(|n| (n / 7 * 31) as u8 ^ (n >> 9) as u8).collect();
    std::fs::write(&plain, &bytes).unwrap();
    let secret = OwnerSecret::random().unwrap();
    secret.write(&key).unwrap();
    let writer = WriterOptions { secret: Some(&secret), ..WriterOptions::default() };
    seal_file(&plain, &sealed, &SealOptions { writer, ..SealOptions::default() }, |_| {}).unwrap();

    let program = compile(folder.path());
    let mut map = Command::new(&program);
    map.arg(&sealed).arg("weights.bin").arg(&key);
    let expected = format!("checksum {:016x}\n", checksum(&bytes));
    let all = String::from_utf8(run(&mut map).stdout).unwrap();
    assert!(all.contains(&expected) && all.contains("evicted 0"), "{all}");
    let half = String::from_utf8(run(map.arg("524288")).stdout).unwrap();
    assert!(half.contains(&expected) && !half.contains("evicted 0"), "{half}");

    let refused = Command::new(&program).arg(&sealed).arg("weights.bin").output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("it is encrypted") && text.contains("(-6)"), "{text}");
}
