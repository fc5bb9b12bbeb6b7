//! A mutant under the streams, each in a process of its own.

use anyhow::{Context, Result, bail, ensure};
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The streams that mutants are tried on, those that catch much in little time first.
pub(super) const STREAMS: [Stream; 10] = [
    Stream::new("metadata", 1, 150),
    Stream::new("bytes", 0, 100),
    Stream::new("t3", 0, 150),
    Stream::new("faults", 0, 150),
    Stream::new("metadata", 3, 400),
    Stream::new("history", 1, 800),
    Stream::new("bytes", 4, 300),
    Stream::new("t3", 4, 300),
    Stream::new("t3", 7, 300),
    Stream::new("faults", 7, 300),
];

/// Times the original's clocks that a mutant gets.
const PATIENCE: u64 = 3;
/// Clocks that each gets in any case.
const LEAST: u64 = 1_000_000;
/// Ends a process that does nothing at all: far above what those many clocks take.
const BACKSTOP: Duration = Duration::from_secs(1800);

/// A stream of lockstep.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    kind: &'static str,
    seed: u64,
    commands: u32,
    /// What the original takes.
    pub(super) clocks: u64,
}

impl Stream {
    const fn new(kind: &'static str, seed: u64, commands: u32) -> Stream {
        Stream { kind, seed, commands, clocks: 0 }
    }

    fn command(&self, program: &Path, mutant: u16) -> Command {
        let mut command = Command::new(program);
        command.args(["--brief", "--streams", "1", "--kind", self.kind, "--seed", &self.seed.to_string()]);
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
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// Caught by a stream; what was seen.
    Caught(Stream, String),
    /// No stream told it from the original.
    Survived,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Caught(_, seen) => f.write_str(seen),
            Verdict::Survived => f.write_str("SURVIVED"),
        }
    }
}

/// The stream with the clocks that the original takes, and the seconds.
pub(super) fn measure(program: &Path, stream: Stream) -> Result<(Stream, f64)> {
    let start = Instant::now();
    let (equal, said) = end(stream.command(program, 0))?;
    ensure!(equal, "the original fails {stream}: {said}");
    let clocks = said.split(", ").find_map(|part| part.strip_suffix(" clocks")?.parse().ok());
    let clocks = clocks.with_context(|| format!("lockstep does not say how many clocks it took: {said}"))?;
    Ok((Stream { clocks, ..stream }, start.elapsed().as_secs_f64()))
}

/// Tries a mutant on the streams in turn.
pub(super) fn judge(program: &Path, streams: &[Stream], mutant: u16) -> Result<Verdict> {
    for stream in streams {
        let mut command = stream.command(program, mutant);
        command.args(["--clocks", &(PATIENCE * stream.clocks + LEAST).to_string()]);
        let (equal, said) = end(command)?;
        if !equal {
            return Ok(Verdict::Caught(stream.clone(), said));
        }
    }
    Ok(Verdict::Survived)
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
