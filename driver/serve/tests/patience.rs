//! Clients that are slow, silent, or come second: nobody keeps the device from others for longer than the server's patience.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::{Running, ask, connect, negotiated, soon, still_serves};
use kvcpu_driver::vfio_user::stream;
use kvcpu_driver::vfio_user::wire::{self, Command, Header};
use kvcpu_mmio::Geometry;
use rustix::io::Errno;

const SHORT: Duration = Duration::from_millis(300);
/// What is found within this was not waited for many times, on a busy machine.
const BOUND: Duration = Duration::from_secs(4);

/// How long until the server closes the connection.
fn closed(mut stream: &UnixStream) -> Duration {
    let begin = Instant::now();
    // With or without a last word.
    let _ = stream.read_to_end(&mut Vec::new());
    begin.elapsed()
}

#[test]
fn a_stream_that_cannot_be_understood_ends_the_session_and_no_other() {
    let server = Running::with_patience(Geometry::SMALL, 5, SHORT);
    // Too short, too long, cut off, and silence in the midst: the last costs the server its patience.
    for (size, body) in [(3u32, vec![]), (u32::MAX, vec![]), (64, vec![1; 8])] {
        let mut stream = negotiated(&server);
        let header = Header { id: 1, command: Command::DeviceReset as u16, size, flags: 0, error: 0 };
        stream.write_all(&header.bytes()).unwrap();
        stream.write_all(&body).unwrap();
        if size == 64 {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        closed(&stream);
    }
    let mut silent = negotiated(&server);
    silent.write_all(&[0; 7]).unwrap();
    let time = closed(&silent);
    assert!(time < BOUND, "{time:?}");
    still_serves(&server);
    server.ends();
}

#[test]
fn who_does_not_say_its_version_does_not_have_the_device_for_long() {
    let server = Running::with_patience(Geometry::SMALL, 3, SHORT);
    let silent = connect(&server);
    let time = closed(&silent);
    assert!(time < BOUND, "{time:?}");
    // Wrong ones do not count.
    let stream = connect(&server);
    let header = Header { command: Command::DeviceReset as u16, ..Header::default() };
    let begin = Instant::now();
    while stream::send(&stream, header, &[], &[], soon()).is_ok() && stream::receive(&stream, soon()).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(begin.elapsed() < BOUND, "it goes on without a version");
    }
    still_serves(&server);
    server.ends();
}

#[test]
fn a_dribbled_message_has_no_more_time_than_another() {
    let server = Running::with_patience(Geometry::SMALL, 3, SHORT);
    for has_version in [false, true] {
        let mut stream = if has_version { negotiated(&server) } else { connect(&server) };
        let begin = Instant::now();
        // Each byte comes well before the patience is over; all of them would take 100 times as long.
        for _ in 0..600 {
            if stream.write_all(&[1]).is_err() {
                break;
            }
            std::thread::sleep(SHORT / 6);
        }
        assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    }
    still_serves(&server);
    server.ends();
}

#[test]
fn a_flood_that_reads_no_replies_ends_its_own_session() {
    let server = Running::with_patience(Geometry::SMALL, 2, SHORT);
    let stream = negotiated(&server);
    let access = wire::RegionAccess { offset: 0, region: 7, count: 4096 }.bytes();
    let header = Header { command: Command::RegionRead as u16, ..Header::default() };
    let sent = (0..100_000).find(|_| stream::send(&stream, header, &[&access], &[], soon()).is_err());
    assert!(sent.is_some(), "the server swallowed a flood");
    drop(stream);
    still_serves(&server);
    server.ends();
}

#[test]
fn a_second_client_is_told_in_reply_to_its_version_and_holds_up_nobody() {
    let server = Running::with_patience(Geometry::SMALL, 2, SHORT);
    let first = negotiated(&server);
    let works = || {
        let access = wire::RegionAccess { offset: 0, region: 7, count: 4 }.bytes();
        ask(&first, Command::RegionRead as u16, &access, &[]).unwrap();
    };
    // More than are awaited at once, without a word: each is dropped when its time is over.
    let silent: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    works();
    // With the id of its own question, which `ask` looks at; byte by byte too.
    let second = connect(&server);
    works();
    assert_eq!(ask(&second, Command::Version as u16, &wire::VERSION.bytes(), &[]), Err(Errno::BUSY));
    let mut slow = connect(&server);
    let asked = Header { id: 0x1234, command: Command::Version as u16, size: 16, ..Header::default() };
    for byte in asked.bytes() {
        slow.write_all(&[byte]).unwrap();
        works();
    }
    let told = stream::receive(&slow, soon()).unwrap().header;
    assert_eq!((told.id, told.command, told.error), (0x1234, asked.command, Errno::BUSY.raw_os_error() as u32));
    for stream in &silent {
        let time = closed(stream);
        assert!(time < BOUND, "{time:?}");
    }
    works();
    drop(first);
    still_serves(&server);
    server.ends();
}
