//! What stands round the management core, by accesses as a PicoRV32 makes them: memories, time, sleep, watchdog, and which bank is active
//! after which reset. docs/firmware.md. The core itself, and the device's port, are in tests/tests/managed.rs.

use kvcpu_sim::{MANAGEMENT, Model};

/// Clocks of a µs: the exported unit is for 100 MHz.
const MICRO: u64 = 100;
const MILLI: u64 = 1000 * MICRO;

const OTHER: u64 = 0x1000_0000;
const RAM: u64 = 0x2000_0000;
const TIME_LO: u64 = 0x8000_0000;
const TIME_HI: u64 = 0x8000_0004;
const SENSOR: u64 = 0x8000_0008;
const SAMPLES: u64 = 0x8000_000C;
const WATCHDOG: u64 = 0x8000_0010;
const BOOT: u64 = 0x8000_0014;
const BOOT_CONTROL: u64 = 0x8000_0018;
const SLEEP: u64 = 0x8000_001C;
const CONFIRM: u64 = 1;
const SWAP: u64 = 2;
const RESET: u64 = 4;

struct Bench {
    model: Model,
    flash: Vec<u64>,
}

impl Bench {
    fn new() -> Bench {
        let mut model = Model::new(&MANAGEMENT, 1);
        model.reset();
        Bench { model, flash: vec![0; 8192] }
    }

    fn tick(&mut self) {
        let model = self.model.eval();
        let (at, write, data) =
            (model.get("flash_address") as usize, model.get("flash_write") == 1, model.get("flash_data"));
        self.model.tick();
        self.model.set("flash_read", self.flash[at]);
        if write {
            self.flash[at] = data;
        }
    }

    /// An access; clocks until it was answered, and what was read. `None` if it is not answered for so long, or the core
    /// is reset.
    fn access(&mut self, address: u64, write: Option<(u64, u64)>, patience: u64) -> Option<(u64, u64)> {
        let (data, strobes) = write.unwrap_or_default();
        self.model
            .set("mem_valid", 1)
            .set("mem_addr", address)
            .set("mem_wdata", data)
            .set("mem_wstrb", strobes);
        let mut clocks = 0;
        while self.model.eval().get("mem_ready") == 0 {
            // A core in reset asks for nothing.
            if clocks == patience || self.model.get("core_runs") == 0 {
                self.model.set("mem_valid", 0);
                (0..20).for_each(|_| self.tick());
                return None;
            }
            self.tick();
            clocks += 1;
        }
        let read = self.model.get("mem_rdata");
        self.tick();
        self.model.set("mem_valid", 0);
        self.tick();
        Some((clocks, read))
    }

    fn read(&mut self, address: u64) -> u64 {
        self.access(address, None, 1000).expect("it is answered").1
    }

    fn write(&mut self, address: u64, data: u64) {
        self.access(address, Some((data, 15)), 1000).expect("it is answered");
    }

    /// Waits for the core's reset, and to its end.
    fn reset_comes_within(&mut self, clocks: u64) {
        for _ in 0..clocks {
            if self.model.eval().get("core_runs") == 0 {
                while self.model.eval().get("core_runs") == 0 {
                    self.tick();
                }
                return;
            }
            self.tick();
        }
        panic!("no reset in {clocks} clocks");
    }

    fn ask_for_reset(&mut self, control: u64) {
        self.model
            .set("mem_valid", 1)
            .set("mem_addr", BOOT_CONTROL)
            .set("mem_wdata", control | RESET)
            .set("mem_wstrb", 15);
        self.tick();
        self.model.set("mem_valid", 0);
        self.reset_comes_within(10);
    }

    fn bites(&mut self, ms: u64) {
        self.write(WATCHDOG, ms);
        self.reset_comes_within((ms + 2) * MILLI);
    }

    /// Active bank, trial, reset cause, bites.
    fn boot(&mut self) -> [u64; 4] {
        let boot = self.read(BOOT);
        [boot & 1, boot >> 1 & 1, boot >> 8 & 7, boot >> 16 & 255]
    }
}

#[test]
fn memories_keep_words_and_bytes_and_the_active_bank_is_not_written() {
    let mut bench = Bench::new();
    bench.flash[5] = 0x1234_5678;
    assert_eq!(bench.read(4 * 5), 0x1234_5678);
    bench.write(OTHER + 4 * 5, 0xCAFE_F00D);
    assert_eq!((bench.flash[4096 + 5], bench.read(OTHER + 4 * 5)), (0xCAFE_F00D, 0xCAFE_F00D));
    assert_eq!(bench.read(4 * 5), 0x1234_5678);
    bench.write(RAM + 0x1FFC, 0xA1B2_C3D4);
    bench.access(RAM + 0x1FFC, Some((0x5500, 2)), 10).expect("RAM answers");
    assert_eq!(bench.read(RAM + 0x1FFC), 0xA1B2_55D4);
    // What has no place is not answered, and the core stops there.
    for (address, write) in
        [(0, Some((1, 15))), (0x4000, None), (RAM + 0x2000, None), (0x3000_0000, None), (0xF000_0000, None)]
    {
        assert_eq!(bench.access(address, write, 2000), None, "{address:#x}");
    }
    assert_eq!((bench.flash[0], bench.read(4 * 5)), (0, 0x1234_5678));
}

#[test]
fn time_sleep_and_sensor() {
    let mut bench = Bench::new();
    bench.model.set("sensor", 45_000).set("samples", 77);
    assert_eq!((bench.read(SENSOR), bench.read(SAMPLES)), (45_000, 77));
    let (begin, clocks) = (bench.read(TIME_LO), bench.model.clocks());
    (0..50 * MICRO).for_each(|_| bench.tick());
    let passed = bench.read(TIME_LO) - begin;
    assert!(passed.abs_diff((bench.model.clocks() - clocks) / MICRO) <= 1, "{passed} µs");
    assert_eq!(bench.read(TIME_HI), 0);
    let (slept, _) = bench.access(SLEEP, Some((30, 15)), 100 * MICRO).expect("it ends");
    assert!((29 * MICRO..=31 * MICRO).contains(&slept), "{slept} clocks of 30 µs");
    let (slept, _) = bench.access(SLEEP, Some((0, 15)), 10).expect("it ends");
    assert!(slept < 5);
}

#[test]
fn the_watchdog_bites_who_does_not_write_it() {
    let mut bench = Bench::new();
    // It does not run before it is first written.
    (0..3 * MILLI).for_each(|_| bench.tick());
    assert_eq!(bench.boot(), [0, 0, 0, 0]);
    for _ in 0..4 {
        bench.write(WATCHDOG, 2);
        (0..MILLI + MILLI / 2).for_each(|_| bench.tick());
    }
    assert_eq!(bench.boot(), [0, 0, 0, 0]);
    bench.bites(1);
    assert_eq!(bench.boot(), [0, 0, 1, 1]);
    // It bites a core that sleeps, and one that waits for what never answers.
    bench.write(WATCHDOG, 1);
    assert_eq!(bench.access(SLEEP, Some((10_000, 15)), 3 * MILLI), None);
    assert_eq!(bench.boot(), [0, 0, 1, 2]);
    bench.write(WATCHDOG, 1);
    assert_eq!(bench.access(0x3000_0000, None, 3 * MILLI), None);
    assert_eq!(bench.boot(), [0, 0, 1, 3]);
    // A reset gives it its time again: who hangs at once is bitten too.
    bench.reset_comes_within(3 * MILLI);
    assert_eq!(bench.boot(), [0, 0, 1, 4]);
    bench.ask_for_reset(0);
    bench.reset_comes_within(3 * MILLI);
    assert_eq!(bench.boot(), [0, 0, 1, 5]);
}

#[test]
fn a_bite_on_trial_takes_the_banks_back_and_a_confirmed_image_stays() {
    let mut bench = Bench::new();
    (bench.flash[9], bench.flash[4096 + 9]) = (111, 222);
    bench.ask_for_reset(0);
    assert_eq!((bench.boot(), bench.read(36)), ([0, 0, 2, 0], 111));
    bench.ask_for_reset(SWAP);
    assert_eq!((bench.boot(), bench.read(36), bench.read(OTHER + 36)), ([1, 1, 2, 0], 222, 111));
    bench.bites(1);
    assert_eq!((bench.boot(), bench.read(36)), ([0, 0, 3, 1], 111));
    // SWAP holds until the next reset, whichever it is.
    bench.write(BOOT_CONTROL, SWAP);
    bench.bites(1);
    assert_eq!((bench.boot(), bench.read(36)), ([1, 1, 1, 2], 222));
    // A reset that is asked for leaves it on trial; confirmed, a bite leaves the banks.
    bench.ask_for_reset(0);
    assert_eq!(bench.boot(), [1, 1, 2, 2]);
    bench.write(BOOT_CONTROL, CONFIRM);
    assert_eq!(bench.boot(), [1, 0, 2, 2]);
    bench.bites(1);
    assert_eq!((bench.boot(), bench.read(36)), ([1, 0, 1, 3], 222));
}
