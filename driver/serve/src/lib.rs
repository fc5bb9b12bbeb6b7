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
//! device is reset and the next is served.

mod config_space;
mod interrupts;
mod memory;
mod session;

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kvcpu_driver::vfio_user::wire::{self, Header, WireError};
use kvcpu_mmio::Backing;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use session::Session;

pub use memory::ClientMemory;

/// How long the rest of a message, or the taking of a reply, may last.
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
}

impl Server {
    /// Listens at `path`.
    pub fn bind(path: &Path, served: Served) -> Result<Server, ServeError> {
        let listener = UnixListener::bind(path).map_err(|source| {
            let in_use = source.kind() == io::ErrorKind::AddrInUse;
            ServeError::Listen { path: path.to_owned(), in_use, source }
        })?;
        Ok(Server { listener, path: path.to_owned(), served })
    }

    /// Serves clients one after another: so many, or without end.
    pub fn run(&self, clients: Option<u64>) -> Result<(), ServeError> {
        let mut served = 0;
        while clients.is_none_or(|clients| served < clients) {
            let (stream, _) = self.listener.accept().map_err(ServeError::Wait)?;
            served += 1;
            tracing::info!(client = served, "connected");
            let mut session = Session::new(&*self.served.device, &self.served.memory);
            match self.serve(&mut session, &stream) {
                Ok(()) | Err(WireError::Closed) => tracing::info!(client = served, "gone"),
                Err(error) => tracing::warn!(client = served, %error, "given up"),
            }
            session.end();
        }
        Ok(())
    }

    /// A client, until it goes.
    fn serve(&self, session: &mut Session<'_>, stream: &UnixStream) -> Result<(), WireError> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let device = &*self.served.device;
        loop {
            let sources = session.interrupts.sources();
            let fds = [PollFd::new(stream, PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
            let fds = fds.into_iter().chain(sources.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)));
            let mut fds: Vec<PollFd<'_>> = fds.collect();
            let timeout = self.served.is_clocked.then_some(Timespec { tv_sec: 0, tv_nsec: 0 });
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            for ((vector, source), _) in sources.iter().zip(&ready[2..]).filter(|(_, ready)| **ready) {
                session.interrupts.forward(*vector, *source);
            }
            if ready[0] {
                session.turn(stream)?;
            } else if self.served.is_clocked
                && let Err(error) = device.advance(CLOCKS)
            {
                return Err(io::Error::other(error.to_string()).into());
            }
            // Last: whoever connects as the client goes is the next.
            if ready[1] {
                self.refuse();
            }
        }
    }

    /// Tells a second client that the device has one, whatever it will ask.
    fn refuse(&self) {
        let Ok((stream, _)) = self.listener.accept() else { return };
        let error = Errno::BUSY.raw_os_error() as u32;
        let header = Header {
            command: wire::Command::Version as u16,
            flags: wire::REPLY | wire::ERROR,
            error,
            ..Header::default()
        };
        // A fresh socket has room for it; who does not read it is gone already.
        let told = wire::send(&stream, header, &[], &[]);
        tracing::info!(?told, "refused a second client");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been removed by somebody else.
        let _ = std::fs::remove_file(&self.path);
    }
}
