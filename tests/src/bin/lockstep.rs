//! Emulator and RTL in lockstep under random streams, seed after seed, without end or until they differ. `cargo xtask lockstep`.
//!
//! A stream follows from its kind and its seed, and a shorter one is the beginning of a longer one: so the command that replays
//! a difference is the kind, the seed, and the operations up to the difference. Beside it stand, in a folder, what each side was
//! told and answered, a cut-down list of operations, and with the feature `trace` the waveform.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use kvcpu_mmio::Geometry;
use kvcpu_sim::RtlOptions;
use kvcpu_tests::check;
use kvcpu_tests::lockstep::{Lockstep, Stream};
use kvcpu_tests::registers;
use kvcpu_tests::stream::{Op, Scenario};

/// Runs emulator and RTL side by side under the same random commands
#[derive(Parser)]
struct Options {
    /// Kinds of stream, in turn; all of them if none is given
    #[arg(long, value_enum)]
    kind: Vec<Stream>,
    /// Instead of streams of commands, register accesses that no driver makes
    #[arg(long, conflicts_with = "kind")]
    registers: bool,
    /// Seed of the first stream; each round takes the next
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Streams to run; without it and `--minutes` there is no end
    #[arg(long)]
    streams: Option<u64>,
    /// Begin no stream after this time
    #[arg(long)]
    minutes: Option<u64>,
    /// Operations of a stream
    #[arg(long, default_value_t = 400)]
    commands: usize,
    /// Folder for what is written on a difference
    #[arg(long, default_value = "target/lockstep")]
    out: PathBuf,
    /// On a difference say what it is, and neither cut it down nor write anything
    #[arg(long)]
    brief: bool,
    /// Clocks of a stream after which the RTL counts as dead
    #[arg(long, default_value_t = u64::MAX)]
    clocks: u64,
    /// An input of the design beside the device's own, and what it is tied to
    #[arg(long, value_name = "PORT=VALUE", value_parser = strap)]
    strap: Vec<(String, u64)>,
}

fn strap(text: &str) -> Result<(String, u64), String> {
    let (port, value) = text.split_once('=').ok_or("write it as PORT=VALUE")?;
    Ok((port.to_owned(), value.parse().map_err(|error| format!("{value}: {error}"))?))
}

/// What came of a stream.
struct Outcome {
    /// Operations begun.
    begun: usize,
    commands: u64,
    clocks: u64,
    /// What each side was told and answered: emulator, RTL.
    traces: [String; 2],
    difference: Option<String>,
}

fn play(scenario: &Scenario, ops: &[Op], options: RtlOptions) -> Outcome {
    let mut outcome = Outcome { begun: 0, commands: 0, clocks: 0, traces: Default::default(), difference: None };
    let run = || {
        let mut lockstep = Lockstep::new(scenario, options)?;
        let mut result = Ok(());
        for op in ops {
            outcome.begun += 1;
            result = lockstep.play(op);
            if result.is_err() {
                break;
            }
        }
        let result = result.and_then(|()| lockstep.end());
        (outcome.commands, outcome.clocks) = (lockstep.commands, lockstep.clocks());
        outcome.traces = lockstep.into_traces();
        result
    };
    let result = catch_unwind(AssertUnwindSafe(run));
    outcome.difference = result.unwrap_or_else(|_| Err("a panic, printed above".into())).err();
    outcome
}

fn main() -> ExitCode {
    let options = Options::parse();
    let kinds = if options.kind.is_empty() { Stream::ALL.to_vec() } else { options.kind.clone() };
    let (start, mut commands, mut clocks) = (Instant::now(), 0, 0);
    let mut streams = 0;
    let is_end = |streams| {
        let late = options
            .minutes
            .is_some_and(|minutes| start.elapsed() >= Duration::from_secs(60 * minutes));
        late || options.streams.is_some_and(|most| streams >= most)
    };
    let surroundings =
        |seed| RtlOptions { limit: options.clocks, straps: options.strap.clone(), ..Stream::timing(seed) };
    if options.registers {
        for seed in options.seed.. {
            if is_end(streams) {
                break;
            }
            let length = u32::try_from(options.commands).unwrap_or(u32::MAX);
            let (done, result) = registers::run(seed, length, Geometry::SMALL, surroundings(seed));
            streams += 1;
            clocks += done.clocks;
            if let Err(difference) = result {
                println!("registers seed {seed}, operation {} of {length}: {difference}", done.operations);
                return ExitCode::FAILURE;
            }
            println!(
                "registers seed {seed}: equal; {streams} streams, {} accesses, {clocks} clocks, so far",
                done.accesses
            );
        }
        return ExitCode::SUCCESS;
    }
    for (seed, kind) in (options.seed..).flat_map(|seed| kinds.iter().map(move |kind| (seed, *kind))) {
        if is_end(streams) {
            break;
        }
        let (scenario, ops) = kind.make(seed, options.commands, Geometry::SMALL);
        let rtl = surroundings(seed);
        let outcome = play(&scenario, &ops, rtl.clone());
        streams += 1;
        commands += outcome.commands;
        clocks += outcome.clocks;
        if let Some(difference) = &outcome.difference {
            println!("{kind} seed {seed}, operation {} of {}: {difference}", outcome.begun, ops.len());
            if !options.brief {
                report(&options, (kind, seed), &scenario, &ops[..outcome.begun], &rtl, &outcome);
            }
            return ExitCode::FAILURE;
        }
        let seconds = start.elapsed().as_secs();
        println!(
            "{kind} seed {seed}: equal; {streams} streams, {commands} commands, {clocks} clocks, {seconds} s so far"
        );
    }
    ExitCode::SUCCESS
}

/// Writes what is needed to look into a difference, and says where it is.
fn report(
    options: &Options,
    (kind, seed): (Stream, u64),
    scenario: &Scenario,
    ops: &[Op],
    rtl: &RtlOptions,
    outcome: &Outcome,
) {
    let straps: String = options.strap.iter().map(|(port, value)| format!(" --strap {port}={value}")).collect();
    let traced = if cfg!(feature = "trace") { " --waveform" } else { "" };
    println!(
        "replay: cargo xtask lockstep{traced} -- --kind {kind} --seed {seed} --commands {} --streams 1{straps}",
        ops.len()
    );
    let folder = options.out.join(format!("{kind}-{seed}"));
    if let Err(error) = write(&folder, scenario, ops, rtl, outcome) {
        println!("cannot write {}: {error}", folder.display());
        return;
    }
    let waveform = if cfg!(feature = "trace") { "rtl.vcd" } else { "no waveform: `cargo xtask lockstep --waveform`" };
    println!("{}: emulator.txt, rtl.txt, fewer.txt, {waveform}", folder.display());
}

fn write(
    folder: &Path,
    scenario: &Scenario,
    ops: &[Op],
    rtl: &RtlOptions,
    outcome: &Outcome,
) -> Result<(), std::io::Error> {
    std::fs::create_dir_all(folder)?;
    for (name, trace) in ["emulator.txt", "rtl.txt"].iter().zip(&outcome.traces) {
        std::fs::write(folder.join(name), format!("{scenario:#?}\n{trace}"))?;
    }
    if cfg!(feature = "trace") {
        play(scenario, ops, RtlOptions { waveform: Some(folder.join("rtl.vcd")), ..rtl.clone() });
    }
    let first = outcome.difference.clone().unwrap_or_default();
    let again = |ops: &[Op]| play(scenario, ops, rtl.clone()).difference.map_or(Ok(()), Err);
    let (fewer, error) = check::shrink(ops.to_vec(), first, again);
    let listing: String = fewer.iter().map(|op| format!("{op:?}\n")).collect();
    std::fs::write(folder.join("fewer.txt"), format!("{error}\n\n{listing}"))
}
