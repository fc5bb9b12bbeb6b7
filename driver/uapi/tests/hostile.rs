//! Messages that no kernel sends, and channels that are not what they should be.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::sync::Arc;

use common::{BLOCK, CUSE_INIT, IOCTL, Kernel, OPEN, RELEASE, config, init, ioctl_body, message, pair};
use kvcpu_driver::Device;
use kvcpu_driver::decorator::{FaultPlan, Faulty};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::{Geometry, uapi};
use kvcpu_uapi::wire::{self, Malformed, Request};
use kvcpu_uapi::{Card, Channel, Name, UapiError};
use proptest::prelude::*;
use rustix::io::Errno;

#[test]
fn unknown_requests_and_ioctls_have_their_errors() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    for opcode in [1, 3, 15, 16, 38, 40, 9_999] {
        assert_eq!(kernel.ask(opcode, &[0; 64]), Err(Errno::NOSYS), "opcode {opcode}");
    }
    assert_eq!(kernel.ask(CUSE_INIT, &init(7, 38)), Err(Errno::PROTO), "a second time");
    let other = |number: u32, bytes: u32| 1 << 30 | bytes << 16 | u32::from(uapi::MAGIC) << 8 | number;
    let codes = [0, 0x5401, u32::MAX, other(0, 8), other(8, 24), other(1, 4), other(2, 8), other(1, 16_383)];
    for code in codes {
        assert_eq!(kernel.raw(file, code, &[0; 16_384]), Err(Errno::NOTTY), "code {code:#x}");
    }
    assert_eq!(kernel.raw(77, uapi::GET_TELEMETRY.code(), &[]), Err(Errno::BADF));
    assert_eq!(kernel.close(1 << 16 | file), Err(Errno::BADF), "a handle is not cut");
    assert_eq!(kernel.telemetry(file).hot_count, 0);
    kernel.ends();
}

#[test]
fn requests_without_a_reply_get_none() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    // FORGET, BATCH_FORGET, INTERRUPT of a request that is answered, and one without an id.
    for (opcode, unique) in [(2, 0), (42, 0), (36, 3), (OPEN, 0)] {
        kernel.send(&message(opcode, unique, &[0; 16]));
    }
    kernel.blocks(file, &uapi::MARK_HOT, BLOCK, BLOCK).unwrap();
    assert_eq!(kernel.telemetry(file).hot_count, 1);
    kernel.ends();
}

#[test]
fn truncated_messages_are_refused_and_the_next_is_served() {
    let mut kernel = Kernel::new();
    let file = kernel.open();
    let body = ioctl_body(file, uapi::MARK_HOT.code(), &[1; 24]);
    let whole = message(IOCTL, 0xBEEF, &body);
    for length in 1..whole.len() {
        // As it is, and with a header that owns to it.
        let mut honest = whole[..length].to_vec();
        honest.iter_mut().zip((length as u32).to_ne_bytes()).for_each(|(byte, of)| *byte = of);
        for bytes in [&whole[..length], &honest] {
            kernel.send(bytes);
            if length >= wire::HEADER_BYTES {
                assert_eq!(kernel.receive(), (0xBEEF, Err(Errno::INVAL)), "{length} bytes");
            }
        }
    }
    // An ioctl that brings or has room for another size than its code says.
    for (at, value) in [(24, 23u32), (24, 0), (24, 25), (28, 0)] {
        let code = if at == 24 { uapi::MARK_HOT.code() } else { uapi::GET_TELEMETRY.code() };
        let mut body = ioctl_body(file, code, &[1; 24]);
        body[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        assert_eq!(kernel.ask(IOCTL, &body), Err(Errno::INVAL), "{value} at {at}");
    }
    assert_eq!(kernel.ask(RELEASE, &[0; 7]), Err(Errno::INVAL));
    assert!(kernel.entries().is_empty());
    assert_eq!(kernel.telemetry(file).hot_count, 0);
    kernel.ends();
}

/// What `offer` says to a kernel that begins so.
fn offered(first: &[u8]) -> UapiError {
    let (ours, theirs) = pair();
    rustix::io::write(&ours, first).unwrap();
    Channel::from(theirs).offer(&Name::default()).unwrap_err()
}

#[test]
fn a_handshake_that_is_none_ends_with_what_to_do() {
    for (major, minor) in [(8, 0), (6, 40), (7, 10)] {
        let error = offered(&message(CUSE_INIT, 2, &init(major, minor)));
        assert!(matches!(error, UapiError::Version { .. }), "{error}");
        assert!(error.to_string().contains(&format!("{major}.{minor}, this server 7.11 to 7.38")), "{error}");
    }
    for first in [message(OPEN, 2, &[0; 8]), message(CUSE_INIT, 2, &[0; 7]), vec![1; 12]] {
        assert!(matches!(offered(&first), UapiError::Handshake(_)));
    }
    let (ours, theirs) = pair();
    drop(ours);
    assert!(matches!(Channel::from(theirs).offer(&Name::default()), Err(UapiError::Handshake(_))));
    // One that closes instead of making the device.
    let (ours, theirs) = pair();
    rustix::io::write(&ours, &message(CUSE_INIT, 2, &init(7, 38))).unwrap();
    drop(ours);
    let error = Channel::from(theirs).offer(&"kvcpu7".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("/dev/kvcpu7"), "{error}");
}

#[test]
fn a_name_is_one_below_dev() {
    for good in ["kvcpu0", "a", "kv-cpu_1.b"] {
        assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
    }
    let long = "k".repeat(33);
    for bad in ["", "../sda", "a/b", "a=b", "a b", "a\0", "a!b", ".hidden", "ä", &long] {
        assert!(bad.parse::<Name>().is_err(), "{bad:?}");
    }
}

/// A card that is open cannot be pulled out in order, so the server lets go of one that is gone, calls or no calls.
#[test]
fn a_device_that_goes_ends_the_server() {
    let emulator = Arc::new(Emulator::new(Geometry::TEST).unwrap());
    let backing = Arc::new(Faulty::new(emulator, FaultPlan::default()));
    let device = Device::probe(backing.clone()).unwrap();
    device.configure(config()).unwrap();
    let (ours, theirs) = pair();
    let server = std::thread::spawn(move || {
        let queue = device.queue_pair(0).unwrap();
        let mut card = Card::new(device, queue).unwrap();
        let channel = Channel::from(theirs);
        channel.offer(&Name::default())?;
        channel.serve(&mut card)
    });
    rustix::io::write(&ours, &message(CUSE_INIT, 1, &init(7, 45))).unwrap();
    rustix::io::read(&ours, &mut [0; 256]).unwrap();
    backing.die();
    assert!(matches!(server.join().unwrap(), Err(UapiError::Device(error)) if error.is_gone()));
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match wire::parse(&bytes) {
            Ok((header, _)) => prop_assert_eq!(&bytes[4..8], &header.opcode.to_ne_bytes()),
            Err(Malformed::NoHeader(length)) => prop_assert!(length == bytes.len() && length < wire::HEADER_BYTES),
            Err(Malformed::Bad { unique, .. }) => prop_assert_eq!(&bytes[8..16], &unique.to_ne_bytes()),
        }
    }

    #[test]
    fn a_good_header_before_any_body_is_a_request_or_an_error(
        opcode in prop_oneof![Just(OPEN), Just(RELEASE), Just(IOCTL), Just(CUSE_INIT), any::<u32>()],
        unique: u64,
        body in prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 0..100),
    ) {
        match wire::parse(&message(opcode, unique, &body)) {
            Ok((header, Request::Ioctl { input, .. })) => {
                prop_assert_eq!((header.unique, header.opcode), (unique, IOCTL));
                prop_assert!(input.len() + 32 <= body.len());
            }
            Ok((header, _)) => prop_assert_eq!((header.unique, header.opcode), (unique, opcode)),
            Err(error) => {
                let is_ours = matches!(error, Malformed::Bad { unique: u, opcode: o, .. } if (u, o) == (unique, opcode));
                prop_assert!(is_ours, "{error}");
            }
        }
    }

    #[test]
    fn an_ioctl_comes_out_as_it_went_in(handle: u64, number: u8, input in prop::collection::vec(any::<u8>(), 0..300)) {
        let code = 1 << 30 | (input.len() as u32) << 16 | u32::from(number);
        let bytes = message(IOCTL, 6, &ioctl_body(handle, code, &input));
        let (header, request) = wire::parse(&bytes).unwrap();
        prop_assert_eq!((header.unique, header.pid), (6, 4321));
        prop_assert_eq!(request, Request::Ioctl { handle, code, input: &input, room: 0 });
    }
}
