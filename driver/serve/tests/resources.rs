//! Descriptors and mappings: none are left behind, and the server outlives a shortage.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{Running, ask, memfd, next_client, soon, still_serves};
use kvcpu_driver::vfio_user::stream;
use kvcpu_driver::vfio_user::wire::{self, Command, Header};
use kvcpu_mmio::{Backing, Geometry};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is counted and limited is the process', so one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Open descriptors and mappings of this process.
fn resources() -> (usize, usize) {
    let count = |path: &Path| std::fs::read_dir(path).unwrap().count();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    (count(Path::new("/proc/self/fd")), maps.lines().filter(|line| line.contains("memfd:")).count())
}

#[test]
fn nothing_leaks_over_many_maps_and_many_clients() {
    const MAPS: usize = 10_000;
    const CLIENTS: u64 = 100;
    let _alone = alone();
    let server = Running::new(Geometry::SMALL, CLIENTS + 1);
    drop(next_client(&server));
    let before = resources();
    for client in 0..CLIENTS {
        let device = next_client(&server);
        device.irq_fd((client % 16) as u16).unwrap();
        for _ in 0..MAPS / CLIENTS as usize {
            let memory = device.dma_alloc(8192).unwrap();
            device.dma_free(memory.iova()).unwrap();
        }
        // Some leave without a word about what they had mapped.
        let left = device.dma_alloc(4096).unwrap();
        drop(device);
        drop(left);
    }
    server.ends();
    let after = resources();
    assert!(after.0 <= before.0 && after.1 <= before.1, "descriptors and mappings: {before:?}, then {after:?}");
}

#[test]
fn memory_that_is_mapped_has_no_descriptor_on_either_side() {
    let _alone = alone();
    let server = Running::new(Geometry::SMALL, 1);
    {
        let device = next_client(&server);
        let before = resources();
        let kept: Vec<_> = (0..50).map(|_| device.dma_alloc(4096).unwrap()).collect();
        assert_eq!(resources(), (before.0, before.1 + 2 * kept.len()));
    }
    server.ends();
}

/// Does something while this process can open no descriptor more.
fn without_descriptors<T>(f: impl FnOnce() -> T) -> T {
    let limit = getrlimit(Resource::Nofile);
    // The lowest that is free.
    let lowest = std::io::stdin().as_fd().try_clone_to_owned().unwrap().as_raw_fd() as u64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(lowest), ..limit }).unwrap();
    let done = f();
    setrlimit(Resource::Nofile, limit).unwrap();
    done
}

#[test]
fn a_server_without_descriptors_goes_on_when_there_are_some_again() {
    let _alone = alone();
    let server = Running::new(Geometry::SMALL, 3);
    let address = SocketAddrUnix::new(server.socket()).unwrap();
    // The first that comes, and one that comes second.
    let first = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    without_descriptors(|| {
        rustix::net::connect(&first, &address).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    });
    let first = UnixStream::from(first);
    ask(&first, Command::Version as u16, &wire::VERSION.bytes(), &[]).unwrap();
    let second = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let read = wire::RegionAccess { offset: 0, region: 7, count: 4 }.bytes();
    without_descriptors(|| {
        rustix::net::connect(&second, &address).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        ask(&first, Command::RegionRead as u16, &read, &[]).unwrap();
    });
    let refused = ask(&UnixStream::from(second), Command::Version as u16, &wire::VERSION.bytes(), &[]);
    assert_eq!(refused, Err(rustix::io::Errno::BUSY));
    drop(first);

    // Descriptors that did not arrive are no map without one: the session ends.
    let mut stream = loop {
        let stream = common::connect(&server);
        if ask(&stream, Command::Version as u16, &wire::VERSION.bytes(), &[]).is_ok() {
            break stream;
        }
    };
    let fd = memfd("lost", 4096);
    let map = wire::DmaMap { argsz: 32, flags: 3, offset: 0, address: 0, size: 4096 }.bytes();
    let end = without_descriptors(|| {
        let header = Header { command: Command::DmaMap as u16, ..Header::default() };
        stream::send(&stream, header, &[&map], &[fd.as_fd()], soon()).unwrap();
        stream.read(&mut [0; 16])
    });
    assert!(!matches!(end, Ok(1..)), "a reply: {end:?}");
    still_serves(&server);
    server.ends();
}
