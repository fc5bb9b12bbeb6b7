//! The client's memory as the device's bus has it: files that grow, that are shown for reading first, that cannot be sealed.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use common::{Running, ask, memfd, negotiated};
use kvcpu_driver::vfio_user::wire::{self, Command};
use kvcpu_emulator::HostBus;
use kvcpu_mmio::Geometry;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;

const PAGE: u64 = 4096;

fn map(stream: &UnixStream, address: u64, offset: u64, size: u64, fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = wire::MAP_READ | wire::MAP_WRITE;
    let map = wire::DmaMap { argsz: 32, flags, offset, address, size }.bytes();
    ask(stream, Command::DmaMap as u16, &map, &[fd]).map(drop)
}

fn unmap(stream: &UnixStream, address: u64, size: u64) {
    let unmap = wire::DmaUnmap { argsz: 24, flags: 0, address, size }.bytes();
    ask(stream, Command::DmaUnmap as u16, &unmap, &[]).unwrap();
}

/// Descriptors and mappings of this memfd in this process, which is client and server.
fn held(name: &str) -> (usize, usize) {
    let name = format!("memfd:{name} ");
    let fds = std::fs::read_dir("/proc/self/fd").unwrap().filter(|fd| {
        let link = fd.as_ref().ok().and_then(|fd| std::fs::read_link(fd.path()).ok());
        link.is_some_and(|link| link.to_string_lossy().contains(&name))
    });
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    (fds.count(), maps.lines().filter(|line| line.contains(&name)).count())
}

#[test]
fn a_file_that_grows_has_one_mapping_and_no_descriptor() {
    let server = Running::new(Geometry::SMALL, 1);
    {
        let stream = negotiated(&server);
        let fd = memfd("grows", 0);
        for page in 0..64 {
            ftruncate(&fd, (page + 1) * PAGE).unwrap();
            map(&stream, 2 * page * PAGE, page * PAGE, PAGE, fd.as_fd()).unwrap();
            HostBus::write(&server.memory, 2 * page * PAGE, &[page + 1]).unwrap();
        }
        assert_eq!(held("grows"), (1, 1), "the client's descriptor, the server's mapping");
        let file = File::from(fd);
        for page in 0..64 {
            let (mut bytes, mut word) = ([0; 8], [0]);
            file.read_exact_at(&mut bytes, page * PAGE).unwrap();
            HostBus::read(&server.memory, 2 * page * PAGE, &mut word).unwrap();
            assert_eq!((u64::from_le_bytes(bytes), word), (page + 1, [page + 1]));
        }
        for page in 0..64 {
            assert_eq!(held("grows").1, 1);
            unmap(&stream, 2 * page * PAGE, PAGE);
        }
        assert_eq!(held("grows"), (1, 0));
    }
    server.ends();
}

#[test]
fn a_file_shown_for_reading_first_can_be_written_later() {
    let server = Running::new(Geometry::SMALL, 1);
    {
        let stream = negotiated(&server);
        let fd = memfd("reads", PAGE);
        let reads = File::open(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
        map(&stream, 0, 0, PAGE, reads.as_fd()).unwrap();
        assert!(HostBus::write(&server.memory, 0, &[1]).is_err(), "it is open for reading alone");
        map(&stream, PAGE, 0, PAGE, fd.as_fd()).unwrap();
        HostBus::write(&server.memory, PAGE + 8, &[7]).unwrap();
        let mut words = [0; 2];
        HostBus::read(&server.memory, 0, &mut words).unwrap();
        assert_eq!(words, [0, 7]);
        assert!(HostBus::write(&server.memory, 0, &[1]).is_err());
    }
    server.ends();
}

#[test]
fn a_file_that_cannot_be_sealed_moves_its_bytes_and_may_shrink() {
    let server = Running::new(Geometry::SMALL, 1);
    {
        let stream = negotiated(&server);
        let file = tempfile::tempfile_in(&server.folder).unwrap();
        file.set_len(2 * PAGE).unwrap();
        map(&stream, 0x1_0000, 0, PAGE, file.as_fd()).unwrap();
        map(&stream, 0x1_1000, PAGE, PAGE, file.as_fd()).unwrap();
        // Over both maps, in and out.
        let words: Vec<u64> = (0..16).map(|word| word << 32 | 5).collect();
        HostBus::write(&server.memory, 0x1_0FC0, &words).unwrap();
        let mut bytes = [0; 128];
        file.read_exact_at(&mut bytes, 0xFC0).unwrap();
        assert!(bytes.chunks(8).zip(&words).all(|(bytes, word)| bytes == word.to_le_bytes()));
        file.write_all_at(&9u64.to_le_bytes(), 0x1008).unwrap();
        let mut found = vec![0; 16];
        HostBus::read(&server.memory, 0x1_0FC0, &mut found).unwrap();
        assert_eq!((&found[..9], found[9], &found[10..]), (&words[..9], 9, &words[10..]));
        file.set_len(0).unwrap();
        assert!(HostBus::read(&server.memory, 0x1_0FC0, &mut found).is_err(), "a fault, and no end of the server");
    }
    server.ends();
}

#[test]
fn huge_pages_that_cannot_be_sealed_are_refused() {
    const HUGE: u64 = 2 << 20;
    let server = Running::new(Geometry::SMALL, 1);
    {
        let stream = negotiated(&server);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
        // A kernel without huge pages has no such files.
        if let Ok(fd) = memfd_create("huge", flags) {
            ftruncate(&fd, HUGE).unwrap();
            assert_eq!(map(&stream, 0, 0, HUGE, fd.as_fd()), Err(Errno::OPNOTSUPP));
        }
    }
    server.ends();
}

#[test]
fn an_address_off_a_word_faults() {
    let server = Running::new(Geometry::SMALL, 1);
    {
        let stream = negotiated(&server);
        let fd = memfd("words", PAGE);
        map(&stream, 0, 0, PAGE, fd.as_fd()).unwrap();
        for address in [1, 4, PAGE - 4, PAGE - 1] {
            assert_eq!(HostBus::read(&server.memory, address, &mut [0; 2]).unwrap_err().iova, address);
            assert!(HostBus::write(&server.memory, address, &[0]).is_err());
        }
    }
    server.ends();
}
