//! Waiting: what every loop does between two looks at the device.
//!
//! A tick lets simulated time pass, serves T3 and invalidations (the device may be waiting for
//! us), and after a while gives the processor away. The deadline counts from the last progress, not
//! from the start: a slow simulation that still completes commands is alive. Serving the device
//! counts as progress too, but not for ever: a device that only keeps asking is not alive.

use std::time::{Duration, Instant};

use kvcpu_mmio::Backing;

use crate::{Device, DriverError, Source, eventfd};

/// Simulated clocks of the first tick; each tick doubles them up to the last.
const FIRST_CYCLES: u64 = 64;
const LAST_CYCLES: u64 = 4096;
/// Ticks before the thread yields, and before it sleeps.
const YIELD_AFTER: u32 = 64;
const SLEEP_AFTER: u32 = 512;
/// Ticks between two looks whether the device is still there.
const ALIVE_EVERY: u32 = 16;
/// Deadlines that a wait may last on the strength of what was served alone.
const SERVED_DEADLINES: u32 = 16;
/// Longest sleep without an interrupt, and with.
const NAP: Duration = Duration::from_micros(50);
const SLICE: Duration = Duration::from_millis(1);

/// One wait.
pub(crate) struct Wait<'d, B: Backing + ?Sized + 'static> {
    device: &'d Device<B>,
    deadline: Duration,
    progress: Instant,
    /// When the device last did what is waited for.
    answered: Instant,
    ticks: u32,
    cycles: u64,
    source: Option<Source>,
    armed: bool,
}

impl<'d, B: Backing + ?Sized + 'static> Wait<'d, B> {
    /// A wait that begins now. With `source` it sleeps until that interrupt.
    pub(crate) fn new(device: &'d Device<B>, deadline: Duration, source: Option<Source>) -> Wait<'d, B> {
        Wait {
            device,
            deadline,
            progress: Instant::now(),
            answered: Instant::now(),
            ticks: 0,
            cycles: FIRST_CYCLES,
            source,
            armed: false,
        }
    }

    /// The device did something.
    pub(crate) fn progressed(&mut self) {
        self.answered = Instant::now();
        self.served();
    }

    fn served(&mut self) {
        self.progress = Instant::now();
        self.cycles = FIRST_CYCLES;
    }

    /// Ticks so far.
    pub(crate) fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Lets time pass. `true` once the deadline is over; look a last time before giving up.
    pub(crate) fn tick(&mut self) -> Result<bool, DriverError> {
        self.ticks += 1;
        self.device.backing().advance(self.cycles)?;
        self.cycles = (self.cycles * 2).min(LAST_CYCLES);
        if self.device.serve_if_free(self.ticks > YIELD_AFTER)? {
            self.served();
        } else {
            self.pause()?;
        }
        if self.ticks % ALIVE_EVERY == ALIVE_EVERY - 1 {
            self.device.check_alive()?;
        }
        let given_up = self.answered.elapsed() >= self.deadline.saturating_mul(SERVED_DEADLINES);
        Ok(given_up || self.progress.elapsed() >= self.deadline)
    }

    /// Sleeping takes two ticks: the first clears the status bit, so that the caller looks for work
    /// after that and before the second sleeps. An event in between signals the eventfd.
    fn pause(&mut self) -> Result<(), DriverError> {
        let Some(source) = self.source else {
            if self.ticks > SLEEP_AFTER {
                std::thread::sleep(NAP);
            } else if self.ticks > YIELD_AFTER {
                std::thread::yield_now();
            }
            return Ok(());
        };
        if self.ticks <= YIELD_AFTER / 4 {
            return Ok(());
        }
        let backing = &**self.device.backing();
        if self.armed {
            // Requests from the device end the sleep too; the service loop takes their signals.
            let vectors = [source.vector(), Source::Service.vector(), Source::Invalidate.vector()];
            let vectors = if self.device.serves() { &vectors[..] } else { &vectors[..1] };
            eventfd::wait(backing, vectors, SLICE.min(self.deadline))?;
        } else {
            eventfd::take(backing, source.vector())?;
            self.device.clear_interrupt(source)?;
        }
        self.armed = !self.armed;
        Ok(())
    }

    /// The error for a wait that is over.
    pub(crate) fn timeout(&self, what: &'static str, register: &'static str, last: u64) -> DriverError {
        DriverError::Timeout { what, register, last, waited: self.answered.elapsed() }
    }
}
