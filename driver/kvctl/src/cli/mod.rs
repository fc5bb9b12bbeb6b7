//! The command line: what can be typed, and which function answers.
//!
//! A mistyped line ends with exit code 2, everything else that goes wrong with 1, each with one line
//! that says what to do. Leaves out what the verbs do: each has its own module in the library.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{self, Command, Session, UapiArgs};
use crate::device::DeviceArgs;
use crate::output::{Output, to_json};
use crate::shell::ShellArgs;
use crate::{mem, policy, regs, replay, selftest, shell};

pub mod parse;
mod t3;
mod trace;

pub use parse::number;

/// Anything a verb can fail with. Shown as its chain of sources on one line.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The command line.
#[derive(Parser, Debug)]
#[command(
    name = "kvctl",
    version,
    about = "Drives a KV-CPU: replay a serving trace, look at registers, give commands, test a board."
)]
#[command(after_help = "Without a command kvctl replays its sample trace on the emulator.")]
struct Cli {
    #[command(flatten)]
    device: DeviceArgs,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    /// Log to stderr: -v what happens, -vv each step, -vvv every register access
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Give commands through the single-shot registers instead of a queue pair
    #[arg(long, global = true, help_heading = "Device")]
    single_shot: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Feed a serving trace through the device and report
    Replay(replay::Args),
    /// Compare the device with other policies over a range of capacities
    Policy(policy::Args),
    #[command(flatten)]
    Command(Command),
    /// Give many commands to one device, a line each
    Shell(ShellArgs),
    /// Show the device at a socket, for QEMU (vfio-user-pci) or for --device vfio-user:PATH
    Serve(ServeArgs),
    /// Offer the device as /dev/kvcpu0, with the public KV-CPU driver's ioctls (CUSE; needs root)
    Uapi(UapiArgs),
    /// Test a device from the ground up; what it held is lost
    Selftest(SelftestArgs),
    /// Make and measure serving traces
    Trace(trace::TraceArgs),
    /// Look into a T3 file
    T3(t3::T3Args),
    /// Sealed files, and memory that is filled from them by page faults
    Mem(mem::MemArgs),
}

/// Options of `kvctl serve`.
#[derive(clap::Args, Debug)]
struct ServeArgs {
    /// Where to listen
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// End after so many clients
    #[arg(long, value_name = "N")]
    clients: Option<u64>,
}

/// Options of `kvctl selftest`.
#[derive(clap::Args, Debug)]
struct SelftestArgs {
    /// Sample where the whole set takes long
    #[arg(long)]
    quick: bool,
    /// Only tests whose name contains this; may be repeated
    #[arg(long, value_name = "NAME", value_parser = test_name)]
    only: Vec<String>,
}

fn test_name(text: &str) -> Result<String, String> {
    if selftest::names().any(|name| name.contains(text)) {
        return Ok(text.to_owned());
    }
    let all: Vec<_> = selftest::names().collect();
    Err(format!("no test has that in its name; there are {}", all.join(", ")))
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let mut cli = Cli::parse_from(&typed);
    if cli.verb.is_none() {
        // No verb means `replay` with its defaults; the options that were given stay.
        cli = Cli::parse_from(typed.into_iter().chain(["replay".into()]));
    }
    log(cli.verbose);
    let output = Output { json: cli.json };
    match run(cli, output) {
        Ok(code) => code,
        Err(error) => {
            complain(&*error, output);
            ExitCode::FAILURE
        }
    }
}

/// Says where the device is served, now that it is: `what` is the name of the place in JSON.
fn ready(output: Output, device: &DeviceArgs, what: &str, place: &str) -> std::io::Result<()> {
    let name = device.device.to_string();
    let text = if output.json {
        serde_json::json!({ "device": name, what: place }).to_string()
    } else {
        format!("{name} at {place}")
    };
    output.line(&text)
}

fn run(cli: Cli, output: Output) -> Result<ExitCode, Error> {
    match cli.verb {
        Some(Verb::Replay(args)) => {
            let deadline = cli.device.deadline();
            let report = match cli.device.pair()? {
                Some((first, second)) => replay::replay_beside(&args, first, second, deadline)?,
                None => replay::replay(&args, cli.device.backing()?, deadline)?,
            };
            output.line(&if output.json { to_json(&report).to_string() } else { report.to_string() })?;
            report.verdict()?;
        }
        Some(Verb::Serve(args)) => {
            let server = kvcpu_serve::Server::bind(&args.socket, cli.device.served()?)?;
            ready(output, &cli.device, "socket", &args.socket.display().to_string())?;
            server.run(args.clients)?;
        }
        Some(Verb::Uapi(args)) => {
            let session = Session::new(cli.device.probe()?, cli.single_shot);
            commands::offer(&args, session, |name| Ok(ready(output, &cli.device, "node", &format!("/dev/{name}"))?))?;
        }
        Some(Verb::Policy(args)) => {
            let sweep = policy::policy(&args, &cli.device)?;
            // Rows keep the order of their members, which a JSON value would sort.
            output.line(&if output.json { serde_json::to_string(&sweep.rows())? } else { sweep.to_string() })?;
        }
        Some(Verb::Command(Command::Regs(args))) if args.is_list() => {
            if let Some(report) = regs::list(&args) {
                output.show(&*report?)?;
            }
        }
        Some(Verb::Command(command)) => {
            let mut session = Session::new(cli.device.probe()?, cli.single_shot);
            output.show(&*session.run(&command)?)?;
        }
        Some(Verb::Shell(args)) => {
            let mut session = Session::new(cli.device.probe()?, cli.single_shot);
            return shell::run(&args, &mut session, output);
        }
        Some(Verb::Selftest(SelftestArgs { quick, only })) => {
            let options = selftest::Options { deadline: cli.device.deadline(), quick, only };
            let report = selftest::run(&cli.device.backing()?, &options);
            output.show(&report)?;
            // Nothing tested is nothing passed.
            if report.failed() > 0 || report.passed() == 0 {
                return Ok(ExitCode::FAILURE);
            }
        }
        Some(Verb::Trace(args)) => trace::run(&args, output)?,
        Some(Verb::T3(args)) => return t3::run(&args, output),
        Some(Verb::Mem(args)) => return mem::run(&args, &cli.device, output),
        None => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into());
    // Colours are for people: a log in a file is searched.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).init();
}

/// An error and what it came from, on one line.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text.replace('\n', " ")
}

/// Says what went wrong: to people on stderr, to programs as an object in place of the result.
fn complain(error: &dyn std::error::Error, output: Output) {
    let text = describe(error);
    eprintln!("kvctl: {text}");
    if output.json {
        // If stdout is gone too there is nobody left to tell.
        let _ = output.line(&serde_json::json!({ "error": text }).to_string());
    }
}
