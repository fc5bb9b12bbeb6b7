//! Clients that say anything: the server answers with errors, and serves the next. And servers that say anything to the driver.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use common::{Running, ask, connect, memfd, negotiated, soon, still_serves};
use kvcpu_driver::vfio_user::wire::{self, Command, Header};
use kvcpu_driver::vfio_user::{VfioUser, stream};
use kvcpu_mmio::regs::irq;
use kvcpu_mmio::{Backing, Bar, Geometry};
use proptest::prelude::*;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{OFlags, fcntl_setfl, ftruncate};
use rustix::io::Errno;

#[test]
fn each_bad_request_has_its_error_and_changes_nothing() {
    let server = Running::new(Geometry::SMALL, 2);
    let early = connect(&server);
    assert_eq!(ask(&early, Command::DeviceReset as u16, &[], &[]), Err(Errno::INVAL), "no version yet");
    let version = |major, json: &[u8]| [wire::Version { major, minor: 1 }.bytes(), json.to_vec()].concat();
    for (body, error) in [
        (vec![0; 3], Errno::INVAL),
        (version(1, b""), Errno::NOTSUP),
        (version(0, b"{\"a\":1}"), Errno::INVAL),
        (version(0, b"{\0"), Errno::INVAL),
    ] {
        assert_eq!(ask(&early, Command::Version as u16, &body, &[]), Err(error), "{body:?}");
    }
    let stream = early;
    ask(&stream, Command::Version as u16, &version(0, b"{}\0"), &[]).unwrap();
    let access = |region, offset, count| wire::RegionAccess { offset, region, count }.bytes();
    let with = |access: Vec<u8>, data: &[u8]| [access, data.to_vec()].concat();
    let map = |address, size, offset, flags| wire::DmaMap { argsz: 32, flags, offset, address, size }.bytes();
    let unmap = |address, size, flags| wire::DmaUnmap { argsz: 24, flags, address, size }.bytes();
    let irqs = |index, flags, start, count| wire::IrqSet { argsz: 20, flags, index, start, count }.bytes();
    let set = wire::SET_EVENTFD | wire::SET_TRIGGER;
    let small = memfd("hostile", 4096);
    let one = [small.as_fd()];
    let two = [small.as_fd(), small.as_fd()];
    let cases: Vec<(&str, Command, Vec<u8>, &[BorrowedFd<'_>])> = vec![
        ("a second version", Command::Version, version(0, b"{}\0"), &[]),
        ("a region that is not there", Command::RegionRead, access(9, 0, 4), &[]),
        ("past the end", Command::RegionRead, access(0, 0xFFFE, 4), &[]),
        ("an offset that overflows", Command::RegionRead, access(0, u64::MAX - 1, 4), &[]),
        ("nothing", Command::RegionRead, access(0, 0, 0), &[]),
        ("too much", Command::RegionRead, access(2, 0, u32::MAX), &[]),
        ("with data", Command::RegionRead, with(access(0, 0, 4), &[0; 4]), &[]),
        ("a write without data", Command::RegionWrite, access(0, 0x10, 4), &[]),
        ("a write with too much", Command::RegionWrite, with(access(7, 4, 4), &[0; 8]), &[]),
        ("a descriptor that is not wanted", Command::RegionRead, access(7, 0, 4), &one),
        ("a map of nothing", Command::DmaMap, map(0, 0, 0, 3), &one),
        ("a map off a page", Command::DmaMap, map(8, 4096, 0, 3), &one),
        ("a map that overflows", Command::DmaMap, map(!4095, 8192, 0, 3), &one),
        ("more than the file has", Command::DmaMap, map(0, 8192, 0, 3), &one),
        ("an offset past the file", Command::DmaMap, map(0, 4096, !4095, 3), &one),
        ("two descriptors", Command::DmaMap, map(0, 4096, 0, 3), &two),
        ("unknown flags", Command::DmaMap, map(0, 4096, 0, 8), &one),
        ("a short map", Command::DmaMap, vec![0; 8], &one),
        ("an unmap of all and of some", Command::DmaUnmap, unmap(0, 4096, wire::UNMAP_ALL), &[]),
        ("an interrupt that is not there", Command::DeviceSetIrqs, irqs(5, set, 0, 1), &one),
        ("INTx", Command::DeviceSetIrqs, irqs(0, set, 0, 1), &one),
        ("a vector too many", Command::DeviceSetIrqs, irqs(2, set, 16, 1), &one),
        ("vectors that overflow", Command::DeviceSetIrqs, irqs(2, set, u32::MAX, 2), &two),
        ("fewer descriptors than vectors", Command::DeviceSetIrqs, irqs(2, set, 0, 2), &one),
        ("no trigger", Command::DeviceSetIrqs, irqs(2, wire::SET_EVENTFD, 0, 1), &one),
        ("booleans", Command::DeviceSetIrqs, irqs(2, wire::SET_BOOL | wire::SET_TRIGGER, 0, 1), &[]),
        ("a region's description that is not there", Command::DeviceGetRegionInfo, vec![0xFF; 32], &[]),
        ("a short question", Command::DeviceGetInfo, vec![0; 4], &[]),
    ];
    for (what, command, body, fds) in cases {
        assert_eq!(ask(&stream, command as u16, &body, fds), Err(Errno::INVAL), "{what}");
    }
    assert_eq!(ask(&stream, 99, &[], &[]), Err(Errno::NOTSUP));
    assert_eq!(ask(&stream, Command::DmaUnmap as u16, &unmap(0, 4096, 0), &[]), Err(Errno::NOENT));
    ask(&stream, Command::DmaMap as u16, &map(0, 4096, 0, 3), &one).unwrap();
    assert_eq!(ask(&stream, Command::DmaMap as u16, &map(0, 4096, 0, 3), &one), Err(Errno::EXIST));
    assert_eq!(ask(&stream, Command::DmaUnmap as u16, &unmap(0, 2048, 0), &[]), Err(Errno::INVAL));
    // Nothing of all that reached the device.
    let read = ask(&stream, Command::RegionRead as u16, &access(7, 0, 4), &[]).unwrap();
    assert_eq!(read[16..], [0xE5, 0x1D, 0x10, 0x0A]);
    drop(stream);
    still_serves(&server);
    server.ends();
}

#[test]
fn who_wants_no_reply_gets_none_not_even_an_error() {
    let server = Running::new(Geometry::SMALL, 1);
    {
        let stream = negotiated(&server);
        let bad = wire::RegionAccess { offset: 0, region: 9, count: 4 }.bytes();
        let read = wire::RegionAccess { offset: 0, region: 7, count: 4 }.bytes();
        let cases = [(Command::RegionWrite, &bad), (Command::DmaMap, &bad), (Command::RegionRead, &read)];
        for (command, body) in cases {
            let header = Header { id: 1, command: command as u16, flags: wire::NO_REPLY, ..Header::default() };
            stream::send(&stream, header, &[body], &[], soon()).unwrap();
            // The next reply is to this.
            ask(&stream, Command::RegionRead as u16, &read, &[]).unwrap();
        }
    }
    server.ends();
}

#[test]
fn an_eventfd_that_would_block_holds_up_nobody() {
    let server = Running::new(Geometry::SMALL, 2);
    {
        let stream = negotiated(&server);
        let write = |region, offset: u32, data: u32| {
            let access = wire::RegionAccess { offset: offset.into(), region, count: 4 }.bytes();
            ask(&stream, Command::RegionWrite as u16, &[access, data.to_le_bytes().into()].concat(), &[]).unwrap();
        };
        let set = |fd: BorrowedFd<'_>| {
            let flags = wire::SET_EVENTFD | wire::SET_TRIGGER;
            let set = wire::IrqSet { argsz: 20, flags, index: wire::MSIX_IRQ, start: 0, count: 1 }.bytes();
            ask(&stream, Command::DeviceSetIrqs as u16, &set, &[fd])
        };
        // Full, and not to be waited for in advance as an eventfd is.
        let (_end, pipe) = std::io::pipe().unwrap();
        fcntl_setfl(&pipe, OFlags::NONBLOCK).unwrap();
        while (&pipe).write(&[0; 4096]).is_ok() {}
        fcntl_setfl(&pipe, OFlags::empty()).unwrap();
        assert_eq!(set(pipe.as_fd()), Err(Errno::INVAL));
        assert_eq!(set(memfd("hostile", 4096).as_fd()), Err(Errno::INVAL));

        let event = eventfd(0, EventfdFlags::empty()).unwrap();
        rustix::io::write(&event, &0xFFFF_FFFF_FFFF_FFFE_u64.to_ne_bytes()).unwrap();
        set(event.as_fd()).unwrap();
        fcntl_setfl(&event, OFlags::empty()).unwrap();
        write(wire::CONFIG_REGION, 4, 6);
        write(0, irq::INT_ENABLE.offset, 1);
        let mut count = [0; 8];
        for expected in [0xFFFF_FFFF_FFFF_FFFE, 1] {
            write(0, irq::INT_FORCE.offset, 1);
            // One more turn than the one that forwards it.
            write(0, irq::INT_STATUS.offset, 1);
            write(0, irq::INT_STATUS.offset, 1);
            rustix::io::read(&event, &mut count).unwrap();
            assert_eq!(u64::from_ne_bytes(count), expected);
        }
        rustix::io::write(&event, &0xFFFF_FFFF_FFFF_FFFE_u64.to_ne_bytes()).unwrap();
        write(0, irq::INT_FORCE.offset, 1);
    }
    still_serves(&server);
    server.ends();
}

#[test]
fn memory_that_the_client_shortens_is_no_danger() {
    let server = Running::new(Geometry::SMALL, 1);
    let stream = negotiated(&server);
    let fd = memfd("hostile", 1 << 20);
    let map = wire::DmaMap { argsz: 32, flags: 3, offset: 0, address: 0x10_0000, size: 1 << 20 }.bytes();
    ask(&stream, Command::DmaMap as u16, &map, &[fd.as_fd()]).unwrap();
    assert_eq!(ftruncate(&fd, 0), Err(Errno::PERM), "the server sealed it");
    drop(stream);
    server.ends();
}

fn message() -> impl Strategy<Value = (u16, u32, Option<u32>, Vec<u8>, usize)> {
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        // Near what makes sense.
        (0..10u32, 0..0x1_0010u64, 0..16u32, any::<[u8; 8]>()).prop_map(|(region, offset, count, data)| {
            [wire::RegionAccess { offset, region, count }.bytes(), data[..(count as usize).min(8)].to_vec()].concat()
        }),
        (0..4u64, 0..4u64, 0..4u64, 0..9u32).prop_map(|(address, size, offset, flags)| {
            wire::DmaMap { argsz: 32, flags, offset: offset << 12, address: address << 12, size: size << 12 }.bytes()
        }),
        (0..6u32, prop::sample::select(vec![0x24u32, 0x21, 0x22, 0]), 0..18u32, 0..18u32).prop_map(
            |(index, flags, start, count)| { wire::IrqSet { argsz: 20, flags, index, start, count }.bytes() }
        ),
    ];
    let size = prop::option::weighted(0.03, any::<u32>());
    (0..16u16, prop_oneof![8 => Just(0u32), 1 => Just(wire::NO_REPLY), 1 => any::<u32>()], size, body, 0..4usize)
}

/// How a reply is wrong.
#[derive(Clone, Debug)]
enum Lie {
    /// Its header is any bytes.
    Whole([u8; 16]),
    /// Its header is right, and its body any.
    Body,
    /// It is an error, of any number.
    Error(u32),
}

fn lie() -> impl Strategy<Value = Lie> {
    let errors = prop_oneof![prop::sample::select(vec![0, 1, 22, 4095, 4096, u32::MAX]), any::<u32>()];
    prop_oneof![2 => any::<[u8; 16]>().prop_map(Lie::Whole), 6 => Just(Lie::Body), 2 => errors.prop_map(Lie::Error)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_messages_bring_the_server_down(messages in prop::collection::vec(message(), 1..60)) {
        let server = Running::new(Geometry::SMALL, 2);
        {
            let mut stream = negotiated(&server);
            stream.set_nonblocking(true).unwrap();
            let fd = memfd("hostile", 8192);
            for (command, flags, size, body, fds) in messages {
                let header = Header { id: 1, command, size: size.unwrap_or(0), flags, error: 0 };
                let sent = match size {
                    None => stream::send(&stream, header, &[&body], &vec![fd.as_fd(); fds], soon()).is_ok(),
                    Some(_) => (&stream).write_all(&header.bytes()).is_ok(),
                };
                // Replies are of no interest, but must not fill the socket.
                let mut replies = [0; 4096];
                while stream.read(&mut replies).is_ok_and(|read| read > 0) {}
                if !sent {
                    break;
                }
            }
        }
        still_serves(&server);
        server.ends();
    }

    #[test]
    fn no_replies_make_the_driver_hang_or_panic(
        replies in prop::collection::vec((lie(), prop::collection::vec(any::<u8>(), 0..80)), 1..12)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("liar");
        let listener = UnixListener::bind(&path).unwrap();
        let liar = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for (lie, body) in replies {
                let Ok(asked) = stream::receive(&stream, soon()) else { return };
                let reply = Header { flags: wire::REPLY, ..asked.header };
                let refusal = |error| Header { flags: wire::REPLY | wire::ERROR, error, ..reply };
                let sent = match lie {
                    Lie::Whole(header) => stream.write_all(&header).and_then(|()| stream.write_all(&body)).is_ok(),
                    Lie::Body => stream::send(&stream, reply, &[&body], &[], soon()).is_ok(),
                    Lie::Error(error) => stream::send(&stream, refusal(error), &[], &[], soon()).is_ok(),
                };
                if !sent {
                    return;
                }
            }
        });
        let begin = Instant::now();
        if let Ok(device) = VfioUser::connect_within(&path, Duration::from_secs(1)) {
            let _ = device.read32(Bar::Regs, 0);
            let _ = device.dma_alloc(4096);
            let _ = device.irq_fd(0);
            let _ = device.reset();
        }
        prop_assert!(begin.elapsed() < Duration::from_secs(10));
        liar.join().unwrap();
    }
}
