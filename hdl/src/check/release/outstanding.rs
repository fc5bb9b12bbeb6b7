//! What is outstanding, kept apart from the microprogram: from its commits, descriptors and requests; and what may not happen
//! meanwhile.

use super::super::bus::{Bus, Descriptor, E_PLACE, FREE, GHOST, IN_FLIGHT, RESIDENT};
use super::super::setup::{BASES, BLOCK_SHIFT, STAGE_BASE};
use super::{Place, Release, STAGING, T3, TIERS};
use anyhow::{Context, Result, bail, ensure};
use kvcpu_mmio::regs::{luf, service, tier};

/// A move, from the commit that decides it to the one that ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Move {
    pub(super) key: u32,
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) has_arrived: bool,
    pub(super) has_failed: bool,
}

/// A request to the host: cid, and the move's source and destination as far as the host sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub(super) cid: u32,
    pub(super) is_store: bool,
    pub(super) frame: u32,
    pub(super) slot: u32,
}

impl Release {
    /// A frame becomes a block's, or is about to be written.
    fn taken(&mut self, bus: &Bus, place: Place, by: Place) -> Result<()> {
        for (key, &(state, at)) in self.blocks.iter().enumerate() {
            let is_placed = state == RESIDENT || state == IN_FLIGHT;
            ensure!(
                !is_placed || at != place || self.moves.iter().any(|m| m.to == place && m.from == by),
                "{place:?} is given away and has key {key}'s block"
            );
        }
        if let Some(other) = self.moves.iter().find(|other| other.from == place) {
            bail!("{place:?} is given away before the move out of it is acknowledged: {other:?}");
        }
        if let Some(&need) = self.needs.get(&place) {
            let behind = bus.register(&luf::AGENT_ACK, 0).wrapping_sub(need) as i32;
            ensure!(behind >= 0, "{place:?} is given away, and the agent may still read it");
        }
        Ok(())
    }

    /// The address of a descriptor as a place.
    fn place(address: [u32; 2], is_card: bool) -> Result<Place> {
        ensure!(address[1] == 0, "an address that nobody has");
        let within = |base: u32| address[0].wrapping_sub(base) >> BLOCK_SHIFT;
        let places = [(0, BASES[0]), (2, BASES[2]), (STAGING, STAGE_BASE)];
        if is_card {
            return Ok((1, within(BASES[1])));
        }
        let found = places.into_iter().find(|(_, base)| within(*base) < 16);
        found.map(|(tier, base)| (tier, within(base))).context("an address that nobody has")
    }

    /// Where a descriptor reads and writes.
    fn ends_of(descriptor: &Descriptor) -> Result<(Place, Place)> {
        let [from_lo, from_hi, to_lo, to_hi, length, spaces] = descriptor.words;
        ensure!(length == 1 << BLOCK_SHIFT, "a descriptor of {length} bytes");
        Ok((Self::place([from_lo, from_hi], spaces & 1 != 0)?, Self::place([to_lo, to_hi], spaces & 2 != 0)?))
    }

    /// A descriptor was taken.
    pub(super) fn gone(&mut self, bus: &Bus, channel: usize) -> Result<()> {
        let new = bus.open[channel].len() - 1;
        let (from, to) = Self::ends_of(&bus.open[channel][new])?;
        for (of, open) in bus.open.iter().enumerate() {
            for (number, other) in open.iter().enumerate().filter(|(number, _)| (of, *number) != (channel, new)) {
                let (read, written) = Self::ends_of(other)?;
                let apart = written != to && written != from && read != to;
                ensure!(apart, "transfers {number} of channel {of} and {new} of channel {channel} meet");
            }
        }
        let fetched = self
            .fetched
            .iter()
            .find(|(slot, _)| from == (STAGING, *slot))
            .map(|(_, frame)| (T3, *frame));
        if to.0 != STAGING {
            self.taken(bus, to, fetched.unwrap_or(from))?;
        }
        let is_a_block = self.blocks.iter().any(|&(state, at)| state == RESIDENT && at == from);
        let is_a_move = self.moves.iter().any(|other| other.from == from);
        ensure!(is_a_block || is_a_move || fetched.is_some(), "{from:?} is moved, where no block is");
        Ok(())
    }

    /// A transfer has ended.
    pub(super) fn complete(&mut self, bus: &mut Bus, channel: usize, result: u32) -> Result<()> {
        let descriptor = bus.open[channel].remove(0);
        bus.done = Some((descriptor.id, result));
        let (from, to) = Self::ends_of(&descriptor)?;
        let fetched = self
            .fetched
            .iter()
            .find(|(slot, _)| from == (STAGING, *slot))
            .map(|(_, frame)| (T3, *frame));
        let source = fetched.unwrap_or(from);
        let found = self
            .moves
            .iter_mut()
            .find(|m| m.from == source && (m.to == to || to.0 == STAGING && m.to.0 == T3));
        let found = found.with_context(|| format!("a transfer from {from:?} to {to:?} has ended, and is no move's"))?;
        if result != 0 {
            found.has_failed = true;
        } else if to.0 != STAGING {
            found.has_arrived = true;
        }
        self.fetched.retain(|(slot, _)| from != (STAGING, *slot));
        Ok(())
    }

    /// The host has answered a request; what it writes.
    pub(super) fn answer(&mut self, bus: &mut Bus, number: usize, status: u32) -> Result<Vec<(u32, u32)>> {
        let request = self.requests.remove(number);
        bus.answers.push([0, 0, 0, request.cid | status << 17]);
        let frame = (T3, request.frame);
        let found = self
            .moves
            .iter_mut()
            .find(|m| if request.is_store { m.to == frame } else { m.from == frame });
        let found = found.with_context(|| format!("{request:?} was for no move"))?;
        match (status, request.is_store) {
            (0, true) => found.has_arrived = true,
            (0, false) => self.fetched.push((request.slot, request.frame)),
            _ => found.has_failed = true,
        }
        self.answered += 1;
        Ok(vec![(service::SVC_CQ_DOORBELL.offset, self.answered)])
    }

    /// A request was posted.
    pub(super) fn requested(&mut self, bus: &Bus) -> Result<()> {
        let request = Request {
            cid: bus.buffer[0] >> 16,
            is_store: bus.buffer[0] & 0xFF == 0x80,
            frame: bus.buffer[13],
            slot: bus.buffer[0] >> 16 & 0xFF,
        };
        ensure!(self.requests.iter().all(|other| other.slot != request.slot), "two requests have one staging slot");
        self.requests.push(request);
        Ok(())
    }

    /// An entry was committed: what has become of its block.
    pub(super) fn committed(&mut self, bus: &Bus, slot: usize) -> Result<()> {
        let (state, tier) = bus.state(slot);
        if state == FREE {
            // Which key it had is what no slot has now.
            for key in 0..self.blocks.len() {
                let is_there = bus.committed.iter().any(|other| other.place != 0 && other.key[0] as usize == key);
                if !is_there && self.blocks[key].0 != FREE {
                    self.becomes(bus, key, (FREE, (0, 0)))?;
                }
            }
            return Ok(());
        }
        let key = bus.number(bus.committed[slot].key)?;
        self.becomes(bus, key, (state, (tier as u32, bus.entries[slot][E_PLACE] & 0xFFFF)))
    }

    /// A key's block is in another state or place.
    fn becomes(&mut self, bus: &Bus, key: usize, now: (u32, Place)) -> Result<()> {
        let before = std::mem::replace(&mut self.blocks[key], (FREE, (0, 0)));
        let of_key = self.moves.iter().position(|m| m.key as usize == key);
        match (before.0, now.0) {
            (FREE | GHOST, RESIDENT) => self.taken(bus, now.1, now.1)?,
            (RESIDENT, RESIDENT) | (IN_FLIGHT, IN_FLIGHT) => {
                ensure!(before.1 == now.1, "the block of key {key} goes from {:?} to {:?} at once", before.1, now.1);
            }
            (RESIDENT, IN_FLIGHT) => {
                self.taken(bus, now.1, before.1)?;
                self.met[4] += u64::from(now.1.0 == T3);
                self.met[5] += u64::from(before.1.0 == T3);
                let key = key as u32;
                self.moves
                    .push(Move { key, from: before.1, to: now.1, has_arrived: false, has_failed: false });
                self.met[6] = self.met[6].max(self.moves.len() as u64);
            }
            (IN_FLIGHT, RESIDENT) => {
                let ended = self.moves.remove(of_key.context("a block arrives that did not move")?);
                if now.1 == ended.to {
                    ensure!(ended.has_arrived, "{ended:?} is acknowledged and has not arrived");
                    self.met[0] += 1;
                    self.left_once.push(ended.from);
                } else {
                    ensure!(now.1 == ended.from && ended.has_failed, "{ended:?} ends at {:?}", now.1);
                    self.met[1] += 1;
                    self.needs.remove(&ended.from);
                }
            }
            (IN_FLIGHT, _) => bail!("the block of key {key} is given up while it moves"),
            _ => {}
        }
        let is_placed = |state| state == RESIDENT || state == IN_FLIGHT;
        if is_placed(now.0) && !(is_placed(before.0) && before.1 == now.1) {
            self.needs.remove(&now.1);
            if self.left_once.contains(&now.1) {
                self.met[2] += 1;
                self.left_once.retain(|place| *place != now.1);
            }
        }
        self.blocks[key] = now;
        Ok(())
    }

    /// Between commands each frame is one thing: never used, free, in quarantine, or a block's; and the registers say so.
    pub(super) fn accounts(&self, bus: &Bus, registers: &[u32]) -> Result<()> {
        let [first, count] = self.quarantine.map(|register| registers[register]);
        for tier in 0..4 {
            let words = &bus.data[TIERS + 8 * tier..];
            let mut uses = vec![0; self.frames[tier] as usize];
            (words[0] as usize..uses.len()).for_each(|frame| uses[frame] += 1);
            let ring = &bus.rings[tier];
            for slot in words[1]..words[1] + words[2] {
                uses[ring[slot as usize % ring.len()] as usize] += 1;
            }
            let free = uses.iter().sum::<u32>();
            for slot in first..first + count {
                let item = bus.quarantine[slot as usize % bus.quarantine.len()];
                if item >> 16 == tier as u32 {
                    uses[item as usize & 0xFFFF] += 1;
                }
            }
            let quarantined = uses.iter().sum::<u32>() - free;
            for &(state, (at, frame)) in &self.blocks {
                if (state == RESIDENT || state == IN_FLIGHT) && at == tier as u32 {
                    uses[frame as usize] += 1;
                }
            }
            let used = uses.iter().sum::<u32>() - free - quarantined;
            ensure!(uses.iter().all(|uses| *uses == 1), "frames of T{tier} are so many things at once: {uses:?}");
            let told = [&tier::TIER_FREE, &tier::TIER_QUARANTINED, &tier::TIER_USED]
                .map(|register| bus.register(register, 16 * tier as u32));
            ensure!(
                told == [free, quarantined, used],
                "T{tier} has {free} free, {quarantined} in quarantine, {used} in use; its registers say {told:?}"
            );
        }
        Ok(())
    }
}
