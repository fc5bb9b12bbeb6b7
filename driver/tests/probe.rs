//! What probe and configure refuse. The mock is only for what an emulator cannot be: the wrong
//! device.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{SHORT, emulator};
use kvcpu_driver::mmio::regs::control::{self, MAGIC_VALUE};
use kvcpu_driver::mmio::regs::{hepc, rtbd, tier};
use kvcpu_driver::mmio::{Access, Backing, BackingError, Bar, DmaMemory, Geometry, map};
use kvcpu_driver::{Commands, Config, Device, DriverError, Source, TierConfig, Weights};

/// Registers that hold what they are given, and do nothing.
struct Dummy(Mutex<BTreeMap<u32, u32>>);

impl Dummy {
    fn new() -> Dummy {
        let mut values = BTreeMap::new();
        for register in map::registers().filter(|register| register.bar == Bar::Regs) {
            values.insert(register.offset, register.reset as u32);
        }
        // Geometry::TEST, as the emulator reports it.
        values.insert(control::CAP_RTBD.offset, 10 | 4 << 8 | 16 << 16 | 8 << 24);
        values.insert(control::CAP_ENGINES.offset, 2 | 4 << 4 | 4 << 8 | 4 << 12 | 6 << 16 | 21 << 24);
        values.insert(control::CAP_T1_KIB.offset, 64 << 10);
        Dummy(Mutex::new(values))
    }

    fn with(self, offset: u32, value: u32) -> Arc<Dummy> {
        self.0.lock().unwrap().insert(offset, value);
        Arc::new(self)
    }
}

impl Backing for Dummy {
    fn read32(&self, _: Bar, offset: u32) -> Result<u32, BackingError> {
        Ok(self.0.lock().unwrap().get(&offset).copied().unwrap_or(0))
    }
    fn write32(&self, bar: Bar, offset: u32, value: u32) -> Result<(), BackingError> {
        let mut values = self.0.lock().unwrap();
        let access = map::by_offset(bar, offset).map(|place| place.register.access);
        match access {
            Some(Access::W1C) => *values.entry(offset).or_default() &= !value,
            Some(Access::RW) if offset != control::CTRL.offset => _ = values.insert(offset, value),
            _ => {}
        }
        Ok(())
    }
    fn read64(&self, bar: Bar, offset: u32) -> Result<u64, BackingError> {
        Ok(u64::from(self.read32(bar, offset)?) | u64::from(self.read32(bar, offset + 4)?) << 32)
    }
    fn write64(&self, bar: Bar, offset: u32, value: u64) -> Result<(), BackingError> {
        self.write32(bar, offset, value as u32)?;
        self.write32(bar, offset + 4, (value >> 32) as u32)
    }
    fn dma_alloc(&self, bytes: usize) -> Result<Arc<dyn DmaMemory>, BackingError> {
        emulator().dma_alloc(bytes)
    }
    fn dma_free(&self, _: u64) -> Result<(), BackingError> {
        Ok(())
    }
    fn irq_fd(&self, _: u16) -> Result<i32, BackingError> {
        Err(BackingError::Irq("a dummy has none".into()))
    }
    fn bus_master(&self, _: bool) -> Result<(), BackingError> {
        Ok(())
    }
    fn reset(&self) -> Result<(), BackingError> {
        Ok(())
    }
    fn advance(&self, _: u64) -> Result<(), BackingError> {
        Ok(())
    }
    fn name(&self) -> String {
        "dummy".into()
    }
}

#[test]
fn probe_reads_the_geometry_it_was_built_with() {
    for geometry in [Geometry::TEST, Geometry::BOARD, Geometry::FULL] {
        let emulator = kvcpu_emulator::Emulator::new(geometry).unwrap();
        let device = Device::probe(Arc::new(emulator)).unwrap();
        assert_eq!(*device.geometry(), geometry);
        assert_eq!(device.identity().map_major, control::MAP_MAJOR);
        assert_eq!(device.identity().dma_channels, 2);
    }
}

#[test]
fn a_device_with_another_magic_is_refused() {
    let error = Device::probe(Dummy::new().with(control::MAGIC.offset, 0x1234)).unwrap_err();
    assert!(matches!(error, DriverError::NotKvCpu { found: 0x1234, .. }), "{error}");
}

#[test]
fn a_device_with_another_major_version_is_refused_and_a_newer_minor_is_not() {
    let version = |major: u32, minor: u32| Dummy::new().with(control::MAP_VERSION.offset, major << 16 | minor);
    let other = control::MAP_MAJOR + 1;
    let error = Device::probe(version(other.into(), 7)).unwrap_err();
    assert!(matches!(error, DriverError::Version { major, minor: 7, .. } if major == other), "{error}");
    assert!(error.to_string().contains("use the driver that belongs to the device"), "{error}");
    assert_eq!(Device::probe(version(control::MAP_MAJOR.into(), 9)).unwrap().identity().map_minor, 9);
}

#[test]
fn all_ones_are_a_device_that_is_gone() {
    let error = Device::probe(Dummy::new().with(control::MAGIC.offset, u32::MAX)).unwrap_err();
    assert!(error.is_gone(), "{error}");
}

#[test]
fn an_impossible_geometry_is_refused() {
    let error = Device::probe(Dummy::new().with(control::CAP_RTBD.offset, 0)).unwrap_err();
    assert!(matches!(error, DriverError::Geometry { .. }), "{error}");
}

#[test]
fn a_device_that_does_not_get_ready_or_enabled_is_a_timeout() {
    let config = Config { deadline: SHORT, ..Config::default() };
    let silent = Device::probe(Dummy::new().with(control::MAGIC.offset, MAGIC_VALUE)).unwrap();
    let error = silent.configure(config.clone()).unwrap_err();
    assert!(matches!(error, DriverError::Timeout { register: "STATUS", last: 0, .. }), "{error}");

    let ready = Device::probe(Dummy::new().with(control::STATUS.offset, 1)).unwrap();
    let error = ready.configure(config.clone()).unwrap_err();
    assert!(matches!(error, DriverError::Timeout { register: "STATUS", last: 1, .. }), "{error}");
    assert!(error.to_string().contains("READY"), "{error}");

    let stuck = Device::probe(Dummy::new().with(control::STATUS.offset, 3)).unwrap();
    let error = stuck.configure(config).unwrap_err();
    assert!(matches!(error, DriverError::Timeout { what: "disabling the device", .. }), "{error}");
}

#[test]
fn a_single_shot_command_that_is_never_done_is_a_timeout() {
    let device = Device::probe(Dummy::new().with(control::STATUS.offset, 0x13)).unwrap();
    device.set_deadline(SHORT);
    let error = device.single_shot().nop().unwrap_err();
    assert!(matches!(error, DriverError::Timeout { what: "a single-shot command", .. }), "{error}");
    assert!(error.to_string().contains("BLOCKED_ON 1"), "{error}");
}

#[test]
fn a_queue_that_does_not_start_is_a_timeout() {
    let device = Device::probe(Dummy::new().with(control::STATUS.offset, 1)).unwrap();
    device.set_deadline(SHORT);
    let error = device.queue_pair(0).unwrap_err();
    assert!(matches!(error, DriverError::Timeout { register: "Q_STATUS", .. }), "{error}");
    assert!(device.queue_pair(4).unwrap_err().to_string().contains("fewer queue pairs"));
}

#[test]
fn a_configuration_the_geometry_cannot_hold_names_field_limit_and_remedy() {
    let device = Device::probe(emulator()).unwrap();
    let before = device.backing().read32(Bar::Regs, tier::TIER_FRAMES.at(1)).unwrap();
    let tiers = |tier: TierConfig| Config {
        tiers: [TierConfig::OFF, tier, TierConfig::OFF, TierConfig::OFF],
        ..Config::default()
    };
    let of = TierConfig::blocks(64);
    let cases = [
        (Config { block_shift: 30, ..Config::default() }, "block_shift"),
        (tiers(TierConfig::blocks(1025)), "tiers[1].frames"),
        (tiers(TierConfig { limit: 65, ..of }), "tiers[1].limit"),
        (tiers(TierConfig { high: 65, ..of }), "tiers[1].high"),
        (tiers(TierConfig { low: 33, high: 32, ..of }), "tiers[1].low"),
        (tiers(TierConfig::OFF), "tiers"),
        (Config { block_shift: 21, ..tiers(of) }, "tiers[1].frames"),
        (Config { prefetch_tier: 0, ..Config::default() }, "prefetch_tier"),
        (Config { prefetch_tier: 9, ..Config::default() }, "prefetch_tier"),
        (Config { agents: 0x10, ..Config::default() }, "agents"),
        (Config { recency_shift: 16, ..Config::default() }, "recency_shift"),
        (Config { fixed_policy: Some(8), ..Config::default() }, "fixed_policy"),
        (Config { staging_slots: 0, ..common::three_tiers() }, "staging_slots"),
        (Config { service_log2: 16, ..common::three_tiers() }, "service_log2"),
        (common::three_tiers(), "tiers[3].limit"),
    ];
    for (config, field) in cases {
        match device.configure(config).unwrap_err() {
            DriverError::Config(error) => {
                assert_eq!(error.field, field);
                assert!(!error.limit.is_empty() && !error.remedy.is_empty());
            }
            error => panic!("{field}: {error}"),
        }
    }
    let after = device.backing().read32(Bar::Regs, tier::TIER_FRAMES.at(1)).unwrap();
    assert_eq!(after, before, "a refused configuration writes nothing");
    assert!(device.config().is_none());
}

#[test]
fn what_the_device_refuses_is_told_in_words() {
    // The dummy refuses everything for the cause it is given.
    for cause in 1..=10 {
        let dummy = Dummy::new().with(control::STATUS.offset, 1);
        dummy.0.lock().unwrap().insert(control::CONFIG_ERR.offset, cause);
        let error = Device::probe(dummy).unwrap().configure(Config::default()).unwrap_err();
        assert!(matches!(error, DriverError::Config(_)), "cause {cause}: {error}");
    }
}

#[test]
fn configure_programs_what_it_was_told() {
    let weights = Weights { wr: 1, wf: 2, ws: 3, wd: 4 };
    let config = Config {
        tiers: [
            TierConfig::OFF,
            TierConfig::blocks(32).quarantine(8).watermarks(10, 20).lookahead(5),
            TierConfig::blocks(16),
            TierConfig::OFF,
        ],
        weights,
        evict_thresh: 77,
        ..Config::default()
    };
    let device = common::device(config.clone());
    assert_eq!(device.config(), Some(config));
    assert_eq!(device.weights().unwrap(), weights);
    assert_eq!(device.read(&hepc::EVICT_THRESH).unwrap(), 77);
    for (register, value) in [
        (&tier::TIER_FRAMES, 40),
        (&tier::TIER_LIMIT, 32),
        (&tier::TIER_LOW, 10),
        (&tier::TIER_HIGH, 20),
        (&tier::TIER_LOOKAHEAD, 5),
        (&tier::TIER_FREE, 40),
    ] {
        assert_eq!(device.read_at(register, 1, 0).unwrap(), value, "{}", register.name);
    }
    assert_ne!(device.read_at(&tier::TIER_BASE, 2, 0).unwrap(), 0, "T2 has memory");
    assert_eq!(device.read(&control::BAD_ACCESS_COUNT).unwrap(), 0, "and no access was a bad one");
}

#[test]
fn a_device_is_configured_again_and_starts_empty() {
    let device = common::device(Config::default());
    let mut shot = device.single_shot();
    shot.insert(&kvcpu_driver::Insert::new(common::key(1), 1)).unwrap();
    assert_eq!(device.read(&rtbd::RTBD_USED).unwrap(), 1);
    device.configure(Config { block_shift: 10, ..Config::default() }).unwrap();
    assert_eq!(device.read(&rtbd::RTBD_USED).unwrap(), 0);
    assert_eq!(shot.block_bytes(), 1024);
    device.reset().unwrap();
    assert!(device.config().is_none());
    let error = shot.insert(&kvcpu_driver::Insert::new(common::key(1), 1)).unwrap_err();
    assert_eq!(error.status(), Some(kvcpu_driver::mmio::queue::Status::NotEnabled));
}

#[test]
fn dropping_the_last_handle_disables_the_device_and_frees_its_memory() {
    let traced = Arc::new(kvcpu_driver::decorator::Traced::new(emulator()));
    let device = Device::probe(traced.clone()).unwrap();
    device.configure(Config::default()).unwrap();
    let queue = device.queue_pair(0).unwrap();
    drop(device);
    assert_eq!(traced.read32(Bar::Regs, control::CTRL.offset).unwrap(), 1, "the queue holds it");
    drop(queue);
    assert_eq!(traced.read32(Bar::Regs, control::CTRL.offset).unwrap(), 0);
    let counts = traced.counts();
    assert!(counts.dma_allocs > 0);
    assert_eq!(counts.dma_allocs, counts.dma_frees);
}

#[test]
fn registers_are_reached_by_instance_element_and_field() {
    let device = common::device(Config::default());
    device.write(&control::SCRATCH, 0xA5A5_5A5A).unwrap();
    assert_eq!(device.read(&control::SCRATCH).unwrap(), 0xA5A5_5A5A);
    device.write(&control::SCRATCH, u32::MAX.into()).unwrap();
    assert_eq!(device.read(&control::SCRATCH).unwrap(), u64::from(u32::MAX), "all ones may be honest");
    device
        .modify(&hepc::WEIGHTS, &[(&hepc::WEIGHTS::WS, 9), (&hepc::WEIGHTS::WD, 8)])
        .unwrap();
    assert_eq!(device.read_field(&hepc::WEIGHTS, &hepc::WEIGHTS::WS).unwrap(), 9);
    assert_eq!(device.read_field(&hepc::WEIGHTS, &hepc::WEIGHTS::WF).unwrap(), 0x18);
    for error in [
        device.read_at(&tier::TIER_LIMIT, 4, 0).unwrap_err(),
        device.read_at(&rtbd::RTBD_STASH, 0, 128).unwrap_err(),
        device.write(&control::SCRATCH, 1 << 32).unwrap_err(),
        device.modify(&hepc::WEIGHTS, &[(&hepc::WEIGHTS::WS, 256)]).unwrap_err(),
    ] {
        assert!(matches!(error, DriverError::Register { .. }), "{error}");
    }
}

#[test]
fn a_forced_interrupt_arrives_once() {
    let device = common::device(Config::default());
    let source = Source::Command;
    device.enable_interrupts(&[source]).unwrap();
    assert!(!device.wait_interrupt(source, Duration::ZERO).unwrap());
    device.force_interrupt(source).unwrap();
    assert!(device.wait_interrupt(source, Duration::from_secs(5)).unwrap());
    assert!(!device.wait_interrupt(source, Duration::ZERO).unwrap());
    device.force_interrupt(source).unwrap();
    assert!(device.wait_interrupt(source, Duration::from_secs(5)).unwrap(), "status was cleared");
    device.disable_interrupts(&[source]).unwrap();
    device.force_interrupt(source).unwrap();
    assert!(!device.wait_interrupt(source, Duration::ZERO).unwrap());
}
