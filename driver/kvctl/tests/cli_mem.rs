//! `kvctl mem`: a file sealed, looked at, mapped; and what is wrong said.

mod cli_common;

use std::path::{Path, PathBuf};

use cli_common::{Said, kvctl};
use serde_json::json;
use tempfile::TempDir;

/// Two tensors of 100,000 and 60,000 bytes, as safetensors.
fn safetensors() -> Vec<u8> {
    let header = json!({
        "embed": { "dtype": "F32", "shape": [250, 100], "data_offsets": [0, 100_000] },
        "norm": { "dtype": "U8", "shape": [60_000], "data_offsets": [100_000, 160_000] },
    });
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend((0..160_000_u32).map(|n| (n / 97) as u8));
    bytes
}

/// A folder with the file, a secret, and the file sealed with it.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new(options: &[&str]) -> Bench {
        let bench = Bench { folder: tempfile::tempdir().expect("a folder") };
        std::fs::write(bench.path("model.safetensors"), safetensors()).expect("room");
        bench.mem(&["key", "KEY"]).good();
        bench
            .mem(&[&["seal", "MODEL", "-o", "SEALED", "--key", "KEY", "--block-bytes", "4K"], options].concat())
            .good();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `kvctl --json mem ...`, with names in capitals for files in the folder.
    fn mem(&self, args: &[&str]) -> Said {
        let names = [("KEY", "owner.key"), ("MODEL", "model.safetensors"), ("SEALED", "model.tza"), ("CLAIM", "claim")];
        let named = |arg: &str| {
            let file = names.iter().find(|(name, _)| *name == arg).map(|(_, file)| *file);
            file.map_or_else(|| arg.to_owned(), |file| self.path(file).display().to_string())
        };
        let args: Vec<String> = ["--json", "mem"].into_iter().chain(args.iter().copied()).map(named).collect();
        kvctl(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn a_file_is_sealed_listed_verified_and_mapped() {
    let bench = Bench::new(&[]);
    let listed = bench.mem(&["list", "SEALED", "--key", "KEY"]).good().json();
    assert_eq!(listed["regions"][0]["name"], "embed");
    assert_eq!((&listed["regions"][1]["dtype"], &listed["regions"][1]["bytes"]), (&json!("U8"), &json!(60_000)));
    let verified = bench.mem(&["verify", "SEALED", "--key", "KEY"]).good().json();
    assert_eq!((&verified["blocks"], &verified["damaged"]), (&json!(40), &json!([])));
    for policy in ["hepc", "lru", "clock"] {
        let args = ["map", "SEALED", "--key", "KEY", "--budget", "48K", "--batch", "2", "--policy", policy];
        let mapped = bench.mem(&args).good().json();
        assert_eq!(mapped["crc32c"], crc32c::crc32c(&safetensors()), "{policy}");
        assert!(mapped["counters"]["evicted"].as_u64().is_some_and(|evicted| evicted > 10), "{mapped}");
        assert!(mapped["counters"]["faults"].as_u64().is_some_and(|faults| faults > 10), "{mapped}");
    }
    let args = ["map", "SEALED", "--key", "KEY", "--budget", "48K", "--pattern", "random", "--seconds", "1"];
    assert_eq!(bench.mem(&args).good().json()["denied_blocks"], 0);
    let args = ["map", "SEALED", "--key", "KEY", "--budget", "48K", "--pattern", "loop", "--policy", "clock"];
    let mapped = bench.mem(&args).good().json();
    assert!(mapped["counters"]["fills"].as_u64().is_some_and(|fills| fills < 40), "not all of it: {mapped}");
}

#[test]
fn a_file_that_is_not_encrypted_needs_no_key() {
    let bench = Bench::new(&[]);
    let plain = bench.path("plain.tza").display().to_string();
    let sealed = bench.mem(&["seal", "MODEL", "-o", &plain, "--raw"]).good().json();
    assert_eq!(
        (&sealed["form"], &sealed["encrypted"], &sealed["compressed_blocks"]),
        (&json!("safetensors"), &json!(false), &json!(0))
    );
    assert_eq!(bench.mem(&["map", &plain]).good().json()["crc32c"], crc32c::crc32c(&safetensors()));
    bench.mem(&["map", &plain, "--key", "KEY"]).refused(1, "not encrypted");
}

#[test]
fn claims_are_needed_where_they_are_required() {
    let bench = Bench::new(&["--tenant", "3", "--clearance", "2", "--department", "research"]);
    let map = |claim: &[&str]| bench.mem(&[&["map", "SEALED", "--key", "KEY"], claim].concat());
    assert_eq!(map(&[]).good().json()["denied_blocks"], 40);
    let sign = |more: &[&str]| {
        let _ = std::fs::remove_file(bench.path("claim"));
        let args = ["claim", "SEALED", "--key", "KEY", "--identity", "runner", "--tenant", "3", "-o", "CLAIM"];
        bench.mem(&[&args, more].concat()).good();
    };
    sign(&["--clearance", "1", "--department", "research"]);
    assert_eq!(map(&["--claim", "CLAIM"]).good().json()["denied_blocks"], 40, "too little");
    sign(&["--clearance", "2", "--department", "research", "--serial", "9"]);
    assert_eq!(map(&["--claim", "CLAIM"]).good().json()["crc32c"], crc32c::crc32c(&safetensors()));
    let shown = bench.mem(&["claim", "--show", "CLAIM"]).good().json();
    assert_eq!((&shown["claim"]["identity"], &shown["claim"]["serial"]), (&json!("runner"), &json!(9)));
    sign(&["--clearance", "2", "--department", "research", "--hours", "0"]);
    bench
        .mem(&["claim", "SEALED", "--key", "KEY", "-o", "CLAIM"])
        .refused(1, "claim: File exists");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    map(&["--claim", "CLAIM"]).refused(1, "was valid until");
    std::fs::write(bench.path("claim"), "kvcpu-claim-1:00").expect("room");
    map(&["--claim", "CLAIM"]).refused(1, "claim: ");
    // Of another arena.
    let other = Bench::new(&["--tenant", "3", "--clearance", "2"]);
    other
        .mem(&["claim", "SEALED", "--key", "KEY", "--tenant", "3", "--clearance", "2", "-o", "CLAIM"])
        .good();
    std::fs::copy(other.path("claim"), bench.path("claim")).expect("room");
    map(&["--claim", "CLAIM"]).refused(1, "claim: ");
}

fn flip(file: &Path, at: u64) {
    let mut bytes = std::fs::read(file).expect("it is there");
    bytes[at as usize] ^= 1;
    std::fs::write(file, bytes).expect("room");
}

#[test]
fn damage_is_found_and_named() {
    let bench = Bench::new(&[]);
    // Behind both headers lies the first block.
    flip(&bench.path("model.tza"), 8192 + 20);
    let said = bench.mem(&["verify", "SEALED", "--key", "KEY"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let damaged = said.json()["damaged"].clone();
    assert_eq!((damaged.as_array().map(Vec::len), &damaged[0]["block"]), (Some(1), &json!(0)), "{damaged}");
    // The pager logs it too, so there is more than one line.
    let said = bench.mem(&["map", "SEALED", "--key", "KEY"]);
    assert!(said.code == 1 && said.err.contains("kvctl: block 0 of "), "{} {}", said.code, said.err);
}

#[test]
fn what_is_wrong_is_said() {
    let bench = Bench::new(&[]);
    bench.mem(&["key", "KEY"]).refused(1, "owner.key: File exists");
    bench.mem(&["seal", "MODEL", "-o", "SEALED"]).refused(1, "it exists");
    bench.mem(&["list", "SEALED"]).refused(1, "key file with --key");
    bench
        .mem(&["seal", "/dev/zero", "-o", "CLAIM"])
        .refused(1, "/dev/zero: it is no regular file");
    bench.mem(&["list", "MODEL"]).refused(1, "model.safetensors: ");
    bench.mem(&["list", "/nowhere.tza"]).refused(1, "/nowhere.tza: ");
    bench.mem(&["list", "SEALED", "--key", "MODEL"]).refused(1, "model.safetensors");
    let other = Bench::new(&[]);
    let key = other.path("owner.key").display().to_string();
    bench.mem(&["list", "SEALED", "--key", &key]).refused(1, "model.tza: ");
    bench
        .mem(&["map", "SEALED", "--key", "KEY", "--budget", "4095"])
        .refused(1, "holds 0 blocks");
    bench.mem(&["seal", "MODEL", "-o", "x.tza", "--block-bytes", "5000"]).refused(1, "5000");
    bench.mem(&["map", "SEALED", "--budget", "12X"]).refused(2, "12X");
    bench
        .mem(&["seal", "MODEL", "-o", "x.tza", "--clearance", "1"])
        .refused(2, "required arguments");
}

#[test]
fn faults_are_measured_beside_the_kernels_own() {
    let said = kvctl(&["--json", "mem", "bench", "--block-bytes", "4K,16K"]).good().json();
    let rows = said["rows"].as_array().expect("rows");
    let sources: Vec<_> = rows[1..6].iter().map(|row| row["source"].as_str().expect("a name")).collect();
    assert_eq!(sources, ["Zero", "Static", "Compressed", "Encrypted", "CompressedEncrypted"]);
    assert_eq!((rows.len(), &rows[11]["block_bytes"]), (12, &json!(16384)));
    for row in rows {
        assert!(row["p50_ns"].as_u64() > Some(0) && row["p99_ns"].as_u64() >= row["p50_ns"].as_u64(), "{row}");
    }
    kvctl(&["mem", "bench", "--block-bytes", "5000"]).refused(2, "are no block size");
}
