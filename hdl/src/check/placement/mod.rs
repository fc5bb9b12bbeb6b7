//! That no key is twice in the directory, and each in a slot of its own: one command, from any directory of which that is so.
//!
//! ```text
//!  a slot is looked at ─► free? block? old ghost? young ghost?   ┐
//!  its key is hashed   ─► which other bucket?                    ├─ every alternative ─► the command's end: invariant again,
//!  the key is looked up ─► nowhere? in which slot, what there?   │                       nothing lost, look-up and entries agree
//!  a victim is asked for ─► which of the blocks?                 ┘
//! ```
//!
//! The directory before the command is not given: what the microprogram does not look at does not matter, and what it looks at
//! is chosen when it does. So the commands that keep the invariant keep it for ever: this is the step of an induction, for
//! four buckets. Buckets are alike, so one that is met first has the lowest number that was not met.

mod ended;

use super::bus::{Bus, COMMIT, CSR, Committed, DMA_DONE, ENTRY, FIND, FREE, GHOST, HEPC_LIST, NONE, RESIDENT, csr};
use super::explore::{Seen, explore};
use super::machine::{Machine, Rules};
use super::setup::{self, Command, Tier};
use super::{Checked, Subject};
use anyhow::{Context, Result, ensure};
use kvcpu_mmio::queue::Opcode;
use kvcpu_mmio::regs::{command, rtbd, tier};

const ENTRIES: usize = 16;
/// Slots of the stash.
const STASH: u32 = 2;
/// A bucket that has not been chosen.
const UNKNOWN: u32 = 0xFFFF;
const BUCKETS_LOAD: u32 = 0x50_0007;
/// The key that commands are about.
const KEY: usize = 0;
/// ACCESS_CLOCK at the beginning, and ACCESS of old ghosts, young ones and blocks.
const CLOCK: u32 = 100;
const ACCESS: [u32; 4] = [0, 60, 10, 40];

/// What a slot may hold.
const CONTENTS: [(u32, u32); 4] = [(FREE, ACCESS[0]), (RESIDENT, ACCESS[1]), (GHOST, ACCESS[2]), (GHOST, ACCESS[3])];

/// Situations that must be met.
const SITUATIONS: [&str; 7] = [
    "entries moved to their other bucket",
    "of them two and more in one command",
    "ghosts forgotten for a new key",
    "keys put into the stash",
    "entries that left the stash",
    "commands refused for a full directory",
    "blocks that became ghosts while room was made",
];

#[derive(Clone)]
struct Placement {
    opcode: Opcode,
    /// Buckets that keys have.
    buckets: u32,
    /// Contents that are tried of a slot of the key's own buckets, and of any other: with two ages of ghosts, or one.
    contents: [usize; 2],
    known: Vec<bool>,
    /// Buckets met.
    met: u32,
    /// Whether the command's key has been looked up.
    looked_up: bool,
    /// Keys that the directory held at first, the slots and the words.
    before: Vec<(usize, usize, [u32; 8])>,
    victim: Option<usize>,
    done: bool,
}

impl Placement {
    /// A slot is looked at for the first time.
    fn resolve(&mut self, bus: &mut Bus, slot: usize, key: Option<usize>, (state, access): (u32, u32)) {
        self.known[slot] = true;
        if state != FREE {
            self.fill(bus, slot, key, (state, access));
        }
        if slot >= ENTRIES && self.unknown_stash().is_empty() {
            let used = self.before.iter().filter(|(_, slot, _)| *slot >= ENTRIES).count();
            bus.file[(csr(&rtbd::RTBD_STASH_USED, 0) - CSR) as usize] = used as u32;
        }
    }

    fn fill(&mut self, bus: &mut Bus, slot: usize, key: Option<usize>, (state, access): (u32, u32)) {
        let number = key.unwrap_or(bus.buckets.len());
        if key.is_none() {
            let home = if slot < ENTRIES { slot as u32 / 4 } else { UNKNOWN };
            bus.buckets.push([home, UNKNOWN]);
        }
        let frame = (slot % ENTRIES) as u32;
        let words = [number as u32, 0, 1, frame, access, 0, 1 << 12, state << 30];
        bus.entries[slot] = words;
        bus.committed[slot] = Committed { key: [number as u32, 0, 1], place: state << 30 | frame };
        self.before.push((number, slot, words));
    }

    /// The stash: its register says how many it holds, so all of it is resolved at once.
    fn unknown_stash(&self) -> Vec<usize> {
        (ENTRIES..self.known.len()).filter(|&slot| !self.known[slot]).collect()
    }

    fn resolve_stash(&mut self, bus: &mut Bus, mut pick: usize) {
        for slot in self.unknown_stash() {
            self.resolve(bus, slot, None, CONTENTS[pick % self.contents[1]]);
            pick /= self.contents[1];
        }
    }

    /// Pairs of buckets that KEY may have, as far as they are not chosen.
    fn pairs(&self, bus: &Bus) -> Vec<[u32; 2]> {
        let Ok(number) = bus.number(bus.key) else { return Vec::new() };
        let [first, second] = bus.buckets[number];
        let highest = (self.met + 1).min(self.buckets);
        if second != UNKNOWN {
            return vec![[first, second]];
        }
        if first == UNKNOWN {
            let second_of = |first: u32| {
                (first + 1..self.buckets.min(highest.max(first + 1) + 1)).map(move |second| [first, second])
            };
            return (0..highest).flat_map(second_of).collect();
        }
        let all_full = (0..4 * self.buckets as usize).all(|slot| self.known[slot] && bus.state(slot).0 == RESIDENT);
        if all_full {
            // Wherever it could go, there is nothing to be found.
            return vec![[first, (first + 1) % self.buckets]];
        }
        (0..highest).filter(|&other| other != first).map(|other| [first, other]).collect()
    }

    /// Where the command's key may be: nowhere, or in a slot that was not looked at, as a block or a ghost.
    fn whereabouts(&self, bus: &Bus) -> Vec<Option<(usize, (u32, u32))>> {
        let slots = bus.slots_of(KEY).filter(|&slot| !self.known[slot]);
        let there = slots.flat_map(|slot| [CONTENTS[1], CONTENTS[2]].map(|content| Some((slot, content))));
        there.chain([None]).collect()
    }

    /// Who may be at the head of the victim list: any block that was looked at, one that was not, or nobody.
    fn heads(&self, bus: &Bus) -> Vec<u32> {
        let other = (0..ENTRIES).find(|&slot| !self.known[slot]);
        bus.victims(0).into_iter().chain(other.map(|slot| slot as u32)).chain([NONE]).collect()
    }
}

impl Rules for Placement {
    fn choices(&self, bus: &Bus, address: u32) -> Option<usize> {
        let of_stash = || Some(self.contents[1].pow(self.unknown_stash().len() as u32));
        match address {
            DMA_DONE => self.done.then_some(0),
            FIND => (!self.looked_up).then(|| self.whereabouts(bus).len()),
            BUCKETS_LOAD => Some(self.pairs(bus).len()),
            HEPC_LIST => (bus.listed[0] == NONE).then(|| self.heads(bus).len()),
            _ if address == csr(&rtbd::RTBD_STASH_USED, 0) => of_stash(),
            _ if address >> 16 == ENTRY >> 16 => {
                let slot = (address as usize & 0xFFFF) >> 3;
                if self.known[slot] {
                    None
                } else if slot >= ENTRIES {
                    of_stash()
                } else {
                    Some(self.contents[usize::from(slot >= 8)])
                }
            }
            _ => None,
        }
    }

    fn choose(&mut self, bus: &mut Bus, address: u32, pick: usize) -> Result<Vec<(u32, u32)>> {
        match address {
            FIND => {
                self.looked_up = true;
                if let Some((slot, content)) = self.whereabouts(bus)[pick] {
                    self.resolve(bus, slot, Some(KEY), content);
                }
            }
            BUCKETS_LOAD => {
                let number = bus.number(bus.key)?;
                let pair = self.pairs(bus)[pick];
                self.met = self.met.max(pair[0].max(pair[1]) + 1);
                // The hash does not say which of its buckets a key is in.
                bus.buckets[number] = if number % 2 == 0 { pair } else { [pair[1], pair[0]] };
            }
            HEPC_LIST => {
                let head = self.heads(bus)[pick];
                bus.listed[0] = head;
                if head != NONE {
                    let slot = head as usize;
                    self.victim = Some(slot);
                    if !self.known[slot] {
                        self.resolve(bus, slot, None, CONTENTS[1]);
                    }
                }
            }
            _ if address >> 16 != ENTRY >> 16 || (address as usize & 0xFFFF) >> 3 >= ENTRIES => {
                self.resolve_stash(bus, pick)
            }
            _ => self.resolve(bus, (address as usize & 0xFFFF) >> 3, None, CONTENTS[pick]),
        }
        Ok(Vec::new())
    }

    fn loaded(&mut self, bus: &Bus, _: &[u32], address: u32) -> Result<()> {
        // Whoever looks a key up may rely on it.
        if address == FIND { self.invariant(bus) } else { Ok(()) }
    }

    fn stored(&mut self, bus: &mut Bus, address: u32, value: u32) -> Result<()> {
        if address == csr(&command::CMD_STATUS, 0) && value == 2 {
            self.done = true;
            return self.ended(bus);
        }
        if address == COMMIT && self.looked_up {
            // An entry that moves is in two slots until its old one is written.
            let mut keys: Vec<usize> = self.used(bus)?.into_iter().map(|(key, _)| key).collect();
            let n = keys.len();
            keys.sort_unstable();
            keys.dedup();
            ensure!(n - keys.len() <= 1, "more than one key is in two slots");
        }
        Ok(())
    }
}

/// A command, and what it meets.
struct Case {
    about: &'static str,
    opcode: Opcode,
    /// Blocks in the tier, which may have `LIMIT`.
    blocks: u32,
    contents: [usize; 2],
    buckets: u32,
}

const LIMIT: u32 = 12;
/// What entries in use, and ghosts among them, are counted from.
const COUNTED: u32 = 64;

const CASES: [Case; 5] = [
    Case { about: "RELEASE", opcode: Opcode::Release, blocks: 6, contents: [4, 4], buckets: 4 },
    Case { about: "EVICT of the lowest tier", opcode: Opcode::Evict, blocks: 6, contents: [4, 4], buckets: 4 },
    Case { about: "INSERT, three buckets", opcode: Opcode::Insert, blocks: 6, contents: [4, 4], buckets: 3 },
    Case { about: "INSERT", opcode: Opcode::Insert, blocks: 6, contents: [3, 3], buckets: 4 },
    Case {
        about: "INSERT, for which a block goes",
        opcode: Opcode::Insert,
        blocks: LIMIT,
        contents: [3, 3],
        buckets: 3,
    },
];

/// Checks all cases, or says what is wrong.
pub(super) fn check(subject: &Subject<'_>) -> Result<Checked> {
    let mut checked = Checked::new(&SITUATIONS);
    for case in &CASES {
        let bus = Bus::new(4, STASH, 1);
        let rules = Placement {
            opcode: case.opcode,
            contents: case.contents,
            buckets: case.buckets,
            known: vec![true; bus.entries.len()],
            met: 2,
            looked_up: true,
            before: Vec::new(),
            victim: None,
            done: false,
        };
        let mut machine = Machine::new(&subject.program, bus, rules)?;
        setup::enable(
            &mut machine,
            [Tier { frames: 16, limit: LIMIT }, Tier::default(), Tier::default(), Tier::default()],
            0,
            true,
        )?;
        machine.registers[usize::from(subject.statics["CLOCK"])] = CLOCK;
        machine.bus.buckets.push([0, 1]);
        machine.rules.known.fill(false);
        machine.rules.looked_up = false;
        let mut set = |register, value| machine.bus.file[(csr(register, 0) - CSR) as usize] = value;
        set(&rtbd::RTBD_USED, COUNTED);
        set(&rtbd::RTBD_GHOSTS, COUNTED);
        set(&tier::TIER_USED, case.blocks);
        setup::command(&mut machine, Command { opcode: case.opcode, key: KEY as u32, tier: 0, flags: 0 })?;
        let explored = explore(
            machine,
            &mut Seen::new(),
            |_| None,
            |end| {
                checked.meet(&end.rules.met(&end.bus)?);
                Ok(())
            },
        )
        .context(case.about)?;
        checked.add(case.about, &explored);
    }
    Ok(checked)
}
