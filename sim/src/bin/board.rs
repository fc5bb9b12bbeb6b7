//! `cargo run --release -p kvcpu-sim --bin board`: the simulated board at a pseudo-terminal, until it is ended. `docs/uart.md`.
//!
//! Its first line of output is the terminal's path, by itself, for scripts.

use clap::Parser;
use kvcpu_sim::uart::{Board, Port};
use nix::sys::signal::{SigSet, Signal};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is looked whether the board still runs.
const LOOK: Duration = Duration::from_millis(100);

/// The board with a serial line (64 entries, 1 MiB of card memory) under Verilator, at a pseudo-terminal
#[derive(Parser)]
#[command(name = "board")]
struct Options {
    /// Seed of what is random: what memories hold at first, the latency of the card's memory
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Make a symbolic link to the terminal here, in place of one that is there
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // Before there are other threads: they take over which signals are blocked.
    let asked = ends_by_signal()?;
    let port = Port::open(Board::new(options.seed)?).map_err(|error| format!("no pseudo-terminal: {error}"))?;
    println!("{}", port.path().display());
    std::io::stdout().flush()?;
    if let Some(link) = &options.link {
        if link.is_symlink() {
            std::fs::remove_file(link)?;
        }
        std::os::unix::fs::symlink(port.path(), link)
            .map_err(|error| format!("no link {}: {error}; name another place", link.display()))?;
    }
    eprintln!("board: any baud rate; `kvctl --device uart:{} selftest`; end with Ctrl-C", port.path().display());
    while !port.has_ended() && !asked.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
    if let Some(link) = &options.link {
        remove(link, port.path());
    }
    Ok(port.close()?)
}

/// Whether Ctrl-C was pressed, or SIGTERM sent.
fn ends_by_signal() -> Result<Arc<AtomicBool>, Box<dyn Error>> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    let asked = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&asked);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if signals.wait().is_ok() {
            noted.store(true, Ordering::Relaxed);
        }
    })?;
    Ok(asked)
}

/// Removes the link, if it still leads to this terminal: the path may soon be another's.
fn remove(link: &Path, terminal: &Path) {
    if std::fs::read_link(link).is_ok_and(|target| target == terminal)
        && let Err(error) = std::fs::remove_file(link)
    {
        eprintln!("board: {} stays, and leads nowhere: {error}", link.display());
    }
}
