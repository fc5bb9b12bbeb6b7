//! A plain model of the device, written from `docs/` alone: maps keyed by [`Key`], sorted vectors, no
//! speed tricks. It shares the register map's constants with the device and nothing else.
//!
//! Time: a move between T0, T1 and T2 is acknowledged at once. A move to or from T3 with bytes is in flight
//! until [`Model::acknowledge`]; where a command has to wait, all such moves end and it goes on. Faults:
//! [`Model::memory`] names the tiers whose memory faults, [`Model::t3_fails`] a host that refuses.
//!
//! | file | page |
//! |---|---|
//! | `directory.rs` | docs/rtbd.md |
//! | `score.rs`, `guard.rs`, `policy.rs` | docs/hepc.md |
//! | `frames.rs` | docs/luf.md and the free lists of docs/moves.md |
//! | `moves.rs` | docs/moves.md |
//! | `command.rs`, `scoped.rs` | docs/commands.md |
//! | `doorbells.rs` | docs/queue.md, the order between queues |

mod command;
pub(crate) mod directory;
pub mod doorbells;
mod frames;
mod guard;
mod moves;
mod policy;
mod scoped;
mod score;

use std::collections::{BTreeMap, VecDeque};

use kvcpu_driver::{Config, Counters, Occupancy, TierOccupancy, Weights};
use kvcpu_mmio::Geometry;
use kvcpu_mmio::geometry::TIERS;
use kvcpu_mmio::queue::Key;
use kvcpu_mmio::regs::rtbd_entry::{EntryFlags, EntryState};

pub use guard::Guard;
use score::Terms;
pub use score::{POLICIES, Time};

/// A block, or the ghost of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Never `Free`.
    pub state: EntryState,
    /// Flags.
    pub flags: EntryFlags,
    /// Tier of the last decision.
    pub tier: usize,
    /// Frame in it.
    pub frame: u32,
    /// Score of the last sweep.
    pub score: u32,
    /// The clock when the chain of the last access began.
    pub access: u32,
    /// Step of the next use.
    pub target: u32,
    /// Depth in its chain.
    pub depth: u32,
    /// Accesses.
    pub frequency: u32,
    /// References.
    pub refcount: u32,
    /// Signature of the first child.
    pub child: u32,
    /// Retained until 16 times this step.
    pub retain: u32,
    /// Bit k: under policy k it would have been evicted since its last access.
    pub out: u8,
}

impl Block {
    /// Resident or in flight.
    pub fn placed(&self) -> bool {
        self.state != EntryState::Ghost
    }

    /// Whether a flag is set.
    pub fn is(&self, flag: EntryFlags) -> bool {
        self.flags.contains(flag)
    }

    /// Pinned, shared or retained.
    pub fn held(&self) -> bool {
        self.refcount > 0 || self.flags.intersects(EntryFlags::HOT | EntryFlags::RETAINED)
    }
}

/// One line of a victim or prefetch list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Sort key.
    pub rank: u64,
    /// Directory index.
    pub index: usize,
}

/// One tier.
#[derive(Clone, Debug, Default)]
pub struct Tier {
    /// Frames.
    pub frames: u32,
    /// Blocks allowed.
    pub limit: u32,
    /// Watermark that starts automatic demotion.
    pub high: u32,
    /// Watermark that ends it.
    pub low: u32,
    /// Steps ahead that a hinted block moves up.
    pub lookahead: u32,
    /// Blocks there, by decision.
    pub used: u32,
    /// Free frames, next first.
    pub free: VecDeque<u32>,
}

/// What is wrong with memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Some of each block is not mapped: every transfer from or to it fails.
    pub torn: bool,
    /// Some of each block arrives with bits flipped: every transfer to it fails.
    pub corrupt: bool,
}

impl Memory {
    /// Whether what is written there does not arrive.
    pub(crate) fn refuses(self) -> bool {
        self.torn || self.corrupt
    }
}

/// A move that is not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    /// The need for room that it was begun for.
    need: Option<u64>,
    key: Key,
    from: usize,
    from_frame: u32,
    to: usize,
}

/// The device.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it is made of.
    pub geometry: Geometry,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// No bytes travel.
    pub metadata_only: bool,
    /// Weights of the score.
    pub weights: Weights,
    /// RECENCY_SHIFT: accesses per unit of recency, log2; 0 is automatic.
    pub recency_shift: u32,
    /// Automatic demotion takes what scores below.
    pub evict_thresh: u32,
    /// Where promotions go.
    pub prefetch_tier: usize,
    /// Agents, a bit each.
    pub agents: u8,
    /// Invalidations of read-only blocks wait.
    pub lazy: bool,
    /// Staging slots.
    pub staging: usize,
    /// The step.
    pub now: u32,
    /// What history is told by.
    pub time: Time,
    /// Who chooses the policy.
    pub guard: Guard,
    /// The directory by key.
    pub blocks: BTreeMap<Key, Block>,
    /// The directory by index: buckets, then the stash.
    pub slots: Vec<Option<Key>>,
    /// The tiers.
    pub tiers: [Tier; TIERS],
    /// Frames in quarantine, oldest first.
    pub quarantine: VecDeque<(usize, u32)>,
    /// The last invalidation.
    pub epoch: u32,
    /// Invalidations that had to be sent because no frame was free.
    pub exhausted: u64,
    /// Victim lists.
    pub victims: [VecDeque<Listed>; TIERS],
    /// What is above is not offered to the list.
    bounds: [Option<Listed>; TIERS],
    /// The terms of the last sweep, if they have held since.
    swept: Option<Terms>,
    /// The prefetch list.
    pub candidates: VecDeque<Listed>,
    /// What is wrong with the tiers' memory.
    pub memory: [Memory; TIERS],
    /// And with that which COPY reads and writes.
    pub buffer: Memory,
    /// And with the staging slots.
    pub staging_memory: Memory,
    /// The host answers T3 requests with an error.
    pub t3_fails: bool,
    /// It answers fetches with a wrong CRC-32C.
    pub t3_lies: bool,
    /// Bus Master Enable is clear: T1 alone is within reach.
    pub bus_off: bool,
    /// What is counted; the volatile decision latencies stay 0.
    pub counters: Counters,
    pub(crate) moves: Vec<Move>,
    /// The last move that a scoped command made for its own sake, and whether it fails; nobody knows yet.
    pub(crate) own: Option<(Move, bool)>,
    pub(crate) failed_since_fence: u32,
    /// Needs for room so far, and whether a move begun for the present one failed.
    pub(crate) need: u64,
    pub(crate) room_failed: bool,
    pub(crate) service_lost: bool,
}

impl Model {
    /// A device that was just enabled.
    pub fn new(geometry: Geometry, config: &Config) -> Model {
        let tiers = config.tiers.map(|tier| Tier {
            frames: tier.frames,
            limit: tier.limit,
            high: tier.high,
            low: tier.low,
            lookahead: tier.lookahead,
            used: 0,
            free: (0..tier.frames).collect(),
        });
        Model {
            geometry,
            block_bytes: 1 << config.block_shift,
            metadata_only: config.metadata_only,
            weights: config.weights,
            recency_shift: config.recency_shift,
            evict_thresh: config.evict_thresh.into(),
            prefetch_tier: config.prefetch_tier.into(),
            agents: config.agents,
            lazy: config.luf_lazy,
            staging: config.staging_slots as usize,
            now: 0,
            time: Time::default(),
            guard: Guard::new(&geometry, config),
            blocks: BTreeMap::new(),
            slots: vec![None; geometry.slots() as usize],
            tiers,
            quarantine: VecDeque::new(),
            epoch: 0,
            exhausted: 0,
            victims: Default::default(),
            bounds: [None; TIERS],
            swept: None,
            candidates: VecDeque::new(),
            memory: [Memory::default(); TIERS],
            buffer: Memory::default(),
            staging_memory: Memory::default(),
            t3_fails: false,
            t3_lies: false,
            bus_off: false,
            counters: Counters::default(),
            moves: Vec::new(),
            own: None,
            failed_since_fence: 0,
            need: 0,
            room_failed: false,
            service_lost: false,
        }
    }

    /// What the occupancy registers read.
    pub fn occupancy(&self) -> Occupancy {
        let stash = &self.slots[self.geometry.entries() as usize..];
        Occupancy {
            tiers: std::array::from_fn(|number| TierOccupancy {
                used: self.tiers[number].used,
                free: self.tiers[number].free.len() as u32,
                quarantined: self.quarantine.iter().filter(|(tier, _)| *tier == number).count() as u32,
            }),
            entries: self.blocks.len() as u32,
            ghosts: self.blocks.values().filter(|block| !block.placed()).count() as u32,
            stash: stash.iter().flatten().count() as u32,
        }
    }

    /// The block at a directory index.
    pub fn at(&self, index: usize) -> Option<(Key, &Block)> {
        let key = self.slots[index]?;
        Some((key, &self.blocks[&key]))
    }

    /// The block of a key that is in the directory.
    pub(crate) fn block(&mut self, key: Key) -> &mut Block {
        self.blocks.get_mut(&key).expect("the caller found the key in the directory")
    }

    /// Moves that are not acknowledged.
    pub fn moves_in_flight(&self) -> usize {
        self.moves.len()
    }
}
