//! A server in a thread of its own, and what tests say to it.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use kvcpu_emulator::Emulator;
use kvcpu_mmio::Geometry;
use kvcpu_serve::{ClientMemory, ServeError, Served, Server};

/// A server that serves so many clients.
pub(crate) struct Running {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Running {
    pub(crate) fn new(geometry: Geometry, clients: u64) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let memory = ClientMemory::default();
        let bus = memory.clone();
        let device = Emulator::with_bus(geometry, |_| Box::new(bus)).unwrap();
        let served = Served { device: Arc::new(device), memory, is_clocked: false };
        let server = Server::bind(&folder.path().join("kv.sock"), served).unwrap();
        let thread = std::thread::spawn(move || server.run(Some(clients)));
        Running { folder, thread: Some(thread) }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("kv.sock")
    }

    /// It ended by itself, after its last client.
    pub(crate) fn ends(mut self) {
        self.thread.take().unwrap().join().unwrap().unwrap();
        assert!(!self.socket().exists(), "the socket was left behind");
    }
}

/// Open descriptors and mappings of this process.
pub(crate) fn resources() -> (usize, usize) {
    let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    (count(Path::new("/proc/self/fd")), maps.lines().filter(|line| line.contains("memfd:")).count())
}
