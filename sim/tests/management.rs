//! What stands round the management core, by accesses as a PicoRV32 makes them: memories, time, sleep, watchdog, and which bank is active
//! after which reset. docs/firmware.md. The core itself, and the device's port, are in tests/tests/managed.rs.

use kvcpu_sim::{MANAGEMENT, Model};
use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

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
    /// The bit beside the flash.
    kept: u64,
}

impl Bench {
    fn new() -> Bench {
        let mut model = Model::new(&MANAGEMENT, 1);
        model.set("power_up", 1).reset();
        model.set("power_up", 0);
        let mut bench = Bench { model, flash: vec![0; 8192], kept: 0 };
        bench.reset_comes_within(2);
        bench
    }

    fn tick(&mut self) {
        let model = self.model.eval();
        let (at, write, data) =
            (model.get("flash_address") as usize, model.get("flash_write") == 1, model.get("flash_data"));
        if model.get("bank_keeps") == 1 {
            self.kept = model.get("bank_active");
        }
        self.model.tick();
        self.model.set("flash_read", self.flash[at]).set("bank_kept", self.kept);
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

    fn power_up(&mut self) {
        self.model.set("power_up", 1).set("mem_valid", 0);
        self.tick();
        self.model.set("power_up", 0);
        self.reset_comes_within(2);
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
    for (address, write) in [
        (0, Some((1, 15))),
        (0x4000, None),
        (OTHER, Some((1, 1))),
        (OTHER + 0x4000, None),
        (RAM + 0x2000, None),
        (0x3000_0000, None),
        (0x4001_0000, None),
        (0x4040_0000, None),
        (0x40A0_0000, None),
        (0x4100_0000, None),
        (0x4000_000C, Some((1, 3))),
        (0x8000_0020, None),
        (0x8000_0018, Some((4, 1))),
        (0xF000_0000, None),
        // In the wrong direction.
        (TIME_LO, Some((1, 15))),
        (SENSOR, Some((1, 15))),
        (BOOT, Some((1, 15))),
        (WATCHDOG, None),
        (BOOT_CONTROL, None),
        (SLEEP, None),
    ] {
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
    // Power-up starts what was confirmed last, whatever was on trial then.
    bench.power_up();
    assert_eq!((bench.boot(), bench.read(36)), ([1, 0, 0, 0], 222));
    bench.ask_for_reset(SWAP);
    assert_eq!((bench.boot(), bench.read(36)), ([0, 1, 2, 0], 111));
    bench.power_up();
    assert_eq!((bench.boot(), bench.read(36)), ([1, 0, 0, 0], 222));
}

/// A register port that answers an access after some clocks, and keeps what is written, by address.
#[derive(Default)]
struct Device {
    words: HashMap<u64, u64>,
    address: Option<u64>,
    data: Option<(u64, u64)>,
    read: Option<u64>,
    rest: u64,
}

/// Inputs from the next clock on.
type Inputs = Vec<(&'static str, u64)>;

impl Device {
    /// What it takes in this clock, and answers in the next.
    fn clock(&mut self, model: &Model, late: u64) -> Inputs {
        let both = |valid: &str, ready: &str| model.get(valid) == 1 && model.get(ready) == 1;
        if both("d_axil_bvalid", "d_axil_bready") {
            (self.address, self.data) = (None, None);
        }
        if both("d_axil_rvalid", "d_axil_rready") {
            self.read = None;
        }
        let mut taken = false;
        if both("d_axil_awvalid", "d_axil_awready") {
            assert!(self.address.replace(model.get("d_axil_awaddr")).is_none(), "two write addresses");
            taken = true;
        }
        if both("d_axil_wvalid", "d_axil_wready") {
            assert!(self.data.replace((model.get("d_axil_wdata"), model.get("d_axil_wstrb"))).is_none(), "two words");
            taken = true;
        }
        if both("d_axil_arvalid", "d_axil_arready") {
            assert!(self.read.replace(model.get("d_axil_araddr")).is_none(), "two reads");
            taken = true;
        }
        self.rest = if taken { late } else { self.rest.saturating_sub(1) };
        let due = self.rest == 0;
        let written = match (self.address, self.data) {
            (Some(address), Some((data, strobes))) if due => {
                assert_eq!(strobes, 0xF << (address & 4), "strobes on the word's lanes");
                self.words.insert(address, if address & 4 == 0 { data & 0xFFFF_FFFF } else { data >> 32 });
                1
            }
            _ => 0,
        };
        let word = self.read.and_then(|address| self.words.get(&address).copied()).unwrap_or(0);
        vec![
            ("d_axil_awready", u64::from(self.address.is_none())),
            ("d_axil_wready", u64::from(self.data.is_none())),
            ("d_axil_arready", u64::from(self.read.is_none())),
            ("d_axil_bvalid", written),
            ("d_axil_rvalid", u64::from(self.read.is_some() && due)),
            ("d_axil_rdata", word | word << 32),
        ]
    }
}

/// A host with a write and a read at once, whose channels come when they like.
#[derive(Default)]
struct Host {
    words: HashMap<u64, u64>,
    write: Option<(u64, u64)>,
    /// Of the write: not offered yet, and not taken.
    address_waits: bool,
    data_waits: bool,
    read: Option<u64>,
    read_waits: bool,
    done: u32,
}

impl Host {
    fn clock(&mut self, model: &Model, rng: &mut ChaCha8Rng) -> Inputs {
        let both = |valid: &str, ready: &str| model.get(valid) == 1 && model.get(ready) == 1;
        self.address_waits &= !both("s_axil_awvalid", "s_axil_awready");
        self.data_waits &= !both("s_axil_wvalid", "s_axil_wready");
        self.read_waits &= !both("s_axil_arvalid", "s_axil_arready");
        if both("s_axil_bvalid", "s_axil_bready") {
            let (address, word) = self.write.take().expect("an answer to nothing");
            self.words.insert(address, word);
            self.done += 1;
        }
        if both("s_axil_rvalid", "s_axil_rready") {
            let address = self.read.take().expect("data for nothing");
            let lane = model.get("s_axil_rdata") >> (8 * (address & 4)) & 0xFFFF_FFFF;
            assert_eq!(lane, self.words.get(&address).copied().unwrap_or(0), "host reads {address:#x}");
            self.done += 1;
        }
        if self.write.is_none() && rng.random_bool(0.1) {
            self.write = Some((4 * rng.random_range(0..8), rng.random::<u32>().into()));
            (self.address_waits, self.data_waits) = (true, true);
        }
        // Not what is being written: which of the two comes first is nobody's promise.
        if self.read.is_none() && rng.random_bool(0.1) {
            let address = 4 * rng.random_range(0..8);
            if self.write.is_none_or(|(written, _)| written != address) {
                (self.read, self.read_waits) = (Some(address), true);
            }
        }
        if self.write.is_some_and(|(address, _)| Some(address) == self.read) {
            self.write = self.write.map(|(address, word)| (address ^ 0x100, word));
        }
        let (address, word) = self.write.unwrap_or_default();
        let stands = |port: &str| model.get(port) == 1;
        // Bit 22 is none of the host's; what it sets of it is not to matter.
        vec![
            ("s_axil_awvalid", u64::from(self.address_waits && (stands("s_axil_awvalid") || rng.random_bool(0.5)))),
            ("s_axil_awaddr", address | 1 << 22),
            ("s_axil_wvalid", u64::from(self.data_waits && (stands("s_axil_wvalid") || rng.random_bool(0.5)))),
            ("s_axil_wdata", word | word << 32),
            ("s_axil_wstrb", 0xF << (address & 4)),
            ("s_axil_arvalid", u64::from(self.read_waits && (stands("s_axil_arvalid") || rng.random_bool(0.5)))),
            ("s_axil_araddr", self.read.unwrap_or(0)),
            ("s_axil_bready", u64::from(rng.random_bool(0.5))),
            ("s_axil_rready", u64::from(rng.random_bool(0.5))),
        ]
    }
}

fn port_of(bench: &mut Bench) {
    bench.model.set("d_axil_awready", 1).set("d_axil_wready", 1).set("d_axil_arready", 1);
}

#[test]
fn host_and_core_have_turns_at_the_devices_port() {
    let seed = std::env::var("KVCPU_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("seed {seed}: KVCPU_SEED={seed} cargo test -p kvcpu-sim --test management turns");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut bench, mut device, mut host) = (Bench::new(), Device::default(), Host::default());
    port_of(&mut bench);
    let (mut words, mut core, mut done, mut waited) = (HashMap::new(), None, 0, 0);
    for clock in 0..60_000 {
        bench.model.eval();
        if let Some((address, write)) = core
            && bench.model.get("mem_ready") == 1
        {
            match write {
                Some(word) => drop(words.insert(address, word)),
                None => {
                    let read = bench.model.get("mem_rdata");
                    assert_eq!(read, words.get(&address).copied().unwrap_or(0), "core reads {address:#x} at {clock}");
                }
            }
            (core, done, waited) = (None, done + 1, 0);
        }
        let late = rng.random_range(0..12);
        let mut inputs = device.clock(&bench.model, late);
        inputs.extend(host.clock(&bench.model, &mut rng));
        if core.is_none() && rng.random_bool(0.1) {
            core = Some((4 * rng.random_range(0..8), rng.random_bool(0.5).then(|| u64::from(rng.random::<u32>()))));
        }
        waited += u32::from(core.is_some());
        assert!(waited < 500, "the core starves");
        let (address, write) = core.unwrap_or_default();
        inputs.extend([
            ("mem_valid", u64::from(core.is_some())),
            ("mem_addr", 0x4000_0000 | address),
            ("mem_wdata", write.unwrap_or(0)),
            ("mem_wstrb", write.map_or(0, |_| 15)),
        ]);
        bench.tick();
        for (port, value) in inputs {
            bench.model.set(port, value);
        }
    }
    assert!(done > 1000 && host.done > 1000, "{done} of the core's, {} of the host's", host.done);
    // The core's are told by bit 22, and the host's are not.
    for (address, word) in &host.words {
        assert_eq!(device.words.get(address), Some(word));
    }
    for (address, word) in &words {
        assert_eq!(device.words.get(&(address | 1 << 22)), Some(word));
    }
}

#[test]
fn a_core_that_was_reset_is_not_given_what_it_asked_for_before() {
    let (mut bench, mut device) = (Bench::new(), Device::default());
    port_of(&mut bench);
    device.words.extend([(1 << 22, 0x111), (1 << 22 | 8, 0x888)]);
    bench.write(WATCHDOG, 1);
    let mut reset = false;
    bench.model.set("mem_valid", 1).set("mem_addr", 0x4000_0000).set("mem_wstrb", 0);
    for _ in 0..4 * MILLI {
        bench.model.eval();
        if bench.model.get("core_runs") == 0 {
            reset = true;
            bench.model.set("mem_valid", 0);
        } else if reset {
            bench.model.set("mem_valid", 1).set("mem_addr", 0x4000_0008);
            bench.model.eval();
            if bench.model.get("mem_ready") == 1 {
                assert_eq!(bench.model.get("mem_rdata"), 0x888);
                return;
            }
        }
        // It answers long after the bite.
        let inputs = device.clock(&bench.model, if reset { 3 } else { 2 * MILLI + 500 });
        bench.tick();
        for (port, value) in inputs {
            bench.model.set(port, value);
        }
    }
    panic!("never answered");
}
