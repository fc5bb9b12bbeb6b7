//! Thermal control: how much the device rests, by what the sensor shows. `docs/firmware.md`, Thermal control.
//!
//! A function of samples and time; it touches no register.
//!
//! ```text
//!  sample ─► sensor works? ─┬─ yes ─► critical? ─► level by temperature, 3 °C of hysteresis ─┬─► LEVEL
//!                           └─ no ──► at least 8; 15 above the range ─────────────────────────┘
//! ```

use crate::log::Event;
use crate::{Parameters, Sample};
use kvcpu_mmio::firmware::{EventCode, SensorFault, ThermalState};

/// How often the sensor is looked at, ms.
pub const PERIOD_MS: u32 = 10;
/// m°C from the temperature at which throttling begins to the last level.
const SPAN: i32 = 25_000;
/// The last level: the device works one sixteenth of the time.
const LEVELS: i32 = 15;
/// How far below the temperature at which a level begins it ends, m°C.
const HYSTERESIS: i32 = 3_000;
/// Level at the least while the sensor does not work.
const BLIND_LEVEL: u8 = 8;
/// What a sensor may show, m°C.
const SENSOR_RANGE: core::ops::RangeInclusive<i32> = -40_000..=125_000;
/// ms without a sample after which there is no sensor, and of samples after which there is one again.
const SENSOR_MS: u32 = 1_000;
/// Samples in a row that may show the same.
const SENSOR_STILL: u32 = 1_000;

/// Thermal control.
#[derive(Clone, Debug)]
pub struct Thermal {
    shown: Sample,
    peak: Option<i32>,
    level: u8,
    critical: bool,
    sensor: Sensor,
}

/// What is known of the sensor.
#[derive(Clone, Debug)]
struct Sensor {
    /// When the last sample was new.
    fresh: u32,
    /// Samples in a row that showed the same.
    still: u32,
    /// It has failed, and when something was wrong with it last.
    failed: Option<u32>,
}

impl Thermal {
    /// Begins at `now`, in ms, with nothing known.
    pub fn new(now: u32) -> Thermal {
        let sensor = Sensor { fresh: now, still: 0, failed: None };
        Thermal { shown: Sample { millidegrees: 0, count: 0 }, peak: None, level: 0, critical: false, sensor }
    }

    /// Takes what the sensor shows at `now`, in ms, every [`PERIOD_MS`].
    pub fn sample(&mut self, sample: Sample, now: u32, parameters: &Parameters) -> Option<Event> {
        let fault = self.sensor.look(&self.shown, &sample, now);
        let fresh = sample.count != 0 && sample.count != self.shown.count;
        if sample.count != 0 {
            self.shown = sample;
        }
        let event = |code, first: u32| Some(Event::new(code, first, sample.millidegrees as u32));
        match (fault, self.sensor.failed) {
            (Some(fault), failed) => {
                self.sensor.failed = Some(now);
                // A device that is too hot is what breaks a sensor, or what one shows that is not broken.
                let hot = sample.count != 0 && sample.millidegrees > *SENSOR_RANGE.end();
                self.level = self.level.max(if hot { LEVELS as u8 } else { BLIND_LEVEL });
                return if failed.is_none() { event(EventCode::SensorFailed, fault.code()) } else { None };
            }
            (None, Some(wrong)) if now.wrapping_sub(wrong) < SENSOR_MS => {
                // Not trusted yet when it shows less, but when it shows more.
                if fresh {
                    self.level = self.level.max(asked(sample.millidegrees, parameters));
                }
                return None;
            }
            (None, Some(_)) => {
                self.sensor.failed = None;
                return event(EventCode::SensorBack, 0);
            }
            (None, None) => {}
        }
        if !fresh {
            return None;
        }
        self.peak = self.peak.max(Some(sample.millidegrees));
        let (was, was_critical) = (self.level, self.critical);
        self.regulate(sample.millidegrees, parameters);
        if self.critical && !was_critical {
            event(EventCode::Critical, self.level.into())
        } else if was == 0 && self.level > 0 {
            event(EventCode::Throttled, self.level.into())
        } else if was > 0 && self.level == 0 {
            event(EventCode::Unthrottled, 0)
        } else {
            None
        }
    }

    /// The level by the temperature in m°C: up at once, down one at a time.
    fn regulate(&mut self, temperature: i32, parameters: &Parameters) {
        let (begin, critical) = limits(parameters);
        if temperature >= critical {
            self.critical = true;
        } else if temperature <= critical.min(begin + SPAN) - HYSTERESIS {
            self.critical = false;
        }
        let asked = asked(temperature, parameters);
        if self.critical {
            self.level = LEVELS as u8;
        } else if asked > self.level {
            self.level = asked;
        } else if self.level > 0 && temperature <= begin + i32::from(self.level) * SPAN / LEVELS - HYSTERESIS {
            self.level -= 1;
        }
    }

    /// What the sensor showed last, m°C.
    pub fn temperature(&self) -> i32 {
        self.shown.millidegrees
    }

    /// The highest that a sensor that works has shown, m°C; 0 before the first sample.
    pub fn peak(&self) -> i32 {
        self.peak.unwrap_or(0)
    }

    /// The level, 0 to 15, that the temperature asks for, or what is not known of it.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Whether the sensor has failed.
    pub fn sensor_failed(&self) -> bool {
        self.sensor.failed.is_some()
    }

    /// THERMAL_STATUS.STATE.
    pub fn state(&self) -> ThermalState {
        if self.sensor_failed() {
            ThermalState::SensorFailed
        } else if self.critical {
            ThermalState::Critical
        } else if self.level > 0 {
            ThermalState::Throttled
        } else if self.peak.is_some() {
            ThermalState::Normal
        } else {
            ThermalState::Unknown
        }
    }
}

/// Where throttling begins, and what is critical, m°C.
fn limits(parameters: &Parameters) -> (i32, i32) {
    (1_000 * i32::from(parameters.throttle_celsius), 1_000 * i32::from(parameters.critical_celsius))
}

/// The level that a temperature in m°C asks for, whatever the level was.
fn asked(temperature: i32, parameters: &Parameters) -> u8 {
    let (begin, critical) = limits(parameters);
    if temperature >= critical {
        return LEVELS as u8;
    }
    ((temperature - begin) * LEVELS / SPAN).clamp(0, LEVELS) as u8
}

impl Sensor {
    /// What is wrong with it now.
    fn look(&mut self, last: &Sample, sample: &Sample, now: u32) -> Option<SensorFault> {
        if sample.count != 0 && sample.count != last.count {
            self.fresh = now;
            let same = last.count != 0 && sample.millidegrees == last.millidegrees;
            self.still = if same { self.still.saturating_add(1) } else { 1 };
        }
        if now.wrapping_sub(self.fresh) >= SENSOR_MS {
            Some(SensorFault::NoSamples)
        } else if sample.count != 0 && !SENSOR_RANGE.contains(&sample.millidegrees) {
            Some(SensorFault::Range)
        } else if self.still >= SENSOR_STILL {
            Some(SensorFault::Stuck)
        } else {
            None
        }
    }
}
