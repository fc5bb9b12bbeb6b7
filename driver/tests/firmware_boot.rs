//! A device is configured while its firmware boots, marches or is bitten again and again: registers as such firmware writes them.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use kvcpu_driver::mmio::firmware::State;
use kvcpu_driver::mmio::regs::{control, mgmt, rtbd};
use kvcpu_driver::mmio::{Backing, BackingError, Bar, DmaMemory, Geometry, Register};
use kvcpu_driver::{Config, Device, DriverError};
use kvcpu_emulator::Emulator;

const LONG: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(30);

/// The device at whose first ENABLE a march has just begun anew.
struct Marching {
    device: Arc<Emulator>,
    began: AtomicBool,
    /// Shows what it does, and ends after a while.
    has_firmware: bool,
}

fn show(device: &Emulator, register: &Register, value: u32) {
    device.management_write32(register.bar, register.offset, value);
}

impl Marching {
    fn new(has_firmware: bool) -> Arc<Marching> {
        let device = Arc::new(Emulator::new(Geometry::TEST).unwrap());
        Arc::new(Marching { device, began: AtomicBool::new(false), has_firmware })
    }

    fn begin(&self) {
        show(&self.device, &rtbd::RTBD_CTRL, rtbd::RTBD_CTRL::MAINT.mask() as u32);
        let device = self.device.clone();
        if self.has_firmware {
            std::thread::spawn(move || {
                std::thread::sleep(STEP);
                show(&device, &mgmt::FW_STATUS, State::Tests.code());
                std::thread::sleep(STEP);
                show(&device, &rtbd::RTBD_CTRL, 0);
                show(&device, &mgmt::FW_STATUS, State::Runs.code());
            });
        }
    }
}

impl Backing for Marching {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.device.read32(bar, offset)
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        let enables =
            bar == Bar::Regs && offset == control::CTRL.offset && value == control::CTRL::ENABLE.mask() as u32;
        if enables && !self.began.swap(true, SeqCst) {
            self.begin();
        }
        self.device.write32(bar, offset, value)
    }

    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
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
        self.device.bus_master(on)
    }

    fn reset(&self) -> Result<(), BackingError> {
        self.device.reset()
    }

    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        self.device.advance(cycles)
    }

    fn name(&self) -> String {
        "marching".into()
    }
}

#[test]
fn a_march_that_a_reset_had_hidden_is_waited_for() {
    let device = Device::probe(Marching::new(true)).unwrap();
    let begin = Instant::now();
    device.configure(Config { deadline: LONG, ..Config::default() }).unwrap();
    assert!(begin.elapsed() >= STEP, "{:?}", begin.elapsed());
    drop(device.queue_pair(0).unwrap());
}

#[test]
fn maintenance_without_firmware_is_refused() {
    let device = Device::probe(Marching::new(false)).unwrap();
    let begin = Instant::now();
    match device.configure(Config { deadline: LONG, ..Config::default() }).unwrap_err() {
        DriverError::Config(error) => assert_eq!(error.field, "RTBD_CTRL.MAINT"),
        other => panic!("{other}"),
    }
    assert!(begin.elapsed() < LONG);
    device.configure(Config::default()).unwrap();
}

#[test]
fn firmware_that_is_bitten_again_and_again_is_gone_on_without() {
    // BITES grows, or is at its end.
    bitten(|bites| bites);
    bitten(|_| 255);
}

fn bitten(bites: fn(u32) -> u32) {
    let emulator = Arc::new(Emulator::new(Geometry::TEST).unwrap());
    let status = move |n: u32| State::Tests.code() | bites(n) << mgmt::FW_STATUS::BITES.lsb;
    show(&emulator, &mgmt::FW_STATUS, status(0));
    let ends = Arc::new(AtomicBool::new(false));
    let core = std::thread::spawn({
        let (emulator, ends) = (emulator.clone(), ends.clone());
        move || {
            // It never comes further than to its march, and its heart beats.
            for round in 0.. {
                if ends.load(SeqCst) {
                    return;
                }
                show(&emulator, &mgmt::FW_HEARTBEAT, round % 20);
                show(&emulator, &mgmt::FW_STATUS, status(round / 20));
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let device = Device::probe(emulator).unwrap();
    let configured = device.configure(Config { deadline: 10 * STEP, ..Config::default() });
    ends.store(true, SeqCst);
    core.join().unwrap();
    configured.unwrap();
}
