//! What must be so when a key is looked up, and at a command's end.

use super::super::bus::{Bus, Committed, E_PLACE, E_STATE, FREE, GHOST, RESIDENT};
use super::{COUNTED, ENTRIES, KEY, Placement, SITUATIONS};
use anyhow::{Result, bail, ensure};
use kvcpu_mmio::queue::{Opcode, Status};
use kvcpu_mmio::regs::{command, counter, rtbd};
use std::collections::BTreeMap;

impl Placement {
    /// Keys and slots of the entries in use, as far as they are known.
    pub(super) fn used(&self, bus: &Bus) -> Result<Vec<(usize, usize)>> {
        let slots = (0..self.known.len()).filter(|&slot| bus.state(slot).0 != FREE);
        slots
            .map(|slot| Ok((bus.number([bus.entries[slot][0], bus.entries[slot][1], bus.entries[slot][2]])?, slot)))
            .collect()
    }

    /// No key twice, each in a bucket of its own or in the stash, and the look-up knows what the entries say.
    pub(super) fn invariant(&self, bus: &Bus) -> Result<()> {
        let mut slots = BTreeMap::new();
        for (key, slot) in self.used(bus)? {
            if let Some(other) = slots.insert(key, slot) {
                bail!("key {key} is in slots {other} and {slot}");
            }
            let bucket = slot as u32 / 4;
            ensure!(
                slot >= ENTRIES || bus.buckets[key].contains(&bucket),
                "key {key} is in slot {slot}, in a bucket that is not its own"
            );
            let words = &bus.entries[slot];
            let place = words[E_STATE] & 0xF000_0000 | words[E_PLACE] & 0xFFFF;
            let told = Committed { key: [words[0], words[1], words[2] & 0xFF_FFFF], place };
            ensure!(bus.committed[slot] == told, "the look-up was not told of slot {slot}");
        }
        let forgotten =
            (0..self.known.len()).all(|slot| bus.state(slot).0 != FREE || bus.committed[slot] == Committed::default());
        ensure!(forgotten, "the look-up knows a slot that is free");
        Ok(())
    }

    /// The command has ended.
    pub(super) fn ended(&self, bus: &Bus) -> Result<()> {
        self.invariant(bus)?;
        let status = bus.register(&command::CMD_CQE, 3) >> 17;
        let is_ok = status == Status::Ok as u32;
        let used = self.used(bus)?;
        let slot_of = |key: usize| used.iter().find(|(of, _)| *of == key).map(|(_, slot)| *slot);
        let mut forgotten = 0;
        for &(key, slot, words) in self.before.iter().filter(|(key, ..)| *key != KEY) {
            let is_victim = self.victim == Some(slot);
            match slot_of(key) {
                Some(now) if is_victim && self.opcode == Opcode::Insert => {
                    ensure!(bus.state(now).0 == GHOST, "the block of key {key} was dropped and is no ghost");
                }
                Some(now) => {
                    ensure!(bus.entries[now] == words, "the entry of key {key} changed on its way to slot {now}")
                }
                None => {
                    ensure!(words[E_STATE] >> 30 == GHOST || is_victim, "the block of key {key} is lost");
                    forgotten += 1;
                }
            }
        }
        ensure!(forgotten <= u32::from(is_ok && self.opcode == Opcode::Insert), "{forgotten} ghosts were forgotten");
        let own = slot_of(KEY).map(|slot| bus.state(slot).0);
        let was = self.before.iter().find(|(key, ..)| *key == KEY).map(|(_, _, words)| words[E_STATE] >> 30);
        let wanted = match (self.opcode, is_ok) {
            (Opcode::Insert, true) => Some(RESIDENT),
            (Opcode::Evict, true) => Some(GHOST),
            (Opcode::Release, true) => None,
            _ => was,
        };
        // A ghost is released as well, with the answer that no block was.
        let is_released = self.opcode == Opcode::Release && own.is_none() && was != Some(RESIDENT);
        ensure!(own == wanted || is_released, "status {status}: the command's key was {was:?} and is {own:?}");
        if status == Status::DirectoryFull as u32 {
            let full = bus.slots_of(KEY).all(|slot| self.known[slot] && bus.state(slot).0 == RESIDENT);
            ensure!(full && used.len() == self.before.len(), "the directory is said to be full and is not");
        }
        let moved = |now: usize, before: usize| (now as u32).wrapping_sub(before as u32);
        let register = |register| bus.register(register, 0);
        let delta = moved(used.len(), self.before.len());
        ensure!(register(&rtbd::RTBD_USED) == COUNTED.wrapping_add(delta), "RTBD_USED is wrong");
        let ghosts = used.iter().filter(|(_, slot)| bus.state(*slot).0 == GHOST).count();
        let ghosts_before = self.before.iter().filter(|(.., words)| words[E_STATE] >> 30 == GHOST).count();
        ensure!(
            register(&rtbd::RTBD_GHOSTS) == COUNTED.wrapping_add(moved(ghosts, ghosts_before)),
            "RTBD_GHOSTS is wrong"
        );
        if self.unknown_stash().is_empty() {
            let stash = used.iter().filter(|(_, slot)| *slot >= ENTRIES).count();
            ensure!(register(&rtbd::RTBD_STASH_USED) == stash as u32, "RTBD_STASH_USED is wrong");
        }
        Ok(())
    }

    /// How often each situation was met in this command.
    pub(super) fn met(&self, bus: &Bus) -> Result<[u64; SITUATIONS.len()]> {
        let used = self.used(bus)?;
        let in_stash = |slot: usize| slot >= ENTRIES;
        let own = used.iter().find(|(key, _)| *key == KEY).map(|(_, slot)| *slot);
        let was = self.before.iter().find(|(key, ..)| *key == KEY);
        let left = |(key, slot, _): &(usize, usize, [u32; 8])| {
            in_stash(*slot) && used.iter().any(|(of, now)| of == key && !in_stash(*now))
        };
        let kicks = u64::from(bus.register(&counter::CNT_KICKS, 0));
        let status = bus.register(&command::CMD_CQE, 3) >> 17;
        let reclaimed = u64::from(bus.register(&counter::CNT_GHOSTS_RECLAIMED, 0));
        let drops = u64::from(bus.register(&counter::CNT_DROPS, 0));
        Ok([
            kicks,
            u64::from(kicks > 1),
            reclaimed,
            u64::from(self.opcode == Opcode::Insert && was.is_none() && own.is_some_and(in_stash)),
            self.before.iter().filter(|entry| left(entry)).count() as u64,
            u64::from(status == Status::DirectoryFull as u32),
            u64::from(self.opcode == Opcode::Insert) * drops,
        ])
    }
}
