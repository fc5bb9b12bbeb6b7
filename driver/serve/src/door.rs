//! Who connects: one client has the device, and others are told that it is busy.
//!
//! They are told so in the reply to their VERSION, since a client takes no reply to what it has not asked (QEMU looks for a request
//! of the same id). So their first message is awaited here, some bytes at a time, beside the session of the one that has the device.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use kvcpu_driver::vfio_user::stream;
use kvcpu_driver::vfio_user::wire::{self, Header};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::{ServeError, timeout};

/// Clients that are being refused at once, at most; more wait to be accepted.
const MOST: usize = 16;
/// How long nobody is accepted after that failed, so that something can become free.
const REST: Duration = Duration::from_millis(200);

/// A client that will be refused.
struct Refused {
    stream: UnixStream,
    head: [u8; Header::BYTES],
    got: usize,
    by: Instant,
}

impl Refused {
    /// Whether it is still awaited.
    fn waits(&mut self) -> bool {
        match self.stream.read(&mut self.head[self.got..]) {
            Ok(0) => false,
            Ok(got) => {
                self.got += got;
                if self.got == Header::BYTES {
                    self.tell();
                }
                self.got < Header::BYTES
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Instant::now() < self.by
            }
            Err(_) => false,
        }
    }

    fn tell(&mut self) {
        // The rest of a VERSION, so that the connection does not end with something unread, which is an error to the client.
        let _ = self.stream.read(&mut [0; 4096]);
        let flags = wire::REPLY | wire::ERROR;
        let header = Header { flags, error: Errno::BUSY.raw_os_error() as u32, ..Header::of(self.head) };
        // A fresh socket has room for it; who does not read it is gone already.
        let told = stream::send(&self.stream, header, &[], &[], Instant::now() + REST);
        tracing::info!(?told, "refused a second client");
    }
}

/// The listening socket, and who waits at it.
pub(super) struct Door<'a> {
    listener: &'a UnixListener,
    patience: Duration,
    refused: Vec<Refused>,
    /// Nobody is accepted until then.
    rests: Option<Instant>,
}

impl<'a> Door<'a> {
    pub(super) fn new(listener: &'a UnixListener, patience: Duration) -> Door<'a> {
        Door { listener, patience, refused: Vec::new(), rests: None }
    }

    /// What to wait for.
    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let listens = self.rests.is_none() && self.refused.len() < MOST;
        let listener = listens.then(|| self.listener.as_fd());
        listener
            .into_iter()
            .chain(self.refused.iter().map(|refused| refused.stream.as_fd()))
            .collect()
    }

    /// Until when.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.refused.iter().map(|refused| refused.by).chain(self.rests).min()
    }

    /// The next client.
    pub(super) fn client(&mut self) -> Result<UnixStream, ServeError> {
        loop {
            if let Some(stream) = self.accept()? {
                return Ok(stream);
            }
            let fds = self.fds();
            let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            match poll(&mut polled, timeout(self.deadline()).as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(ServeError::Wait(error.into())),
            }
            self.refused.retain_mut(Refused::waits);
        }
    }

    /// Refuses who has come, while a client has the device.
    pub(super) fn refuse(&mut self) -> Result<(), ServeError> {
        while self.refused.len() < MOST
            && let Some(stream) = self.accept()?
        {
            // Nobody refused may hold up the client.
            stream.set_nonblocking(true).map_err(ServeError::Wait)?;
            let by = Instant::now() + self.patience;
            self.refused.push(Refused { stream, head: [0; Header::BYTES], got: 0, by });
        }
        self.refused.retain_mut(Refused::waits);
        Ok(())
    }

    fn accept(&mut self) -> Result<Option<UnixStream>, ServeError> {
        if self.rests.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        self.rests = None;
        match self.listener.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) if is_shortage(&error) => {
                tracing::warn!(%error, "cannot accept a client, and will try again; raise the limit (ulimit -n), or end others");
                self.rests = Some(Instant::now() + REST);
                Ok(None)
            }
            Err(error) => Err(ServeError::Wait(error)),
        }
    }
}

/// Nobody is there, or not any more.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}

/// The process or the system has too little of something, for now.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}
