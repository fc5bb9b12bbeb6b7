//! `cargo xtask litex`: LiteX's own litex_server and client against the simulated board. `docs/uart.md`.
//!
//! ```text
//!  tests/litex/client.py ─ TCP ─ litex_server ─ pseudo-terminal ─ board (kvcpu-sim)
//! ```
//!
//! LiteX comes from PyPI into an environment of its own (target/litex). If it cannot be fetched, the check fails: that the protocol is LiteX's is all that
//! it is about.

use crate::process::{cargo, run_until};
use crate::{python, workspace};
use anyhow::{Context, Result, bail, ensure};
use kvcpu_mmio::regs::control;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// For all of it, with nothing built or fetched.
const BY_HAND: Duration = Duration::from_secs(1800);
/// For each program to say that it is there.
const START: Duration = Duration::from_secs(60);
/// For the client: a few dozen accesses.
const CLIENT: Duration = Duration::from_secs(120);
/// A pseudo-terminal has no rate, but the option wants one.
const BAUD: &str = "1000000";

/// A program that runs until it is dropped.
struct Background {
    child: Child,
    lines: mpsc::Receiver<String>,
    name: &'static str,
}

impl Background {
    fn start(name: &'static str, command: &mut Command) -> Result<Background> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot start {name}"))?;
        let out = child.stdout.take().context("it is piped")?;
        let (sender, lines) = mpsc::channel();
        // It ends with the program, or with whoever listens.
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Background { child, lines, name })
    }

    /// The first of its lines of which `wanted` makes something.
    fn wait<T>(&self, deadline: Instant, wanted: impl Fn(&str) -> Option<T>) -> Result<T> {
        let end = deadline.min(Instant::now() + START);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(found) = wanted(&line) {
                        return Ok(found);
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => bail!("{} did not say that it is ready", self.name),
                Err(mpsc::RecvTimeoutError::Disconnected) => bail!("{} ended before it was ready", self.name),
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The verb.
pub(crate) fn run() -> Result<()> {
    check(Instant::now() + BY_HAND)
}

/// The check, until `deadline`.
pub(crate) fn check(deadline: Instant) -> Result<()> {
    let root = workspace::root()?;
    let target = workspace::metadata(&root)?.target_directory.into_std_path_buf();
    let programs = python::environment(&target.join("litex/tools"), &["litex"], deadline)?;
    // With a test, as those bring features of dependencies with them: so after the tests there is nothing to do.
    let build = "build --quiet --release --workspace --features kvctl/rtl --bin board --test top";
    run_until(cargo().current_dir(&root).args(build.split(' ')), deadline)?;

    let board = Background::start("the board", &mut Command::new(target.join("release/board")))?;
    let terminal = board.wait(deadline, |line| Some(line.to_owned()))?;
    ensure!(Path::new(&terminal).exists(), "the board named no terminal, but {terminal:?}");
    let port = free_port()?;
    let mut server = Command::new(programs.join("python"));
    // Unbuffered, so that what it says is seen.
    server
        .arg("-u")
        .arg(programs.join("litex_server"))
        .args(["--uart", "--uart-port", &terminal]);
    server.args(["--uart-baudrate", BAUD, "--bind-ip", "127.0.0.1", "--bind-port", &port]);
    let server = Background::start("litex_server", server.env("PYTHONWARNINGS", "ignore"))?;
    server.wait(deadline, |line| line.contains("tcp port").then_some(()))?;
    println!("litex: litex_server at {terminal}, TCP port {port}");

    let hex = |value: u32| format!("{value:#x}");
    let mut client = Command::new(programs.join("python"));
    client.arg(root.join("tests/litex/client.py")).arg(&port).stdin(Stdio::null());
    client.args([hex(control::MAGIC.offset), hex(control::MAGIC_VALUE), hex(control::SCRATCH.offset)]);
    run_until(&mut client, deadline.min(Instant::now() + CLIENT))?;
    println!("litex: LiteX's client reads and writes the board's registers");
    Ok(())
}

/// A port that nobody listens on now.
fn free_port() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no TCP port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_waited_for_and_ended() {
        let far = Instant::now() + START;
        let mut command = Command::new("sh");
        let program =
            Background::start("a test", command.args(["-c", "echo one; echo two 2; exec sleep 1000"])).unwrap();
        assert_eq!(program.wait(far, |line| line.strip_prefix("two ").map(str::to_owned)).unwrap(), "2");
        let late = program.wait(Instant::now() + Duration::from_millis(50), |_| Some(())).unwrap_err();
        assert!(late.to_string().contains("did not say"), "{late}");
        drop(program);
        let gone = Background::start("a test", Command::new("sh").args(["-c", "exit 1"])).unwrap();
        assert!(gone.wait(far, |_| Some(())).unwrap_err().to_string().contains("ended before"));
    }
}
