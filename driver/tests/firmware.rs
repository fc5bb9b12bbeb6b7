//! The driver's side of the firmware: what it says when all is well, and what when it is not.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod fake_firmware;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use fake_firmware::{FakeFirmware, OFF, Trial};
use kvcpu_driver::firmware::{Event, FirmwareError, Image, Version, describe};
use kvcpu_driver::mmio::Geometry;
use kvcpu_driver::mmio::firmware::{
    EventCode, IMAGE_MAGIC, MailboxResult, Opcode, Parameter, ResetCause, SelfTestOutcome, State, ThermalState,
};
use kvcpu_driver::mmio::regs::{control, irq, mgmt};
use kvcpu_driver::{Config, Device, DriverError, Firmware, Source, TierConfig};
use kvcpu_emulator::Emulator;

const SHORT: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_secs(5);

fn open(fake: &FakeFirmware, deadline: Duration) -> (Device<Emulator>, Firmware<Emulator>) {
    let device = Device::probe(fake.emulator.clone()).unwrap();
    device.set_deadline(deadline);
    let firmware = device.firmware();
    (device, firmware)
}

fn image(version: u32, words: u32) -> Image {
    let mut image: Vec<u32> = vec![IMAGE_MAGIC, 1, 64 + 4 * words, 0, version, 2];
    image.resize(16, 0);
    image.extend(0..words);
    let bytes = |image: &[u32]| image.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    image[3] = crc32c::crc32c(&bytes(&image));
    Image::from_file(&bytes(&image)).unwrap()
}

fn trouble(error: DriverError) -> FirmwareError {
    match error {
        DriverError::Firmware(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn it_says_what_it_is_and_how_it_is() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    let status = firmware.wait_ready().unwrap();
    assert_eq!((status.state, status.bank, status.trial), (Some(State::Runs), 0, false));
    assert_eq!((status.reset_cause, status.bites), (Some(ResetCause::PowerUp), 0));
    assert_eq!(status.version.to_string(), "1.2.3");
    assert_eq!((status.temperature_millicelsius, status.thermal), (-1_500, Some(ThermalState::Normal)));
    assert!(firmware.is_alive(LONG).unwrap());
    let running = firmware.version().unwrap();
    assert_eq!((running.version, running.crc, running.map_major), (status.version, 0xAAAA_AAAA, 2));
}

#[test]
fn parameters_have_ranges_and_the_log_tells_of_changes() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    let throttle = firmware.parameter(Parameter::ThrottleCelsius).unwrap();
    assert_eq!((throttle.value, throttle.least, throttle.most), (70, 40, 85));
    let error = firmware.set_parameter(Parameter::ThrottleCelsius, 86).unwrap_err();
    assert!(error.to_string().starts_with("SetParam refused: BadArgument: "), "{error}");
    // More entries than it holds: the oldest are gone.
    for n in 0..40 {
        firmware.set_parameter(Parameter::ThrottleCelsius, 40 + n).unwrap();
    }
    assert_eq!(firmware.parameter(Parameter::ThrottleCelsius).unwrap().value, 79);
    let log = firmware.log().unwrap();
    let counts: Vec<_> = log.iter().map(|entry| entry.count).collect();
    assert_eq!(counts, (10..=41).collect::<Vec<u16>>());
    assert_eq!(describe(&log[31]), "parameter throttle-celsius set to 79");
}

#[test]
fn every_event_has_its_sentence() {
    for (code, ..) in EventCode::ALL {
        for words in [[0, 0], [1, 2], [u32::MAX; 2]] {
            let entry = kvcpu_driver::mmio::firmware::LogEntry { ms: 1, code: *code as u8, count: 1, words };
            assert!(describe(&entry).len() > 10 && !describe(&entry).contains("event"), "{}", describe(&entry));
        }
    }
    let unknown = kvcpu_driver::mmio::firmware::LogEntry { code: 200, ..Default::default() };
    assert!(describe(&unknown).contains("does not know"));
}

#[test]
fn threads_take_turns_at_the_mailbox() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    std::thread::scope(|scope| {
        for (parameter, ..) in Parameter::ALL {
            let firmware = firmware.clone();
            scope.spawn(move || {
                for _ in 0..30 {
                    let found = firmware.parameter(*parameter).unwrap();
                    assert_eq!((found.least, found.most), parameter.range(), "{parameter:?}");
                }
            });
        }
    });
}

#[test]
fn without_firmware_it_is_absent_and_nothing_waits() {
    let device = Device::probe(Arc::new(Emulator::new(Geometry::TEST).unwrap())).unwrap();
    let begin = Instant::now();
    device.configure(Config::default()).unwrap();
    assert!(begin.elapsed() < Duration::from_millis(80), "{:?}", begin.elapsed());
    let firmware = device.firmware();
    assert_eq!(firmware.status().unwrap(), None);
    assert!(!firmware.is_alive(LONG).unwrap());
    for error in [
        firmware.present().unwrap_err(),
        firmware.version().unwrap_err(),
        firmware.log().unwrap_err(),
        firmware.update(&image(1, 1), |_, _| ()).unwrap_err(),
        firmware.self_test().unwrap_err(),
        firmware.restart().unwrap_err(),
    ] {
        assert!(error.to_string().contains("emulator has no firmware"), "{error}");
        assert!(matches!(trouble(error), FirmwareError::Absent { .. }));
    }
    assert!(begin.elapsed() < LONG);
}

#[test]
fn after_a_reset_of_the_device_it_is_not_taken_for_absent() {
    let fake = FakeFirmware::start();
    let (device, firmware) = open(&fake, LONG);
    for _ in 0..20 {
        device.reset().unwrap();
        firmware.version().unwrap();
    }
}

#[test]
fn firmware_that_hangs_is_told_from_an_answer_that_is_lost() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, SHORT);
    firmware.wait_ready().unwrap();
    fake.levers.unanswered.store(Opcode::Version.code(), SeqCst);
    match firmware.version().unwrap_err() {
        DriverError::Timeout { register: "MBOX_STATUS", last, .. } => assert_eq!(last & 0xFFFF, 0),
        other => panic!("{other}"),
    }
    let command = || fake.emulator.management_read32(mgmt::MBOX_COMMAND.bar, mgmt::MBOX_COMMAND.offset);
    assert_eq!(command(), 0, "it is taken back");
    // Its answer, which comes late, is not taken for that of the next.
    let given_up = 1 + 1;
    fake.emulator
        .management_write32(mgmt::MBOX_STATUS.bar, mgmt::MBOX_STATUS.offset, given_up << 16);
    fake.levers.unanswered.store(OFF, SeqCst);
    firmware.version().unwrap();
    assert!(command() >> 16 > given_up);

    fake.levers.hangs_at.store(Opcode::Nop.code(), SeqCst);
    let error = firmware.call(Opcode::Nop as u8, [0; 3], &[]).unwrap_err();
    assert!(error.to_string().contains("FW_HEARTBEAT stands still") && error.to_string().contains("power"), "{error}");
    match trouble(error) {
        FirmwareError::Hung { status, still, .. } => {
            assert_eq!(status & 0xF, u64::from(State::Runs.code()));
            assert!(still >= SHORT / 2);
        }
        other => panic!("{other}"),
    }
    assert!(!firmware.is_alive(SHORT).unwrap());
    assert!(firmware.restart().is_err());
}

#[test]
fn the_device_works_beside_firmware_that_hangs() {
    let fake = FakeFirmware::start();
    let (device, firmware) = open(&fake, LONG);
    firmware.wait_ready().unwrap();
    fake.levers.hangs.store(true, SeqCst);
    device.configure(Config::default()).unwrap();
    drop(device.queue_pair(0).unwrap());
    // Nor is it in the way if it hangs while it boots.
    fake.emulator
        .management_write32(mgmt::FW_STATUS.bar, mgmt::FW_STATUS.offset, State::Tests.code());
    device.configure(Config { deadline: SHORT, ..Config::default() }).unwrap();
    assert!(matches!(trouble(firmware.wait_ready().unwrap_err()), FirmwareError::Hung { .. }));
}

#[test]
fn a_device_is_not_enabled_while_the_firmware_tests_it() {
    let fake = FakeFirmware::start();
    fake.levers.tests.store(true, SeqCst);
    let (device, firmware) = open(&fake, SHORT);
    firmware.present().unwrap();
    // It tests for ever, and is alive.
    let error = device.configure(Config { deadline: SHORT, ..Config::default() }).unwrap_err();
    assert!(matches!(error, DriverError::Timeout { register: "FW_STATUS", .. }), "{error}");
    assert!(matches!(firmware.wait_ready(), Err(DriverError::Timeout { register: "FW_STATUS", .. })));
    assert_eq!(device.config(), None);
    let levers = fake.levers.clone();
    let end = std::thread::spawn(move || {
        std::thread::sleep(SHORT * 2);
        levers.tests.store(false, SeqCst);
    });
    let begin = Instant::now();
    device.configure(Config { deadline: LONG, ..Config::default() }).unwrap();
    assert!(begin.elapsed() >= SHORT, "{:?}", begin.elapsed());
    end.join().unwrap();
}

#[test]
fn refusals_say_why_and_hostile_answers_are_refused() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    let refuse = |opcode: Opcode, result, length, value| {
        *fake.levers.refused.lock().unwrap() = Some((opcode.code(), result, length, value));
    };
    for (result, name, _) in &MailboxResult::ALL[1..] {
        refuse(Opcode::Version, result.code(), 0, 4);
        let error = firmware.version().unwrap_err();
        assert!(error.to_string().starts_with(&format!("Version refused: {name}: ")), "{error}");
        assert!(error.to_string().contains("; "), "a remedy: {error}");
    }
    refuse(Opcode::Version, 6, 0, 4);
    assert!(firmware.version().unwrap_err().to_string().contains("CRC-32C"));
    refuse(Opcode::Version, 77, 0, 0);
    assert!(firmware.version().unwrap_err().to_string().contains("result 77"));
    refuse(Opcode::Version, 0, 255, 0);
    assert!(matches!(firmware.version(), Err(DriverError::Protocol { expected: 64, found: 255, .. })));
    refuse(Opcode::Log, 0, 0, 0);
    assert!(matches!(firmware.log(), Err(DriverError::Protocol { expected: 0, found: 1, .. })));
    *fake.levers.refused.lock().unwrap() = None;
    assert!(matches!(trouble(firmware.call(0, [0; 3], &[0; 65]).unwrap_err()), FirmwareError::TooLong { bytes: 65 }));
    let unknown = firmware.call(99, [0; 3], &[]).unwrap_err();
    assert!(unknown.to_string().starts_with("opcode 99 refused: UnknownOpcode"), "{unknown}");
}

#[test]
fn an_update_runs_and_is_confirmed() {
    let fake = FakeFirmware::start();
    let (device, firmware) = open(&fake, LONG);
    device.configure(Config::default()).unwrap();
    for (round, words) in [(1u32, 1), (2, 33), (3, 4080)] {
        let mut last = (0, 0);
        let status = firmware.update(&image(round << 16, words), |sent, all| last = (sent, all)).unwrap();
        assert_eq!(last, (64 + 4 * words as usize, 64 + 4 * words as usize));
        assert_eq!(status.version, Version { major: round as u8, minor: 0, patch: 0 });
        assert_eq!((u32::from(status.bank), status.trial, status.bites), (round % 2, false, 0));
    }
    let log = firmware.log().unwrap();
    assert!(describe(&log[1]).contains("version 3.0.0 confirmed"), "{}", describe(&log[1]));
}

#[test]
fn an_update_that_a_watchdog_interrupts_changes_nothing_and_may_be_tried_again() {
    for forgets in [false, true] {
        let fake = FakeFirmware::start();
        let (_, firmware) = open(&fake, if forgets { Duration::from_millis(200) } else { LONG });
        fake.levers.bite_at.store(2, SeqCst);
        fake.levers.forgets.store(forgets, SeqCst);
        let error = firmware.update(&image(0x02_00_00, 100), |_, _| ()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("the watchdog bit") && text.contains("nothing was changed"), "{text}");
        match trouble(error) {
            FirmwareError::Interrupted { cause, bites } => {
                assert_eq!((cause, bites), (Some(ResetCause::Watchdog), 1));
            }
            other => panic!("{other}"),
        }
        assert_eq!(firmware.version().unwrap().version.to_string(), "1.2.3");
        fake.levers.unanswered.store(OFF, SeqCst);
        assert_eq!(firmware.update(&image(0x02_00_00, 100), |_, _| ()).unwrap().version.to_string(), "2.0.0");
    }
}

/// The new image runs on trial all the same, or its bank is left at once.
#[test]
fn an_update_that_a_watchdog_interrupts_after_the_swap_is_the_update() {
    for forgets in [false, true] {
        let fake = FakeFirmware::start();
        let (_, firmware) = open(&fake, if forgets { Duration::from_millis(200) } else { LONG });
        fake.levers.bites_after_swap.store(true, SeqCst);
        fake.levers.forgets.store(forgets, SeqCst);
        let status = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap();
        assert_eq!(
            (status.version.to_string().as_str(), status.bank, status.trial, status.bites),
            ("2.0.0", 1, false, 1)
        );
    }
}

#[test]
fn an_update_that_is_refused_or_hangs_says_so() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    *fake.levers.refused.lock().unwrap() = Some((Opcode::UpdateCommit.code(), 6, 0, 5));
    let error = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap_err();
    assert!(error.to_string().starts_with("UpdateCommit refused: BadImage: "), "{error}");
    *fake.levers.refused.lock().unwrap() = Some((Opcode::UpdateData.code(), 7, 0, 0));
    let error = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("worn out"), "{error}");
    *fake.levers.refused.lock().unwrap() = None;
    // It was told to forget what came; a round later it shows that.
    firmware.version().unwrap();
    assert_eq!(firmware.wait_ready().unwrap().state, Some(State::Runs));
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, SHORT);
    fake.levers.hangs_at.store(Opcode::UpdateCommit.code(), SeqCst);
    let error = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap_err();
    assert!(matches!(trouble(error), FirmwareError::Hung { .. }));
}

#[test]
fn a_new_image_that_does_not_come_up_leaves_the_old_one_running() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    *fake.levers.trial.lock().unwrap() = Trial::Bitten;
    // A second time too, when the status is already that of a trial that failed.
    for bites in 1..3 {
        let error = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap_err();
        assert!(error.to_string().contains("image 2.0.0 did not come up"), "{error}");
        assert!(error.to_string().contains("1.2.3 runs again from bank 0"), "{error}");
        assert!(matches!(trouble(error), FirmwareError::FellBack { cause: Some(ResetCause::TrialFailed), .. }));
        assert_eq!(firmware.wait_ready().unwrap().bites, bites);
    }
    *fake.levers.trial.lock().unwrap() = Trial::Good;
    assert_eq!(firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap().version.to_string(), "2.0.0");
}

#[test]
fn a_new_image_that_is_not_confirmed_is_told_of() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    *fake.levers.trial.lock().unwrap() = Trial::TestFails;
    let error = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("its self-test: image passed, march failed"), "{error}");
    assert!(matches!(trouble(error), FirmwareError::FellBack { self_test: Some(_), .. }));
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, Duration::from_millis(300));
    *fake.levers.trial.lock().unwrap() = Trial::Silent;
    let error = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap_err();
    assert!(matches!(trouble(error), FirmwareError::Unconfirmed { answers: true, .. }));
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, Duration::from_millis(300));
    fake.levers.unanswered.store(Opcode::Version.code(), SeqCst);
    let error = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("it answers nothing"), "{error}");
    assert!(matches!(trouble(error), FirmwareError::Unconfirmed { answers: false, .. }));
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    *fake.levers.trial.lock().unwrap() = Trial::Other;
    assert!(matches!(
        firmware.update(&image(0x02_00_00, 9), |_, _| ()),
        Err(DriverError::Protocol { what: "the CRC-32C of the firmware that runs", .. })
    ));
}

#[test]
fn a_restart_is_waited_for() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    for _ in 0..3 {
        let before = firmware.wait_ready().unwrap();
        let after = firmware.restart().unwrap();
        assert_eq!((after.reset_cause, after.bank, after.bites), (Some(ResetCause::Asked), 0, 0));
        assert!(after.heartbeat < before.heartbeat + 1000);
        assert_eq!(firmware.log().unwrap().len(), 1);
    }
}

#[test]
fn an_update_that_has_expired_is_not_told_as_a_restart() {
    let fake = FakeFirmware::start();
    let (_, firmware) = open(&fake, LONG);
    *fake.levers.refused.lock().unwrap() = Some((Opcode::UpdateData.code(), 4, 0, 0));
    let error = firmware.update(&image(0x02_00_00, 9), |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("a minute without a piece ends one"), "{error}");
    assert!(matches!(trouble(error), FirmwareError::Refused { .. }));
}

#[test]
fn a_command_that_a_reset_takes_away_is_not_waited_for() {
    let fake = FakeFirmware::start();
    let (device, firmware) = open(&fake, Duration::from_secs(60));
    fake.levers.unanswered.store(Opcode::Nop.code(), SeqCst);
    let begin = Instant::now();
    let error = std::thread::scope(|scope| {
        let asks = scope.spawn(|| firmware.call(Opcode::Nop as u8, [0; 3], &[]).unwrap_err());
        while device.read(&mgmt::MBOX_COMMAND).unwrap() == 0 {
            std::thread::yield_now();
        }
        device.reset().unwrap();
        asks.join().unwrap()
    });
    assert!(matches!(trouble(error), FirmwareError::Lost));
    assert!(begin.elapsed() < Duration::from_secs(30));
}

/// The device is off when its memory is given back, whether the firmware sees to that or hangs.
#[test]
fn a_self_test_that_is_given_up_ends_before_its_memory_does() {
    // Obeys, hangs, is bitten after the command was taken back.
    for (hangs, bitten) in [(false, false), (true, false), (true, true)] {
        let fake = FakeFirmware::start();
        let (device, firmware) = open(&fake, SHORT);
        fake.levers.bitten_when_given_up.store(bitten, SeqCst);
        // As the firmware does for a test.
        let tiers = [TierConfig::OFF, TierConfig::blocks(1), TierConfig::OFF, TierConfig::OFF];
        device.configure(Config { deadline: SHORT, tiers, ..Config::default() }).unwrap();
        device.disable().unwrap();
        *fake.levers.tests_on.lock().unwrap() = Some(hangs);
        device.enable_interrupts(&[Source::Command]).unwrap();
        let interrupts = device.read(&irq::INT_ENABLE).unwrap();
        let error = firmware.self_test().unwrap_err();
        assert_eq!(matches!(error, DriverError::Firmware(FirmwareError::Hung { .. })), hangs, "{error}");
        assert_eq!((device.read(&control::CTRL).unwrap(), device.read(&mgmt::MBOX_COMMAND).unwrap()), (0, 0));
        assert_eq!(device.read(&irq::INT_ENABLE).unwrap(), interrupts);
    }
}

#[test]
fn the_self_test_is_lent_memory() {
    let fake = FakeFirmware::start();
    let (device, firmware) = open(&fake, LONG);
    let found = firmware.self_test().unwrap();
    assert!(found.is_good() && found.crc == SelfTestOutcome::Passed, "{found}");
    *fake.levers.refused.lock().unwrap() = Some((Opcode::SelfTest.code(), 9, 0, 0b01_10_01_01));
    let found = firmware.self_test().unwrap();
    assert_eq!((found.is_good(), found.dma), (false, SelfTestOutcome::Failed));
    assert_eq!(found.to_string(), "image passed, march passed, dma failed, crc passed, detail 0x0");
    *fake.levers.refused.lock().unwrap() = None;
    fake.levers.lies.store(true, SeqCst);
    assert!(matches!(firmware.self_test(), Err(DriverError::Protocol { .. })));
    device.configure(Config::default()).unwrap();
    assert!(matches!(trouble(firmware.self_test().unwrap_err()), FirmwareError::Enabled));
}

#[test]
fn events_are_waited_for_and_none_is_missed() {
    let fake = FakeFirmware::start();
    let (device, firmware) = open(&fake, LONG);
    firmware.wait_ready().unwrap();
    let none = Event::default();
    assert_eq!(firmware.wait_event(none, Duration::from_millis(5)).unwrap(), None);
    let begin = |firmware: &Firmware<Emulator>| firmware.call(Opcode::UpdateBegin as u8, [68, 1, IMAGE_MAGIC], &[]);
    // Before it is waited for.
    begin(&firmware).unwrap();
    let first = firmware.wait_event(none, LONG).unwrap().unwrap();
    assert_eq!((first.event(), first.count), (Some(EventCode::UpdateBegun), 2));
    // While it is.
    let other = firmware.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        begin(&other).unwrap();
    });
    let second = firmware.wait_event(first, LONG).unwrap().unwrap();
    assert_eq!(second.count, 3);
    thread.join().unwrap();
    // A reset of the device hides it, and is no event.
    device.reset().unwrap();
    assert_eq!(firmware.wait_event(second, Duration::from_millis(30)).unwrap(), None);
    fake.levers.hangs.store(true, SeqCst);
    std::thread::sleep(SHORT);
    device.reset().unwrap();
    assert!(matches!(trouble(firmware.wait_event(second, LONG).unwrap_err()), FirmwareError::Absent { .. }));
    device.disable_interrupts(&[Source::Management]).unwrap();
}
