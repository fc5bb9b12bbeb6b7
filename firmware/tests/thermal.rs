//! Thermal control against a plant, and what it does when the sensor fails; then through the firmware.

mod common;

use common::Machine;
use kvcpu_firmware::{Event, Parameters, Sample, Thermal, thermal::PERIOD_MS};
use kvcpu_mmio::Geometry;
use kvcpu_mmio::firmware::{EventCode, Opcode, SensorFault, State, ThermalState};
use kvcpu_mmio::regs::{control, irq, mgmt};
use proptest::prelude::*;

/// A device that heats: first-order, its heat proportional to the time in which it works.
struct Plant {
    ambient: f64,
    /// °C above ambient that it comes to when idle, and more when it works all the time.
    idle: f64,
    work: f64,
    tau_s: f64,
    celsius: f64,
    samples: u32,
}

impl Plant {
    fn step(&mut self, level: u8) -> Sample {
        let end = self.ambient + self.idle + self.work * f64::from(16 - level) / 16.0;
        self.celsius += (end - self.celsius) * f64::from(PERIOD_MS) / 1_000.0 / self.tau_s;
        self.samples += 1;
        let flicker = (self.samples * 7 % 5) as i32 - 2;
        Sample { millidegrees: (self.celsius * 1_000.0) as i32 + flicker, count: self.samples }
    }
}

/// Thermal control and its clock.
struct Control {
    thermal: Thermal,
    parameters: Parameters,
    now: u32,
}

impl Control {
    fn new() -> Control {
        // The clock of ms is near its wrap.
        let now = u32::MAX - 20_000;
        Control { thermal: Thermal::new(now), parameters: Parameters::default(), now }
    }

    fn sample(&mut self, sample: Sample) -> Option<Event> {
        self.now = self.now.wrapping_add(PERIOD_MS);
        self.thermal.sample(sample, self.now, &self.parameters)
    }

    /// `samples` samples round a temperature; their events.
    fn hold(&mut self, count: &mut u32, millidegrees: i32, samples: u32) -> Vec<Event> {
        (0..samples)
            .filter_map(|n| {
                *count += 1;
                self.sample(Sample { millidegrees: millidegrees + (n % 2) as i32, count: *count })
            })
            .collect()
    }
}

fn codes(events: &[Event]) -> Vec<EventCode> {
    events.iter().map(|event| event.code).collect()
}

#[test]
fn levels_rise_at_once_and_fall_three_degrees_later() {
    let mut control = Control::new();
    let mut count = 0;
    assert_eq!(control.thermal.state(), ThermalState::Unknown);
    let mut at = |control: &mut Control, millidegrees| {
        let events = control.hold(&mut count, millidegrees, 40);
        (control.thermal.level(), codes(&events))
    };
    assert_eq!(at(&mut control, 71_600), (0, vec![]));
    assert_eq!(control.thermal.state(), ThermalState::Normal);
    assert_eq!(at(&mut control, 71_667), (1, vec![EventCode::Throttled]));
    assert_eq!(at(&mut control, 94_990), (14, vec![]));
    assert_eq!(at(&mut control, 95_000), (15, vec![]));
    assert_eq!(at(&mut control, 92_001), (15, vec![]));
    assert_eq!(at(&mut control, 91_990), (14, vec![]), "level 14 begins at 93.333 °C");
    assert_eq!(at(&mut control, 104_990), (15, vec![]));
    assert_eq!(control.thermal.state(), ThermalState::Throttled);
    assert_eq!(at(&mut control, 105_000), (15, vec![EventCode::Critical]));
    assert_eq!(at(&mut control, 92_100), (15, vec![]));
    assert_eq!(control.thermal.state(), ThermalState::Critical);
    assert_eq!(at(&mut control, 91_990), (14, vec![]));
    assert_eq!(control.thermal.state(), ThermalState::Throttled);
    assert_eq!(at(&mut control, 30_000), (0, vec![EventCode::Unthrottled]));
    assert_eq!((control.thermal.peak(), control.thermal.temperature()), (105_001, 30_001));
}

#[test]
fn a_level_falls_one_a_sample() {
    let mut control = Control::new();
    let mut count = 0;
    control.hold(&mut count, 100_000, 10);
    for level in (0..15).rev() {
        control.hold(&mut count, 20_000, 1);
        assert_eq!(control.thermal.level(), level);
    }
}

#[test]
fn a_sensor_that_is_missing_out_of_range_or_stuck_has_failed() {
    type Fault = fn(u32) -> Sample;
    let faults: [(SensorFault, u32, Fault); 5] = [
        (SensorFault::NoSamples, 100, |_| Sample { millidegrees: 0, count: 0 }),
        (SensorFault::NoSamples, 100, |_| Sample { millidegrees: 31_000, count: 77 }),
        (SensorFault::Range, 1, |n| Sample { millidegrees: -40_001, count: 500 + n }),
        (SensorFault::Range, 1, |n| Sample { millidegrees: 125_001, count: 500 + n }),
        (SensorFault::Stuck, 1_000, |n| Sample { millidegrees: 31_000, count: 500 + n }),
    ];
    for (fault, after, sensor) in faults {
        let mut control = Control::new();
        control.hold(&mut 5, 30_000, 20);
        for n in 1..after {
            assert_eq!(control.sample(sensor(n)), None, "{fault:?} {n}");
        }
        // The second of them counts its second from the last sample that was new, one later than the first does.
        let event = (after..after + 2).find_map(|n| control.sample(sensor(n))).unwrap();
        assert_eq!((event.code, event.words[0]), (EventCode::SensorFailed, fault.code()));
        let level = if sensor(after).millidegrees > 125_000 { 15 } else { 8 };
        assert_eq!((control.thermal.level(), control.thermal.state()), (level, ThermalState::SensorFailed));
        assert!((0..5_000).all(|n| control.sample(sensor(after + 2 + n)).is_none()), "told once");
        assert_eq!(control.thermal.level(), level);

        let events = control.hold(&mut 100_000, 30_000, 99);
        assert_eq!(events, [], "{fault:?}: not back before it has worked for a second");
        let events = control.hold(&mut 200_000, 30_000, 20);
        assert_eq!(codes(&events), [EventCode::SensorBack, EventCode::Unthrottled]);
        assert_eq!((control.thermal.level(), control.thermal.state()), (0, ThermalState::Normal));
    }
}

#[test]
fn a_sensor_that_fails_when_it_is_hot_does_not_cool_the_device_by_it() {
    let mut control = Control::new();
    let mut count = 0;
    control.hold(&mut count, 96_000, 10);
    let events = control.hold(&mut count, 126_000, 300);
    assert_eq!(codes(&events), [EventCode::SensorFailed]);
    assert_eq!(control.thermal.level(), 15);
    assert_eq!(control.thermal.peak(), 96_001);
}

#[test]
fn a_sensor_that_comes_back_is_believed_at_once_when_it_shows_more() {
    let mut control = Control::new();
    let mut count = 0;
    control.hold(&mut count, 60_000, 10);
    control.hold(&mut count, -41_000, 10);
    for (millidegrees, level) in [(60_000, 8), (81_667, 8), (85_000, 9), (60_000, 9), (105_000, 15), (30_000, 15)] {
        assert_eq!(control.hold(&mut count, millidegrees, 10), [], "{millidegrees}");
        assert_eq!((control.thermal.level(), control.thermal.state()), (level, ThermalState::SensorFailed));
    }
    let events = control.hold(&mut count, 106_000, 60);
    assert_eq!(codes(&events), [EventCode::SensorBack, EventCode::Critical]);
    assert_eq!((control.thermal.level(), control.thermal.state()), (15, ThermalState::Critical));
}

proptest! {
    /// The ambient rises from 25 to 60 °C; whatever the device draws, it stays below 105 °C, and in the end within 3 °C.
    #[test]
    fn a_plant_stays_cool_and_does_not_oscillate(
        idle in 0.0f64..10.0, work in 20.0f64..120.0, tau_s in 0.5f64..10.0, ramp_s in 0u32..60,
    ) {
        let mut control = Control::new();
        let mut plant = Plant { ambient: 25.0, idle, work, tau_s, celsius: 25.0, samples: 0 };
        let second = 1_000 / PERIOD_MS;
        let (ramp, settle) = (ramp_s * second, (30.0 * tau_s) as u32 * second);
        let window = (40.0 * tau_s) as u32 * second;
        let (mut least, mut most, mut changes, mut level) = (f64::MAX, f64::MIN, 0, 0);
        let (mut lowest, mut highest) = (15, 0);
        for n in 0..ramp + settle + window {
            plant.ambient = 25.0 + 35.0 * f64::from(n.min(ramp)) / f64::from(ramp.max(1));
            let sample = plant.step(control.thermal.level());
            let event = control.sample(sample);
            prop_assert!(plant.celsius < 105.0);
            prop_assert!(event.is_none_or(|event| event.code != EventCode::Critical));
            if n >= ramp + settle {
                (least, most) = (least.min(plant.celsius), most.max(plant.celsius));
                changes += u32::from(n > ramp + settle && control.thermal.level() != level);
                (lowest, highest) = (lowest.min(control.thermal.level()), highest.max(control.thermal.level()));
            }
            level = control.thermal.level();
        }
        // What the temperature moves in one period is added on either side of the band.
        let period = 2.0 * (work / 16.0 + 3.0) * 0.010 / tau_s + 0.02;
        prop_assert!(most - least <= 3.0 + period, "{least} to {most} °C");
        prop_assert!(highest - lowest <= 1, "levels {lowest} to {highest}");
        // Between two levels that lie work/16 °C apart, a swing of 3 °C up and down takes at least 4 * 3 / (work/16) time constants.
        let cycles = f64::from(window) / f64::from(second) / tau_s / (12.0 / (work / 16.0));
        prop_assert!(f64::from(changes) <= 2.0 * cycles * 1.1 + 2.0, "{changes} changes in {cycles} cycles");
    }
}

fn level(machine: &Machine) -> (u32, u32) {
    let status = machine.get(&mgmt::THERMAL_STATUS);
    let throttle = machine.get(&mgmt::THROTTLE);
    assert_eq!(throttle & 15, throttle >> 4);
    assert_eq!(throttle & 15, status >> 8);
    (status & 7, throttle & 15)
}

#[test]
fn the_registers_show_it_and_the_interrupt_tells_of_it() {
    let mut machine = Machine::running(Geometry::SMALL);
    assert_eq!(level(&machine), (1, 0));
    machine.host().sensor =
        |us| Sample { millidegrees: 96_000 + (us / 10_000 % 2) as i32, count: (us / 10_000) as u32 };
    machine.rounds(25);
    assert_eq!(level(&machine), (2, 15));
    assert_eq!(machine.get(&mgmt::FW_EVENT) & 0xFF, EventCode::Throttled.code());
    assert_eq!(machine.get(&irq::INT_STATUS), irq::INT_STATUS::MANAGEMENT.mask() as u32);
    assert_eq!(machine.get(&mgmt::THERMAL_TEMP) / 10, 9_600);

    machine.set(&control::CTRL, control::CTRL::RESET.mask() as u32);
    assert_eq!(level(&machine), (0, 0));
    machine.round();
    assert_eq!(level(&machine), (2, 15), "shown again with the next round");
    assert_eq!(machine.get(&mgmt::FW_EVENT) & 0xFF, EventCode::Throttled.code());
    assert_eq!(machine.get(&irq::INT_STATUS), 0, "told once");

    machine.host().sensor =
        |us| Sample { millidegrees: -5_000 - (us / 10_000 % 2) as i32, count: (us / 10_000) as u32 };
    machine.rounds(200);
    assert_eq!(level(&machine), (1, 0));
    assert!((-5_001..=-5_000).contains(&(machine.get(&mgmt::THERMAL_TEMP) as i32)));
    assert_eq!(machine.get(&mgmt::THERMAL_PEAK) / 10, 9_600);
    machine.command(Opcode::SetParam, 4, 6, &[]);
    machine.round();
    assert_eq!(level(&machine), (1, 6), "the least level");

    machine.host().sensor = |_| Sample { millidegrees: 0, count: 0 };
    machine.rounds(1_100);
    assert_eq!((level(&machine), machine.state()), ((4, 8), State::Failed));
    machine.host().sensor = common::cool;
    machine.rounds(1_200);
    assert_eq!((level(&machine), machine.state()), ((1, 6), State::Runs));
}
