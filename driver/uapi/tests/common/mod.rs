//! A kernel of our own at the other end of a socket pair: it sends what CUSE sends, and checks replies as `fs/fuse/dev.c` does.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use kvcpu_driver::{Config, Device, Entry, TierConfig};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::Geometry;
use kvcpu_mmio::uapi::{self, Blocks, Ioctl, Step, Telemetry, Weights};
use kvcpu_uapi::{Card, Channel, Name, UapiError};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// Bytes of a block.
pub(crate) const BLOCK: u64 = 4096;
/// Opcodes as the kernel numbers them.
pub(crate) const OPEN: u32 = 14;
pub(crate) const RELEASE: u32 = 18;
pub(crate) const IOCTL: u32 = 39;
pub(crate) const CUSE_INIT: u32 = 4096;

/// Two ends of a channel that keeps messages apart.
pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// A message: header and body.
pub(crate) fn message(opcode: u32, unique: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend((40 + body.len() as u32).to_ne_bytes());
    out.extend(opcode.to_ne_bytes());
    out.extend(unique.to_ne_bytes());
    out.extend([0; 8]);
    out.extend([1000u32, 1000, 4321, 0].into_iter().flat_map(u32::to_ne_bytes));
    out.extend(body);
    out
}

/// The body of CUSE_INIT.
pub(crate) fn init(major: u32, minor: u32) -> Vec<u8> {
    [major, minor, 0, 1].into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// The body of IOCTL, with the sizes that the restricted mode takes from the code.
pub(crate) fn ioctl_body(handle: u64, code: u32, memory: &[u8]) -> Vec<u8> {
    let size = code >> 16 & 0x3FFF;
    let (writes, reads) = (code >> 30 & 1 == 1, code >> 31 == 1);
    let (input, output) = (if writes { size } else { 0 }, if reads { size } else { 0 });
    let mut out = Vec::new();
    out.extend(handle.to_ne_bytes());
    out.extend([0, code].into_iter().flat_map(u32::to_ne_bytes));
    out.extend(0x7FFF_0000_0000u64.to_ne_bytes());
    out.extend([input, output].into_iter().flat_map(u32::to_ne_bytes));
    out.extend(&memory[..input as usize]);
    out
}

/// The kernel, and the server it talks to.
pub(crate) struct Kernel {
    fd: OwnedFd,
    unique: u64,
    server: JoinHandle<Result<(), UapiError>>,
    /// The device behind the server. Between two requests the server leaves it alone.
    pub(crate) device: Device<Emulator>,
}

/// 8 blocks in T1, 32 in T2, and watermarks in T1.
pub(crate) fn config() -> Config {
    let t1 = TierConfig::blocks(8).watermarks(4, 6).lookahead(10);
    let tiers = [TierConfig::OFF, t1, TierConfig::blocks(32).lookahead(10), TierConfig::OFF];
    Config { tiers, ..Config::default() }
}

impl Kernel {
    /// A server, and the handshake.
    pub(crate) fn new() -> Kernel {
        let device = Device::probe(Arc::new(Emulator::new(Geometry::TEST).unwrap())).unwrap();
        device.configure(config()).unwrap();
        let (ours, theirs) = pair();
        let behind = device.clone();
        let server = std::thread::spawn(move || {
            let queue = behind.queue_pair(0).unwrap();
            let mut card = Card::new(behind, queue).unwrap();
            let channel = Channel::from(theirs);
            channel.offer(&Name::default())?;
            channel.serve(&mut card)
        });
        let mut kernel = Kernel { fd: ours, unique: 0, server, device };
        let reply = kernel.ask(CUSE_INIT, &init(7, 45)).unwrap();
        let word = |at: usize| u32::from_ne_bytes(reply[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(4), word(12)), (7, 38, 0), "version and flags");
        assert_eq!(&reply[72..], b"DEVNAME=kvcpu0\0");
        kernel
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&self, bytes: &[u8]) {
        assert_eq!(rustix::io::write(&self.fd, bytes).unwrap(), bytes.len());
    }

    /// A reply: whose, and its body or error.
    pub(crate) fn receive(&self) -> (u64, Result<Vec<u8>, Errno>) {
        let mut buffer = vec![0; 1 << 16];
        let bytes = rustix::io::read(&self.fd, &mut buffer).unwrap();
        let reply = &buffer[..bytes];
        let length = u32::from_ne_bytes(reply[..4].try_into().unwrap());
        let error = i32::from_ne_bytes(reply[4..8].try_into().unwrap());
        let unique = u64::from_ne_bytes(reply[8..16].try_into().unwrap());
        assert_eq!(length as usize, bytes, "the kernel takes no other length");
        assert!((-511..=0).contains(&error), "nor such an error: {error}");
        assert!(unique != 0, "an announcement nobody asked for");
        if error != 0 {
            assert_eq!(bytes, 16, "an error has no body");
            return (unique, Err(Errno::from_raw_os_error(-error)));
        }
        (unique, Ok(reply[16..].to_vec()))
    }

    /// A request and its reply.
    pub(crate) fn ask(&mut self, opcode: u32, body: &[u8]) -> Result<Vec<u8>, Errno> {
        self.unique += 2;
        self.send(&message(opcode, self.unique, body));
        let (unique, result) = self.receive();
        assert_eq!(unique, self.unique);
        result
    }

    pub(crate) fn open(&mut self) -> u64 {
        let reply = self.ask(OPEN, &[2, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(reply.len(), 16);
        u64::from_ne_bytes(reply[..8].try_into().unwrap())
    }

    pub(crate) fn close(&mut self, handle: u64) -> Result<(), Errno> {
        let body = [handle.to_ne_bytes(), [0; 8], [0; 8]].concat();
        self.ask(RELEASE, &body).map(|reply| assert!(reply.is_empty()))
    }

    /// An ioctl with any code.
    pub(crate) fn raw(&mut self, handle: u64, code: u32, memory: &[u8]) -> Result<Vec<u8>, Errno> {
        let reply = self.ask(IOCTL, &ioctl_body(handle, code, memory))?;
        assert_eq!(reply[..16], [0; 16], "result, flags, and no retry");
        Ok(reply[16..].to_vec())
    }

    fn write(&mut self, handle: u64, ioctl: &Ioctl, memory: &[u8]) -> Result<(), Errno> {
        self.raw(handle, ioctl.code(), memory).map(|output| assert!(output.is_empty()))
    }

    pub(crate) fn step(&mut self, handle: u64, step: u64) -> Result<(), Errno> {
        self.write(handle, &uapi::STEP_ADVANCE, &Step { step }.to_bytes())
    }

    pub(crate) fn weights(&mut self, handle: u64, weights: &Weights) -> Result<(), Errno> {
        self.write(handle, &uapi::SET_WEIGHTS, &weights.to_bytes())
    }

    /// An ioctl about blocks, without a target step.
    pub(crate) fn blocks(&mut self, handle: u64, ioctl: &Ioctl, va: u64, len: u64) -> Result<(), Errno> {
        self.write(handle, ioctl, &Blocks { va, len, target_step: 0 }.to_bytes())
    }

    pub(crate) fn prefetch(&mut self, handle: u64, va: u64, len: u64, target_step: u64) -> Result<(), Errno> {
        self.write(handle, &uapi::PREFETCH, &Blocks { va, len, target_step }.to_bytes())
    }

    pub(crate) fn telemetry(&mut self, handle: u64) -> Telemetry {
        let output = self.raw(handle, uapi::GET_TELEMETRY.code(), &[]).unwrap();
        Telemetry::from_bytes(&output).unwrap()
    }

    /// Every entry of the device's directory.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.device.entries().map(Result::unwrap).collect()
    }

    /// The entry of a caller's block.
    pub(crate) fn entry(&self, handle: u64, address: u64) -> Option<Entry> {
        let name = (handle as u16, address / BLOCK);
        self.entries().into_iter().find(|entry| (entry.key.request, entry.key.tag) == name)
    }

    /// Closes the channel; returns the device as the server leaves it.
    pub(crate) fn ends(self) -> Device<Emulator> {
        drop(self.fd);
        self.server.join().unwrap().unwrap();
        self.device
    }
}
