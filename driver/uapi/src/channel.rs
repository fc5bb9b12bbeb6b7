//! The descriptor between kernel and server: the handshake that makes the device, and the loop that serves it.
//!
//! ```text
//!  kernel ── CUSE_INIT ──────────────► offer: version and name          /dev/NAME appears
//!         ── OPEN, IOCTL, RELEASE ───► serve ─► Card     one at a time, answered before the next is read
//!         ── closed ─────────────────► end: every caller's blocks are released
//! ```
//!
//! One read is one request, one write one reply. The device lives as long as the descriptor.

use std::io;
use std::os::fd::OwnedFd;

use kvcpu_driver::Commands;
use kvcpu_mmio::Backing;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::wire::{self, Header, Malformed, Request};
use crate::{Card, Name, UapiError};

/// Where the kernel offers to make devices.
const CUSE: &str = "/dev/cuse";
/// Between two looks whether the device is still there while no program calls: a card is not let go of as long as it is open.
const IDLE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Room for the longest request: an ioctl with 16,383 bytes, known or not. The kernel wants 8 KiB at least.
const LONGEST: usize = 32 << 10;

/// A descriptor of /dev/cuse, or what behaves like one.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Channel {
        Channel { fd }
    }
}

impl Channel {
    /// Opens /dev/cuse.
    pub fn open() -> Result<Channel, UapiError> {
        match rustix::fs::open(CUSE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => Ok(Channel { fd }),
            Err(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Err(UapiError::NoCuse),
            Err(Errno::ACCESS | Errno::PERM) => Err(UapiError::Permission),
            Err(error) => Err(UapiError::Open(error.into())),
        }
    }

    /// Answers the kernel's first request, upon which it makes /dev/`name`.
    pub fn offer(&self, name: &Name) -> Result<(), UapiError> {
        let mut buffer = vec![0; LONGEST];
        let message = self.next(&mut buffer)?.ok_or(UapiError::Handshake("it was closed"))?;
        let (header, request) = wire::parse(message).map_err(|_| UapiError::Handshake("its first request is none"))?;
        let Request::Init { major, minor } = request else {
            return Err(UapiError::Handshake("its first request is not CUSE_INIT"));
        };
        if major != wire::MAJOR || minor < wire::OLDEST_MINOR {
            self.answer(&wire::failed(header.unique, Errno::PROTO))?;
            return Err(UapiError::Version { major, minor });
        }
        self.answer(&wire::offer(header.unique, minor.min(wire::MINOR), name.as_str()))?;
        // The kernel has made the device before the write returned, or has closed the channel.
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).map_err(|error| UapiError::Channel(error.into()))?;
        if fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return Err(UapiError::Refused(name.clone()));
        }
        tracing::info!(%name, major, minor, "offered");
        Ok(())
    }

    /// Serves the device until the kernel closes the channel: then nobody has it open any more. Or until the device is gone.
    pub fn serve<B, C>(&self, card: &mut Card<B, C>) -> Result<(), UapiError>
    where
        B: Backing + ?Sized + 'static,
        C: Commands,
    {
        let result = self.serve_all(card);
        card.close_all();
        card.log_service_errors();
        result
    }

    fn serve_all<B, C>(&self, card: &mut Card<B, C>) -> Result<(), UapiError>
    where
        B: Backing + ?Sized + 'static,
        C: Commands,
    {
        let mut buffer = vec![0; LONGEST];
        loop {
            while !self.is_called()? {
                card.check_alive().map_err(UapiError::Device)?;
            }
            let Some(message) = self.next(&mut buffer)? else { return Ok(()) };
            let reply = match wire::parse(message) {
                Ok((header, request)) => reply(card, &header, request),
                Err(error) => {
                    tracing::warn!(%error, "a request was not understood");
                    match error {
                        Malformed::Bad { unique, .. } => {
                            Some(wire::failed(unique, Errno::INVAL)).filter(|_| unique != 0)
                        }
                        Malformed::NoHeader(_) => None,
                    }
                }
            };
            if let Some(reply) = reply {
                self.answer(&reply)?;
            }
            card.log_service_errors();
            card.check_alive().map_err(UapiError::Device)?;
        }
    }

    /// Waits for a request, or the end of them, for a while.
    fn is_called(&self) -> Result<bool, UapiError> {
        match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&IDLE)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(UapiError::Channel(error.into())),
        }
    }

    /// The next request; none if the other end is closed.
    fn next<'b>(&self, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, UapiError> {
        let bytes = loop {
            match rustix::io::read(&self.fd, &mut *buffer) {
                Ok(0) | Err(Errno::NODEV | Errno::CONNABORTED | Errno::CONNRESET) => return Ok(None),
                Ok(bytes) => break bytes,
                // NOENT: the program gave up while its request was being read.
                Err(Errno::INTR | Errno::NOENT) => {}
                Err(error) => return Err(UapiError::Channel(error.into())),
            }
        };
        Ok(buffer.get(..bytes))
    }

    /// Gives a reply.
    fn answer(&self, reply: &[u8]) -> Result<(), UapiError> {
        loop {
            match rustix::io::write(&self.fd, reply) {
                Ok(bytes) if bytes == reply.len() => return Ok(()),
                Ok(_) => return Err(UapiError::Channel(io::ErrorKind::WriteZero.into())),
                // NOENT: nobody waits for it any more. The others: the next read will say that it is the end.
                Err(Errno::NOENT | Errno::NODEV | Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(UapiError::Channel(error.into())),
            }
        }
    }
}

/// Carries a request out. Without an id there is no reply: one without would be an announcement.
fn reply<B, C>(card: &mut Card<B, C>, header: &Header, request: Request<'_>) -> Option<Vec<u8>>
where
    B: Backing + ?Sized + 'static,
    C: Commands,
{
    let Header { unique, opcode, pid } = *header;
    let result = match request {
        Request::Silent => return None,
        Request::Open => card.open().map(|handle| wire::opened(unique, handle)),
        Request::Release { handle } => card.close(handle).map(|()| wire::done(unique)),
        Request::Ioctl { handle, code, input, room } => card.ioctl(handle, code, input).and_then(|output| {
            let fits = output.len() <= room as usize;
            fits.then(|| wire::ioctl_done(unique, &output)).ok_or(Errno::INVAL)
        }),
        Request::Init { .. } => Err(Errno::PROTO),
        Request::Other => Err(Errno::NOSYS),
    };
    tracing::debug!(unique, opcode, pid, ?request, error = ?result.as_ref().err(), "served");
    let reply = result.unwrap_or_else(|errno| wire::failed(unique, errno));
    (unique != 0).then_some(reply)
}
