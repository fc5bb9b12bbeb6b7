//! A device as a vfio-user server, for QEMU or the driver's `vfio_user`: what is behind `kvctl serve`. `docs/vfio-user.md`.
//!
//! ```text
//!  client ─ socket ─► session ─┬─► device: emulator or RTL
//!                              ├─► configuration space
//!  client's memory ◄─ memory ◄─┼── the device's bus
//!  client's eventfds ◄─────────┴── interrupts
//! ```
//!
//! One thread does it all, and one client has the device; another is told that it is busy. When a client goes, in whatever way, the
//! device is reset and the next is served. A device that fails by itself, or cannot be reset, is served no more.

mod config_space;
mod door;
mod interrupts;
mod memory;
mod session;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use door::Door;
use kvcpu_driver::vfio_user::stream::WireError;
use kvcpu_mmio::{Backing, BackingError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use session::Session;

pub use memory::ClientMemory;

/// How long a client may take for its VERSION, for the rest of a message, or to take a reply.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clocks that a simulation goes on for between two looks at the socket.
const CLOCKS: u64 = 2_000;

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket cannot be made.
    #[error("cannot listen at {}: {source}{}", path.display(), if *.in_use { "; another server has it, or it was left behind by one: remove it" } else { "" })]
    Listen {
        /// Where.
        path: PathBuf,
        /// It is there already.
        in_use: bool,
        /// What the system says.
        source: io::Error,
    },
    /// Waiting failed.
    #[error("cannot wait for clients: {0}")]
    Wait(io::Error),
    /// The device failed by itself.
    #[error("the device failed {when}: {source}; it is served no more, start the server again")]
    Device {
        /// What it was about.
        when: &'static str,
        /// What it says.
        source: BackingError,
    },
}

/// A device that can be served: its bus reaches `memory`.
pub struct Served {
    /// The device.
    pub device: Arc<dyn Backing>,
    /// The memory that its bus reaches.
    pub memory: ClientMemory,
    /// It moves only while it is told that time passes.
    pub is_clocked: bool,
}

/// A listening socket, removed when dropped.
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    served: Served,
    patience: Duration,
}

impl Server {
    /// Listens at `path`.
    pub fn bind(path: &Path, served: Served) -> Result<Server, ServeError> {
        let failed = |source: io::Error| {
            let in_use = source.kind() == io::ErrorKind::AddrInUse;
            ServeError::Listen { path: path.to_owned(), in_use, source }
        };
        let listener = UnixListener::bind(path).map_err(failed)?;
        // From here on it is removed if anything fails.
        let server = Server { listener, path: path.to_owned(), served, patience: PATIENCE };
        server.listener.set_nonblocking(true).map_err(failed)?;
        Ok(server)
    }

    /// The same with clients that may take so long for their VERSION, for the rest of a message, or to take a reply.
    pub fn with_patience(mut self, patience: Duration) -> Server {
        self.patience = patience;
        self
    }

    /// Serves clients one after another: so many, or without end.
    pub fn run(&self, clients: Option<u64>) -> Result<(), ServeError> {
        let mut door = Door::new(&self.listener, self.patience);
        let mut served = 0;
        while clients.is_none_or(|clients| served < clients) {
            let stream = door.client()?;
            served += 1;
            tracing::info!(client = served, "connected");
            let mut session = Session::new(&self.served);
            let over = self.serve(&mut session, &stream, &mut door);
            let ended = session.end();
            match over? {
                WireError::Closed => tracing::info!(client = served, "gone"),
                error => tracing::warn!(client = served, %error, "given up"),
            }
            ended?;
        }
        Ok(())
    }

    /// A client, until it goes: why it did.
    fn serve(
        &self,
        session: &mut Session<'_>,
        stream: &UnixStream,
        door: &mut Door<'_>,
    ) -> Result<WireError, ServeError> {
        let device = &*self.served.device;
        let connected = Instant::now();
        loop {
            // One that says nothing keeps the device from others until it has said what it is.
            let version_by = (!session.negotiated).then_some(connected + self.patience);
            let sources = session.interrupts.sources();
            let guests = door.fds();
            let fds = [stream.as_fd()].into_iter().chain(guests.iter().copied());
            let fds: Vec<_> = fds.chain(sources.iter().map(|(_, fd)| *fd)).collect();
            let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            let timeout = match self.served.is_clocked {
                true => Some(Timespec { tv_sec: 0, tv_nsec: 0 }),
                false => timeout(version_by.into_iter().chain(door.deadline()).min()),
            };
            match poll(&mut polled, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(ServeError::Wait(error.into())),
            }
            let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
            let guest_came = ready[1..=guests.len()].contains(&true);
            for ((vector, source), _) in sources.iter().zip(&ready[1 + guests.len()..]).filter(|(_, ready)| **ready) {
                session.interrupts.forward(*vector, *source);
            }
            if ready[0] {
                let by = version_by.unwrap_or_else(|| Instant::now() + self.patience);
                if let Err(over) = session.turn(stream, by, self.patience) {
                    return Ok(over);
                }
            } else if self.served.is_clocked {
                let moved = device.advance(CLOCKS);
                moved.map_err(|source| ServeError::Device { when: "while time passed", source })?;
            }
            let now = Instant::now();
            if !session.negotiated && version_by.is_some_and(|by| by <= now) {
                return Ok(WireError::Late);
            }
            // Last: whoever connects as the client goes is the next.
            if guest_came || door.deadline().is_some_and(|by| by <= now) {
                door.refuse()?;
            }
        }
    }
}

/// Time until a deadline, if there is one.
fn timeout(by: Option<Instant>) -> Option<Timespec> {
    // One that is further away than can be said is none.
    by.and_then(|by| Timespec::try_from(by.saturating_duration_since(Instant::now())).ok())
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been removed by somebody else.
        let _ = std::fs::remove_file(&self.path);
    }
}
