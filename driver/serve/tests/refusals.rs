//! The driver at servers that refuse, are silent, or die: what is refused is no end, and what ended is told at once.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::soon;
use kvcpu_driver::vfio_user::wire::{self, Command, Header};
use kvcpu_driver::vfio_user::{ConnectError, VfioUser, stream};
use kvcpu_mmio::map::BAR2_BYTES;
use kvcpu_mmio::{Backing, BackingError, Bar};

const PATIENCE: Duration = Duration::from_millis(500);

/// What such a server does with a request.
enum Answer {
    /// The good reply, of the device that is looked for.
    Good,
    /// An error with this number.
    Refused(u32),
    /// Nothing.
    Silence,
    /// It ends.
    Death,
}

/// A server that answers so, BAR2 having so many bytes; it ends with its client.
fn server(
    bar2: u64,
    mut answer: impl FnMut(Command) -> Answer + Send + 'static,
) -> (Result<VfioUser, ConnectError>, JoinHandle<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        while let Ok(asked) = stream::receive(&client, soon()) {
            let command = Command::of(asked.header.command).unwrap();
            let reply = Header { flags: wire::REPLY, ..asked.header };
            let refusal = |error| Header { flags: wire::REPLY | wire::ERROR, error, ..reply };
            let send = |header, body: &[u8]| stream::send(&client, header, &[body], &[], soon()).unwrap();
            match answer(command) {
                Answer::Good => send(reply, &good(command, asked.body, bar2)),
                Answer::Refused(error) => send(refusal(error), &[]),
                Answer::Silence => {}
                Answer::Death => return,
            }
        }
    });
    (VfioUser::connect_within(&path, PATIENCE), thread)
}

fn good(command: Command, asked: Vec<u8>, bar2: u64) -> Vec<u8> {
    match command {
        Command::RegionRead => [asked, vec![0xE5, 0x1D, 0x10, 0x0A]].concat(),
        Command::DeviceGetRegionInfo => {
            let (info, _) = wire::RegionInfo::split(&asked).unwrap();
            wire::RegionInfo { size: if info.index == 2 { bar2 } else { 1 << 16 }, ..info }.bytes()
        }
        _ => asked,
    }
}

/// The device at a server that is good until it has memory enabled, and from then on answers so.
fn device(mut then: impl FnMut(Command) -> Answer + Send + 'static) -> (VfioUser, JoinHandle<()>) {
    let mut is_connected = false;
    let (device, thread) = server(BAR2_BYTES.into(), move |command| {
        let answer = if is_connected { then(command) } else { Answer::Good };
        is_connected |= command == Command::RegionWrite;
        answer
    });
    (device.unwrap(), thread)
}

#[test]
fn what_is_refused_does_not_end_the_connection() {
    for (error, says) in [
        (22, "EINVAL): alignment, size or range"),
        (5, "EIO"),
        (0, "EIO"),
        (4096, "EIO"),
        (u32::MAX, "EIO"),
        (1, "log"),
    ] {
        let (device, thread) = device(move |_| Answer::Refused(error));
        for _ in 0..2 {
            let read = device.read32(Bar::Regs, 8).unwrap_err();
            assert!(matches!(read, BackingError::BadAccess { bar: Bar::Regs, offset: 8, .. }), "{read}");
            assert!(read.to_string().contains(says), "{error}: {read}");
            assert!(matches!(device.write64(Bar::Rtbd, 8, 0), Err(BackingError::BadAccess { .. })));
            assert!(matches!(device.dma_alloc(1), Err(BackingError::Dma(_))));
            assert!(matches!(device.irq_fd(1), Err(BackingError::Irq(_))));
            assert!(matches!(device.reset(), Err(BackingError::Busy(why)) if why.contains("log")));
            assert!(matches!(device.bus_master(true), Err(BackingError::Busy(why)) if why.contains("log")));
        }
        drop(device);
        thread.join().unwrap();
    }
}

#[test]
fn memory_stays_taken_until_the_server_has_let_it_go() {
    let (device, thread) = device(|command| match command {
        Command::DmaUnmap => Answer::Refused(22),
        _ => Answer::Good,
    });
    let memory = device.dma_alloc(4096).unwrap();
    for _ in 0..2 {
        let refused = device.dma_free(memory.iova()).unwrap_err();
        assert!(refused.to_string().contains("the server does not unmap"), "{refused}");
    }
    drop(device);
    thread.join().unwrap();
}

#[test]
fn a_server_that_is_stuck_or_dies_is_recognised_within_the_deadline() {
    for (silent, says) in [(true, "no reply within 500ms; is the server stuck? look at its log"), (false, "closed")] {
        let (device, thread) = device(move |_| if silent { Answer::Silence } else { Answer::Death });
        let begin = Instant::now();
        for _ in 0..20 {
            let gone = device.read32(Bar::Regs, 0).unwrap_err();
            assert!(matches!(&gone, BackingError::Gone(why) if why.contains(says)), "{gone}");
        }
        // Waited for once: after that it is known.
        assert!(begin.elapsed() < 6 * PATIENCE, "{:?}", begin.elapsed());
        drop(device);
        thread.join().unwrap();
    }
}

#[test]
fn connecting_names_what_was_refused_and_a_small_bar2() {
    let (refused, thread) = server(BAR2_BYTES.into(), |_| Answer::Refused(95));
    let refused = refused.unwrap_err();
    assert!(matches!(refused, ConnectError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("refused vfio-user's VERSION: "), "{refused}");
    thread.join().unwrap();
    let (small, thread) = server(u64::from(BAR2_BYTES) - 1, |_| Answer::Good);
    assert!(matches!(small, Err(ConnectError::SmallBar { bar: 2, .. })), "{small:?}");
    thread.join().unwrap();
}

#[test]
fn a_server_that_accepts_nobody_is_not_waited_for_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stuck");
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let stuck = VfioUser::connect_within(&path, PATIENCE).unwrap_err();
    assert!(stuck.to_string().contains("took no connection within 500ms; is it stuck?"), "{stuck}");
}
