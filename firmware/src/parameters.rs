//! The parameters: what the driver may change until the core is reset. `docs/firmware.md`, Parameters.

use kvcpu_mmio::firmware::Parameter;

/// Their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Whether WEIGHTS are tuned.
    pub tuning: bool,
    /// ms until the watchdog bites.
    pub watchdog_ms: u16,
    /// Temperature at which throttling begins, °C.
    pub throttle_celsius: u8,
    /// Critical temperature, °C.
    pub critical_celsius: u8,
    /// Least level of throttling.
    pub least_level: u8,
    /// Tuning window, accesses for each block of GUARD_CAPACITY, 1/16.
    pub tuning_window: u8,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters {
            tuning: true,
            watchdog_ms: 1_000,
            throttle_celsius: 70,
            critical_celsius: 105,
            least_level: 0,
            tuning_window: 16,
        }
    }
}

impl Parameters {
    /// The value of one of them.
    pub fn get(&self, parameter: Parameter) -> u32 {
        match parameter {
            Parameter::Tuning => self.tuning.into(),
            Parameter::WatchdogMs => self.watchdog_ms.into(),
            Parameter::ThrottleCelsius => self.throttle_celsius.into(),
            Parameter::CriticalCelsius => self.critical_celsius.into(),
            Parameter::LeastLevel => self.least_level.into(),
            Parameter::TuningWindow => self.tuning_window.into(),
        }
    }

    /// Changes one of them; false, and nothing is changed, if the value is outside its range.
    pub fn set(&mut self, parameter: Parameter, value: u32) -> bool {
        let (least, most) = parameter.range();
        if value < least || value > most {
            return false;
        }
        match parameter {
            Parameter::Tuning => self.tuning = value != 0,
            Parameter::WatchdogMs => self.watchdog_ms = value as u16,
            Parameter::ThrottleCelsius => self.throttle_celsius = value as u8,
            Parameter::CriticalCelsius => self.critical_celsius = value as u8,
            Parameter::LeastLevel => self.least_level = value as u8,
            Parameter::TuningWindow => self.tuning_window = value as u8,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Parameters;
    use kvcpu_mmio::firmware::Parameter;

    #[test]
    fn every_value_in_range_is_kept_and_no_other() {
        for &(parameter, ..) in Parameter::ALL {
            let (least, most) = parameter.range();
            let mut parameters = Parameters::default();
            assert!((least..=most).contains(&parameters.get(parameter)), "{parameter:?}: default");
            for value in least..=most {
                assert!(parameters.set(parameter, value));
                assert_eq!(parameters.get(parameter), value, "{parameter:?}");
            }
            for value in [most + 1, u32::MAX, least.wrapping_sub(1)] {
                assert!(!parameters.set(parameter, value), "{parameter:?} {value}");
                assert_eq!(parameters.get(parameter), most, "{parameter:?}");
            }
        }
    }
}
