//! A server in a thread of its own, and what tests say to it.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvcpu_driver::vfio_user::wire::{self, Command, Header};
use kvcpu_driver::vfio_user::{ConnectError, VfioUser, stream};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::regs::control;
use kvcpu_mmio::{Backing, Bar, Geometry};
use kvcpu_serve::{ClientMemory, ServeError, Served, Server};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;

/// As a server has it that nobody told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A server that serves so many clients.
pub(crate) struct Running {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) thread: Option<JoinHandle<Result<(), ServeError>>>,
    /// What the device's bus reaches.
    pub(crate) memory: ClientMemory,
}

impl Running {
    pub(crate) fn new(geometry: Geometry, clients: u64) -> Running {
        Running::with_patience(geometry, clients, PATIENCE)
    }

    pub(crate) fn with_patience(geometry: Geometry, clients: u64, patience: Duration) -> Running {
        let memory = ClientMemory::default();
        let bus = memory.clone();
        let device = Arc::new(Emulator::with_bus(geometry, |_| Box::new(bus)).unwrap());
        Running::serving(Served { device, memory, is_clocked: false }, clients, patience)
    }

    pub(crate) fn serving(served: Served, clients: u64, patience: Duration) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let memory = served.memory.clone();
        let server = Server::bind(&folder.path().join("kv.sock"), served).unwrap().with_patience(patience);
        let thread = std::thread::spawn(move || server.run(Some(clients)));
        Running { folder, thread: Some(thread), memory }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("kv.sock")
    }

    /// How it ended.
    pub(crate) fn end(&mut self) -> Result<(), ServeError> {
        let end = self.thread.take().unwrap().join().unwrap();
        assert!(!self.socket().exists(), "the socket was left behind");
        end
    }

    /// It ended by itself, after its last client.
    pub(crate) fn ends(mut self) {
        self.end().unwrap();
    }
}

/// A deadline that no test waits for.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub(crate) fn connect(server: &Running) -> UnixStream {
    let stream = UnixStream::connect(server.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The reply to a message.
pub(crate) fn ask(stream: &UnixStream, command: u16, body: &[u8], fds: &[BorrowedFd<'_>]) -> Result<Vec<u8>, Errno> {
    let header = Header { id: 7, command, ..Header::default() };
    stream::send(stream, header, &[body], fds, soon()).unwrap();
    let reply = stream::receive(stream, soon()).unwrap();
    assert_eq!((reply.header.id, reply.header.command, reply.header.flags & wire::TYPE), (7, command, wire::REPLY));
    if reply.header.flags & wire::ERROR != 0 {
        assert!(reply.body.is_empty());
        return Err(Errno::from_raw_os_error(reply.header.error as i32));
    }
    Ok(reply.body)
}

pub(crate) fn negotiated(server: &Running) -> UnixStream {
    let stream = connect(server);
    ask(&stream, Command::Version as u16, &wire::VERSION.bytes(), &[]).unwrap();
    stream
}

/// A memfd of this name, by which its mappings and descriptors are found.
pub(crate) fn memfd(name: &str, bytes: u64) -> OwnedFd {
    let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, bytes).unwrap();
    fd
}

/// The device, as soon as the client before has been let go.
pub(crate) fn next_client(server: &Running) -> VfioUser {
    loop {
        match VfioUser::connect(&server.socket()) {
            Err(ConnectError::Busy(_)) => std::thread::sleep(Duration::from_millis(1)),
            other => return other.unwrap(),
        }
    }
}

/// A good client finds the device.
pub(crate) fn still_serves(server: &Running) {
    let device = next_client(server);
    assert_eq!(device.read32(Bar::Regs, control::MAGIC.offset).unwrap(), control::MAGIC_VALUE);
}
