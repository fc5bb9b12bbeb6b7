//! A device that takes its time: doorbells are heard late, on another thread, so that waits really wait
//! and interrupts really wake.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{emulator, key};
use kvcpu_driver::mmio::regs::{command, queue};
use kvcpu_driver::mmio::{Backing, BackingError, Bar, DmaMemory, map};
use kvcpu_driver::{Commands, Config, Device, DriverError, Insert, Source, WaitMode};
use kvcpu_emulator::Emulator;

const LATE: Duration = Duration::from_millis(40);

struct Late(Arc<Emulator>);

impl Backing for Late {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.0.read32(bar, offset)
    }
    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        let name = map::by_offset(bar, offset).map(|place| place.register.name);
        if name != Some(queue::SQ_DOORBELL.name) && name != Some(command::CMD_GO.name) {
            return self.0.write32(bar, offset, value);
        }
        let emulator = self.0.clone();
        thread::spawn(move || {
            thread::sleep(LATE);
            emulator.write32(bar, offset, value)
        });
        Ok(())
    }
    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        self.0.read64(bar, offset)
    }
    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.0.write64(bar, offset, value)
    }
    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        self.0.dma_alloc(bytes)
    }
    fn dma_free(&self, iova: u64) -> Result<(), BackingError> {
        self.0.dma_free(iova)
    }
    fn irq_fd(&self, vector: u16) -> Result<i32, BackingError> {
        self.0.irq_fd(vector)
    }
    fn bus_master(&self, on: bool) -> Result<(), BackingError> {
        self.0.bus_master(on)
    }
    fn reset(&self) -> Result<(), BackingError> {
        self.0.reset()
    }
    fn advance(&self, cycles: u64) -> Result<(), BackingError> {
        self.0.advance(cycles)
    }
    fn name(&self) -> String {
        "late".into()
    }
}

fn late(wait: WaitMode) -> Device<Late> {
    let device = Device::probe(Arc::new(Late(emulator()))).unwrap();
    device.configure(Config { wait, ..Config::default() }).unwrap();
    device
}

#[test]
fn late_completions_are_waited_for() {
    for wait in [WaitMode::Poll, WaitMode::Interrupt] {
        let device = late(wait);
        let mut queue = device.queue_pair(1).unwrap();
        let mut shot = device.single_shot();
        for tag in 0..3 {
            queue.insert(&Insert::new(key(tag), 1)).unwrap();
            // DONE is still the last command's: its completion must not be taken for this one's.
            assert!(shot.lookup(key(tag)).unwrap().placed().is_some());
            assert!(shot.lookup(key(99)).unwrap().placed().is_none());
        }
    }
}

#[test]
fn a_command_given_up_may_still_complete() {
    let device = late(WaitMode::Poll);
    let mut queue = device.queue_pair(0).unwrap();
    queue.set_deadline(Duration::from_millis(1));
    let error = queue.nop().unwrap_err();
    assert!(matches!(error, DriverError::Timeout { .. }), "{error}");
    assert_eq!(queue.outstanding(), 1);
    queue.set_deadline(Duration::from_secs(5));
    let mut out = Vec::new();
    queue.wait(1, &mut out).unwrap();
    assert_eq!((out.len(), out[0].status, queue.outstanding()), (1, 0, 0));
}

#[test]
fn a_late_interrupt_wakes_its_waiter() {
    let device = late(WaitMode::Poll);
    device.enable_interrupts(&[Source::Queue(0)]).unwrap();
    let mut queue = device.queue_pair(0).unwrap();
    queue.submit(kvcpu_driver::sqe::nop()).unwrap();
    assert!(device.wait_interrupt(Source::Queue(0), Duration::from_secs(5)).unwrap());
    let mut out = Vec::new();
    assert_eq!(queue.poll(&mut out).unwrap(), 1);
}
