//! What breaks in a stream, and is mended.

use std::sync::atomic::Ordering;

use kvcpu_mmio::Backing;
use kvcpu_mmio::regs::{service, tier};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::bus::Bus;
use crate::model::Memory;
use crate::rig::{Rig, text};

/// What may break.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Memory is not mapped.
    Tear(Place),
    /// A word in the middle of each block is not mapped: what moves there has begun when it fails.
    TearMiddle(Place),
    /// A word in the middle of each block arrives with a bit flipped.
    Corrupt(Place),
    /// The host fails T3 requests.
    T3,
    /// It answers fetches with a wrong CRC-32C.
    T3Lies,
    /// Bus Master Enable is cleared.
    BusMaster,
    /// Nothing is broken any more.
    Heal,
}

/// Host memory that transfers read and write.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Frames of T0 or T2.
    Tier(usize),
    /// The memory of COPY. It has no middle: blocks are anywhere in it.
    Buffer,
    /// The staging slots of T3.
    Staging,
}

/// What happens when something breaks; more often it is mended.
pub(super) fn any(rng: &mut ChaCha8Rng) -> Fault {
    let places = [Place::Tier(0), Place::Tier(2), Place::Tier(0), Place::Tier(2), Place::Buffer, Place::Staging];
    let place = *places.choose(rng).unwrap_or(&Place::Buffer);
    match rng.random_range(0..16) {
        0 => Fault::Tear(place),
        1 | 2 => Fault::TearMiddle(place),
        3 | 4 => Fault::Corrupt(place),
        5 => Fault::T3,
        6 | 7 => Fault::T3Lies,
        8 => Fault::BusMaster,
        _ => Fault::Heal,
    }
}

/// Bytes that are always moved by one burst. Which of two faults a longer block meets first is a matter of time, so that such blocks have
/// one at a time.
pub(crate) const ONE_BURST: u64 = 512;

/// Breaks or mends both sides.
pub(super) fn inject<B: Backing + 'static>(rig: &mut Rig<B>, bus: &Bus, fault: Fault) -> Result<(), String> {
    if rig.model.block_bytes > ONE_BURST && !matches!(fault, Fault::Heal) {
        inject(rig, bus, Fault::Heal)?;
    }
    match fault {
        Fault::Tear(place) => {
            let (base, bytes, blocks) = extent(rig, place)?;
            bus.tear(base..base + blocks * bytes);
            memory(rig, place).torn = true;
        }
        Fault::TearMiddle(place) => {
            middles(rig, place)?.for_each(|word| bus.tear(word));
            memory(rig, place).torn = true;
        }
        Fault::Corrupt(place) => {
            middles(rig, place)?.for_each(|word| bus.corrupt(word));
            memory(rig, place).corrupt = true;
        }
        Fault::T3 => {
            rig.t3.failing.store(true, Ordering::SeqCst);
            rig.model.t3_fails = true;
        }
        Fault::T3Lies => {
            rig.t3.lying.store(true, Ordering::SeqCst);
            rig.model.t3_lies = true;
        }
        Fault::BusMaster => {
            rig.device.backing().bus_master(false).map_err(|error| error.to_string())?;
            rig.model.bus_off = true;
        }
        Fault::Heal => {
            bus.heal();
            rig.t3.failing.store(false, Ordering::SeqCst);
            rig.t3.lying.store(false, Ordering::SeqCst);
            rig.device.backing().bus_master(true).map_err(|error| error.to_string())?;
            let model = &mut rig.model;
            (model.memory, model.buffer, model.staging_memory) = Default::default();
            (model.t3_fails, model.t3_lies, model.bus_off) = (false, false, false);
        }
    }
    Ok(())
}

/// Where memory is: its base, the bytes of a block, and how many there are.
fn extent<B: Backing + 'static>(rig: &Rig<B>, place: Place) -> Result<(u64, u64, u64), String> {
    let bytes = rig.model.block_bytes;
    Ok(match place {
        Place::Tier(number) => {
            let base = rig.device.read_at(&tier::TIER_BASE, number as u32, 0).map_err(text)?;
            (base, bytes, rig.model.tiers[number].frames.into())
        }
        Place::Buffer => {
            let all = rig.buffer();
            (all.start, 8, (all.end - all.start) / 8)
        }
        Place::Staging => {
            let base = rig.device.read(&service::SVC_STAGE_BASE).map_err(text)?;
            let slots = rig.device.read(&service::SVC_STAGE_SLOTS).map_err(text)?;
            (base, bytes, if rig.model.tiers[3].limit > 0 { slots } else { 0 })
        }
    })
}

/// The word in the middle of each block.
fn middles<B: Backing + 'static>(
    rig: &Rig<B>,
    place: Place,
) -> Result<impl Iterator<Item = std::ops::Range<u64>>, String> {
    let (base, bytes, blocks) = extent(rig, place)?;
    Ok((0..blocks).map(move |block| {
        let middle = base + block * bytes + bytes / 2 / 8 * 8;
        middle..middle + 8
    }))
}

fn memory<B: Backing + 'static>(rig: &mut Rig<B>, place: Place) -> &mut Memory {
    match place {
        Place::Tier(number) => &mut rig.model.memory[number],
        Place::Buffer => &mut rig.model.buffer,
        Place::Staging => &mut rig.model.staging_memory,
    }
}
