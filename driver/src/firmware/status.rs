//! What the firmware shows of itself in its registers, as values.

use std::fmt;

use kvcpu_mmio::firmware::{EventCode, ResetCause, SelfTestOutcome, State, ThermalState};
use kvcpu_mmio::regs::mgmt::{
    FW_EVENT, FW_HEARTBEAT, FW_SELFTEST, FW_SELFTEST_DETAIL, FW_STATUS, FW_VERSION, THERMAL_PEAK, THERMAL_STATUS,
    THERMAL_TEMP, THROTTLE, TUNE_STATUS,
};
use kvcpu_mmio::{Backing, Field};

use crate::{Device, DriverError};

/// A version of the firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Patch.
    pub patch: u8,
}

impl Version {
    /// From the value of FW_VERSION, or that word of an image.
    pub const fn from_register(value: u64) -> Version {
        Version {
            major: FW_VERSION::MAJOR.get(value) as u8,
            minor: FW_VERSION::MINOR.get(value) as u8,
            patch: FW_VERSION::PATCH.get(value) as u8,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What the self-test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfTest {
    /// The firmware's own image against its CRC-32C.
    pub image: SelfTestOutcome,
    /// The march of the directory.
    pub march: SelfTestOutcome,
    /// A block copied in and out of card memory.
    pub dma: SelfTestOutcome,
    /// The CRC-32C that the device makes of it.
    pub crc: SelfTestOutcome,
    /// FW_SELFTEST_DETAIL: where it failed first.
    pub detail: u32,
}

impl SelfTest {
    /// From the values of FW_SELFTEST and FW_SELFTEST_DETAIL.
    pub fn from_registers(value: u64, detail: u32) -> SelfTest {
        // Two bits have four values, and all of them are outcomes.
        let part =
            |field: Field| SelfTestOutcome::from_code(field.get(value) as u32).unwrap_or(SelfTestOutcome::NotRun);
        SelfTest {
            image: part(FW_SELFTEST::IMAGE),
            march: part(FW_SELFTEST::MARCH),
            dma: part(FW_SELFTEST::DMA),
            crc: part(FW_SELFTEST::CRC),
            detail,
        }
    }

    /// Its parts by name.
    pub const fn parts(&self) -> [(&'static str, SelfTestOutcome); 4] {
        [("image", self.image), ("march", self.march), ("dma", self.dma), ("crc", self.crc)]
    }

    /// Whether no part failed.
    pub fn is_good(&self) -> bool {
        self.parts().iter().all(|(_, outcome)| *outcome != SelfTestOutcome::Failed)
    }
}

impl fmt::Display for SelfTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, outcome)) in self.parts().into_iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let outcome = match outcome {
                SelfTestOutcome::NotRun => "not run",
                SelfTestOutcome::Passed => "passed",
                SelfTestOutcome::Failed => "failed",
                SelfTestOutcome::LeftOut => "left out",
            };
            write!(f, "{comma}{name} {outcome}")?;
        }
        if self.is_good() { Ok(()) } else { write!(f, ", detail {:#x}", self.detail) }
    }
}

/// The last event that raised the MANAGEMENT interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Code of an [`EventCode`]; 0 before the first.
    pub code: u8,
    /// Events since the core was reset, mod 2^16.
    pub count: u16,
}

impl Event {
    /// From the value of FW_EVENT.
    pub const fn from_register(value: u64) -> Event {
        Event { code: FW_EVENT::CODE.get(value) as u8, count: FW_EVENT::COUNT.get(value) as u16 }
    }

    /// What happened, if this driver knows the code.
    pub const fn event(&self) -> Option<EventCode> {
        EventCode::from_code(self.code as u32)
    }
}

/// Everything at one glance. A code that this driver does not know is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// State.
    pub state: Option<State>,
    /// Flash bank that it runs from.
    pub bank: u8,
    /// It was updated and is not confirmed yet.
    pub trial: bool,
    /// Why the core was reset last.
    pub reset_cause: Option<ResetCause>,
    /// Watchdog bites since power-up; saturates at 255.
    pub bites: u8,
    /// Version.
    pub version: Version,
    /// Rounds of its main loop.
    pub heartbeat: u32,
    /// The last event that it told of.
    pub event: Event,
    /// What the self-test found.
    pub self_test: SelfTest,
    /// Temperature, m°C.
    pub temperature_millicelsius: i32,
    /// The highest since the core was reset, m°C.
    pub peak_millicelsius: i32,
    /// Thermal state.
    pub thermal: Option<ThermalState>,
    /// Level of throttling that is asked for, 1/16.
    pub level: u8,
    /// Sixteenths of the time in which no burst of a DMA channel begins.
    pub throttle_dma: u8,
    /// Sixteenths of the time in which a sweep reads no row.
    pub throttle_sweep: u8,
    /// WEIGHTS are tuned.
    pub tuning: bool,
    /// Changes of WEIGHTS, mod 2^16.
    pub weight_changes: u16,
}

/// The part of it that says which image runs, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) state: Option<State>,
    pub(super) bank: u8,
    pub(super) trial: bool,
    pub(super) cause: Option<ResetCause>,
    pub(super) bites: u8,
}

impl Run {
    /// From the value of FW_STATUS.
    pub(super) fn from_register(value: u64) -> Run {
        Run {
            state: State::from_code(FW_STATUS::STATE.get(value) as u32),
            bank: FW_STATUS::BANK.get(value) as u8,
            trial: FW_STATUS::TRIAL.get(value) == 1,
            cause: ResetCause::from_code(FW_STATUS::RESET_CAUSE.get(value) as u32),
            bites: FW_STATUS::BITES.get(value) as u8,
        }
    }

    /// Whether it is past boot and self-test. Codes of states to come are.
    pub(super) fn is_ready(&self) -> bool {
        !matches!(self.state, Some(State::None | State::Boots | State::Tests))
    }

    /// Whether it shows anything.
    pub(super) fn is_shown(&self) -> bool {
        self.state != Some(State::None)
    }

    /// Whether it boots or tests itself.
    pub(super) fn is_early(&self) -> bool {
        matches!(self.state, Some(State::Boots | State::Tests))
    }
}

/// Reads it; `None` without firmware.
pub(super) fn read<B: Backing + ?Sized + 'static>(device: &Device<B>) -> Result<Option<Status>, DriverError> {
    let run = Run::from_register(device.read(&FW_STATUS)?);
    if run.state == Some(State::None) {
        return Ok(None);
    }
    let thermal = device.read(&THERMAL_STATUS)?;
    let throttle = device.read(&THROTTLE)?;
    let tune = device.read(&TUNE_STATUS)?;
    let celsius = |register| Ok::<_, DriverError>(device.read(register)? as u32 as i32);
    Ok(Some(Status {
        state: run.state,
        bank: run.bank,
        trial: run.trial,
        reset_cause: run.cause,
        bites: run.bites,
        version: Version::from_register(device.read(&FW_VERSION)?),
        heartbeat: device.read(&FW_HEARTBEAT)? as u32,
        event: Event::from_register(device.read(&FW_EVENT)?),
        self_test: SelfTest::from_registers(device.read(&FW_SELFTEST)?, device.read(&FW_SELFTEST_DETAIL)? as u32),
        temperature_millicelsius: celsius(&THERMAL_TEMP)?,
        peak_millicelsius: celsius(&THERMAL_PEAK)?,
        thermal: ThermalState::from_code(THERMAL_STATUS::STATE.get(thermal) as u32),
        level: THERMAL_STATUS::LEVEL.get(thermal) as u8,
        throttle_dma: THROTTLE::DMA.get(throttle) as u8,
        throttle_sweep: THROTTLE::SWEEP.get(throttle) as u8,
        tuning: TUNE_STATUS::ENABLED.get(tune) == 1,
        weight_changes: TUNE_STATUS::CHANGES.get(tune) as u16,
    }))
}
