//! A pseudo-terminal before the board's line, and the thread that clocks the board.
//!
//! The thread goes as fast as it can while there is something on the line, and rests between [`IDLE_CLOCKS`] clocks when there is nothing, so that a board that nobody
//! uses takes a part of a core only. It ends with [`Port::close`], with the port, or if the device breaks AXI's rules.
//! The terminal's other side is opened by whoever uses it, and set to raw by them, as is a real serial port. A line has no flow control: if nobody
//! takes what the board sends, it is kept up to [`KEPT`] bytes and then lost.

use super::board::{Board, BoardError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Clocks between two looks at the terminal: a byte takes 80.
const CLOCKS: u64 = 120;
/// The same while nothing is on the line.
const IDLE_CLOCKS: u64 = 1_000;
/// Looks with nothing on the line, after which it is idle: longer than a register access takes.
const BUSY_LOOKS: u32 = 64;
/// Rest between them.
const REST: Duration = Duration::from_millis(1);
/// Bytes that may wait for the line before no more are taken from the terminal.
const AHEAD: usize = 256;
/// Bytes from the board that may wait for a reader.
const KEPT: usize = 1 << 16;

/// A board at a terminal.
#[derive(Debug)]
pub struct Port {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), BoardError>>>,
}

impl Port {
    /// Opens a terminal for the board, and clocks it from now on.
    pub fn open(board: Board) -> io::Result<Port> {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        fcntl_setfl(&terminal, OFlags::RDWR | OFlags::NONBLOCK)?;
        let path = PathBuf::from(OsString::from_vec(ptsname(&terminal, Vec::new())?.into_bytes()));
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread = std::thread::Builder::new()
            .name("board".into())
            .spawn(move || pump(board, &terminal, &asked))?;
        Ok(Port { path, stop, thread: Some(thread) })
    }

    /// Where the line is: what `uart:PATH` names.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the board is no longer clocked; [`Port::close`] says why.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Pulls the plug: the terminal is gone for whoever has it open.
    pub fn close(mut self) -> Result<(), BoardError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), BoardError> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it ended with was for `close` to be told.
            let _ = thread.join();
        }
    }
}

/// Carries bytes both ways until it is to stop.
fn pump(mut board: Board, terminal: &OwnedFd, stop: &AtomicBool) -> Result<(), BoardError> {
    let mut out = VecDeque::new();
    let mut quiet = 0;
    while !stop.load(Ordering::Relaxed) {
        quiet = if take(&mut board, terminal) || !board.is_quiet() { 0 } else { (quiet + 1).min(BUSY_LOOKS) };
        let is_idle = quiet == BUSY_LOOKS;
        board.run(if is_idle { IDLE_CLOCKS } else { CLOCKS })?;
        while let Some(byte) = board.take() {
            if out.len() < KEPT {
                out.push_back(byte);
            }
        }
        give(&mut out, terminal);
        if is_idle && board.is_quiet() {
            rest(terminal);
        }
    }
    Ok(())
}

/// Bytes from the terminal to the line; whether there were any.
fn take(board: &mut Board, terminal: &OwnedFd) -> bool {
    let mut bytes = [0; AHEAD];
    let room = AHEAD.saturating_sub(board.waiting());
    // An error is a terminal that nobody has open: as good as silence.
    match rustix::io::read(terminal, &mut bytes[..room]) {
        Ok(count) => {
            board.send(&bytes[..count]);
            count > 0
        }
        Err(_) => false,
    }
}

/// Bytes from the line to the terminal, as many as it takes.
fn give(out: &mut VecDeque<u8>, terminal: &OwnedFd) {
    while !out.is_empty() {
        match rustix::io::write(terminal, out.as_slices().0) {
            Ok(count) => drop(out.drain(..count)),
            Err(Errno::INTR) => {}
            Err(_) => break,
        }
    }
}

/// Sleeps until there may be something to take, or for [`REST`].
fn rest(terminal: &OwnedFd) {
    let time = Timespec { tv_sec: 0, tv_nsec: i64::from(REST.subsec_nanos()) };
    let mut fds = [PollFd::new(terminal, PollFlags::IN)];
    match poll(&mut fds, Some(&time)) {
        Ok(0) => {}
        Ok(_) if fds[0].revents().contains(PollFlags::IN) => {}
        // A terminal that nobody has open says so at once, each time.
        _ => std::thread::sleep(REST),
    }
}
