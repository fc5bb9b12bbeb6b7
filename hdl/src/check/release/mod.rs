//! That no frame is given to another block, or written, before the move out of it has been acknowledged: all that a few commands,
//! the DMA, the host behind T3 and the agents can do, in every order.
//!
//! ```text
//!  whenever thread 0 asks what DMA has done ─► nothing ┐  a channel completes, well or with a fault
//!                                                      ├─ the host answers a request of T3, well or with an error
//!                                                      │  an agent acknowledges the last invalidation
//!                                                      └─ no command under way: one is given
//!  what the agent has acknowledged is asked for ─► as before, or just now
//!  a victim is asked for ─► any of the tier's blocks, or, before a sweep, nobody
//! ```
//!
//! What is outstanding is kept apart from the microprogram: from its commits, its descriptors and requests. A move ends with the
//! completion of its last transfer, or the host's answer.

mod outstanding;

use super::bus::{Bus, COMMIT, DMA, DMA_DONE, FREE, HEPC_ITEMS, HEPC_LIST, IN_FLIGHT, NONE, RESIDENT, RING_WRITE, csr};
use super::explore::{Quick, Seen, explore};
use super::machine::{Machine, Rules};
use super::setup::{self, Command, Tier};
use super::{Checked, Subject};
use anyhow::{Context, Result, ensure};
use kvcpu_mmio::queue::Opcode;
use kvcpu_mmio::regs::rtbd_entry::EntryFlags;
use kvcpu_mmio::regs::{command, luf};
use outstanding::{Move, Request};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// Data RAM: a tier's free list, 8 words each: frames never used, slot of the ring's first, frames in the ring.
const TIERS: usize = 0x0C0;
/// Data RAM: nodes of the search for a slot and the guard's counts, in which nothing is looked for.
const SCRATCH: std::ops::Range<usize> = 0x800..0xC00;
/// Register file: words of the counters, which nothing but the host looks at.
const COUNTERS: std::ops::Range<usize> = 0x600..0x700;
/// HEPC's SWEEP.
const SWEEP: u32 = 0x60_0028;
/// The tier behind the host.
const T3: u32 = 3;
/// BLOCKED_ON while a command waits for an invalidation.
const WAIT_INVALIDATION: u32 = 2;
/// In place of a tier: a staging slot.
const STAGING: u32 = 4;

/// A frame: tier and number; or a staging slot.
type Place = (u32, u32);

/// What can happen where thread 0 asks for completions.
#[derive(Clone, Copy, Debug)]
enum Event {
    Nothing,
    Complete { channel: usize, result: u32 },
    Answer { request: usize, status: u32 },
    Acknowledge,
    Give(Command),
}

/// Situations that must be met.
const SITUATIONS: [&str; 7] = [
    "moves acknowledged",
    "moves undone",
    "frames taken again that a move had left",
    "loads while a command waited for an invalidation",
    "moves to T3",
    "moves from T3",
    "moves at once, the most",
];

#[derive(Clone)]
struct Release {
    /// Commands that may yet be given.
    left: u32,
    keys: u32,
    /// Whether a command is under way, and whether it has swept.
    is_busy: bool,
    has_swept: bool,
    agents: u32,
    frames: [u32; 4],
    /// Registers of LUF_FIRST and LUF_COUNT; the first that is thread 0's alone, and the first that is thread 1's.
    quarantine: [usize; 2],
    locals: [usize; 2],
    /// That of BLOCKED_ON.
    blocked_on: usize,
    /// Where each key's block is, by its last commit: state and place.
    blocks: Vec<(u32, Place)>,
    moves: Vec<Move>,
    requests: Vec<Request>,
    answered: u32,
    /// What the host put into each staging slot: T3's frame.
    fetched: Vec<(u32, u32)>,
    /// Epoch that all agents must acknowledge before the frame is used again.
    needs: BTreeMap<Place, u32>,
    left_once: Vec<Place>,
    met: [u64; 7],
}

impl Release {
    fn events(&self, bus: &Bus) -> Vec<Event> {
        let mut events = Vec::new();
        if self.is_busy {
            events.push(Event::Nothing);
        }
        for (channel, open) in bus.open.iter().enumerate() {
            if !open.is_empty() {
                events.extend([0, 2].map(|result| Event::Complete { channel, result }));
            }
        }
        for request in 0..self.requests.len() {
            events.extend([0, 1].map(|status| Event::Answer { request, status }));
        }
        if self.is_behind(bus) {
            events.push(Event::Acknowledge);
        }
        if !self.is_busy && self.left != 0 {
            for key in 0..self.keys {
                let flags = if key % 2 == 0 { 0 } else { u32::from(EntryFlags::READ_ONLY.bits()) };
                let lowest = (0..4).rev().find(|&tier| self.frames[tier] != 0).unwrap_or(0) as u32;
                let of = |opcode, tier, flags| Event::Give(Command { opcode, key, tier, flags });
                match self.blocks[key as usize].0 {
                    RESIDENT | IN_FLIGHT => events.extend([
                        of(Opcode::Evict, 0, 0),
                        of(Opcode::Demote, lowest, 0),
                        of(Opcode::Prefetch, 0, 0),
                        of(Opcode::Release, 0, 0),
                    ]),
                    _ => events.push(of(Opcode::Insert, 0, flags)),
                }
            }
        }
        events
    }

    /// Whether the agent has an invalidation to acknowledge.
    fn is_behind(&self, bus: &Bus) -> bool {
        self.agents != 0 && bus.register(&luf::AGENT_ACK, 0) != bus.register(&luf::INV_EPOCH, 0)
    }

    fn heads(&self, bus: &Bus, tier: usize) -> Vec<u32> {
        let mut heads = bus.victims(tier);
        if heads.is_empty() || !self.has_swept {
            heads.push(NONE);
        }
        heads
    }

    /// What decides the future.
    fn state(machine: &Machine<'_, Self>) -> u64 {
        let (rules, bus) = (&machine.rules, &machine.bus);
        let mut hash = Quick::default();
        // Where the next command may be given, locals mean nothing.
        let is_between = !rules.is_busy && machine.load_address() == DMA_DONE;
        let registers = rules.locals[usize::from(!is_between)];
        machine.registers[..registers].hash(&mut hash);
        machine.pc[0].hash(&mut hash);
        machine.stacks[0].hash(&mut hash);
        bus.data[..SCRATCH.start].hash(&mut hash);
        bus.data[SCRATCH.end..].hash(&mut hash);
        bus.file[..COUNTERS.start].hash(&mut hash);
        bus.file[COUNTERS.end..].hash(&mut hash);
        (&bus.rings, &bus.epochs, &bus.flags, &bus.retired, &bus.quarantine).hash(&mut hash);
        (&bus.entries, &bus.committed, &bus.touched, &bus.key, &bus.found, &bus.scored, &bus.listed).hash(&mut hash);
        (&bus.descriptors, &bus.open, &bus.done, &bus.buffer, &bus.answers).hash(&mut hash);
        (rules.is_busy, rules.has_swept, &rules.blocks, &rules.moves, &rules.requests).hash(&mut hash);
        (&rules.fetched, &rules.needs).hash(&mut hash);
        hash.finish()
    }
}

impl Rules for Release {
    fn choices(&self, bus: &Bus, address: u32) -> Option<usize> {
        let list = (address & 0xFFFF) as usize;
        match address {
            DMA_DONE if bus.done.is_some() => None,
            DMA_DONE => Some(self.events(bus).len()),
            HEPC_LIST.. if address < HEPC_LIST + 0x40 && list & 0xF == 0 => {
                let tier = list >> 4 & 0xF;
                (bus.listed[tier] == NONE).then(|| self.heads(bus, tier).len())
            }
            HEPC_ITEMS.. if address < HEPC_ITEMS + 0x400 => {
                let tier = list >> 8 & 0xF;
                (bus.listed[tier] == NONE).then(|| bus.victims(tier).len())
            }
            // The agent may have acknowledged just before.
            _ if address == csr(&luf::AGENT_ACK, 0) => self.is_behind(bus).then_some(2),
            _ => None,
        }
    }

    fn choose(&mut self, bus: &mut Bus, address: u32, pick: usize) -> Result<Vec<(u32, u32)>> {
        let list = (address & 0xFFFF) as usize;
        if address == DMA_DONE {
            match self.events(bus)[pick] {
                Event::Nothing => {}
                Event::Complete { channel, result } => self.complete(bus, channel, result)?,
                Event::Answer { request, status } => return self.answer(bus, request, status),
                Event::Acknowledge => {
                    return Ok(vec![(luf::AGENT_ACK.offset, bus.register(&luf::INV_EPOCH, 0))]);
                }
                Event::Give(command) => {
                    self.left -= 1;
                    self.is_busy = true;
                    return Ok(command.writes());
                }
            }
        } else if address == csr(&luf::AGENT_ACK, 0) {
            let epoch = bus.register(&luf::INV_EPOCH, 0);
            return Ok(if pick == 0 { Vec::new() } else { vec![(luf::AGENT_ACK.offset, epoch)] });
        } else if address >= HEPC_ITEMS {
            bus.listed[list >> 8 & 0xF] = bus.victims(list >> 8 & 0xF)[pick];
        } else {
            bus.listed[list >> 4 & 0xF] = self.heads(bus, list >> 4 & 0xF)[pick];
        }
        Ok(Vec::new())
    }

    fn loaded(&mut self, bus: &Bus, registers: &[u32], address: u32) -> Result<()> {
        if address == DMA_DONE {
            self.met[3] += u64::from(registers[self.blocked_on] == WAIT_INVALIDATION);
            if !self.is_busy {
                return self.accounts(bus, registers);
            }
        }
        Ok(())
    }

    fn stored(&mut self, bus: &mut Bus, address: u32, value: u32) -> Result<()> {
        let low = address & 0xFFFF;
        let place = (address >> 16 & 3, low);
        match address >> 16 {
            0x28..=0x2B if value & 1 == 0 => {
                let source = self.moves.iter().find(|m| m.from == place);
                ensure!(source.is_none(), "{place:?} is made quiet before the acknowledgement of {source:?}");
            }
            0x2C..=0x2F if self.agents != 0 => {
                let sent = bus.register(&luf::INV_EPOCH, 0);
                self.needs.insert(place, sent + 1);
            }
            _ => {}
        }
        if address == COMMIT {
            self.committed(bus, value as usize)?;
        } else if address == DMA + 6 || address == DMA + 0x16 {
            self.gone(bus, (low >> 4) as usize)?;
        } else if address == RING_WRITE {
            self.requested(bus)?;
        } else if address == csr(&command::CMD_STATUS, 0) && value == 2 && !self.blocks.is_empty() {
            self.is_busy = false;
            self.has_swept = false;
            bus.listed = [NONE; 5];
        } else if address == SWEEP {
            self.has_swept = true;
        }
        Ok(())
    }
}

/// A device, and how many commands about how many keys it gets.
struct Case {
    about: &'static str,
    tiers: [Tier; 4],
    agents: u32,
    keys: u32,
    commands: u32,
}

const NO_TIER: Tier = Tier { frames: 0, limit: 0 };
const ONE: Tier = Tier { frames: 1, limit: 1 };
const ONE_OF_TWO: Tier = Tier { frames: 2, limit: 1 };
const TWO: Tier = Tier { frames: 2, limit: 2 };

const CASES: [Case; 4] = [
    Case {
        about: "T0 and T1, one block in each, two frames",
        tiers: [ONE_OF_TWO, ONE_OF_TWO, NO_TIER, NO_TIER],
        agents: 0,
        keys: 3,
        commands: 5,
    },
    Case {
        about: "T0 and T3, one block in each, a staging slot",
        tiers: [ONE, NO_TIER, NO_TIER, ONE_OF_TWO],
        agents: 0,
        keys: 2,
        commands: 5,
    },
    Case {
        about: "T0, T1 and T2, one frame each, an agent",
        tiers: [ONE, ONE, ONE, NO_TIER],
        agents: 1,
        keys: 2,
        commands: 5,
    },
    Case {
        about: "T0, T1 and T2, two frames but in the last",
        tiers: [TWO, ONE_OF_TWO, ONE, NO_TIER],
        agents: 0,
        keys: 3,
        commands: 5,
    },
];

/// Checks all cases, or says what is wrong.
pub(super) fn check(subject: &Subject<'_>) -> Result<Checked> {
    let mut checked = Checked::new(&SITUATIONS);
    for case in &CASES {
        let mut bus = Bus::new(3, 1, 1);
        let statics = |name: &str| usize::from(subject.statics[name]);
        let rules = Release {
            left: case.commands,
            keys: case.keys,
            is_busy: false,
            has_swept: false,
            agents: case.agents,
            frames: case.tiers.map(|tier| tier.frames),
            quarantine: ["LUF_FIRST", "LUF_COUNT"].map(statics),
            locals: [subject.statics.len(), subject.first_of_host],
            blocked_on: statics("BLOCKED_ON"),
            blocks: Vec::new(),
            moves: Vec::new(),
            requests: Vec::new(),
            answered: 0,
            fetched: Vec::new(),
            needs: BTreeMap::new(),
            left_once: Vec::new(),
            met: [0; SITUATIONS.len()],
        };
        bus.buckets = vec![[0, 1]; case.keys as usize];
        let mut machine = Machine::new(&subject.program, bus, rules)?;
        setup::enable(&mut machine, case.tiers, case.agents, false)?;
        machine.rules.blocks = vec![(FREE, (0, 0)); case.keys as usize];
        let mut seen = Seen::new();
        let met = RefCell::new(&mut checked);
        let explored = explore(
            machine,
            &mut seen,
            |machine| {
                met.borrow_mut().meet_most(&machine.rules.met);
                Some((Release::state(machine), machine.rules.left))
            },
            |_| Ok(()),
        )
        .context(case.about)?;
        checked.add(case.about, &explored);
    }
    Ok(checked)
}
