//! A mutant under the streams, each in a process of its own.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The streams that mutants are tried on, those that catch much in little time first.
const STREAMS: [(&str, u64, u32); 16] = [
    ("metadata", 84, 120),
    ("faults", 1, 100),
    (REGISTERS, 4, 300),
    // The stash fills, and the quarantine holds dozens of frames.
    ("t3", 50, 300),
    // Moves fail whose sources are in quarantine, or whose destinations were never used.
    ("faults", 38, 300),
    // T3 lies.
    ("faults", 19, 400),
    // The stash holds entries when everything is compared; some agents are missing between others.
    ("metadata", 31, 400),
    // The device is stopped and begins anew after invalidations were acknowledged.
    ("metadata", 78, 400),
    ("bytes", 91, 400),
    ("t3", 36, 600),
    ("faults", 54, 400),
    ("history", 225, 1500),
    (REGISTERS, 20, 600),
    ("bytes", 31, 600),
    // Rings of sizes that do not fit, and a fetch that faults; pairs of registers that do something when written.
    (REGISTERS, 30, 130),
    (REGISTERS, 33, 200),
];

/// Not a kind of stream of commands: register accesses that no driver makes.
const REGISTERS: &str = "registers";

/// Times the original's clocks that a mutant gets.
const PATIENCE: u64 = 2;
/// Clocks that each gets in any case.
const LEAST: u64 = 1_000_000;
/// Ends a process that does nothing at all: far above what those many clocks take.
const BACKSTOP: Duration = Duration::from_secs(1800);

/// A stream of lockstep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stream {
    kind: String,
    seed: u64,
    commands: u32,
    /// What the original takes.
    pub(super) clocks: u64,
}

impl Stream {
    fn command(&self, program: &Path, mutant: u16) -> Command {
        let mut command = Command::new(program);
        command.args(["--brief", "--streams", "1", "--seed", &self.seed.to_string()]);
        if self.kind == REGISTERS {
            command.arg("--registers");
        } else {
            command.args(["--kind", &self.kind]);
        }
        command.args(["--commands", &self.commands.to_string(), "--strap", &format!("mutant={mutant}")]);
        command
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} operations)", self.kind, self.seed, self.commands)
    }
}

/// What became of a mutant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// Caught by a stream; what was seen.
    Caught(Stream, String),
    /// Not one of so many streams told it from the original.
    Survived(usize),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Caught(_, seen) => f.write_str(seen),
            Verdict::Survived(_) => f.write_str("survived"),
        }
    }
}

/// The streams, with the clocks that the original takes.
pub(super) fn measure(program: &Path, jobs: usize) -> Result<Vec<Stream>> {
    let of = |(kind, seed, commands): (&str, u64, u32)| {
        let stream = Stream { kind: kind.into(), seed, commands, clocks: 0 };
        let (equal, said) = end(stream.command(program, 0))?;
        ensure!(equal, "the original fails {stream}: {said}");
        let clocks = said.split(", ").find_map(|part| part.strip_suffix(" clocks")?.parse().ok());
        let clocks = clocks.with_context(|| format!("lockstep does not say how many clocks it took: {said}"))?;
        println!("the original: {stream} equal, {clocks} clocks");
        Ok(Stream { clocks, ..stream })
    };
    in_parallel(&STREAMS, jobs, |stream| of(*stream))
}

/// Tries a mutant on a stream, before which it has survived so many.
pub(super) fn judge(program: &Path, stream: &Stream, survived: usize, mutant: u16) -> Result<Verdict> {
    let mut command = stream.command(program, mutant);
    command.args(["--clocks", &(PATIENCE * stream.clocks + LEAST).to_string()]);
    let (equal, said) = end(command)?;
    Ok(if equal { Verdict::Survived(survived + 1) } else { Verdict::Caught(stream.clone(), said) })
}

/// Does the work for each item, `jobs` at a time; the results in the order of the items.
pub(super) fn in_parallel<I: Sync, R: Send>(
    items: &[I],
    jobs: usize,
    work: impl Fn(&I) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let worker = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some(item) = items.get(number) else { return Ok(()) };
            let result = work(item)?;
            results.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(_) => bail!("a worker panicked; its message is above"),
        })
    })?;
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}

/// Runs lockstep to its end: whether all was equal, and the last it said of a stream.
fn end(mut command: Command) -> Result<(bool, String)> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut pipe = child.stdout.take().context("the child has no output")?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > BACKSTOP {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let Ok(said) = reader.join() else { bail!("reading what lockstep says panicked") };
    let said = said?.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    Ok(match status {
        Some(status) if status.success() => (true, said),
        // 1 is a difference; a crash says nothing, or not in words.
        Some(status) if status.code() != Some(1) => (false, format!("{status} {said}")),
        Some(_) => (false, said),
        None => (false, "stood still".into()),
    })
}
