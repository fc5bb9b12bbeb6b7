//! One workload over all four tiers, for tests that break something in the middle of it, and the look afterwards
//! whether every block still has its bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kvcpu_driver::{Commands, Config, Device, DmaBuffer, DriverError, Insert, Lookup, TierConfig};
use kvcpu_mmio::Backing;
use kvcpu_mmio::queue::{Key, Status};
use kvcpu_mmio::regs::luf;

use crate::rig::content;
use crate::setup::{key, tiers};
use crate::t3::T3;

/// Bytes of a block.
pub const BYTES: usize = 256;
/// How long the driver waits.
pub const DEADLINE: Duration = Duration::from_millis(60);

/// T0 and T1 of a few blocks, T2 and T3 with room for all.
pub fn config() -> Config {
    let config = tiers([2, 3, 6, 16]);
    let tiers = config.tiers.map(|tier| TierConfig { lookahead: 100, ..tier });
    Config { tiers, prefetch_tier: 1, deadline: DEADLINE, ..config }
}

/// What the workload knows: the bytes that each block should have.
#[derive(Debug, Default)]
pub struct Known(pub BTreeMap<Key, u64>);

/// Configures a device and runs the workload on it, by a ring or by registers.
pub fn live<B: Backing + 'static>(device: &Device<B>, ring: bool) -> Result<(), DriverError> {
    device.set_deadline(DEADLINE);
    let t3 = T3::new();
    device.set_t3_backend(t3.backend());
    device.configure(config())?;
    let buffer = device.dma_alloc(BYTES)?;
    let mut known = Known::default();
    if ring {
        run(&mut device.queue_pair(0)?, &buffer, &mut known)?;
    } else {
        run(&mut device.single_shot(), &buffer, &mut known)?;
    }
    Ok(())
}

/// Inserts, copies, evictions, prefetches over all four tiers. Refusals are collected; anything but a refusal ends
/// it.
pub fn run(commands: &mut dyn Commands, buffer: &DmaBuffer, known: &mut Known) -> Result<Vec<Status>, DriverError> {
    let mut refusals = Vec::new();
    let mut note = |result: Result<(), DriverError>| match result {
        Err(error) => match error.status() {
            Some(status) => {
                refusals.push(status);
                Ok(false)
            }
            None => Err(error),
        },
        Ok(()) => Ok(true),
    };
    for n in 0..12 {
        let (key, write) = (key(n), n + 1);
        if note(commands.insert(&Insert::new(key, 0)).map(drop))? {
            buffer.write(0, &content(key, write, BYTES))?;
            known.0.remove(&key);
            if note(commands.copy_in(key, buffer, 0).map(drop))? {
                known.0.insert(key, write);
            }
        }
        note(commands.fence())?;
        if n % 3 == 2 {
            note(commands.evict(key.into()).map(drop))?;
            note(commands.fence())?;
            note(commands.prefetch(self::key(n / 3).into(), 5).map(drop))?;
            note(commands.fence())?;
        }
    }
    Ok(refusals)
}

/// All is well again: whatever the directory has in a tier has its bytes, frames add up, and work goes on.
///
/// # Panics
/// If not.
pub fn check_kept<B: Backing + 'static>(device: &Device<B>, t3: &Arc<T3>, known: &Known, at: &str) {
    let mut commands = device.single_shot();
    // The moves that failed were told, or are now.
    let _ = commands.fence();
    commands.fence().unwrap_or_else(|error| panic!("{at}: {error}"));
    let buffer = device.dma_alloc(BYTES).expect(at);
    for (key, write) in &known.0 {
        let Lookup::Placed(place) = commands.lookup(*key).expect(at) else { panic!("{at}: {key:?} is lost") };
        assert!(!place.in_flight, "{at}");
        let mut found = vec![0; BYTES];
        if place.tier == 3 {
            found = t3.slot(place.frame.into()).map(|(_, bytes)| bytes).unwrap_or_default();
        } else {
            commands
                .copy_out(*key, &buffer, 0)
                .unwrap_or_else(|error| panic!("{at}: {key:?} {place:?} {error}"));
            buffer.read(0, &mut found).expect(at);
        }
        assert_eq!(found, content(*key, *write, BYTES), "{at}: {key:?} in {place:?}");
    }
    let occupancy = device.occupancy().expect(at);
    for (of, tier) in occupancy.tiers.iter().zip(config().tiers) {
        assert_eq!(of.used + of.free + of.quarantined, tier.frames, "{at}");
    }
    assert_eq!(device.read(&luf::LUF_VIOLATIONS).expect(at), 0);
}
