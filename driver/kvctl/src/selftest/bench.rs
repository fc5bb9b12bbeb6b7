//! The bench a test works on: a freshly reset device, raw accesses, and a sheet for findings.
//!
//! Tests of registers go past the driver, straight to the backing: what they test is what the driver
//! relies on.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use kvcpu_driver::{Config, Device, DriverError, TierConfig};
use kvcpu_mmio::firmware::State;
use kvcpu_mmio::map::registers;
use kvcpu_mmio::queue::{Cqe, Key, Sqe};
use kvcpu_mmio::regs::{command, control, mgmt};
use kvcpu_mmio::{Access, Backing, BackingError, Bar, Geometry, Register};

use super::report::Failure;
use crate::regs::{self, Path};

/// Failures of one test that are kept with their details.
const KEPT: usize = 8;

/// How a test ends early.
#[derive(Debug)]
pub(super) enum Problem {
    /// It failed, and cannot go on.
    Fail(Failure),
    /// The backing cannot do it.
    NotAvailable(String),
}

/// What was checked, or why the test ended early. What was noted before is in its findings either way.
pub(super) type Check = Result<String, Problem>;

impl From<BackingError> for Problem {
    fn from(error: BackingError) -> Problem {
        match error {
            BackingError::Unsupported(what) => Problem::NotAvailable(format!("this backing does not offer {what}")),
            other => failure("the backing", "an answer", other),
        }
    }
}

impl From<DriverError> for Problem {
    fn from(error: DriverError) -> Problem {
        match error {
            DriverError::Backing(error) => error.into(),
            DriverError::Timeout { what, register, .. } => failure(register, format!("{what} to end"), error),
            other => failure("the driver", "success", crate::cli::describe(&other)),
        }
    }
}

/// One failure that ends the test.
pub(super) fn failure(register: impl Display, expected: impl Display, found: impl Display) -> Problem {
    let failure = Failure { register: register.to_string(), expected: expected.to_string(), found: found.to_string() };
    Problem::Fail(failure)
}

/// The sheet on which a test notes what is wrong.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Failure>,
    total: usize,
}

impl Findings {
    /// Notes a deviation.
    pub(super) fn add(&mut self, register: impl Display, expected: impl Display, found: impl Display) {
        self.total += 1;
        if self.kept.len() < KEPT {
            let (register, expected, found) = (register.to_string(), expected.to_string(), found.to_string());
            self.kept.push(Failure { register, expected, found });
        }
    }

    /// Notes a deviation of a number.
    pub(super) fn number<T: Into<u64>>(&mut self, register: impl Display, expected: T, found: T) {
        let (expected, found) = (expected.into(), found.into());
        if expected != found {
            self.add(register, format_args!("{expected:#x}"), format_args!("{found:#x}"));
        }
    }

    /// Notes a deviation of a fact.
    pub(super) fn fact(&mut self, register: impl Display, expected: &str, holds: bool, found: impl Display) {
        if !holds {
            self.add(register, expected, found);
        }
    }

    /// Whether so much is wrong that going on tells nothing new.
    pub(super) fn full(&self) -> bool {
        self.total >= KEPT
    }

    /// Takes over what ended a test.
    pub(super) fn end(&mut self, failure: Failure) {
        self.total += 1;
        self.kept.push(failure);
    }

    /// What was noted, and how much it was in all; `None` if nothing.
    pub(super) fn take(self) -> Option<(Vec<Failure>, usize)> {
        (self.total > 0).then_some((self.kept, self.total))
    }
}

/// A bad access as the device recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadAccess {
    pub(super) offset: u64,
    pub(super) bar: u64,
    pub(super) write: bool,
    pub(super) cause: u64,
}

/// The device under test.
pub(super) struct Bench {
    pub(super) backing: Arc<dyn Backing>,
    pub(super) deadline: Duration,
    /// Sample where the full set takes long.
    pub(super) quick: bool,
    /// Firmware was seen.
    has_firmware: AtomicBool,
}

impl Bench {
    pub(super) fn new(backing: Arc<dyn Backing>, deadline: Duration, quick: bool) -> Bench {
        Bench { backing, deadline, quick, has_firmware: AtomicBool::new(false) }
    }

    pub(super) fn read32(&self, bar: Bar, offset: u32) -> Result<u32, Problem> {
        Ok(self.backing.read32(bar, offset)?)
    }

    pub(super) fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), Problem> {
        Ok(self.backing.write32(bar, offset, value)?)
    }

    /// A whole register, 64-bit ones in one access.
    pub(super) fn read(&self, path: &Path) -> Result<u64, Problem> {
        match path.register.width {
            64 => Ok(self.backing.read64(path.register.bar, path.offset())?),
            _ => Ok(self.read32(path.register.bar, path.offset())?.into()),
        }
    }

    pub(super) fn write(&self, path: &Path, value: u64) -> Result<(), Problem> {
        match path.register.width {
            64 => Ok(self.backing.write64(path.register.bar, path.offset(), value)?),
            _ => self.write32(path.register.bar, path.offset(), value as u32),
        }
    }

    pub(super) fn get(&self, register: &'static Register) -> Result<u64, Problem> {
        self.read(&Path::of(register, 0, 0))
    }

    pub(super) fn set(&self, register: &'static Register, value: u64) -> Result<(), Problem> {
        self.write(&Path::of(register, 0, 0), value)
    }

    /// Function-level reset, bus mastering on, and the wait until the device is ready, and its firmware is past its boot and its march, if it has any.
    pub(super) fn reset(&self) -> Result<(), Problem> {
        self.has_firmware.fetch_or(self.get(&mgmt::FW_STATUS)? != 0, Relaxed);
        // Without the function's reset there is the device's own, so that its tests are run all the same.
        if !self.reset_function()? {
            self.set(&control::CTRL, control::CTRL::RESET.mask())?;
        }
        self.wait(&control::STATUS, &control::STATUS::READY, 1)?;
        let start = Instant::now();
        while self.has_firmware.load(Relaxed) {
            let state = mgmt::FW_STATUS::STATE.get(self.get(&mgmt::FW_STATUS)?);
            if state > State::Tests.code().into() {
                break;
            }
            if start.elapsed() >= self.deadline {
                let expected = format!("firmware that has booted and tested itself within {:?}", self.deadline);
                return Err(failure("FW_STATUS.STATE", expected, state));
            }
            self.backing.advance(64)?;
        }
        Ok(())
    }

    /// Function-level reset, and bus mastering on again if there is any; `false` if the backing has no such reset.
    pub(super) fn reset_function(&self) -> Result<bool, Problem> {
        let has_reset = match self.backing.reset() {
            Err(BackingError::Unsupported(_)) => false,
            other => other.map(|()| true)?,
        };
        match self.backing.bus_master(true) {
            // What needs host memory finds that out by itself.
            Err(BackingError::Unsupported(_)) => {}
            other => other?,
        }
        Ok(has_reset)
    }

    /// Waits until a field has a value.
    pub(super) fn wait(
        &self,
        register: &'static Register,
        field: &kvcpu_mmio::Field,
        value: u64,
    ) -> Result<(), Problem> {
        let start = Instant::now();
        loop {
            let found = field.get(self.get(register)?);
            if found == value {
                return Ok(());
            }
            if start.elapsed() >= self.deadline {
                let expected = format!("{value} within {:?}", self.deadline);
                return Err(failure(format_args!("{}.{}", register.name, field.name), expected, found));
            }
            self.backing.advance(64)?;
        }
    }

    /// The bad accesses since last asked, and the last of them.
    pub(super) fn bad_accesses(&self) -> Result<(u64, BadAccess), Problem> {
        use control::BAD_ACCESS_ADDR as A;
        let count = self.get(&control::BAD_ACCESS_COUNT)?;
        let last = self.get(&control::BAD_ACCESS_ADDR)?;
        let last = BadAccess {
            offset: A::OFFSET.get(last),
            bar: A::BAR.get(last),
            write: A::WRITE.get(last) == 1,
            cause: A::CAUSE.get(last),
        };
        Ok((count, last))
    }

    /// Notes it if not exactly one bad access was recorded, and as it should be.
    pub(super) fn expect_bad(
        &self,
        findings: &mut Findings,
        place: (Bar, u32),
        write: bool,
        cause: u64,
    ) -> Result<(), Problem> {
        Self::judge_bad(findings, self.bad_accesses()?, place, write, cause);
        Ok(())
    }

    /// The same of what `bad_accesses` said, which reads it away.
    pub(super) fn judge_bad(
        findings: &mut Findings,
        (count, found): (u64, BadAccess),
        (bar, offset): (Bar, u32),
        write: bool,
        cause: u64,
    ) {
        let expected = BadAccess { offset: offset.into(), bar: bar.index().into(), write, cause };
        let verb = if write { "write" } else { "read" };
        if count != 1 || found != expected {
            findings.add(
                format_args!("BAD_ACCESS_ADDR after a {verb} at BAR{}+{offset:#x}", bar.index()),
                format_args!("1 counted, {expected:?}"),
                format_args!("{count} counted, {found:?}"),
            );
        }
    }

    /// The device through the driver.
    pub(super) fn probe(&self) -> Result<Device, Problem> {
        let device = Device::probe(self.backing.clone())?;
        device.set_deadline(self.deadline);
        Ok(device)
    }

    /// The device, configured.
    pub(super) fn configured(&self, config: Config) -> Result<Device, Problem> {
        let device = self.probe()?;
        device.configure(Config { deadline: self.deadline, ..config })?;
        Ok(device)
    }

    /// A configuration with these tiers and blocks of 4 KiB, or the nearest size the device has.
    pub(super) fn config(&self, tiers: [TierConfig; 4]) -> Result<Config, Problem> {
        let geometry = *self.probe()?.geometry();
        let block_shift = 12.clamp(geometry.min_block_shift, geometry.max_block_shift);
        let first = tiers.iter().position(|tier| tier.limit > 0).unwrap_or(1) as u8;
        let prefetch_tier = if tiers[1].limit > 0 { 1 } else { first };
        Ok(Config { block_shift, tiers, prefetch_tier, ..Config::default() })
    }

    /// Every place of the map that this geometry has and `wanted` wants.
    pub(super) fn places(&self, wanted: impl Fn(&Register) -> bool) -> Result<Vec<Path>, Problem> {
        let geometry: Geometry = *self.probe()?.geometry();
        let all = registers()
            .filter(|register| wanted(register))
            .flat_map(|register| (0..register.instances).map(move |instance| (register, instance)))
            .flat_map(|(register, instance)| (0..register.elements).map(move |n| Path::of(register, instance, n)));
        Ok(all.filter(|path| regs::exists(&geometry, path)).collect())
    }

    /// Starts a single-shot command by hand, without waiting for it.
    pub(super) fn start(&self, sqe: &Sqe) -> Result<(), Problem> {
        for (pair, word) in (0..).step_by(2).zip(sqe.to_words()) {
            self.write(&Path::of(&command::CMD_SQE, 0, pair), word & u64::from(u32::MAX))?;
            self.write(&Path::of(&command::CMD_SQE, 0, pair + 1), word >> 32)?;
        }
        self.set(&command::CMD_GO, 1)
    }

    /// Waits for it.
    pub(super) fn end(&self) -> Result<Cqe, Problem> {
        self.wait(&command::CMD_STATUS, &command::CMD_STATUS::DONE, 1)?;
        let mut words = [0; 4];
        for (element, word) in (0..).zip(&mut words) {
            *word = self.read(&Path::of(&command::CMD_CQE, 0, element))?;
        }
        Ok(Cqe::from_words([words[0] | words[1] << 32, words[2] | words[3] << 32]))
    }
}

/// Registers of BAR0, which the battery may use.
pub(super) fn in_bar0(register: &Register) -> bool {
    register.bar == Bar::Regs
}

/// Registers that can be read without losing anything.
pub(super) fn readable(register: &Register) -> bool {
    matches!(register.access, Access::RO | Access::RW | Access::W1C)
}

/// A key of the selftest's own tenant.
pub(super) const fn key(request: u16, tag: u64) -> Key {
    Key { tenant: 0x5E, request, tag }
}

/// Bytes that belong to `seed` alone: SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0xD134_2543_DE82_EF95);
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(bytes).collect()
}
