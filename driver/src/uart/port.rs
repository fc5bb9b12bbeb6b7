//! A serial port as the system has it: opened raw, 8N1 and for one process, read and written with deadlines.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, ioctl_tiocnxcl, tcflush, tcgetattr, tcsetattr,
};

use super::OpenError;

/// How far a rate may be away from what was asked for, in percent.
const BAUD_ERROR_PCT: u64 = 2;

/// Why a port gave or took nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The time was up, so many bytes short.
    Late(usize),
    /// There is no port any more.
    Unplugged(String),
}

/// An open port.
#[derive(Debug)]
pub(super) struct Port {
    fd: OwnedFd,
}

impl Port {
    pub(super) fn open(path: &Path, baud: u32) -> Result<Port, OpenError> {
        let at = || path.to_owned();
        let system = |what| move |source: Errno| OpenError::System { path: at(), what, source: source.into() };
        // Without NONBLOCK opening would wait for a carrier that no such board gives.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => OpenError::NoPort(at()),
            Errno::ACCESS | Errno::PERM => OpenError::Permission(at()),
            Errno::BUSY => OpenError::Busy(at()),
            Errno::ISDIR => OpenError::NoSerial(at()),
            other => system("open it")(other),
        })?;
        let mut settings = tcgetattr(&fd).map_err(|errno| match errno {
            Errno::NOTTY => OpenError::NoSerial(at()),
            other => system("read its settings")(other),
        })?;
        // Two of our own are kept apart by the lock, even those of root, whom TIOCEXCL lets pass; others by TIOCEXCL.
        flock(&fd, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            Errno::WOULDBLOCK => OpenError::Busy(at()),
            other => system("lock it")(other),
        })?;
        ioctl_tiocexcl(&fd).map_err(system("have it alone"))?;
        let port = Port { fd };
        settings.make_raw();
        settings.control_modes -= ControlModes::CSTOPB | ControlModes::PARENB | ControlModes::CRTSCTS;
        settings.control_modes |= ControlModes::CS8 | ControlModes::CREAD | ControlModes::CLOCAL;
        let refused = |found| OpenError::Baud { path: at(), baud, found };
        let before = settings.output_speed();
        settings.set_speed(baud).map_err(|_| refused(before))?;
        // `OptionalActions::Flush` would wait for what others left to be sent, for ever if nobody takes it: that is thrown away first.
        port.empty().map_err(system("empty it"))?;
        tcsetattr(&port.fd, OptionalActions::Now, &settings).map_err(|errno| match errno {
            Errno::INVAL => refused(before),
            other => system("set it to raw 8N1")(other),
        })?;
        // A driver may take the nearest rate it has.
        let found = tcgetattr(&port.fd).map_err(system("read its settings"))?.output_speed();
        if u64::from(found.abs_diff(baud)) * 100 > u64::from(baud) * BAUD_ERROR_PCT {
            return Err(refused(found));
        }
        // What came at the old settings is no answer.
        tcflush(&port.fd, QueueSelector::IFlush).map_err(system("empty it"))?;
        Ok(port)
    }

    /// Throws away what was not sent yet, and what came and was not read.
    pub(super) fn empty(&self) -> Result<(), Errno> {
        tcflush(&self.fd, QueueSelector::IOFlush)
    }

    /// Bytes that have come, `0` if there are none now.
    pub(super) fn read_now(&self, bytes: &mut [u8]) -> Result<usize, Failure> {
        loop {
            match rustix::io::read(&self.fd, &mut *bytes) {
                Ok(0) => return Err(Failure::Unplugged("end of file".into())),
                Ok(count) => return Ok(count),
                Err(Errno::AGAIN) => return Ok(0),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Failure::Unplugged(errno.to_string())),
            }
        }
    }

    /// So many bytes.
    pub(super) fn read(&self, bytes: &mut [u8], until: Instant) -> Result<(), Failure> {
        let mut have = 0;
        while have < bytes.len() {
            match self.read_now(&mut bytes[have..])? {
                0 if !self.wait(PollFlags::IN, until)? => return Err(Failure::Late(bytes.len() - have)),
                count => have += count,
            }
        }
        Ok(())
    }

    /// All of these bytes, into the port's own queue.
    pub(super) fn write(&self, mut bytes: &[u8], until: Instant) -> Result<(), Failure> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.fd, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::AGAIN) if !self.wait(PollFlags::OUT, until)? => return Err(Failure::Late(bytes.len())),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(Failure::Unplugged(errno.to_string())),
            }
        }
        Ok(())
    }

    /// Waits until something can be done; `false` if the time was up before.
    pub(super) fn wait(&self, what: PollFlags, until: Instant) -> Result<bool, Failure> {
        let left = until.saturating_duration_since(Instant::now());
        let time = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut fds = [PollFd::new(&self.fd, what)];
        match poll(&mut fds, Some(&time)) {
            Ok(0) => Ok(false),
            // What came before it was unplugged can be read all the same.
            Ok(_) if fds[0].revents().contains(PollFlags::IN) => Ok(true),
            Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => {
                Err(Failure::Unplugged("hung up".into()))
            }
            Ok(_) | Err(Errno::INTR) => Ok(true),
            Err(errno) => Err(Failure::Unplugged(errno.to_string())),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // The mark outlives us where someone else keeps the terminal open; where it is gone there is none.
        let _ = ioctl_tiocnxcl(&self.fd);
    }
}
