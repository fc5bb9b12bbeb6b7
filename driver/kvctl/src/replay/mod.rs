//! `kvctl replay`: a serving trace through the driver into a device, with real bytes.
//! `docs/replay.md`.

mod args;
mod beside;
pub mod content;
mod drain;
mod engine;
pub(crate) mod html;
pub mod prefetch;
mod report;
mod script;
mod t3;
mod table;
mod tell;
mod timeline;
pub mod timing;

pub use args::{Args, BLOCK_SHIFT, Capacity, PlayArgs};
pub use engine::{Engine, Tally};
pub use report::{Baseline, Report};
pub use script::{Script, most_blocks};
pub use t3::Served;

use self::beside::Beside;
use crate::baseline::{Kind, curve};
use crate::hint::HintError;
use crate::trace::{Reading, TraceError, read, read_path};
use indicatif::{ProgressBar, ProgressStyle};
use kvcpu_driver::{Config, Device, DriverError};
use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_store::{StoreError, T3File, T3Options};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use timeline::Timeline;

/// The trace that is replayed if none is named: `docs/traces.md` says how it was made.
pub const SAMPLE: &[u8] = include_bytes!("../../samples/sample.jsonl");
/// What reports call it.
pub const SAMPLE_NAME: &str = "bundled sample";

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Two devices have no memory in common.
    #[error("two devices beside each other can be compared without bytes only; add --metadata-only")]
    BesideBytes,
    /// They do not do the same.
    #[error("{0}")]
    Differ(String),
    /// The trace cannot be used.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The hints asked for cannot be given.
    #[error(transparent)]
    Hint(#[from] HintError),
    /// The device or the driver failed.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// T3's file failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device refused a command that it should carry out.
    #[error(
        "the device refused a command on block {}/{}/{:#x} with {}; \
         run `kvctl selftest` on it",
        key.tenant, key.request, key.tag, status_name(*status)
    )]
    Refused {
        /// The block.
        key: Key,
        /// The status.
        status: u16,
    },
    /// The device would not take the trace's time.
    #[error("the device refused STEP_ADVANCE to {step} with {}; run `kvctl selftest` on it", status_name(*status))]
    StepRefused {
        /// The step.
        step: u32,
        /// The status.
        status: u16,
    },
    /// The device named a tier that does not exist.
    #[error("the device says that block {:#x} is in tier {tier}, which does not exist; run `kvctl selftest` on it", key.tag)]
    NoSuchTier {
        /// The block.
        key: Key,
        /// The tier.
        tier: u8,
    },
    /// A block that the directory holds could not be read at the end.
    #[error("the directory holds block {:#x}, but it cannot be read back: the device lost it; run `kvctl selftest` on it", key.tag)]
    Lost {
        /// The block.
        key: Key,
    },
    /// Only T3 has a capacity.
    #[error("a runtime reaches no block in T3 alone; give --t0, --t1 or --t2 a capacity too")]
    OnlyT3,
    /// T3 did not do what it was asked.
    #[error("{failure}; T3 had failed {count} times before, first: {first}")]
    T3 {
        /// What the replay met.
        failure: Box<ReplayError>,
        /// Failures of T3.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// Frames were reused while an agent could still read them.
    #[error("{violations} frames were reused while an agent could still read them; run `kvctl selftest` on the device")]
    Luf {
        /// Frames.
        violations: u32,
    },
    /// The file for T3 is there already.
    #[error("{}: a file is there already; name another with --t3-path, or remove it", path.display())]
    T3Exists {
        /// The file.
        path: PathBuf,
    },
    /// The device was not configured before the replay.
    #[error("the device is not configured; configure it before a replay")]
    NotConfigured,
    /// The trace's time does not fit the device's step register.
    #[error("request at {timestamp_ms} ms is step {step}, beyond 32 bits; use a greater --step-ms")]
    StepOverflow {
        /// The request's time.
        timestamp_ms: u64,
        /// The step it would be.
        step: u64,
    },
    /// A file could not be written.
    #[error("{}: {source}; check the path and its permissions", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A plot could not be drawn.
    #[error("drawing the report: {0}")]
    Plot(String),
    /// A block came back with other bytes than were written.
    #[error(
        "{mismatches} of {checked} blocks read back held other bytes than their keys say: the device lost or mixed up data; run `kvctl selftest` on it"
    )]
    Mismatch {
        /// Blocks that differed.
        mismatches: u64,
        /// Blocks compared.
        checked: u64,
    },
    /// The directory was not empty after everything in it had been released.
    #[error("{left} directory entries are left after every block was released; run `kvctl selftest` on the device")]
    NotEmpty {
        /// Entries.
        left: u32,
    },
}

fn status_name(code: u16) -> String {
    Status::from_code(code).map_or_else(|| format!("unknown status {code}"), |s| format!("{s:?}: {}", s.describe()))
}

/// Replays a trace and returns what came of it. The caller prints it. A device that shows no sign
/// of life for `deadline` is an error.
pub fn replay(args: &Args, backing: Arc<dyn Backing>, deadline: Duration) -> Result<Report, ReplayError> {
    replay_on(args, backing, None, deadline)
}

/// The same with a second device beside the first, which must complete every command alike, count alike and end with the same
/// directory. Metadata only.
pub fn replay_beside(
    args: &Args,
    backing: Arc<dyn Backing>,
    beside: Arc<dyn Backing>,
    deadline: Duration,
) -> Result<Report, ReplayError> {
    replay_on(args, backing, Some(beside), deadline)
}

fn replay_on(
    args: &Args,
    backing: Arc<dyn Backing>,
    beside: Option<Arc<dyn Backing>>,
    deadline: Duration,
) -> Result<Report, ReplayError> {
    let options = args.play.read_options();
    let (name, reading) = match &args.trace {
        Some(path) => (path.display().to_string(), read_path(path, &options)?),
        None => (SAMPLE_NAME.to_string(), read(SAMPLE, &options)?),
    };
    let script = Script::new(&reading.trace, &args.play)?;
    let device: Device = Device::probe(backing)?;
    let config = Config { deadline, ..args.config(device.geometry()) };
    if config.tiers[..3].iter().all(|tier| tier.limit == 0) && config.tiers[3].limit > 0 {
        return Err(ReplayError::OnlyT3);
    }
    config.check(device.geometry()).map_err(DriverError::from)?;
    if let Some(path) = &args.html {
        // Better to hear of a bad path before the run than after it.
        std::fs::write(path, "").map_err(|source| ReplayError::Output { path: path.clone(), source })?;
    }
    serve_t3(args, &config, &device)?;
    device.configure(config.clone())?;
    let beside = beside.map(|backing| Beside::new(backing, &config)).transpose()?;
    let mut report = play(&script, &device, beside, &config, args, name, &reading).map_err(|failure| {
        let errors = device.take_service_errors();
        match errors.first() {
            None => failure,
            Some(first) => {
                let (count, first) = (errors.len(), first.to_string());
                ReplayError::T3 { failure: Box::new(failure), count, first }
            }
        }
    })?;
    if !args.play.no_baselines {
        let dense = reading.trace.dense();
        report.add_baselines(&curve(&Kind::ALL, &[report.capacity_blocks as usize], &dense));
    }
    report.hints = script.hints();
    if let Some(path) = &args.html {
        let page = html::page(&report, &script, args, *device.geometry())?;
        std::fs::write(path, page).map_err(|source| ReplayError::Output { path: path.clone(), source })?;
    }
    Ok(report)
}

/// Gives the device a T3, if it has one and bytes move.
fn serve_t3(args: &Args, config: &Config, device: &Device) -> Result<(), ReplayError> {
    if !config.uses_t3() {
        return Ok(());
    }
    let slots = config.tiers[3].frames;
    let options = T3Options { durable: args.t3_durable, ..T3Options::default() };
    let create = |path: &Path| T3File::create_with(path, config.block_bytes(), slots, &options);
    let file = match &args.t3_path {
        Some(path) if path.exists() => return Err(ReplayError::T3Exists { path: path.clone() }),
        Some(path) => create(path)?,
        None => {
            // The file lives on without a name until the process ends, however it ends.
            let output = |source| ReplayError::Output { path: std::env::temp_dir(), source };
            let folder = tempfile::Builder::new().prefix("kvctl-t3-").tempdir().map_err(output)?;
            create(&folder.path().join("t3"))?
        }
    };
    device.set_t3_backend(Box::new(Served::new(file)));
    Ok(())
}

fn play(
    script: &Script<'_>,
    device: &Device,
    beside: Option<Beside>,
    config: &Config,
    args: &Args,
    name: String,
    reading: &Reading,
) -> Result<Report, ReplayError> {
    let trace = &reading.trace;
    let times = || trace.requests().iter().map(|request| request.timestamp_ms);
    let first_ms = times().next().unwrap_or(0);
    let mut timeline = Timeline::new(first_ms, times().next_back().unwrap_or(0));
    let progress = ProgressBar::new(trace.len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} requests, {eta} left");
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut engine = Engine::new(device)?;
    engine.beside = beside;
    let mut ledger = script.begin_prefetch_report(&mut engine, config, args.model_block_bytes);
    let begin = Instant::now();
    for (number, (request, chain)) in trace.iter().enumerate() {
        if timeline.ends_before(request.timestamp_ms) {
            timeline.close(device.occupancy()?.tiers.map(|tier| tier.used));
        }
        let hits = script.request(&mut engine, number, chain)?;
        timeline.add(request.timestamp_ms, chain.len() as u64, hits);
        if let Some(ledger) = &mut ledger {
            let at_ms = request.timestamp_ms - first_ms;
            ledger.serve(at_ms, args.play.step_ms, chain, hits.iter().sum::<u64>() as usize, &mut engine);
        }
        if number % 64 == 0 {
            progress.set_position(number as u64);
            engine.compare(device)?;
        }
    }
    engine.fence()?;
    let seconds = begin.elapsed().as_secs_f64();
    progress.finish_and_clear();
    timeline.close(device.occupancy()?.tiers.map(|tier| tier.used));
    let counters = device.counters()?;
    engine.compare(device)?;
    if let Some(beside) = &engine.beside {
        beside.compare_entries(device)?;
    }
    let drained = drain::drain(device, &mut engine)?;
    let violations = device.read(&kvcpu_mmio::regs::luf::LUF_VIOLATIONS)? as u32;
    let mut report = Report::new(name, device, config, reading, &engine.tally, &counters, seconds);
    report.timeline = timeline.into_points();
    report.compared = engine.beside.map(|beside| beside.commands);
    report.resident_at_end = drained.resident;
    report.luf_violations = violations;
    report.entries_left = drained.left;
    report.prefetch = ledger.map(|ledger| ledger.report().complete(config, &counters, engine.tally.raised));
    Ok(report)
}

impl Report {
    /// The verdict: an error if bytes were lost or mixed up, or the device's own invariants broken.
    pub fn verdict(&self) -> Result<(), ReplayError> {
        if self.mismatches > 0 {
            return Err(ReplayError::Mismatch { mismatches: self.mismatches, checked: self.blocks_checked });
        }
        if self.luf_violations > 0 {
            return Err(ReplayError::Luf { violations: self.luf_violations });
        }
        if self.entries_left > 0 {
            return Err(ReplayError::NotEmpty { left: self.entries_left });
        }
        Ok(())
    }
}
