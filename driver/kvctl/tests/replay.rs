//! The main job end to end: real bytes through every tier, the same decisions with and without
//! them, and LRU where that is asked for.

#![allow(clippy::unwrap_used)]

use clap::Parser;
use kvcpu_emulator::Emulator;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry};
use kvctl::replay::{Args, ReplayError, Report, replay};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &str) -> Args {
    Line::parse_from(std::iter::once("replay").chain(line.split_whitespace())).args
}

fn run(line: &str) -> Report {
    let emulator = Emulator::new(Geometry::FULL).unwrap();
    replay(&args(line), Arc::new(emulator), DEADLINE).unwrap()
}

#[test]
fn sample_through_three_tiers_keeps_every_byte() {
    let report = run("");
    assert_eq!((report.mismatches, report.luf_violations, report.not_inserted), (0, 0, 0));
    assert!(report.verdict().is_ok());
    assert_eq!(report.hits, report.hits_by_tier.iter().sum::<u64>());
    assert!(report.hits_by_tier[1..].iter().all(|&hits| hits > 500), "{:?}", report.hits_by_tier);
    let residents: u64 = report.resident_at_end.iter().sum();
    assert_eq!(report.blocks_checked + report.unread, report.hits + residents);
    assert_eq!(residents, report.capacity_blocks);
    assert!(report.move_bytes[2][3] > 0 && report.move_bytes[3][1] > 0, "T3 took part");
    assert!(report.shootdowns_sent * 10 < report.shootdowns_needed, "quarantine batches invalidations");
}

/// docs/moves.md: decisions follow from the order of commands, never from the speed of memory. With
/// bytes T3 takes its time; without, every move is instant.
#[test]
fn decisions_are_the_same_with_and_without_bytes() {
    for tiers in ["", "--t1 300 --t2 200 --t3 500 --watermarks 80,90", "--t1 700 --t3 700"] {
        let (bytes, metadata) = (run(tiers), run(&format!("{tiers} --metadata-only")));
        assert_eq!(bytes.hits_by_tier, metadata.hits_by_tier, "{tiers}");
        assert_eq!(bytes.mismatches, 0, "{tiers}");
        let (mut a, mut b) = (bytes.counters, metadata.counters);
        for counters in [&mut a, &mut b] {
            // What COPY adds, and what depends on the clock.
            (counters.commands, counters.refused) = (0, 0);
            (counters.copy_in_bytes, counters.copy_out_bytes) = ([0; 4], [0; 4]);
            (counters.decision_hist, counters.decision_max) = ([0; 16], 0);
        }
        assert_eq!(a, b, "{tiers}");
    }
}

/// Policy 0 is LRU, but for the grain of R.
#[test]
fn policy_0_is_lru() {
    for capacity in [512, 1024, 2048] {
        let report = run(&format!("--metadata-only --t1 {capacity} --fixed-policy 0"));
        let lru = report.baselines.iter().find(|b| b.policy == "LRU").unwrap();
        let difference = (report.hit_pct - lru.hit_pct).abs();
        assert!(difference < 0.1, "{capacity}: device {:.2}, LRU {:.2}", report.hit_pct, lru.hit_pct);
    }
}

/// Exclusive tiers hold together what one tier of their size would.
#[test]
fn tiers_together_are_one_cache() {
    let one = run("--metadata-only --t1 2048 --no-baselines --fixed-policy 1");
    let three = run("--metadata-only --t1 512 --t2 512 --t3 1024 --no-baselines --fixed-policy 1");
    assert!((one.hit_pct - three.hit_pct).abs() < 0.3, "{:.2} and {:.2}", one.hit_pct, three.hit_pct);
    let with_t0 = run("--t0 512 --t1 512 --t2 512 --t3 512 --no-baselines --fixed-policy 1");
    assert!((one.hit_pct - with_t0.hit_pct).abs() < 0.3, "{:.2} and {:.2}", one.hit_pct, with_t0.hit_pct);
    assert_eq!((with_t0.resident_at_end, with_t0.mismatches), ([512; 4], 0));
}

#[test]
fn capacities_the_geometry_cannot_hold_name_the_tier() {
    let emulator = Arc::new(Emulator::new(Geometry::TEST).unwrap());
    let error = replay(&args("--t1 5000 --no-baselines"), emulator, DEADLINE).unwrap_err().to_string();
    assert!(error.contains("tiers[1]") && error.contains("1024"), "{error}");
}

#[test]
fn steps_beyond_32_bits_name_the_option() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("late.jsonl");
    let line = |ms: u64, id: u64| {
        format!("{{\"timestamp\": {ms}, \"input_length\": 10, \"output_length\": 1, \"hash_ids\": [{id}]}}\n")
    };
    std::fs::write(&path, line(0, 1) + &line(5_000_000_000, 2)).unwrap();
    let emulator = Arc::new(Emulator::new(Geometry::FULL).unwrap());
    let error = replay(&args(&format!("{} --step-ms 1 --t1 100", path.display())), emulator, DEADLINE).unwrap_err();
    assert!(matches!(error, ReplayError::StepOverflow { .. }), "{error}");
}

/// A device whose DMA memory loses a bit once the host has written it: a backing that lies.
struct Rotten {
    inner: Emulator,
    writes: AtomicU64,
    largest: std::sync::Mutex<Option<Arc<dyn DmaMemory>>>,
}

impl Backing for Rotten {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.inner.read32(bar, offset)
    }
    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.inner.write32(bar, offset, value)?;
        if self.writes.fetch_add(1, Ordering::Relaxed) == 2000
            && let Some(memory) = &*self.largest.lock().unwrap()
        {
            for word in memory.words() {
                word.fetch_xor(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.inner.read64(bar, offset)
    }
    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.inner.write64(bar, offset, value)
    }
    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        let memory = self.inner.dma_alloc(bytes)?;
        let mut largest = self.largest.lock().unwrap();
        if largest.as_ref().is_none_or(|other| other.words().len() < memory.words().len()) {
            *largest = Some(memory.clone());
        }
        Ok(memory)
    }
    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        self.inner.dma_free(iova)
    }
    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        self.inner.irq_fd(vector)
    }
    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        self.inner.bus_master(on)
    }
    fn reset(&self) -> Result<(), BackingError> {
        self.inner.reset()
    }
    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        self.inner.advance(cycles)
    }
    fn name(&self) -> String {
        "rotten emulator".into()
    }
}

/// The check itself: bytes that change in host memory (T2) must fail the replay.
#[test]
fn a_damaged_block_fails_the_replay() {
    let rotten = Rotten {
        inner: Emulator::new(Geometry::FULL).unwrap(),
        writes: AtomicU64::new(0),
        largest: std::sync::Mutex::new(None),
    };
    let report = replay(&args("--t1 256 --t2 1024 --no-baselines"), Arc::new(rotten), DEADLINE).unwrap();
    assert!(report.mismatches > 0);
    assert!(matches!(report.verdict(), Err(ReplayError::Mismatch { .. })));
}

/// What T3 holds at the end is read back whole even where T1 is far smaller.
#[test]
fn a_small_t1_does_not_keep_t3_from_being_read_at_the_end() {
    let report = run("--t1 8 --t3 512 --no-baselines");
    let residents: u64 = report.resident_at_end.iter().sum();
    assert_eq!(residents, 520);
    assert_eq!(report.blocks_checked + report.unread, report.hits + residents);
    assert!(report.unread <= report.hits);
    assert!(report.verdict().is_ok());
}

fn refusal(line: &str) -> String {
    replay(&args(line), Arc::new(Emulator::new(Geometry::FULL).unwrap()), DEADLINE)
        .unwrap_err()
        .to_string()
}

#[test]
fn refusals_name_what_to_change_and_leave_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t3");
    let shown = path.display();
    assert!(refusal("--t3 100").contains("--t1"));
    for line in ["--block-shift 70 --t1 10 --t3 100", "--block-shift 20 --t1 10 --t3 70000"] {
        let error = refusal(&format!("{line} --t3-path {shown}"));
        assert!(error.contains("block_shift") || error.contains("tiers[3]"), "{error}");
        assert!(!path.exists(), "{line}");
    }
    assert!(refusal("--t1 100 --quarantine 4000000000").contains("frames"));
    std::fs::write(&path, "mine").unwrap();
    assert!(refusal(&format!("--t1 10 --t3 100 --t3-path {shown}")).contains("--t3-path"));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    assert!(refusal(&format!("--html {shown}/no/such.html")).contains("such.html"));
}

/// Capacity that the card holds to the last block leaves no room for the quarantine, and is taken.
#[test]
fn a_card_filled_to_the_brim_is_taken() {
    let geometry = Geometry { entries_log2: 14, t1_kib: 4 << 10, ..Geometry::FULL };
    let emulator = Arc::new(Emulator::new(geometry).unwrap());
    let report = replay(&args("--t1 1024 --no-baselines"), emulator, DEADLINE).unwrap();
    assert_eq!((report.capacity_by_tier[1], report.quarantine_by_tier[1], report.mismatches), (1024, 0, 0));
}
