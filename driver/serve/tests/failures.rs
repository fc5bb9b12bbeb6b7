//! Devices that fail, and devices that are simulated: what the server does with them.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use common::{PATIENCE, Running, ask, negotiated, soon};
use kvcpu_driver::vfio_user::stream;
use kvcpu_driver::vfio_user::wire::{self, Command, Header};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry};
use kvcpu_serve::{ClientMemory, ServeError, Served};
use rustix::io::Errno;

/// An emulator that counts, and fails as it is told.
struct Flaky {
    device: Emulator,
    resets: AtomicU32,
    reads: AtomicU32,
    reset_fails: AtomicBool,
    bus_master_fails: AtomicBool,
    time_fails: AtomicBool,
}

impl Flaky {
    /// It, and a server of it.
    fn served(is_clocked: bool) -> (Arc<Flaky>, Running) {
        let memory = ClientMemory::default();
        let bus = memory.clone();
        let device = Arc::new(Flaky {
            device: Emulator::with_bus(Geometry::SMALL, |_| Box::new(bus)).unwrap(),
            resets: AtomicU32::default(),
            reads: AtomicU32::default(),
            reset_fails: AtomicBool::default(),
            bus_master_fails: AtomicBool::default(),
            time_fails: AtomicBool::default(),
        });
        let served = Served { device: device.clone(), memory, is_clocked };
        (device, Running::serving(served, 1, PATIENCE))
    }
}

fn unless(fails: &AtomicBool) -> Result<(), BackingError> {
    if fails.load(Ordering::Relaxed) { Err(BackingError::Gone("a test said so".into())) } else { Ok(()) }
}

impl Backing for Flaky {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.device.read32(bar, offset)
    }
    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        self.device.write32(bar, offset, value)
    }
    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.device.read64(bar, offset)
    }
    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.device.write64(bar, offset, value)
    }
    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        self.device.dma_alloc(bytes)
    }
    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        self.device.dma_free(iova)
    }
    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        self.device.irq_fd(vector)
    }
    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        unless(&self.bus_master_fails)?;
        self.device.bus_master(on)
    }
    fn reset(&self) -> Result<(), BackingError> {
        self.resets.fetch_add(1, Ordering::Relaxed);
        unless(&self.reset_fails)?;
        self.device.reset()
    }
    fn advance(&self, _cycles: u64) -> Result<(), BackingError> {
        unless(&self.time_fails)
    }
    fn name(&self) -> String {
        "flaky".into()
    }
}

#[test]
fn a_device_that_cannot_be_reset_is_served_no_more() {
    let (device, mut server) = Flaky::served(false);
    let stream = negotiated(&server);
    device.reset_fails.store(true, Ordering::Relaxed);
    assert_eq!(ask(&stream, Command::DeviceReset as u16, &[], &[]), Err(Errno::IO));
    drop(stream);
    let error = server.end().unwrap_err();
    assert!(matches!(error, ServeError::Device { .. }), "{error}");
    assert!(error.to_string().contains("reset after a client: device does not answer: a test said so"), "{error}");
}

#[test]
fn a_device_is_reset_although_bus_mastering_cannot_be_cleared() {
    let (device, mut server) = Flaky::served(false);
    let stream = negotiated(&server);
    device.bus_master_fails.store(true, Ordering::Relaxed);
    assert_eq!(ask(&stream, Command::DeviceReset as u16, &[], &[]), Err(Errno::IO));
    drop(stream);
    assert!(matches!(server.end(), Err(ServeError::Device { .. })));
    assert_eq!(device.resets.load(Ordering::Relaxed), 2);
}

#[test]
fn a_simulation_that_fails_is_no_failure_of_the_socket() {
    let (device, mut server) = Flaky::served(true);
    let _stream = negotiated(&server);
    device.time_fails.store(true, Ordering::Relaxed);
    let error = server.end().unwrap_err();
    assert!(matches!(error, ServeError::Device { .. }), "{error}");
    assert!(!error.to_string().contains("socket") && error.to_string().contains("while time passed"), "{error}");
}

#[test]
fn a_simulated_device_is_read_in_short_runs_and_says_so() {
    for (is_clocked, most) in [(true, 4096), (false, 1 << 20)] {
        let (_, server) = Flaky::served(is_clocked);
        {
            let stream = common::connect(&server);
            let version = ask(&stream, Command::Version as u16, &wire::VERSION.bytes(), &[]).unwrap();
            let (json, end) = version[4..].split_at(version.len() - 5);
            let said: serde_json::Value = serde_json::from_slice(json).unwrap();
            assert_eq!((said["capabilities"]["max_data_xfer_size"].as_u64(), end), (Some(most), &[0][..]));
            let memory_enable = wire::RegionAccess { offset: 4, region: 7, count: 2 }.bytes();
            ask(&stream, Command::RegionWrite as u16, &[memory_enable, vec![2, 0]].concat(), &[]).unwrap();
            let read = |count: u64| {
                let access = wire::RegionAccess { offset: 0, region: 2, count: count as u32 }.bytes();
                ask(&stream, Command::RegionRead as u16, &access, &[]).map(|reply| reply.len() as u64 - 16)
            };
            assert_eq!((read(most), read(most + 8)), (Ok(most), Err(Errno::INVAL)));
        }
        server.ends();
    }
}

#[test]
fn a_read_whose_data_nobody_wants_does_not_reach_the_device() {
    let (device, server) = Flaky::served(false);
    {
        let stream = negotiated(&server);
        let memory_enable = wire::RegionAccess { offset: 4, region: 7, count: 2 }.bytes();
        ask(&stream, Command::RegionWrite as u16, &[memory_enable, vec![2, 0]].concat(), &[]).unwrap();
        let access = wire::RegionAccess { offset: 0, region: 0, count: 4 }.bytes();
        let header = Header { id: 1, command: Command::RegionRead as u16, flags: wire::NO_REPLY, ..Header::default() };
        stream::send(&stream, header, &[&access], &[], soon()).unwrap();
        ask(&stream, Command::RegionRead as u16, &access, &[]).unwrap();
        assert_eq!(device.reads.load(Ordering::Relaxed), 1);
    }
    server.ends();
}
