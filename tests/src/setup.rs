//! What many tests begin with: a device, a key, a command by registers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kvcpu_driver::{Config, Device, Insert, TierConfig};
use kvcpu_emulator::Emulator;
use kvcpu_mmio::queue::{Cqe, Key, Status};
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
use kvcpu_mmio::{Backing, Geometry};

use crate::t3::T3;

/// Tiers of so many blocks, 0 leaving one out; small blocks.
pub fn tiers(blocks: [u32; 4]) -> Config {
    let tiers = blocks.map(|blocks| if blocks == 0 { TierConfig::OFF } else { TierConfig::blocks(blocks) });
    let prefetch_tier = blocks.iter().position(|blocks| *blocks > 0).unwrap_or(1) as u8;
    Config { block_shift: 8, tiers, prefetch_tier, luf_check: true, ..Config::default() }
}

/// A configured device over `backing`, and its T3.
///
/// # Panics
/// If it cannot be had.
pub fn device<B: Backing + 'static>(backing: B, config: Config) -> (Device<B>, Arc<T3>) {
    let device = Device::probe(Arc::new(backing)).expect("the backing is a device");
    let t3 = T3::new();
    device.set_t3_backend(t3.backend());
    device.configure(config).expect("the configuration fits");
    (device, t3)
}

/// An emulator for tests.
///
/// # Panics
/// Never: the test geometry is good.
pub fn emulator() -> Emulator {
    emulator_of(Geometry::TEST)
}

/// An emulator of a geometry.
///
/// # Panics
/// If the geometry is impossible.
pub fn emulator_of(geometry: Geometry) -> Emulator {
    Emulator::new(geometry).expect("tests use possible geometries")
}

/// A private block of tenant 1.
pub fn key(tag: u64) -> Key {
    Key { tenant: 1, request: 7, tag }
}

/// A read-only block.
pub fn read_only(tag: u64, tier: u8) -> Insert {
    Insert { flags: EntryFlags::READ_ONLY, ..Insert::new(key(tag), tier) }
}

/// The status of a completion.
///
/// # Panics
/// If it is unknown.
pub fn status(cqe: &Cqe) -> Status {
    Status::from_code(cqe.status).expect("the device answers with known codes")
}

/// Runs `f`, which must not take longer than `limit`.
///
/// # Panics
/// If it does.
pub fn within<T>(limit: Duration, f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = f();
    assert!(start.elapsed() <= limit, "it took {:?}, more than {limit:?}", start.elapsed());
    result
}
