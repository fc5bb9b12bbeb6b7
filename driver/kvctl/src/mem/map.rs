//! `kvctl mem map`: a sealed file as memory under a budget, touched by threads, and its bytes compared with those of the file.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use kvcpu_pager::{
    Action, Arena, Container, Counters, Hepc, Options, Policy, Scratch, Source, SourceError, shootdowns,
};
use serde_json::json;

use super::{Sealed, bytes, claim, now_unix_s};
use crate::cli::Error;
use crate::device::DeviceArgs;
use crate::output::{Report, pairs, to_json};

/// How often the live line is written.
const LIVE: Duration = Duration::from_millis(100);

/// `kvctl mem map ...`.
#[derive(Args, Clone, Debug)]
pub(super) struct MapArgs {
    #[command(flatten)]
    sealed: Sealed,
    /// A claim that allows it, may be repeated
    #[arg(long, value_name = "FILE")]
    claim: Vec<PathBuf>,
    /// Bytes in memory at once
    #[arg(long, value_parser = bytes, default_value = "64M")]
    budget: u64,
    /// Who chooses what goes: the KV-CPU at --device, or one of the others
    #[arg(long, value_enum, default_value_t = Victims::Hepc)]
    policy: Victims,
    /// Blocks that are unmapped at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// Threads that touch
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// In which order
    #[arg(long, value_enum, default_value_t = Pattern::Sequential)]
    pattern: Pattern,
    /// Seconds of it; once through it if left out
    #[arg(long)]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Victims {
    /// HEPC, of the device
    Hepc,
    /// Least recently used
    Lru,
    /// Clock
    Clock,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pattern {
    /// From end to end
    Sequential,
    /// At random
    Random,
    /// From end to end of a quarter more than the budget holds, which is the worst for LRU
    Loop,
}

/// Carries it out.
pub(super) fn run(args: &MapArgs, device: &DeviceArgs) -> Result<Mapped, Error> {
    let container = Arc::new(args.sealed.open()?);
    for file in &args.claim {
        let named = |error| format!("{}: {error}", file.display());
        container.claims().present(claim::read(file)?, now_unix_s()).map_err(named)?;
    }
    let policy = match args.policy {
        Victims::Hepc => Policy::Hepc(Hepc::new(device.probe()?)),
        Victims::Lru => Policy::Lru,
        Victims::Clock => Policy::Clock,
    };
    let damaged = Arc::new(AtomicU64::new(u64::MAX));
    let first = damaged.clone();
    let options = Options {
        block_bytes: container.header().block_size.bytes(),
        budget_bytes: Some(args.budget),
        policy,
        batch: args.batch,
        // A damaged block is an error at the end, and no signal.
        on_fault: Some(Box::new(move |fault| {
            if !matches!(fault.error, SourceError::Denied { .. }) {
                first.fetch_min(fault.block, Ordering::Relaxed);
            }
            Action::Zeros
        })),
        ..Options::default()
    };
    let arena = Arena::new(Box::new(container.clone()), options)?;
    let (shot, begin) = (shootdowns(), Instant::now());
    touch(&arena, args)?;
    let seconds = begin.elapsed().as_secs_f64();
    let (counters, resident_bytes) = (arena.counters(), arena.resident_bytes());
    let shot = shootdowns().zip(shot).map(|(now, then)| now.saturating_sub(then));
    let mapped = through(&arena)?;
    let (decoded, denied) = decoded(&container);
    let file = args.sealed.file.display().to_string();
    let damaged = damaged.load(Ordering::Relaxed);
    if damaged != u64::MAX {
        return Err(format!("block {damaged} of {file} is damaged; kvctl mem verify names all that are").into());
    }
    if mapped != decoded {
        return Err(
            format!("{file}: mapped its CRC-32C is {mapped:#010x}, decoded block by block {decoded:#010x}").into()
        );
    }
    Ok(Mapped { file, seconds, counters, resident_bytes, shootdowns: shot, crc: mapped, denied })
}

/// Touches each page of the arena, or random ones, by threads.
fn touch(arena: &Arena, args: &MapArgs) -> Result<(), Error> {
    let line = ProgressBar::new_spinner();
    line.set_style(
        ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let stop = AtomicBool::new(false);
    let threads = u64::from(args.threads);
    let until = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let all = arena.bytes().div_ceil(4096);
    let pages = match args.pattern {
        Pattern::Sequential | Pattern::Random => all,
        Pattern::Loop => all.min(args.budget.saturating_add(args.budget / 4).div_ceil(4096)),
    };
    let before = shootdowns();
    let failed = std::thread::scope(|scope| {
        let stop = &stop;
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || -> Result<(), Error> {
                    let (first, last) = (pages * thread / threads, pages * (thread + 1) / threads);
                    let mut random = thread.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    loop {
                        for page in first..last {
                            if stop.load(Ordering::Relaxed) {
                                return Ok(());
                            }
                            // xorshift64: Marsaglia, Xorshift RNGs, 2003.
                            random ^= random << 13;
                            random ^= random >> 7;
                            random ^= random << 17;
                            let page = match args.pattern {
                                Pattern::Sequential | Pattern::Loop => page,
                                Pattern::Random => random % pages,
                            };
                            arena.peek(page * 4096)?;
                        }
                        if until.is_none() {
                            return Ok(());
                        }
                    }
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(LIVE);
            let Counters { faults, fills, evicted, batches, denied, .. } = arena.counters();
            let shot = shootdowns().zip(before).map(|(now, then)| now.saturating_sub(then).to_string());
            let shot = shot.unwrap_or_else(|| "uncounted".into());
            let resident = arena.resident_bytes() >> 20;
            line.set_message(format!(
                "{resident} MiB, {faults} faults, {fills} filled, {evicted} evicted in {batches} batches, {denied} denied, {shot} shootdowns"
            ));
            line.tick();
            stop.fetch_or(until.is_some_and(|until| Instant::now() >= until), Ordering::Relaxed);
        }
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    });
    line.finish_and_clear();
    failed
}

/// CRC-32C of the arena's bytes, read through it.
fn through(arena: &Arena) -> Result<u32, Error> {
    let mut buffer = vec![0; arena.block_bytes()];
    let (mut offset, mut crc) = (0, 0);
    while offset < arena.bytes() {
        let length = buffer.len().min((arena.bytes() - offset) as usize);
        arena.read(offset, &mut buffer[..length])?;
        crc = crc32c::crc32c_append(crc, &buffer[..length]);
        offset += length as u64;
    }
    Ok(crc)
}

/// The same of its blocks decoded one by one, zeros for those that are denied or damaged; and how many are denied.
fn decoded(container: &Container) -> (u32, u64) {
    let block_bytes = container.header().block_size.bytes();
    let (mut scratch, mut block) = (Scratch::new(block_bytes), vec![0; block_bytes]);
    let (mut crc, mut denied) = (0, 0);
    for number in 0..container.header().blocks() {
        if let Err(error) = container.fill(number, &mut block, &mut scratch) {
            denied += u64::from(matches!(error, SourceError::Denied { .. }));
            block.fill(0);
        }
        let length = block_bytes.min((container.bytes() - number * block_bytes as u64) as usize);
        crc = crc32c::crc32c_append(crc, &block[..length]);
    }
    (crc, denied)
}

/// What became of it.
pub(super) struct Mapped {
    file: String,
    seconds: f64,
    counters: Counters,
    resident_bytes: u64,
    shootdowns: Option<u64>,
    crc: u32,
    denied: u64,
}

impl Report for Mapped {
    fn text(&self) -> String {
        let c = &self.counters;
        let shot = self
            .shootdowns
            .map_or_else(|| "not counted here".into(), |shot| format!("{shot} on this machine meanwhile"));
        pairs([
            ("mapped", format!("{} for {:.2} s", self.file, self.seconds)),
            ("in memory", format!("{} bytes", self.resident_bytes)),
            (
                "faults",
                format!(
                    "{}, blocks filled {}, ahead {}, waits for room {}",
                    c.faults,
                    c.fills,
                    c.ahead + c.prefetched,
                    c.waits
                ),
            ),
            (
                "evicted",
                format!("{}, unmapped {} by {} calls, rescued {}", c.evicted, c.unmapped, c.batches, c.rescued),
            ),
            ("denied", format!("{} fills; {} blocks of the file", c.denied, self.denied)),
            ("failed", c.failed.to_string()),
            ("shootdowns", shot),
            ("CRC-32C", format!("{:#010x}, mapped and decoded block by block", self.crc)),
        ])
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "command": "mem_map",
            "file": self.file,
            "seconds": self.seconds,
            "counters": to_json(&self.counters),
            "resident_bytes": self.resident_bytes,
            "shootdowns": self.shootdowns,
            "crc32c": self.crc,
            "denied_blocks": self.denied,
        })
    }
}
