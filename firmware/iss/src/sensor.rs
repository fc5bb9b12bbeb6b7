//! A temperature sensor: as warm as it is told to be, with a last bit that flickers as that of a converter does.

use std::sync::{Arc, Mutex, PoisonError};

/// Time between two samples, µs.
const PERIOD_US: u64 = 1_000;
/// A step of its converter in m°C: that of a 12-bit XADC, 503.975 °C / 4,096 (AMD UG480, Temperature Sensor).
const STEP: i32 = 123;

/// How it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Works,
    Sticks,
    Stopped,
    Missing,
}

#[derive(Debug)]
struct Inner {
    millidegrees: i32,
    state: State,
    /// Samples taken when it was looked at last.
    count: u32,
}

/// A handle to the sensor; clones are the same sensor.
#[derive(Clone, Debug)]
pub struct Sensor(Arc<Mutex<Inner>>);

impl Default for Sensor {
    /// One that works, at 45 °C.
    fn default() -> Sensor {
        Sensor(Arc::new(Mutex::new(Inner { millidegrees: 45_000, state: State::Works, count: 0 })))
    }
}

impl Sensor {
    /// Makes it so warm, in m°C: it shows that or a step more.
    pub fn set(&self, millidegrees: i32) {
        self.with(|inner| inner.millidegrees = millidegrees);
    }

    /// It works, as at first.
    pub fn mend(&self) {
        self.with(|inner| inner.state = State::Works);
    }

    /// Its last bit does not flicker any more: it shows the same in each sample.
    pub fn stick(&self) {
        self.with(|inner| inner.state = State::Sticks);
    }

    /// It takes no more samples.
    pub fn stop(&self) {
        self.with(|inner| inner.state = State::Stopped);
    }

    /// There is none.
    pub fn unplug(&self) {
        self.with(|inner| inner.state = State::Missing);
    }

    /// The registers SENSOR and SENSOR_SAMPLES at this time.
    pub(crate) fn read(&self, us: u64) -> (u32, u32) {
        self.with(|inner| {
            match inner.state {
                State::Missing => return (0, 0),
                State::Stopped => {}
                State::Works | State::Sticks => inner.count = count(us),
            }
            let more = if inner.state != State::Sticks && last_bit(inner.count) { STEP } else { 0 };
            (inner.millidegrees.saturating_add(more).cast_unsigned(), inner.count)
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Samples taken by this time; the first is there at power-up.
fn count(us: u64) -> u32 {
    (us / PERIOD_US + 1) as u32
}

/// The bit that flickers: noise, so whoever looks at each tenth sample sees it flicker too.
fn last_bit(count: u32) -> bool {
    // The multiplier is 2^32 over the golden ratio (Knuth, TAOCP 6.4), which spreads successive numbers.
    count.wrapping_mul(0x9E37_79B9) >> 31 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown in 100 samples, looked at every 10 ms.
    fn shown(sensor: &Sensor) -> Vec<i32> {
        let mut shown: Vec<i32> = (0..100).map(|n| sensor.read(n * 10_000).0.cast_signed()).collect();
        shown.sort_unstable();
        shown.dedup();
        shown
    }

    #[test]
    fn a_sensor_that_works_flickers_and_one_that_sticks_does_not() {
        let sensor = Sensor::default();
        assert_eq!(shown(&sensor), [45_000, 45_123]);
        sensor.set(-5_000);
        assert_eq!(shown(&sensor), [-5_000, -4_877]);
        sensor.stick();
        assert_eq!(shown(&sensor), [-5_000]);
        sensor.mend();
        assert_eq!(shown(&sensor).len(), 2);
    }

    #[test]
    fn samples_are_counted_unless_it_stopped_or_is_missing() {
        let sensor = Sensor::default();
        assert_eq!((sensor.read(0).1, sensor.read(1_000).1, sensor.read(1_999).1), (1, 2, 2));
        sensor.stop();
        assert_eq!((sensor.read(5_000).1, sensor.read(90_000).1), (2, 2));
        sensor.unplug();
        assert_eq!(sensor.read(90_000), (0, 0));
    }
}
