//! Boot and the main loop. `docs/firmware.md`, The main loop.

use crate::log::{Event, Log};
use crate::mailbox::{FLASH_PIECE, Pending, Work};
use crate::platform::Registers;
use crate::selftest::{March, Part, SelfTest};
use crate::thermal::{PERIOD_MS, Thermal};
use crate::time::milliseconds;
use crate::{Boot, Parameters, Platform, Tune, Update};
use kvcpu_mmio::Bar;
use kvcpu_mmio::firmware::{EventCode, ResetCause, SelfTestOutcome, State};
use kvcpu_mmio::image::{Check, Header};
use kvcpu_mmio::regs::{control, mgmt};

/// µs that the core rests after a round.
const REST_US: u32 = 1_000;

/// ms from its boot after which an image on trial that is not confirmed gives way to the one before.
const TRIAL_MS: u32 = 60_000;

/// How far it has come.
enum Phase {
    /// Reads the image that runs.
    Image(Check),
    /// Tests the directory.
    March(March),
    /// Serves.
    Main,
}

/// The firmware.
pub struct Firmware<P: Platform> {
    pub(crate) platform: P,
    boot: Boot,
    /// Header of the image that runs; zeros if it has none.
    pub(crate) own: Header,
    /// Major version of the device's register map.
    pub(crate) map_major: u32,
    phase: Phase,
    pub(crate) parameters: Parameters,
    pub(crate) log: Log,
    thermal: Thermal,
    /// When the sensor was looked at last, ms.
    sampled: u32,
    tune: Tune,
    pub(crate) selftest: SelfTest,
    pub(crate) update: Update,
    pub(crate) pending: Option<Pending>,
    heartbeat: u32,
    halted: bool,
    /// This round may have written what is not the firmware's own to show.
    pub(crate) meddled: bool,
    /// When it booted, ms.
    booted: u32,
}

impl<P: Platform> Firmware<P> {
    /// Boots: starts the watchdog, and shows that it does. The self-test is made in the first rounds, so that heartbeat and thermal control go on meanwhile.
    pub fn boot(mut platform: P) -> Firmware<P> {
        let parameters = Parameters::default();
        platform.watchdog(parameters.watchdog_ms);
        let boot = platform.boot();
        let now = milliseconds(platform.now_us());
        let map_major = platform.field(&control::MAP_VERSION, &control::MAP_VERSION::MAJOR);
        let check = Check::begin(|offset| platform.own_bank(offset), map_major);
        let mut firmware = Firmware {
            platform,
            boot,
            own: check.as_ref().map(Check::header).unwrap_or_default(),
            map_major,
            phase: Phase::Main,
            parameters,
            log: Log::default(),
            thermal: Thermal::new(now),
            sampled: now.wrapping_sub(PERIOD_MS),
            tune: Tune::default(),
            selftest: SelfTest::default(),
            update: Update::default(),
            pending: None,
            heartbeat: 0,
            halted: false,
            meddled: false,
            booted: now,
        };
        firmware.record(Event::new(EventCode::Boot, boot.cause.into(), firmware.own.version));
        match check {
            Ok(check) => firmware.phase = Phase::Image(check),
            Err(_) => firmware.image_is(SelfTestOutcome::Failed),
        }
        firmware.show();
        if [ResetCause::Watchdog, ResetCause::TrialFailed]
            .map(ResetCause::code)
            .contains(&boot.cause.into())
        {
            firmware.interrupted();
        }
        firmware
    }

    /// One round of the main loop, without the rest after it. Does nothing once the firmware is [halted](Firmware::halted).
    pub fn round(&mut self) {
        if self.halted {
            return;
        }
        let now = milliseconds(self.platform.now_us());
        self.meddled = false;
        self.heartbeat = self.heartbeat.wrapping_add(1);
        self.platform.watchdog(self.parameters.watchdog_ms);
        if self.was_reset() {
            // It took the command away, and what a self-test had configured.
            self.pending = None;
            self.show();
        }
        self.sense(now);
        match &mut self.phase {
            Phase::Image(check) => {
                if let Some(found) = check.step(FLASH_PIECE, |offset| self.platform.own_bank(offset)) {
                    let good = found.is_ok();
                    self.image_is(if good { SelfTestOutcome::Passed } else { SelfTestOutcome::Failed });
                }
            }
            Phase::March(march) => {
                self.meddled = true;
                if let Some((outcome, detail)) = march.step(&mut self.platform) {
                    self.march_is(outcome, detail);
                }
            }
            Phase::Main => {
                self.halted = self.boot.trial && now.wrapping_sub(self.booted) >= TRIAL_MS;
                if self.halted {
                    return;
                }
                self.update.expire(now);
                self.serve(now);
                if self.halted {
                    return;
                }
                self.tune();
            }
        }
        if self.meddled && self.was_reset() {
            // What this round wrote may have come behind the reset, so it is made again. No host configures the device before a status is shown.
            self.platform.set(&control::CTRL, control::CTRL::RESET.mask() as u32);
            self.pending = None;
        }
        self.show();
    }

    /// Whether CTRL.RESET cleared the device since the status was shown last: nothing else makes FW_STATUS 0.
    pub(crate) fn was_reset(&mut self) -> bool {
        self.platform.get(&mgmt::FW_STATUS) == 0
    }

    /// Whether it asked for a reset, or waits for the watchdog to bite: what runs after that is another boot.
    pub fn halted(&self) -> bool {
        self.halted
    }

    /// What it runs on.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// What it runs on.
    pub fn platform_mut(&mut self) -> &mut P {
        &mut self.platform
    }

    /// Gives back what it ran on.
    pub fn into_platform(self) -> P {
        self.platform
    }

    /// The image was checked: the march of the directory is next.
    fn image_is(&mut self, outcome: SelfTestOutcome) {
        self.selftest.note(Part::Image, outcome, 0);
        match March::begin(&mut self.platform) {
            Some(march) => self.phase = Phase::March(march),
            None => self.march_is(SelfTestOutcome::LeftOut, 0),
        }
    }

    /// The march is done. A trial that failed is left to the watchdog, which brings the other bank back.
    fn march_is(&mut self, outcome: SelfTestOutcome, detail: u32) {
        self.selftest.note(Part::March, outcome, detail);
        self.record(Event::new(EventCode::SelfTest, self.selftest.outcomes, self.selftest.detail));
        self.halted = self.boot.trial && self.selftest.failed();
        self.phase = Phase::Main;
    }

    /// An image on trial has passed its self-test and answered a command, so that it can be replaced: it is confirmed.
    pub(crate) fn confirm(&mut self) {
        if self.boot.trial && !self.selftest.failed() {
            self.platform.confirm();
            self.boot.trial = false;
            self.record(Event::new(EventCode::TrialConfirmed, self.own.version, self.own.crc));
        }
    }

    fn sense(&mut self, now: u32) {
        if now.wrapping_sub(self.sampled) < PERIOD_MS {
            return;
        }
        self.sampled = now;
        let sample = self.platform.sensor();
        if let Some(event) = self.thermal.sample(sample, now, &self.parameters) {
            self.record(event);
        }
    }

    fn tune(&mut self) {
        if !self.parameters.tuning {
            return;
        }
        let changed = self.tune.round(&mut self.platform, self.parameters.tuning_window.into());
        self.meddled |= self.tune.meddled();
        if let Some((from, to)) = changed {
            self.record(Event::new(EventCode::WeightsChanged, from, to));
        }
    }

    /// Whether the other bank may be written: not while it is the one to go back to, as this image is not to stay.
    pub(crate) fn may_update(&self) -> bool {
        !(self.boot.trial && self.selftest.failed())
    }

    pub(crate) fn record(&mut self, event: Event) {
        self.log.record(&mut self.platform, event);
    }

    /// Resets the core, with the watchdog's default: it runs on, and is to bite an image soon that hangs before it writes it.
    pub(crate) fn reset(&mut self) {
        self.halted = true;
        self.platform.watchdog(Parameters::default().watchdog_ms);
        self.platform.reset();
    }

    fn state(&self) -> State {
        let tests = matches!(&self.pending, Some(Pending { work: Work::SelfTest(_), .. }));
        match self.phase {
            Phase::Image(_) => State::Boots,
            Phase::March(_) => State::Tests,
            Phase::Main if tests => State::Tests,
            Phase::Main if self.update.is_active() => State::Updates,
            Phase::Main if self.selftest.failed() || self.thermal.sensor_failed() => State::Failed,
            Phase::Main => State::Runs,
        }
    }

    /// Writes what is shown, all of it, as CTRL.RESET may have cleared it; the status last.
    fn show(&mut self) {
        use mgmt::{THERMAL_STATUS as T, THROTTLE as R, TUNE_STATUS as U};
        let level = u32::from(self.thermal.level().max(self.parameters.least_level));
        let tune = u32::from(self.parameters.tuning) | u32::from(self.tune.changes()) << U::CHANGES.lsb;
        let shown = [
            (mgmt::FW_VERSION.offset, self.own.version),
            (mgmt::FW_HEARTBEAT.offset, self.heartbeat),
            (mgmt::THERMAL_TEMP.offset, self.thermal.temperature() as u32),
            (mgmt::THERMAL_PEAK.offset, self.thermal.peak() as u32),
            (mgmt::THERMAL_STATUS.offset, self.thermal.state().code() | level << T::LEVEL.lsb),
            (mgmt::THROTTLE.offset, level << R::DMA.lsb | level << R::SWEEP.lsb),
            (mgmt::TUNE_STATUS.offset, tune),
        ];
        self.log.show(&mut self.platform);
        self.selftest.show(&mut self.platform);
        for (offset, value) in shown {
            self.platform.write(Bar::Regs, offset, value);
        }
        self.show_status();
    }

    fn show_status(&mut self) {
        use mgmt::FW_STATUS as F;
        let Boot { bank, trial, cause, bites } = self.boot;
        let status = self.state().code()
            | u32::from(bank & 1) << F::BANK.lsb
            | u32::from(trial) << F::TRIAL.lsb
            | u32::from(cause & 7) << F::RESET_CAUSE.lsb
            | u32::from(bites) << F::BITES.lsb;
        self.platform.set(&mgmt::FW_STATUS, status);
    }
}

/// Boots, and runs for ever.
pub fn run<P: Platform>(platform: P) -> ! {
    let mut firmware = Firmware::boot(platform);
    loop {
        firmware.round();
        firmware.platform.sleep(REST_US);
    }
}
