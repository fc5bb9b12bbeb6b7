//! `--tune`: the firmware's tuning beside a sweep's device, as a management core would run it, one round after each request.
//! `docs/firmware.md`, Tuning.

use std::sync::Arc;

use kvcpu_firmware::{Hepc, Tune};
use kvcpu_mmio::regs::hepc;
use kvcpu_mmio::{Backing, BackingError, Bar, Register};
use serde::Serialize;

/// What tuning did at one capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tuned {
    /// Changes of WEIGHTS.
    pub weight_changes: u16,
    /// WEIGHTS at the end: WR, WF, WS, WD.
    pub final_weights: [u8; 4],
    /// The request after which it changed WEIGHTS last, from 1; 0 if it never did.
    pub last_change: usize,
}

/// The firmware's tuning, and the device it runs beside.
pub(super) struct Tuner {
    registers: Registers,
    tune: Tune,
    /// Sixteenths of the guard's capacity.
    window: u32,
    /// Requests before it begins.
    after: usize,
    requests: usize,
    last_change: usize,
}

/// The registers of a backing. An access that fails reads 0, and is remembered.
struct Registers {
    backing: Arc<dyn Backing>,
    failed: Option<BackingError>,
}

impl Hepc for Registers {
    fn read_hepc(&mut self, register: &Register) -> u32 {
        let value = self.backing.read32(Bar::Regs, register.offset);
        value.unwrap_or_else(|error| {
            self.failed.get_or_insert(error);
            0
        })
    }

    fn write_hepc(&mut self, register: &Register, value: u32) {
        if let Err(error) = self.backing.write32(Bar::Regs, register.offset, value) {
            self.failed.get_or_insert(error);
        }
    }
}

impl Tuner {
    /// Tuning that begins after `after` requests.
    pub(super) fn new(backing: Arc<dyn Backing>, window: u32, after: usize) -> Tuner {
        let registers = Registers { backing, failed: None };
        Tuner { registers, tune: Tune::default(), window, after, requests: 0, last_change: 0 }
    }

    /// A request was served.
    pub(super) fn round(&mut self) {
        self.requests += 1;
        if self.requests > self.after && self.tune.round(&mut self.registers, self.window).is_some() {
            self.last_change = self.requests;
        }
    }

    /// What came of it.
    pub(super) fn finish(mut self) -> Result<Tuned, BackingError> {
        let weights = self.registers.read_hepc(&hepc::WEIGHTS);
        match self.registers.failed {
            Some(error) => Err(error),
            None => Ok(Tuned {
                weight_changes: self.tune.changes(),
                final_weights: weights.to_le_bytes(),
                last_change: self.last_change,
            }),
        }
    }
}
