//! Every trace at every capacity. A cell, one trace at one capacity, is played by all baselines and by a fresh device;
//! cells run on as many cores as there are, and their results come in the order of the cells.

use std::cell::{Cell as Count, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use kvcpu_driver::Device;
use kvcpu_mmio::{Backing, Geometry};

use super::report::{Sweep, Swept};
use super::tuning::{Tuned, Tuner};
use super::{Args, Half, PolicyError, html};
use crate::baseline::{Kind, NextUse, run_warm};
use crate::device::DeviceArgs;
use crate::replay::{self, BLOCK_SHIFT, ReplayError, SAMPLE, SAMPLE_NAME, Script, most_blocks};
use crate::trace::{Dense, Reading, read, read_path};

/// The policies in the order of reports; the device is [`None`].
const ORDER: [Option<Kind>; 7] = [
    Some(Kind::Fifo),
    Some(Kind::Lru),
    Some(Kind::Arc),
    Some(Kind::S3Fifo),
    Some(Kind::Sieve),
    None,
    Some(Kind::Belady),
];

/// Requests between two looks at the progress.
const PROGRESS_EVERY: usize = 64;

/// A trace with all that its cells share.
struct Play<'a> {
    name: &'a str,
    script: Script<'a>,
    dense: Dense,
    future: NextUse,
    /// Requests that only warm the caches.
    warm: usize,
}

/// One trace at one capacity.
struct Cell<'a> {
    play: &'a Play<'a>,
    capacity: u32,
}

/// What came of a cell: the hits of each policy, and what tuning did.
#[derive(Default)]
struct Outcome {
    hits: Vec<u64>,
    tuned: Option<Tuned>,
}

/// The device of the cells.
struct Bench<'a> {
    /// What a cell's device is asked to be.
    replay: replay::Args,
    open: &'a (dyn Fn() -> Result<Arc<dyn Backing>, PolicyError> + Sync),
    deadline: Duration,
    /// The window of tuning and when it begins, if it is on.
    tune: Option<(u32, usize)>,
    order: Vec<Option<Kind>>,
    progress: ProgressBar,
}

/// Runs the sweep, and writes the page if one was asked for. The caller prints the result.
pub fn policy(args: &Args, device: &DeviceArgs) -> Result<Sweep, PolicyError> {
    let open = || device.backing().map_err(PolicyError::Device);
    let geometry = geometry(open()?)?;
    for &capacity in &args.capacities.0 {
        let most = most_blocks(&geometry, 1 << BLOCK_SHIFT);
        if u64::from(capacity) > most {
            return Err(PolicyError::Capacity { capacity, most, entries: geometry.entries() });
        }
    }
    let readings = read_all(args)?;
    let plays = readings
        .iter()
        .map(|(name, reading)| prepare(args, name, reading))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = &args.html {
        // Better to hear of a bad path before the run than after it.
        write_page(path, "")?;
    }
    let capacities = &args.capacities.0;
    let cells: Vec<Cell<'_>> = plays
        .iter()
        .flat_map(|play| capacities.iter().map(move |&capacity| Cell { play, capacity }))
        .collect();
    let bench = Bench {
        replay: replay::Args::new(args.play.clone()),
        open: &open,
        deadline: device.deadline(),
        tune: args.tune.then_some((args.tune_window, args.tune_after)),
        order: ORDER.into_iter().filter(|who| who.is_none() || !args.play.no_baselines).collect(),
        progress: progress(&cells),
    };
    let workers = if device.is_private() { thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let outcomes = run_cells(&cells, &bench, workers)?;
    bench.progress.finish_and_clear();
    let by_trace = outcomes.chunks(capacities.len()).zip(&readings).zip(&plays);
    let traces = by_trace
        .map(|((outcomes, (_, reading)), play)| swept(args, reading, play, &bench.order, outcomes))
        .collect();
    let sweep = Sweep { traces };
    if let Some(path) = &args.html {
        write_page(path, &html::page(&sweep).map_err(PolicyError::Page)?)?;
    }
    Ok(sweep)
}

fn geometry(backing: Arc<dyn Backing>) -> Result<Geometry, PolicyError> {
    let device = Device::probe(backing).map_err(|error| PolicyError::Device(error.into()))?;
    Ok(*device.geometry())
}

fn write_page(path: &Path, page: &str) -> Result<(), PolicyError> {
    std::fs::write(path, page).map_err(|source| PolicyError::Output { path: path.to_owned(), source })
}

fn read_all(args: &Args) -> Result<Vec<(String, Reading)>, PolicyError> {
    let options = args.play.read_options();
    let named = |name: String, reading: Result<Reading, _>| match reading {
        Ok(reading) => Ok((name, reading)),
        Err(error) => Err(PolicyError::Trace { trace: name, source: ReplayError::Trace(error) }),
    };
    if args.traces.is_empty() {
        return Ok(vec![named(SAMPLE_NAME.to_string(), read(SAMPLE, &options))?]);
    }
    args.traces
        .iter()
        .map(|path| named(path.display().to_string(), read_path(path, &options)))
        .collect()
}

fn prepare<'a>(args: &Args, name: &'a str, reading: &'a Reading) -> Result<Play<'a>, PolicyError> {
    let trace = &reading.trace;
    if args.half == Half::Second && trace.len() < 2 {
        return Err(PolicyError::NoHalf { trace: name.to_string() });
    }
    let script =
        Script::new(trace, &args.play).map_err(|source| PolicyError::Trace { trace: name.to_string(), source })?;
    let dense = trace.dense();
    Ok(Play { name, script, future: NextUse::new(&dense), dense, warm: args.half.warm(trace.len()) })
}

fn progress(cells: &[Cell<'_>]) -> ProgressBar {
    let progress = ProgressBar::new(cells.iter().map(|cell| cell.play.dense.len() as u64).sum());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} requests at all capacities, {eta} left");
    progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    progress
}

fn run_cells(cells: &[Cell<'_>], bench: &Bench<'_>, workers: usize) -> Result<Vec<Outcome>, PolicyError> {
    // The largest come first, so that no core is left with one at the end.
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|&cell| std::cmp::Reverse(cells[cell].play.dense.references()));
    let taken = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(&cell) = order.get(taken.fetch_add(1, Ordering::Relaxed)) {
            let result = run_cell(&cells[cell], bench);
            if result.is_err() {
                // Nobody begins another.
                taken.store(cells.len(), Ordering::Relaxed);
            }
            done.push((cell, result));
        }
        done
    };
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..workers.min(cells.len())).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            match other.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|(cell, _)| *cell);
    results.into_iter().map(|(_, result)| result).collect()
}

fn run_cell(cell: &Cell<'_>, bench: &Bench<'_>) -> Result<Outcome, PolicyError> {
    let mut outcome = Outcome::default();
    for who in &bench.order {
        let hits = match who {
            Some(kind) => {
                let mut policy = kind.build(cell.capacity as usize, &cell.play.future);
                run_warm(&mut *policy, &cell.play.dense, cell.play.warm).hits as u64
            }
            None => {
                let (hits, tuned) = play_device(cell, bench)?;
                outcome.tuned = tuned;
                hits
            }
        };
        outcome.hits.push(hits);
    }
    Ok(outcome)
}

fn play_device(&Cell { play, capacity }: &Cell<'_>, bench: &Bench<'_>) -> Result<(u64, Option<Tuned>), PolicyError> {
    let backing = (bench.open)()?;
    let tuner = RefCell::new(bench.tune.map(|(window, after)| Tuner::new(backing.clone(), window, after)));
    let served = Count::new(0_usize);
    let after_each = || {
        if let Some(tuner) = &mut *tuner.borrow_mut() {
            tuner.round();
        }
        served.set(served.get() + 1);
        if served.get().is_multiple_of(PROGRESS_EVERY) {
            bench.progress.inc(PROGRESS_EVERY as u64);
        }
    };
    let (args, deadline) = (&bench.replay, bench.deadline);
    let hits = play
        .script
        .play_alone(capacity, args, backing, deadline, play.warm, &after_each)
        .map_err(|source| PolicyError::Trace { trace: play.name.to_string(), source })?;
    let tuned = tuner.into_inner().map(Tuner::finish).transpose();
    Ok((hits, tuned.map_err(|error| PolicyError::Device(error.into()))?))
}

fn swept(args: &Args, reading: &Reading, play: &Play<'_>, order: &[Option<Kind>], cells: &[Outcome]) -> Swept {
    let lines = order
        .iter()
        .enumerate()
        .map(|(i, who)| (*who, cells.iter().map(|cell| cell.hits[i]).collect()));
    Swept {
        trace: play.name.to_string(),
        requests: play.dense.len(),
        references: play.dense.chains().skip(play.warm).map(<[u32]>::len).sum(),
        unique: play.dense.unique(),
        skipped_lines: reading.skipped.total,
        hints: play.script.hints(),
        half: args.half,
        capacities: args.capacities.0.clone(),
        lines: lines.collect(),
        tuned: cells.iter().filter_map(|cell| cell.tuned).collect(),
    }
}
