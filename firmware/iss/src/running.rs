//! The device model with its firmware running beside it in real time, as a [`Backing`].

use crate::{Core, FIRMWARE};
use kvcpu_emulator::{Emulator, EmulatorError};
use kvcpu_mmio::image::{Image, ImageError};
use kvcpu_mmio::regs::mgmt::FW_STATUS;
use kvcpu_mmio::{Backing, BackingError, Bar, DmaMemory, Geometry};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Instructions that the core runs with its lock held; a tenth of a millisecond of its time.
const SLICE: u64 = 10_000;
/// The core's time falls behind if its thread gets no processor for longer: its watchdog is to find firmware that hangs, not a busy host.
const LATE: Duration = Duration::from_millis(10);
/// A card's firmware has begun long before a host looks: so much of the core's time it may take to.
const BEGIN: Duration = Duration::from_millis(100);

/// Why there is no device with firmware.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareEmulatorError {
    /// The device cannot be.
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    /// The firmware cannot be.
    #[error("firmware/image/kvcpu-fw.elf: {0}")]
    Image(#[from] ImageError),
    /// The host has no thread for it.
    #[error("no thread for the management core: {0}")]
    Thread(#[from] std::io::Error),
}

/// The emulator with a management core that runs; dropping it stops the core.
pub struct FirmwareEmulator {
    device: Arc<Emulator>,
    core: Arc<Mutex<Core>>,
    /// Dropping it tells the thread to end.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FirmwareEmulator {
    /// A device of this geometry with the checked-in firmware.
    pub fn new(geometry: Geometry) -> Result<FirmwareEmulator, FirmwareEmulatorError> {
        FirmwareEmulator::with(Arc::new(Emulator::new(geometry)?), &Image::from_file(FIRMWARE)?)
    }

    /// A device with this image in bank 0, which runs until it shows a state or hangs before the device is given out.
    pub fn with(device: Arc<Emulator>, image: &Image) -> Result<FirmwareEmulator, FirmwareEmulatorError> {
        let mut core = Core::new(device.clone(), image);
        core.run_until(BEGIN, |_| device.management_read32(Bar::Regs, FW_STATUS.offset) != 0);
        let core = Arc::new(Mutex::new(core));
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("management core".into()).spawn({
            let core = core.clone();
            move || run(&core, &stopped)
        })?;
        Ok(FirmwareEmulator { device, core, stop: Some(stop), thread: Some(thread) })
    }

    /// The core, to be looked at or damaged; it stands still for as long as the guard is held.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }
}

impl Drop for FirmwareEmulator {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by it.
            let _ = thread.join();
        }
    }
}

fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the core until told to stop: a slice, or until it has rested, then waits until as much real time has passed as of its own.
fn run(core: &Mutex<Core>, stopped: &Receiver<()>) {
    // When the core's time is to be what it is.
    let mut due = Instant::now();
    loop {
        {
            let mut core = lock(core);
            let before = core.time();
            core.slice(SLICE);
            due += core.time() - before;
        }
        let wait = due.saturating_duration_since(Instant::now());
        if let Err(RecvTimeoutError::Disconnected) = stopped.recv_timeout(wait) {
            return;
        }
        let late = Instant::now().saturating_duration_since(due);
        if late > Duration::ZERO {
            lock(core).pass(late.min(LATE));
            due += late;
        }
    }
}

impl Backing for FirmwareEmulator {
    fn read32(&self, bar: Bar, offset: u32) -> Result<u32, BackingError> {
        self.device.read32(bar, offset)
    }

    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
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
        "emulator+fw".into()
    }
}
