//! The connection to a server: one request and its reply at a time.
//!
//! What does not come in time, or does not fit what was asked, ends it: every request after that fails with the same reason. What
//! the server refuses does not.

use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use kvcpu_mmio::BackingError;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::stream::{self, WireError};
use super::wire::{self, Command, Header};

/// What a request came to.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server refused it.
    Refused(Errno),
    /// The connection is of no use any more.
    Broken(String),
}

impl Failure {
    /// As a backing says it; what was refused, in the words of `refused`.
    pub(super) fn or(self, refused: impl FnOnce(Errno) -> BackingError) -> BackingError {
        match self {
            Failure::Refused(errno) => refused(errno),
            Failure::Broken(why) => BackingError::Gone(why),
        }
    }
}

/// The connection.
pub(super) struct Connection {
    stream: UnixStream,
    patience: Duration,
    next_id: u16,
    /// Why it ended.
    broken: Option<String>,
}

impl Connection {
    /// To the socket at `path`; nothing is said yet. `EAGAIN` if nobody accepts it within `patience`.
    pub(super) fn new(path: &Path, patience: Duration) -> Result<Connection, Errno> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // A server that accepts nobody has a backlog that fills, and then connecting waits.
        set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Connection::over(socket.into(), patience))
    }

    fn over(stream: UnixStream, patience: Duration) -> Connection {
        Connection { stream, patience, next_id: 0, broken: None }
    }

    /// Sends a request and awaits its reply's body.
    pub(super) fn ask(
        &mut self,
        command: Command,
        parts: &[&[u8]],
        fds: &[BorrowedFd<'_>],
    ) -> Result<Vec<u8>, Failure> {
        if let Some(why) = &self.broken {
            return Err(Failure::Broken(why.clone()));
        }
        let answer = self.exchange(command, parts, fds);
        if let Err(Failure::Broken(why)) = &answer {
            self.broken = Some(why.clone());
        }
        answer
    }

    fn exchange(&mut self, command: Command, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> Result<Vec<u8>, Failure> {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let header = Header { id, command: command as u16, ..Header::default() };
        let by = Instant::now() + self.patience;
        let sent = stream::send(&self.stream, header, parts, fds, by);
        // Although sending failed: the server may have said why it will not listen.
        let reply = stream::receive(&self.stream, by).map_err(|error| match sent.err().unwrap_or(error) {
            WireError::Late => {
                let patience = self.patience;
                Failure::Broken(format!(
                    "{command:?}: no reply within {patience:?}; is the server stuck? look at its log"
                ))
            }
            error => Failure::Broken(format!("{command:?}: {error}")),
        })?;
        let Header { flags, error, .. } = reply.header;
        if flags & wire::TYPE != wire::REPLY || reply.header.command != command as u16 || reply.header.id != id {
            return Err(Failure::Broken(format!("{command:?}: the reply is to something else")));
        }
        if flags & wire::ERROR != 0 {
            return Err(Failure::Refused(errno(error)));
        }
        Ok(reply.body)
    }

    /// As [`ask`](Connection::ask), for a reply of one structure.
    pub(super) fn ask_for<T>(&mut self, command: Command, body: &[u8], parse: wire::Parse<T>) -> Result<T, Failure> {
        let reply = self.ask(command, &[body], &[])?;
        match parse(&reply) {
            Some((answer, _)) => Ok(answer),
            None => Err(self.end(format!("{command:?}: the reply is too short"))),
        }
    }

    /// Ends the connection for this reason.
    fn end(&mut self, why: String) -> Failure {
        self.broken = Some(why.clone());
        Failure::Broken(why)
    }

    pub(super) fn read<const N: usize>(&mut self, region: u32, offset: u64) -> Result<[u8; N], Failure> {
        let access = wire::RegionAccess { offset, region, count: N as u32 };
        let reply = self.ask(Command::RegionRead, &[&access.bytes()], &[])?;
        let data = wire::RegionAccess::split(&reply)
            .filter(|(answered, _)| *answered == access)
            .and_then(|(_, data)| data.try_into().ok());
        data.ok_or_else(|| self.end("RegionRead: the reply has other bytes than were asked for".into()))
    }

    pub(super) fn write(&mut self, region: u32, offset: u64, data: &[u8]) -> Result<(), Failure> {
        let access = wire::RegionAccess { offset, region, count: data.len() as u32 };
        self.ask(Command::RegionWrite, &[&access.bytes(), data], &[]).map(drop)
    }
}

/// What a server says is an errno; `EIO` if it is none (Linux: MAX_ERRNO is 4095).
fn errno(said: u32) -> Errno {
    match i32::try_from(said) {
        Ok(said @ 1..4096) => Errno::from_raw_os_error(said),
        _ => Errno::IO,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    /// A connection to a server that gives this reply, the id apart, and nothing else.
    fn at_a_server(reply: Option<Header>) -> (Connection, std::thread::JoinHandle<()>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || {
            let by = Instant::now() + Duration::from_secs(10);
            let asked = stream::receive(&theirs, by).unwrap();
            if let Some(reply) = reply {
                let reply = Header { id: asked.header.id, command: asked.header.command, ..reply };
                stream::send(&theirs, reply, &[], &[], by).unwrap();
            }
            // Until the client goes.
            let _ = stream::receive(&theirs, by);
        });
        (Connection::over(ours, Duration::from_millis(200)), server)
    }

    #[test]
    fn a_refusal_with_any_number_is_an_error_and_not_the_end() {
        let cases = [(0, Errno::IO), (4096, Errno::IO), (u32::MAX, Errno::IO), (1, Errno::PERM), (22, Errno::INVAL)];
        for (said, expected) in cases {
            let reply = Header { flags: wire::REPLY | wire::ERROR, error: said, ..Header::default() };
            let (mut connection, server) = at_a_server(Some(reply));
            let answer = connection.ask(Command::DeviceReset, &[], &[]);
            assert!(matches!(answer, Err(Failure::Refused(errno)) if errno == expected), "{said}: {answer:?}");
            assert_eq!(connection.broken, None);
            drop(connection);
            server.join().unwrap();
        }
    }

    #[test]
    fn silence_is_told_with_how_long_it_was_and_ends_the_connection() {
        let (mut connection, server) = at_a_server(None);
        for _ in 0..2 {
            let Err(Failure::Broken(why)) = connection.ask(Command::DeviceReset, &[], &[]) else { panic!("an answer") };
            assert!(why.contains("no reply within 200ms; is the server stuck? look at its log"), "{why}");
        }
        drop(connection);
        server.join().unwrap();
    }
}
