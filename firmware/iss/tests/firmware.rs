//! The firmware's binary on the simulated core, in the core's own time: it boots, answers, hangs and is updated.

use kvcpu_emulator::Emulator;
use kvcpu_firmware_iss::{Core, FIRMWARE, Image};
use kvcpu_mmio::firmware::{IMAGE_HEADER_BYTES, KEY, MailboxResult, Opcode, Parameter, ResetCause, State};
use kvcpu_mmio::regs::mgmt;
use kvcpu_mmio::{Backing, Bar, Geometry, Register};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// FW_STATUS.STATE and RESET_CAUSE.
const RUNS: u32 = State::Runs.code();
const WATCHDOG: u32 = ResetCause::Watchdog.code();
const ASKED: u32 = ResetCause::Asked.code();
const TRIAL_BITTEN: u32 = ResetCause::TrialFailed.code();
/// More of the core's time than a boot with its self-test takes.
const SOON: Duration = Duration::from_secs(5);

/// A device and its core; what the tests do to it they do as a host, through the [`Backing`].
struct Bench {
    device: Arc<Emulator>,
    core: Core,
    sequence: u32,
    /// Resets that were waited for.
    resets: u64,
}

impl Bench {
    fn new(image: &Image) -> Bench {
        let device = Arc::new(Emulator::new(Geometry::SMALL).expect("sound"));
        Bench { core: Core::new(device.clone(), image), device, sequence: 0, resets: 0 }
    }

    /// The checked-in firmware, booted.
    fn booted() -> Bench {
        let mut bench = Bench::new(&firmware());
        bench.until_runs();
        bench
    }

    fn read(&self, register: &Register, element: u32) -> u32 {
        self.device.read32(Bar::Regs, register.element(element)).expect("the emulator answers")
    }

    fn write(&self, register: &Register, element: u32, value: u32) {
        self.device
            .write32(Bar::Regs, register.element(element), value)
            .expect("the emulator answers");
    }

    fn status(&self, field: kvcpu_mmio::Field) -> u32 {
        field.get(self.read(&mgmt::FW_STATUS, 0).into()) as u32
    }

    fn until_runs(&mut self) {
        let device = self.device.clone();
        let state = || {
            mgmt::FW_STATUS::STATE
                .get(device.read32(Bar::Regs, mgmt::FW_STATUS.offset).expect("the emulator answers").into())
        };
        let runs = self.core.run_until(SOON, |_| state() == u64::from(RUNS));
        assert!(runs, "state {} of {:x?}", state(), self.core.snapshot());
    }

    /// Until it runs and has answered, which confirms an image on trial, and shows that.
    fn until_confirmed(&mut self) {
        self.until_runs();
        assert_eq!(self.call(Opcode::Nop, [0; 3], &[]).0, MailboxResult::Ok.code());
        self.core.run_for(Duration::from_millis(20));
    }

    /// A mailbox command; gives result and values.
    fn call(&mut self, opcode: Opcode, arguments: [u32; 3], data: &[u8]) -> (u32, [u32; 3]) {
        self.sequence += 1;
        for (n, value) in (0..).zip(arguments) {
            self.write(&mgmt::MBOX_ARG, n, value);
        }
        for (n, word) in (0..).zip(data.as_chunks().0) {
            self.write(&mgmt::MBOX_DATA, n, u32::from_le_bytes(*word));
        }
        let command = opcode.code() | (data.len() as u32) << 8 | self.sequence << 16;
        self.write(&mgmt::MBOX_COMMAND, 0, command);
        let (device, sequence) = (self.device.clone(), self.sequence);
        let status = || device.read32(Bar::Regs, mgmt::MBOX_STATUS.offset).expect("the emulator answers");
        assert!(self.core.run_until(SOON, |_| status() >> 16 == sequence), "no answer to {opcode:?}");
        (status() & 0xFF, [0, 1, 2].map(|n| self.read(&mgmt::MBOX_VALUE, n)))
    }

    /// An update with this image; COMMIT's answer.
    fn update(&mut self, image: &Image) -> (u32, [u32; 3]) {
        let header = image.header();
        assert_eq!(self.call(Opcode::UpdateBegin, [header.bytes, header.crc, KEY], &[]).0, 0);
        for (n, piece) in image.bytes().chunks(64).enumerate() {
            assert_eq!(self.call(Opcode::UpdateData, [n as u32 * 64, 0, KEY], piece).0, 0, "piece {n}");
        }
        self.call(Opcode::UpdateCommit, [0, 0, KEY], &[])
    }

    /// Power goes off and on.
    fn power_cycle(self) -> Bench {
        self.device.reset().expect("the emulator resets");
        Bench { core: self.core.power_cycle(), resets: 0, ..self }
    }

    /// Runs until the core has been reset once more than was waited for, and takes what it showed before away.
    fn until_reset(&mut self) {
        self.resets += 1;
        let resets = self.resets;
        assert!(self.core.run_until(SOON, |core| core.snapshot().resets >= resets), "{:x?}", self.core.snapshot());
        self.device.management_write32(Bar::Regs, mgmt::FW_STATUS.offset, 0);
    }
}

fn firmware() -> Image {
    Image::from_file(FIRMWARE).expect("an image")
}

/// The same firmware as another version.
fn later() -> Image {
    let image = firmware();
    let code = &image.bytes()[IMAGE_HEADER_BYTES as usize..];
    let code: Vec<u32> = code.as_chunks().0.iter().copied().map(u32::from_le_bytes).collect();
    Image::from_code(&code, 0x00FF_0001).expect("it fits")
}

#[test]
fn it_boots_and_passes_its_self_test() {
    let mut bench = Bench::booted();
    let selftest = u64::from(bench.read(&mgmt::FW_SELFTEST, 0));
    assert_eq!((mgmt::FW_SELFTEST::IMAGE.get(selftest), mgmt::FW_SELFTEST::MARCH.get(selftest)), (1, 1));
    assert_eq!(bench.read(&mgmt::FW_VERSION, 0), firmware().header().version);
    let temperature = bench.read(&mgmt::THERMAL_TEMP, 0);
    assert!([45_000, 45_123].contains(&temperature), "{temperature}");
    println!("booted in {:?}: {:x?}", bench.core.time(), bench.core.snapshot());
    println!("bytes of the stack that were never used: {}", bench.core.untouched());
}

#[test]
fn its_heart_beats_and_the_stack_does_not_come_near_its_end() {
    let mut bench = Bench::booted();
    let before = bench.read(&mgmt::FW_HEARTBEAT, 0);
    bench.core.run_for(Duration::from_secs(1));
    let rounds = bench.read(&mgmt::FW_HEARTBEAT, 0) - before;
    assert!((50..=1_000).contains(&rounds), "{rounds} rounds in a second");
    assert_eq!(bench.core.snapshot().resets, 0);
    assert!(bench.core.untouched() > 1024, "{} bytes of the stack are left", bench.core.untouched());
}

#[test]
fn it_answers_commands() {
    let mut bench = Bench::booted();
    let header = firmware().header();
    let answer = bench.call(Opcode::Version, [0; 3], &[]);
    assert_eq!(answer, (0, [header.version, header.crc, header.map_major]));
    assert_eq!(bench.call(Opcode::Reset, [0; 3], &[]).0, 2, "without the key");
    assert_eq!(bench.call(Opcode::Reset, [0, 0, KEY], &[]).0, 0);
    bench.until_reset();
    bench.until_runs();
    assert_eq!(bench.status(mgmt::FW_STATUS::RESET_CAUSE), ASKED);
}

#[test]
fn a_core_that_runs_wild_is_bitten_and_boots_again() {
    let mut bench = Bench::booted();
    // Beyond the image, where flash is erased.
    bench.core.jump(0x3FF0);
    bench.until_reset();
    bench.until_runs();
    assert_eq!((bench.status(mgmt::FW_STATUS::RESET_CAUSE), bench.status(mgmt::FW_STATUS::BITES)), (WATCHDOG, 1));

    // A command that was not answered then is not carried out any more.
    bench.core.jump(0x3FF0);
    let set = bench.call(Opcode::SetParam, [Parameter::LeastLevel.code(), 7, KEY], &[]);
    assert_eq!(set.0, MailboxResult::Interrupted.code());
    bench.resets += 1;
    bench.until_runs();
    assert_eq!(bench.call(Opcode::GetParam, [Parameter::LeastLevel.code(), 0, 0], &[]).1[0], 0);

    // A RAM that lost all it held: whatever becomes of it, it is found.
    bench.core.ram().fill(0x4000_0001);
    bench.core.run_for(Duration::from_secs(3));
    bench.until_runs();
    let before = bench.read(&mgmt::FW_HEARTBEAT, 0);
    bench.core.run_for(Duration::from_millis(100));
    assert_ne!(bench.read(&mgmt::FW_HEARTBEAT, 0), before);
}

#[test]
fn a_good_update_is_tried_and_confirmed() {
    let mut bench = Bench::booted();
    let image = later();
    assert_eq!(bench.update(&image).0, 0);
    bench.until_reset();
    bench.until_runs();
    assert!(bench.core.snapshot().boot.trial);
    bench.until_confirmed();
    assert_eq!(bench.read(&mgmt::FW_VERSION, 0), 0x00FF_0001);
    use mgmt::FW_STATUS as F;
    let status = [F::BANK, F::TRIAL, F::RESET_CAUSE, F::BITES].map(|field| bench.status(field));
    assert_eq!(status, [1, 0, ASKED, 0]);
    // Confirmed: a bite starts it again.
    bench.core.jump(0x3FF0);
    bench.until_reset();
    bench.until_runs();
    assert_eq!(bench.read(&mgmt::FW_VERSION, 0), 0x00FF_0001);
    // And back into the first bank.
    assert_eq!(bench.update(&firmware()).0, 0);
    bench.until_reset();
    bench.until_runs();
    assert_eq!((bench.status(F::BANK), bench.read(&mgmt::FW_VERSION, 0)), (0, firmware().header().version));
}

#[test]
fn power_up_starts_the_firmware_that_was_confirmed_last() {
    use mgmt::FW_STATUS as F;
    let mut bench = Bench::booted();
    assert_eq!(bench.update(&later()).0, 0);
    bench.until_reset();
    assert!(bench.core.snapshot().boot.trial);
    // Power goes off on trial: the old one runs.
    bench = bench.power_cycle();
    bench.until_runs();
    assert_eq!([F::BANK, F::TRIAL, F::RESET_CAUSE, F::BITES].map(|field| bench.status(field)), [0; 4]);
    assert_eq!(bench.read(&mgmt::FW_VERSION, 0), firmware().header().version);
    // Confirmed: the new one runs.
    assert_eq!(bench.update(&later()).0, 0);
    bench.until_reset();
    bench.until_confirmed();
    bench = bench.power_cycle();
    bench.until_runs();
    assert_eq!([F::BANK, F::TRIAL, F::RESET_CAUSE, F::BITES].map(|field| bench.status(field)), [1, 0, 0, 0]);
    assert_eq!(bench.read(&mgmt::FW_VERSION, 0), later().header().version);
    // In the middle of the next update, with bank 0 half written.
    let image = firmware();
    assert_eq!(bench.call(Opcode::UpdateBegin, [image.header().bytes, image.header().crc, KEY], &[]).0, 0);
    assert_eq!(bench.call(Opcode::UpdateData, [0, 0, KEY], &[0xFF; 64]).0, 0);
    bench = bench.power_cycle();
    assert_eq!(bench.core.other_bank()[..16], [u32::MAX; 16]);
    bench.until_runs();
    assert_eq!([F::BANK, F::TRIAL, F::RESET_CAUSE, F::BITES].map(|field| bench.status(field)), [1, 0, 0, 0]);
    assert_eq!(bench.read(&mgmt::FW_VERSION, 0), later().header().version);
}

#[test]
fn an_update_that_hangs_is_taken_back_at_once() {
    let mut bench = Bench::booted();
    // However patient the firmware was that brought it.
    assert_eq!(bench.call(Opcode::SetParam, [Parameter::WatchdogMs.code(), 60_000, KEY], &[]).0, 0);
    // `j .`
    let image = Image::from_code(&[0x0000_006F], 0x00FF_0002).unwrap();
    assert_eq!(bench.update(&image).0, 0);
    bench.until_reset();
    let boot = bench.core.snapshot().boot;
    assert_eq!((boot.bank, boot.trial), (1, true));
    bench.until_reset();
    bench.until_runs();
    use mgmt::FW_STATUS as F;
    let status = [F::BANK, F::TRIAL, F::RESET_CAUSE, F::BITES].map(|field| bench.status(field));
    assert_eq!(status, [0, 0, TRIAL_BITTEN, 1]);
    assert_eq!(bench.read(&mgmt::FW_VERSION, 0), firmware().header().version);
}

#[test]
fn a_reset_in_the_middle_of_an_update_leaves_the_old_firmware() {
    let mut bench = Bench::booted();
    let image = later();
    assert_eq!(bench.call(Opcode::UpdateBegin, [image.header().bytes, image.header().crc, KEY], &[]).0, 0);
    assert_eq!(bench.call(Opcode::UpdateData, [0, 0, KEY], &image.bytes()[..64]).0, 0);
    bench.core.jump(0x3FF0);
    bench.until_reset();
    bench.until_runs();
    assert_eq!(bench.call(Opcode::UpdateData, [64, 0, KEY], &image.bytes()[64..128]).0, 4, "NO_UPDATE");
    assert_eq!(bench.status(mgmt::FW_STATUS::BANK), 0);
}

#[test]
fn a_missing_a_stopped_and_a_stuck_sensor_are_told_of() {
    for act in
        [|core: &Core| core.sensor().unplug(), |core: &Core| core.sensor().stop(), |core: &Core| core.sensor().stick()]
    {
        let mut bench = Bench::booted();
        act(&bench.core);
        // A stuck one is found after 1,000 samples that firmware looks at.
        bench.core.run_for(Duration::from_secs(15));
        let status = u64::from(bench.read(&mgmt::THERMAL_STATUS, 0));
        assert_eq!((mgmt::THERMAL_STATUS::STATE.get(status), mgmt::THERMAL_STATUS::LEVEL.get(status)), (4, 8));
        bench.core.sensor().mend();
        bench.core.sensor().set(100_000);
        bench.core.run_for(Duration::from_secs(2));
        let status = u64::from(bench.read(&mgmt::THERMAL_STATUS, 0));
        assert_eq!((mgmt::THERMAL_STATUS::STATE.get(status), mgmt::THERMAL_STATUS::LEVEL.get(status)), (2, 15));
    }
}

#[test]
fn the_same_run_gives_the_same_result() {
    let run = || {
        let mut bench = Bench::booted();
        bench.core.run(1_000_000);
        (bench.core.snapshot(), bench.read(&mgmt::FW_HEARTBEAT, 0))
    };
    let begin = Instant::now();
    let first = run();
    let seconds = begin.elapsed().as_secs_f64();
    println!("{:.1} million instructions a second", first.0.instructions as f64 / seconds / 1e6);
    assert_eq!(first, run());
}
