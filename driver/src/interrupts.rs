//! Interrupt sources: enable, clear, wait.
//!
//! `docs/queue.md`: a message is sent when a bit of INT_STATUS & INT_ENABLE rises, so software clears
//! the status bit first and looks for work afterwards; then no event is missed.

use std::sync::TryLockError;
use std::time::{Duration, Instant};

use kvcpu_mmio::regs::{irq, msix};
use kvcpu_mmio::{Backing, BackingError};

use crate::device::lock;
use crate::{Device, DriverError, eventfd};

/// Simulated time between two looks, and the longest real time.
const CYCLES: u64 = 1024;
const SLICE: Duration = Duration::from_millis(1);

/// A source of interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Queue pair n posted a completion.
    Queue(u16),
    /// The service queue holds a new request.
    Service,
    /// A bit of ERR_STATUS rose.
    Error,
    /// The single-shot command completed.
    Command,
    /// An invalidation awaits acknowledgement.
    Invalidate,
    /// The management core tells of an event (`docs/firmware.md`).
    Management,
}

impl Source {
    /// Its MSI-X vector, which is its bit number in INT_STATUS.
    pub const fn vector(self) -> u16 {
        let field = match self {
            Source::Queue(qid) => return irq::INT_STATUS::QUEUE.lsb as u16 + qid,
            Source::Service => irq::INT_STATUS::SERVICE,
            Source::Error => irq::INT_STATUS::ERROR,
            Source::Command => irq::INT_STATUS::COMMAND,
            Source::Invalidate => irq::INT_STATUS::INVALIDATE,
            Source::Management => irq::INT_STATUS::MANAGEMENT,
        };
        field.lsb as u16
    }

    /// Its bit in INT_STATUS, INT_ENABLE and INT_FORCE.
    pub const fn bit(self) -> u64 {
        1 << self.vector()
    }
}

impl<B: Backing + ?Sized + 'static> Device<B> {
    /// Unmasks the vectors of `sources` and enables them.
    pub fn enable_interrupts(&self, sources: &[Source]) -> Result<(), DriverError> {
        let _held = lock(&self.inner.irq);
        self.enable_held(sources)
    }

    /// The same, unless another thread has INT_ENABLE; whether it did.
    pub(crate) fn try_enable_interrupts(&self, sources: &[Source]) -> Result<bool, DriverError> {
        match self.inner.irq.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(false),
            _held => self.enable_held(sources).map(|()| true),
        }
    }

    fn enable_held(&self, sources: &[Source]) -> Result<(), DriverError> {
        let mut enable = self.read(&irq::INT_ENABLE)?;
        for source in sources {
            // The eventfd first: a message without one is lost.
            self.backing().irq_fd(source.vector())?;
            match self.write_at(&msix::MSIX_CONTROL, source.vector().into(), 0, 0) {
                // Where the table belongs to the kernel, it unmasks when the eventfd is made.
                Err(DriverError::Backing(BackingError::Unsupported(_))) => {}
                other => other?,
            }
            enable |= source.bit();
        }
        self.write(&irq::INT_ENABLE, enable)
    }

    /// Disables `sources`.
    pub fn disable_interrupts(&self, sources: &[Source]) -> Result<(), DriverError> {
        let _held = lock(&self.inner.irq);
        let off = sources.iter().fold(0, |bits, source| bits | source.bit());
        let enable = self.read(&irq::INT_ENABLE)?;
        self.write(&irq::INT_ENABLE, enable & !off)
    }

    /// Clears the status bit of `source`.
    pub fn clear_interrupt(&self, source: Source) -> Result<(), DriverError> {
        self.write(&irq::INT_STATUS, source.bit())
    }

    /// Raises `source` as if its event had happened.
    pub fn force_interrupt(&self, source: Source) -> Result<(), DriverError> {
        self.write(&irq::INT_FORCE, source.bit())
    }

    /// Waits until `source` has signalled and clears its status: look for work afterwards. `false`
    /// after `timeout`. Only one thread may wait for a source, and a queue pair that waits by interrupt
    /// waits for its own.
    pub fn wait_interrupt(&self, source: Source, timeout: Duration) -> Result<bool, DriverError> {
        let start = Instant::now();
        loop {
            if eventfd::take(&**self.backing(), source.vector())? {
                self.clear_interrupt(source)?;
                return Ok(true);
            }
            let Some(left) = timeout.checked_sub(start.elapsed()) else { return Ok(false) };
            self.backing().advance(CYCLES)?;
            eventfd::wait(&**self.backing(), &[source.vector()], left.min(SLICE))?;
        }
    }
}
